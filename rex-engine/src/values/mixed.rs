//! Values of the wrong kind: a number or nothing that is joined to a text, a `switch` whose cases are of another kind.

use rex_core::{Code, Error};
use rhai::{Dynamic, Engine, EvalAltResult, FLOAT, FuncRegistration, INT, ImmutableString, Module, NativeCallContext};

use super::lines::collected;
use super::{RhaiResult, kind, named};
use crate::{active, script};

pub(super) fn register(engine: &mut Engine, module: &mut Module) {
    macro_rules! joins {
        ($($number:ty),+) => {$(
            FuncRegistration::new("+").set_into_module(module, |context: NativeCallContext<'_>, text: &str, number: $number| {
                joined(&context, text, &number.into(), |text, number| format!("{text}{number}"))
            });
            FuncRegistration::new("+").set_into_module(module, |context: NativeCallContext<'_>, number: $number, text: &str| {
                joined(&context, text, &number.into(), |text, number| format!("{number}{text}"))
            });
            FuncRegistration::new("+=").set_into_module(module, |context: NativeCallContext<'_>, text: &mut ImmutableString, number: $number| {
                *text = joined(&context, text, &number.into(), |text, number| format!("{text}{number}"))?.into();
                Ok::<_, Box<EvalAltResult>>(())
            });
        )+};
    }
    joins!(INT, FLOAT);
    FuncRegistration::new(script::SUBTRACTED).with_volatility(true).set_into_module(module, minus);
    FuncRegistration::new(script::DIVIDED).with_volatility(true).set_into_module(module, divide);
    FuncRegistration::new(script::JOINED).with_volatility(true).set_into_module(module, plus);
    // These replace Rhai's own, which treat nothing as an empty text.
    engine
        .register_fn("+=", |context: NativeCallContext<'_>, _: &mut ImmutableString, (): ()| nothing_joined(&context))
        .register_fn("+=", |context: NativeCallContext<'_>, _: &mut (), _: ImmutableString| nothing_joined(&context));
    engine.register_fn("to_string", |(): ()| "()").register_fn("print", |(): ()| "()");
    FuncRegistration::new(script::SWITCHED).with_volatility(true).set_into_module(module, switched);
}

/// Joins a text and a number. A text that is itself a number is an error: it was meant to be added.
fn joined(
    context: &NativeCallContext<'_>,
    text: &str,
    number: &Dynamic,
    join: impl Fn(&str, &Dynamic) -> String,
) -> RhaiResult<String> {
    let joined = join(text, number);
    if !is_number(text) {
        return Ok(joined);
    }
    let message = format!("`+` would join {} and {} to the text `{joined}`", named(&text.into()), named(number));
    let help = "`parse_int(text)` and `parse_float(text)` make a number of a text, and an argument that is a number is given as `--arg name:=80`; a text that is meant is written `` `${a}${b}` ``";
    Err(active::failed(Error::new(Code::Script, message).with_help(help), context.call_position()))
}

/// Implements `+` where a text may be joined: Rhai's own `+` of a text and nothing, which cannot be replaced, returns the text.
fn plus(context: NativeCallContext<'_>, one: Dynamic, other: Dynamic) -> RhaiResult<Dynamic> {
    if one.is_string() && other.is_unit() || one.is_unit() && other.is_string() {
        nothing_joined(&context)?;
    }
    // The most common case, in which no function is looked up.
    if let (Ok(one), Ok(other)) = (one.as_int(), other.as_int())
        && let Some(sum) = one.checked_add(other)
    {
        return Ok(sum.into());
    }
    if let (Ok(one), Ok(other)) = (one.as_float(), other.as_float()) {
        return Ok((one + other).into());
    }
    by_rhai(&context, "+", one, other)
}

/// Does what `-` does, except for two texts that are numbers: Rhai's `-` removes the second from the first.
fn minus(context: NativeCallContext<'_>, one: Dynamic, other: Dynamic) -> RhaiResult<Dynamic> {
    if let (Ok(one), Ok(other)) = (one.as_immutable_string_ref(), other.as_immutable_string_ref())
        && is_number(&one)
        && is_number(&other)
    {
        let message = format!("`-` would take the text `{}` out of the text `{}`", other.trim(), one.trim());
        let help = "make numbers of them: `parse_float(a) - parse_float(b)`; `a.replaced(b, \"\")` takes a text out";
        return Err(active::failed(Error::new(Code::Script, message).with_help(help), context.call_position()));
    }
    if let (Ok(one), Ok(other)) = (one.as_int(), other.as_int())
        && let Some(difference) = one.checked_sub(other)
    {
        return Ok(difference.into());
    }
    if let (Ok(one), Ok(other)) = (one.as_float(), other.as_float()) {
        return Ok((one - other).into());
    }
    by_rhai(&context, "-", one, other)
}

/// Does what `/` does, and warns if a quotient of two integers is 0 because its rest is dropped.
fn divide(context: NativeCallContext<'_>, one: Dynamic, other: Dynamic) -> RhaiResult<Dynamic> {
    if let (Ok(part), Ok(whole)) = (one.as_int(), other.as_int())
        && part != 0
        && part.unsigned_abs() < whole.unsigned_abs()
    {
        let error = Error::new(Code::Script, format!("`{part} / {whole}` is 0: of two integers, `/` drops the rest"));
        let help = "with a point, the rest is kept: `1.0 * a / b`, `a.to_float() / b`; in percent: `100 * a / b`";
        active::warn(error.with_help(help), context.call_position());
    }
    by_rhai(&context, "/", one, other)
}

/// Applies Rhai's own operator.
fn by_rhai(context: &NativeCallContext<'_>, operator: &str, one: Dynamic, other: Dynamic) -> RhaiResult<Dynamic> {
    let (mut one, mut other) = (collected(one)?, collected(other)?);
    context.call_native_fn_raw(operator, false, &mut [&mut one, &mut other])
}

/// Fails a join of a text and nothing: its result could be the name of a file that lacks its middle.
fn nothing_joined(context: &NativeCallContext<'_>) -> RhaiResult<()> {
    let message = "`+` would join a text and nothing (`()`)";
    let help = "take another text where there is nothing: `text + (x ?? \"none\")`; to show it, `` `text ${x}` ``";
    Err(active::failed(Error::new(Code::Script, message).with_help(help), context.call_position()))
}

/// Returns whether a text is a decimal number. Zeros alone are not one: numbers are padded with them.
fn is_number(text: &str) -> bool {
    // A line that was read keeps its line break. A blank at the end is there to be followed by something.
    let text = text.trim_end_matches(['\n', '\r']);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let parts = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(parts.0) && all_digits(parts.1) && digits.bytes().any(|byte| byte != b'0')
}

/// Returns the value of a `switch`, if its cases are of that kind.
fn switched(context: NativeCallContext<'_>, value: Dynamic, kinds: &str) -> RhaiResult<Dynamic> {
    let cases: Vec<_> = kinds.split(' ').collect();
    let has = |kind| cases.contains(&kind);
    let has_number = has("int") || has("float");
    // A number matches with or without a decimal point.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "only what stays the same is taken"
    )]
    if has_number && let Some(number) = value.as_float().ok().filter(|_| !has("float")) {
        let whole = number as INT;
        return Ok(if whole as FLOAT == number { whole.into() } else { value });
    } else if has_number && let Some(number) = value.as_int().ok().filter(|_| !has("int")) {
        return Ok((number as FLOAT).into());
    }
    if value.is_unit() || matches!(kind(&value), "int" | "float") && has_number || value.is_bool() && has("bool") {
        return Ok(value);
    }
    if let (Ok(char), true) = (value.as_char(), has("char") || has("text")) {
        return Ok(if has("char") { value } else { char.to_string().into() });
    }
    let text = value.as_immutable_string_ref().map(|text| text.clone());
    if let Ok(text) = text
        && (has("text") || has("char"))
    {
        let mut chars = text.chars();
        let alone = chars.next().filter(|_| chars.next().is_none());
        return Ok(match alone {
            Some(char) if !has("text") => char.into(),
            _ => value,
        });
    }
    let words: Vec<_> = cases.iter().map(|case| if *case == "char" { "text" } else { case }).collect();
    let message =
        format!("the cases of this `switch` are of the kind {}, its value is {}", words.join(" or "), named(&value));
    let help = match kind(&value) {
        "text" if has_number => {
            "`parse_int(text)` makes a number of a text; an argument that is a number is given as `--arg name:=80`"
        }
        "int" | "float" if has("text") => "`x.to_string()` makes a text of a number; a case without quotes is a number",
        "map" => "switch on a field of the map, as in `switch result.state { .. }`",
        _ => "switch on a value of the same kind as the cases",
    };
    Err(active::failed(Error::new(Code::Script, message).with_help(help), context.call_position()))
}
