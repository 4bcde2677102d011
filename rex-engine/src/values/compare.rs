//! Comparisons of values of one kind, and of numbers. Rhai's result for any other is `false`, so that `95.0 > "80"` never holds.

use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};

use rex_core::{Code, Error};
use rhai::{Blob, Dynamic, Engine, EvalAltResult, FuncRegistration, INT, Module, NativeCallContext};

use super::lines::ScriptLines;
use crate::active;

/// The operators, each with its precedence in Rhai.
const OPERATORS: &[(&str, u8)] = &[("==", 90), ("!=", 90), ("<", 130), ("<=", 130), (">", 130), (">=", 130)];

/// Makes an engine compare as this module does, both where a script writes an operator and where a function compares for it.
pub(super) fn register(engine: &mut Engine, module: &mut Module) -> Result<(), String> {
    for &(operator, precedence) in OPERATORS {
        // Rhai always looks up custom operators, but its own only where it has no built-in result.
        engine.disable_symbol(operator).register_custom_operator(operator, precedence)?;
        FuncRegistration::new(operator)
            .set_into_module(module, move |context: NativeCallContext<'_>, one: Dynamic, other: Dynamic| {
                compare(operator, &context, one, other)
            });
    }
    Ok(())
}

fn compare(
    operator: &str,
    context: &NativeCallContext<'_>,
    one: Dynamic,
    other: Dynamic,
) -> Result<bool, Box<EvalAltResult>> {
    if one.is::<ScriptLines>() || other.is::<ScriptLines>() {
        let (mut one, mut other) = (super::lines::collected(one)?, super::lines::collected(other)?);
        let result = context.call_native_fn_raw(operator, true, &mut [&mut one, &mut other])?;
        return Ok(result.as_bool().unwrap_or(false));
    }
    let ordering = order(&one, &other);
    let equal = matches!(ordering, Ok(Some(Ordering::Equal)));
    match (operator, ordering) {
        ("==", Ok(_)) => Ok(equal),
        ("!=", Ok(_)) => Ok(!equal),
        (_, Ok(Some(_))) if let Some(error) = read_as_numbers(operator, &one, &other) => {
            active::native(context.call_position(), || Err(error))
        }
        (_, Ok(Some(ordering))) => Ok(match operator {
            "<" => ordering.is_lt(),
            "<=" => ordering.is_le(),
            ">" => ordering.is_gt(),
            _ => ordering.is_ge(),
        }),
        // No order holds with NaN.
        (_, Ok(None)) if is_number(&one) && is_number(&other) => Ok(false),
        ("==" | "!=", Err(Kinds::Nothing)) => Ok((one.is_unit() && other.is_unit()) == (operator == "==")),
        _ => active::native(context.call_position(), || Err(mismatch(operator, &one, &other))),
    }
}

/// The reason that two values have no order.
enum Kinds {
    /// At least one value is `()`.
    Nothing,
    Different,
}

/// Returns the order of two values of one kind; `None` if they have none, and are not equal.
fn order(one: &Dynamic, other: &Dynamic) -> Result<Option<Ordering>, Kinds> {
    if one.is_unit() || other.is_unit() {
        return Err(Kinds::Nothing);
    }
    if let (Ok(one), Ok(other)) = (one.as_int(), other.as_int()) {
        return Ok(Some(one.cmp(&other)));
    }
    if let (Some(one), Some(other)) = (number(one), number(other)) {
        return Ok(one.partial_cmp(&other));
    }
    if let (Ok(one), Ok(other)) = (one.as_bool(), other.as_bool()) {
        return Ok(Some(one.cmp(&other)));
    }
    if let (Some(one), Some(other)) = (text(one), text(other)) {
        return Ok(Some(one.as_str().cmp(other.as_str())));
    }
    if let Some(equal) = same::<Range<INT>>(one, other).or_else(|| same::<RangeInclusive<INT>>(one, other)) {
        return Ok(equal.then_some(Ordering::Equal));
    }
    match (one.read_lock::<Blob>(), other.read_lock::<Blob>()) {
        (Some(one), Some(other)) => Ok(Some(one.cmp(&other))),
        _ => Err(Kinds::Different),
    }
}

/// Returns whether two values of type `T` are equal; `None` if one has another type.
fn same<T: PartialEq + rhai::Variant + Clone>(one: &Dynamic, other: &Dynamic) -> Option<bool> {
    Some(*one.read_lock::<T>()? == *other.read_lock::<T>()?)
}

