//! `process::who_uses`

use std::collections::BTreeSet;

use rex_core::action::process;
use rex_core::{AbsPath, Action, Code, Error, Value};

use super::open_files::used;
use super::{all, brief};
use crate::os::OpenFile;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Finds the processes that use a file, or one below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::who_uses",
        aliases: &[],
        needs: &[process::List::SPEC, process::Inspect::SPEC],
        params: &[Param::required(
            "path",
            ParamKind::Path,
            "The file or directory, by the name that the processes opened: no link is followed. One that was removed since is found too.",
        )],
        returns: ReturnSpec {
            kind: "map",
            doc: "`processes`: maps of `pid`, `name`, `user`, `unit`, and `files`, the paths; `skipped`: maps of `pid`, `name` and `code`, of those that could not be looked at; `complete`: false if some were skipped, or others are hidden from Rex.",
        },
        doc: "Finds the processes that use a file, or one below a directory.\nIt is in use if it is open or mapped into memory, or is the program, the directory or the root of a process. Asks for `process::inspect` on every process; if that is denied for all of them, this is denied.",
        errors: &[Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/logs"]"#,
            returns: r#"{"complete":true,"processes":[{"files":["/srv/app/logs/app.log"],"name":"nginx","pid":4243,"unit":"nginx.service","user":"www-data"}],"skipped":[]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let below = |file: &OpenFile| AbsPath::parse(file.path()).is_ok_and(|name| name == path || name.is_in(&path));
    let (mut users, mut skipped, mut denied) = (Vec::new(), Vec::new(), None);
    let found = all(session, None)?;
    let (count, hidden) = (found.processes.len(), found.hidden);
    for status in found.processes {
        session.run.budget().check()?;
        let (process, identity) = (&status.process, status.process.identity());
        match used(session, process, true) {
            Ok(open) => {
                let files: BTreeSet<_> = open.into_iter().filter(&below).map(|file| file.name).collect();
                if !files.is_empty() {
                    let mut entry = brief(process);
                    entry.insert("files".to_owned(), Value::List(files.into_iter().map(Value::from).collect()));
                    users.push(Value::Map(entry));
                }
            }
            // It has ended, and has no open files.
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
        _ => Ok(Value::map([
            ("complete", (!hidden && skipped.is_empty()).into()),
            ("processes", users.into()),
            ("skipped", skipped.into()),
        ])),
    }
}
