//! `fs::find`

use std::time::Duration;

use globset::{ErrorKind, GlobBuilder, GlobSet};
use rex_core::action::fs;
use rex_core::bounds::{self, GLOB_BYTES};
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Timestamp, Value};

use super::list::named;
use super::{EntryMap, as_listed, describe};
use crate::cursor::{AFTER, EntryCursor};
use crate::os::{DirEntry, EntryKind, Metadata};
use crate::skipped::SkippedEntries;
use crate::tree::{ONE_FILE_SYSTEM, file_system, nearly_used_up, wide};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Finds files below a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::find",
        aliases: &[],
        needs: &[fs::List::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The directory to start from."),
            Param::option(
                "name",
                ParamKind::Text,
                Literal::Null,
                "A glob that the name matches: `*.log`, `{a,b}?`, `[0-9]*`.",
            )
            .of(ParamForm::Read(|text| glob(text).map(drop))),
            Param::option(
                "kind",
                ParamKind::Text,
                Literal::Null,
                "`file`, `directory`, `symlink`, `fifo`, `socket` or `device`.",
            )
            .of(ParamForm::OneOf(&["file", "directory", "symlink", "fifo", "socket", "device"])),
            Param::option("min_size", ParamKind::Size, Literal::Null, "Smallest size; asks for `fs::stat`."),
            Param::option("max_size", ParamKind::Size, Literal::Null, "Largest size; asks for `fs::stat`."),
            Param::option(
                "newer_than",
                ParamKind::Duration,
                Literal::Null,
                "Changed less than so long ago; asks for `fs::stat`.",
            )
            .of(ParamForm::Age),
            Param::option(
                "older_than",
                ParamKind::Duration,
                Literal::Null,
                "Changed more than so long ago; asks for `fs::stat`.",
            )
            .of(ParamForm::Age),
            Param::option(
                "depth",
                ParamKind::Count,
                Literal::Null,
                "How deep to go, at least 1, which is the directory's own entries. As deep as the limit `tree_depth`, if not given.",
            ),
            Param::option("max", ParamKind::Count, Literal::Null, "Stop after so many finds."),
            AFTER,
            ONE_FILE_SYSTEM,
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`entries`: a list of maps with `path`, `name`, `kind`, and what `fs::stat` tells if it was asked for, level by level in the order of \
                  names; `skipped`: a list of maps with `path`, `code`, `message`, `why` (`denied`, `no permission`, `gone`, ...) and `count` of what could not be looked at, or \
                  lies deeper than the limit; `truncated`: whether `max`, or the limit `entries`, stopped it, and `next`: the `after` that goes on from \
                  there; `complete`: false if it was stopped or something was skipped.",
        },
        doc: "Finds files below a directory.\nAsks for `fs::list` on every directory that it enters, and never follows symbolic links. \
              What is bounded is what it finds, not what it looks at.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app", {"name": "*.log", "kind": "file", "max": 1}]"#,
            returns: r#"{"complete":false,"entries":[{"kind":"file","name":"app.log","path":"/srv/app/logs/app.log"}],"next":"/srv/app/logs/app.log","skipped":[],"truncated":true}"#,
        },
    },
    call,
};

struct FindFilter {
    name: Option<GlobSet>,
    kind: Option<EntryKind>,
    size: (u64, u64),
    modified: (Timestamp, Timestamp),
    stat: bool,
}

