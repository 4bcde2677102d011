//! What would have allowed a request that was denied.

use std::fmt::Write;

use rex_core::{Decision, Fact, Request};

use crate::layout::unified;
use crate::policy::Policy;
use crate::trace::Traced;

/// How many policies that came near are told.
const NEAR: usize = 3;

/// How much of a condition is told, in characters.
const CONDITION: usize = 200;

/// What the other facts say of how a program is started: `arguments` holds all of it.
pub(crate) const SAID_BY_ARGUMENTS: [&str; 10] =
    ["count", "arg1", "arg2", "arg3", "arg4", "arg5", "arg6", "arg7", "arg8", "arg9"];

/// A permit that allows what was denied, as a change of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The name of the file.
    pub file: String,
    /// The id of the new policy.
    pub id: String,
    /// What is added to the end of the file.
    pub added: String,
    /// The change as a unified diff, which `patch -p1` and `git apply` take.
    pub diff: String,
}

impl Policy {
    /// The smallest permit that would allow a request that was denied, as a change of the file that the nearest policy stands in, or
    /// else of the last one. `None` if no permit would allow it, or there is no file.
    #[must_use]
    pub fn patch(&self, request: &Request<'_>) -> Option<Patch> {
        let trace = self.trace(request);
        let permittable = trace.decision.policies.is_empty() && trace.decision.reason.is_none();
        if trace.decision.effect == rex_core::Effect::Allow || !permittable {
            return None;
        }
        let near = trace.near.first().map(|near| &near.id);
        let near = near.and_then(|id| self.ids().position(|known| known == id));
        let stand = self.stand(near.unwrap_or_else(|| self.len().saturating_sub(1)))?;
        let (file, old) = (stand.text.name.to_string(), &*stand.text.text);
        let id = self.new_id(request);
        let gap = if old.is_empty() || old.ends_with('\n') { "\n" } else { "\n\n" };
        let added = format!("{gap}@id(\"{id}\")\n{}\n", permit(request));
        let new = format!("{old}{added}");
        let diff = unified(&file, old, &new);
        Some(Patch { file, id, added, diff })
    }

    /// An id that no policy has, which says what it is about.
    fn new_id(&self, request: &Request<'_>) -> String {
        let spec = request.action.spec();
        let words = [request.subject.principal.id(), spec.namespace, spec.name].join("-");
        let id: String = words
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(64)
            .collect();
        let taken = |id: &str| self.ids().any(|known| **known == *id);
        let numbered = (2..).map(|number| format!("{id}-{number}"));
        std::iter::once(id.clone()).chain(numbered).find(|id| !taken(id)).unwrap_or(id)
    }

    /// What a script is told that is denied: the smallest permit that would allow the request, ready to paste, with what came near; or
    /// advice where no permit could.
    pub(crate) fn advice(&self, request: &Request<'_>, decision: &Decision) -> String {
        match (&*decision.policies, &decision.reason) {
            ([], None) => {
                let near = self.nearly(request).unwrap_or_default();
                near.iter().take(NEAR).map(hint).chain([permit(request)]).collect()
            }
            ([], Some(_)) => "no permit can help: correct what is wrong first, and it is decided again".to_owned(),
            (policies, _) => {
                let names: Vec<_> = policies.iter().map(|id| format!("`{}`", id.escape_debug())).collect();
                let forbids = if names.len() == 1 { "forbids" } else { "forbid" };
                format!(
                    "no permit can override it: {} {forbids} this; narrow it there, or do without",
                    names.join(" and ")
                )
            }
        }
    }
}

/// What kept a policy from permitting it, as a comment before the permit.
fn hint(near: &Traced) -> String {
    let unmet: Vec<_> = near.unmet().map(|part| format!("`{}`", shortened(&part.text))).collect();
    format!("// `{}` would permit it, but for {}\n", near.id.escape_debug(), unmet.join(" and "))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(CONDITION) {
        Some((end, _)) => format!("{} ..", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The permit that a request meets, and none that differs in principal, action, resource, or in a fact about the act. Of a number of
/// bytes fewer are let go too, since nobody writes the same file twice.
fn permit(request: &Request<'_>) -> String {
    let spec = request.action.spec();
    let mut text = format!(
        "permit (\n  principal == {},\n  action == {}::Action::{:?},\n  resource == {}\n)",
        request.subject.principal,
        spec.namespace,
        spec.name,
        request.resource_uid()
    );
    let has_arguments = spec.context.iter().any(|fact| fact.name == "arguments");
    let mut before = " when {\n  ";
    request.action.facts(&mut |name, fact| {
        if has_arguments && SAID_BY_ARGUMENTS.contains(&name) {
            return;
        }
        // Writing to a string does not fail.
        let _ = match fact {
            Fact::Long(value) if name == "bytes" => write!(text, "{before}context.{name} <= {value}"),
            Fact::Long(value) => write!(text, "{before}context.{name} == {value}"),
            Fact::Bool(value) => write!(text, "{before}context.{name} == {value}"),
            Fact::String(value) => write!(text, "{before}context.{name} == \"{}\"", value.escape_debug()),
            Fact::Ip(value) => write!(text, "{before}context.{name} == ip(\"{value}\")"),
        };
        before = " &&\n  ";
    });
    text + if before.starts_with(" &&") { "\n};" } else { ";" }
}
