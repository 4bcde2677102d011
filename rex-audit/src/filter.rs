//! A filter for entries.

use std::collections::BTreeSet;

use rex_core::nearest::did_you_mean;
use rex_core::{ActionSpec, Effect, Principal, Timestamp};

use crate::{Entry, moment};

/// A filter for entries. An entry must pass each part. An empty part passes everything; of several values in a part, one must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// The first time, inclusive.
    pub from: Option<Timestamp>,
    /// The last time, exclusive.
    pub to: Option<Timestamp>,
    /// The ids of runs, or prefixes of them.
    pub runs: Vec<String>,
    /// Principals, whole (`Agent::"triage"`, or any text that [`Principal::typed`] accepts) or by name.
    pub principals: Vec<String>,
    /// The names of operations, such as `fs::read`. Only entries of a call have one.
    pub operations: Vec<String>,
    /// The names of actions, see [`actions`]. Only decisions have one.
    pub actions: BTreeSet<String>,
    /// Ids of resources. Only decisions have one.
    pub resources: Vec<String>,
    /// Directories: the resource is one of them, or below.
    pub under: Vec<String>,
    /// The effect of a decision. Only decisions have one.
    pub decision: Option<Effect>,
    /// The ids of deciding policies.
    pub policies: Vec<String>,
}

impl EntryFilter {
    /// Returns whether an entry passes.
    #[must_use]
    pub fn passes(&self, entry: &Entry<'_>) -> bool {
        let among = |values: &[String], value: &str| values.iter().any(|one| one == value);
        (self.runs.is_empty() || self.runs.iter().any(|run| entry.run.starts_with(run.as_str())))
            && self.decision.is_none_or(|effect| entry.decision.as_deref() == Some(effect.as_str()))
            && (self.operations.is_empty() || among(&self.operations, &entry.operation))
            && (self.principals.is_empty() || self.principals.iter().any(|one| is_principal(one, &entry.principal)))
            && (self.actions.is_empty() || entry.action.as_deref().is_some_and(|action| self.actions.contains(action)))
            && (self.policies.is_empty() || entry.policies.iter().any(|policy| among(&self.policies, policy)))
            && self.is_there(entry.resource.as_deref())
            && self.is_then(entry)
    }

    fn is_there(&self, resource: Option<&str>) -> bool {
        if self.resources.is_empty() && self.under.is_empty() {
            return true;
        }
        let below = |dir: &String, id: &str| {
            let dir = dir.trim_end_matches('/');
            id.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        resource
            .is_some_and(|id| self.resources.iter().any(|one| one == id) || self.under.iter().any(|dir| below(dir, id)))
    }

    /// Checks the time. An entry whose time cannot be parsed does not pass.
    fn is_then(&self, entry: &Entry<'_>) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        moment::rfc3339(&entry.time)
            .is_some_and(|time| self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to))
    }
}

fn is_principal(meant: &str, principal: &str) -> bool {
    if principal == meant {
        return true;
    }
    let Ok(principal) = Principal::parse(principal) else { return false };
    principal.id() == meant || Principal::typed(meant).is_ok_and(|meant| meant == principal)
}

/// The error for an unknown action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown action, namespace or group `{name}`")]
pub struct NoAction {
    /// The unknown name.
    pub name: String,
    /// A suggestion.
    pub help: Option<String>,
}

/// Returns the names of the actions that a word matches: an action (`fs::read`, or `read` in any namespace), a namespace (`fs`), or a
/// group, of one namespace (`fs::Mutating`) or of all (`Mutating`).
///
/// # Errors
/// If it matches none.
pub fn actions(word: &str, table: &[&ActionSpec]) -> Result<BTreeSet<String>, NoAction> {
    let (namespace, name) = word.split_once("::").map_or((None, word), |(space, name)| (Some(space), name));
    let meant = |action: &&&ActionSpec| {
        let here = namespace.is_none_or(|space| space == action.namespace);
        here && (action.name == name || action.groups.contains(&name))
            || namespace.is_none() && action.namespace == name
    };
    let found: BTreeSet<String> = table.iter().filter(meant).map(ToString::to_string).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<String> = table.iter().map(ToString::to_string).collect();
    let short = table.iter().flat_map(|action| action.groups.iter().chain([&action.namespace, &action.name]).copied());
    let help = did_you_mean(word, names.iter().map(String::as_str).chain(short));
    Err(NoAction { name: word.to_owned(), help })
}

