//! Operators and places that are easily mistaken for others.

use rex_core::{Code, Error};
use rhai::{Expr, FnCallExpr};

/// Returns the error for a number that is added to the end of a text: in `"log." + i + 1`, the 1 is joined after `i`.
pub(super) fn added_late(call: &FnCallExpr) -> Option<Error> {
    let [Expr::FnCall(before, _), Expr::IntegerConstant(number, _)] = call.args.as_slice() else { return None };
    let is_number = |part: &Expr| matches!(part, Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..));
    if !matches!(call.name.as_str(), "+" | "-") || !joins(before) || !before.args.get(1).is_some_and(is_number) {
        return None;
    }
    let message = format!("`{}` works on the text before it, not on the number: brackets are missing", call.name);
    let help = format!("`text + (n {0} {number})`; to join both numbers, `` `text${{n}}{number}` ``", call.name);
    Some(Error::new(Code::Script, message).with_help(help))
}

/// Returns whether a value is an `index_of`: it is -1 if there is no match, but -1 as an index is the last entry.
pub(super) fn is_place(value: &Expr) -> bool {
    match value {
        Expr::Dot(parts, ..) => is_place(&parts.rhs),
        Expr::MethodCall(call, _) => call.name == "index_of",
        Expr::FnCall(call, _) if call.is_operator_call() => call.args.iter().any(is_place),
        _ => false,
    }
}

pub(super) fn last_place() -> Error {
    let help = "keep it first: `let at = x.index_of(y); if at >= 0 { .. }`";
    Error::new(Code::Script, "`index_of` is -1 where there is none, and -1 is the last one here").with_help(help)
}

pub(super) fn empty_block() -> Error {
    Error::new(Code::Script, "`{}` is an empty block, whose value is `()`").with_help("an empty map is `#{}`")
}

pub(super) fn open_comment() -> Error {
    Error::new(Code::Script, "this comment does not end, so the rest of the script is part of it")
        .with_help("a block comment ends with `*/`; one inside of it needs its own end")
}

pub(super) fn triple_quotes() -> Error {
    Error::new(Code::Script, "`\"\"` in a text is a quote, so this text begins with one")
        .with_help("a text of several lines is in backticks: `` `text` ``; a quote in a text is `\\\"`")
}

pub(super) fn leading_zero() -> Error {
    let help = "a mode is a text: `\"0644\"`; an octal number is `0o644`, a decimal one has no zero before it";
    Error::new(Code::Script, "a number with a zero before it is decimal here: `0644` is 644").with_help(help)
}

/// Returns whether a call is a `+` that joins a text, at least a part of which is a literal.
fn joins(call: &FnCallExpr) -> bool {
    call.name == "+"
        && call.args.iter().any(|part| match part {
            Expr::StringConstant(..) | Expr::InterpolatedString(..) => true,
            Expr::FnCall(call, _) => joins(call),
            _ => false,
        })
}
