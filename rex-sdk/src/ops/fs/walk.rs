//! `fs::walk`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::super::epoch;
use crate::cursor::{AFTER, EntryCursor};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session, tree};

/// Returns everything below a directory, with metadata.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::walk",
        aliases: &[],
        needs: &[fs::List::SPEC, fs::Stat::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The directory to start from."),
            Param::option("depth", ParamKind::Count, Literal::Null, "How many levels down, at most."),
            Param::option("max", ParamKind::Count, Literal::Null, "Stop after so many entries."),
            AFTER,
            tree::ONE_FILE_SYSTEM,
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`entries`: maps of `path`, `depth` (from 1), `kind`, `size`, `modified` as RFC 3339 and `modified_epoch`, a directory before what is in it; `skipped`: maps of `path`, `code`, `message`, `why` (`denied`, `no permission`, `gone`, ...) and `count` of what could not be looked at; `truncated`: whether `max`, or the limit `entries`, stopped it, and `next`: the `after` that goes on from there; `complete`: false if it was stopped or something was skipped.",
        },
        doc: "Tells what lies below a directory.\nAsks for `fs::list` on every directory and for `fs::stat` on every entry, and follows no symbolic link below the start.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/logs"]"#,
            returns: r#"{"complete":true,"entries":[{"depth":1,"kind":"file","modified":"2026-03-02T12:00:00Z","modified_epoch":1772452800.0,"path":"/srv/app/logs/app.log","size":259},{"depth":1,"kind":"file","modified":"2026-01-31T12:00:00Z","modified_epoch":1769860800.0,"path":"/srv/app/logs/old.log","size":34}],"next":null,"skipped":[],"truncated":false}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let limit = session.limits().entries;
    let max = args.count_option("max")?.unwrap_or(limit).min(limit);
    let mut walk = tree::TreeWalk::new(session, args, args.count_option("depth")?, EntryCursor::of(args)?)?;
    let (mut entries, mut full) = (Vec::new(), max == 0);
    let mut last = args.path_option("after")?.map(|path| path.as_str().to_owned());
    let mut visit = |&tree::VisitedEntry { level, path, metadata, .. }: &tree::VisitedEntry<'_>| {
        full = full || entries.len() as u64 >= max;
        if !full {
            last = Some(path.as_str().to_owned());
            entries.push(Value::map([
                ("path", path.as_str().into()),
                ("depth", Value::count(level)),
                ("kind", metadata.kind.as_str().into()),
                ("size", Value::count(metadata.size)),
                ("modified", metadata.modified.to_string().into()),
                ("modified_epoch", epoch(metadata.modified)),
            ]));
        }
        !full
    };
    walk.below(args.path("path")?, &mut visit)?;
    let truncated = full || walk.stopped;
    let complete = !truncated && walk.skipped.is_empty();
    Ok(Value::map([
        ("entries", entries.into()),
        ("skipped", walk.skipped.into()),
        ("complete", complete.into()),
        ("truncated", truncated.into()),
        ("next", last.filter(|_| truncated).into()),
    ]))
}
