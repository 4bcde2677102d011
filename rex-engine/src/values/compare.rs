//! Comparisons of values of one kind, and of numbers. Rhai's result for any other is `false`, so that `95.0 > "80"` never holds.

use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};

use rex_core::{Code, Error};
use rhai::{Blob, Dynamic, Engine, EvalAltResult, FuncRegistration, INT, ImmutableString, Module, NativeCallContext};

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
    for (name, operator) in [("max", ">="), ("min", "<=")] {
        FuncRegistration::new(name).set_into_module(
            module,
            move |context: NativeCallContext<'_>, one: ImmutableString, other: ImmutableString| {
                extreme(&context, one, other, operator)
            },
        );
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
        ("==" | "!=", Err(OrderMismatch::Nothing)) => Ok((one.is_unit() && other.is_unit()) == (operator == "==")),
        _ => active::native(context.call_position(), || Err(mismatch(operator, &one, &other))),
    }
}

/// The reason that two values have no order.
enum OrderMismatch {
    /// At least one value is `()`.
    Nothing,
    Different,
}

/// Returns the order of two values of one kind; `None` if they have none, and are not equal.
fn order(one: &Dynamic, other: &Dynamic) -> Result<Option<Ordering>, OrderMismatch> {
    if one.is_unit() || other.is_unit() {
        return Err(OrderMismatch::Nothing);
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
        _ => Err(OrderMismatch::Different),
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

/// Returns the error for two texts whose numbers have another order than the texts, such as `100` and `90`, or `10ms` and `9ms`, and for
/// a number and a placeholder.
fn read_as_numbers(operator: &str, one: &Dynamic, other: &Dynamic) -> Option<Error> {
    let (one, other) = (text(one)?, text(other)?);
    let (why, help) = match misread(&one, &other) {
        Some(why @ NUMBERS) => (why, format!("make numbers of them: `parse_float(a) {operator} parse_float(b)`")),
        Some(why) => (
            why,
            "take the numbers out first: `human::parse_duration(\"10ms\")`, `human::parse_bytes(\"10M\")`, or part by part with `split` and `parse_int`".to_owned(),
        ),
        None if is_placeholder_for(&one, &other) || is_placeholder_for(&other, &one) => (
            "one of them is not a number",
            format!("leave such values out first: `if a != \"\" && parse_float(a) {operator} 5.0 {{ .. }}`"),
        ),
        None => return None,
    };
    let (one, other) = (one.trim(), other.trim());
    let message = format!("`{operator}` compares the texts `{one}` and `{other}` letter by letter, and {why}");
    Some(Error::new(Code::Script, message).with_help(help))
}

const NUMBERS: &str = "they are numbers";

/// Says why the order of two texts is not that of their numbers; `None` if it is, or if they have no numbers.
fn misread(one: &str, other: &str) -> Option<&'static str> {
    let as_texts = one.cmp(other);
    if let (Some(one), Some(other)) = (as_number(one), as_number(other)) {
        return (one.partial_cmp(&other) != Some(as_texts)).then_some(NUMBERS);
    }
    if let (Some((size, unit)), Some((other_size, other_unit))) = (quantity(one), quantity(other)) {
        let is_unit = |unit: &str| UNITS.iter().any(|known| known.eq_ignore_ascii_case(unit));
        if unit == other_unit {
            return (size.partial_cmp(&other_size) != Some(as_texts)).then_some("their numbers have another order");
        }
        return (is_unit(unit) && is_unit(other_unit)).then_some("they have different units");
    }
    is_misordered_by_parts(one, other).then_some("their numbers have another order")
}

/// Units of sizes and of durations.
const UNITS: &[&str] = &[
    "B", "K", "M", "G", "T", "P", "kB", "MB", "GB", "TB", "Ki", "Mi", "Gi", "Ti", "KiB", "MiB", "GiB", "TiB", "ns",
    "us", "µs", "ms", "s", "sec", "m", "min", "h", "d", "w",
];

/// Splits a text into a decimal number and what follows it, which has no digit.
fn quantity(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, rest) = text.split_at_checked(end)?;
    let rest = rest.trim_start();
    (!rest.contains(|char: char| char.is_ascii_digit())).then_some((as_number(number)?, rest))
}

/// Returns whether a text stands in a table where another one, a number, could be. A single character may be looked at as such.
fn is_placeholder_for(text: &str, number: &str) -> bool {
    let is_character = text.chars().count() == 1 && number.chars().count() == 1;
    !is_character && as_number(number).is_some() && is_placeholder(text)
}

fn is_placeholder(text: &str) -> bool {
    const PLACEHOLDERS: &[&str] = &["", "-", "--", "n/a", "na", "nan", "none", "null", "nil", "unknown"];
    PLACEHOLDERS.iter().any(|known| known.eq_ignore_ascii_case(text.trim()))
}

/// Returns the error for sorted texts if all are numbers, with or without units, and have another order than the texts. `fix` says what to
/// do. Placeholders, such as empty cells of a table, are passed over; addresses are names.
pub(crate) fn numbers_in_order<'t>(texts: impl IntoIterator<Item = &'t str>, fix: &str) -> Option<Error> {
    let (mut last, mut wrong) = (None::<&str>, None);
    for text in texts {
        if is_placeholder(text) {
            continue;
        }
        if as_number(text).is_none() && parts(text).is_none_or(|parts| parts.len() > 3) {
            return None;
        }
        if let Some(before) = last.replace(text)
            && let Some(why) = misread(before, text)
        {
            wrong.get_or_insert((before, text, why));
        }
    }
    let (one, other, why) = wrong?;
    let message =
        format!("the texts `{}` and `{}` are in the order of their letters, and {why}", one.trim(), other.trim());
    Some(Error::new(Code::Script, message).with_help(fix))
}

/// Returns the smaller or larger of two texts.
fn extreme(
    context: &NativeCallContext<'_>,
    one: ImmutableString,
    other: ImmutableString,
    operator: &str,
) -> Result<ImmutableString, Box<EvalAltResult>> {
    let is_first = compare(operator, context, one.clone().into(), other.clone().into())?;
    Ok(if is_first { one } else { other })
}

/// Returns whether two texts begin with a number and continue in the same way, such as `1.10.0` and `1.9.0`, and have another order by
/// these numbers.
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
        "these can only be compared with `==`, or not at all: compare a field of them"
    } else {
        "compare values of one kind; `x.to_string()` makes a text of any value"
    };
    Error::new(Code::Script, message).with_help(help)
}
