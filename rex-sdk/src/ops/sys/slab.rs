//! `sys::slab`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Size of a page on most machines, in bytes.
const PAGE: u64 = 4096;

/// Lists the caches of the kernel.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::slab",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, the largest first: `name`, `active_objects`, `objects`, `object_size` in bytes, `memory` in bytes.",
        },
        doc: "Lists the caches of the kernel.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"active_objects":900,"memory":196608,"name":"dentry","object_size":192,"objects":1000}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::Slab])?;
    let cache = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let slabs = fields.iter().position(|word| *word == "slabdata").and_then(|place| number(place + 2))?;
        let memory = slabs.saturating_mul(number(5)?).saturating_mul(PAGE);
        let entry = Value::map([
            ("name", (*fields.first()?).into()),
            ("active_objects", Value::count(number(1)?)),
            ("objects", Value::count(number(2)?)),
            ("object_size", Value::count(number(3)?)),
            ("memory", Value::count(memory)),
        ]);
        Some((memory, entry))
    };
    let mut caches: Vec<_> = text.lines().filter_map(cache).collect();
    caches.sort_by_key(|(memory, _)| std::cmp::Reverse(*memory));
    Ok(Value::List(caches.into_iter().map(|(_, entry)| entry).collect()))
}
