//! Comparisons by `==` with values that requests have in only one form (addresses), or for only one moment (times).

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use rex_core::FactKind;

use super::CheckedPolicy;
use super::about::{ComparedTerm, PossibleActions};
use super::addresses::WrittenAddress;
use super::constant::Constant;
use super::times::DAY;

/// Checks one comparison.
pub(super) fn check(look: &mut CheckedPolicy<'_>, about: &PossibleActions, expr: &Expr, holds: Option<bool>) {
    let (term, with, differs) = match expr {
        Expr::BinaryOp { op: op @ (BinaryOp::Eq | BinaryOp::NotEq), left, right } => {
            let (term, with) = if is_constant(left) { (right, left) } else { (left, right) };
            (term, vec![with], *op == BinaryOp::NotEq)
        }
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match &**left {
            Expr::Set(members) => (right, members.iter().collect(), false),
            _ => return,
        },
        _ => return,
    };
    let severity = look.severity(true, holds.map(|holds| holds != differs));
    for with in with {
        let found = if let Some((text, address)) = WrittenAddress::of(with) {
            about.is_of(term, FactKind::Ip).then(|| never(term, text, address)).flatten()
        } else {
            moment(term, with)
        };
        if let Some((needle, message, help)) = found {
            look.add(Some("REX013"), severity, &needle, message, &help);
        }
    }
}

fn is_constant(expr: &Expr) -> bool {
    WrittenAddress::of(expr).is_some() || Constant::of(expr).is_some()
}

/// The text to underline, the message, and the help.
type ExactFinding = (String, String, String);

/// Finds an address that no request has: a network, or a version 4 address inside version 6.
fn never(term: &Expr, text: &str, written: WrittenAddress) -> Option<ExactFinding> {
    let term = ComparedTerm::of(term)?.text();
    if written.is_of_a_request() {
        return None;
    }
    let message = format!("`{term}` is never `{}`", text.escape_debug());
    let help = if written.is_host() {
        format!("did you mean `ip(\"{}\")`? it is one host, an address of version 4 as such", written.canonical())
    } else {
        format!("it is one host: of a network, ask `{term}.isInRange(ip(\"{}\"))`", text.escape_debug())
    };
    Some((format!("\"{text}\""), message, help))
}

/// Finds a time that matches for one millisecond, or never.
fn moment(term: &Expr, with: &Expr) -> Option<ExactFinding> {
    let Expr::UnaryOp { op: UnaryOp::Datetime | UnaryOp::Duration, expr } = with else { return None };
    let (Expr::Literal(Literal::String(text)), Constant::Number(number)) = (&**expr, Constant::of(with)?) else {
        return None;
    };
    let needle = format!("\"{text}\"");
    let now = |expr: &Expr| ComparedTerm::of(expr) == Some(ComparedTerm::Context("now"));
    match term {
        Expr::UnaryOp { op: UnaryOp::ToDate, expr } if now(expr) => (number % DAY != 0).then(|| {
            let message = format!("`context.now.toDate()` is never `{}`", text.escape_debug());
            (needle, message, "it is the start of a day: `datetime(\"2026-12-31\")`".to_owned())
        }),
        Expr::UnaryOp { op: UnaryOp::ToTime, expr } if now(expr) && (0..DAY).contains(&number) => {
            let message =
                format!("`context.now.toTime()` is `{}` for one millisecond of each day", text.escape_debug());
            Some((needle, message, "of a span of time, ask by `>=` and `<`".to_owned()))
        }
        term if now(term) => {
            let message = format!("`context.now` is `{}` for one millisecond", text.escape_debug());
            let help = match number % DAY {
                0 => format!("of the whole day, ask `context.now.toDate() == datetime(\"{}\")`", text.escape_debug()),
                _ => "of a span of time, ask by `>=` and `<`".to_owned(),
            };
            Some((needle, message, help))
        }
        _ => None,
    }
}
