//! Comparisons without a constant, which can be equal or opposite to others.

use cedar_policy::pst::{BinaryOp, Expr};

/// A comparison that holds or not. `b == a` is the opposite of `a != b`; `a >= b` and `b <= a` are that of `a < b`.
#[derive(Debug, Clone, Copy)]
pub(super) enum TermRelation<'e> {
    Equal(&'e Expr, &'e Expr),
    Less(&'e Expr, &'e Expr),
    Other(&'e Expr),
}

impl<'e> TermRelation<'e> {
    /// Returns the relation, and whether the expression is its opposite.
    pub(super) fn of(expr: &'e Expr) -> (Self, bool) {
        let Expr::BinaryOp { op, left, right } = expr else { return (Self::Other(expr), false) };
        match op {
            BinaryOp::Eq => (Self::Equal(left, right), false),
            BinaryOp::NotEq => (Self::Equal(left, right), true),
            BinaryOp::Less => (Self::Less(left, right), false),
            BinaryOp::GreaterEq => (Self::Less(left, right), true),
            BinaryOp::Greater => (Self::Less(right, left), false),
            BinaryOp::LessEq => (Self::Less(right, left), true),
            _ => (Self::Other(expr), false),
        }
    }
}

impl PartialEq for TermRelation<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equal(a, b), Self::Equal(c, d)) => (a == c && b == d) || (a == d && b == c),
            (Self::Less(a, b), Self::Less(c, d)) => a == c && b == d,
            (Self::Other(one), Self::Other(other)) => one == other,
            _ => false,
        }
    }
}
