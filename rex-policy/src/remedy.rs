//! What would have allowed a request that was denied.

use rex_core::{Decision, Request};

/// The smallest permit that would allow the request, ready to paste; or advice where no permit could.
pub(crate) fn remedy(request: &Request<'_>, decision: &Decision) -> String {
    match (&*decision.policies, &decision.reason) {
        ([], None) => permit(request),
        ([], Some(_)) => "no permit can help: correct what is wrong first, and it is decided again".to_owned(),
        (policies, _) => {
            let names: Vec<_> = policies.iter().map(|id| format!("`{}`", id.escape_debug())).collect();
            let forbids = if names.len() == 1 { "forbids" } else { "forbid" };
            format!("no permit can override it: {} {forbids} this; narrow it there, or do without", names.join(" and "))
        }
    }
}

fn permit(request: &Request<'_>) -> String {
    let spec = request.action.spec();
    format!(
        "permit (\n  principal == {},\n  action == {}::Action::{:?},\n  resource == {}\n);",
        request.subject.principal,
        spec.namespace,
        spec.name,
        request.resource_uid()
    )
}
