//! The functions that a script can call: the language's own, the pure ones, the operations.

use std::collections::{BTreeMap, BTreeSet};

use rex_core::nearest::did_you_mean;
use rex_core::{Code, Error};
use rex_sdk::{OpSpec, Operation};

use crate::pure::DOCS;

/// The functions without a namespace, a name on each line with the numbers of arguments that it takes, a receiver included. A test
/// compares them with what an engine has.
pub(crate) const NATIVES: &str = include_str!("natives.txt");

/// What an engine looks at itself, so that no function has such a name.
const KEYWORDS: &[&str] =
    &["Fn", "call", "curry", "debug", "eval", "is_def_fn", "is_def_var", "is_shared", "print", "this", "type_of"];

type Counts = BTreeSet<usize>;

/// The names of functions, each with the numbers of arguments that it takes.
pub(crate) struct Names {
    plain: BTreeMap<&'static str, Counts>,
    modules: BTreeMap<&'static str, BTreeMap<&'static str, Counts>>,
    operations: BTreeMap<&'static str, &'static OpSpec>,
    aliases: BTreeMap<&'static str, &'static OpSpec>,
}

impl Names {
    pub(crate) fn new(operations: &[&'static dyn Operation]) -> Self {
        let mut names = Self {
            plain: BTreeMap::new(),
            modules: BTreeMap::new(),
            operations: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        for line in NATIVES.lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            names.plain.insert(name, words.filter_map(|count| count.parse().ok()).collect());
        }
        for (signature, _) in DOCS {
            let Some((name, parameters)) = signature.split_once(" -> ").and_then(|(call, _)| call.split_once('('))
            else {
                continue;
            };
            let count = if parameters.starts_with(')') { 0 } else { parameters.split(',').count() };
            let Some((module, name)) = name.split_once("::") else { continue };
            names.modules.entry(module).or_default().entry(name).or_default().insert(count);
        }
        for operation in operations {
            let spec = operation.spec();
            let counts = names.modules.entry(spec.namespace()).or_default().entry(spec.verb()).or_default();
            counts.insert(spec.required().count());
            if spec.options().next().is_some() {
                counts.insert(spec.required().count() + 1);
            }
            names.operations.insert(spec.name, spec);
            names.aliases.extend(spec.aliases.iter().map(|alias| (*alias, spec)));
        }
        names
    }

    /// The operation that a plain name stands for.
    pub(crate) fn alias(&self, name: &str) -> Option<&'static OpSpec> {
        self.aliases.get(name).copied()
    }

