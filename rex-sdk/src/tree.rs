//! Walks through directories, with a permission for every entry.

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Grant};

use crate::cursor::EntryCursor;
use crate::ops::fs::as_listed;
use crate::ops::fs::list::named;
use crate::os::{Directory, EntryKind, Metadata};
use crate::skipped::SkippedEntries;
use crate::{Args, Literal, OsError, Param, ParamKind, Session};

/// Maximum number of decisions that a walk leaves for the rest of its run.
const DECISIONS_KEPT: u64 = 10_000;

/// The option to stay on the file system of the start.
pub(crate) const ONE_FILE_SYSTEM: Param = Param::option(
    "one_file_system",
    ParamKind::Bool,
    Literal::Bool(false),
    "Stay on the file system of the directory, as `du -x` and `find -xdev` do; asks for `fs::stat` on the directory too.",
);

/// Returns a directory and everything below it, the contents of a directory before the directory. Requests `fs::list`
/// on each; a denial or an unreadable entry is an error, so that no act stops halfway because of it.
pub(crate) fn all(session: &Session<'_>, top: AbsPath) -> Result<Vec<(AbsPath, EntryKind)>, Error> {
    let mut found = Vec::new();
    // Directories that are still to be listed, and those whose entries were found already.
    let mut todo = vec![(top, 0, false)];
    let limits = session.limits();
    let mut visited = 0;
    while let Some((dir, depth, listed)) = todo.pop() {
        if listed {
            found.push((dir, EntryKind::Directory));
            continue;
        }
        if depth > limits.tree_depth {
            return Err(exceeded("tree_depth", limits.tree_depth, "levels of directories"));
        }
        let entries = session.act(fs::List {}, dir.clone(), |grant| {
            session.os.list(grant, limits.entries).map_err(|error| crossed(error, &dir))
        })?;
        todo.push((dir.clone(), depth, true));
        for entry in entries {
            session.run.budget().check()?;
            visited += 1;
            if visited > limits.entries {
                return Err(exceeded("entries", limits.entries, "entries"));
            }
            let (_, path) = named(&dir, entry.name).map_err(|(_, error)| error)?;
            match entry.kind {
                EntryKind::Directory => todo.push((path, depth + 1, false)),
                EntryKind::Unknown => {
                    let path = path.as_str().escape_debug();
                    return Err(Error::new(Code::Io, format!("the type of `{path}` could not be read")));
                }
                kind => found.push((path, kind)),
            }
        }
    }
    Ok(found)
}

/// Checks that all directories are on the file system of the last one, which contains the others.
pub(crate) fn demand_one_file_system(session: &Session<'_>, all: &[(AbsPath, EntryKind)]) -> Result<(), Error> {
    let mut here = None;
    for (path, _) in all.iter().rev().filter(|(_, kind)| *kind == EntryKind::Directory) {
        let stat = |grant| as_listed(session.os.stat(grant));
        let device = session.act(fs::Stat {}, path.clone(), stat)?.device;
        if *here.get_or_insert(device) != device {
            let message = format!("`{}` is on another file system; nothing was removed", path.as_str().escape_debug());
            return Err(
                Error::new(Code::Unsupported, message).with_help("unmount it first, or remove the rest separately")
            );
        }
    }
    Ok(())
}

/// Requests a grant for each path, before anything happens to the first.
pub(crate) fn grants<A: Action<Resource = AbsPath>>(
    session: &Session<'_>,
    action: &A,
    paths: Vec<AbsPath>,
) -> Result<Vec<Grant<A>>, Error> {
    session.permit_all(paths.into_iter().map(|path| (action.clone(), path)))
}

