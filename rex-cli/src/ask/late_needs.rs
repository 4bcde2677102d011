//! Needs whose resources only the call itself finds out.

use rex_core::{DeniedCall, NeedWidth, Principal};
use rex_policy::Policy;
use serde::Serialize;

/// An action that a call needs on resources that it finds out itself.
#[derive(Serialize)]
pub(super) struct LateNeed {
    operation: &'static str,
    action: String,
    /// The resources, in words.
    each: &'static str,
    /// `true` if the policy could permit the action on some resource.
    possible: bool,
    /// `true` if the call does nothing without it.
    #[serde(skip)]
    certain: bool,
}

impl LateNeed {
    /// Returns whether the call cannot do its work.
    pub(super) fn is_denied(&self) -> bool {
        self.certain && !self.possible
    }

    pub(super) fn is_certain(&self) -> bool {
        self.certain
    }
}

/// Returns the needs that only these calls find out.
pub(super) fn of(calls: &[DeniedCall], policy: &Policy, principal: &Principal) -> Vec<LateNeed> {
    let reach = policy.reach(Some(principal));
    let needs = calls.iter().flat_map(|call| call.needs.iter().map(|need| (call.operation, need)));
    let later = needs.filter_map(|(operation, need)| {
        let NeedWidth::Later(later) = need.width() else { return None };
        let possible = reach.extent(need.spec()).is_some_and(|extent| !extent.is_empty());
        let (action, each, certain) = (need.spec().to_string(), later.each, later.certain);
        Some(LateNeed { operation, action, each, possible, certain })
    });
    later.collect()
}

/// Formats these needs for people.
pub(super) fn human(later: &[LateNeed]) -> String {
    let told = later.iter().map(|later| {
        let LateNeed { action, each, .. } = later;
        match (later.certain, later.possible) {
            (true, false) => format!("\nDENY: `{action}` on {each}: no permit covers it\n"),
            (_, true) => format!("\nknown only during a run: `{action}` on {each}\n"),
            (false, false) => format!("\nknown only during a run: `{action}` on {each}; no permit covers it\n"),
        }
    });
    told.collect()
}
