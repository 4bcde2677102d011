//! The data that the evaluation of a condition reads.

use cedar_policy::pst::{BinaryOp, Expr, Var};

/// The data that the evaluation of a condition reads. Other data is not built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ConditionNeeds {
    /// Attributes of the resource.
    pub(crate) attributes: bool,
    /// Ancestors of the principal, action or resource.
    pub(crate) parents: bool,
    /// Ancestors of other entities.
    pub(crate) strangers: bool,
    /// Facts about the action.
    pub(crate) facts: bool,
    /// The time.
    pub(crate) now: bool,
    /// The script or the tags.
    pub(crate) subject: bool,
}

impl ConditionNeeds {
    pub(crate) const ALL: Self =
        Self { attributes: true, parents: true, strangers: true, facts: true, now: true, subject: true };

    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            attributes: self.attributes || other.attributes,
            parents: self.parents || other.parents,
            strangers: self.strangers || other.strangers,
            facts: self.facts || other.facts,
            now: self.now || other.now,
            subject: self.subject || other.subject,
        }
    }
}

/// Returns the data that an expression reads, or all data if it has an unknown part.
pub(crate) fn needs(expr: &Expr) -> ConditionNeeds {
    let none = ConditionNeeds::default();
    match expr {
        Expr::Literal(_) | Expr::Var(Var::Principal | Var::Action | Var::Resource) => none,
        Expr::GetAttr { expr, attr } => match (&**expr, attr.as_str()) {
            (Expr::Var(Var::Context), "now") => ConditionNeeds { now: true, ..none },
            (Expr::Var(Var::Context), "script" | "tags") => ConditionNeeds { subject: true, ..none },
            (Expr::Var(Var::Context), _) => ConditionNeeds { facts: true, ..none },
            (Expr::Var(Var::Resource), _) => ConditionNeeds { attributes: true, ..none },
            _ => ConditionNeeds::ALL,
        },
        Expr::Like { expr, .. } | Expr::UnaryOp { expr, .. } => needs(expr),
        Expr::Is { expr, in_expr, .. } => match in_expr {
            Some(above) => needs(expr).union(needs_in(expr, above)),
            None => needs(expr),
        },
        Expr::BinaryOp { op: BinaryOp::In, left, right } => needs(left).union(needs_in(left, right)),
        Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, .. } => ConditionNeeds::ALL,
        Expr::BinaryOp { left, right, .. } => needs(left).union(needs(right)),
        Expr::IfThenElse { cond, then_expr, else_expr } => needs(cond).union(needs(then_expr)).union(needs(else_expr)),
        Expr::Set(members) => members.iter().fold(none, |sum, member| sum.union(needs(member))),
        Expr::Record(fields) => fields.values().fold(none, |sum, field| sum.union(needs(field))),
        _ => ConditionNeeds::ALL,
    }
}

fn needs_in(below: &Expr, above: &Expr) -> ConditionNeeds {
    let strangers = !matches!(below, Expr::Var(_));
    needs(above).union(ConditionNeeds { parents: true, strangers, ..ConditionNeeds::default() })
}
