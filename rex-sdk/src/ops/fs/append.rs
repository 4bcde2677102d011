//! `fs::append`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::into_missing;
use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Adds to the end of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::append",
        aliases: &["append"],
        needs: &[fs::Append::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file; it is created if it is missing."),
            Param::required("contents", Kind::Data, "What is added; no newline is put behind it."),
        ],
        returns: Returns { kind: "int", doc: "How many bytes were added." },
        doc: "Adds to the end of a file.\nThe file is never read, so this takes no longer for a large one, and what it holds need not be text.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/srv/app/logs/app.log", "triaged\n"]"#, returns: "8" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let contents = args.data("contents")?;
    let action = fs::Append { bytes: i64::try_from(contents.len()).unwrap_or(i64::MAX) };
    let mut counted = false;
    let append = |grant| {
        // Once, also where the name crosses a link and this is asked for again.
        if !std::mem::replace(&mut counted, true) {
            session.run.budget().count_written(contents.len() as u64)?;
        }
        session.os.append(grant, contents)
    };
    session.act(action, args.path("path")?, append).map_err(into_missing)?;
    Ok(Value::count(contents.len()))
}
