//! `sys::modules`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the modules of the kernel.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::modules",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `name`, `size` in bytes, `uses` (how often it is in use), `used_by` (other modules), `state`.",
        },
        doc: "Lists the modules of the kernel.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"name":"ext4","size":1000000,"state":"live","used_by":[],"uses":1},{"name":"jbd2","size":200000,"state":"live","used_by":["ext4"],"uses":1}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::Modules])?;
    let module = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| fields.get(place)?.parse::<i64>().ok();
        let users = fields.get(3)?.split(',').filter(|name| !name.is_empty() && *name != "-");
        Some(Value::map([
            ("name", (*fields.first()?).into()),
            ("size", number(1)?.into()),
            ("uses", number(2).into()),
            ("used_by", Value::List(users.map(Value::from).collect())),
            ("state", fields.get(4)?.to_ascii_lowercase().into()),
        ]))
    };
    Ok(Value::List(text.lines().filter_map(module).collect()))
}
