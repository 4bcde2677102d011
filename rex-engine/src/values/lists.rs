//! Functions on texts, lists and maps: those that Rhai lacks, and replacements for those with unexpected results.

use std::any::TypeId;
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rex_core::{Code, Error};
use rhai::{
    Array, Blob, Dynamic, Engine, EvalAltResult, FLOAT, FnPtr, FuncRegistration, INT, ImmutableString, Map, Module,
    NativeCallContext, Position,
};

use super::lines::{self, ScriptLines, collected};
use super::{RhaiResult, compare, each, kind, lists_of, named};
use crate::{active, script};

/// Registers functions; those that are pure take their receiver by reference and leave it unchanged.
macro_rules! functions {
    ($module:ident, pure: $pure:literal; $($name:literal: |$($arg:ident: $type:ty),*| $body:expr;)+) => {$(
        FuncRegistration::new($name).with_volatility(true).with_purity($pure).set_into_module($module, |$($arg: $type),*| $body);
    )+};
}

pub(super) fn register(engine: &mut Engine, module: &mut Module) {
    results(module);
    in_place(module);
    copies(module);
    lacking(module);
    module.set_iter_result(TypeId::of::<ImmutableString>(), |_| {
        no_list("a text is not a list", "its lines are `text.split(\"\\n\")`, its characters `text.chars()`")
    });
    module.set_iter_result(TypeId::of::<Map>(), |value| {
        let help = value.read_lock::<Map>().map_or_else(String::new, |map| match lists_of(&map).as_slice() {
            [] => "its keys are `m.keys()`, its values `m.values()`".to_owned(),
            lists => format!("its list is `.{}`", lists.join("` or `.")),
        });
        no_list("a map is not a list", &help)
    });
    #[expect(deprecated, reason = "the callback is not deprecated: Rhai marks it so because it may change")]
    engine.on_missing_function(|name, args, is_method, mut context| {
        let own = args.first().is_some_and(|arg| arg.is::<ScriptLines>()) && lines::have(name, args.len());
        if !own && args.iter().any(|arg| arg.is::<ScriptLines>()) {
            for arg in args.iter_mut() {
                **arg = collected(std::mem::take(*arg))?;
            }
            return context.call_fn_raw(name, is_method, is_method, args).map(Some);
        }
        match args.first().and_then(|arg| arg.read_lock::<Map>()).map(|map| list_error(&map, name)) {
            Some(Some(error)) => Err(active::failed(error, Position::NONE)),
            _ => Ok(None),
        }
    });
}

/// Returns an iterator that fails.
fn no_list(message: &str, help: &str) -> Box<dyn Iterator<Item = RhaiResult<Dynamic>>> {
    let error = Error::new(Code::Script, message).with_help(help);
    Box::new(std::iter::once(Err(active::failed(error, Position::NONE))))
}

/// Returns the error for a function that is called on a result instead of on its list.
fn list_error(map: &Map, name: &str) -> Option<Error> {
    let lists = lists_of(map);
    let first = lists.first()?;
    let message = format!("`{name}` is called on a result, which is a map, not a list");
    Some(
        Error::new(Code::Script, message)
            .with_help(format!("its list is `.{}`, as in `result.{first}.{name}(..)`", lists.join("` or `."))),
    )
}

/// Registers functions of maps that a script means for the list in a result.
fn results(module: &mut Module) {
    fn checked<T>(context: &NativeCallContext<'_>, map: &Map, value: impl FnOnce() -> RhaiResult<T>) -> RhaiResult<T> {
        match list_error(map, context.fn_name()) {
            Some(error) => Err(active::failed(error, context.call_position())),
            None => value(),
        }
    }
    functions! { module, pure: true;
        "len": |context: NativeCallContext<'_>, map: &mut Map| checked(&context, map, || Ok(INT::try_from(map.len()).unwrap_or(INT::MAX)));
        "is_empty": |context: NativeCallContext<'_>, map: &mut Map| checked(&context, map, || Ok(map.is_empty()));
        "contains": |context: NativeCallContext<'_>, map: &mut Map, key: &str| match map.contains_key(key) {
            true => Ok(true),
            false => checked(&context, map, || Ok(false)),
        };
        "contains": |context: NativeCallContext<'_>, list: &mut Array, wanted: Dynamic| contains(&context, list, &wanted);
        "map": |context: NativeCallContext<'_>, map: &mut Map, function: FnPtr| checked(&context, map, || {
            let entries = map.iter().map(|(key, value)| {
                Ok((key.clone(), function.call_raw(&context, None, [key.as_str().into(), value.clone()])?))
            });
            entries.collect::<RhaiResult<Map>>()
        });
        "filter": |context: NativeCallContext<'_>, map: &mut Map, function: FnPtr| checked(&context, map, || {
            each::parted_map(&context, map, &function).map(|(kept, _)| kept)
        });
    }
}