    /// The operation of a full name.
    pub(crate) fn operation(&self, name: &str) -> Option<&'static OpSpec> {
        self.operations.get(name).copied()
    }

    /// The functions of a namespace.
    pub(crate) fn module(&self, namespace: &str) -> Option<&BTreeMap<&'static str, Counts>> {
        self.modules.get(namespace)
    }

    /// The numbers of arguments that a function without a namespace takes; empty for what takes any.
    pub(crate) fn plain(&self, name: &str) -> Option<Counts> {
        if KEYWORDS.contains(&name) {
            return Some(Counts::new());
        }
        self.plain.get(name).cloned()
    }

    /// The error of a namespace that is not there.
    pub(crate) fn no_namespace(&self, name: &str) -> Error {
        let help = did_you_mean(name, self.namespaces());
        let help = help.unwrap_or_else(|| format!("there are {}", list(self.namespaces())));
        Error::new(Code::Script, format!("there is no namespace {}", quoted(name))).with_help(help)
    }

    fn namespaces(&self) -> impl Iterator<Item = &'static str> {
        self.modules.keys().copied()
    }

    /// Advice for a name that is not in a namespace: the nearest that is, or all of them.
    pub(crate) fn within(&self, namespace: &str, name: &str) -> Option<String> {
        let functions = self.module(namespace)?;
        let full: Vec<_> = functions.keys().map(|function| format!("{namespace}::{function}")).collect();
        did_you_mean(&format!("{namespace}::{name}"), full.iter().map(String::as_str))
            .or_else(|| Some(format!("`{namespace}` has {}", list(functions.keys().copied()))))
    }

    /// Advice for a method that is not there.
    pub(crate) fn method<'a>(&'a self, name: &str, own: &[&'a str]) -> Option<String> {
        did_you_mean(name, own.iter().copied().chain(self.identifiers()))
    }

    fn identifiers(&self) -> impl Iterator<Item = &str> {
        self.plain
            .keys()
            .map(|name| &**name)
            .filter(|name| name.starts_with(|char: char| char.is_ascii_alphabetic()) && !name.contains('$'))
    }

    /// Advice for a name without a namespace that is not there: a function of that name in a namespace, or the nearest one.
    pub(crate) fn meant<'a>(&'a self, name: &str, own: &[&'a str]) -> Option<String> {
        let found: Vec<_> = self
            .modules
            .iter()
            .filter(|(_, functions)| functions.contains_key(name))
            .map(|(namespace, _)| format!("`{namespace}::{name}`"))
            .collect();
        if !found.is_empty() {
            return Some(format!("did you mean {}?", found.join(" or ")));
        }
        did_you_mean(name, self.aliases.keys().map(|name| &**name).chain(own.iter().copied()).chain(self.identifiers()))
    }

    /// Whether a namespace has pure functions alone, whose results are all that they are called for.
    pub(crate) fn is_pure(&self, namespace: &str) -> bool {
        self.modules.contains_key(namespace) && !self.operations.values().any(|spec| spec.namespace() == namespace)
    }

    /// The names of the parameters of a pure function that takes so many.
    pub(crate) fn parameters(&self, full: &str, count: usize) -> Vec<&'static str> {
        let parameters = DOCS.iter().filter_map(|(signature, _)| {
            let names = signature.strip_prefix(full)?.strip_prefix('(')?.split_once(')')?.0;
            Some(names.split(", ").filter(|name| !name.is_empty()).collect::<Vec<_>>())
        });
        parameters.into_iter().find(|names| names.len() == count).unwrap_or_default()
    }

    /// How a function is called, for a message.
    pub(crate) fn calls(&self, namespace: &str, name: &str) -> Option<String> {
        let full = format!("{namespace}::{name}");
        if let Some(spec) = self.operation(&full) {
            return Some(format!("it is called as `{spec}`"));
        }
        let docs = DOCS
            .iter()
            .filter(|(signature, _)| signature.strip_prefix(full.as_str()).is_some_and(|rest| rest.starts_with('(')));
        let calls: Vec<_> = docs.map(|(signature, _)| format!("`{signature}`")).collect();
        (!calls.is_empty()).then(|| format!("it is called as {}", calls.join(", ")))
    }
}

/// A name in backticks, cut where it is longer than names are.
pub(crate) fn quoted(name: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Names in backticks, with commas between them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect_file;
    use rex_core::Limits;
    use rex_sdk::OPS;

    use super::*;

    /// Run with `UPDATE_EXPECT=1` after a change of the functions, or of Rhai's version.
    #[test]
    fn the_list_of_functions_is_what_an_engine_has() {
        let engine = crate::builder::script_engine(OPS, &Limits::default()).unwrap();
        let functions = engine.collect_fn_metadata(
            None,
            |info| info.namespace.is_empty().then(|| (info.metadata.name.to_string(), info.metadata.num_params)),
            true,
        );
        let mut names = BTreeMap::<_, BTreeSet<_>>::new();
        for (name, count) in functions {
            names.entry(name).or_default().insert(count);
        }
        let mut text = String::new();
        for (name, counts) in names {
            write!(text, "{name}").unwrap();
            counts.iter().for_each(|count| write!(text, " {count}").unwrap());
            text.push('\n');
        }
        expect_file!["natives.txt"].assert_eq(&text);
    }
}
