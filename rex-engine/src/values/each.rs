//! Calls of a script's function for each value of a list, and the methods of lists and maps that take a predicate. Rhai takes
//! any result that is not `true` for a no, so that `list.filter(|x| x.name)` is empty.

use rex_core::{Code, Error};
use rhai::{Array, Dynamic, EvalAltResult, FnPtr, FuncRegistration, INT, Map, Module, NativeCallContext};

use super::{RhaiResult, kind, named};
use crate::active;

/// A function to call with each value as its argument and as `this`; with the index as well, or with neither, if it takes that.
pub(super) struct EachCall<'a> {
    function: &'a FnPtr,
    context: &'a NativeCallContext<'a>,
    /// The number of arguments that the function takes, known after the first call.
    takes: Option<usize>,
    number: INT,
}

impl<'a> EachCall<'a> {
    pub(super) fn new(function: &'a FnPtr, context: &'a NativeCallContext<'a>) -> Self {
        Self { function, context, takes: None, number: 0 }
    }

    pub(super) fn call(&mut self, value: &mut Dynamic) -> RhaiResult<Dynamic> {
        let number = self.number;
        self.number += 1;
        let known = self.takes.map(|takes| [takes]);
        for &takes in known.as_ref().map_or(&[1, 2, 0][..], |known| known) {
            let mut args: Array = [value.clone(), number.into()].into_iter().take(takes).collect();
            match self.function.call_raw(self.context, Some(&mut *value), &mut args) {
                Err(error) if self.takes.is_none() && takes != 0 && self.is_other(&error) => {}
                result => {
                    self.takes = Some(takes);
                    return result;
                }
            }
        }
        Ok(Dynamic::UNIT)
    }

    /// Returns whether an error says that the function takes another number of arguments.
    fn is_other(&self, error: &EvalAltResult) -> bool {
        matches!(error, EvalAltResult::ErrorFunctionNotFound(name, _) if name.starts_with(self.function.fn_name()))
    }

    /// Returns whether the function returns `true` for a value; a result that is not a boolean is an error.
    pub(super) fn holds(&mut self, value: &mut Dynamic) -> RhaiResult<bool> {
        let answer = self.call(value)?;
        yes(self.context, &answer)
    }
}

fn yes(context: &NativeCallContext<'_>, answer: &Dynamic) -> RhaiResult<bool> {
    answer.as_bool().map_err(|_| {
        let message = format!(
            "the function of `{}` says `true` or `false`, this one returned {}",
            context.fn_name(),
            named(answer)
        );
        let help = match kind(answer) {
            "nothing" => {
                "an `if` without an `else` returns nothing: each way through the function ends with `true` or `false`"
            }
            "text" => "compare it, as in `|x| x != \"\"` or `|x| x.contains(\"error\")`",
            "int" | "float" => "compare it, as in `|x| x != 0`",
            _ => "compare it, as in `|x| x.name == \"nginx\"`",
        };
        active::failed(Error::new(Code::Script, message).with_help(help), context.call_position())
    })
}

/// Returns the index of the first value, from `start` on, for which a function holds.
fn position(
    context: &NativeCallContext<'_>,
    list: &mut Array,
    function: &FnPtr,
    start: INT,
) -> RhaiResult<Option<usize>> {
    let first = match start {
        ..0 => list.len().saturating_sub(usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX)),
        _ => usize::try_from(start).unwrap_or(usize::MAX),
    };
    let mut each = EachCall::new(function, context);
    each.number = INT::try_from(first).unwrap_or(INT::MAX);
    for (index, value) in list.iter_mut().enumerate().skip(first) {
        if each.holds(value)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn index_of(context: &NativeCallContext<'_>, list: &mut Array, function: &FnPtr, start: INT) -> RhaiResult<INT> {
    let index = position(context, list, function, start)?;
    Ok(index.map_or(-1, |index| INT::try_from(index).unwrap_or(INT::MAX)))
}

fn find(context: &NativeCallContext<'_>, list: &mut Array, function: &FnPtr, start: INT) -> RhaiResult<Dynamic> {
    let index = position(context, list, function, start)?;
    Ok(index.and_then(|index| list.get(index).cloned()).unwrap_or(Dynamic::UNIT))
}

/// Splits a list into the values for which a function holds, and the others.
fn parted(context: &NativeCallContext<'_>, list: &mut Array, function: &FnPtr) -> RhaiResult<(Array, Array)> {
    let mut each = EachCall::new(function, context);
    let (mut kept, mut others) = (Array::new(), Array::new());
    for value in list {
        let holds = each.holds(value)?;
        if holds { &mut kept } else { &mut others }.push(value.clone());
    }
    Ok((kept, others))
}

/// Splits a map by a function that takes a key and its value.
pub(super) fn parted_map(context: &NativeCallContext<'_>, map: &Map, function: &FnPtr) -> RhaiResult<(Map, Map)> {
    let (mut kept, mut others) = (Map::new(), Map::new());
    for (key, value) in map {
        let answer = function.call_raw(context, None, [key.as_str().into(), value.clone()])?;
        if yes(context, &answer)? { &mut kept } else { &mut others }.insert(key.clone(), value.clone());
    }
    Ok((kept, others))
}

pub(super) fn register(module: &mut Module) {
    macro_rules! methods {
        (pure: $pure:literal; $($name:literal: |$context:ident, $list:ident: $type:ty $(, $arg:ident: $arg_type:ty)*| $body:expr;)+) => {$(
            FuncRegistration::new($name).with_volatility(true).with_purity($pure).set_into_module(module,
                |$context: NativeCallContext<'_>, $list: &mut $type $(, $arg: $arg_type)*| $body);
        )+};
    }
    methods! { pure: true;
        "filter": |context, list: Array, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            let mut kept = Array::new();
            for value in list {
                if each.holds(value)? {
                    kept.push(value.clone());
                }
            }
            Ok::<_, Box<EvalAltResult>>(kept)
        };
        "some": |context, list: Array, function: FnPtr| position(&context, list, &function, 0).map(|index| index.is_some());
        "all": |context, list: Array, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            for value in list {
                if !each.holds(value)? {
                    return Ok::<_, Box<EvalAltResult>>(false);
                }
            }
            Ok(true)
        };
        "find": |context, list: Array, function: FnPtr| find(&context, list, &function, 0);
        "find": |context, list: Array, function: FnPtr, start: INT| find(&context, list, &function, start);
        "index_of": |context, list: Array, function: FnPtr| index_of(&context, list, &function, 0);
        "index_of": |context, list: Array, function: FnPtr, start: INT| index_of(&context, list, &function, start);
    }
    methods! { pure: false;
        "for_each": |context, list: Array, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            list.iter_mut().try_for_each(|value| each.call(value).map(drop))
        };
        "retain": |context, list: Array, function: FnPtr| {
            let (kept, others) = parted(&context, list, &function)?;
            *list = kept;
            Ok::<_, Box<EvalAltResult>>(others)
        };
        "drain": |context, list: Array, function: FnPtr| {
            let (drained, others) = parted(&context, list, &function)?;
            *list = others;
            Ok::<_, Box<EvalAltResult>>(drained)
        };
        "retain": |context, map: Map, function: FnPtr| {
            let (kept, others) = parted_map(&context, map, &function)?;
            *map = kept;
            Ok::<_, Box<EvalAltResult>>(others)
        };
        "drain": |context, map: Map, function: FnPtr| {
            let (drained, others) = parted_map(&context, map, &function)?;
            *map = others;
            Ok::<_, Box<EvalAltResult>>(drained)
        };
    }
}
