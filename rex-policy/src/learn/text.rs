//! The text of a learned policy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rex_core::{AbsPath, ActionSpec, Principal, Resource};

use super::facts::conditions;
use super::generalize::{PermitPattern, ResourceShape};
use super::{Breadth, DraftKey, LearnedPermit, PermitDraft, is_fleeting, protected};
use crate::annotation::id_of;
use crate::layout::pretty;

/// The input that a policy is learned from.
#[derive(Clone, Copy)]
pub(super) struct LearnInput {
    pub(super) breadth: Breadth,
    pub(super) requests: u64,
    pub(super) left_out: u64,
}

/// Returns the text of a policy, and its permits.
pub(super) fn write(
    drafts: &BTreeMap<DraftKey, PermitDraft>,
    kept: &[(&Arc<str>, &cedar_policy::Policy)],
    from: LearnInput,
) -> (String, Vec<LearnedPermit>) {
    let taken = kept.iter().map(|(id, _)| id.to_string()).collect();
    let mut names = PolicyIds { taken, ..PolicyIds::default() };
    let LearnInput { breadth, requests, left_out } = from;
    let standing = match breadth {
        Breadth::Exact => "resources are not generalized",
        Breadth::Siblings => "resources are generalized to their siblings",
        Breadth::Directory => "resources are generalized to their directories",
    };
    let mut text = format!("// Learned from {}; {standing}. Read it before it decides.\n", counted(requests));
    if left_out > 0 {
        text +=
            &format!("// Incomplete: there was no room for {} more, which this does not permit.\n", counted(left_out));
    }
    let mut permits = Vec::new();
    for (shape, draft) in drafts {
        for condition in conditions(&shape.demands) {
            let id = names.free(id(shape, draft));
            let (permit, policy) = permit(id, shape, draft, condition, breadth);
            // The standard layout has comments right above a policy.
            text += &format!("{}{}", if permits.is_empty() { "" } else { "\n" }, formatted(&policy));
            permits.push(permit);
        }
    }
    if !kept.is_empty() {
        text += &format!("{}// These forbids stay in force.\n", if permits.is_empty() { "" } else { "\n" });
    }
    for (number, (_, policy)) in kept.iter().enumerate() {
        text += &format!("{}{}", if number == 0 { "" } else { "\n" }, formatted(&policy.to_string()));
    }
    (text, permits)
}

fn counted(requests: u64) -> String {
    format!("{requests} {}", if requests == 1 { "request" } else { "requests" })
}

fn formatted(policy: &str) -> String {
    // The text is valid even if it cannot be laid out.
    pretty(policy).unwrap_or_else(|_| format!("{policy}\n"))
}

fn permit(
    id: String,
    shape: &DraftKey,
    draft: &PermitDraft,
    condition: Option<String>,
    breadth: Breadth,
) -> (LearnedPermit, String) {
    let (head, mut when, unless) = resource(&shape.kind, &shape.pattern);
    when.extend(condition);
    let who = principal(&draft.principals, &mut when);
    let beyond = beyond(draft, &shape.pattern, breadth);
    let (count, named) = (draft.source.requests, draft.source.places.join(", "));
    let others = count - draft.source.places.len() as u64;
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    let mut text = format!("// From {}{more}.\n", named.escape_debug());
    let is_protected = |ids: &BTreeSet<String>| ids.iter().any(|id| protected::is_protected(id));
    if let PermitPattern::Among(ids) = &shape.pattern
        && breadth > Breadth::Exact
        && draft.kind() == ResourceShape::Path
        && is_protected(ids)
    {
        text += "// Not generalized, since keys, passwords or rights may be there: only what was seen is permitted.\n";
    }
    if let PermitPattern::Among(ids) = &shape.pattern
        && draft.kind() == ResourceShape::Path
        && ids.iter().any(|id| is_fleeting(id))
    {
        text += "// A process is named by its number, which changes: the next run is denied.\n";
    }
    if shape.allows.is_some() {
        text += "// Without `@allow`, the program is not started.\n";
    }
    if let Some(beyond) = &beyond {
        text += &format!("// Besides what was seen: {}.\n", beyond.escape_debug());
    }
    text += &format!("@id({})\n@reason(\"learned from {}\")\n", quoted(&id), counted(count));
    if let Some(allows) = &shape.allows {
        text += &format!("@allow({})\n", quoted(allows));
    }
    text += &format!("permit ({who}, {}, {head})", action(&draft.specs));
    if !when.is_empty() {
        text += &format!(" when {{ {} }}", when.join(" && "));
    }
    if let Some(unless) = unless {
        text += &format!(" unless {{ {unless} }}");
    }
    let permit = LearnedPermit {
        id,
        principal: shape.principal.clone(),
        actions: draft.specs.iter().map(ToString::to_string).collect(),
        requests: count,
        resources: draft.resources.len() as u64,
        places: draft.source.places.clone(),
        beyond,
    };
    (permit, text + ";\n")
}

/// Writes the principal of a head. A head names only one, so the condition lists several.
fn principal(principals: &[Principal], when: &mut Vec<String>) -> String {
    match principals {
        [one] => format!("principal == {one}"),
        all => {
            let list = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            when.insert(0, format!("[{list}].contains(principal)"));
            format!("principal is {}", all.first().map_or("Agent", Principal::kind))
        }
    }
}

