//! Conditions that known facts rule out.

use std::sync::Arc;

use cedar_policy::pst::{Expr, Var};

use super::about::parts;
use super::constant::Constant;
use super::constraint::{ConstraintSet, PossibleValues};

/// The known value of a fact.
pub(crate) enum KnownFact<'k> {
    Text(&'k str),
    Number(i64),
}

/// Returns whether a condition is false if the context has these facts.
pub(crate) fn rules_out(condition: &Expr, facts: &[(&str, KnownFact<'_>)]) -> bool {
    let fact = |(name, known): &(&str, KnownFact<'_>)| {
        let value = match known {
            KnownFact::Text(text) => Constant::Text((*text).to_owned()),
            KnownFact::Number(number) => Constant::Number((*number).into()),
        };
        (Expr::GetAttr { expr: Arc::new(Expr::Var(Var::Context)), attr: (*name).into() }, value)
    };
    let facts: Vec<_> = facts.iter().map(fact).collect();
    let mut constraints = ConstraintSet::default();
    facts.iter().for_each(|(term, value)| constraints.known(term, std::slice::from_ref(value)));
    let mut all = Vec::new();
    parts(condition, true, true, &mut all);
    all.into_iter().any(|(part, holds)| constraints.add(part, holds, &|_| PossibleValues::default()))
}