/// Returns whether a value is in a list that holds values of its kind.
fn contains(context: &NativeCallContext<'_>, list: &mut Array, wanted: &Dynamic) -> RhaiResult<bool> {
    let mut mismatch = None;
    let mut comparable = wanted.is_unit() || list.is_empty();
    for value in list.iter_mut() {
        match context.call_native_fn_raw("==", true, &mut [value, &mut wanted.clone()]) {
            Ok(equal) if equal.as_bool().unwrap_or(false) => return Ok(true),
            Ok(_) => comparable = true,
            Err(error) => drop(mismatch.get_or_insert(error)),
        }
    }
    match mismatch {
        Some(error) if !comparable => Err(error),
        _ => Ok(false),
    }
}

/// Registers methods that change their receiver, and also return it, so that a function may end with one.
fn in_place(module: &mut Module) {
    functions! { module, pure: false;
        "trim": |text: &mut ImmutableString| changed(text, |text| text.trim().into());
        "make_upper": |text: &mut ImmutableString| changed(text, |text| text.to_uppercase().into());
        "make_lower": |text: &mut ImmutableString| changed(text, |text| text.to_lowercase().into());
        "replace": |text: &mut ImmutableString, from: &str, to: &str| changed(text, |text| text.replace(from, to).into());
        "replace": |text: &mut ImmutableString, from: char, to: char| changed(text, |text| text.replace(from, to.encode_utf8(&mut [0; 4])).into());
        "replace": |text: &mut ImmutableString, from: &str, to: char| changed(text, |text| text.replace(from, to.encode_utf8(&mut [0; 4])).into());
        "replace": |text: &mut ImmutableString, from: char, to: &str| changed(text, |text| text.replace(from, to).into());
        "remove": |text: &mut ImmutableString, part: &str| changed(text, |text| text.replace(part, "").into());
        "remove": |text: &mut ImmutableString, part: char| changed(text, |text| text.replace(part, "").into());
        "reverse": |list: &mut Array| { list.reverse(); list.clone() };
        "reverse": |bytes: &mut Blob| { bytes.reverse(); bytes.clone() };
        "sort": |context: NativeCallContext<'_>, list: &mut Array, comparer: FnPtr| sorted(&context, list, &comparer);
        "sort_by": |context: NativeCallContext<'_>, list: &mut Array, comparer: FnPtr| sorted(&context, list, &comparer);
        "sort": |context: NativeCallContext<'_>, list: &mut Array| in_order(&context, list, false);
        "sort_desc": |context: NativeCallContext<'_>, list: &mut Array| in_order(&context, list, true);
        "dedup": |context: NativeCallContext<'_>, list: &mut Array| { *list = deduped(&context, list)?; Ok::<_, Box<EvalAltResult>>(list.clone()) };
    }
}

/// Registers the functions that return a changed copy and leave their receiver unchanged.
fn copies(module: &mut Module) {
    functions! { module, pure: true;
        "trimmed": |text: &str| ImmutableString::from(text.trim());
        "replaced": |text: &str, from: &str, to: &str| text.replace(from, to);
        "replaced": |text: &str, from: char, to: char| text.replace(from, to.encode_utf8(&mut [0; 4]));
        "replaced": |text: &str, from: &str, to: char| text.replace(from, to.encode_utf8(&mut [0; 4]));
        "replaced": |text: &str, from: char, to: &str| text.replace(from, to);
        "reversed": |list: &mut Array| list.iter().rev().cloned().collect::<Array>();
        "reversed": |bytes: &mut Blob| bytes.iter().rev().copied().collect::<Blob>();
        "reversed": |text: &str| text.chars().rev().collect::<String>();
        "deduped": |context: NativeCallContext<'_>, list: &mut Array| deduped(&context, list);
        "order": |context: NativeCallContext<'_>, list: &mut Array| in_order(&context, &mut list.clone(), false);
        "order_desc": |context: NativeCallContext<'_>, list: &mut Array| in_order(&context, &mut list.clone(), true);
        "order": |context: NativeCallContext<'_>, list: &mut Array, comparer: FnPtr| sorted(&context, &mut list.clone(), &comparer);
        "order_by": |context: NativeCallContext<'_>, list: &mut Array, comparer: FnPtr| sorted(&context, &mut list.clone(), &comparer);
    }
}

