//! What an error of Rhai means to whoever reads the report.

use rex_core::nearest::did_you_mean;
use rex_core::{Code, Error};
use rex_sdk::Operation;
use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};

use crate::active::{self, Active};
use crate::pure::DOCS;
use crate::report::Failure;

/// A failure at a place of the script.
pub(crate) fn at(error: Error, position: Position) -> Failure {
    let column = position.position().and_then(|column| u32::try_from(column).ok());
    Failure { error, line: active::line(position), column }
}

/// A script that does not compile.
pub(crate) fn of_parsing(error: &ParseError, operations: &[&dyn Operation]) -> Failure {
    let code = match *error.0 {
        ParseErrorType::ExprTooDeep | ParseErrorType::TooManyFunctions => Code::LimitExceeded,
        _ => Code::Script,
    };
    let help = match &*error.0 {
        ParseErrorType::ModuleUndefined(name) => {
            let functions =
                operations.iter().map(|operation| operation.spec().name).chain(pure().map(|(name, _)| name));
            did_you_mean(name, functions.filter_map(|name| name.split("::").next()))
        }
        _ => None,
    };
    at(Error { help, ..Error::new(code, lower(&error.0.to_string())) }, error.1)
}

/// A run that failed.
pub(crate) fn of_running(error: EvalAltResult, active: &Active, operations: &[&dyn Operation]) -> Failure {
    let position = innermost(&error);
    if let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
        return of_running(*inner, active, operations);
    }
    let EvalAltResult::ErrorRuntime(thrown, _) = error else {
        let help = advice(&error, operations);
        return at(Error { help, ..Error::new(code_of(&error), lower(&without_position(&error))) }, position);
    };
    let Some(map) = thrown.clone().try_cast::<rhai::Map>() else {
        return at(Error::new(Code::Script, short(thrown.to_string())), position);
    };
    // Only what the gate or an operation said keeps its code: a script cannot make one up.
    if let Some((error, line)) = active.raised(&map) {
        let failure = at(error, position);
        // Passed on with `throw`, it is still about the line where it came up.
        return match line {
            Some(_) if line != failure.line => Failure { line, column: None, ..failure },
            _ => failure,
        };
    }
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok()).map(short);
    let mut error = Error::new(Code::Script, text("message").unwrap_or_else(|| short(thrown.to_string())));
    error.help = text("help");
    at(error, position)
}

/// The names of the pure functions, each with a signature.
fn pure() -> impl Iterator<Item = (&'static str, &'static str)> {
    DOCS.iter().filter_map(|(signature, _)| Some((signature.split('(').next()?, *signature)))
}

/// What was meant by a name that is not there, or how the function is called whose arguments are not of its kinds.
fn advice(error: &EvalAltResult, operations: &[&dyn Operation]) -> Option<String> {
    let EvalAltResult::ErrorFunctionNotFound(signature, _) = error else { return None };
    let name = signature.split(" (").next()?;
    let specs = || operations.iter().map(|operation| operation.spec());
    let calls: Vec<_> = pure().filter(|(known, _)| *known == name).map(|(_, call)| format!("`{call}`")).collect();
    if !calls.is_empty() {
        return Some(format!("it is called as {}", calls.join(", ")));
    }
    if let Some(spec) = specs().find(|spec| spec.name == name || spec.aliases.contains(&name)) {
        return Some(format!("it is called as `{spec}`"));
    }
    if let Some(spec) = specs().find(|spec| spec.verb() == name) {
        return Some(format!("did you mean `{}`?", spec.name));
    }
    let names = specs().flat_map(|spec| [spec.name].into_iter().chain(spec.aliases.iter().copied()));
    did_you_mean(name, names.chain(pure().map(|(name, _)| name)))
}

fn innermost(error: &EvalAltResult) -> Position {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, position) => match innermost(inner) {
            Position::NONE => *position,
            inner => inner,
        },
        other => other.position(),
    }
}

/// The message without the place that Rhai puts behind it: a failure has fields for that.
fn without_position(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let place = format!(" ({})", error.position());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}

/// What came from a script, as far as a message goes.
fn short(mut text: String) -> String {
    const BYTES: usize = 4096;
    if text.len() > BYTES {
        text.truncate(text.floor_char_boundary(BYTES));
        text.push('…');
    }
    text
}

/// Messages start in lower case.
fn lower(message: &str) -> String {
    let mut chars = message.chars();
    short(chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect()))
}

/// The code of a failure that Rhai itself found.
fn code_of(error: &EvalAltResult) -> Code {
    match error {
        EvalAltResult::ErrorStackOverflow(_)
        | EvalAltResult::ErrorTooManyOperations(_)
        | EvalAltResult::ErrorDataTooLarge(..)
        | EvalAltResult::ErrorTooManyVariables(_) => Code::LimitExceeded,
        EvalAltResult::ErrorSystem(..) | EvalAltResult::ErrorTerminated(..) => Code::Internal,
        _ => Code::Script,
    }
}
