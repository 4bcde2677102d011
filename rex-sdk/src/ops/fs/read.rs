//! `fs::read`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Reads a text file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::read",
        aliases: &["read"],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", Kind::Path, "The file.")],
        returns: Returns { kind: "text", doc: "All of the file." },
        doc: "Reads a text file.\nIt must be UTF-8; use `fs::read_bytes` for anything else, and `fs::lines` for a part of a large one.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/version.txt"]"#, returns: r#""1.4.2\n""# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let bytes = session.open(path.clone())?.read_all()?;
    String::from_utf8(bytes).map(Value::Text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(Code::Unsupported, format!("`{path}` is not UTF-8: the first bad byte is at {at}"))
            .with_help("read it with `fs::read_bytes`")
    })
}
