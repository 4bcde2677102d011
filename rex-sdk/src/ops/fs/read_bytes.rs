//! `fs::read_bytes`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Reads a file as bytes.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::read_bytes",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", Kind::Path, "The file.")],
        returns: Returns { kind: "bytes", doc: "All of the file." },
        doc: "Reads a file as bytes.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/icon.bin"]"#, returns: "[137,80,78,71,255,0]" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    session.open(args.path("path")?)?.read_all().map(Value::Bytes)
}
