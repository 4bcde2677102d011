//! Parts of an allowed tree that are denied, or may be.

use rex_core::{Effect, Extent, ReachPlace};
use rex_policy::{ReachException, Trace};
use serde::Serialize;

use super::call::NeededRequest;
use crate::draw::line;

/// A policy that denies part of a tree, or may deny it.
#[derive(Serialize)]
pub(super) struct DeniedPart {
    policy: String,
    /// The text of its `@reason`.
    reason: Option<String>,
    /// `true` for a permit that depends on each resource of the tree, `false` for a forbid.
    permit: bool,
    /// `true` if the forbid is unconditional and names places in the tree.
    certain: bool,
    /// The places that it denies; empty if they are not known.
    places: Vec<String>,
}

impl DeniedPart {
    pub(super) fn human(&self) -> String {
        let verb = match (self.permit, self.certain) {
            (true, _) => "may be outside what this policy permits:",
            (false, true) => "is forbidden by",
            (false, false) => "may be forbidden by",
        };
        let of = if self.places.is_empty() {
            "part of it".to_owned()
        } else {
            format!("`{}`", line(&self.places.join("`, `")))
        };
        let reason = self.reason.as_ref().map(|reason| format!(" ({})", line(reason))).unwrap_or_default();
        format!("  {of} {verb} `{}`{reason}\n", line(&self.policy))
    }
}

/// Returns the policies that may deny part of a tree whose root is allowed.
pub(super) fn of(exceptions: &[ReachException], needed: &NeededRequest, trace: &Trace) -> Vec<DeniedPart> {
    let request = needed.asked.request();
    let tree = match (&needed.prefix, needed.below) {
        (Some(prefix), _) => ResourceTree::Prefix(prefix),
        (None, true) => ResourceTree::Below(request.resource.id()),
        (None, false) => return Vec::new(),
    };
    if trace.decision.effect == Effect::Deny {
        return Vec::new();
    }
    let forbids = exceptions.iter().filter_map(|exception| {
        let mut extents = exception.extents.iter().filter(|(spec, _)| *spec == request.action.spec());
        let places = tree.places(&extents.next()?.1)?;
        let part = DeniedPart {
            policy: exception.policy.to_string(),
            reason: exception.reason.as_deref().map(str::to_owned),
            permit: false,
            certain: !exception.conditional && !places.is_empty(),
            places,
        };
        Some(part)
    });
    // One permit that does not depend on the single resource allows the whole tree.
    let each =
        |conjunct: &rex_policy::ConditionPart| conjunct.text.contains("resource") && !tree.is_within(&conjunct.text);
    let looks = |permit: &&rex_policy::PolicyTrace| permit.conjuncts.iter().any(each);
    let permits: Vec<_> = trace.deciding.iter().filter(|traced| traced.permit).collect();
    let bound = if permits.iter().all(looks) { permits } else { Vec::new() };
    let permits = bound.into_iter().map(|traced| DeniedPart {
        policy: traced.id.to_string(),
        reason: traced.reason.as_deref().map(str::to_owned),
        permit: true,
        certain: false,
        places: Vec::new(),
    });
    forbids.chain(permits).collect()
}

/// Returns what the first line of an answer says of these parts.
pub(super) fn summary<'a>(parts: impl Iterator<Item = &'a DeniedPart>) -> &'static str {
    match parts.map(|part| part.certain).max() {
        None => "",
        Some(true) => ", but part of it is forbidden",
        Some(false) => ", but part of it may be denied",
    }
}

/// A tree: all below a path, or all with a prefix.
enum ResourceTree<'a> {
    Below(&'a str),
    Prefix(&'a str),
}

impl ResourceTree<'_> {
    fn holds(&self, id: &str) -> bool {
        match self {
            Self::Prefix(prefix) => id.starts_with(prefix),
            Self::Below(root) => {
                let rest = id.strip_prefix(root.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }

    /// Checks whether a condition only requires a prefix that all of this tree have.
    fn is_within(&self, condition: &str) -> bool {
        let (Self::Below(root) | Self::Prefix(root)) = self;
        let pattern =
            ["path", "name"].iter().find_map(|name| condition.strip_prefix(&format!("resource.{name} like ")));
        let start = pattern.and_then(|pattern| pattern.strip_prefix('"')?.strip_suffix("*\""));
        start.is_some_and(|start| !start.is_empty() && !start.contains(['*', '\\']) && root.starts_with(start))
    }

    /// Returns the places of an extent in this tree; empty if it contains the whole tree, `None` if they do not overlap.
    fn places(&self, extent: &Extent) -> Option<Vec<String>> {
        let Extent::Within(places) = extent else { return Some(Vec::new()) };
        let (mut inside, mut around) = (Vec::new(), false);
        for place in places {
            let (ReachPlace::Exactly(id) | ReachPlace::Below(id) | ReachPlace::Prefix(id)) = place;
            if self.holds(id) {
                inside.push(id.clone());
                continue;
            }
            let (Self::Below(root) | Self::Prefix(root)) = self;
            around |= match place {
                ReachPlace::Exactly(_) => false,
                ReachPlace::Below(id) => ResourceTree::Below(id).holds(root),
                ReachPlace::Prefix(text) => root.starts_with(&**text) || text.starts_with(root),
            };
        }
        // An extent that contains the whole tree is reported without places.
        let root = |id: &String| matches!(self, Self::Below(root) | Self::Prefix(root) if id == root);
        match (inside.is_empty(), around) {
            (true, false) => None,
            _ if around || inside.iter().any(root) => Some(Vec::new()),
            _ => Some(inside),
        }
    }
}
