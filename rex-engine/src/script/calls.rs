//! Checks of a script's calls: that the function exists, and that it takes these arguments.

use std::collections::{BTreeMap, BTreeSet};

use rex_core::nearest::did_you_mean;
use rex_core::{Code, Error};
use rex_sdk::{Args, Literal, OpSpec, ParamForm};
use rhai::{Expr, FnCallExpr, FnPtr, Position};

use super::habits;
use super::names::{FunctionNames, list, quoted};
use crate::convert::to_value;
use crate::pure;
use crate::values::comparer_error;

/// The functions that a script can call.
pub(crate) struct CallableFunctions<'a> {
    pub(crate) names: &'a FunctionNames,
    /// The functions of the script, with the numbers of their parameters.
    pub(crate) own: &'a BTreeMap<String, BTreeSet<usize>>,
    /// Names of variables and fields that may hold functions.
    pub(crate) held: &'a BTreeSet<String>,
}

type CallMistakes = Vec<(Position, Error)>;

impl CallableFunctions<'_> {
    /// Checks a call that is not a method; returns the full name for the plain name of an operation.
    pub(crate) fn function(&self, call: &FnCallExpr) -> Result<Option<&'static str>, CallMistakes> {
        let (name, count) = (call.name.as_str(), call.args.len());
        if !call.namespace.is_empty() {
            return self.qualified(call, &call.namespace.to_string()).map(|()| None);
        }
        if let Some(counts) = self.own.get(name) {
            return self.counted(name, counts, count, "").map(|()| None);
        }
        if name.starts_with("anon$") {
            return Ok(None);
        }
        if let Some(spec) = self.names.alias(name) {
            return arguments(spec, &call.args).map(|()| Some(spec.name));
        }
        match self.names.plain(name) {
            Some(counts) => self.counted(name, &counts, count, "").map(|()| None),
            None => Err(vec![(Position::NONE, self.unknown(name))]),
        }
    }

    /// Checks the name and the number of arguments of a method.
    pub(crate) fn method(&self, call: &FnCallExpr) -> Option<Error> {
        let (name, count) = (call.name.as_str(), call.args.len());
        let of_language = self.names.plain(name).is_some_and(|counts| counts.contains(&(count + 1)));
        if of_language && self.own.get(name).is_some_and(|counts| counts.contains(&count)) {
            let message = format!("`{name}` is a method of the language, and a function of this script");
            return Some(Error::new(Code::Script, message).with_help("give the function another name"));
        }
        if self.own.get(name).is_some_and(|counts| counts.contains(&count) || counts.contains(&(count + 1)))
            || self.held.contains(name)
        {
            return None;
        }
        if let ("sort" | "sort_by" | "order" | "order_by", [function]) = (name, call.args.as_slice())
            && !self.compares(function)
        {
            return Some(comparer_error());
        }
        let Some(counts) = self.names.plain(name) else {
            let called = self.names.alias(name).map(|spec| format!("`{name}` is a function, not a method: `{spec}`"));
            let error = Error::new(Code::Script, format!("there is no method {}", quoted(name)));
            let own: Vec<_> = self.own.keys().map(String::as_str).collect();
            return Some(Error { help: called.or_else(|| self.names.method(name, &own)), ..error });
        };
        let counts: BTreeSet<_> = counts.iter().filter_map(|count| count.checked_sub(1)).collect();
        (!counts.is_empty() && !counts.contains(&count)).then(|| wrong_count(name, &counts, count, " after the dot"))
    }

    /// Returns whether an expression may be a function of two values. The number of parameters of a closure is known.
    fn compares(&self, function: &Expr) -> bool {
        match function {
            Expr::DynamicConstant(value, _) => value.read_lock::<FnPtr>().is_none_or(|function| {
                self.own.get(function.fn_name()).is_none_or(|counts| counts.contains(&(2 + function.curry().len())))
            }),
            Expr::FnCall(call, _) if call.name == "curry" => match call.args.split_first() {
                Some((Expr::DynamicConstant(value, _), kept)) => value.read_lock::<FnPtr>().is_none_or(|function| {
                    self.own.get(function.fn_name()).is_none_or(|counts| counts.contains(&(2 + kept.len())))
                }),
                _ => true,
            },
            Expr::StringConstant(..) | Expr::IntegerConstant(..) | Expr::BoolConstant(..) => false,
            _ => true,
        }
    }

    fn qualified(&self, call: &FnCallExpr, namespace: &str) -> Result<(), CallMistakes> {
        let (name, count) = (call.name.as_str(), call.args.len());
        let full = format!("{namespace}::{name}");
        if let Some(spec) = self.names.operation(&full) {
            return arguments(spec, &call.args);
        }
        let Some(functions) = self.names.module(namespace) else {
            return Err(vec![(Position::NONE, self.names.no_namespace(namespace))]);
        };
        let Some(counts) = functions.get(name) else {
            let error = Error::new(Code::Script, format!("there is no function {}", quoted(&full)));
            return Err(vec![(Position::NONE, Error { help: self.names.within(namespace, name), ..error })]);
        };
        if counts.contains(&count) {
            let texts = call.args.iter().zip(self.names.parameters(&full, count));
            let wrong = texts.filter_map(|(arg, parameter)| match arg {
                Expr::StringConstant(text, position) => {
                    pure::wrong(namespace, parameter, text).map(|error| (*position, error))
                }
                _ => None,
            });
            let wrong: Vec<_> = wrong.collect();
            return if wrong.is_empty() { Ok(()) } else { Err(wrong) };
        }
        let error = wrong_count(&full, counts, count, "");
        Err(vec![(Position::NONE, Error { help: self.names.calls(namespace, name), ..error })])
    }

    fn counted(&self, name: &str, counts: &BTreeSet<usize>, count: usize, place: &str) -> Result<(), CallMistakes> {
        if counts.is_empty() || counts.contains(&count) {
            return Ok(());
        }
        Err(vec![(Position::NONE, wrong_count(name, counts, count, place))])
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::new(Code::Script, format!("there is no function {}", quoted(name)));
        if self.held.contains(name) {
            return error
                .with_help(format!("a variable that holds a function is called with `call`: `{name}.call(..)`"));
        }
        if self.names.module(name).is_some() {
            return error.with_help(format!("`{name}` is a namespace: `{name}::..(..)`"));
        }
        let own: Vec<_> = self.own.keys().map(String::as_str).collect();
        Error { help: self.names.meant(name, &own), ..error }
    }
}

