//! The documentation of an operation, generated from its declaration.

use std::fmt::Write;

use rex_core::{Value, units};

use crate::{OpSpec, ParamKind};

/// Formats the documentation of an operation as Markdown.
#[must_use]
pub fn markdown(spec: &OpSpec) -> String {
    let mut text = format!("## `{spec}`\n\n{}\n\n", spec.doc.replace('\n', "\n\n"));
    // Writing to a string does not fail.
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = text.write_fmt(line);
        text.push('\n');
    };
    if !spec.aliases.is_empty() {
        line(format_args!("Also called {}.\n", list(spec.aliases.iter())));
    }
    let needs = spec.needs.iter().map(|action| format!("{}::Action::\"{}\"", action.namespace, action.name));
    line(format_args!("Needs {}.\n", list(needs)));
    if !spec.params.is_empty() {
        line(format_args!("| parameter | takes | default | |\n|---|---|---|---|"));
        for param in spec.params {
            let default = match param.default.map(Value::from) {
                None => "must be given".to_owned(),
                Some(Value::Null) => String::new(),
                Some(default) => format!("`{default}`"),
            };
            line(format_args!("| `{}` | {} | {default} | {} |", param.name, param.kind.as_str(), param.doc));
        }
        line(format_args!(""));
    }
    let takes = |kind| spec.params.iter().any(|param| param.kind == kind);
    if takes(ParamKind::Duration) {
        line(format_args!("A duration is a number of seconds, or text: {}.\n", units::DURATIONS));
    }
    if takes(ParamKind::Moment) {
        let moments = units::MOMENTS;
        line(format_args!(
            "A time is a number of seconds since the epoch (below 0, before now), or text: {moments}.\n"
        ));
    }
    if takes(ParamKind::Size) {
        line(format_args!("A size is a number of bytes, or text: {}.\n", units::SIZES));
    }
    line(format_args!("Returns {}: {}\n", spec.returns.kind, spec.returns.doc));
    if !spec.errors.is_empty() {
        line(format_args!("Fails with {}.\n", list(spec.errors.iter())));
    }
    line(format_args!("```rhai\n{}\n// {}\n```", call(spec), spec.example.returns));
    text
}

fn list(items: impl Iterator<Item = impl std::fmt::Display>) -> String {
    items.map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

/// Returns the example as a script calls it: in JSON, except for maps, which Rhai marks with `#`.
#[must_use]
pub fn call(spec: &OpSpec) -> String {
    let args: Vec<serde_json::Value> = serde_json::from_str(spec.example.args).unwrap_or_default();
    let args: Vec<_> = args.iter().map(rhai).collect();
    format!("{}({})", spec.name, args.join(", "))
}

fn rhai(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match value {
        Json::Null => "()".to_owned(),
        Json::Array(values) => format!("[{}]", values.iter().map(rhai).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {}", rhai(value))).collect();
            format!("#{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}
