//! Comparisons that never hold, with a word that the value never is; and numbers that are not what was meant.

use std::collections::BTreeSet;

use rex_core::nearest::did_you_mean;
use rex_core::{Code, Error};
use rhai::{AST, ASTNode, Array, Dynamic, Expr, FnCallExpr, ImmutableString, Position, Stmt};

use super::check::place;
use super::fields::ValueRoots;
use super::names::{list, quoted};
use super::parts::ScriptPart;
use super::scan::{ScriptPlace, ScriptScan};

/// The results of `type_of`.
pub(super) const TYPES: &[&str] = &[
    "()",
    "Fn",
    "array",
    "blob",
    "bool",
    "char",
    "f64",
    "i64",
    "lines",
    "map",
    "range",
    "range=",
    "string",
    "timestamp",
];

/// Words of other languages for these types.
const OTHER_TYPES: &[(&str, &str)] = &[
    ("boolean", "bool"),
    ("dict", "map"),
    ("double", "f64"),
    ("float", "f64"),
    ("function", "Fn"),
    ("int", "i64"),
    ("integer", "i64"),
    ("list", "array"),
    ("none", "()"),
    ("null", "()"),
    ("number", "i64` or `f64"),
    ("object", "map"),
    ("str", "string"),
    ("text", "string"),
    ("undefined", "()"),
    ("unit", "()"),
    ("vec", "array"),
];

/// The length of the word `switch`.
const SWITCH: u32 = 6;

fn position_of((line, column): ScriptPlace) -> Position {
    let number = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    Position::new(number(line), number(column))
}

/// Reports comparisons that never hold.
pub(super) fn find(
    parts: &[ScriptPart<'_>],
    roots: &ValueRoots,
    scan: &ScriptScan,
    report: &mut dyn FnMut(Position, Error),
) {
    let (caught, sets_code) = caught(parts);
    for (number, part) in parts.iter().enumerate() {
        let never = |value: &Expr, word: &str| {
            if is_type(value) {
                no_type(word)
            } else if !sets_code && is_code(value, &caught) {
                no_code(word)
            } else if let Some((what, words)) = roots.words(number, value) {
                no_word(&what, words, word)
            } else {
                roots.path(number, value).and_then(|what| no_path(&what, word))
            }
        };
        part.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Stmt(Stmt::Switch(parts, position))) = path.last() {
                let (line, column) = place(*position);
                let cases = scan.switches.iter().filter(|switch| switch.start == (line, column + SWITCH));
                for (at, word) in cases.flat_map(|switch| &switch.texts) {
                    never(&parts.0, word).into_iter().for_each(|error| report(position_of(*at), error));
                }
            }
            let compared = match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => compared(call),
                Some(ASTNode::Expr(Expr::Dot(parts, ..))) => match &parts.rhs {
                    Expr::MethodCall(call, _) if call.name == "contains" => {
                        call.args.first().map_or_else(Vec::new, |value| listed(&parts.lhs, value))
                    }
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            if let Some((word, position)) = path.last().and_then(|node| asked_of_error(node, &caught)) {
                report(position, no_key(&word));
            }
            if let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) = path.last() {
                numbers(call, scan, &|value| roots.field(number, value), report);
                swapped(call, report);
            }
            for (value, word, position) in compared {
                never(value, &word).into_iter().for_each(|error| report(position, error));
            }
            true
        });
    }
}

/// Returns the comparisons with a word in a call: with `==`, `!=` and `in`.
fn compared(call: &FnCallExpr) -> Vec<(&Expr, ImmutableString, Position)> {
    match (call.name.as_str(), call.args.as_slice()) {
        (
            "==" | "!=",
            [value, Expr::StringConstant(word, position)] | [Expr::StringConstant(word, position), value],
        ) => {
            vec![(value, word.clone(), *position)]
        }
        ("contains", [words, value]) => listed(words, value),
        _ => Vec::new(),
    }
}

/// Returns the comparisons of a value with each of a list of words.
fn listed<'a>(words: &Expr, value: &'a Expr) -> Vec<(&'a Expr, ImmutableString, Position)> {
    let position = words.start_position();
    let words = words.get_literal_value(None).and_then(Dynamic::try_cast::<Array>).unwrap_or_default();
    words.into_iter().filter_map(|word| Some((value, word.try_cast()?, position))).collect()
}

