//! Generalization from the resources that were seen.

use std::collections::{BTreeMap, BTreeSet};

use rex_core::net::Url;
use rex_core::process::Process;
use rex_core::resource::Unit;
use rex_core::{AbsPath, ActionSpec, ReachPlace, Resource};

use super::{Breadth, protected};
use crate::vocabulary::same_type;

/// A type of resource, by how it is generalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResourceShape {
    Path,
    Url,
    Unit,
    Process,
    /// Not generalized.
    Other,
}

impl ResourceShape {
    pub(super) fn of(spec: &ActionSpec) -> Self {
        let known = [
            (AbsPath::SPEC, Self::Path),
            (Url::SPEC, Self::Url),
            (Unit::SPEC, Self::Unit),
            (Process::SPEC, Self::Process),
        ];
        known.into_iter().find(|(known, _)| same_type(known, spec.resource)).map_or(Self::Other, |(_, kind)| kind)
    }
}

/// The resources that a permit covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PermitPattern {
    /// This resource, and all in it.
    Within(String),
    /// Files directly in a directory with this extension.
    Extension { directory: String, extension: String },
    /// Files directly in a directory whose names are these parts with wildcards between.
    Named { directory: String, name: Vec<String> },
    /// Everything directly in a directory.
    Directly(String),
    /// Resources whose names are these parts with wildcards between.
    Like(Vec<String>),
    /// Exactly these resources.
    Among(BTreeSet<String>),
    /// All resources of the type that meet the demands.
    Any,
}

/// Maximum number of resources listed in one permit.
const LISTED: usize = 64;
/// Maximum number of unlike files in a directory that are listed; more are generalized to the directory.
const SIBLINGS: usize = 32;
/// Number of hexadecimal digits in the id of a run.
const RUN: usize = 32;

/// Ids by what they have in common.
type IdBuckets<'a, K> = BTreeMap<K, BTreeSet<&'a str>>;
/// A check whether a `forbid` covers a part of a place, which the text describes.
pub(super) type IsHeld<'h> = &'h mut dyn FnMut(ReachPlace, &str) -> bool;

/// Returns the patterns of these resources, each with those that it covers.
pub(super) fn patterns<'a>(
    kind: ResourceShape,
    ids: BTreeSet<&'a str>,
    breadth: Breadth,
    is_held: IsHeld<'_>,
) -> Vec<(PermitPattern, BTreeSet<&'a str>)> {
    if kind == ResourceShape::Process {
        return vec![(PermitPattern::Any, ids)];
    }
    let mut wide = Generalizer { left: ids, found: Vec::new(), is_held };
    if kind == ResourceShape::Path {
        wide.temporary();
    }
    // Protected files are listed, however far others are generalized.
    let protected = match kind {
        ResourceShape::Path => wide.left.extract_if(.., |path| protected::is_protected(path)).collect(),
        _ => BTreeSet::new(),
    };
    if breadth == Breadth::Directory {
        wide.directories(kind);
    }
    if breadth >= Breadth::Siblings {
        match kind {
            ResourceShape::Path => {
                wide.siblings();
                wide.crowds();
            }
            ResourceShape::Url => wide.queries(),
            ResourceShape::Unit => wide.instances(),
            ResourceShape::Process | ResourceShape::Other => {}
        }
    }
    let Generalizer { left, mut found, .. } = wide;
    for left in [left, protected] {
        let mut left = left.into_iter().peekable();
        while left.peek().is_some() {
            let ids: BTreeSet<_> = left.by_ref().take(LISTED).collect();
            found.push((PermitPattern::Among(ids.iter().map(|id| (*id).to_owned()).collect()), ids));
        }
    }
    found
}

