//! Annotations that a policy lacks.

use super::{Lint, LintContext, with_help};
use crate::finding::{Finding, Severity};
use crate::rule::{Rule, annotation};

pub(super) const ID: Lint = Lint {
    code: "REX010",
    name: "a policy has no `@id`",
    severity: Severity::Warning,
    explanation: "Decisions, denials and journals name a policy by its `@id`. Without one it is called by its file and line, which are others \
                  as soon as somebody adds a line above it, and what was recorded names nothing any more.",
    example: include_str!("examples/rex010.cedar"),
    better: include_str!("examples/rex010-better.cedar"),
    find: |look, number, _| {
        missing(look, number, "id", "give it an `@id(\"..\")` that stays: decisions and journals name it by that")
    },
};

pub(super) const REASON: Lint = Lint {
    code: "REX011",
    name: "a policy has no `@reason`",
    severity: Severity::Warning,
    explanation: "Whoever a `forbid` denies something reads its `@reason`, and whoever reviews a permit wants to know what it is for.",
    example: include_str!("examples/rex011.cedar"),
    better: include_str!("examples/rex011-better.cedar"),
    find: |look, number, _: &Rule| {
        missing(look, number, "reason", "say in `@reason(\"..\")` why it is there: a denial shows it")
    },
};

fn missing(look: &LintContext<'_>, number: usize, key: &str, help: &str) -> Vec<Finding> {
    let said = look.policy.cedar(number).and_then(|policy| annotation(policy, key));
    if said.is_some_and(|said| !said.trim().is_empty()) {
        return Vec::new();
    }
    with_help(look.found(number, format!("this policy has no `@{key}`")), help)
}
