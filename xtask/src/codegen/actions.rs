//! `docs/actions.md`

use rex_core::{ActionSpec, Attribute, FactKind, ResourceSpec, ValueSet};

use super::{HEAD, cell, namespaces};

const INTRODUCTION: &str = "# Actions

What a policy can permit. A policy names the principal, the action and the resource:

```cedar
permit (
  principal == Agent::\"triage\",
  action in fs::Action::\"ReadOnly\",
  resource in fs::Path::\"/var/log\"
);
```

Principals are `Agent` and `User`; both can be in a `Group`. The context of every request holds `now` (a `datetime`),
`script` (the SHA-256 of the script, in lower-case hexadecimal) and `tags` (the operator's `key=value` strings), besides
what the action adds.
";

pub(super) fn document(actions: &[&'static ActionSpec]) -> String {
    let mut text = format!("{HEAD}{INTRODUCTION}");
    for space in namespaces(actions, |action| action.namespace) {
        text.push_str(&format!(
            "\n## `{space}`\n\n| action | on | group | context | meaning |\n|---|---|---|---|---|\n"
        ));
        for action in actions.iter().filter(|action| action.namespace == space) {
            text.push_str(&row(action));
        }
    }
    text.push_str("\n## Resources\n");
    let mut seen: Vec<&ResourceSpec> = Vec::new();
    for action in actions {
        if !seen.contains(&action.resource) {
            seen.push(action.resource);
            text.push_str(&resource(action.resource));
        }
    }
    text
}

fn row(action: &ActionSpec) -> String {
    let groups: Vec<_> = action.groups.iter().map(|group| format!("`{group}`")).collect();
    let facts: Vec<_> = action.context.iter().map(fact).collect();
    format!(
        "| `{}::Action::\"{}\"` | `{}` | {} | {} | {} |\n",
        action.namespace,
        action.name,
        action.resource,
        groups.join(", "),
        facts.join(" "),
        cell(action.doc)
    )
}

fn fact(attribute: &Attribute) -> String {
    format!("`{}`: {}{}. {}", attribute.name, kind(attribute.kind), values(attribute), cell(attribute.doc))
}

/// Returns the values of a fact or an attribute, if they are not all of its type.
fn values(attribute: &Attribute) -> String {
    if attribute.values == ValueSet::Any { String::new() } else { format!(", {}", cell(&attribute.values.to_string())) }
}

fn resource(spec: &ResourceSpec) -> String {
    let mut text = format!("\n### `{spec}`\n\n{}\n", spec.doc);
    if spec.nested {
        text.push_str(&format!("It is `in` each `{spec}` above it.\n"));
    }
    if let Some(class) = spec.class {
        let space = spec.namespace;
        text.push_str(&format!("An entities file can put it in a `{space}::{class}`.\n"));
    }
    if !spec.attributes.is_empty() {
        text.push_str("\n| attribute | type | meaning |\n|---|---|---|\n");
    }
    for attribute in spec.attributes {
        text.push_str(&format!(
            "| `{}` | {}{} | {} |\n",
            attribute.name,
            kind(attribute.kind),
            values(attribute),
            cell(attribute.doc)
        ));
    }
    text
}

fn kind(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Long => "Long",
        FactKind::Bool => "Bool",
        FactKind::String => "String",
        FactKind::Ip => "ipaddr",
    }
}
