//! Replacements for functions of Rhai that silently return wrong results or are easily mistaken: comparisons, lists that come with
//! what was left out, methods that change in place, the lines of a file.

pub(crate) mod compare;
mod each;
pub(crate) mod lines;
mod lists;
mod mixed;

use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, FnPtr, Map, Module};

use lines::ScriptLines;
pub(crate) use lists::comparer_error;

/// The result of a function that a script calls.
type RhaiResult<T> = Result<T, Box<EvalAltResult>>;

/// Registers all of these functions with an engine.
pub(crate) fn register(engine: &mut Engine) -> Result<(), String> {
    let mut module = Module::new();
    compare::register(engine, &mut module)?;
    lines::register(engine, &mut module);
    lists::register(engine, &mut module);
    mixed::register(engine, &mut module);
    each::register(&mut module);
    engine.register_global_module(module.into());
    Ok(())
}

/// Returns the kind of a value, in the words of the documentation.
pub(crate) fn kind(value: &Dynamic) -> &'static str {
    if value.is_unit() {
        "nothing"
    } else if value.is_bool() {
        "bool"
    } else if value.is_int() {
        "int"
    } else if value.is_float() {
        "float"
    } else if value.is_string() || value.is_char() {
        "text"
    } else if value.is_array() || value.is::<ScriptLines>() {
        "list"
    } else if value.is_map() {
        "map"
    } else if value.is::<Blob>() {
        "bytes"
    } else if value.is::<FnPtr>() {
        "function"
    } else {
        "other value"
    }
}

/// Describes a value for a message: its kind, and the value itself if it is short.
pub(crate) fn named(value: &Dynamic) -> String {
    const SHOWN: usize = 40;
    match kind(value) {
        "nothing" => "nothing (`()`)".to_owned(),
        kind @ ("list" | "map" | "bytes" | "function" | "other value") => format!("a {kind}"),
        kind => {
            let text = value.to_string();
            let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
            if text.chars().nth(SHOWN).is_some() {
                shown.push('…');
            }
            format!("the {kind} `{shown}`")
        }
    }
}

/// Returns the names of the lists in a result that also says what was left out of them; empty for any other map.
pub(crate) fn lists_of(map: &Map) -> Vec<&str> {
    const MARKS: [&str; 3] = ["complete", "skipped", "truncated"];
    if !MARKS.iter().any(|mark| map.contains_key(*mark)) {
        return Vec::new();
    }
    let lists = map
        .iter()
        .filter(|(key, value)| !["skipped", "cut"].contains(&key.as_str()) && value.read_lock::<Array>().is_some());
    lists.map(|(key, _)| key.as_str()).collect()
}
