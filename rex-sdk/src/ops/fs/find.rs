//! `fs::find`

use globset::{GlobBuilder, GlobMatcher};
use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Timestamp, Value};

use super::list::named;
use super::{Entry, describe, skipped};
use crate::os::{EntryKind, Metadata};
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Finds files below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::find",
        aliases: &[],
        needs: &[fs::List::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The directory to start from."),
            Param::option(
                "name",
                Kind::Text,
                Literal::Null,
                "A glob that the name matches: `*.log`, `{a,b}?`, `[0-9]*`.",
            ),
            Param::option(
                "kind",
                Kind::Text,
                Literal::Null,
                "`file`, `directory`, `symlink`, `fifo`, `socket` or `device`.",
            ),
            Param::option("min_size", Kind::Count, Literal::Null, "Smallest size, in bytes; asks for `fs::stat`."),
            Param::option("max_size", Kind::Count, Literal::Null, "Largest size, in bytes; asks for `fs::stat`."),
            Param::option(
                "newer_than",
                Kind::Count,
                Literal::Null,
                "Changed less than so many seconds ago; asks for `fs::stat`.",
            ),
            Param::option(
                "older_than",
                Kind::Count,
                Literal::Null,
                "Changed more than so many seconds ago; asks for `fs::stat`.",
            ),
            Param::option(
                "depth",
                Kind::Count,
                Literal::Null,
                "How deep to go; 1 is the directory's own entries. As deep as the limit `tree_depth`, if not given.",
            ),
            Param::option("max", Kind::Count, Literal::Null, "Stop after so many finds."),
        ],
        returns: Returns {
            kind: "map",
            doc: "`entries`: a list of maps with `path`, `name`, `kind`, and what `fs::stat` tells if it was asked for, level by level in the order of \
                  names; `skipped`: a list of maps with `path`, `code`, `message` of what could not be looked at; `complete`: false if `max` stopped it or \
                  something was skipped.",
        },
        doc: "Finds files below a directory.\nAsks for `fs::list` on every directory that it enters, and never follows symbolic links.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"["/srv/app", {"name": "*.log", "kind": "file", "max": 1}]"#,
            returns: r#"{"complete":false,"entries":[{"kind":"file","name":"app.log","path":"/srv/app/logs/app.log"}],"skipped":[]}"#,
        },
    },
    call,
};

struct Filter {
    name: Option<GlobMatcher>,
    kind: Option<EntryKind>,
    size: (u64, u64),
    modified: (Timestamp, Timestamp),
    stat: bool,
}

impl Filter {
    fn of(session: &Session<'_>, args: &Args) -> Result<Self, Error> {
        let glob = |text: &str| {
            // The name of an entry has no separator, so `*` matches all of it.
            GlobBuilder::new(text).build().map(|glob| glob.compile_matcher()).map_err(|error| {
                Error::validation(format!("`{}` is not a glob: {}", text.escape_debug(), error.kind()))
            })
        };
        let (min, max) = (args.count_option("min_size")?, args.count_option("max_size")?);
        let (newer, older) = (args.count_option("newer_than")?, args.count_option("older_than")?);
        let now = session.run.now().as_micros();
        let ago = |seconds: u64| {
            let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            Timestamp::from_micros(now.saturating_sub(micros))
        };
        Ok(Self {
            name: args.text_option("name")?.map(glob).transpose()?,
            kind: args.text_option("kind")?.map(kind).transpose()?,
            size: (min.unwrap_or(0), max.unwrap_or(u64::MAX)),
            modified: (
                newer.map_or(Timestamp::from_micros(i64::MIN), ago),
                older.map_or(Timestamp::from_micros(i64::MAX), ago),
            ),
            stat: min.is_some() || max.is_some() || newer.is_some() || older.is_some(),
        })
    }

    fn takes_entry(&self, name: &str, kind: EntryKind) -> bool {
        self.name.as_ref().is_none_or(|glob| glob.is_match(name)) && self.kind.is_none_or(|wanted| wanted == kind)
    }

