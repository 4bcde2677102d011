//! Advice for errors of the validator: the possible choices.

use std::collections::BTreeSet;

use cedar_policy::ValidationError;
use rex_core::nearest::did_you_mean;
use rex_core::{ActionSpec, Attribute};

use crate::finding::Finding;
use crate::hints;
use crate::schema::AMBIENT;
use crate::vocabulary::{GROUP, PRINCIPALS, Vocabulary};

/// The start of the message that a policy never applies.
pub(crate) const NEVER: &str = "this policy never applies";

/// Rewords a warning of the validator.
pub(crate) fn warning(mut finding: Finding) -> Finding {
    if finding.message.starts_with("policy is impossible") {
        finding.message = format!("{NEVER}: what it asks for is false for every request");
        finding.help = Some("find the condition that contradicts the head, or another condition".to_owned());
    } else if finding.message.starts_with("unable to find an applicable action") {
        finding.message = format!("{NEVER}: no action of its head is on such a resource, or for such a principal");
        finding.help = Some("`docs/actions.md` lists what each action is on".to_owned());
    }
    finding
}

/// Adds advice to an error.
pub(crate) fn error(mut finding: Finding, error: &ValidationError, vocabulary: &Vocabulary) -> Finding {
    finding.message = hints::plain(&finding.message);
    finding.help = finding.help.map(|help| hints::plain(&help));
    let named = || finding.message.split('`').nth(1).unwrap_or_default();
    let advice = match error {
        ValidationError::UnrecognizedActionId(_) => {
            action(named(), vocabulary).or_else(|| choose(named(), actions(vocabulary)))
        }
        ValidationError::UnrecognizedEntityType(_) => choose(named(), types(vocabulary)),
        ValidationError::UnsafeAttributeAccess(_) => attribute(named(), &finding.message, vocabulary),
        _ => hints::types(&finding.message),
    };
    if advice.is_some() {
        finding.help = advice;
    }
    if let Some(message) = hints::mixed(&finding.message) {
        finding.message = message;
    }
    finding
}

/// Suggests the actions of this name in other namespaces, or those of this namespace with a longer or shorter name.
fn action(written: &str, vocabulary: &Vocabulary) -> Option<String> {
    let (kind, id) = written.rsplit_once("::")?;
    let id = id.trim_matches('"').to_lowercase();
    let space = kind.trim_end_matches("Action").trim_end_matches("::");
    let meant = |names: Vec<String>| match &*names {
        [] => None,
        [one] => Some(format!("did you mean `{one}`?")),
        several => Some(format!("did you mean one of `{}`?", several.join("`, `"))),
    };
    let known = vocabulary.actions().iter().any(|spec| spec.namespace == space);
    if !known {
        return meant(hints::named_like(vocabulary, &id).collect()).or_else(|| {
            let spaces: BTreeSet<_> = vocabulary.actions().iter().map(|spec| spec.namespace).collect();
            let spaces: Vec<_> = spaces.into_iter().map(|space| format!("`{space}::Action::\"..\"`")).collect();
            Some(format!("actions are in a namespace: {}; `docs/actions.md` lists them", spaces.join(", ")))
        });
    }
    if did_you_mean(written, actions(vocabulary).iter().map(String::as_str)).is_some() {
        return None;
    }
    let near = |spec: &&&ActionSpec| {
        spec.namespace == space && (id.starts_with(spec.name) || spec.name.starts_with(&*id) || id.ends_with(spec.name))
    };
    let near = vocabulary.actions().iter().filter(near);
    meant(near.map(|spec| format!("{}::Action::{:?}", spec.namespace, spec.name)).collect())
}

fn actions(vocabulary: &Vocabulary) -> Vec<String> {
    let uid = |action: &ActionSpec, name: &str| format!("{}::Action::{name:?}", action.namespace);
    let mut actions: Vec<_> = vocabulary.actions().iter().map(|action| uid(action, action.name)).collect();
    let groups = vocabulary.actions().iter().flat_map(|action| action.groups.iter().map(|group| uid(action, group)));
    for group in groups {
        if !actions.contains(&group) {
            actions.push(group);
        }
    }
    actions
}

fn types(vocabulary: &Vocabulary) -> Vec<String> {
    let mut types: Vec<_> = PRINCIPALS.iter().chain([&GROUP]).map(|kind| (*kind).to_owned()).collect();
    for resource in vocabulary.resources() {
        types.push(resource.to_string());
        types.extend(resource.class.map(|class| format!("{}::{class}", resource.namespace)));
    }
    types
}

/// Suggests the nearest choice, or else lists those of the same namespace, or else all.
fn choose(written: &str, choices: Vec<String>) -> Option<String> {
    let meant = did_you_mean(written, choices.iter().map(String::as_str));
    if meant.is_some() {
        return meant;
    }
    let space = written.split_once("::").map_or("", |(space, _)| space);
    let near: Vec<_> =
        choices.iter().filter(|choice| choice.split_once("::").is_some_and(|(s, _)| s == space)).collect();
    let near = if near.is_empty() { choices.iter().collect() } else { near };
    let list: Vec<_> = near.iter().map(|choice| format!("`{choice}`")).collect();
    Some(format!("there are {}", list.join(", ")))
}

fn attribute(name: &str, message: &str, vocabulary: &Vocabulary) -> Option<String> {
    let list = |attributes: &[Attribute]| {
        let names: Vec<_> = attributes.iter().map(|attribute| format!("`{}`", attribute.name)).collect();
        names.join(", ")
    };
    if let Some((_, action)) = message.split_once("in context for ") {
        let named = |spec: &&&ActionSpec| action.starts_with(&format!("{}::Action::{:?}", spec.namespace, spec.name));
        let spec = vocabulary.actions().iter().find(named)?;
        let ambient = AMBIENT.map(|(name, ..)| format!("`{name}`")).join(", ");
        let facts = list(spec.context);
        let separator = if facts.is_empty() { "" } else { ", " };
        let names = spec.context.iter().map(|fact| fact.name).chain(AMBIENT.iter().map(|(name, ..)| *name));
        let near = did_you_mean(name, names).map_or_else(String::new, |near| format!("{near} "));
        if ["time", "hour", "date", "timestamp", "clock", "weekday"].contains(&name) {
            return Some(hints::CLOCK.to_owned());
        }
        return Some(format!("{near}the context of `{spec}` holds {facts}{separator}{ambient}"));
    }
    let resources = vocabulary.resources();
    let owner = resources.iter().find(|resource| resource.attributes.iter().any(|attribute| attribute.name == name));
    if let Some(owner) = owner {
        return Some(format!("`{owner}` has it: write `resource is {owner}` in the head of the policy"));
    }
    if PRINCIPALS.iter().any(|kind| message.contains(&format!("`{kind}`"))) {
        return Some(
            "a principal has no attributes: ask `principal == Agent::\"..\"` or `principal in Group::\"..\"`"
                .to_owned(),
        );
    }
    let resource = resources.iter().find(|resource| message.contains(&format!("`{resource}`")))?;
    let near = did_you_mean(name, resource.attributes.iter().map(|attribute| attribute.name));
    let near = near.map_or_else(String::new, |near| format!("{near} "));
    match list(resource.attributes) {
        none if none.is_empty() => Some(format!("a `{resource}` has no attributes")),
        names => Some(format!("{near}a `{resource}` has {names}")),
    }
}
