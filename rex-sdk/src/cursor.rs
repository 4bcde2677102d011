//! The position at which a stopped walk continues.

use std::cmp::Ordering;

use rex_core::{AbsPath, Error};

use crate::{Args, Literal, Param, ParamKind};

/// The option to continue after an entry.
pub(crate) const AFTER: Param = Param::option(
    "after",
    ParamKind::Path,
    Literal::Null,
    "Go on after this entry: what `next` of an earlier call says. It need not be there any more.",
);

/// The last entry that an earlier call returned; `None` at the beginning.
pub(crate) struct EntryCursor(Option<AbsPath>);

impl EntryCursor {
    /// Returns the cursor of a new walk.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn of(args: &Args) -> Result<Self, Error> {
        args.path_option("after").map(Self)
    }

    /// Checks that the entry lies below the start; otherwise the walk would never reach it.
    pub(crate) fn demand_below(&self, top: &AbsPath) -> Result<(), Error> {
        match &self.0 {
            Some(at) if at == top || !at.is_in(top) => {
                let (at, top) = (at.as_str().escape_debug(), top.as_str().escape_debug());
                Err(Error::validation(format!("`after` is `{at}`, which is not below `{top}`"))
                    .with_help("pass the `next` of an earlier call with the same `path`"))
            }
            _ => Ok(()),
        }
    }

    /// Returns `true` if a walk that returns all of a directory before deeper entries is past this one.
    pub(crate) fn passed(&self, path: &AbsPath) -> bool {
        self.order(path).is_some_and(|order| order != Ordering::Greater)
    }

    /// Returns `true` if such a walk is past everything below this directory.
    pub(crate) fn passed_below(&self, directory: &AbsPath) -> bool {
        let Some(at) = &self.0 else { return false };
        let (mut path, mut at) = (directory.components(), at.components());
        loop {
            match (path.next(), at.next()) {
                (Some(a), Some(b)) if a == b => {}
                // The names decide only if the cursor, too, lies deeper.
                (Some(a), Some(b)) => return a < b && at.next().is_some(),
                _ => return false,
            }
        }
    }

    /// Returns `true` if a walk that goes level by level is past this entry.
    pub(crate) fn passed_by_level(&self, path: &AbsPath) -> bool {
        self.0.as_ref().is_some_and(|at| {
            let level = |path: &AbsPath| path.components().count();
            level(path).cmp(&level(at)).then_with(|| path.components().cmp(at.components())) != Ordering::Greater
        })
    }

    fn order(&self, path: &AbsPath) -> Option<Ordering> {
        let at = self.0.as_ref()?;
        let (mut path, mut at) = (path.components(), at.components());
        loop {
            match (path.next(), at.next()) {
                (Some(a), Some(b)) if a == b => {}
                // Entries of the directory itself come before all deeper ones.
                (Some(a), Some(b)) => {
                    let deeper = (path.next().is_some(), at.next().is_some());
                    return Some(deeper.0.cmp(&deeper.1).then_with(|| a.cmp(b)));
                }
                (Some(_), None) => return Some(Ordering::Greater),
                (None, Some(_)) => return Some(Ordering::Less),
                (None, None) => return Some(Ordering::Equal),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_an_order() {
        let path = |text: &str| AbsPath::parse(text).unwrap();
        // In the order of a walk, which returns all entries of a directory before what lies below them.
        let walk = ["/d/a", "/d/b", "/d/c", "/d/a/x", "/d/a/y", "/d/a/x/1", "/d/b/w", "/d/c/v", "/d/c/v/0"];
        let levels = ["/d/a", "/d/b", "/d/c", "/d/a/x", "/d/a/y", "/d/b/w", "/d/c/v", "/d/a/x/1", "/d/c/v/0"];
        for (place, at) in walk.iter().enumerate() {
            let cursor = EntryCursor(Some(path(at)));
            for (other, entry) in walk.iter().enumerate() {
                assert_eq!(cursor.passed(&path(entry)), other <= place, "{entry} at {at}");
            }
            for directory in ["/d/a", "/d/b", "/d/c", "/d/a/x", "/d/c/v"] {
                let below = walk.iter().filter(|entry| path(entry).is_in(&path(directory)) && **entry != directory);
                let passed = below.clone().all(|entry| cursor.passed(&path(entry)));
                assert!(!cursor.passed_below(&path(directory)) || passed, "{directory} at {at}");
            }
        }
        assert!(EntryCursor(Some(path("/d/b/w"))).passed_below(&path("/d/a")));
        for (place, at) in levels.iter().enumerate() {
            let cursor = EntryCursor(Some(path(at)));
            for (other, entry) in levels.iter().enumerate() {
                assert_eq!(cursor.passed_by_level(&path(entry)), other <= place, "{entry} at {at}");
            }
        }
        assert!(!EntryCursor(None).passed(&path("/")) && !EntryCursor(None).passed_below(&path("/")));
        assert!(EntryCursor(Some(path("/e"))).demand_below(&path("/d")).is_err());
        assert!(EntryCursor(Some(path("/d/x"))).demand_below(&path("/d")).is_ok());
    }
}