/// Reports comparisons of a field with a number in another notation than the field's.
fn numbers(
    call: &FnCallExpr,
    scan: &ScriptScan,
    field: &dyn Fn(&Expr) -> Option<String>,
    report: &mut dyn FnMut(Position, Error),
) {
    let [one, other] = call.args.as_slice() else { return };
    if !["==", "!=", "<", "<=", ">", ">="].contains(&call.name.as_str()) {
        return;
    }
    for (value, literal) in [(one, other), (other, one)] {
        let wrong = match (field(value).as_deref(), literal) {
            (Some("mode"), Expr::IntegerConstant(mode, at))
                if !scan.prefixed.contains(&place(*at))
                    && (100..=7777).contains(mode)
                    && mode.to_string().bytes().all(|digit| digit < b'8') =>
            {
                Some((
                    format!("`mode` is compared with the decimal number {mode}"),
                    format!("octal numbers begin with `0o`: `0o{mode}`; as text it is `mode_text == \"0{mode:03}\"`"),
                ))
            }
            (Some("mode_text"), Expr::StringConstant(mode, _))
                if mode.len() != 4 || !mode.bytes().all(|digit| (b'0'..b'8').contains(&digit)) =>
            {
                Some((
                    format!("`mode_text` is never {}", quoted(mode)),
                    "it has four octal digits, as in `\"0644\"`".to_owned(),
                ))
            }
            (Some(name), Expr::FloatConstant(share, _))
                if name.ends_with("_percent") && (0.0..=1.0).contains(&**share) && **share > 0.0 =>
            {
                Some((
                    format!("`{name}` is compared with {}, and goes up to 100", **share),
                    format!("as a percentage that is {}", **share * 100.0),
                ))
            }
            _ => None,
        };
        if let Some((message, help)) = wrong {
            report(literal.start_position(), Error::new(Code::Script, message).with_help(help));
        }
    }
}

/// Reports functions whose arguments are in the order of another language, or are a name of a file instead of its text.
fn swapped(call: &FnCallExpr, report: &mut dyn FnMut(Position, Error)) {
    let (namespace, name) = (call.namespace.to_string(), call.name.as_str());
    let literal = |at: usize| match call.args.get(at) {
        Some(Expr::StringConstant(text, position)) => Some((text.as_str(), *position)),
        _ => None,
    };
    let Some((text, position)) = literal(0) else { return };
    let is_pattern = |text: &str| text.contains(['[', '\\', '^', '$', '*', '+', '(', '|']);
    if namespace == "regex"
        && name != "escape"
        && is_pattern(text)
        && literal(1).is_none_or(|(other, _)| !is_pattern(other))
        && call.args.len() > 1
    {
        let message = format!("the text comes first, and then the pattern: {} looks like a pattern", quoted(text));
        let help =
            format!("as in `regex::{name}(text, pattern{})`", if name == "replace_all" { ", replacement" } else { "" });
        report(position, Error::new(Code::Script, message).with_help(help));
    } else if matches!(namespace.as_str(), "csv" | "hash" | "json" | "regex" | "table" | "toml" | "yaml")
        && !["encode", "escape"].contains(&name)
        && is_file_name(text)
    {
        let message = format!("{} is the name of a file, and `{namespace}::{name}` takes its text", quoted(text));
        report(
            position,
            Error::new(Code::Script, message)
                .with_help(format!("`{namespace}::{name}(fs::read({text:?}), ..)` reads the file")),
        );
    }
}

/// Returns whether a text is most likely a name of a file.
fn is_file_name(text: &str) -> bool {
    const ENDS: &[&str] = &["cfg", "conf", "csv", "ini", "json", "log", "md", "toml", "txt", "xml", "yaml", "yml"];
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/~".contains(&byte));
    plain && text.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && ENDS.contains(&end))
}

/// Returns the names of caught errors, and whether the script makes errors with its own codes.
fn caught(parts: &[ScriptPart<'_>]) -> (BTreeSet<String>, bool) {
    let (mut names, mut sets_code) = (BTreeSet::new(), false);
    for part in parts {
        part.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::TryCatch(parts, _))) => {
                    if let Expr::Variable(variable, ..) = &parts.expr {
                        names.insert(variable.1.to_string());
                    }
                }
                Some(ASTNode::Expr(Expr::Map(parts, _))) => {
                    sets_code |= parts.0.iter().any(|(key, _)| key.name == "code")
                }
                Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => drop(names.remove(parts.0.name.as_str())),
                _ => {}
            }
            true
        });
    }
    (names, sets_code)
}

/// Returns the word that is looked up as a key in a caught error, which is a map: `e.contains("denied")`, `"denied" in e`.
fn asked_of_error(node: &ASTNode<'_>, caught: &BTreeSet<String>) -> Option<(ImmutableString, Position)> {
    let (error, word) = match node {
        ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)) if call.name == "contains" => {
            match call.args.as_slice() {
                [error, word] => (error, word),
                _ => return None,
            }
        }
        ASTNode::Expr(Expr::Dot(parts, ..)) => match &parts.rhs {
            Expr::MethodCall(call, _) if call.name == "contains" => (&parts.lhs, call.args.first()?),
            _ => return None,
        },
        _ => return None,
    };
    match (error, word) {
        (Expr::Variable(variable, ..), Expr::StringConstant(word, position))
            if caught.contains(variable.1.as_str()) && !ERROR.contains(&word.as_str()) =>
        {
            Some((word.clone(), *position))
        }
        _ => None,
    }
}