struct Generalizer<'a, 'h> {
    left: BTreeSet<&'a str>,
    found: Vec<(PermitPattern, BTreeSet<&'a str>)>,
    is_held: IsHeld<'h>,
}

impl<'a> Generalizer<'a, '_> {
    fn bucket<K: Ord>(&self, key: impl Fn(&'a str) -> Option<K>) -> IdBuckets<'a, K> {
        let mut buckets = IdBuckets::new();
        for id in &self.left {
            if let Some(key) = key(id) {
                buckets.entry(key).or_default().insert(id);
            }
        }
        buckets.retain(|_, ids| ids.len() > 1);
        buckets
    }

    fn take(&mut self, place: ReachPlace, what: &str, pattern: PermitPattern, ids: BTreeSet<&'a str>) {
        if !pattern.covers_protected() && !(self.is_held)(place, what) {
            for id in &ids {
                self.left.remove(id);
            }
            self.found.push((pattern, ids));
        }
    }

    /// Generalizes to a directory that holds several ids, unless it is too broad.
    fn directories(&mut self, kind: ResourceShape) {
        let key = match kind {
            ResourceShape::Path => {
                |path: &'a str| directory(path).filter(|directory| directory.matches('/').count() > 1)
            }
            ResourceShape::Url => |url: &'a str| folder(url).filter(|folder| folder.matches('/').count() > 3),
            ResourceShape::Unit | ResourceShape::Process | ResourceShape::Other => return,
        };
        // Outermost first, so that it takes the directories in it, too.
        for directory in self.bucket(key).into_keys() {
            let below = |id: &&&str| {
                let rest = id.strip_prefix(directory);
                rest.is_some_and(|rest| rest.is_empty() || directory.ends_with('/') || rest.starts_with('/'))
            };
            let beginning = self.left.range(directory..).take_while(|id| id.starts_with(directory));
            let ids: BTreeSet<_> = beginning.filter(below).copied().collect();
            if ids.len() > 1 {
                self.take(
                    ReachPlace::Below(directory.to_owned()),
                    directory,
                    PermitPattern::Within(directory.to_owned()),
                    ids,
                );
            }
        }
    }

    /// Generalizes URLs to any query.
    fn queries(&mut self) {
        for (base, ids) in self.bucket(|url| Some(without_query(url))) {
            self.take(ReachPlace::Below(base.to_owned()), base, PermitPattern::Within(base.to_owned()), ids);
        }
    }

    fn siblings(&mut self) {
        let key = |path: &'a str| {
            let parsed = AbsPath::parse(path).ok()?;
            let extension = parsed.extension().to_owned();
            let numbered = extension.bytes().all(|byte| byte.is_ascii_digit());
            // Without a telling extension, the name must say what it is.
            let key = if numbered { Err(masked(parsed.name()).filter(|parts| telling(parts))?) } else { Ok(extension) };
            Some((directory(path).filter(|directory| *directory != "/")?, key))
        };
        for ((directory, key), ids) in self.bucket(key) {
            let names: BTreeSet<_> = ids.iter().map(|path| path.rsplit('/').next().and_then(masked)).collect();
            let alike = names.first().filter(|_| names.len() == 1).cloned().flatten().filter(|parts| telling(parts));
            let directory = directory.to_owned();
            let pattern = match (alike, key) {
                (Some(name), _) | (None, Err(name)) => PermitPattern::Named { directory: directory.clone(), name },
                (None, Ok(extension)) => PermitPattern::Extension { directory: directory.clone(), extension },
            };
            self.take(ReachPlace::Below(directory.clone()), &directory, pattern, ids);
        }
    }

    /// Generalizes to directories with more files than anybody would read in a list.
    fn crowds(&mut self) {
        let crowded = |(_, ids): &(&'a str, BTreeSet<&'a str>)| ids.len() > SIBLINGS;
        for (directory, ids) in
            self.bucket(|path| directory(path).filter(|directory| *directory != "/")).into_iter().filter(crowded)
        {
            let place = ReachPlace::Below(directory.to_owned());
            self.take(place, directory, PermitPattern::Directly(directory.to_owned()), ids);
        }
    }

    /// Generalizes names made by `fs::temp_file`, which differ in each run, even a single one.
    fn temporary(&mut self) {
        let mut buckets: IdBuckets<'a, (&str, Vec<String>)> = IdBuckets::new();
        for &path in &self.left {
            let name = path.rsplit('/').next().and_then(without_run);
            if let (Some(directory), Some(name)) = (directory(path).filter(|directory| *directory != "/"), name) {
                buckets.entry((directory, name)).or_default().insert(path);
            }
        }
        for ((directory, name), ids) in buckets {
            let pattern = PermitPattern::Named { directory: directory.to_owned(), name };
            self.take(ReachPlace::Below(directory.to_owned()), directory, pattern, ids);
        }
    }

    fn instances(&mut self) {
        let key = |unit: &'a str| {
            let (template, instance) = unit.split_once('@')?;
            let (_, kind) = instance.rsplit_once('.').filter(|(instance, _)| !instance.is_empty())?;
            Some((template, kind))
        };
        for ((template, kind), ids) in self.bucket(key) {
            let parts = vec![format!("{template}@"), format!(".{kind}")];
            let what = parts.concat();
            self.take(ReachPlace::Prefix(format!("{template}@")), &what, PermitPattern::Like(parts), ids);
        }
    }
}

