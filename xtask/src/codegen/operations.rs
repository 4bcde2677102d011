//! `docs/operations.md`

use rex_core::Code;
use rex_sdk::{OpSpec, Operation, Param};

use super::{HEAD, cell, namespaces};

const INTRODUCTION: &str = "# Operations

What a script can call. Options are given in a map after the other arguments: `fs::lines(path, #{last: 10})`.

Every operation can fail with `ACCESS_DENIED_EXCEPTION`, `VALIDATION_EXCEPTION`, and when the run's limits are used up;
the errors that are listed come on top of these. The examples are tests: they run in the small world that
`MemOs::example` makes.
";

pub(super) fn document(operations: &[&'static dyn Operation]) -> String {
    let mut text = format!("{HEAD}{INTRODUCTION}");
    let specs: Vec<&OpSpec> = operations.iter().map(|operation| operation.spec()).collect();
    for space in namespaces(&specs, |spec| spec.namespace()) {
        text.push_str(&format!("\n## `{space}`\n"));
        for spec in specs.iter().filter(|spec| spec.namespace() == space) {
            text.push_str(&section(spec));
        }
    }
    text
}

fn section(spec: &OpSpec) -> String {
    let mut text = format!("\n### `{spec}`\n\n{}\n\n", spec.doc);
    let list = |items: Vec<String>| items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ");
    if !spec.aliases.is_empty() {
        text.push_str(&format!("- also called {}\n", list(spec.aliases.iter().map(ToString::to_string).collect())));
    }
    let needs: Vec<_> =
        spec.needs.iter().map(|action| format!("{}::Action::\"{}\"", action.namespace, action.name)).collect();
    text.push_str(&format!("- needs {}\n", if needs.is_empty() { "no permission".to_owned() } else { list(needs) }));
    text.push_str(&format!("- returns {}: {}\n", spec.returns.kind, spec.returns.doc));
    if !spec.errors.is_empty() {
        text.push_str(&format!("- errors {}\n", list(spec.errors.iter().map(Code::to_string).collect())));
    }
    if !spec.params.is_empty() {
        text.push_str("\n| parameter | type | default | meaning |\n|---|---|---|---|\n");
    }
    for param in spec.params {
        text.push_str(&row(param));
    }
    text.push_str(&format!("\n```rhai\n{}\n// {}\n```\n", call(spec), spec.example.returns));
    text
}

fn row(param: &Param) -> String {
    let default = match param.default.map(rex_core::Value::from) {
        None => String::new(),
        Some(rex_core::Value::Null) => "not given".to_owned(),
        Some(value) => format!("`{value}`"),
    };
    format!("| `{}` | {} | {default} | {} |\n", param.name, param.kind.as_str(), cell(param.doc))
}

/// The call of the example, as a script writes it.
pub(super) fn call(spec: &OpSpec) -> String {
    let args = match serde_json::from_str(spec.example.args) {
        Ok(serde_json::Value::Array(args)) => args.iter().map(literal).collect::<Vec<_>>().join(", "),
        // The lint test of the table refuses anything else.
        _ => spec.example.args.to_owned(),
    };
    format!("{}({args})", spec.name)
}

/// JSON as a literal of Rhai.
fn literal(json: &serde_json::Value) -> String {
    use serde_json::Value;
    match json {
        Value::Null => "()".to_owned(),
        Value::Array(values) => format!("[{}]", values.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {}", literal(value))).collect();
            format!("#{{{}}}", entries.join(", "))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => json.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn json_becomes_rhai() {
        let json = serde_json::json!(["a\n", 1, true, null, { "first": 2 }, [0.5]]);
        assert_eq!(super::literal(&json), r#"["a\n", 1, true, (), #{first: 2}, [0.5]]"#);
    }
}
