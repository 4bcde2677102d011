//! `sys::cgroup`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::os::{OsError, io_error};
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Returns the usage and the limits of a control group.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::cgroup",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[Param::required(
            "group",
            ParamKind::Path,
            "Its path below the root of the hierarchy: `/system.slice/nginx.service`.",
        )],
        returns: ReturnSpec {
            kind: "map of names",
            doc: "Numbers and maps of numbers by the names of the files that the kernel has for them: `memory.current`, `memory.max`, `cpu.stat`, `pids.current`, ...; `()` where there is no bound.",
        },
        doc: "Tells what a control group uses, and may use.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"["/system.slice/nginx.service"]"#,
            returns: r#"{"cpu.stat":{"usage_usec":1500000},"memory.current":1048576,"memory.max":null}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Inspect {}, Host)?;
    let group = args.path("group")?;
    let told = |error: OsError| match error {
        OsError::Io(error) => io_error(error, &group.as_str().escape_debug().to_string()),
        other => other.into_error(&group),
    };
    let files = session.os.control_group(grant, group.clone(), session.run.budget()).map_err(told)?;
    Ok(Value::Map(files.into_iter().map(|(name, text)| (name, describe(&text))).collect()))
}

/// Converts a number, or a list of them by name, to a value; see the kernel's `cgroup-v2.rst`.
fn describe(text: &str) -> Value {
    let number = |word: &str| match word {
        "max" => Value::Null,
        word => word.parse::<i64>().map_or_else(|_| word.into(), Value::Int),
    };
    match text.trim() {
        "" => Value::Null,
        one if !one.contains([' ', '\n']) => number(one),
        many => {
            let pair = |line: &str| {
                let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
                (name.to_owned(), number(rest))
            };
            Value::Map(many.lines().map(pair).collect())
        }
    }
}