    fn takes(&self, metadata: &Metadata) -> bool {
        (self.size.0..=self.size.1).contains(&metadata.size)
            && (self.modified.0..=self.modified.1).contains(&metadata.modified)
    }
}

fn kind(text: &str) -> Result<EntryKind, Error> {
    use EntryKind::{Device, Directory, Fifo, File, Socket, Symlink};
    [File, Directory, Symlink, Fifo, Socket, Device].into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        Error::validation(format!("`{}` is not a kind", text.escape_debug()))
            .with_help("the kinds are: file, directory, symlink, fifo, socket, device")
    })
}

#[derive(Default)]
struct Found {
    entries: Vec<Value>,
    skipped: Vec<Value>,
    visited: u64,
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let filter = Filter::of(session, args)?;
    let limits = session.limits();
    let depth = args.count_option("depth")?.unwrap_or(limits.tree_depth);
    if depth > limits.tree_depth {
        return Err(exceeded("tree_depth", limits.tree_depth, "levels of directories"));
    }
    let max = args.count_option("max")?.unwrap_or(u64::MAX);
    let mut found = Found::default();
    let start = args.path("path")?;
    let mut level = vec![start.clone()];
    for _ in 0..depth {
        let mut below = Vec::new();
        for dir in level {
            match visit(session, &filter, &dir, max, &mut found, &mut below) {
                Err(error) if error.is_fatal() || dir == start || error.code == Code::LimitExceeded => {
                    return Err(error);
                }
                Err(error) => found.skipped.push(skipped(dir.as_str(), &error)),
                Ok(()) if found.entries.len() as u64 >= max => return Ok(result(found, false)),
                Ok(()) => {}
            }
        }
        level = below;
    }
    let complete = found.skipped.is_empty();
    Ok(result(found, complete))
}

fn result(found: Found, complete: bool) -> Value {
    Value::map([("entries", found.entries.into()), ("skipped", found.skipped.into()), ("complete", complete.into())])
}

/// Looks at the entries of one directory; those that are directories go to `below`.
fn visit(
    session: &Session<'_>,
    filter: &Filter,
    dir: &AbsPath,
    max: u64,
    found: &mut Found,
    below: &mut Vec<AbsPath>,
) -> Result<(), Error> {
    let limit = session.limits().entries;
    let (dir, entries) = session.act(fs::List {}, dir.clone(), |grant| {
        let dir = grant.resource().clone();
        session.os.list(grant, limit).map(|entries| (dir, entries))
    })?;
    for entry in entries {
        session.run.budget().check()?;
        found.visited += 1;
        if found.visited > limit {
            return Err(exceeded("entries", limit, "entries"));
        }
        let (name, path) = match named(&dir, entry.name) {
            Ok(named) => named,
            Err((_, error)) => {
                found.skipped.push(skipped(dir.as_str(), &error));
                continue;
            }
        };
        if filter.takes_entry(&name, entry.kind) {
            let mut map = Entry::from([
                ("path".to_owned(), path.as_str().into()),
                ("name".to_owned(), name.into()),
                ("kind".to_owned(), entry.kind.as_str().into()),
            ]);
            if keep(session, filter, &path, &mut map, found)? {
                found.entries.push(Value::Map(map));
                if found.entries.len() as u64 >= max {
                    return Ok(());
                }
            }
        }
        if entry.kind == EntryKind::Directory {
            below.push(path);
        }
    }
    Ok(())
}

/// Whether size and age are as wanted, if they matter.
fn keep(
    session: &Session<'_>,
    filter: &Filter,
    path: &AbsPath,
    map: &mut Entry,
    found: &mut Found,
) -> Result<bool, Error> {
    if !filter.stat {
        return Ok(true);
    }
    match session.act(fs::Stat {}, path.clone(), |grant| session.os.stat(grant)) {
        Ok(metadata) => {
            describe(map, &metadata);
            Ok(filter.takes(&metadata))
        }
        Err(error) if error.is_fatal() => Err(error),
        Err(error) => {
            found.skipped.push(skipped(path.as_str(), &error));
            Ok(false)
        }
    }
}
