//! `fs::copy`

use std::io::{Cursor, Read};

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Grant, Value};

use super::into_missing;
use crate::os::WriteOptions;
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Copies a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::copy",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("from", Kind::Path, "The file."),
            Param::required("to", Kind::Path, "The copy."),
            Param::option("new", Kind::Bool, Literal::Bool(false), "Fail if the copy exists."),
        ],
        returns: Returns { kind: "int", doc: "How many bytes were copied." },
        doc: "Copies a file.\nThe contents only: the copy has mode and owner of a new file, or of the one that it replaces. \
              The copy appears all at once. Of a file that grows meanwhile, what it held at the start is copied.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/config.yaml", "/tmp/config.yaml"]"#, returns: "11" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (from, to) = (args.path("from")?, args.path("to")?);
    let onto_itself = |path: &AbsPath| Error::validation(format!("`{path}` cannot be copied onto itself"));
    if from == to {
        return Err(onto_itself(&from));
    }
    let options = WriteOptions { new: args.flag("new")? };
    let source = session.open(from)?;
    let opened = source.path().clone();
    // A file that says 0 may be one of `/proc`: only reading it tells how much there is.
    let (bytes, mut source): (u64, Box<dyn Read + '_>) = match source.size() {
        0 => {
            let contents = source.read_all()?;
            (contents.len() as u64, Box::new(Cursor::new(contents)))
        }
        size => (size, Box::new(source.take(size))),
    };
    let action = fs::Write { bytes: i64::try_from(bytes).unwrap_or(i64::MAX) };
    let write = |grant: Grant<fs::Write>| {
        // By way of a link. What is written to the old file from now on would be lost.
        if *grant.resource() == opened {
            return Err(onto_itself(&opened).into());
        }
        session.os.write(grant, &mut session.written(&mut source), options)
    };
    session.act(action, to, write).map(Value::count).map_err(into_missing)
}
