//! What is stated of a policy, as policies.

use cedar_policy::pst::Expr;

use super::flat::Act;
use super::variables::{Untold, Variables};
use crate::annotation;
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
    /// What a policy states; the error says why it states nothing.
    pub(super) fn of(properties: &Policy, number: usize) -> Result<Self, Option<Box<Finding>>> {
        let statement = properties.cedar(number).ok_or(None)?;
        if let Some((message, help)) = annotation::no_property(statement) {
            let finding = properties.finding(number, Severity::Error, message);
            return Err(finding.map(|finding| Box::new(finding.with_help(help))));
        }
        match rule::annotation(statement, annotation::PROVE) {
            Some("at-most") => Ok(Self::AtMost),
            Some("never") => Ok(Self::Never),
            Some("no-error") => Ok(Self::NoError),
            Some("never-run") => Ok(Self::NeverRun),
            _ => Err(None),
        }
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