/// Performs an act for each grant. An error says how much was done before it.
pub(crate) fn each<A: Action<Resource = AbsPath>>(
    session: &Session<'_>,
    grants: Vec<Grant<A>>,
    done_word: &str,
    mut act: impl FnMut(usize, Grant<A>) -> Result<(), OsError>,
) -> Result<u64, Error> {
    let all = grants.len();
    for (done, grant) in grants.into_iter().enumerate() {
        session.run.budget().check()?;
        let path = grant.resource().clone();
        act(done, grant).map_err(|error| crossed(error, &path).into_error(&path)).map_err(|error| {
            let message = format!("{}; {done} of {all} were {done_word} before", error.message);
            if all > 1 { Error { message, ..error } } else { error }
        })?;
    }
    Ok(all as u64)
}

/// Rejects a name that turns out to lie behind a symbolic link.
pub(crate) fn crossed(error: OsError, path: &AbsPath) -> OsError {
    match error {
        OsError::Crossed(_) => {
            let message = format!("`{}` is, or lies behind, a symbolic link", path.as_str().escape_debug());
            Error::new(Code::Unsupported, message)
                .with_help("name the directory itself; `fs::remove` removes a link")
                .into()
        }
        other => other,
    }
}

/// Converts the error of a directory with too many entries into one that names its limit.
pub(crate) fn wide(error: OsError) -> OsError {
    match error {
        OsError::TooMany(max) => exceeded("directory_entries", max, "entries of one directory").into(),
        other => other,
    }
}

/// Returns the file system of a directory, if a walk must stay on it.
pub(crate) fn file_system(session: &Session<'_>, args: &Args, directory: &AbsPath) -> Result<Option<u64>, Error> {
    if !args.flag("one_file_system")? {
        return Ok(None);
    }
    let stat = |grant| as_listed(session.os.stat(grant));
    session.act(fs::Stat {}, directory.clone(), stat).map(|metadata| Some(metadata.device))
}

/// Returns the error that stops a walk while the run still has decisions left, so that its script can use what was
/// found.
pub(crate) fn nearly_used_up(session: &Session<'_>) -> Option<Error> {
    let limit = session.limits().decisions;
    let left = limit.saturating_sub(session.run.decisions());
    (left <= (limit / 10).min(DECISIONS_KEPT)).then(|| {
        let help = exceeded("decisions", limit, "decisions").help.unwrap_or_default();
        let message = format!("the walk stopped here, before the limit `decisions` of {limit} is used up: {help}");
        Error::new(Code::LimitExceeded, message)
    })
}

/// A walk down from a directory that inspects every entry: it requests `fs::list` for each directory and `fs::stat` for
/// each entry. Entries that are denied or fail are recorded in `skipped`.
pub(crate) struct TreeWalk<'s, 'r> {
    session: &'s Session<'r>,
    /// Maximum number of levels.
    depth: u64,
    args: &'s Args,
    /// The file system to stay on, if any.
    device: Option<u64>,
    cursor: EntryCursor,
    /// Number of directories that were opened.
    directories: u64,
    /// Number of entries that could be inspected.
    seen: u64,
    /// The first denial of an entry.
    denied: Option<Error>,
    /// `true` if it stopped early because the run has few decisions left.
    pub(crate) stopped: bool,
    /// The entries that were left out, with the reason.
    pub(crate) skipped: SkippedEntries,
}

/// An entry of a walk.
pub(crate) struct VisitedEntry<'v> {
    /// The depth, from 1.
    pub(crate) level: u64,
    /// The number of its directory: the entries of one directory follow one another.
    pub(crate) directory: u64,
    pub(crate) path: &'v AbsPath,
    pub(crate) metadata: &'v Metadata,
    /// `true` if it is on the file system that the walk stays on.
    pub(crate) here: bool,
}

impl<'s, 'r> TreeWalk<'s, 'r> {
    /// Creates a walk.
    ///
    /// # Errors
    /// If `depth` is more than the limit.
    pub(crate) fn new(
        session: &'s Session<'r>,
        args: &'s Args,
        depth: Option<u64>,
        cursor: EntryCursor,
    ) -> Result<Self, Error> {
        let limit = session.limits().tree_depth;
        if depth.is_some_and(|depth| depth > limit) {
            return Err(exceeded("tree_depth", limit, "levels of directories"));
        }
        Ok(Self {
            session,
            depth: depth.unwrap_or(limit),
            args,
            device: None,
            cursor,
            directories: 0,
            seen: 0,
            denied: None,
            stopped: false,
            skipped: SkippedEntries::default(),
        })
    }

