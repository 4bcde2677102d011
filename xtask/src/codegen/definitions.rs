//! `docs/definitions/*.d.rhai`: completions and explanations for editors with Rhai's language server.

use rex_sdk::docs::call;
use rex_sdk::{OpSpec, Operation, ParamKind};

use super::namespaces;

/// Returns one file for each namespace, and one for the plain names.
pub(super) fn files(operations: &[&'static dyn Operation]) -> Vec<(&'static str, String)> {
    let specs: Vec<&OpSpec> = operations.iter().map(|operation| operation.spec()).collect();
    let mut files = Vec::new();
    for space in namespaces(&specs, |spec| spec.namespace()) {
        let mut text = format!("// Made by `cargo xtask codegen`. Change the table, not this file.\nmodule {space};\n");
        for spec in specs.iter().filter(|spec| spec.namespace() == space) {
            text.push_str(&functions(spec, spec.verb()));
        }
        files.push((space, text));
    }
    let mut plain = "// Made by `cargo xtask codegen`. Change the table, not this file.\nmodule static;\n".to_owned();
    for spec in specs {
        for alias in spec.aliases {
            plain.push_str(&functions(spec, alias));
        }
    }
    files.push(("rex", plain));
    files
}

/// Returns the function, and the one that also takes options.
fn functions(spec: &OpSpec, name: &str) -> String {
    let mut params: Vec<_> = spec.required().map(|param| format!("{}: {}", param.name, kind(param.kind))).collect();
    let mut text = function(spec, name, &params);
    if spec.options().next().is_some() {
        params.push("options: Map".to_owned());
        text.push_str(&function(spec, name, &params));
    }
    text
}

fn function(spec: &OpSpec, name: &str, params: &[String]) -> String {
    let mut lines: Vec<String> = spec.doc.lines().map(str::to_owned).collect();
    lines.push(String::new());
    for param in spec.params {
        lines.push(format!("- `{}`: {}", param.name, param.doc.replace('\n', " ")));
    }
    lines.push(format!("- returns {}", spec.returns.doc.replace('\n', " ")));
    lines.extend([String::new(), "```rhai".to_owned(), call(spec), "```".to_owned()]);
    let doc: String = lines.iter().map(|line| format!("/// {line}").trim_end().to_owned() + "\n").collect();
    format!("\n{doc}fn {name}({}) -> {};\n", params.join(", "), returned(spec.returns.value_kind()))
}

fn kind(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Path | ParamKind::Unit | ParamKind::Text => "String",
        ParamKind::Data => "String | Blob",
        ParamKind::Int | ParamKind::Count => "int",
        ParamKind::Duration => "int | float | String",
        ParamKind::Size | ParamKind::Moment => "int | String",
        ParamKind::Bool => "bool",
        ParamKind::Texts => "Array",
        ParamKind::TextMap => "Map",
    }
}

/// Returns Rhai's name for a kind of value.
fn returned(kind: &str) -> &'static str {
    match kind {
        "nothing" => "()",
        "bool" => "bool",
        "int" => "int",
        "float" => "float",
        "text" => "String",
        "bytes" => "Blob",
        "list" => "Array",
        "map" => "Map",
        _ => "?",
    }
}
