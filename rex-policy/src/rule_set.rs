//! The rules of a policy, and their ids.

use std::ops::Deref;

use crate::evaluate::EvalError;
use crate::rule::Rule;

/// The id of a rule: its place in its [`RuleSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleId(u32);

impl RuleId {
    /// Returns the place of the rule among all rules.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
impl From<u32> for RuleId {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// The rules of a policy, in the order of their statements.
#[derive(Debug, Default)]
pub(crate) struct RuleSet(Vec<Rule>);

impl RuleSet {
    pub(crate) fn push(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    /// Returns each rule with its id.
    pub(crate) fn with_ids(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        (0..).map(RuleId).zip(&self.0)
    }

    /// Returns the rule of an id.
    ///
    /// # Errors
    /// If it is the id of another set. A decision that lacks a rule could allow what that rule forbids, so whoever decides passes the error
    /// on, and the request is denied.
    pub(crate) fn rule(&self, id: RuleId) -> Result<&Rule, EvalError> {
        self.0.get(id.index()).ok_or(EvalError::Missing("policy"))
    }
}

impl Deref for RuleSet {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_set_is_an_error() {
        assert!(RuleSet::default().rule(RuleId(0)).is_err());
    }
}