/// The fields that a caught error may have.
const ERROR: &[&str] =
    &["action", "code", "column", "help", "line", "message", "operation", "policies", "reason", "resource", "via"];

fn no_key(word: &str) -> Error {
    let message = format!("a caught error is a map without a field {}", quoted(word));
    Error::new(Code::Script, message).with_help("its text is `e.message`, its code `e.code`: `e.message.contains(..)`")
}

/// Returns the last link of a chain such as `a.b.c()`.
fn last(value: &Expr) -> Option<&Expr> {
    let Expr::Dot(parts, ..) = value else { return None };
    let mut rest = &parts.rhs;
    while let Expr::Dot(parts, ..) = rest {
        rest = &parts.rhs;
    }
    Some(rest)
}

fn is_type(value: &Expr) -> bool {
    match value {
        Expr::FnCall(call, _) => call.name == "type_of",
        value => matches!(last(value), Some(Expr::MethodCall(call, _)) if call.name == "type_of"),
    }
}

fn is_code(value: &Expr, caught: &BTreeSet<String>) -> bool {
    matches!(value, Expr::Dot(parts, ..) if matches!((&parts.lhs, &parts.rhs), (Expr::Variable(variable, ..), Expr::Property(names, _))
        if caught.contains(variable.1.as_str()) && names.2 == "code"))
}

fn no_type(word: &str) -> Option<Error> {
    if TYPES.contains(&word) {
        return None;
    }
    let lower = word.to_lowercase();
    let known = OTHER_TYPES.iter().find(|(other, _)| *other == lower).map(|(_, own)| format!("it is `{own}`"));
    let help = known.unwrap_or_else(|| format!("there are {}", list(TYPES.iter().copied())));
    Some(Error::new(Code::Script, format!("`type_of` never returns {}", quoted(word))).with_help(help))
}

fn no_code(word: &str) -> Option<Error> {
    let codes = || Code::ALL.iter().map(|code| code.as_str());
    if codes().any(|code| code == word) {
        return None;
    }
    let upper = word.to_uppercase();
    let starts =
        codes().find(|code| code.strip_suffix("_EXCEPTION") == Some(&upper)).map(|code| format!("it is `{code}`"));
    let help =
        starts.or_else(|| did_you_mean(&upper, codes())).unwrap_or_else(|| format!("there are {}", list(codes())));
    Some(Error::new(Code::Script, format!("no error has the code {}", quoted(word))).with_help(help))
}

fn no_word(what: &str, words: &[&'static str], word: &str) -> Option<Error> {
    if words.contains(&word) {
        return None;
    }
    let help = match words.iter().find(|known| known.starts_with(word) && !word.is_empty()) {
        Some(known) => format!("it is `{known}`"),
        None => did_you_mean(word, words.iter().copied())
            .unwrap_or_else(|| format!("it is one of {}", list(words.iter().copied()))),
    };
    Some(Error::new(Code::Script, format!("{what} is never {}", quoted(word))).with_help(help))
}

fn no_path(what: &str, word: &str) -> Option<Error> {
    if word.is_empty() || word.starts_with('/') && !word.contains('*') {
        return None;
    }
    if word.contains('*') {
        let help = "patterns are for `fs::find(dir, #{name: \"*.log\"})`; the end of a text is asked for by `.ends_with(\".log\")`";
        return Some(
            Error::new(Code::Script, format!("`==` does not match patterns: {}", quoted(word))).with_help(help),
        );
    }
    let help = format!("it begins with `/`: to ask about its end, `.ends_with({:?})`", format!("/{word}"));
    Some(Error::new(Code::Script, format!("{what} is never {}", quoted(word))).with_help(help))
}

/// Finds text such as `"{name}"` and `"$name"`, where a variable has that name.
fn unreplaced(parts: &[ScriptPart<'_>], variables: &BTreeSet<String>, found: &mut Vec<(Position, Error)>) {
    for part in parts {
        part.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Expr(Expr::StringConstant(text, position))) = path.last()
                && let Some((form, name)) = named(text, variables)
            {
                let message = format!("`{form}` is text here, and is not replaced by the variable");
                found.push((
                    *position,
                    Error::new(Code::Script, message)
                        .with_help(format!("text in backticks is: `` `..${{{name}}}..` ``")),
                ));
            }
            true
        });
    }
}

