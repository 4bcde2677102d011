//! The annotations that exist. A misspelled one would have no effect, and nobody would notice.

use cedar_policy::{Effect, Policy};
use rex_core::nearest::did_you_mean;

use crate::compile::ParsedFile;
use crate::finding::{Finding, Severity};
use crate::rule::annotation;

/// The kind of statements that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatementKind {
    /// Policies, which decide.
    Policies,
    /// Properties, which policies are checked against.
    Properties,
    /// Properties if the statements are marked as such, else policies: for analyses, which decide nothing.
    Either,
}

/// Maximum length of an id that Rex makes, in bytes.
const ID: usize = 60;
/// The annotation that says which property a statement is.
pub(crate) const PROVE: &str = "prove";
/// The annotations that a policy can have.
const OF_POLICIES: [&str; 4] = ["id", "reason", "allow", "lint"];
/// The annotations that a property can have.
const OF_PROPERTIES: [&str; 4] = ["id", "reason", "lint", PROVE];
/// Annotations that a later version may have. Until then they would promise what Rex does not do.
const RESERVED: [&str; 3] = ["approval", "shadow", "undo"];
/// The values of `@prove`; `true` if a `permit` states it, `false` if a `forbid` does.
pub(crate) const PROVABLE: [(&str, bool); 4] =
    [("at-most", true), ("never", false), ("no-error", true), ("never-run", false)];

/// Makes an id of words: keeps their ASCII letters and digits in lower case, with one hyphen for anything between.
pub(crate) fn id_of(words: &str) -> String {
    let mut id = String::new();
    for c in words.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => id.push(c),
            _ if id.is_empty() || id.ends_with('-') => {}
            _ => id.push('-'),
        }
    }
    id.truncate(ID);
    id.trim_end_matches('-').to_owned()
}

impl StatementKind {
    /// Decides whether the files are read as policies or as properties.
    pub(crate) fn settled(self, files: &[ParsedFile]) -> Self {
        if self != Self::Either {
            return self;
        }
        let statements = || files.iter().flat_map(|file| file.set.policies());
        let says = |one: &Policy| annotation(one, PROVE).is_some();
        // A misspelled `@prove` counts, too.
        let means = |one: &Policy| says(one) || one.annotations().any(|(name, _)| !OF_POLICIES.contains(&name));
        if statements().any(says) && statements().all(means) { Self::Properties } else { Self::Policies }
    }

    fn known(self) -> [&'static str; 4] {
        if self == Self::Properties { OF_PROPERTIES } else { OF_POLICIES }
    }

    /// Checks the annotations of a statement.
    pub(crate) fn check(self, file: &ParsedFile, number: usize, policy: &Policy) -> Vec<Finding> {
        let names = policy.annotations().map(|(name, _)| name);
        let unknown = names.filter(|name| !self.known().contains(name)).map(|name| {
            let (message, help) = self.unknown(name);
            Finding::new(Severity::Error, &file.text, place(file, number, name), message).with_help(help)
        });
        let mut findings: Vec<_> = unknown.collect();
        if self == Self::Properties
            && let Some((message, help)) = no_property(policy)
        {
            let place = place(file, number, PROVE);
            findings.push(Finding::new(Severity::Error, &file.text, place, message).with_help(help));
        }
        findings
    }

    fn unknown(self, name: &str) -> (String, String) {
        let shown = name.escape_debug();
        if RESERVED.contains(&name) {
            let message = format!("`@{shown}` does nothing in this version of Rex");
            return (message, "remove it: it has no effect".to_owned());
        }
        let help = match (self, name) {
            (Self::Properties, "allow") => "a property permits nothing: write `@allow` in a policy".to_owned(),
            (_, PROVE) => "keep properties in files of their own, and hand those to `rex policy prove`".to_owned(),
            _ => {
                let known = self.known().into_iter().chain(OF_POLICIES).chain([PROVE]);
                let meant = known.map(|known| format!("@{known}")).collect::<Vec<_>>();
                did_you_mean(&format!("@{name}"), meant.iter().map(String::as_str)).unwrap_or_else(|| self.all())
            }
        };
        let message = match name {
            PROVE => "`@prove` states a property, and this is read as a policy".to_owned(),
            "allow" => "a property has no annotation `@allow`".to_owned(),
            _ => format!("there is no annotation `@{shown}`"),
        };
        (message, help)
    }

    fn all(self) -> String {
        let known: Vec<_> = self.known().iter().map(|known| format!("`@{known}`")).collect();
        let what = if self == Self::Properties { "property" } else { "policy" };
        format!("a {what} can have {}", known.join(", "))
    }
}

/// Explains why a statement is not a property, and what to do about it; `None` if it is one.
pub(crate) fn no_property(policy: &Policy) -> Option<(String, String)> {
    let permit = policy.effect() == Effect::Permit;
    let effect = if permit { "permit" } else { "forbid" };
    let words = PROVABLE.iter().filter(|(_, of)| *of == permit);
    let words: Vec<_> = words.map(|(word, _)| format!("`@prove(\"{word}\")`")).collect();
    let words = words.join(" or ");
    let Some(said) = annotation(policy, PROVE) else {
        let message = "this states no property, since it has no `@prove`".to_owned();
        return Some((message, format!("write {words} before this `{effect}`")));
    };
    match PROVABLE.iter().find(|(word, _)| *word == said) {
        Some((_, of)) if *of == permit => None,
        Some(_) => Some((format!("a `{effect}` does not state `{said}`"), format!("it can state {words}"))),
        None => {
            let meant = did_you_mean(said, PROVABLE.iter().map(|(word, _)| *word));
            let meant = meant.map_or(String::new(), |meant| format!("{meant} "));
            let message = format!("`@prove` has no value `{}`", said.escape_debug());
            Some((message, format!("{meant}a `{effect}` can state {words}")))
        }
    }
}

/// Finds an annotation in a statement; returns the first line of the statement if it is not found.
fn place(file: &ParsedFile, number: usize, name: &str) -> Option<(usize, usize)> {
    let (start, length) = file.place(number)?;
    let text = file.text.text.get(start..start + length)?;
    let written = format!("@{name}");
    let ends = |at: usize| {
        let after = text.get(at + written.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let found = text.match_indices(&written).map(|(at, _)| at).find(|at| ends(*at));
    let line = text.lines().next().map_or(0, str::len);
    Some(found.map_or((start, line), |at| (start + at, written.len())))
}
