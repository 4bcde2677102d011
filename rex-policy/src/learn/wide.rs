//! From the resources that were seen to those that they stand for.

use std::collections::{BTreeMap, BTreeSet};

use rex_core::net::Url;
use rex_core::process::Process;
use rex_core::resource::Unit;
use rex_core::{AbsPath, ActionSpec, Place, Resource};

use super::Breadth;
use crate::vocabulary::same_type;

/// What is known of a type of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Path,
    Url,
    Unit,
    Process,
    /// Nothing: its ids stand for themselves.
    Other,
}

impl Kind {
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

/// Which resources a permit is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pattern {
    /// This one, and all that is in it.
    Within(String),
    /// What is directly in a directory and has an extension.
    Extension { directory: String, extension: String },
    /// What is directly in a directory and has such a name: its parts between wildcards.
    Named { directory: String, name: Vec<String> },
    /// Whatever has such a name: its parts between wildcards.
    Like(Vec<String>),
    /// These.
    Among(BTreeSet<String>),
    /// Those of the type that the demands are about.
    Any,
}

/// What several resources have in common, and so may stand for.
type Buckets<'a, K> = BTreeMap<K, BTreeSet<&'a str>>;
/// Whether a `forbid` holds a part of a place, which is told by a text.
pub(super) type IsHeld<'h> = &'h mut dyn FnMut(Place, &str) -> bool;

/// The patterns of these resources, each with those that it is made from.
pub(super) fn patterns<'a>(
    kind: Kind,
    ids: BTreeSet<&'a str>,
    breadth: Breadth,
    is_held: IsHeld<'_>,
) -> Vec<(Pattern, BTreeSet<&'a str>)> {
    if kind == Kind::Process {
        return vec![(Pattern::Any, ids)];
    }
    let mut wide = Wide { left: ids, found: Vec::new(), is_held };
    if breadth == Breadth::Directory {
        wide.directories(kind);
    }
    if breadth >= Breadth::Siblings {
        match kind {
            Kind::Path => wide.siblings(),
            Kind::Url => wide.queries(),
            Kind::Unit => wide.instances(),
            Kind::Process | Kind::Other => {}
        }
    }
    let Wide { left, mut found, .. } = wide;
    if !left.is_empty() {
        found.push((Pattern::Among(left.iter().map(|id| (*id).to_owned()).collect()), left));
    }
    found
}

struct Wide<'a, 'h> {
    left: BTreeSet<&'a str>,
    found: Vec<(Pattern, BTreeSet<&'a str>)>,
    is_held: IsHeld<'h>,
}

impl<'a> Wide<'a, '_> {
    fn bucket<K: Ord>(&self, key: impl Fn(&'a str) -> Option<K>) -> Buckets<'a, K> {
        let mut buckets = Buckets::new();
        for id in &self.left {
            if let Some(key) = key(id) {
                buckets.entry(key).or_default().insert(id);
            }
        }
        buckets.retain(|_, ids| ids.len() > 1);
        buckets
    }

    fn take(&mut self, place: Place, what: &str, pattern: Pattern, ids: BTreeSet<&'a str>) {
        if !(self.is_held)(place, what) {
            self.left.retain(|id| !ids.contains(id));
            self.found.push((pattern, ids));
        }
    }

    /// A directory that several are in stands for all of it, unless that is too much to stand for.
    fn directories(&mut self, kind: Kind) {
        let key = match kind {
            Kind::Path => |path: &'a str| directory(path).filter(|directory| directory.matches('/').count() > 1),
            Kind::Url => |url: &'a str| folder(url).filter(|folder| folder.matches('/').count() > 3),
            Kind::Unit | Kind::Process | Kind::Other => return,
        };
        // Outermost first, so that what is in another is taken with it.
        for directory in self.bucket(key).into_keys() {
            let below = |id: &&&str| {
                let rest = id.strip_prefix(directory);
                rest.is_some_and(|rest| rest.is_empty() || directory.ends_with('/') || rest.starts_with('/'))
            };
            let ids: BTreeSet<_> = self.left.iter().filter(below).copied().collect();
            if ids.len() > 1 {
                self.take(Place::Below(directory.to_owned()), directory, Pattern::Within(directory.to_owned()), ids);
            }
        }
    }

    /// URLs that differ in their query.
    fn queries(&mut self) {
        for (base, ids) in self.bucket(|url| Some(without_query(url))) {
            self.take(Place::Below(base.to_owned()), base, Pattern::Within(base.to_owned()), ids);
        }
    }

    fn siblings(&mut self) {
        let key = |path: &'a str| {
            let parsed = AbsPath::parse(path).ok()?;
            let extension = parsed.extension().to_owned();
            let numbered = extension.bytes().all(|byte| byte.is_ascii_digit());
            // Without an extension that says what it is, the name must.
            let key = if numbered { Err(masked(parsed.name()).filter(|parts| telling(parts))?) } else { Ok(extension) };
            Some((directory(path).filter(|directory| *directory != "/")?, key))
        };
        for ((directory, key), ids) in self.bucket(key) {
            let names: BTreeSet<_> = ids.iter().map(|path| path.rsplit('/').next().and_then(masked)).collect();
            let alike = names.first().filter(|_| names.len() == 1).cloned().flatten().filter(|parts| telling(parts));
            let directory = directory.to_owned();
            let pattern = match (alike, key) {
                (Some(name), _) | (None, Err(name)) => Pattern::Named { directory: directory.clone(), name },
                (None, Ok(extension)) => Pattern::Extension { directory: directory.clone(), extension },
            };
            self.take(Place::Below(directory.clone()), &directory, pattern, ids);
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
            self.take(Place::Prefix(format!("{template}@")), &what, Pattern::Like(parts), ids);
        }
    }
}

fn directory(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(directory, _)| if directory.is_empty() { "/" } else { directory })
}

/// The directory of a URL's path, with the slash at its end.
fn folder(url: &str) -> Option<&str> {
    let path = without_query(url);
    path.rfind('/').and_then(|slash| path.get(..=slash))
}

fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(base, _)| base)
}

/// A name without its digits, and without what stands between them: its parts; `None` if it has no digits.
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

/// Whether a name without its digits still says what it is.
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
}
