//! Advice for errors of the validator: what there is to choose from.

use cedar_policy::ValidationError;
use rex_core::nearest::did_you_mean;
use rex_core::{ActionSpec, Attribute};

use crate::finding::Finding;
use crate::schema::AMBIENT;
use crate::vocabulary::{GROUP, PRINCIPALS, Vocabulary};

/// Adds advice to an error.
pub(crate) fn error(mut finding: Finding, error: &ValidationError, vocabulary: &Vocabulary) -> Finding {
    let named = || finding.message.split('`').nth(1).unwrap_or_default();
    let advice = match error {
        ValidationError::UnrecognizedActionId(_) => choose(named(), actions(vocabulary)),
        ValidationError::UnrecognizedEntityType(_) => choose(named(), types(vocabulary)),
        ValidationError::UnsafeAttributeAccess(_) => attribute(named(), &finding.message, vocabulary),
        _ => None,
    };
    if advice.is_some() {
        finding.help = advice;
    }
    finding
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

/// The one that is nearest to what was written, or else all of the same namespace, or else all.
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
        return Some(format!("the context of `{spec}` holds {facts}{separator}{ambient}"));
    }
    let resources = vocabulary.resources();
    let owner = resources.iter().find(|resource| resource.attributes.iter().any(|attribute| attribute.name == name));
    if let Some(owner) = owner {
        return Some(format!("`{owner}` has it: write `resource is {owner}` in the head of the policy"));
    }
    let resource = resources.iter().find(|resource| message.contains(&format!("`{resource}`")))?;
    match list(resource.attributes) {
        none if none.is_empty() => Some(format!("a `{resource}` has no attributes")),
        names => Some(format!("a `{resource}` has {names}")),
    }
}
