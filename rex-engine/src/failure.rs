//! Failures in the report for errors of Rhai.

use rex_core::{Code, Error};
use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};

use crate::active::{self, ActiveRun};
use crate::report::Failure;
use crate::script::{FunctionNames, RefusedScript, foreign, habits};

/// Returns a failure at a place of the script.
pub(crate) fn at(error: Error, position: Position) -> Failure {
    let column = position.position().and_then(|column| u32::try_from(column).ok());
    Failure { line: active::line(position), column, ..Failure::new(error) }
}

/// Returns the failure of a script that is not run.
pub(crate) fn of_refusing(refused: RefusedScript, script: &str, names: &FunctionNames) -> Failure {
    match refused {
        RefusedScript::Parse(error) => of_parsing(&error, script, names),
        RefusedScript::Mistakes(mistakes) => {
            let mut mistakes = mistakes.into_iter();
            let first =
                mistakes.next().unwrap_or_else(|| Failure::new(Error::new(Code::Script, "the script has mistakes")));
            Failure { more: mistakes.collect(), ..first }
        }
    }
}

/// Returns the failure of a script that does not compile.
fn of_parsing(error: &ParseError, script: &str, names: &FunctionNames) -> Failure {
    let code = match *error.0 {
        ParseErrorType::ExprTooDeep | ParseErrorType::TooManyFunctions => Code::LimitExceeded,
        _ => Code::Script,
    };
    let error_of = match &*error.0 {
        ParseErrorType::ModuleUndefined(name) => names.no_namespace(name),
        other => {
            let message = lower(&other.to_string());
            let help = foreign::advice(&message, script, error.1, names);
            Error { help, ..Error::new(code, message) }
        }
    };
    at(error_of, error.1)
}

/// Returns the failure of a run.
pub(crate) fn of_running(error: EvalAltResult, active: &ActiveRun) -> Failure {
    let position = innermost(&error);
    if let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
        return of_running(*inner, active);
    }
    let place = |failure: Failure| match active.script() {
        Some((info, _)) => info.placed(failure),
        None => failure,
    };
    let EvalAltResult::ErrorRuntime(thrown, _) = error else {
        let kind = format!("{error:?}");
        let kind = kind.split('(').next().unwrap_or_default();
        let subject = match &error {
            EvalAltResult::ErrorPropertyNotFound(name, _) | EvalAltResult::ErrorFunctionNotFound(name, _) => {
                Some(name.as_str())
            }
            _ => None,
        };
        let Failure { line, column, .. } = at(Error::new(Code::Script, ""), position);
        let error = explained(kind, subject, &without_position(&error), (line, column), active);
        return place(at(error, position));
    };
    let Some(map) = thrown.clone().try_cast::<rhai::Map>() else {
        return place(at(Error::new(Code::Script, short(thrown.to_string())), position));
    };
    // Only an error of the gate or of an operation keeps its code: a script cannot make one up.
    if let Some((error, line)) = active.raised(&map) {
        let failure = place(at(error, position));
        // If rethrown with `throw`, it is still about the line where it first occurred.
        return match line {
            Some(_) if line != failure.line => Failure { line, column: None, ..failure },
            _ => failure,
        };
    }
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok()).map(short);
    let mut error = Error::new(Code::Script, text("message").unwrap_or_else(|| short(thrown.to_string())));
    error.help = text("help");
    place(at(error, position))
}

/// Returns the error for a failure that Rhai itself found: its kind, the name that it is about if any, its place if known.
pub(crate) fn explained(
    kind: &str,
    subject: Option<&str>,
    message: &str,
    (line, column): (Option<u32>, Option<u32>),
    active: &ActiveRun,
) -> Error {
    let error = Error::new(code_of(kind), lower(message));
    match (kind, subject, active.script()) {
        ("ErrorPropertyNotFound", Some(name), Some((info, args))) => {
            let (message, help) = info.missing(name, line, column, args);
            Error::new(Code::Script, message).with_help(help)
        }
        ("ErrorDotExpr", ..) if message.contains("getter is not registered") => {
            // Unknown property 'name' - a getter is not registered for type 'array'
            let quoted: Vec<_> = message.split('\'').skip(1).step_by(2).collect();
            let (name, kind) = (quoted.first().copied().unwrap_or(""), quoted.last().copied().unwrap_or(""));
            let help = match habits::advice(name) {
                Some(advice) => advice.to_owned(),
                None if kind == "array" => {
                    format!("each of its entries may have one: `list[0].{name}`, `list.map(|x| x.{name})`")
                }
                None => "maps have fields: `type_of(x)` tells what a value is".to_owned(),
            };
            Error::new(Code::Script, format!("{} has no field `{name}`", a_value(kind))).with_help(help)
        }
        ("ErrorIndexingType", ..) => {
            let help = "a list is indexed by a number: `list[0]`, `list[-1]`; parts of it are `list.extract(start, length)`, those of a text `text.sub_string(start, length)`";
            Error::new(Code::Script, "this value has no such index").with_help(help)
        }
        ("ErrorFunctionNotFound", Some(signature), _) => {
            Error { message: not_taken(signature), help: advice(signature, &active.names), ..error }
        }
        ("ErrorMismatchDataType", ..) if message.contains("Range") => {
            let help =
                "parts of a list are `list.extract(start, length)`, those of a text `text.sub_string(start, length)`";
            Error::new(Code::Script, "a list or a text is not indexed by a range").with_help(help)
        }
        ("ErrorFor", ..) if message.contains("map") => {
            error.with_help("`for key in m.keys() { let value = m[key]; .. }` goes over a map")
        }
        ("ErrorFor", ..) => error.with_help(
            "`for` goes over a list, a range such as `0..3`, the lines of a file, or the characters of a text",
        ),
        ("ErrorArithmetic", ..) if message.contains("number '") => {
            error.with_help("`text.replaced(\",\", \"\")` takes other signs out, `text.trimmed()` blanks; `parse_float` reads a number with a point")
        }
        ("ErrorDataRace", ..) => {
            let help = "a closure uses the variable that the method is called on: take the first part out of it, as in `let keys = m.keys(); keys.map(|key| m[key])`";
            error.with_help(help)
        }
        ("ErrorStackOverflow", ..) => {
            let limit = active.run.limits().call_depth;
            let message = format!("functions of the script call each other more than {limit} deep");
            Error::new(code_of(kind), message)
                .with_help("a loop needs no depth; the limit is raised with `--limit call_depth=N`")
        }
        _ => error,
    }
}

