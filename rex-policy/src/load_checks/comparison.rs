//! Comparisons with constants, in parsed form.

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp};

use super::about::letter;
use super::addresses::{AddressSet, WrittenAddress};
use super::constant::Constant;
use crate::rule::{Uid, literal};

/// One comparison with constants.
pub(super) enum ConstantComparison<'e> {
    Among(Vec<Constant>),
    Below(i128),
    Above(i128),
    Like(&'e [PatternElem]),
    Kind(String),
    Within(AddressSet),
    In(Vec<Uid>),
    Holds(Vec<Constant>),
    HoldsAny(Vec<Constant>),
    Empty,
}

/// Returns the comparison of a pattern that matches one text.
fn exactly(pattern: &[PatternElem]) -> Option<ConstantComparison<'_>> {
    Some(ConstantComparison::Among(vec![Constant::Text(pattern.iter().map(letter).collect::<Option<_>>()?)]))
}

/// Returns the entities that one side of a comparison names.
pub(super) fn uids(expr: &Expr) -> Option<Vec<Uid>> {
    let one = |expr: &Expr| match expr {
        Expr::Literal(Literal::EntityUID(uid)) => Some(literal(uid)),
        _ => None,
    };
    match expr {
        Expr::Set(members) => members.iter().map(|member| one(member)).collect(),
        _ => one(expr).map(|uid| vec![uid]),
    }
}

/// Parses a comparison of what a set holds.
fn asked_of_set(expr: &Expr) -> Option<(&Expr, ConstantComparison<'_>, bool)> {
    let listed = |expr: &Expr| -> Option<Vec<Constant>> {
        let Expr::Set(members) = expr else { return None };
        members.iter().map(|member| Constant::of(member)).collect()
    };
    let (op, left, right) = match expr {
        Expr::UnaryOp { op: UnaryOp::IsEmpty, expr } => return Some((expr, ConstantComparison::Empty, false)),
        Expr::BinaryOp { op, left, right } if matches!(**left, Expr::GetAttr { .. }) => (op, left, right),
        _ => return None,
    };
    let asked = match op {
        BinaryOp::Contains => ConstantComparison::Holds(vec![Constant::of(right)?]),
        BinaryOp::ContainsAll => ConstantComparison::Holds(listed(right)?),
        BinaryOp::ContainsAny => ConstantComparison::HoldsAny(listed(right)?),
        _ => return None,
    };
    Some((left, asked, false))
}

/// Parses a comparison of an address. Addresses that no request has are ignored; they are reported elsewhere.
fn asked_of_address(expr: &Expr) -> Option<(&Expr, ConstantComparison<'_>, bool)> {
    let one = |expr: &Expr| {
        let (_, written) = WrittenAddress::of(expr).filter(|(_, written)| written.is_of_a_request())?;
        Some(AddressSet::one(written.canonical()))
    };
    match expr {
        Expr::UnaryOp { op, expr } => Some((expr, ConstantComparison::Within(AddressSet::of_method(*op)?), false)),
        Expr::BinaryOp { op: BinaryOp::IsInRange, left, right } => {
            Some((left, ConstantComparison::Within(WrittenAddress::of(right)?.1.within()), false))
        }
        Expr::BinaryOp { op: op @ (BinaryOp::Eq | BinaryOp::NotEq), left, right } => {
            let (term, address) = one(right).map(|address| (left, address)).or_else(|| Some((right, one(left)?)))?;
            Some((term, ConstantComparison::Within(address), *op == BinaryOp::NotEq))
        }
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match &**left {
            Expr::Set(members) => {
                let all = members.iter().map(|member| one(member)).collect::<Option<Vec<_>>>()?;
                (!all.is_empty()).then(|| (&**right, ConstantComparison::Within(AddressSet::union(all)), false))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Parses a comparison of something with constants; `true` if it is negated.
pub(super) fn asked(expr: &Expr) -> Option<(&Expr, ConstantComparison<'_>, bool)> {
    if let Some(asked) = asked_of_address(expr).or_else(|| asked_of_set(expr)) {
        return Some(asked);
    }
    match expr {
        Expr::Like { expr, pattern } => {
            Some((expr, exactly(pattern).unwrap_or(ConstantComparison::Like(pattern)), false))
        }
        Expr::Is { expr, entity_type, in_expr: None } => {
            Some((expr, ConstantComparison::Kind(entity_type.0.to_string()), false))
        }
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match &**left {
            Expr::Set(members) => {
                let values = members.iter().map(|member| Constant::of(member)).collect::<Option<Vec<_>>>()?;
                Some((right, ConstantComparison::Among(values), false))
            }
            _ => None,
        },
        Expr::BinaryOp { op: BinaryOp::In, left, right } if matches!(**left, Expr::Var(_)) => {
            Some((left, ConstantComparison::In(uids(right)?), false))
        }
        Expr::BinaryOp { op, left, right } => {
            let (term, constant, turned) = match (Constant::of(left), Constant::of(right)) {
                (None, Some(constant)) => (left, constant, false),
                (Some(constant), None) => (right, constant, true),
                _ => return None,
            };
            if matches!(op, BinaryOp::Eq | BinaryOp::NotEq) {
                return Some((term, ConstantComparison::Among(vec![constant]), *op == BinaryOp::NotEq));
            }
            let Constant::Number(number) = constant else { return None };
            let below = match op {
                BinaryOp::Less | BinaryOp::GreaterEq => !turned,
                BinaryOp::Greater | BinaryOp::LessEq => turned,
                _ => return None,
            };
            let negated = matches!(op, BinaryOp::LessEq | BinaryOp::GreaterEq);
            // `x <= 5` negates `x > 5`; `5 <= x` negates `x < 5`.
            Some((
                term,
                if below { ConstantComparison::Below(number) } else { ConstantComparison::Above(number) },
                negated,
            ))
        }
        Expr::GetAttr { .. } => Some((expr, ConstantComparison::Among(vec![Constant::Bool(true)]), false)),
        _ => None,
    }
}

/// Returns the term of a comparison.
pub(super) fn term(expr: &Expr) -> Option<&Expr> {
    asked(expr).map(|(term, ..)| term)
}
