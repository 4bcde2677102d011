//! Helpers to compile policies and decide requests.

use rex_core::action::{AnyAction, fs, service};
use rex_core::resource::{AnyResource, Unit};
use rex_core::{AbsPath, Authorize, Decision, Effect, Principal, Request, Subject, Timestamp};
use rex_policy::{Policy, PolicyLimits, RejectedPolicy, SourceText, Vocabulary};

/// 2026-11-23T12:42:29Z.
pub(crate) const NOON: Timestamp = Timestamp::from_micros(1_795_437_749_000_000);

pub(crate) fn try_compile(policy: &str, entities: Option<&str>) -> Result<Policy, RejectedPolicy> {
    let entities = entities.map(|text| SourceText::new("entities.json", text));
    let sources = [SourceText::new("test.cedar", policy)];
    Policy::compile(&Vocabulary::rex(), &sources, entities.as_ref(), &PolicyLimits::default())
}

/// Compiles policies that may be impossible.
pub(crate) fn compile_any(policy: &str) -> Result<Policy, RejectedPolicy> {
    let limits = PolicyLimits { impossible: true, ..PolicyLimits::default() };
    Policy::compile(&Vocabulary::rex(), &[SourceText::new("test.cedar", policy)], None, &limits)
}

pub(crate) fn compile(policy: &str) -> Policy {
    try_compile(policy, None).unwrap_or_else(|rejected| panic!("{rejected}"))
}

pub(crate) fn compile_with(policy: &str, entities: &str) -> Policy {
    try_compile(policy, Some(entities)).unwrap_or_else(|rejected| panic!("{rejected}"))
}

/// Decides twice, so that the cache answers too, and compares with Cedar's own decision.
pub(crate) fn ask(policy: &Policy, subject: &Subject, action: &dyn AnyAction, resource: &dyn AnyResource) -> Decision {
    ask_at(policy, subject, action, resource, NOON)
}

pub(crate) fn ask_at(
    policy: &Policy,
    subject: &Subject,
    action: &dyn AnyAction,
    resource: &dyn AnyResource,
    now: Timestamp,
) -> Decision {
    let request = Request { subject, action, resource, now };
    let decision = policy.decide(&request);
    assert_eq!(decision, policy.decide_fully(&request), "not what Cedar decides");
    assert_eq!(decision, policy.decide(&request), "not what was decided before");
    decision
}

pub(crate) fn triage() -> Subject {
    Subject::new(Principal::agent("triage"))
}

pub(crate) fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

/// Returns whether the agent `triage` may read a file.
pub(crate) fn reads(policy: &Policy, file: &str) -> bool {
    ask(policy, &triage(), &fs::Read {}, &path(file)).effect == Effect::Allow
}

/// Returns whether the agent `triage` may restart a unit.
pub(crate) fn restarts(policy: &Policy, unit: &str) -> bool {
    ask(policy, &triage(), &service::Restart {}, &Unit::parse(unit).unwrap()).effect == Effect::Allow
}
