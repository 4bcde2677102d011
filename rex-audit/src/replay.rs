//! What was recorded, decided again by another policy.

use std::collections::BTreeMap;

use rex_core::{Authorize, Effect};

use crate::place::Place;
use crate::requests::Recorded;

/// How many resources of a group are named.
const NAMED: usize = 5;
/// How many groups there are at most; what belongs to further ones is only counted.
const GROUPS: usize = 10_000;

/// How a decision would differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Allowed before, denied now.
    Denied,
    /// Denied before, allowed now.
    Allowed,
    /// The same by other policies.
    Others,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Denied, Self::Allowed, Self::Others];
}

/// Decisions that would differ in the same way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Difference {
    /// How.
    pub change: Change,
    /// On whose behalf.
    pub principal: String,
    /// Which action.
    pub action: String,
    /// The policies that decided.
    pub before: Vec<String>,
    /// The policies that decide now.
    pub after: Vec<String>,
    /// Their reason, or what goes wrong.
    pub reason: Option<String>,
    /// Whether it is denied now.
    pub denied: bool,
}

/// Which requests a difference is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concerned {
    /// How many.
    pub requests: u64,
    /// The first of them.
    pub first: Place,
    /// The last of them.
    pub last: Place,
    /// Some of the resources.
    pub resources: Vec<String>,
    /// How many of the requests are about other resources than these.
    pub others: u64,
}

/// What became of all requests that were decided again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// How many.
    pub requests: u64,
    /// How many were of runs whose start was not read, so that they were decided without script and tags.
    pub without_start: u64,
    /// How many are denied now.
    pub denied: u64,
    /// How many are decided as before, by the same policies.
    pub same: u64,
    /// The others.
    pub differences: BTreeMap<Difference, Concerned>,
    /// How many of the others are in none of the differences, of which there are too many.
    pub uncounted: u64,
}

impl Replay {
    /// Decides a request again.
    pub fn add(&mut self, recorded: &Recorded, authorize: &dyn Authorize) {
        let request = recorded.asked.request();
        let decision = authorize.decide(&request);
        self.requests += 1;
        self.without_start += u64::from(!recorded.begun);
        self.denied += u64::from(decision.effect == Effect::Deny);
        let change = match (recorded.effect, decision.effect) {
            (Effect::Allow, Effect::Deny) => Change::Denied,
            (Effect::Deny, Effect::Allow) => Change::Allowed,
            _ if same(&recorded.policies, &decision.policies) => {
                self.same += 1;
                return;
            }
            _ => Change::Others,
        };
        let difference = Difference {
            change,
            principal: request.subject.principal.to_string(),
            action: request.action.spec().to_string(),
            before: recorded.policies.clone(),
            after: decision.policies.iter().map(ToString::to_string).collect(),
            reason: decision.reason.as_deref().map(ToOwned::to_owned),
            denied: decision.effect == Effect::Deny,
        };
        if self.differences.len() >= GROUPS && !self.differences.contains_key(&difference) {
            self.uncounted += 1;
            return;
        }
        let concerned = self.differences.entry(difference).or_insert_with(|| Concerned {
            requests: 0,
            first: recorded.place.clone(),
            last: recorded.place.clone(),
            resources: Vec::new(),
            others: 0,
        });
        concerned.add(request.resource.id(), &recorded.place);
    }

    /// The differences of a kind, those that are about most requests first.
    #[must_use]
    pub fn of(&self, change: Change) -> Vec<(&Difference, &Concerned)> {
        let mut all: Vec<_> = self.differences.iter().filter(|(difference, _)| difference.change == change).collect();
        all.sort_by_key(|(_, concerned)| std::cmp::Reverse(concerned.requests));
        all
    }

    /// How many requests the differences of a kind are about.
    #[must_use]
    pub fn count(&self, change: Change) -> u64 {
        self.of(change).iter().map(|(_, concerned)| concerned.requests).sum()
    }

    /// Whether every request is decided as before, by the same policies.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.same == self.requests
    }
}

impl Concerned {
    fn add(&mut self, resource: &str, place: &Place) {
        self.requests += 1;
        self.last = place.clone();
        if self.resources.iter().any(|known| known == resource) {
            return;
        }
        if self.resources.len() < NAMED {
            self.resources.push(resource.to_owned());
        } else {
            self.others += 1;
        }
    }
}

/// Whether two lists name the same policies.
fn same(before: &[String], after: &[std::sync::Arc<str>]) -> bool {
    before.len() == after.len() && before.iter().all(|id| after.iter().any(|other| **other == **id))
}

#[cfg(test)]
mod tests {
    use rex_core::{ACTIONS, Asked, Decision, Principal, Request, Subject, Timestamp, asked::Written};

    use super::*;

    struct ByName;

    impl Authorize for ByName {
        fn decide(&self, request: &Request<'_>) -> Decision {
            match request.resource.id() {
                id if id.starts_with("/no") => Decision::deny(Some("no")),
                _ => Decision::allow(&["new"]),
            }
        }
    }

    fn recorded(line: u64, resource: &str, effect: Effect, policies: &[&str]) -> Recorded {
        let written = Written { action: "fs::read", resource, ..Written::default() };
        let subject = Subject::new(Principal::agent("a"));
        Recorded {
            place: Place { journal: "j".into(), line },
            run: "r".to_owned(),
            asked: Asked::new(ACTIONS, &written, subject, Timestamp::from_micros(0)).unwrap(),
            effect,
            policies: policies.iter().map(|&id| id.to_owned()).collect(),
            begun: line > 1,
            redacted: false,
        }
    }

    #[test]
    fn what_would_change_is_grouped_and_counted() {
        let mut replay = Replay::default();
        replay.add(&recorded(1, "/same", Effect::Allow, &["new"]), &ByName);
        assert!(replay.is_same());
        replay.add(&recorded(2, "/no", Effect::Deny, &[]), &ByName);
        assert!(replay.is_same());
        replay.add(&recorded(3, "/by-another", Effect::Allow, &["old"]), &ByName);
        replay.add(&recorded(4, "/new", Effect::Deny, &[]), &ByName);
        for line in 5..15 {
            replay.add(&recorded(line, &format!("/no/{}", line / 2), Effect::Allow, &["old"]), &ByName);
        }
        replay.add(&recorded(15, "/no/14", Effect::Allow, &["old"]), &ByName);
        assert!(!replay.is_same());
        assert_eq!((replay.requests, replay.same, replay.denied, replay.without_start), (15, 2, 12, 1));
        assert_eq!(Change::ALL.map(|change| replay.count(change)), [11, 1, 1]);
        let denied = replay.of(Change::Denied);
        let [(difference, concerned)] = &denied[..] else { panic!("{denied:?}") };
        assert_eq!((&difference.before[..], difference.after.len()), (&["old".to_owned()][..], 0));
        assert_eq!(difference.reason.as_deref(), Some("no"));
        assert_eq!((concerned.first.line, concerned.last.line, concerned.others), (5, 15, 2));
        assert_eq!(concerned.resources, ["/no/2", "/no/3", "/no/4", "/no/5", "/no/6"]);
    }
}
