//! Pure functions that scripts need and Rhai lacks: patterns, JSON and other formats, dates, tables, hashes, sizes. They use no clock, no
//! environment, no input or output; only `random` uses more than its arguments: the source of the run. The result and the work of a call
//! are limited; every failure is a map with `code`, `message` and `help`.

use std::cell::Cell;

use rex_core::{Code, Error};
use rhai::Module;

/// Declares the functions of one module; makes the module and its documentation from them.
macro_rules! functions {
    ($module:literal; $($(#[doc = $doc:literal])+ $name:ident($($param:ident: $type:ty),*) -> $returns:literal = $function:expr;)+) => {
        pub(super) const DOCS: &[super::FunctionDoc] = &[$((
            concat!($module, "::", stringify!($name), stringify!(($($param),*)), " -> ", $returns),
            concat!($($doc),+).trim_ascii(),
        )),+];

        pub(super) fn module() -> rhai::Module {
            let mut module = rhai::Module::new();
            // Volatile, so that no optimizer runs them while compiling.
            $(rhai::FuncRegistration::new(stringify!($name)).with_volatility(true).set_into_module(
                &mut module,
                |context: rhai::NativeCallContext<'_>, $($param: $type),*| {
                    crate::active::native(context.call_position(), || $function($($param),*))
                },
            );)+
            module
        }
    };
}

mod base64;
mod csv;
mod foreign;
mod hash;
mod human;
mod ip;
mod json;
mod random;
mod regex;
mod rows;
mod search;
mod table;
mod time;
mod toml;
mod url;
mod yaml;

/// Maximum length of a text that one call builds, in bytes.
const TEXT_BYTES: usize = 64 << 20;

/// Maximum size of the lists and maps that one call returns, in bytes: half the default memory of a run.
const VALUE_BYTES: usize = 128 << 20;

/// Maximum number of entries that one call returns: matches, parts.
const ENTRIES: usize = 100_000;

/// Maximum depth of nested lists and maps, read or written; serde_json's own limit for reading.
const DEPTH: usize = 127;

type FunctionDoc = (&'static str, &'static str);
type PureResult<T> = Result<T, Error>;

/// Returns the modules, by the names that scripts use.
pub(crate) fn modules() -> Vec<(&'static str, Module)> {
    vec![
        ("base64", base64::module()),
        ("csv", csv::module()),
        ("hash", hash::module()),
        ("human", human::module()),
        ("ip", ip::module()),
        ("json", json::module()),
        ("random", random::module()),
        ("regex", regex::module()),
        ("rows", rows::module()),
        ("table", table::module()),
        ("time", time::module()),
        ("toml", toml::module()),
        ("url", url::module()),
        ("yaml", yaml::module()),
    ]
}

/// Returns the error in a literal pattern or format of a script, by the name of the parameter.
pub(crate) fn wrong(module: &str, parameter: &str, text: &str) -> Option<Error> {
    match (module, parameter) {
        ("regex", "pattern") => regex::wrong(text),
        ("time", "format") => time::wrong(text),
        _ => None,
    }
}

/// The signature and meaning of every pure function.
pub const DOCS: &[(&str, &str)] = &flatten::<{ count(GROUPS) }>(GROUPS);

const GROUPS: &[&[FunctionDoc]] = &[
    base64::DOCS,
    csv::DOCS,
    hash::DOCS,
    human::DOCS,
    ip::DOCS,
    json::DOCS,
    random::DOCS,
    regex::DOCS,
    rows::DOCS,
    table::DOCS,
    time::DOCS,
    toml::DOCS,
    url::DOCS,
    yaml::DOCS,
];

const fn count(mut groups: &[&[FunctionDoc]]) -> usize {
    let mut count = 0;
    while let Some((group, rest)) = groups.split_first() {
        (count, groups) = (count + group.len(), rest);
    }
    count
}

const fn flatten<const N: usize>(mut groups: &[&[FunctionDoc]]) -> [FunctionDoc; N] {
    let mut all = [("", ""); N];
    let mut at = 0;
    while let Some((group, rest)) = groups.split_first() {
        let mut group = *group;
        while let Some((row, rows)) = group.split_first() {
            if let Some((slot, _)) = all.split_at_mut(at).1.split_first_mut() {
                *slot = *row;
            }
            (at, group) = (at + 1, rows);
        }
        groups = rest;
    }
    all
}

/// Returns the error for an invalid argument.
fn fail(message: impl Into<String>) -> Error {
    Error::new(Code::Validation, message)
}

/// Returns the error for an invalid argument, with advice.
fn fail_with(message: impl Into<String>, help: impl Into<String>) -> Error {
    fail(message).with_help(help)
}

/// Returns the error for a call that would build or do too much.
fn exceeded(message: impl Into<String>, help: impl Into<String>) -> Error {
    Error::new(Code::LimitExceeded, message).with_help(help)
}

/// Returns a text without the byte order mark that some editors put before it.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Quotes a text from outside: in backticks, on one line, at most 60 characters of it.
fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut quoted: String = text.chars().take(SHOWN).flat_map(printable).collect();
    if text.chars().nth(SHOWN).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}

