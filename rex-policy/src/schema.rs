//! The Cedar schema of a table of actions, in both of Cedar's syntaxes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rex_core::values::{SHA256, TAG};
use rex_core::{ActionSpec, Attribute, FactKind, ResourceSpec, ValueSet};
use serde_json::{Map, Value, json};

use crate::vocabulary::{GROUP, PRINCIPALS, Vocabulary};

/// The type of a context without facts about the action.
const AMBIENT_TYPE: &str = "Ambient";
/// The entries that every context has apart from the facts about the action: name, type, meaning.
pub(crate) const AMBIENT: [(&str, AmbientKind, &str); 3] = [
    ("now", AmbientKind::Datetime, "When the request is decided, to the millisecond."),
    ("script", AmbientKind::String, "The SHA-256 of the script in lower-case hexadecimal; empty if there is none."),
    ("tags", AmbientKind::Strings, "The operator's `key=value` strings."),
];

/// Returns the values of an entry of [`AMBIENT`]; for a set, those of its members.
pub(crate) fn ambient_values(name: &str) -> Option<ValueSet> {
    match name {
        "script" => Some(ValueSet::Form(&SHA256)),
        "tags" => Some(ValueSet::Form(&TAG)),
        "now" => Some(ValueSet::Any),
        _ => None,
    }
}

/// The type of an entry of [`AMBIENT`].
#[derive(Clone, Copy)]
pub(crate) enum AmbientKind {
    Datetime,
    String,
    Strings,
}

/// One namespace of the schema.
#[derive(Default)]
pub(crate) struct SchemaNamespace {
    pub(crate) resources: Vec<&'static ResourceSpec>,
    pub(crate) classes: BTreeSet<&'static str>,
    pub(crate) groups: BTreeSet<&'static str>,
    pub(crate) actions: Vec<&'static ActionSpec>,
}

pub(crate) fn namespaces(actions: &'static [&'static ActionSpec]) -> BTreeMap<&'static str, SchemaNamespace> {
    let mut spaces = BTreeMap::<_, SchemaNamespace>::new();
    for resource in Vocabulary::new(actions).resources() {
        let space = spaces.entry(resource.namespace).or_default();
        space.resources.push(resource);
        space.classes.extend(resource.class);
    }
    for action in actions {
        let space = spaces.entry(action.namespace).or_default();
        space.actions.push(action);
        space.groups.extend(action.groups);
    }
    spaces
}

/// Returns the types that a resource can be in.
pub(crate) fn parents(resource: &ResourceSpec) -> Vec<&'static str> {
    resource.nested.then_some(resource.name).into_iter().chain(resource.class).collect()
}

fn type_name(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Long => "Long",
        FactKind::Bool => "Bool",
        FactKind::String => "String",
        FactKind::Ip => "ipaddr",
    }
}