#[cfg(test)]
mod tests {
    use rex_core::ACTIONS;

    use super::*;

    const LINE: &str = r#"{"time":"2026-11-23T12:42:29.5Z","run":"abc123","sequence":2,"principal":"Agent::\"triage\"","operation":"fs::copy","line":4,
        "event":"decision","action":"fs::write","resource":"/srv/app/x","context":{"bytes":3},"decision":"DENY","policies":["no-config"],"reason":null}"#;

    fn passes(filter: EntryFilter) -> bool {
        let entry: Entry<'_> = Entry::parse(LINE.as_bytes()).unwrap();
        filter.passes(&entry)
    }

    #[test]
    fn each_part_can_leave_an_entry_out() {
        type Set = fn(&mut EntryFilter, String);
        let parts: [(Set, &[&str], &[&str]); 7] = [
            (|f, v| f.runs.push(v), &["abc123", "ab"], &["b", "abc1234"]),
            (|f, v| f.principals.push(v), &["Agent::\"triage\"", "triage"], &["tri", "Agent", "User::\"triage\""]),
            (|f, v| f.operations.push(v), &["fs::copy"], &["fs::write", "copy"]),
            (
                |f, v| f.actions.extend(actions(&v, ACTIONS).unwrap()),
                &["fs::write", "write", "fs", "Mutating"],
                &["ReadOnly", "sys"],
            ),
            (|f, v| f.resources.push(v), &["/srv/app/x"], &["/srv/app", "/srv/app/xy"]),
            (
                |f, v| f.under.push(v),
                &["/srv/app/", "/srv/app", "/", "/srv/app/x"],
                &["/srv/ap", "/srv/app/x/y", "srv"],
            ),
            (|f, v| f.policies.push(v), &["no-config"], &["no"]),
        ];
        for (set, fit, unfit) in parts {
            for (value, expected) in fit.iter().map(|v| (v, true)).chain(unfit.iter().map(|v| (v, false))) {
                let mut filter = EntryFilter::default();
                set(&mut filter, (*value).to_owned());
                assert_eq!(passes(filter), expected, "{value}");
            }
        }
        assert!(passes(EntryFilter::default()));
        assert!(passes(EntryFilter { decision: Some(Effect::Deny), ..EntryFilter::default() }));
        assert!(!passes(EntryFilter { decision: Some(Effect::Allow), ..EntryFilter::default() }));
    }

    #[test]
    fn a_principal_is_found_in_whatever_spelling() {
        for written in [r#"Agent::\"o'brien\""#, r#"Agent::\"o\\'brien\""#] {
            let line = LINE.replace(r#"Agent::\"triage\""#, written);
            let entry = Entry::parse(line.as_bytes()).unwrap();
            for meant in [r#"Agent::"o'brien""#, r#"Agent::"o\'brien""#, "Agent::o'brien", "o'brien"] {
                let filter = EntryFilter { principals: vec![meant.to_owned()], ..EntryFilter::default() };
                assert!(filter.passes(&entry), "{written} {meant}");
            }
        }
    }

    #[test]
    fn times_are_compared_as_times() {
        let at = |text| moment::rfc3339(text);
        for (from, to, expected) in [
            ("2026-11-23T12:42:29Z", "2026-11-23T12:42:30Z", true),
            ("2026-11-23T12:42:29.5Z", "2026-11-23T12:42:29.500001Z", true),
            ("2026-11-23T12:42:29.500001Z", "2026-11-23T13:00:00Z", false),
            ("2026-11-23T12:00:00Z", "2026-11-23T12:42:29.5Z", false),
        ] {
            assert_eq!(
                passes(EntryFilter { from: at(from), to: at(to), ..EntryFilter::default() }),
                expected,
                "{from} {to}"
            );
        }
    }

    #[test]
    fn an_unknown_action_is_told() {
        let error = actions("fs::raed", ACTIONS).unwrap_err();
        assert_eq!(error.help.as_deref(), Some("did you mean `fs::read`?"));
        assert_eq!(actions("mutatin", ACTIONS).unwrap_err().help.as_deref(), Some("did you mean `Mutating`?"));
    }
}
