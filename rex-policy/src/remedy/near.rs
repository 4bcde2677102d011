//! Policies that nearly permit a denied request, each in one line.

use rex_core::Request;

use super::permit::WantedPermit;
use crate::index::Ancestry;
use crate::policy::Policy;
use crate::rule::{Rule, Scope};
use crate::trace::PolicyTrace;

/// Maximum number of lines.
pub(super) const MOST: usize = 3;
/// Maximum number of policies to examine one by one; of more, only those whose heads match.
const LOOKED_AT: usize = 5_000;
/// Maximum length of a condition, in characters.
const CONDITION: usize = 200;

impl Policy {
    /// Describes policies that came near, as comments.
    pub(super) fn near(&self, wanted: &[WantedPermit<'_>]) -> Vec<String> {
        let mut lines = Vec::new();
        for wanted in wanted {
            if let Some(via) = wanted.via {
                let (via, id) = (via.escape_debug(), wanted.request.resource.id().escape_debug());
                lines.push((0, format!("// `{via}` leads to `{id}`: a permit is about where a name leads\n")));
            }
            let most = if self.len() > LOOKED_AT { 0 } else { 1 };
            for (number, traced) in self.nearly(&wanted.request, most).unwrap_or_default() {
                let Some(rule) = self.rules().get(number) else { continue };
                if let Some((rank, line)) = told(rule, &traced, wanted) {
                    lines.push((rank, format!("// `{}` {line}\n", traced.id.escape_debug())));
                }
            }
        }
        lines.sort_by_key(|(rank, _)| *rank);
        let mut told: Vec<String> = Vec::new();
        for (_, line) in lines {
            if told.len() < MOST && !told.contains(&line) {
                told.push(line);
            }
        }
        told
    }
}

/// Describes how near a policy comes, with its rank.
fn told(rule: &Rule, traced: &PolicyTrace, wanted: &WantedPermit<'_>) -> Option<(u8, String)> {
    let request = &wanted.request;
    match traced.misses[..] {
        [] => {
            let unmet: Vec<_> = traced.unmet().map(|part| format!("`{}`", shortened(&part.text))).collect();
            (!unmet.is_empty()).then(|| (1, format!("would permit it, but for {}", unmet.join(" and "))))
        }
        ["principal"] => {
            let ours = &request.subject.principal;
            Some((2, format!("would permit it to {}; this run is for {ours}", who(&rule.principal)?)))
        }
        ["resource"] => resource(rule, wanted).map(|line| (3, line)),
        ["action"] => {
            let named = rule.actions.as_ref()?.named.iter().take(MOST);
            let names: Vec<_> = named
                .map(|uid| format!("`{}`", uid.to_string().replace("::Action::\"", "::").replace('"', "")))
                .collect();
            Some((4, format!("permits {} of it, not `{}`", names.join(", "), request.action.spec())))
        }
        _ => None,
    }
}

fn who(scope: &Scope) -> Option<String> {
    match (&scope.entity, &scope.kind) {
        (Some(uid), _) if scope.exact => Some(uid.to_string()),
        (Some(uid), _) => Some(format!("those in {uid}")),
        (None, Some(kind)) => Some(format!("each {kind}")),
        (None, None) => None,
    }
}

/// Describes the resource of a head that may miss this resource by a slip.
fn resource(rule: &Rule, wanted: &WantedPermit<'_>) -> Option<String> {
    let Request { resource, .. } = wanted.request;
    let uid = rule.resource.entity.as_ref()?;
    let id = uid.id.escape_debug();
    let kind = resource.spec().to_string();
    if *uid.kind != *kind {
        return None;
    }
    let lineage = Ancestry::new(&kind, resource, None);
    if rule.resource.exact && lineage.ancestors.contains(&&*uid.id) {
        return Some(format!("is about `{id}` itself; `resource in` takes what lies below, too"));
    }
    if wanted.via.is_some_and(|via| via == &*uid.id || (!rule.resource.exact && below(via, &uid.id))) {
        return Some(format!("is about `{id}`, and does not apply to its target"));
    }
    let literal = uid.id.split(['*', '?']).next().filter(|start| start.len() < uid.id.len() && start.len() > 1)?;
    resource.id().starts_with(literal).then(|| {
        format!(
            "names `{id}`: an id has no patterns; write `when {{ resource.{} like .. }}`",
            resource.spec().id_attribute.unwrap_or("name")
        )
    })
}

fn below(id: &str, above: &str) -> bool {
    id.strip_prefix(above.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CONDITION) {
        Some((end, _)) => format!("{} ..", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