/// Returns the order in which values of one kind are sorted; NaN comes last.
pub(super) fn natural(one: &Dynamic, other: &Dynamic) -> Ordering {
    match order(one, other) {
        Ok(Some(ordering)) => ordering,
        _ => number(one).is_some_and(f64::is_nan).cmp(&number(other).is_some_and(f64::is_nan)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "as Rhai compares an integer with a floating-point number")]
fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().or_else(|_| value.as_int().map(|value| value as f64)).ok()
}

fn is_number(value: &Dynamic) -> bool {
    value.is_int() || value.is_float()
}

fn text(value: &Dynamic) -> Option<rhai::ImmutableString> {
    value
        .as_immutable_string_ref()
        .ok()
        .map(|text| text.clone())
        .or_else(|| value.as_char().ok().map(|char| char.to_string().into()))
}

/// Returns the error for two texts whose numbers have another order than the texts, such as `100` and `90`, or `10ms` and `9ms`.
fn read_as_numbers(operator: &str, one: &Dynamic, other: &Dynamic) -> Option<Error> {
    let (one, other) = (text(one)?, text(other)?);
    let (why, help) = match by_size(&one, &other) {
        Some(by_size) if by_size != Some(one.cmp(&other)) => {
            ("they are numbers", format!("make numbers of them: `parse_float(a) {operator} parse_float(b)`"))
        }
        None if is_misordered_by_parts(&one, &other) => (
            "their numbers have another order",
            "take the numbers out first: `human::parse_duration(\"10ms\")`, `human::parse_bytes(\"10M\")`, or part by part with `split` and `parse_int`".to_owned(),
        ),
        _ => return None,
    };
    let (one, other) = (one.trim(), other.trim());
    let message = format!("`{operator}` compares the texts `{one}` and `{other}` letter by letter, and {why}");
    Some(Error::new(Code::Script, message).with_help(help))
}

/// Returns the order by size of two texts, if both are numbers.
fn by_size(one: &str, other: &str) -> Option<Option<Ordering>> {
    Some(as_number(one)?.partial_cmp(&as_number(other)?))
}

/// Returns the error for sorted texts if all are numbers and their order by size is another one. `fix` says what to do.
pub(crate) fn numbers_in_order<'t>(texts: impl IntoIterator<Item = &'t str>, fix: &str) -> Option<Error> {
    let (mut last, mut wrong) = (None::<&str>, None);
    for text in texts {
        as_number(text)?;
        if let Some(before) = last
            .replace(text)
            .filter(|before| by_size(before, text).is_some_and(|order| order != Some((*before).cmp(text))))
        {
            wrong.get_or_insert((before, text));
        }
    }
    wrong.map(|(one, other)| {
        let message = format!(
            "these texts are all numbers: as texts, `{}` and `{}` have another order",
            one.trim(),
            other.trim()
        );
        Error::new(Code::Script, message).with_help(fix)
    })
}

/// Returns whether two texts begin with a number and continue in the same way, such as `10ms` and `9ms` or `1.10.0` and `1.9.0`, and
/// have another order by these numbers.
fn is_misordered_by_parts(one: &str, other: &str) -> bool {
    let (Some(one_parts), Some(other_parts)) = (parts(one), parts(other)) else { return false };
    let alike = one_parts.iter().map(|(_, rest)| rest).eq(other_parts.iter().map(|(_, rest)| rest));
    let numbers = |parts: &[(u64, &str)]| parts.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    alike && numbers(&one_parts).cmp(&numbers(&other_parts)) != one.cmp(other)
}

/// Returns the numbers of a text that begins with one, each with what follows it.
fn parts(text: &str) -> Option<Vec<(u64, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after.find(|char: char| char.is_ascii_digit()).unwrap_or(after.len());
        let (between, after) = after.split_at_checked(end)?;
        parts.push((number.parse().ok()?, between));
        rest = after;
    }
    (!parts.is_empty()).then_some(parts)
}

/// Parses a text as a decimal number.
fn as_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    if is_decimal { text.parse().ok() } else { None }
}

fn mismatch(operator: &str, one: &Dynamic, other: &Dynamic) -> Error {
    let message = format!("`{operator}` compares {} with {}", super::named(one), super::named(other));
    let is_text = |value: &Dynamic| text(value).is_some();
    let help = if is_number(one) && is_text(other) || is_text(one) && is_number(other) {
        "`parse_int(text)` and `parse_float(text)` make a number of a text; an argument that is a number is given as `--arg name:=80`"
    } else if one.is_unit() || other.is_unit() {
        "`()` is nothing, and has no order: test for it first, with `x == ()`, or take a default, with `x ?? 0`"
    } else if super::kind(one) == super::kind(other) {
        "these can be told apart with `==` alone, or not at all: compare a field of them"
    } else {
        "compare values of one kind; `x.to_string()` makes a text of any value"
    };
    Error::new(Code::Script, message).with_help(help)
}
