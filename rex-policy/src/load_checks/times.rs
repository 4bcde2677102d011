//! Ranges of expressions, and policies that have expired.

use cedar_policy::pst::{BinaryOp, Expr, UnaryOp};

use super::about::{ComparedTerm, parts};
use super::constant::Constant;
use super::constraint::{ConstraintSet, PossibleValues};
use super::wording::{needle, told};

/// Number of milliseconds in a day.
pub(super) const DAY: i128 = 86_400_000;

/// Numbers from the first to the second, inclusive; times in milliseconds.
pub(super) type NumberRange = (i128, i128);

/// Returns the range of an expression, by the ranges of facts and attributes.
pub(super) fn range(expr: &Expr, of: &dyn Fn(&Expr) -> Option<NumberRange>) -> Option<NumberRange> {
    if let Some(Constant::Number(number)) = Constant::of(expr) {
        return Some((number, number));
    }
    let within = |expr: &Expr| range(expr, of);
    let through = |expr: &Expr, by: fn(i128) -> i128| within(expr).map(|(low, high)| (by(low), by(high)));
    match expr {
        Expr::UnaryOp { op, expr } => match op {
            UnaryOp::ToTime => Some((0, DAY - 1)),
            UnaryOp::ToDate => through(expr, |time| time.div_euclid(DAY) * DAY),
            UnaryOp::ToMilliseconds => within(expr),
            UnaryOp::ToSeconds => through(expr, |time| time / 1_000),
            UnaryOp::ToMinutes => through(expr, |time| time / 60_000),
            UnaryOp::ToHours => through(expr, |time| time / 3_600_000),
            UnaryOp::ToDays => through(expr, |time| time / DAY),
            UnaryOp::Neg => within(expr).map(|(low, high)| (-high, -low)),
            _ => None,
        },
        Expr::BinaryOp { op, left, right } => {
            let ((low, high), (least, most)) = (within(left)?, within(right)?);
            match op {
                BinaryOp::Add | BinaryOp::Offset => Some((low.checked_add(least)?, high.checked_add(most)?)),
                BinaryOp::Sub | BinaryOp::DurationSince => Some((low.checked_sub(most)?, high.checked_sub(least)?)),
                _ => None,
            }
        }
        _ => of(expr),
    }
}

/// Returns a lookup of ranges for requests at a time or later.
fn from(start: i128) -> impl Fn(&Expr) -> Option<NumberRange> {
    move |expr| {
        range(expr, &|expr| {
            (ComparedTerm::of(expr) == Some(ComparedTerm::Context("now"))).then_some((start, i128::from(i64::MAX)))
        })
    }
}

/// Converts such a lookup for constraints.
fn of(time: &dyn Fn(&Expr) -> Option<NumberRange>) -> impl Fn(&Expr) -> PossibleValues {
    |expr| PossibleValues { range: time(expr), words: None }
}

/// Returns whether a condition may hold for requests at these times.
fn may_hold(expr: &Expr, holds: bool, time: &dyn Fn(&Expr) -> Option<NumberRange>) -> bool {
    for all in [true, false] {
        let mut found = Vec::new();
        parts(expr, holds, all, &mut found);
        if found.len() < 2 {
            continue;
        }
        let each = |(part, holds): &(&Expr, bool)| may_hold(part, *holds, time);
        if !all {
            return found.iter().any(each);
        }
        let mut constraints = ConstraintSet::default();
        return found.iter().all(each) && !found.iter().any(|(part, holds)| constraints.add(part, *holds, &of(time)));
    }
    match expr {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => may_hold(expr, !holds, time),
        _ => !ConstraintSet::default().add(expr, holds, &of(time)),
    }
}

/// Finds the comparison that makes a condition false from a time (in milliseconds) on: the text to underline, and a description; empty if
/// it is not a single one. `None` if the condition may hold then, or never did.
pub(crate) fn expired(condition: &Expr, now: i128) -> Option<(String, String)> {
    let (any, later) = (from(0), from(now));
    if may_hold(condition, true, &later) || !may_hold(condition, true, &any) {
        return None;
    }
    let mut found = None;
    crate::rule::walk(condition, &mut |expr| {
        let simple = matches!(expr, Expr::BinaryOp { op, .. } if !matches!(op, BinaryOp::And | BinaryOp::Or));
        let ended = |holds| may_hold(expr, holds, &any) && !may_hold(expr, holds, &later);
        if found.is_none() && simple && (ended(true) || ended(false)) {
            found = Some((needle(expr), told(expr)));
        }
    });
    Some(found.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Expr {
        let text = format!("permit (principal, action, resource) when {{ {text} }};");
        crate::rule::syntax(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn what_is_over_is_over() {
        // 2026-11-30T12:00:00Z.
        let now = 1_796_040_000_000;
        for text in [
            "context.now < datetime(\"2020-01-01\")",
            "!(context.now >= datetime(\"2020-01-01\"))",
            "resource.name == \"a\" && context.now <= datetime(\"2026-11-30T11:00:00Z\")",
            "context.now < datetime(\"2020-01-01\") || context.now < datetime(\"2021-01-01\")",
            "context.now.toDate() == datetime(\"2026-11-29\")",
            "context.now.toDate() < datetime(\"2026-11-30\")",
            "[datetime(\"2025-12-24\"), datetime(\"2025-12-25\")].contains(context.now.toDate())",
            "context.now > datetime(\"2025-01-01\") && context.now < datetime(\"2026-01-01\")",
            "context.now.durationSince(datetime(\"2020-01-01\")) < duration(\"30d\")",
            "context.now.durationSince(datetime(\"2020-01-01\")).toDays() <= 30",
            "context.now.offset(duration(\"1d\")) < datetime(\"2026-11-30\")",
            "datetime(\"2020-01-01\") > context.now",
        ] {
            assert!(expired(&condition(text), now).is_some(), "{text}");
        }
        for text in [
            "context.now < datetime(\"2027-01-01\")",
            "context.now > datetime(\"2020-01-01\")",
            "context.now.toDate() == datetime(\"2026-11-30\")",
            "context.now < datetime(\"2020-01-01\") || resource.name == \"a\"",
            "context.now.toTime() < duration(\"6h\")",
            "context.now.durationSince(datetime(\"2026-11-01\")) < duration(\"40d\")",
            "context.now < datetime(\"1960-01-01\")",
            "context.port < 10 && context.port > 10",
        ] {
            assert_eq!(expired(&condition(text), now), None, "{text}");
        }
    }
}