impl FindFilter {
    fn of(session: &Session<'_>, args: &Args) -> Result<Self, Error> {
        let (min, max) = (args.size_option("min_size")?, args.size_option("max_size")?);
        let (newer, older) = (args.duration_option("newer_than")?, args.duration_option("older_than")?);
        let now = session.run.now().as_micros();
        let ago = |time: Duration| {
            let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            Timestamp::from_micros(now.saturating_sub(micros))
        };
        Ok(Self {
            name: args.text_option("name")?.map(glob).transpose()?,
            kind: args.text_option("kind")?.and_then(kind),
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

fn glob(text: &str) -> Result<GlobSet, Error> {
    // Names are at most 255 bytes long, and deeper nesting than this cannot be compiled.
    if text.len() > GLOB_BYTES {
        return Err(bounds::exceeded(
            "glob_bytes",
            "bytes of a glob",
            "use a shorter pattern, and check the names in the script",
        ));
    }
    let no = |why: &str, help: &str| {
        Err(Error::validation(format!("`{}` is not a glob of names: {why}", text.escape_debug())).with_help(help))
    };
    if text.contains('/') {
        return no(
            "a name holds no `/`",
            "start from the directory, and give the name alone: `fs::find(\"/srv/logs\", #{name: \"*.log\"})`",
        );
    }
    if text.starts_with('^') || text.ends_with('$') || text.contains("\\.") || text.starts_with(".*.") {
        return no(
            "it looks like a regular expression",
            "`*.log` is all that ends with `.log`, `{a,b}*` what begins with one of two",
        );
    }
    // As a set, because a single glob panics if its pattern does not compile.
    GlobBuilder::new(text).build().and_then(|glob| GlobSet::new([glob])).map_err(|error| {
        let why = match error.kind() {
            // The message of the library contains the characters unescaped.
            ErrorKind::InvalidRange(..) => "a range ends before it starts".to_owned(),
            kind => kind.to_string(),
        };
        Error::validation(format!("`{}` is not a glob: {why}", text.escape_debug()))
    })
}

fn kind(text: &str) -> Option<EntryKind> {
    use EntryKind::{Device, Directory, Fifo, File, Socket, Symlink};
    [File, Directory, Symlink, Fifo, Socket, Device].into_iter().find(|kind| kind.as_str() == text)
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let limits = session.limits();
    let depth = args.count_option("depth")?;
    match depth {
        Some(0) => return Err(Error::validation("`depth` of `fs::find` is at least 1")),
        Some(depth) if depth > limits.tree_depth => {
            return Err(exceeded("tree_depth", limits.tree_depth, "levels of directories"));
        }
        _ => {}
    }
    let mut walk = FindWalk {
        session,
        filter: FindFilter::of(session, args)?,
        max: args.count_option("max")?.unwrap_or(limits.entries).min(limits.entries),
        cursor: EntryCursor::of(args)?,
        device: None,
        stopped: false,
        last: args.path_option("after")?.map(|path| path.as_str().to_owned()),
        entries: Vec::new(),
        skipped: SkippedEntries::default(),
        below: Vec::new(),
    };
    // A link at the start is followed; links below it are not.
    let (start, entries) = session.act(fs::List {}, args.path("path")?, |grant| {
        let start = grant.resource().clone();
        session.os.list(grant, limits.directory_entries).map(|entries| (start, entries)).map_err(wide)
    })?;
    walk.cursor.demand_below(&start)?;
    walk.device = file_system(session, args, &start)?;
    walk.visit(&start, entries)?;
    for _ in 1..depth.unwrap_or(limits.tree_depth) {
        for dir in std::mem::take(&mut walk.below) {
            if walk.full() {
                return Ok(walk.result());
            }
            if !walk.is_here(&dir)? {
                continue;
            }
            let list = |grant| as_listed(session.os.list(grant, limits.directory_entries)).map_err(wide);
            match session.act(fs::List {}, dir.clone(), list) {
                Ok(entries) => walk.visit(&dir, entries)?,
                Err(error) => walk.skip(&dir, error)?,
            }
        }
    }
    if depth.is_none() {
        for dir in std::mem::take(&mut walk.below) {
            walk.skip(&dir, exceeded("tree_depth", limits.tree_depth, "levels of directories"))?;
        }
    }
    Ok(walk.result())
}

/// The entries found so far, and where to continue.
struct FindWalk<'s, 'r> {
    session: &'s Session<'r>,
    filter: FindFilter,
    max: u64,
    cursor: EntryCursor,
    /// The file system to stay on, if any.
    device: Option<u64>,
    /// `true` if it stopped because the run has few decisions left.
    stopped: bool,
    /// The last entry that was found.
    last: Option<String>,
    entries: Vec<Value>,
    skipped: SkippedEntries,
    /// Directories of the next level. Their memory counts toward that of the run.
    below: Vec<AbsPath>,
}

impl FindWalk<'_, '_> {
    fn full(&self) -> bool {
        self.stopped || self.entries.len() as u64 >= self.max
    }

    /// Inspects the entries of one directory.
    fn visit(&mut self, dir: &AbsPath, entries: Vec<DirEntry>) -> Result<(), Error> {
        for entry in entries {
            self.session.run.budget().check()?;
            if self.full() {
                return Ok(());
            }
            let kind = entry.kind;
            match named(dir, entry.name) {
                Ok((_, path)) if kind == EntryKind::Unknown => {
                    self.skip(&path, Error::new(Code::Io, "its type could not be read"))?;
                }
                Ok((name, path)) => {
                    if self.filter.takes_entry(&name, kind) && !self.cursor.passed_by_level(&path) {
                        self.keep(&path, name, kind)?;
                    }
                    if kind == EntryKind::Directory {
                        self.below.push(path);
                    }
                }
                Err((_, error)) => self.skip(dir, error)?,
            }
        }
        Ok(())
    }

    /// Keeps an entry, if its size and age match.
    fn keep(&mut self, path: &AbsPath, name: String, kind: EntryKind) -> Result<(), Error> {
        let mut entry = EntryMap::from([
            ("path".to_owned(), path.as_str().into()),
            ("name".to_owned(), name.into()),
            ("kind".to_owned(), kind.as_str().into()),
        ]);
        if self.filter.stat {
            if let Some(error) = nearly_used_up(self.session) {
                self.stopped = true;
                return self.skip(path, error);
            }
            let stat = |grant| as_listed(self.session.os.stat(grant));
            match self.session.act(fs::Stat {}, path.clone(), stat) {
                Ok(metadata) if self.filter.takes(&metadata) => describe(&mut entry, &metadata),
                Ok(_) => return Ok(()),
                Err(error) => return self.skip(path, error),
            }
        }
        self.last = Some(path.as_str().to_owned());
        self.entries.push(Value::Map(entry));
        Ok(())
    }

    /// Checks that the walk may enter a directory: it is on the file system to stay on, if there is one.
    fn is_here(&mut self, dir: &AbsPath) -> Result<bool, Error> {
        let Some(device) = self.device else { return Ok(true) };
        let stat = |grant| as_listed(self.session.os.stat(grant));
        match self.session.act(fs::Stat {}, dir.clone(), stat) {
            Ok(metadata) => Ok(metadata.device == device),
            Err(error) => self.skip(dir, error).map(|()| false),
        }
    }

    /// Records an entry as left out, unless the error ends the run.
    fn skip(&mut self, path: &AbsPath, error: Error) -> Result<(), Error> {
        if error.is_fatal() {
            return Err(error);
        }
        self.skipped.add(path.as_str(), &error);
        Ok(())
    }

    fn result(self) -> Value {
        let truncated = self.full();
        let complete = !truncated && self.skipped.is_empty();
        Value::map([
            ("entries", self.entries.into()),
            ("skipped", self.skipped.into()),
            ("complete", complete.into()),
            ("truncated", truncated.into()),
            ("next", self.last.filter(|_| truncated).into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;
    use crate::mem::EPOCH;

    /// Returns the paths that were found, and those that were left out with their codes, all without their common
    /// prefix.
    fn found(value: &Value) -> (Vec<String>, Vec<String>) {
        let texts = |list: &str, keys: &[&str]| match value.get(list) {
            Some(Value::List(entries)) => entries
                .iter()
                .map(|entry| keys.iter().map(|key| text(entry, key)).collect::<Vec<_>>().join(" "))
                .collect(),
            other => panic!("{list}: {other:?}"),
        };
        (texts("entries", &["path"]), texts("skipped", &["path", "code"]))
    }

    fn text(entry: &Value, key: &str) -> String {
        match entry.get(key) {
            Some(Value::Text(text)) => text.replace("/srv/app/", ""),
            other => panic!("{key}: {other:?}"),
        }
    }

    #[test]
    fn filters_hold_together() {
        let world = World::new(MemOs::example());
        for (options, expected) in [
            (r#"{"name": "*.log"}"#, &["current.log", "logs/app.log", "logs/old.log"][..]),
            (r#"{"name": "*.log", "kind": "symlink"}"#, &["current.log"]),
            (r#"{"name": "{i,v}*"}"#, &["icon.bin", "version.txt"]),
            (r#"{"kind": "directory"}"#, &["empty", "logs"]),
            (r#"{"kind": "file", "depth": 1}"#, &["config.yaml", "icon.bin", "version.txt"]),
            (r#"{"kind": "file", "min_size": 30}"#, &["logs/app.log", "logs/old.log"]),
            (r#"{"kind": "file", "max_size": 6}"#, &["icon.bin", "version.txt"]),
            (r#"{"older_than": 86400}"#, &["logs/old.log"]),
            (r#"{"older_than": "1d"}"#, &["logs/old.log"]),
            (r#"{"kind": "file", "newer_than": "1h30m", "min_size": "30B"}"#, &["logs/app.log"]),
            (r#"{"kind": "file", "min_size": "0.01K", "max_size": "0.1kB"}"#, &["config.yaml", "logs/old.log"]),
            (r#"{"name": "*.log", "kind": "file", "newer_than": 86400}"#, &["logs/app.log"]),
        ] {
            let value = world.call("fs::find", &format!(r#"["/srv/app", {options}]"#)).unwrap();
            assert_eq!(
                found(&value),
                (expected.iter().map(|&path| path.to_owned()).collect(), Vec::new()),
                "{options}"
            );
            assert_eq!(value.get("complete"), Some(&true.into()), "{options}");
        }
        assert_eq!(world.fails("fs::find", r#"["/srv", {"depth": 0}]"#), Code::Validation);
        assert_eq!(world.fails("fs::find", r#"["/srv", {"kind": "folder"}]"#), Code::Validation);
        assert_eq!(world.fails("fs::find", r#"["/srv", {"name": "[a"}]"#), Code::Validation);
    }

    #[test]
    fn what_is_no_glob_is_told_in_one_line() {
        let world = World::new(MemOs::example());
        let message = |args| world.call("fs::find", args).unwrap_err().message;
        assert_eq!(
            message(r#"["/srv", {"name": "[b-\n]"}]"#),
            r"`[b-\n]` is not a glob: a range ends before it starts"
        );
        assert_eq!(message(r#"["/srv", {"name": "[b"}]"#), "`[b` is not a glob: unclosed character class; missing ']'");
    }

    #[test]
    fn what_is_denied_on_the_way_is_told_entry_by_entry() {
        let world = World::ruled(MemOs::example(), |action, path| match action {
            "stat" => path != "/srv/app/config.yaml",
            _ => path != "/srv/app/logs",
        });
        let value = world.call("fs::find", r#"["/srv/app", {"kind": "file", "min_size": 1}]"#).unwrap();
        let denied = ["config.yaml ACCESS_DENIED_EXCEPTION", "/srv/app/logs ACCESS_DENIED_EXCEPTION"]
            .map(|line| line.replace("/srv/app/", ""))
            .to_vec();
        assert_eq!(found(&value), (vec!["icon.bin".to_owned(), "version.txt".to_owned()], denied));
        assert_eq!(value.get("complete"), Some(&false.into()));
    }

    #[test]
    fn links_below_the_start_are_found_and_not_followed() {
        let world = World::new(MemOs::new().file("/secret/key", "").dir("/d").link("/d/l", "/secret").link("/s", "d"));
        let value = world.call("fs::find", r#"["/s"]"#).unwrap();
        assert_eq!(found(&value).0, ["/d/l"]);
        assert_eq!(world.asked(), ["list /s", "list /d"]);
    }

    #[test]
    fn what_lies_deeper_than_the_limit_is_told() {
        let limits = rex_core::Limits { tree_depth: 2, directory_entries: 4, ..rex_core::Limits::default() };
        let deep = MemOs::new().file("/a/b/c/d", "").modified("/a", EPOCH);
        let world = World::limited(deep, |_, _| true, limits);
        let value = world.call("fs::find", r#"["/"]"#).unwrap();
        assert_eq!(found(&value), (vec!["/a".into(), "/a/b".into()], vec!["/a/b LIMIT_EXCEEDED_EXCEPTION".into()]));
        let wide = (0..5).fold(MemOs::new(), |os, number| os.file(&format!("/{number}"), ""));
        let error = World::limited(wide, |_, _| true, limits).call("fs::find", r#"["/"]"#).unwrap_err();
        assert_eq!(error.message, "the limit `directory_entries` of 4 entries of one directory is exceeded");
    }

    /// Returns directories with more entries than one operation returns by default under these limits.
    fn large() -> World {
        let limits = rex_core::Limits { entries: 4, ..rex_core::Limits::default() };
        let name = |number: u64| format!("/d/{}/{}.{}", number % 3, number, if number == 8 { "log" } else { "txt" });
        World::limited((0..9).fold(MemOs::new(), |os, number| os.file(&name(number), "")), |_, _| true, limits)
    }

    #[test]
    fn what_is_bounded_is_what_is_found_and_not_what_is_looked_at() {
        let world = large();
        let value = world.call("fs::find", r#"["/d", {"name": "*.log"}]"#).unwrap();
        assert_eq!(found(&value).0, ["/d/2/8.log"]);
        assert_eq!((value.get("complete"), value.get("truncated")), (Some(&true.into()), Some(&false.into())));
        assert_eq!(value.get("next"), Some(&Value::Null));
        let all = world.call("fs::find", r#"["/d"]"#).unwrap();
        assert_eq!(found(&all).0, ["/d/0", "/d/1", "/d/2", "/d/0/0.txt"]);
        assert_eq!((all.get("complete"), all.get("truncated")), (Some(&false.into()), Some(&true.into())));
        assert_eq!(all.get("next"), Some(&"/d/0/0.txt".into()));
    }

    #[test]
    fn what_was_stopped_goes_on_where_it_was() {
        for operation in ["fs::find", "fs::walk"] {
            let world = large();
            let (mut all, mut after, mut calls) = (Vec::new(), "null".to_owned(), 0);
            loop {
                let args = format!(r#"["/d", {{"after": {after}, "max": 3}}]"#);
                let args = if calls == 0 { r#"["/d", {"max": 3}]"#.to_owned() } else { args };
                let page = world.call(operation, &args).unwrap();
                all.extend(found(&page).0);
                calls += 1;
                match page.get("next") {
                    Some(Value::Text(next)) => after = format!("\"{next}\""),
                    _ => break,
                }
            }
            // `fs::walk` knows that its last page is the last; `fs::find` has to look.
            let expected = if operation == "fs::walk" { 4 } else { 5 };
            assert_eq!((all.len(), calls), (12, expected), "{operation}: {all:?}");
            let once: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!(once.len(), 12, "{operation}: {all:?}");
            // The entry in `after` may be gone.
            let gone = world.call(operation, r#"["/d", {"after": "/d/1/5"}]"#).unwrap();
            assert_eq!(found(&gone).0.first().map(String::as_str), Some("/d/1/7.txt"), "{operation}");
            for wrong in ["/e", "/d"] {
                let args = format!(r#"["/d", {{"after": "{wrong}"}}]"#);
                assert_eq!(world.fails(operation, &args), Code::Validation, "{operation} {wrong}");
            }
        }
    }

    #[test]
    fn pages_ask_for_no_entry_twice() {
        let world = large();
        world.call("fs::walk", r#"["/d", {"after": "/d/1/4.txt"}]"#).unwrap();
        let asked = world.asked();
        assert_eq!(asked[..2], ["list /d", "list /d/1"]);
        assert!(asked.iter().all(|line| !line.contains("/d/0") && !line.contains("1.txt")), "{asked:?}");
    }

    #[test]
    fn a_walk_can_stay_on_one_file_system() {
        let mounted =
            || MemOs::new().file("/d/a/x", "here").file("/d/m/big", "1234567").file("/d/m/n/y", "").mounted("/d/m", 7);
        let world = World::new(mounted().link("/l", "/d"));
        let paths = |operation: &str, args: &str| found(&world.call(operation, args).unwrap()).0;
        for operation in ["fs::find", "fs::walk"] {
            let there = ["/d/a", "/d/m", "/d/a/x"];
            assert_eq!(paths(operation, r#"["/d", {"one_file_system": true}]"#), there, "{operation}");
            assert_eq!(paths(operation, r#"["/l", {"one_file_system": true}]"#), there, "{operation}");
            // A walk stays on the file system where it starts.
            let below = paths(operation, r#"["/d/m", {"one_file_system": true}]"#);
            assert_eq!(below, ["/d/m/big", "/d/m/n", "/d/m/n/y"], "{operation}");
            let on = paths(operation, r#"["/d", {"one_file_system": true, "after": "/d/a"}]"#);
            assert_eq!(on, ["/d/m", "/d/a/x"], "{operation}");
        }
        let size = |options: &str| world.call("fs::du", &format!(r#"["/d", {options}]"#)).unwrap().get("size").cloned();
        assert_eq!(size(r#"{"one_file_system": true}"#), Some(Value::Int(4)));
        assert_eq!(size("{}"), Some(Value::Int(11)));
        let value = world.call("fs::du", r#"["/d", {"one_file_system": true}]"#).unwrap();
        assert_eq!(
            (value.get("directories"), value.get("truncated")),
            (Some(&Value::Int(1)), Some(&Value::Bool(false)))
        );
        // Without permission to inspect a directory, a walk does not enter it, and says so.
        let blind = World::ruled(mounted(), |action, path| action != "stat" || path != "/d/m");
        let value = blind.call("fs::find", r#"["/d", {"one_file_system": true}]"#).unwrap();
        assert_eq!(
            found(&value),
            (vec!["/d/a".into(), "/d/m".into(), "/d/a/x".into()], vec!["/d/m ACCESS_DENIED_EXCEPTION".into()])
        );
    }

    #[test]
    fn a_walk_leaves_decisions_to_the_rest_of_its_run() {
        let limits = rex_core::Limits { decisions: 20, ..rex_core::Limits::default() };
        for (operation, args) in
            [("fs::find", r#"["/d", {"min_size": 0}]"#), ("fs::walk", r#"["/d"]"#), ("fs::du", r#"["/d"]"#)]
        {
            let os = (0..30).fold(MemOs::new(), |os, number| os.file(&format!("/d/{number}"), "x"));
            let world = World::limited(os, |_, _| true, limits);
            let value = world.call(operation, args).unwrap();
            assert_eq!(value.get("complete"), Some(&false.into()), "{value}");
            let Some(Value::List(skipped)) = value.get("skipped") else { panic!("{value}") };
            let told = skipped.iter().map(ToString::to_string).collect::<String>();
            assert!(told.contains("`decisions` of 20") && told.contains("--limit decisions=40"), "{told}");
            assert_eq!((skipped.len(), skipped[0].get("why")), (1, Some(&"limit".into())));
            assert!(operation == "fs::du" || value.get("next").is_some_and(|next| *next != Value::Null), "{value}");
            // The run can still act.
            world.call("fs::stat", r#"["/d/1"]"#).unwrap();
        }
    }
}
