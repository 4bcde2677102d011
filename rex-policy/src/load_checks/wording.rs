//! Comparisons in a few words for messages, and the texts to underline.

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};

use super::about::{ComparedTerm, letter};
use super::constant::Constant;
use super::wildcards;
use crate::rule::literal;

/// Describes a comparison in a few words.
pub(super) fn told(expr: &Expr) -> String {
    let side = |expr: &Expr| match expr {
        Expr::Literal(Literal::String(text)) => format!("\"{}\"", text.escape_debug()),
        Expr::Literal(Literal::Bool(value)) => value.to_string(),
        Expr::Literal(Literal::Long(number)) => number.to_string(),
        Expr::Literal(Literal::EntityUID(uid)) => literal(uid).to_string(),
        Expr::Var(var) => format!("{var:?}").to_lowercase(),
        Expr::Set(_) => "[..]".to_owned(),
        Expr::UnaryOp { op: op @ (UnaryOp::Datetime | UnaryOp::Duration | UnaryOp::Ip), expr } => match &**expr {
            Expr::Literal(Literal::String(text)) => {
                format!("{}(\"{}\")", format!("{op:?}").to_lowercase(), text.escape_debug())
            }
            _ => "..".to_owned(),
        },
        Expr::UnaryOp { op: UnaryOp::ToTime, expr } if ComparedTerm::of(expr).is_some() => {
            "context.now.toTime()".to_owned()
        }
        _ => ComparedTerm::of(expr).map_or_else(|| "..".to_owned(), ComparedTerm::text),
    };
    let text = match expr {
        Expr::BinaryOp { op, left, right } if of_set(*op).is_some() => {
            let set = if matches!(**left, Expr::Set(_)) { "[..]".to_owned() } else { side(left) };
            format!("{set}.{}({})", of_set(*op).unwrap_or_default(), side(right))
        }
        Expr::UnaryOp { op: UnaryOp::Not, .. } => "!(..)".to_owned(),
        Expr::HasAttr { expr, attrs } => {
            format!("{} has {}", side(expr), attrs.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("."))
        }
        Expr::BinaryOp { op: BinaryOp::IsInRange, left, right } => {
            format!("{}.isInRange({})", side(left), side(right))
        }
        Expr::UnaryOp { op, expr } if method(*op).is_some() => {
            format!("{}.{}()", side(expr), method(*op).unwrap_or_default())
        }
        Expr::BinaryOp { op, left, right } => format!("{} {} {}", side(left), sign(*op), side(right)),
        Expr::Like { expr, pattern } => {
            let chars: Vec<_> = pattern.iter().map(letter).collect();
            format!("{} like \"{}\"", side(expr), wildcards::shown(&chars).escape_debug())
        }
        Expr::Is { expr, entity_type, in_expr: None } => format!("{} is {}", side(expr), entity_type.0),
        Expr::Is { expr, entity_type, in_expr: Some(within) } => {
            format!("{} is {} in {}", side(expr), entity_type.0, side(within))
        }
        _ => side(expr),
    };
    format!("`{text}`")
}

/// Returns the name of a method of sets.
fn of_set(op: BinaryOp) -> Option<&'static str> {
    match op {
        BinaryOp::Contains => Some("contains"),
        BinaryOp::ContainsAll => Some("containsAll"),
        BinaryOp::ContainsAny => Some("containsAny"),
        _ => None,
    }
}

/// Returns the name of a method of addresses or sets.
fn method(op: UnaryOp) -> Option<&'static str> {
    match op {
        UnaryOp::IsEmpty => Some("isEmpty"),
        UnaryOp::IsIPv4 => Some("isIpv4"),
        UnaryOp::IsIPV6 => Some("isIpv6"),
        UnaryOp::IsLoopback => Some("isLoopback"),
        UnaryOp::IsMulticast => Some("isMulticast"),
        _ => None,
    }
}

fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Eq => "==",
        BinaryOp::NotEq => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEq => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEq => ">=",
        BinaryOp::In => "in",
        _ => "..",
    }
}

/// Returns the text to underline for a comparison: its constant.
pub(super) fn needle(expr: &Expr) -> String {
    match expr {
        Expr::Literal(Literal::Bool(value)) => value.to_string(),
        Expr::Literal(Literal::String(text)) => format!("\"{text}\""),
        Expr::Literal(Literal::Long(number)) => number.to_string(),
        Expr::Literal(Literal::EntityUID(uid)) => literal(uid).to_string(),
        Expr::UnaryOp { op, .. } if method(*op).is_some() => {
            method(*op).map(|name| format!("{name}()")).unwrap_or_default()
        }
        Expr::UnaryOp { expr, .. } => needle(expr),
        Expr::BinaryOp { left, right, .. } => match (Constant::of(left), Constant::of(right)) {
            (Some(_), None) => needle(left),
            _ => needle(right),
        },
        Expr::Like { pattern, .. } => wildcards::raw(&pattern.iter().map(letter).collect::<Vec<_>>()),
        Expr::GetAttr { .. } => ComparedTerm::of(expr).map_or_else(String::new, ComparedTerm::text),
        Expr::HasAttr { attrs, .. } => {
            format!("has {}", attrs.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("."))
        }
        Expr::Is { in_expr: Some(within), .. } => needle(within),
        Expr::Is { entity_type, .. } => format!("is {}", entity_type.0),
        Expr::Set(members) => members.first().map_or_else(String::new, |member| needle(member)),
        _ => String::new(),
    }
}
