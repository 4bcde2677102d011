//! `sys::entropy`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::{inspect, unclear};
use crate::os::SystemFile;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the amount of entropy of the kernel.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::entropy",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec { kind: "int", doc: "In bits; 256 is all that recent kernels need." },
        doc: "Tells how much entropy the kernel has.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample { args: r#"[]"#, returns: r#"256"# },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let [text] = inspect(session, [SystemFile::Entropy])?;
    text.trim().parse::<i64>().map(Value::Int).map_err(|_| unclear(SystemFile::Entropy))
}
