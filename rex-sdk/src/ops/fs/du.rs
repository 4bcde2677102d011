//! `fs::du`

use std::collections::{HashMap, HashSet};

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::cursor::EntryCursor;
use crate::os::{EntryKind, Metadata};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session, tree};

/// Returns the size of everything below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::du",
        aliases: &[],
        needs: &[fs::List::SPEC, fs::Stat::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The directory."),
            Param::option(
                "depth",
                ParamKind::Count,
                Literal::Int(1),
                "Of which directories below it the sums are told: those so many levels down.",
            ),
            Param::option("max", ParamKind::Count, Literal::Null, "How many directories are told; all, if not given."),
            tree::ONE_FILE_SYSTEM,
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`allocated` (bytes on disk), `size` (bytes of contents), `files` and `directories` below it; `largest`: maps of `path`, `allocated`, `size` and `files`, of directories down to `depth`, the largest first; `truncated`: whether there are more of them; `skipped`: maps of `path`, `code`, `message`, `why` (`denied`, `no permission`, `gone`, ...) and `count` of what could not be looked at; `complete`: false if something was skipped, so that the sums are too small.",
        },
        doc: "Tells how much lies below a directory.\nAsks for `fs::list` on every directory and for `fs::stat` on every entry. A file with several names is counted once; symbolic links are not followed. \
              However many entries there are, they are all looked at.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv"]"#,
            returns: r#"{"allocated":328,"complete":true,"directories":3,"files":6,"largest":[{"allocated":328,"files":6,"path":"/srv/app","size":328}],"size":328,"skipped":[],"truncated":false}"#,
        },
    },
    call,
};

/// The totals of one directory.
#[derive(Default, Clone, Copy)]
struct DirectorySum {
    allocated: u64,
    size: u64,
    files: u64,
    directories: u64,
}

impl DirectorySum {
    fn add(&mut self, metadata: &Metadata) {
        let directory = metadata.kind == EntryKind::Directory;
        self.allocated = self.allocated.saturating_add(metadata.allocated);
        self.size = self.size.saturating_add(if directory { 0 } else { metadata.size });
        self.files += u64::from(!directory);
        self.directories += u64::from(directory);
    }
}

/// The totals of directories of the first levels.
#[derive(Default)]
struct DirectorySums {
    depth: u64,
    numbers: HashMap<String, usize>,
    sums: Vec<(String, DirectorySum)>,
}

impl DirectorySums {
    /// Returns the totals to which an entry of a directory counts: those of the directory and of the directories above
    /// it.
    fn above(&mut self, level: u64, directory: &str) -> Vec<usize> {
        let mut above = Vec::new();
        let mut name = Some(directory);
        for level in (1..=level).rev() {
            let Some(at) = name else { break };
            if level <= self.depth {
                let next = self.sums.len();
                let number = *self.numbers.entry(at.to_owned()).or_insert(next);
                if number == next {
                    self.sums.push((at.to_owned(), DirectorySum::default()));
                }
                above.push(number);
            }
            name = parent(at);
        }
        above
    }

    fn add(&mut self, above: &[usize], metadata: &Metadata) {
        for number in above {
            if let Some((_, sum)) = self.sums.get_mut(*number) {
                sum.add(metadata);
            }
        }
    }
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (depth, limit) = (args.count("depth")?, session.limits().entries);
    let most = args.count_option("max")?.unwrap_or(limit).min(limit);
    let mut walk = tree::TreeWalk::new(session, args, None, EntryCursor::none())?;
    let (mut all, mut sums) = (DirectorySum::default(), DirectorySums { depth, ..DirectorySums::default() });
    // A file with several names is counted once, under its first name.
    let mut seen = HashSet::new();
    // Files arrive directory by directory.
    let (mut current, mut above) = (0, Vec::new());
    walk.below(args.path("path")?, &mut |&tree::VisitedEntry { level, directory, path, metadata, here }| {
        if !here {
            return true;
        }
        if metadata.kind == EntryKind::Directory {
            let above = sums.above(level, path.as_str());
            sums.add(&above, metadata);
        } else if metadata.links > 1 && !seen.insert((metadata.device, metadata.inode)) {
            return true;
        } else {
            if directory != current {
                let parent = parent(path.as_str()).unwrap_or_default();
                (current, above) = (directory, sums.above(level - 1, parent));
            }
            sums.add(&above, metadata);
        }
        all.add(metadata);
        true
    })?;
    let mut sums = sums.sums;
    sums.sort_by(|(a, one), (b, other)| other.allocated.cmp(&one.allocated).then_with(|| a.cmp(b)));
    let truncated = sums.len() as u64 > most;
    sums.truncate(usize::try_from(most).unwrap_or(usize::MAX));
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
        ("truncated", truncated.into()),
        ("complete", walk.skipped.is_empty().into()),
        ("skipped", walk.skipped.into()),
    ]))
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty())
}

#[cfg(test)]
mod tests {
    use rex_core::{Limits, Value};

    use super::super::testing::World;
    use crate::MemOs;

    fn told(value: &Value) -> usize {
        if let Some(Value::List(largest)) = value.get("largest") { largest.len() } else { 0 }
    }

    #[test]
    fn all_is_looked_at_and_what_is_told_is_said() {
        let limits = Limits { entries: 30, ..Limits::default() };
        let os = (0..25).fold(MemOs::new(), |os, number| os.file(&format!("/d/{number}/f"), "x"));
        let world = World::limited(os, |_, _| true, limits);
        let all = world.call("fs::du", r#"["/d"]"#).unwrap();
        // Fifty entries, of which 25 are returned.
        assert_eq!((all.get("files"), told(&all)), (Some(&Value::Int(25)), 25));
        assert_eq!((all.get("complete"), all.get("truncated")), (Some(&true.into()), Some(&false.into())));
        let some = world.call("fs::du", r#"["/d", {"max": 3}]"#).unwrap();
        assert_eq!((told(&some), some.get("truncated")), (3, Some(&true.into())));
        assert_eq!(some.get("size"), Some(&Value::Int(25)));
    }

    #[test]
    fn what_is_left_out_has_a_reason() {
        let world = World::ruled(MemOs::new().file("/d/a/f", "x").file("/d/b/f", "x"), |action, path| {
            action != "list" || path != "/d/b"
        });
        let value = world.call("fs::du", r#"["/d"]"#).unwrap();
        let Some(Value::List(skipped)) = value.get("skipped") else { panic!() };
        let of = |key: &str| skipped[0].get(key).cloned();
        assert_eq!(
            (of("path"), of("why"), of("count")),
            (Some("/d/b".into()), Some("denied".into()), Some(Value::Int(1)))
        );
        assert_eq!(value.get("complete"), Some(&false.into()));
    }
}