    /// Calls `visit` with each entry below `top`, a directory before its contents, until it returns `false`. If no
    /// entry could be inspected, returns the first denial, if any.
    pub(crate) fn below(
        &mut self,
        top: AbsPath,
        visit: &mut dyn FnMut(&VisitedEntry<'_>) -> bool,
    ) -> Result<(), Error> {
        // A link at the start is followed; links below it are not.
        let limit = self.session.limits().directory_entries;
        let open = |grant| self.session.os.directory(grant, limit).map_err(wide);
        let directory = self.session.act(fs::List {}, top, open)?;
        self.cursor.demand_below(directory.path())?;
        self.device = file_system(self.session, self.args, directory.path())?;
        self.directory(1, directory, visit)?;
        match self.denied.take() {
            Some(denied) if self.seen == 0 => Err(denied),
            _ => Ok(()),
        }
    }

    fn directory(
        &mut self,
        depth: u64,
        mut directory: Box<dyn Directory>,
        visit: &mut dyn FnMut(&VisitedEntry<'_>) -> bool,
    ) -> Result<bool, Error> {
        let limits = self.session.limits();
        let mut below = Vec::new();
        self.directories += 1;
        let number = self.directories;
        for entry in directory.take_entries() {
            let kind = entry.kind;
            let path = match named(directory.path(), entry.name) {
                Ok((_, path)) => path,
                Err((_, error)) => {
                    self.skip(&directory.path().clone(), error)?;
                    continue;
                }
            };
            let passed = self.cursor.passed(&path);
            if passed {
                self.session.run.budget().check()?;
                self.seen += 1;
                if kind != EntryKind::Directory || self.cursor.passed_below(&path) {
                    continue;
                }
                if self.device.is_none() {
                    below.push(path);
                    continue;
                }
            }
            if let Some(error) = nearly_used_up(self.session) {
                self.stopped = true;
                self.skip(&path, error)?;
                return Ok(false);
            }
            let grant = self.session.permit(fs::Stat {}, path.clone());
            if let Err(error) = &grant
                && self.denied.is_none()
            {
                self.denied = Some(error.clone());
            }
            match grant.and_then(|grant| directory.stat(grant).map_err(|error| error.into_error(&path))) {
                Ok(metadata) => {
                    self.seen += 1;
                    let here = self.device.is_none_or(|device| device == metadata.device);
                    let visited =
                        VisitedEntry { level: depth, directory: number, path: &path, metadata: &metadata, here };
                    if !passed && !visit(&visited) {
                        return Ok(false);
                    }
                    if metadata.kind == EntryKind::Directory && here {
                        below.push(path);
                    }
                }
                Err(error) => self.skip(&path, error)?,
            }
        }
        // Only one directory is open at a time, or a wide tree would use up all descriptors.
        drop(directory);
        for path in below {
            if depth == limits.tree_depth {
                self.skip(&path, exceeded("tree_depth", limits.tree_depth, "levels of directories"))?;
            } else if depth < self.depth {
                let list = |grant| as_listed(self.session.os.directory(grant, limits.directory_entries)).map_err(wide);
                match self.session.act(fs::List {}, path.clone(), list) {
                    Ok(directory) => {
                        if !self.directory(depth + 1, directory, visit)? {
                            return Ok(false);
                        }
                    }
                    Err(error) => self.skip(&path, error)?,
                }
            }
        }
        Ok(true)
    }

    /// Records an entry as left out, unless the error ends the run.
    fn skip(&mut self, path: &AbsPath, error: Error) -> Result<(), Error> {
        if error.is_fatal() {
            return Err(error);
        }
        self.skipped.add(path.as_str(), &error);
        Ok(())
    }
}