/// Returns a character, or its escape if it could move the cursor or do worse.
fn printable(char: char) -> impl Iterator<Item = char> {
    let escape = char.is_control().then(|| char.escape_default());
    let plain = escape.is_none().then_some(char);
    plain.into_iter().chain(escape.into_iter().flatten())
}

/// Converts an offset, length or number to the integers of scripts.
fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The bytes that one call may build, and those that are left: at most the memory that the run has left.
struct CallBudget {
    limit: usize,
    left: Cell<Option<usize>>,
}

impl CallBudget {
    fn new(limit: usize) -> Self {
        let limit = limit.min(crate::active::memory_left());
        Self { limit, left: Cell::new(Some(limit)) }
    }

    /// Counts bytes that are about to be built. After a failure, every call fails.
    fn take(&self, bytes: usize) -> PureResult<()> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(bytes)));
        if self.is_exceeded() { Err(self.error()) } else { Ok(()) }
    }

    /// Returns the bytes counted so far.
    fn taken(&self) -> usize {
        self.left.get().map_or(self.limit, |left| self.limit - left)
    }

    fn is_exceeded(&self) -> bool {
        self.left.get().is_none()
    }

    fn error(&self) -> Error {
        exceeded(format!("the result would take more than {} bytes", self.limit), "work on less in one call")
    }
}

#[cfg(test)]
mod tests {
    use rhai::packages::{Package, StandardPackage};
    use rhai::{Dynamic, Engine, EvalAltResult, Map, Scope};

    use super::*;

    /// Runs a script with the modules, in which `text` is a variable.
    pub(super) fn run_with(text: &str, script: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut engine = Engine::new_raw();
        engine.register_global_module(StandardPackage::new().as_shared_module());
        for (name, module) in modules() {
            engine.register_static_module(name, module.into());
        }
        let mut scope = Scope::new();
        scope.push("text", text.to_owned());
        engine.eval_with_scope(&mut scope, script)
    }

    pub(super) fn run(script: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        run_with("", script)
    }

    /// Checks the value of a script, as text.
    pub(super) fn check(script: &str, expected: &str) {
        let value = run(script).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(value.to_string(), expected, "{script}");
    }

    /// Returns the code and message of the map that a script throws.
    pub(super) fn thrown(result: Result<Dynamic, Box<EvalAltResult>>) -> String {
        let error = result.map(drop).expect_err("it should throw");
        match error.unwrap_inner() {
            EvalAltResult::ErrorRuntime(value, _) => {
                let map = value.clone().cast::<Map>();
                assert!(map.contains_key("help") && map.contains_key("operation"));
                let message = map["message"].to_string();
                assert!(message.starts_with(|first: char| !first.is_uppercase()) && !message.ends_with('.'));
                format!("{}: {message}", map["code"])
            }
            other => panic!("not a thrown map: {other}"),
        }
    }

    pub(super) fn check_fails(script: &str, expected: &str) {
        assert_eq!(thrown(run(script)), expected, "{script}");
    }

    #[test]
    fn every_function_has_one_row_of_documentation() {
        let functions: usize = modules().iter().map(|(_, module)| module.count().1).sum();
        let signatures: std::collections::BTreeSet<_> = DOCS.iter().map(|(signature, _)| signature).collect();
        assert_eq!((functions, signatures.len()), (DOCS.len(), DOCS.len()));
        for (signature, doc) in DOCS {
            let (name, rest) = signature.split_once("::").unwrap();
            assert!(modules().iter().any(|(module, _)| *module == name), "{signature}");
            assert!(rest.contains('(') && rest.contains(") -> ") && doc.ends_with('.'), "{signature}: {doc}");
        }
        assert!(signatures.contains(&"regex::replace_all(text, pattern, replacement) -> text"));
    }

    #[test]
    fn errors_are_maps_that_a_script_can_catch() {
        check(r#"let c = ""; try { json::parse("{") } catch (e) { c = e.code; } c"#, "VALIDATION_EXCEPTION");
        assert_eq!(quote("a\nb\u{1b}"), r"`a\nb\u{1b}`");
        assert_eq!(quote(&"é".repeat(61)), format!("`{}…`", "é".repeat(60)));
    }
}