fn wrong_count(name: &str, counts: &BTreeSet<usize>, count: usize, place: &str) -> Error {
    let taken: Vec<_> = counts.iter().map(usize::to_string).collect();
    let plural = if counts.iter().eq([&1]) { "argument" } else { "arguments" };
    let message = format!("{} takes {} {plural}{place}, got {count}", quoted(name), taken.join(" or "));
    let error = Error::new(Code::Script, message);
    Error { help: habits::advice(name).map(str::to_owned), ..error }
}

/// Checks the arguments of an operation as far as they are literals.
fn arguments(spec: &'static OpSpec, args: &[Expr]) -> Result<(), CallMistakes> {
    let required: Vec<_> = spec.required().collect();
    let has_options = spec.options().next().is_some();
    let options = args.get(required.len());
    let is_other = |arg: &Expr| arg.get_literal_value(None).is_some_and(|value| !value.is_map());
    let mut most = required.len() + usize::from(has_options || options.is_some_and(is_map));
    if args.len() == most && options.is_some_and(is_other) {
        most = required.len();
    }
    if args.len() < required.len() || args.len() > most {
        let plural = if required.len() == 1 { "argument" } else { "arguments" };
        let message = format!("`{}` takes {} {plural}, got {}", spec.name, required.len(), args.len());
        let error = Error::validation(message).with_help(format!("call it as `{spec}`"));
        return Err(vec![(Position::NONE, error)]);
    }
    let mut mistakes = Vec::new();
    for (param, arg) in required.iter().zip(args) {
        check(spec, param, arg, &mut mistakes);
        if let (ParamForm::Pattern(option, when), Expr::StringConstant(text, position)) = (param.form, arg)
            && flag(spec, options, option) == Some(when)
        {
            mistakes.extend(pure::wrong("regex", "pattern", text).map(|error| (*position, error)));
        }
    }
    if let Some(Expr::Map(entries, _)) = options {
        for (key, value) in &entries.0 {
            match spec.options().find(|param| param.name == key.name.as_str()) {
                Some(param) => check(spec, param, value, &mut mistakes),
                None => mistakes.push((key.pos, unknown_option(spec, &key.name))),
            }
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// Returns the value of a boolean option, if it is known.
fn flag(spec: &OpSpec, options: Option<&Expr>, name: &str) -> Option<bool> {
    let given = match options {
        None => None,
        Some(Expr::Map(entries, _)) => entries.0.iter().find(|(key, _)| key.name == name).map(|(_, value)| value),
        Some(_) => return None,
    };
    match given {
        Some(Expr::BoolConstant(value, _)) => Some(*value),
        Some(_) => None,
        None => spec.options().find(|param| param.name == name).map(|param| param.default == Some(Literal::Bool(true))),
    }
}

fn is_map(arg: &Expr) -> bool {
    matches!(arg, Expr::Map(..))
}

fn check(spec: &OpSpec, param: &rex_sdk::Param, arg: &Expr, mistakes: &mut CallMistakes) {
    let value = arg.get_literal_value(None).and_then(|value| to_value(value, u64::MAX).ok());
    if let Some(Err(error)) = value.map(|value| Args::check(spec, param, &value)) {
        mistakes.push((arg.start_position(), error));
    }
}

fn unknown_option(spec: &OpSpec, name: &str) -> Error {
    let known: Vec<_> = spec.options().map(|param| param.name).collect();
    let taken = if known.is_empty() {
        "it takes no options".to_owned()
    } else {
        format!("it takes {}", list(known.iter().copied()))
    };
    let help = did_you_mean(name, known).unwrap_or(taken);
    Error::validation(format!("`{}` has no option {}", spec.name, quoted(name))).with_help(help)
}
