//! The values that policies compare facts and attributes with, to make requests that match them or just miss.

use std::collections::BTreeMap;

use cedar_policy::pst::{Expr, Literal, PatternElem, UnaryOp, Var};
use rex_core::{Timestamp, Value};

/// The values that policies compare facts and attributes with, each once, in order of appearance.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComparedValues {
    /// The values that facts about the action are compared with, by name; times in microseconds.
    pub(crate) facts: BTreeMap<String, Vec<Value>>,
    /// The values that attributes of the resource are compared with, by name.
    pub(crate) attributes: BTreeMap<String, Vec<Value>>,
}

impl ComparedValues {
    /// Adds values for an expression, if it is a fact or an attribute of the resource.
    pub(crate) fn add(&mut self, with: &Expr, values: impl IntoIterator<Item = Value>) {
        let Expr::GetAttr { expr, attr } = with else { return };
        let into = match &**expr {
            Expr::Var(Var::Resource) => &mut self.attributes,
            Expr::Var(Var::Context) => &mut self.facts,
            _ => return,
        };
        extend(into.entry(attr.to_string()).or_default(), values);
    }

    /// Adds two texts that match a pattern: one with nothing for each wildcard, one with `between`.
    pub(crate) fn add_like(&mut self, with: &Expr, pattern: &[PatternElem], between: &str) {
        for between in ["", between] {
            let text = pattern.iter().map(|part| match part {
                PatternElem::Char(c) => c.to_string(),
                PatternElem::Wildcard => between.to_owned(),
            });
            self.add(with, [Value::Text(text.collect())]);
        }
    }

    /// Adds the values on both sides of a comparison, and their neighbors.
    pub(crate) fn add_sides(&mut self, left: &Expr, right: &Expr) {
        self.add(left, near(right));
        self.add(right, near(left));
    }

    /// Appends the values of `other`.
    pub(crate) fn append(&mut self, other: &Self) {
        for (into, from) in [(&mut self.facts, &other.facts), (&mut self.attributes, &other.attributes)] {
            for (name, values) in from {
                extend(into.entry(name.clone()).or_default(), values.iter().cloned());
            }
        }
    }
}

fn extend(known: &mut Vec<Value>, values: impl IntoIterator<Item = Value>) {
    for value in values {
        if !known.contains(&value) {
            known.push(value);
        }
    }
}

/// Returns the value of a literal, and those right below and above it.
pub(crate) fn near(literal: &Expr) -> Vec<Value> {
    match literal {
        Expr::Literal(Literal::Long(value)) => {
            [*value, value.saturating_sub(1), value.saturating_add(1)].map(Value::Int).to_vec()
        }
        Expr::Literal(Literal::Bool(value)) => vec![Value::Bool(*value), Value::Bool(!value)],
        Expr::Literal(Literal::String(text)) => vec![Value::Text(text.to_string())],
        Expr::UnaryOp { op, expr } => match (op, &**expr) {
            (UnaryOp::Datetime, Expr::Literal(Literal::String(text))) => {
                let text = if text.contains('T') { text.to_string() } else { format!("{text}T00:00:00Z") };
                let micros = Timestamp::parse(&text).map(Timestamp::as_micros).into_iter();
                micros.flat_map(|at| [at, at.saturating_sub(1_000), at.saturating_add(1_000)].map(Value::Int)).collect()
            }
            (UnaryOp::Ip, Expr::Literal(Literal::String(text))) => {
                text.split('/').take(1).map(|address| Value::Text(address.to_owned())).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
