//! `sys::uname`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::inspect;
use crate::os::SystemFile;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Identifies the running kernel.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::uname",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec { kind: "map", doc: "`sysname`, `release`, `version`, `machine`, `nodename`." },
        doc: "Tells which kernel runs.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"{"machine":"x86_64","nodename":"example","release":"6.12.0","sysname":"Linux","version":"1 SMP"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    use SystemFile::{Hostname, KernelName, KernelRelease, KernelVersion, Machine};
    let [sysname, release, version, machine, nodename] =
        inspect(session, [KernelName, KernelRelease, KernelVersion, Machine, Hostname])?;
    Ok(Value::map([
        ("sysname", sysname.trim_end().into()),
        ("release", release.trim_end().into()),
        ("version", version.trim_end().into()),
        ("machine", machine.trim_end().into()),
        ("nodename", nodename.trim_end().into()),
    ]))
}
