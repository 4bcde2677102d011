//! `fs::create_dir`

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Value};

use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Creates a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::create_dir",
        aliases: &[],
        needs: &[fs::CreateDir::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The directory."),
            Param::option(
                "parents",
                Kind::Bool,
                Literal::Bool(false),
                "Create the missing ones above it too, each with a permission of its own, and take one that exists.",
            ),
        ],
        returns: Returns { kind: "nothing", doc: "" },
        doc: "Creates a directory.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: Example { args: r#"["/srv/app/cache"]"#, returns: "null" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    if args.flag("parents")? {
        create_with_parents(session, path)?;
    } else {
        create(session, path)?;
    }
    Ok(Value::Null)
}

fn create(session: &Session<'_>, path: AbsPath) -> Result<(), Error> {
    session.act(fs::CreateDir {}, path, |grant| session.os.create_dir(grant))
}

/// From the innermost outwards until one can be created, then back inwards: what exists above needs no permission.
fn create_with_parents(session: &Session<'_>, path: AbsPath) -> Result<(), Error> {
    let mut missing = vec![path];
    while let Some(path) = missing.last() {
        match create(session, path.clone()) {
            Err(error) if error.code == Code::NotFound => match path.parent() {
                Some(parent) => missing.push(parent),
                None => return Err(error),
            },
            Err(error) if error.code != Code::AlreadyExists => return Err(error),
            _ => drop(missing.pop()),
        }
    }
    Ok(())
}
