//! What is stated of a policy, as policies.

use cedar_policy::pst::Expr;

use super::flat::Act;
use super::variables::{Untold, Variables};
use crate::finding::{Finding, Severity};
use crate::operation::Operation;
use crate::policy::Policy;
use crate::rule::{self, Rule};

/// What a policy of a file of properties states; its annotation `@prove` says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    AtMost,
    Never,
    NoError,
    NeverRun,
}

impl Property {
    const ALL: [(&'static str, Self, bool); 4] = [
        ("at-most", Self::AtMost, true),
        ("never", Self::Never, false),
        ("no-error", Self::NoError, true),
        ("never-run", Self::NeverRun, false),
    ];

    /// What a policy states; the error says why it states nothing.
    pub(super) fn of(properties: &Policy, number: usize, rule: &Rule) -> Result<Self, Option<Box<Finding>>> {
        let said = properties.cedar(number).and_then(|policy| rule::annotation(policy, "prove"));
        let found = match said {
            None => Self::ALL.iter().find(|(_, _, permit)| *permit == rule.permit),
            Some(word) => Self::ALL.iter().find(|(known, _, permit)| *known == word && *permit == rule.permit),
        };
        found.map(|(_, property, _)| *property).ok_or_else(|| {
            let effect = if rule.permit { "permit" } else { "forbid" };
            let words = Self::ALL.iter().filter(|(_, _, permit)| *permit == rule.permit);
            let words: Vec<_> = words.map(|(word, ..)| format!("`{word}`")).collect();
            let message = format!("a `{effect}` does not state `{}`", said.unwrap_or_default().escape_debug());
            let help = format!("it can state {}", words.join(" and "));
            properties.finding(number, Severity::Error, message).map(|finding| Box::new(finding.with_help(help)))
        })
    }
}

/// A property that one policy states.
pub(super) struct Stated<'p> {
    pub(super) properties: &'p Policy,
    pub(super) number: usize,
    pub(super) rule: &'p Rule,
}

impl Stated<'_> {
    /// When it applies to an act.
    pub(super) fn applies(&self, act: &Act<'_>, variables: &mut Variables) -> Result<Expr, Untold> {
        act.seen_by(self.properties).rule(variables, self.number, self.rule)
    }

    /// Whether it matches a request, whatever the others do.
    pub(super) fn matches(&self, operation: &Operation) -> bool {
        self.properties.applies(self.number, &operation.asked.request(), &operation.with(self.properties))
    }
}

/// Whether the evaluation of a policy can be an error, as far as its shape tells.
pub(super) fn can_fail(policy: &Policy, number: usize) -> bool {
    policy.cedar(number).is_some_and(|policy| {
        let condition = policy.as_ref().non_scope_constraints();
        condition.is_some() && rule::syntax(policy).is_none_or(|condition| rule::can_fail(&condition))
    })
}