/// Registers functions that every script expects.
fn lacking(module: &mut Module) {
    functions! { module, pure: true;
        "join": |context: NativeCallContext<'_>, list: &mut Array, between: &str| joined(&context, list, between);
        "join": |context: NativeCallContext<'_>, list: &mut Array| joined(&context, list, "");
        "lines": |text: &str| text.lines().map(|line| line.to_owned().into()).collect::<Array>();
        "get": |map: &mut Map, key: &str, default: Dynamic| map.get(key).cloned().unwrap_or(default);
        "exit": |context: NativeCallContext<'_>, value: Dynamic| exit(&context, value);
    }
    asked(module);
    FuncRegistration::new(script::CAUGHT).with_volatility(true).set_into_module(module, active::caught);
    FuncRegistration::new(script::SLIPPED).with_volatility(true).set_into_module(module, active::slipped);
}

/// Registers the access to a field or an entry that may be missing. Scripts are edited to the second name, which they do not define.
fn asked(module: &mut Module) {
    let of_map = |map: &mut Map, key: &str| map.get(key).cloned().unwrap_or(Dynamic::UNIT);
    let of_list = |list: &mut Array, index: INT| {
        place_of(list.len(), index).and_then(|index| list.get(index).cloned()).unwrap_or(Dynamic::UNIT)
    };
    for name in ["get", script::ASKED] {
        FuncRegistration::new(name).with_volatility(true).with_purity(true).set_into_module(module, of_map);
        FuncRegistration::new(name).with_volatility(true).with_purity(true).set_into_module(module, of_list);
    }
}

/// Returns the place of an index, which counts from the end if it is negative.
fn place_of(length: usize, index: INT) -> Option<usize> {
    let from_start = if index < 0 { INT::try_from(length).ok()?.checked_add(index)? } else { index };
    usize::try_from(from_start).ok()
}

fn changed(text: &mut ImmutableString, change: impl FnOnce(&str) -> ImmutableString) -> ImmutableString {
    *text = change(text);
    text.clone()
}

/// Returns the sign of a difference; 0 for NaN.
fn sign(difference: FLOAT) -> INT {
    INT::from(difference > 0.0) - INT::from(difference < 0.0)
}

/// Sorts by a function of two values that returns their order as a number, or whether the first comes first.
fn sorted(context: &NativeCallContext<'_>, list: &mut Array, comparer: &FnPtr) -> RhaiResult<Array> {
    let mut failed = None;
    let sort = || {
        list.sort_by(|one, other| {
            if failed.is_some() {
                return Ordering::Equal;
            }
            match comparer.call_raw(context, None, [one.clone(), other.clone()]) {
                Ok(result) => match (result.as_int().or_else(|_| result.as_float().map(sign)), result.as_bool()) {
                    (Ok(order), _) => order.cmp(&0),
                    (_, Ok(first)) => {
                        if first {
                            Ordering::Less
                        } else {
                            Ordering::Greater
                        }
                    }
                    _ => {
                        let message =
                            format!("a comparer returns a number or a bool, this one returned {}", named(&result));
                        failed = Some(active::failed(Error::new(Code::Script, message), context.call_position()));
                        Ordering::Equal
                    }
                },
                Err(error) => {
                    failed = Some(error);
                    Ordering::Equal
                }
            }
        });
    };
    // A comparer without a consistent order may make the sort panic.
    let sort = catch_unwind(AssertUnwindSafe(sort));
    if let Some(error) = failed {
        let wrong =
            matches!(&*error, EvalAltResult::ErrorFunctionNotFound(name, _) if name.starts_with(comparer.fn_name()));
        return Err(if wrong { active::failed(comparer_error(), context.call_position()) } else { error });
    }
    sort.map_err(|_| {
        active::failed(Error::new(Code::Script, "the comparer has no consistent order"), context.call_position())
    })?;
    Ok(list.clone())
}

