//! Recorded requests, decided again by another policy.

use std::collections::BTreeMap;

use rex_core::{Authorize, Effect};

use crate::place::JournalPlace;
use crate::requests::RecordedRequest;

/// Maximum number of resources named in a group.
const NAMED: usize = 5;
/// Maximum number of groups; requests of further ones are only counted.
const GROUPS: usize = 10_000;

/// A change of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplayChange {
    /// Allowed before, denied now.
    Denied,
    /// Denied before, allowed now.
    Allowed,
    /// The same decision by other policies.
    Others,
}

impl ReplayChange {
    /// All changes.
    pub const ALL: [Self; 3] = [Self::Denied, Self::Allowed, Self::Others];
}

/// Decisions that would differ in the same way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayDifference {
    /// The change.
    pub change: ReplayChange,
    /// The principal.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The policies that decided before.
    pub before: Vec<String>,
    /// The policies that decide now.
    pub after: Vec<String>,
    /// The reason of these policies, or the error.
    pub reason: Option<String>,
    /// True if the requests are denied now.
    pub denied: bool,
}

/// The requests that a difference is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcernedRequests {
    /// Number of requests.
    pub requests: u64,
    /// The first of them.
    pub first: JournalPlace,
    /// The last of them.
    pub last: JournalPlace,
    /// Some of the resources.
    pub resources: Vec<String>,
    /// Number of requests about other resources than these.
    pub others: u64,
}

/// The results of all requests that were decided again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// Number of requests.
    pub requests: u64,
    /// Number of requests of runs whose start was not read; they are decided without script and tags.
    pub without_start: u64,
    /// Number of requests denied now.
    pub denied: u64,
    /// Number of requests decided as before, by the same policies.
    pub same: u64,
    /// The other requests, in groups.
    pub differences: BTreeMap<ReplayDifference, ConcernedRequests>,
    /// Number of the other requests in no group, because there are too many groups.
    pub uncounted: u64,
}

impl Replay {
    /// Decides a request again.
    pub fn add(&mut self, recorded: &RecordedRequest, authorize: &dyn Authorize) {
        let request = recorded.asked.request();
        let decision = authorize.decide(&request);
        self.requests += 1;
        self.without_start += u64::from(!recorded.begun);
        self.denied += u64::from(decision.effect == Effect::Deny);
        let change = match (recorded.effect, decision.effect) {
            (Effect::Allow, Effect::Deny) => ReplayChange::Denied,
            (Effect::Deny, Effect::Allow) => ReplayChange::Allowed,
            _ if same(&recorded.policies, &decision.policies) => {
                self.same += 1;
                return;
            }
            _ => ReplayChange::Others,
        };
        let difference = ReplayDifference {
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
        let concerned = self.differences.entry(difference).or_insert_with(|| ConcernedRequests {
            requests: 0,
            first: recorded.place.clone(),
            last: recorded.place.clone(),
            resources: Vec::new(),
            others: 0,
        });
        concerned.add(request.resource.id(), &recorded.place);
    }

    /// Returns the differences with this change, most requests first.
    #[must_use]
    pub fn of(&self, change: ReplayChange) -> Vec<(&ReplayDifference, &ConcernedRequests)> {
        let mut all: Vec<_> = self.differences.iter().filter(|(difference, _)| difference.change == change).collect();
        all.sort_by_key(|(_, concerned)| std::cmp::Reverse(concerned.requests));
        all
    }

    /// Returns the number of requests with this change, as far as they are in groups.
    #[must_use]
    pub fn count(&self, change: ReplayChange) -> u64 {
        self.of(change).iter().map(|(_, concerned)| concerned.requests).sum()
    }

    /// Returns whether every request is decided as before, by the same policies.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.same == self.requests
    }
}

impl ConcernedRequests {
    fn add(&mut self, resource: &str, place: &JournalPlace) {
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

/// Returns whether two lists name the same policies.
fn same(before: &[String], after: &[std::sync::Arc<str>]) -> bool {
    before.len() == after.len() && before.iter().all(|id| after.iter().any(|other| **other == **id))
}

#[cfg(test)]
mod tests {
    use rex_core::{ACTIONS, Decision, Principal, Request, RequestBuf, Subject, Timestamp, request::RequestSpec};

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

    fn recorded(line: u64, resource: &str, effect: Effect, policies: &[&str]) -> RecordedRequest {
        let written = RequestSpec { action: "fs::read", resource, ..RequestSpec::default() };
        let subject = Subject::new(Principal::agent("a"));
        RecordedRequest {
            place: JournalPlace { journal: "j".into(), line },
            run: "r".to_owned(),
            asked: RequestBuf::new(ACTIONS, &written, subject, Timestamp::from_micros(0)).unwrap(),
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
        assert_eq!(ReplayChange::ALL.map(|change| replay.count(change)), [11, 1, 1]);
        let denied = replay.of(ReplayChange::Denied);
        let [(difference, concerned)] = &denied[..] else { panic!("{denied:?}") };
        assert_eq!((&difference.before[..], difference.after.len()), (&["old".to_owned()][..], 0));
        assert_eq!(difference.reason.as_deref(), Some("no"));
        assert_eq!((concerned.first.line, concerned.last.line, concerned.others), (5, 15, 2));
        assert_eq!(concerned.resources, ["/no/2", "/no/3", "/no/4", "/no/5", "/no/6"]);
    }
}
