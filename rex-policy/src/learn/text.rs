//! How a learned policy reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rex_core::ActionSpec;

use super::facts::conditions;
use super::wide::{Kind, Pattern};
use super::{Breadth, Draft, LearnedPermit, Shape};
use crate::layout::pretty;

/// How many characters of what is permitted an id takes up.
const ID: usize = 60;

/// The text of a policy, and what its permits are.
pub(super) fn write(
    drafts: BTreeMap<Shape, Draft>,
    kept: &[(&Arc<str>, &cedar_policy::Policy)],
    breadth: Breadth,
    requests: u64,
) -> (String, Vec<LearnedPermit>) {
    let mut taken: BTreeSet<String> = kept.iter().map(|(id, _)| id.to_string()).collect();
    let standing = match breadth {
        Breadth::Exact => "each resource stands for itself",
        Breadth::Siblings => "resources stand for their siblings",
        Breadth::Directory => "resources stand for their directories",
    };
    let plural = if requests == 1 { "request" } else { "requests" };
    let mut text = format!("// Learned from {requests} {plural}; {standing}. Read it before it decides.\n");
    let mut permits = Vec::new();
    for (shape, draft) in &drafts {
        for condition in conditions(&shape.demands) {
            let id = free(&mut taken, id(shape, draft));
            let (permit, policy) = permit(id, shape, draft, condition, breadth);
            text += &format!("\n{}", formatted(&policy));
            permits.push(permit);
        }
    }
    if !kept.is_empty() {
        text += "\n// What was forbidden stays so.\n";
    }
    for (_, policy) in kept {
        text += &format!("\n{}", formatted(&policy.to_string()));
    }
    (text, permits)
}

fn formatted(policy: &str) -> String {
    // What cannot be laid out is well-formed all the same.
    pretty(policy).unwrap_or_else(|_| format!("{policy}\n"))
}

fn permit(
    id: String,
    shape: &Shape,
    draft: &Draft,
    condition: Option<String>,
    breadth: Breadth,
) -> (LearnedPermit, String) {
    let (head, mut when, unless) = resource(&shape.kind, &shape.pattern);
    when.extend(condition);
    let beyond = beyond(draft, &shape.pattern, breadth);
    let (count, named) = (draft.source.requests, draft.source.places.join(", "));
    let others = count - draft.source.places.len() as u64;
    let more = if others == 0 { String::new() } else { format!(" and {others} more") };
    let mut text = format!("// From {}{more}.\n", named.escape_debug());
    if let Some(beyond) = &beyond {
        text += &format!("// Besides what was seen: {}.\n", beyond.escape_debug());
    }
    let plural = if count == 1 { "request" } else { "requests" };
    text += &format!("@id({})\n@reason(\"learned from {count} {plural}\")\n", quoted(&id));
    if let Some(allows) = &shape.allows {
        text += &format!("@allow({})\n", quoted(allows));
    }
    text += &format!("permit (principal == {}, {}, {head})", draft.principal, action(&draft.specs));
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

fn action(specs: &[&ActionSpec]) -> String {
    let names: Vec<_> = specs.iter().map(|spec| format!("{}::Action::{:?}", spec.namespace, spec.name)).collect();
    match &names[..] {
        [one] => format!("action == {one}"),
        _ => format!("action in [{}]", names.join(", ")),
    }
}

/// What the head of a permit says of the resource, what has to hold of it, and what must not.
fn resource(kind: &str, pattern: &Pattern) -> (String, Vec<String>, Option<String>) {
    let uid = |id: &str| format!("{kind}::{}", quoted(id));
    let anything = "resource".to_owned();
    let directly = |directory: &str| format!("resource.path like {}", like([&*format!("{directory}/"), "/", ""]));
    match pattern {
        Pattern::Within(id) => (format!("resource in {}", uid(id)), Vec::new(), None),
        Pattern::Extension { directory, extension } => {
            let when = format!("resource.extension == {}", quoted(extension));
            (format!("resource in {}", uid(directory)), vec![when], Some(directly(directory)))
        }
        Pattern::Named { directory, name } => {
            let when = format!("resource.name like {}", like(name));
            (format!("resource in {}", uid(directory)), vec![when], Some(directly(directory)))
        }
        Pattern::Like(name) => (anything, vec![format!("resource.name like {}", like(name))], None),
        Pattern::Among(ids) => {
            let all: Vec<_> = ids.iter().map(|id| uid(id)).collect();
            match &all[..] {
                [one] => (format!("resource == {one}"), Vec::new(), None),
                _ => (anything, vec![format!("[{}].contains(resource)", all.join(", "))], None),
            }
        }
        Pattern::Any => (anything, Vec::new(), None),
    }
}

/// What a permit is about besides what was seen.
fn beyond(draft: &Draft, pattern: &Pattern, breadth: Breadth) -> Option<String> {
    let url = draft.specs.first().is_some_and(|spec| Kind::of(spec) == Kind::Url);
    match pattern {
        Pattern::Within(id) if url && !id.ends_with('/') => Some(format!("`{id}` with any query")),
        Pattern::Within(id) => Some(format!("all else below `{id}`, at any depth")),
        Pattern::Extension { directory, extension } => Some(format!("other `.{extension}` directly in `{directory}`")),
        Pattern::Named { directory, name } => Some(format!("other `{}` directly in `{directory}`", name.join("*"))),
        Pattern::Like(name) => Some(format!("other `{}`", name.join("*"))),
        Pattern::Among(_) => None,
        Pattern::Any => Some(
            match breadth {
                Breadth::Exact => "other processes of the same name, program, user and unit",
                Breadth::Siblings => "other processes of the same program, user and unit",
                Breadth::Directory => "other processes of the same user and unit",
            }
            .to_owned(),
        ),
    }
}

/// A name for a permit: who, what, and to what if that is one thing.
fn id(shape: &Shape, draft: &Draft) -> String {
    let place = match &shape.pattern {
        Pattern::Within(id) => id,
        Pattern::Extension { directory, .. } | Pattern::Named { directory, .. } => directory,
        Pattern::Among(ids) if ids.len() == 1 => ids.first().map_or("", |id| id),
        Pattern::Like(name) => name.first().map_or("", |part| part),
        Pattern::Among(_) | Pattern::Any => "",
    };
    let verbs: Vec<_> = draft.specs.iter().take(2).map(|spec| spec.name).collect();
    let verbs = if draft.specs.len() > 2 { "use".to_owned() } else { verbs.join("-") };
    let mut id = String::new();
    for c in format!("{} {} {verbs} {place}", draft.principal.id(), shape.namespace).chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => id.push(c),
            _ if id.is_empty() || id.ends_with('-') => {}
            _ => id.push('-'),
        }
    }
    id.truncate(ID);
    id.trim_end_matches('-').to_owned()
}

/// The name itself, or else with a number.
fn free(taken: &mut BTreeSet<String>, id: String) -> String {
    let numbered = (2_u64..).map(|number| format!("{id}-{number}"));
    let free = std::iter::once(id.clone()).chain(numbered).find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// A text of Cedar.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// A pattern of Cedar: these parts with wildcards between.
fn like(parts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let parts: Vec<_> =
        parts.into_iter().map(|part| part.as_ref().escape_debug().to_string().replace('*', "\\*")).collect();
    format!("\"{}\"", parts.join("*"))
}
