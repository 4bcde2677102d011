//! The principals that a condition names.

use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};

use super::{Scope, flatten, literal};

/// Returns the principals of each conjunct that limits the principal.
pub(super) fn principals(condition: &Expr) -> Vec<Vec<Scope>> {
    let mut conjuncts = Vec::new();
    flatten(condition, &mut conjuncts);
    let scope = |expr: &Expr, exact: bool| match expr {
        Expr::Literal(Literal::EntityUID(uid)) => Some(Scope { kind: None, entity: Some(literal(uid)), exact }),
        _ => None,
    };
    let is_principal = |expr: &Expr| *expr == Expr::Var(Var::Principal);
    let found = conjuncts.into_iter().map(|conjunct| match conjunct {
        Expr::BinaryOp { op: BinaryOp::Eq, left, right } if is_principal(left) => Some(vec![scope(right, true)?]),
        Expr::BinaryOp { op: BinaryOp::Eq, left, right } if is_principal(right) => Some(vec![scope(left, true)?]),
        Expr::BinaryOp { op: BinaryOp::In, left, right } | Expr::Is { expr: left, in_expr: Some(right), .. }
            if is_principal(left) =>
        {
            match &**right {
                Expr::Set(members) => members.iter().map(|member| scope(member, false)).collect(),
                one => Some(vec![scope(one, false)?]),
            }
        }
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } if is_principal(right) => match &**left {
            Expr::Set(members) => members.iter().map(|member| scope(member, true)).collect(),
            _ => None,
        },
        _ => None,
    });
    found.flatten().collect()
}
