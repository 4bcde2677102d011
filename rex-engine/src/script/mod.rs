//! A script before it runs: compiled, checked, and put into the form in which it is run.
//!
//! Rhai finds an unknown function, a wrong number of arguments or a misspelled option when it gets to it. By then half of the work may
//! be done. So every script is checked first, and everything that cannot work is reported at once. Some forms of Rhai are easily
//! mistaken (a method that changes its receiver where a copy was meant, a caught error with other fields): small edits of the text
//! replace them, after which the script is compiled again; places in errors are those of the original.

mod calls;
mod check;
mod copies;
mod edits;
mod fields;
pub(crate) mod foreign;
pub(crate) mod habits;
mod literal;
mod lost_values;
mod meant;
mod names;
mod parts;
mod result_uses;
mod scan;
mod slips;

use std::collections::{BTreeMap, HashMap};

use rex_core::nearest::did_you_mean;
use rex_core::{Error, Value};
use rex_sdk::OpSpec;
use rhai::{AST, Scope, Token};

pub(crate) use check::{ASKED, CAUGHT, DIVIDED, JOINED, SLIPPED, SUBTRACTED, SWITCHED};
pub(crate) use fields::ValueRoot;
pub(crate) use names::FunctionNames;
use scan::ScriptPlace;

use crate::report::Failure;

/// A script that can run.
pub(crate) struct CheckedScript {
    pub(crate) ast: AST,
    pub(crate) warnings: Vec<Failure>,
    pub(crate) info: ErrorContext,
}

/// The information that explains errors of a script.
#[derive(Default)]
pub(crate) struct ErrorContext {
    edits: edits::ScriptEdits,
    roots: HashMap<ScriptPlace, ValueRoot>,
    heed: result_uses::ResultUses,
    operations: BTreeMap<&'static str, &'static OpSpec>,
}

/// A script that is not run: it does not parse, or it has mistakes.
#[cfg_attr(test, derive(Debug))]
pub(crate) enum RefusedScript {
    Parse(rhai::ParseError),
    /// At least one mistake, in the order of their places.
    Mistakes(Vec<Failure>),
}

thread_local! {
    /// Words that are used as names, by place, in the script that this thread compiles.
    static NAMES: std::cell::RefCell<HashMap<ScriptPlace, String>> = std::cell::RefCell::default();
}

/// Makes an engine take words of the language for names where they can be nothing else.
pub(crate) fn take_words_as_names(engine: &mut rhai::Engine) {
    #[expect(deprecated, reason = "the callback is not deprecated: Rhai marks it so because it may change")]
    engine.on_parse_token(|token, position, _| {
        let name = NAMES.with_borrow(|names| names.get(&check::place(position)).cloned());
        match name {
            Some(name) => Token::Identifier(Box::new(name.as_str().into())),
            None => token,
        }
    });
}

impl CheckedScript {
    /// Compiles and checks a script. `args` are the names of its arguments, if those are known.
    pub(crate) fn new(
        engine: &rhai::Engine,
        names: &FunctionNames,
        text: &str,
        scope: &Scope<'_>,
        args: Option<&[String]>,
    ) -> Result<Self, RefusedScript> {
        let scan = scan::scan(text);
        let ast = compile(engine, text, scope, scan.names.clone()).map_err(RefusedScript::Parse)?;
        let look = check::ScriptCheck::new(&ast, &scan, names, args);
        let mut look = look;
        for (place, error) in literal::failures(engine, names, &ast) {
            look.mistake(place, error);
        }
        if !look.mistakes.is_empty() {
            return Err(RefusedScript::Mistakes(look.mistakes.into_values().collect()));
        }
        let ast = if look.edits.is_empty() {
            ast
        } else {
            let text = look.edits.apply(text);
            let words = scan::scan(&text).names;
            compile(engine, &text, scope, words).map_err(RefusedScript::Parse)?
        };
        let info = ErrorContext { edits: look.edits, roots: look.roots, heed: look.heed, operations: look.operations };
        Ok(Self { ast, warnings: look.warnings.into_values().collect(), info })
    }
}

fn compile(
    engine: &rhai::Engine,
    text: &str,
    scope: &Scope<'_>,
    words: HashMap<ScriptPlace, String>,
) -> Result<AST, rhai::ParseError> {
    NAMES.set(words);
    let ast = engine.compile_with_scope(scope, text);
    NAMES.take();
    ast
}

impl ErrorContext {
    /// Returns a failure with its place in the original script.
    pub(crate) fn placed(&self, failure: Failure) -> Failure {
        match (failure.line, failure.column) {
            (Some(line), Some(column)) => {
                let place = (line, column);
                let column = self.edits.original(place).1;
                Failure { column: Some(column), error: self.as_written(failure.error, place), ..failure }
            }
            _ => failure,
        }
    }

    /// Returns the warning for a result that reports a failure, if the script ignores that.
    pub(crate) fn unheeded(&self, operation: &str, position: rhai::Position, answer: &Value) -> Option<Failure> {
        // No other result reports a failure, and this runs for each call.
        if !matches!(answer, Value::Bool(false) | Value::Map(_)) {
            return None;
        }
        let place = self.edits.original(check::place(position));
        self.heed.unheeded(operation, place, answer).map(|error| check::failure(place, error))
    }

    /// Returns the warning for a caught error that the script ignores, if a mistake of the script caused it: not a missing value, and not
    /// an invalid number. Errors of Rex's own functions have no kind.
    pub(crate) fn slipped(&self, kind: &str, error: Error, place: ScriptPlace) -> Option<Failure> {
        let place = self.edits.original(place);
        let is_slip = match kind {
            "ErrorPropertyNotFound" => matches!(self.roots.get(&place), Some(ValueRoot::Result(..))),
            "" | "ErrorFunctionNotFound" | "ErrorMismatchDataType" | "ErrorDotExpr" | "ErrorIndexingType" => true,
            _ => false,
        };
        let message = format!("`catch` hides a mistake of the script: {}", error.message);
        is_slip.then(|| check::failure(place, Error { message, ..error }))
    }

    /// Names the method that the script has at the place of an error, and not the one that is called for it.
    pub(crate) fn as_written(&self, mut error: Error, place: ScriptPlace) -> Error {
        if let Some((written, copy)) = self.edits.at(self.edits.original(place)).and_then(check::in_place) {
            let (from, to) = (format!("`{copy}"), format!("`{written}"));
            error.message = error.message.replace(&from, &to);
            error.help = error.help.map(|help| help.replace(&from, &to));
        }
        error
    }

    /// Returns a message that a map lacks a field, and advice. `args` are the names of the script's arguments.
    pub(crate) fn missing(
        &self,
        name: &str,
        line: Option<u32>,
        column: Option<u32>,
        args: &[String],
    ) -> (String, String) {
        let place = (line.unwrap_or(0), column.unwrap_or(0));
        let place = self.edits.original(place);
        let quoted = names::quoted(name);
        let quoted = quoted.trim_matches('`');
        match self.roots.get(&place).and_then(|root| root.lacks(name, args)) {
            Some(lack) => lack,
            None => {
                let fields = fields::all_fields(&self.operations);
                let meant = did_you_mean(name, fields.iter().chain(args).map(String::as_str));
                let asks = format!(
                    "`\"{quoted}\" in m` asks whether a map `m` has it, `m.get(\"{quoted}\", default)` takes a default, `m?.{quoted}` yields `()`"
                );
                let help = meant.map_or(asks.clone(), |meant| format!("{meant} {asks}"));
                (format!("the map has no field `{quoted}`"), help)
            }
        }
    }
}