/// Writes the schema in Cedar's own syntax.
pub(crate) fn cedar(actions: &'static [&'static ActionSpec]) -> String {
    let mut out = String::from("// What policies can speak of. Generated from the table of actions; do not edit.\n\n");
    let principals = PRINCIPALS.join(", ");
    for (names, doc) in [(&*principals, "Whoever a script runs for."), (GROUP, "A group of them, or of groups.")] {
        comment(&mut out, "", doc);
        line(&mut out, format_args!("entity {names} in [{GROUP}];\n"));
    }
    comment(&mut out, "", "What the context of every action holds.");
    line(&mut out, format_args!("type {AMBIENT_TYPE} = {{"));
    write_ambient(&mut out, "  ");
    line(&mut out, format_args!("}};\n"));
    for (name, space) in namespaces(actions) {
        line(&mut out, format_args!("namespace {name} {{"));
        for resource in &space.resources {
            write_resource(&mut out, resource);
        }
        for class in &space.classes {
            comment(
                &mut out,
                "  ",
                "A class that an owner puts resources in, by the entities file. A class can be in another.",
            );
            line(&mut out, format_args!("  entity {class} in [{class}];\n"));
        }
        for group in &space.groups {
            line(&mut out, format_args!("  action {group:?};\n"));
        }
        for action in &space.actions {
            write_action(&mut out, action);
        }
        out.truncate(out.trim_end().len());
        out.push_str("\n}\n\n");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn write_resource(out: &mut String, resource: &ResourceSpec) {
    comment(out, "  ", resource.doc);
    let parents = parents(resource).join(", ");
    let parents = if parents.is_empty() { parents } else { format!(" in [{parents}]") };
    line(out, format_args!("  entity {}{parents} {{", resource.name));
    for attribute in resource.attributes {
        write_attribute(out, "    ", attribute);
    }
    line(out, format_args!("  }};\n"));
}

fn write_attribute(out: &mut String, indent: &str, attribute: &Attribute) {
    comment(out, indent, attribute.doc);
    line(out, format_args!("{indent}{}: {},", attribute.name, type_name(attribute.kind)));
}

fn write_action(out: &mut String, action: &ActionSpec) {
    comment(out, "  ", action.doc);
    let groups: Vec<_> = action.groups.iter().map(|group| format!("{group:?}")).collect();
    let groups = if groups.is_empty() { String::new() } else { format!(" in [{}]", groups.join(", ")) };
    line(out, format_args!("  action {:?}{groups} appliesTo {{", action.name));
    line(out, format_args!("    principal: [{}],", PRINCIPALS.join(", ")));
    line(out, format_args!("    resource: [{}],", action.resource));
    if action.context.is_empty() {
        line(out, format_args!("    context: {AMBIENT_TYPE},"));
    } else {
        line(out, format_args!("    context: {{"));
        for fact in action.context {
            write_attribute(out, "      ", fact);
        }
        write_ambient(out, "      ");
        line(out, format_args!("    }},"));
    }
    line(out, format_args!("  }};\n"));
}

fn write_ambient(out: &mut String, indent: &str) {
    for (name, kind, doc) in AMBIENT {
        let kind = match kind {
            AmbientKind::Datetime => "datetime",
            AmbientKind::String => "String",
            AmbientKind::Strings => "Set<String>",
        };
        comment(out, indent, doc);
        line(out, format_args!("{indent}{name}: {kind},"));
    }
}

fn comment(out: &mut String, indent: &str, text: &str) {
    for text in text.lines() {
        line(out, format_args!("{indent}// {}", text.trim()));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // INVARIANT: writing to a string does not fail.
    let _ = writeln!(out, "{text}");
}

/// Writes the schema in Cedar's JSON syntax.
pub(crate) fn json(actions: &'static [&'static ActionSpec]) -> String {
    let mut schema = Map::new();
    let group = json!({ "memberOfTypes": [GROUP] });
    let types: Map<_, _> = PRINCIPALS.iter().chain([&GROUP]).map(|name| ((*name).to_owned(), group.clone())).collect();
    let ambient = json!({ "type": "Record", "attributes": ambient() });
    let common = json!({ AMBIENT_TYPE: ambient });
    schema.insert(String::new(), json!({ "commonTypes": common, "entityTypes": types, "actions": {} }));
    for (name, space) in namespaces(actions) {
        let resources = space.resources.iter().map(|resource| {
            let shape = json!({ "type": "Record", "attributes": record(resource.attributes) });
            (resource.name.to_owned(), json!({ "memberOfTypes": parents(resource), "shape": shape }))
        });
        let classes = space.classes.iter().map(|class| ((*class).to_owned(), json!({ "memberOfTypes": [class] })));
        let types: Map<_, _> = resources.chain(classes).collect();
        let groups = space.groups.iter().map(|group| ((*group).to_owned(), json!({})));
        let declared: Map<_, _> =
            groups.chain(space.actions.iter().map(|action| (action.name.to_owned(), action_json(action)))).collect();
        schema.insert(name.to_owned(), json!({ "entityTypes": types, "actions": declared }));
    }
    let mut text = format!("{:#}", Value::Object(schema));
    text.push('\n');
    text
}

fn record(attributes: &[Attribute]) -> Map<String, Value> {
    let kind = |attribute: &Attribute| match attribute.kind {
        FactKind::Ip => json!({ "type": "Extension", "name": type_name(FactKind::Ip) }),
        kind => json!({ "type": type_name(kind).replace("Bool", "Boolean") }),
    };
    attributes.iter().map(|attribute| (attribute.name.to_owned(), kind(attribute))).collect()
}

fn ambient() -> Map<String, Value> {
    let json = |kind| match kind {
        AmbientKind::Datetime => json!({ "type": "Extension", "name": "datetime" }),
        AmbientKind::String => json!({ "type": "String" }),
        AmbientKind::Strings => json!({ "type": "Set", "element": { "type": "String" } }),
    };
    AMBIENT.iter().map(|(name, kind, _)| ((*name).to_owned(), json(*kind))).collect()
}

fn action_json(action: &ActionSpec) -> Value {
    let groups: Vec<_> = action.groups.iter().map(|group| json!({ "id": group })).collect();
    let context = if action.context.is_empty() {
        json!({ "type": AMBIENT_TYPE })
    } else {
        let mut attributes = record(action.context);
        attributes.extend(ambient());
        json!({ "type": "Record", "attributes": attributes })
    };
    json!({
        "memberOf": groups,
        "appliesTo": {
            "principalTypes": PRINCIPALS,
            "resourceTypes": [action.resource.to_string()],
            "context": context,
        },
    })
}
