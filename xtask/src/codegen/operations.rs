//! `docs/operations.md`

use rex_sdk::docs::markdown;
use rex_sdk::{OpSpec, Operation};

use super::{HEAD, cell, namespaces};

const INTRODUCTION: &str = "# Operations

What a script can call. Options are given in a map after the other arguments: `fs::lines(path, #{max: 10, from_end: true})`.

Every operation can fail with `ACCESS_DENIED_EXCEPTION`, `VALIDATION_EXCEPTION`, and when the run's limits are used up;
the errors that are listed come on top of these. The examples are tests: they run in the small world that
`MemOs::example` makes.
";

pub(super) fn document(operations: &[&'static dyn Operation]) -> String {
    let mut text = format!("{HEAD}{INTRODUCTION}");
    let specs: Vec<&OpSpec> = operations.iter().map(|operation| operation.spec()).collect();
    for space in namespaces(&specs, |spec| spec.namespace()) {
        text.push_str(&format!("\n| `{space}` | |\n|---|---|\n"));
        for spec in specs.iter().filter(|spec| spec.namespace() == space) {
            let first = spec.doc.lines().next().unwrap_or_default();
            text.push_str(&format!("| [`{}`](#{}) | {} |\n", spec.verb(), anchor(&spec.to_string()), cell(first)));
        }
    }
    for spec in specs {
        text.push('\n');
        text.push_str(&markdown(spec));
    }
    text
}

/// Returns a heading as the address of a page names it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn headings_have_addresses() {
        assert_eq!(super::anchor("fs::lines(path, #{first, max_count})"), "fslinespath-first-max_count");
    }
}
