//! `sys::disk`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use super::percent;
use crate::os::Mount;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the usage of the mounted file systems.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::disk",
        aliases: &[],
        needs: &[sys::Disk::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, in the order of their mount points: `target` (the mount point), `source`, `kind`; `total`, `used`, `free` and `available` (to ordinary users) in bytes; `used_percent` of what ordinary users could use; `inodes`, `inodes_free`.",
        },
        doc: "Tells how full the mounted file systems are.",
        errors: &[Code::Io],
        example: CallExample {
            args: "[]",
            returns: r#"[{"available":26843545600,"free":26843545600,"inodes":1000,"inodes_free":900,"kind":"ext4","source":"/dev/vda1","target":"/","total":107374182400,"used":80530636800,"used_percent":75.0},{"available":1073741824,"free":1073741824,"inodes":1000,"inodes_free":900,"kind":"tmpfs","source":"tmpfs","target":"/run","total":1073741824,"used":0,"used_percent":0.0}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Disk {}, Host)?;
    let mounts = session.os.disk(grant, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    Ok(Value::List(mounts.iter().map(describe).collect()))
}

fn describe(mount: &Mount) -> Value {
    let used = mount.total.saturating_sub(mount.free);
    let usable = used.saturating_add(mount.available);
    Value::map([
        ("target", mount.target.as_str().into()),
        ("source", mount.source.as_str().into()),
        ("kind", mount.kind.as_str().into()),
        ("total", Value::count(mount.total)),
        ("used", Value::count(used)),
        ("free", Value::count(mount.free)),
        ("available", Value::count(mount.available)),
        ("used_percent", percent(used, usable).into()),
        ("inodes", Value::count(mount.inodes)),
        ("inodes_free", Value::count(mount.inodes_free)),
    ])
}
