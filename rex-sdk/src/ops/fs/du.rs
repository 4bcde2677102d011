//! `fs::du`

use std::collections::{HashMap, HashSet};

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Value};

use crate::os::{EntryKind, Metadata};
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session, tree};

/// Tells how much lies below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::du",
        aliases: &[],
        needs: &[fs::List::SPEC, fs::Stat::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The directory."),
            Param::option(
                "depth",
                Kind::Count,
                Literal::Int(1),
                "Of which directories below it the sums are told: those so many levels down.",
            ),
            Param::option("max", Kind::Count, Literal::Int(20), "How many directories are told."),
        ],
        returns: Returns {
            kind: "map",
            doc: "`allocated` (bytes on disk), `size` (bytes of contents), `files` and `directories` below it; `largest`: maps of `path`, `allocated`, `size` and `files`, of directories down to `depth`, the largest first; `skipped`: maps of `path`, `code`, `message` of what could not be looked at; `complete`: false if something was skipped.",
        },
        doc: "Tells how much lies below a directory.\nAsks for `fs::list` on every directory and for `fs::stat` on every entry. A file with several names is counted once; symbolic links are not followed.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"["/srv"]"#,
            returns: r#"{"allocated":328,"complete":true,"directories":3,"files":6,"largest":[{"allocated":328,"files":6,"path":"/srv/app","size":328}],"size":328,"skipped":[]}"#,
        },
    },
    call,
};

/// What lies below a directory.
#[derive(Default, Clone, Copy)]
struct Sum {
    allocated: u64,
    size: u64,
    files: u64,
    directories: u64,
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (depth, top) = (args.count("depth")?, args.count("max")?);
    let mut walk = tree::Walk::new(session, None)?;
    let (mut all, mut sums) = (Sum::default(), HashMap::<String, Sum>::new());
    // A file with several names is counted once, under the first.
    let mut seen = HashSet::new();
    let path = args.path("path")?;
    let mut visit = |level: u64, path: &AbsPath, metadata: &Metadata| {
        let directory = metadata.kind == EntryKind::Directory;
        if metadata.links > 1 && !directory && !seen.insert((metadata.device, metadata.inode)) {
            return true;
        }
        let add = |sum: &mut Sum| {
            sum.allocated = sum.allocated.saturating_add(metadata.allocated);
            sum.size = sum.size.saturating_add(if directory { 0 } else { metadata.size });
            sum.files += u64::from(!directory);
            sum.directories += u64::from(directory);
        };
        add(&mut all);
        // The directories above it that are told about: those of the first levels.
        let above = level.saturating_sub(u64::from(!directory));
        let mut name = if directory { Some(path.as_str()) } else { parent(path.as_str()) };
        for level in (1..=above).rev() {
            let Some(at) = name else { break };
            if level <= depth {
                match sums.get_mut(at) {
                    Some(sum) => add(sum),
                    None => add(sums.entry(at.to_owned()).or_default()),
                }
            }
            name = parent(at);
        }
        true
    };
    walk.below(path, &mut visit)?;
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|(a, one), (b, other)| other.allocated.cmp(&one.allocated).then_with(|| a.cmp(b)));
    sums.truncate(usize::try_from(top).unwrap_or(usize::MAX));
    let largest = sums.into_iter().map(|(path, sum)| {
        Value::map([
            ("path", path.into()),
            ("allocated", Value::count(sum.allocated)),
            ("size", Value::count(sum.size)),
            ("files", Value::count(sum.files)),
        ])
    });
    Ok(Value::map([
        ("allocated", Value::count(all.allocated)),
        ("size", Value::count(all.size)),
        ("files", Value::count(all.files)),
        ("directories", Value::count(all.directories)),
        ("largest", Value::List(largest.collect())),
        ("complete", walk.skipped.is_empty().into()),
        ("skipped", walk.skipped.into()),
    ]))
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}