pub(crate) fn comparer_error() -> Error {
    Error::new(Code::Script, "a list is sorted by a function of two values")
        .with_help("as in `|a, b| a.n - b.n`; maps are sorted by a field with `rows::sort_by(list, \"n\")`")
}

/// Sorts values of one kind by their own order.
fn in_order(context: &NativeCallContext<'_>, list: &mut Array, descending: bool) -> RhaiResult<Array> {
    let number = |value: &Dynamic| matches!(kind(value), "int" | "float");
    let first = list.first().map_or("nothing", kind);
    if let Some(other) =
        list.iter().find(|value| kind(value) != first && !(number(value) && matches!(first, "int" | "float")))
    {
        let message = format!(
            "a list is sorted by one kind of value, this one has {} and {}",
            named(list.first().unwrap_or(&Dynamic::UNIT)),
            named(other)
        );
        return Err(active::failed(Error::new(Code::Script, message), context.call_position()));
    }
    if matches!(first, "list" | "map" | "function" | "other value") {
        let message = format!("a list of values of the kind {first} has no order of its own");
        let help = "a function says the order, as in `list.sort(|a, b| a.n - b.n)`; maps are sorted by a field with `rows::sort_by(list, \"n\")`";
        return Err(active::failed(Error::new(Code::Script, message).with_help(help), context.call_position()));
    }
    list.sort_by(|one, other| {
        let order = compare::natural(one, other);
        if descending { order.reverse() } else { order }
    });
    if first == "text" {
        let texts: Vec<_> = list.iter().filter_map(|value| value.as_immutable_string_ref().ok()).collect();
        let fix = "make numbers of them first: `list.map(|x| parse_float(x)).sort()`";
        if let Some(error) = compare::numbers_in_order(texts.iter().map(|text| text.as_str()), fix) {
            return Err(active::failed(error, context.call_position()));
        }
    }
    Ok(list.clone())
}

/// Leaves out each value that equals the one before it.
fn deduped(context: &NativeCallContext<'_>, list: &Array) -> RhaiResult<Array> {
    let mut kept = Array::new();
    for value in list {
        let (mut one, mut other) = (kept.last().cloned().unwrap_or(Dynamic::UNIT), value.clone());
        let equal = !kept.is_empty()
            && context.call_native_fn_raw("==", true, &mut [&mut one, &mut other])?.as_bool().unwrap_or(false);
        if !equal {
            kept.push(value.clone());
        }
    }
    Ok(kept)
}

fn joined(context: &NativeCallContext<'_>, list: &Array, between: &str) -> RhaiResult<String> {
    let mut text = String::new();
    for (number, value) in list.iter().enumerate() {
        if number > 0 {
            text.push_str(between);
        }
        match value.as_immutable_string_ref() {
            Ok(part) => text.push_str(&part),
            Err(_) => {
                let part = context.call_native_fn_raw("to_string", true, &mut [&mut value.clone()])?;
                text.push_str(&part.into_string().unwrap_or_default());
            }
        }
    }
    Ok(text)
}

/// Ends the script with success. A number other than 0, or a text, is an error: other languages fail with it.
fn exit(context: &NativeCallContext<'_>, value: Dynamic) -> RhaiResult<()> {
    match kind(&value) {
        "nothing" => {}
        "int" if value.as_int() == Ok(0) => return Err(EvalAltResult::Exit(Dynamic::UNIT, Position::NONE).into()),
        "list" | "map" | "bytes" => {}
        _ => {
            let error = Error::new(Code::Script, format!("the script ended with `exit`, and {}", named(&value)));
            let help = "a script fails with `throw \"why\"`; it ends with a value by `return value`, and without one by `exit()`";
            return Err(active::failed(error.with_help(help), context.call_position()));
        }
    }
    Err(EvalAltResult::Exit(value, Position::NONE).into())
}
