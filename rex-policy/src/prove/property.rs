//! Properties of a policy, stated as policies.

use cedar_policy::pst::Expr;

use super::flat::FlatAction;
use super::variables::{ConditionVariables, Untranslatable};
use crate::annotation;
use crate::finding::{Finding, Severity};
use crate::operation::ExampleRequest;
use crate::policy::Policy;
use crate::rule::{self, Rule};

/// A property that a policy states by its annotation `@prove`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    AtMost,
    Never,
    NoError,
    NeverRun,
}

impl Property {
    /// Returns the property that a policy states; the error says why it states none.
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
pub(super) struct StatedProperty<'p> {
    pub(super) properties: &'p Policy,
    pub(super) number: usize,
    pub(super) rule: &'p Rule,
}

impl StatedProperty<'_> {
    /// Encodes when it applies to an act.
    pub(super) fn applies(
        &self,
        act: &FlatAction<'_>,
        variables: &mut ConditionVariables,
    ) -> Result<Expr, Untranslatable> {
        act.seen_by(self.properties).rule(variables, self.number, self.rule)
    }

    /// Returns whether it matches a request by itself.
    pub(super) fn matches(&self, operation: &ExampleRequest) -> bool {
        self.properties.applies(self.number, &operation.asked.request(), &operation.with(self.properties))
    }
}

/// Returns whether the evaluation of a policy can be an error, judged by its shape.
pub(super) fn can_fail(policy: &Policy, number: usize) -> bool {
    policy.cedar(number).is_some_and(|policy| {
        let condition = policy.as_ref().non_scope_constraints();
        condition.is_some() && rule::syntax(policy).is_none_or(|condition| rule::can_fail(&condition))
    })
}
