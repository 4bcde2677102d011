//! `sys::mounts`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::proc::mount;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists every mount with its options.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::mounts",
        aliases: &[],
        needs: &[sys::Disk::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, in the order of mounting: `target` (the mount point), `source`, `kind`, `root` (what of the file system is mounted), `options`, and `super_options` of the file system.",
        },
        doc: "Lists every mount with its options.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"kind":"ext4","options":["rw","relatime"],"root":"/","source":"/dev/vda1","super_options":["rw"],"target":"/"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Disk {}, Host)?;
    let table = session.os.mounts(grant, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    Ok(Value::List(table.lines().filter_map(mount).collect()))
}