/// Returns the words for a value of a kind, by Rhai's name of the kind.
fn a_value(kind: &str) -> String {
    match kind {
        "()" => "nothing (`()`)".to_owned(),
        "i64" => "an int".to_owned(),
        "f64" => "a float".to_owned(),
        "char" | "string" => "a text".to_owned(),
        "array" | "lines" => "a list".to_owned(),
        "blob" => "bytes".to_owned(),
        "Fn" => "a function".to_owned(),
        text if text.contains("ImmutableString") => "a text".to_owned(),
        other => format!("a {other}"),
    }
}

/// Returns the message for a call that no function takes, by its name and Rhai's kinds of its arguments: `sort (i64)`.
pub(crate) fn not_taken(signature: &str) -> String {
    let (name, kinds) = signature.split_once(" (").unwrap_or((signature, ""));
    let kinds = kinds.strip_suffix(')').unwrap_or(kinds);
    let all: Vec<_> = kinds.split(", ").filter(|kind| !kind.is_empty()).map(a_value).collect();
    match all.split_last() {
        None => format!("there is no function `{name}` without arguments"),
        Some((last, [])) => format!("`{name}` does not take {last}"),
        Some((last, before)) => format!("`{name}` does not take {} and {last}", before.join(", ")),
    }
}

/// Suggests the function that was meant by an unknown name, or the correct call of one whose arguments have the wrong kinds.
fn advice(signature: &str, names: &FunctionNames) -> Option<String> {
    let (name, kinds) = signature.split_once(" (").unwrap_or((signature, ""));
    if kinds.trim_end_matches(')').split(", ").any(|kind| kind == "lines") {
        let help = "`fs::lines(path)` is read line by line: `fs::read(path)` is the whole text, `fs::lines(path).to_array()` a list of all lines";
        return Some(help.to_owned());
    }
    if kinds.trim_end_matches(')').split(", ").any(|kind| kind == "()") && names.plain(name).is_some() {
        let help =
            "`()` is no value, as for a missing one: test for it with `x == ()`, or take a default with `x ?? 0`";
        return Some(help.to_owned());
    }
    match name.rsplit_once("::") {
        Some((namespace, function)) => {
            let whole = if kinds.contains("f64") { "; `x.to_int()` makes an int of a float" } else { "" };
            let calls = names.calls(namespace, function).map(|calls| calls + whole);
            calls.or_else(|| names.within(namespace, function))
        }
        None if names.plain(name).is_some() => {
            Some(habits::advice(name).unwrap_or("`type_of(x)` tells what a value is").to_owned())
        }
        None => names.meant(name, &[]),
    }
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

/// Returns the message without the place that Rhai appends: a failure has fields for that.
fn without_position(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let place = format!(" ({})", error.position());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}

/// Cuts a text from a script to at most 4 KiB, for a message.
fn short(mut text: String) -> String {
    const BYTES: usize = 4096;
    if text.len() > BYTES {
        text.truncate(text.floor_char_boundary(BYTES));
        text.push('…');
    }
    text
}

/// Returns a message with its first letter in lower case, cut by [`short`].
fn lower(message: &str) -> String {
    let mut chars = message.chars();
    short(chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect()))
}

/// Returns the code of a failure that Rhai itself found.
fn code_of(kind: &str) -> Code {
    match kind {
        "ErrorStackOverflow" | "ErrorTooManyOperations" | "ErrorDataTooLarge" | "ErrorTooManyVariables" => {
            Code::LimitExceeded
        }
        "ErrorSystem" | "ErrorTerminated" => Code::Internal,
        _ => Code::Script,
    }
}