/// Returns the first variable that a text seems to name.
fn named<'v>(text: &str, variables: &'v BTreeSet<String>) -> Option<(String, &'v str)> {
    let starts = text.match_indices(['{', '$']);
    starts
        .filter_map(|(at, sign)| {
            // Interpolation is reported elsewhere.
            let before = text.get(..at).filter(|before| !before.ends_with('$'))?;
            let rest = text.get(before.len() + 1..)?;
            let end = rest.find(|char: char| !(char == '_' || char.is_alphanumeric())).unwrap_or(rest.len());
            let name = variables.get(rest.get(..end)?)?;
            match (sign, rest.get(end..)?.starts_with('}')) {
                ("{", true) => Some((format!("{{{name}}}"), name.as_str())),
                ("$", _) => Some((format!("${name}"), name.as_str())),
                _ => None,
            }
        })
        .next()
}

/// Returns the names of the variables of a script.
fn variables(parts: &[ScriptPart<'_>]) -> BTreeSet<String> {
    let mut names: BTreeSet<_> = parts.iter().flat_map(|part| part.params.iter().cloned()).collect();
    for part in parts {
        part.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => drop(names.insert(parts.0.name.to_string())),
                Some(ASTNode::Stmt(Stmt::For(parts, _))) => drop(names.insert(parts.0.name.to_string())),
                _ => {}
            }
            true
        });
    }
    names
}

/// Returns the variables that are set to a division, possibly of two integers, and to nothing else.
fn quotients(ast: &AST) -> BTreeSet<String> {
    let (mut found, mut others) = (BTreeSet::new(), BTreeSet::new());
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let (name, value) = match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(parts, ..))) => (parts.0.name.as_str(), &parts.1),
            Some(ASTNode::Stmt(Stmt::Assignment(parts))) => match &parts.1.lhs {
                Expr::Variable(variable, ..) => (variable.1.as_str(), &parts.1.rhs),
                _ => return true,
            },
            _ => return true,
        };
        match value {
            Expr::FnCall(call, _) if call.name == "/" && !call.args.iter().any(has_point) => {
                found.insert(name.to_owned())
            }
            _ => others.insert(name.to_owned()),
        };
        true
    });
    found.retain(|name| !others.contains(name));
    found
}

/// Returns the place of a division, possibly of two integers, that is compared with a number between 0 and 1.
fn fraction(call: &FnCallExpr, quotients: &BTreeSet<String>) -> Option<Position> {
    let [one, other] = call.args.as_slice() else { return None };
    if !["==", "!=", "<", "<=", ">", ">="].contains(&call.name.as_str()) {
        return None;
    }
    [(one, other), (other, one)].into_iter().find_map(|(value, number)| match (value, number) {
        (Expr::FnCall(division, position), Expr::FloatConstant(share, _))
            if division.name == "/" && **share > 0.0 && **share < 1.0 && !division.args.iter().any(has_point) =>
        {
            Some(*position)
        }
        (Expr::Variable(variable, _, position), Expr::FloatConstant(share, _))
            if **share > 0.0 && **share < 1.0 && quotients.contains(variable.1.as_str()) =>
        {
            Some(*position)
        }
        _ => None,
    })
}

/// Returns warnings of divisions that are multiplied, as in `used / total * 100`: of two integers, that drops the rest first. Also of
/// divisions that are compared with a fraction, and of texts that name a variable.
pub(super) fn warnings(ast: &AST, parts: &[ScriptPart<'_>]) -> Vec<(Position, Error)> {
    let mut found = Vec::new();
    let quotients = quotients(ast);
    unreplaced(parts, &variables(parts), &mut found);
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) = path.last() else {
            return true;
        };
        if let Some(position) = fraction(call, &quotients) {
            let error = Error::new(
                Code::Script,
                "of two integers, `a / b` drops the rest, so that `5 / 10` is 0, not a fraction",
            );
            found
                .push((position, error.with_help("with a point, the rest is kept: `1.0 * a / b`, `a.to_float() / b`")));
        }
        if let ("*", [Expr::FnCall(division, position), factor]) = (call.name.as_str(), call.args.as_slice())
            && division.name == "/"
            && ![factor].into_iter().chain(division.args.iter()).any(has_point)
        {
            let error = Error::new(
                Code::Script,
                "of two integers, `a / b * c` divides first and drops the rest, so that `5 / 10 * 100` is 0",
            );
            found.push((*position, error.with_help("multiply first: `100 * a / b`; or with a point: `100.0 * a / b`")));
        }
        true
    });
    found
}

/// Returns whether a number with a point is part of an expression, or may be.
fn has_point(value: &Expr) -> bool {
    let mut found = false;
    value.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        found |= match path.last() {
            Some(ASTNode::Expr(Expr::FloatConstant(..))) => true,
            Some(ASTNode::Expr(Expr::MethodCall(call, _) | Expr::FnCall(call, _))) => call.name.contains("float"),
            _ => false,
        };
        !found
    });
    found
}