fn action(specs: &[&ActionSpec]) -> String {
    let names: Vec<_> = specs.iter().map(|spec| format!("{}::Action::{:?}", spec.namespace, spec.name)).collect();
    match &names[..] {
        [one] => format!("action == {one}"),
        _ => format!("action in [{}]", names.join(", ")),
    }
}

/// Writes the resource of a head, the conditions that must hold of it, and those that must not.
fn resource(kind: &str, pattern: &PermitPattern) -> (String, Vec<String>, Option<String>) {
    let uid = |id: &str| format!("{kind}::{}", crate::load_checks::quoted(id));
    let anything = "resource".to_owned();
    let directly = |directory: &str| format!("resource.path like {}", like([&*format!("{directory}/"), "/", ""]));
    match pattern {
        PermitPattern::Within(id) => {
            let unless = (kind == AbsPath::SPEC.to_string()).then(|| protected::UNLESS.to_owned());
            (format!("resource in {}", uid(id)), Vec::new(), unless)
        }
        PermitPattern::Directly(directory) => {
            let when = format!("resource.path like {}", like([&*format!("{directory}/"), ""]));
            (format!("resource in {}", uid(directory)), vec![when], Some(directly(directory)))
        }
        PermitPattern::Extension { directory, extension } => {
            let when = format!("resource.extension == {}", crate::load_checks::quoted(extension));
            (format!("resource in {}", uid(directory)), vec![when], Some(directly(directory)))
        }
        PermitPattern::Named { directory, name } => {
            let when = format!("resource.name like {}", like(name));
            (format!("resource in {}", uid(directory)), vec![when], Some(directly(directory)))
        }
        PermitPattern::Like(name) => (anything, vec![format!("resource.name like {}", like(name))], None),
        PermitPattern::Among(ids) => {
            let all: Vec<_> = ids.iter().map(|id| uid(id)).collect();
            match &all[..] {
                [one] => (format!("resource == {one}"), Vec::new(), None),
                _ => (anything, vec![format!("[{}].contains(resource)", all.join(", "))], None),
            }
        }
        PermitPattern::Any => (anything, Vec::new(), None),
    }
}

/// Describes what a permit covers beyond what was seen.
fn beyond(draft: &PermitDraft, pattern: &PermitPattern, breadth: Breadth) -> Option<String> {
    let kind = draft.kind();
    match pattern {
        PermitPattern::Within(id) if kind == ResourceShape::Url && !id.ends_with('/') => {
            Some(format!("`{id}` with any query"))
        }
        PermitPattern::Within(id) if kind == ResourceShape::Path => {
            Some(format!("all else below `{id}`, at any depth, but for keys"))
        }
        PermitPattern::Within(id) => Some(format!("all else below `{id}`, at any depth")),
        PermitPattern::Directly(directory) => Some(format!("all else directly in `{directory}`")),
        PermitPattern::Extension { directory, extension } => {
            Some(format!("other `.{extension}` directly in `{directory}`"))
        }
        PermitPattern::Named { directory, name } => {
            Some(format!("other `{}` directly in `{directory}`", name.join("*")))
        }
        PermitPattern::Like(name) => Some(format!("other `{}`", name.join("*"))),
        PermitPattern::Among(_) => None,
        PermitPattern::Any => Some(
            match breadth {
                Breadth::Exact => "other processes of the same name, program, user and unit",
                Breadth::Siblings => "other processes of the same program, user and unit",
                Breadth::Directory => "other processes of the same user and unit",
            }
            .to_owned(),
        ),
    }
}

/// Returns an id: the principal, the actions, and the resource if it is only one.
fn id(shape: &DraftKey, draft: &PermitDraft) -> String {
    let place = match &shape.pattern {
        PermitPattern::Within(id) | PermitPattern::Directly(id) => id,
        PermitPattern::Extension { directory, .. } | PermitPattern::Named { directory, .. } => directory,
        PermitPattern::Among(ids) if ids.len() == 1 => ids.first().map_or("", |id| id),
        PermitPattern::Like(name) => name.first().map_or("", |part| part),
        PermitPattern::Among(_) | PermitPattern::Any => "",
    };
    let verbs: Vec<_> = draft.specs.iter().take(2).map(|spec| spec.name).collect();
    let verbs = if draft.specs.len() > 2 { "use".to_owned() } else { verbs.join("-") };
    let who = draft.principals.iter().take(3).map(Principal::id).collect::<Vec<_>>().join(" ");
    id_of(&format!("{who} {} {verbs} {place}", shape.namespace))
}

/// The ids in use.
#[derive(Default)]
struct PolicyIds {
    taken: BTreeSet<String>,
    /// The last number tried for each id, so that the next one is found at once.
    asked: BTreeMap<String, u64>,
}

impl PolicyIds {
    /// Returns the id, with a number if it is in use.
    fn free(&mut self, id: String) -> String {
        let asked = self.asked.entry(id.clone()).or_insert(0);
        loop {
            *asked += 1;
            let name = if *asked == 1 { id.clone() } else { format!("{id}-{asked}") };
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// Writes a Cedar string.
pub(super) fn quoted(text: &str) -> String {
    rex_core::uid::quoted(text).to_string()
}

/// Writes a Cedar pattern of these parts, with wildcards between them.
fn like(parts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let parts: Vec<_> = parts.into_iter().collect();
    crate::load_checks::quoted_pattern(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())
}
