//! `sys::block_devices`

use std::collections::BTreeMap;

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the block devices.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::block_devices",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `name`, `size` in bytes, `model`, `read_only`, `removable`, `rotational` (a disk that turns), `partitions`: maps of `name` and `size`. `()` where the kernel does not say.",
        },
        doc: "Lists the block devices.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"model":null,"name":"vda","partitions":[{"name":"vda1","size":107373133824}],"read_only":false,"removable":false,"rotational":false,"size":107374182400}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Inspect {}, Host)?;
    let devices = session.os.block_devices(grant, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    Ok(Value::List(devices.iter().map(|(name, files)| describe(name, files)).collect()))
}

fn describe(name: &str, files: &BTreeMap<String, String>) -> Value {
    /// The unit of sizes in bytes, for every device.
    const SECTOR: u64 = 512;
    let text = |file: &str| files.get(file).map(|text| text.trim());
    let bytes =
        |text: &str| text.trim().parse::<u64>().ok().map(|sectors| Value::count(sectors.saturating_mul(SECTOR)));
    let flag = |file: &str| text(file).map(|text| text == "1").into();
    let partitions = files.iter().filter_map(|(file, size)| {
        let name = file.strip_prefix("partition/")?;
        Some(Value::map([("name", name.into()), ("size", bytes(size)?)]))
    });
    Value::map([
        ("name", name.into()),
        ("size", text("size").and_then(bytes).into()),
        ("model", text("device/model").into()),
        ("read_only", flag("ro")),
        ("removable", flag("removable")),
        ("rotational", flag("queue/rotational")),
        ("partitions", Value::List(partitions.collect())),
    ])
}
