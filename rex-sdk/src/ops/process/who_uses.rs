//! `process::who_uses`

use std::collections::BTreeSet;

use rex_core::action::process;
use rex_core::{AbsPath, Action, Code, Error, Value};

use super::all;
use super::open_files::open;
use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Finds the processes that have a file open, or one below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::who_uses",
        aliases: &[],
        needs: &[process::List::SPEC, process::Inspect::SPEC],
        params: &[Param::required(
            "path",
            Kind::Path,
            "The file or directory, by the name that the processes opened: no link is followed.",
        )],
        returns: Returns {
            kind: "map",
            doc: "`processes`: maps of `pid`, `name`, `user`, `unit`, and `files`, the paths; `skipped`: maps of `pid`, `name` and `code`, of those that could not be looked at.",
        },
        doc: "Finds the processes that have a file open, or one below a directory.\nAsks for `process::inspect` on every process; if that is denied for all of them, this is denied.",
        errors: &[Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"["/srv/app/logs"]"#,
            returns: r#"{"processes":[{"files":["/srv/app/logs/app.log"],"name":"nginx","pid":4243,"unit":"nginx.service","user":"www-data"}],"skipped":[]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let below = |name: &str| AbsPath::parse(name).is_ok_and(|name| name == path || name.is_in(&path));
    let (mut users, mut skipped, mut denied) = (Vec::new(), Vec::new(), None);
    let found = all(session, None)?;
    let count = found.len();
    for status in found {
        session.run.budget().check()?;
        let (process, identity) = (&status.process, status.process.identity());
        match open(session, process) {
            Ok(open) => {
                let files: BTreeSet<_> = open.into_iter().map(|file| file.name).filter(|name| below(name)).collect();
                if !files.is_empty() {
                    users.push(Value::map([
                        ("pid", Value::count(process.pid())),
                        ("name", identity.name.as_str().into()),
                        ("user", identity.user.as_str().into()),
                        ("unit", identity.unit.as_str().into()),
                        ("files", Value::List(files.into_iter().map(Value::from).collect())),
                    ]));
                }
            }
            // It has ended, and has nothing open.
            Err(error) if error.code == Code::NotFound => {}
            Err(error) if matches!(error.code, Code::AccessDenied | Code::Io) => {
                skipped.push(Value::map([
                    ("pid", Value::count(process.pid())),
                    ("name", identity.name.as_str().into()),
                    ("code", error.code.as_str().into()),
                ]));
                denied = denied.or(Some(error).filter(|error| error.code == Code::AccessDenied));
            }
            Err(error) => return Err(error),
        }
    }
    match denied {
        Some(error) if skipped.len() == count => Err(error),
        _ => Ok(Value::map([("processes", users.into()), ("skipped", skipped.into())])),
    }
}