fn directory(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(directory, _)| if directory.is_empty() { "/" } else { directory })
}

/// Returns the directory of a URL's path, with the slash at its end.
fn folder(url: &str) -> Option<&str> {
    let path = without_query(url);
    path.rfind('/').and_then(|slash| path.get(..=slash))
}

fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(base, _)| base)
}

/// Returns the parts of a temporary file's name before and after what changes in each run: the run's id and a number. `None` if it is not
/// such a name, or has no letter before the id.
fn without_run(name: &str) -> Option<Vec<String>> {
    let is_id = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    for (dash, _) in name.match_indices('-') {
        let (Some(before), Some(after)) = (name.get(..dash), name.get(dash + 1..)) else { continue };
        let start = before.len().saturating_sub(RUN);
        let Some((prefix, id)) = before.split_at_checked(start) else { continue };
        let suffix = after.trim_start_matches(|c: char| c.is_ascii_digit());
        if id.len() == RUN && id.bytes().all(|byte| is_id(&byte)) && suffix.len() < after.len() {
            // A lone wildcard would match everything.
            let told = prefix.chars().any(char::is_alphabetic);
            return told.then(|| vec![prefix.to_owned(), suffix.to_owned()]);
        }
    }
    None
}

impl PermitPattern {
    /// Returns whether the pattern would cover a protected file.
    fn covers_protected(&self) -> bool {
        let within = |directory: &str, covers: &dyn Fn(&str) -> bool| {
            let directory = directory.trim_end_matches('/');
            let known = protected::KNOWN.iter().filter_map(|path| path.strip_prefix(directory)?.strip_prefix('/'));
            known.filter(|name| !name.contains('/')).any(covers)
        };
        match self {
            // Other protected files in it are excluded when the permit is written.
            Self::Within(directory) => protected::is_above_protected(directory),
            Self::Like(_) | Self::Among(_) | Self::Any => false,
            Self::Directly(directory) => within(directory, &|_| true),
            Self::Extension { directory, extension } => {
                let of = |name: &str| name.rsplit_once('.').is_some_and(|(_, known)| known == extension);
                within(directory, &of)
            }
            Self::Named { directory, name } => {
                let like = |known: &str| {
                    let (Some(first), Some(last)) = (name.first(), name.last()) else { return true };
                    known.starts_with(&**first) && known.ends_with(&**last)
                };
                within(directory, &like)
            }
        }
    }
}

/// Returns the parts of a name without its digits and the separators between them; `None` if it has no digits.
fn masked(name: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    for run in name.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let text = run.trim_start_matches(|c: char| c.is_ascii_digit());
        if text.len() < run.len() {
            let between =
                parts.last().is_some_and(|part| parts.len() > 1 && matches!(&**part, "-" | "_" | "." | ":" | "T"));
            if between {
                parts.pop();
            }
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(text);
        }
    }
    (parts.len() > 1).then_some(parts)
}

/// Returns whether a name without its digits still has a letter.
fn telling(parts: &[String]) -> bool {
    parts.iter().any(|part| part.chars().any(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_what_stands_between_them_may_be_others() {
        for (name, like) in [
            ("web-2026-11-24.log", "web-*.log"),
            ("syslog.1", "syslog.*"),
            ("syslog", ""),
            ("7", "*"),
            ("a1b2", "a*b*"),
            ("2026-11-24T10:30.json", "*.json"),
        ] {
            assert_eq!(masked(name).unwrap_or_default().join("*"), like, "{name}");
        }
        assert!(!telling(&masked("7").unwrap()));
    }

    #[test]
    fn the_run_is_not_part_of_a_temporary_name() {
        let run = "0123456789abcdef0123456789abcdef";
        for (name, like) in [
            (format!("rex-{run}-12.txt"), "rex-*.txt"),
            (format!("rex-{run}-0"), "rex-*"),
            (format!("a-b-{run}-3-4"), "a-b-*-4"),
            // `*` would match everything.
            (format!("{run}-3.txt"), ""),
            (format!("rex-{}-3", run.trim_start_matches('0')), ""),
            (format!("rex-{run}-"), ""),
            (format!("rex-{}-3", run.to_uppercase()), ""),
            ("é-1".to_owned(), ""),
        ] {
            assert_eq!(without_run(&name).unwrap_or_default().join("*"), like, "{name}");
        }
    }
}
