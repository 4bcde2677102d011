//! The functions that a script can call: the language's own, the pure ones, the operations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, OnceLock};

use rex_core::nearest::did_you_mean;
use rex_core::{Code, Error};
use rex_sdk::{OpSpec, Operation};

use super::{foreign, habits};
use crate::memory::shielded;
use crate::pure::DOCS;

/// The functions without a namespace: on each line a name and the numbers of arguments that it takes, a receiver included. A test
/// compares them with those of an engine.
pub(crate) const NATIVES: &str = include_str!("natives.txt");

/// Names that an engine handles itself, so that no function has such a name.
const KEYWORDS: &[&str] =
    &["Fn", "call", "curry", "debug", "eval", "is_def_fn", "is_def_var", "is_shared", "print", "this", "type_of"];

type ArgCounts = BTreeSet<usize>;

/// The lines of the list, each as a name and its numbers, ordered by name.
static PLAIN: LazyLock<Vec<(&str, &str)>> =
    LazyLock::new(|| shielded(|| NATIVES.lines().map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()));

/// The names of functions, each with the numbers of arguments that it takes. Each table is made when a script first needs it: to make
/// all of them would take longer than a short script does.
pub(crate) struct FunctionNames {
    specs: Vec<&'static OpSpec>,
    modules: OnceLock<ModuleTable>,
    operations: OnceLock<OperationTable>,
    aliases: OnceLock<OperationTable>,
}

type ModuleTable = BTreeMap<&'static str, BTreeMap<&'static str, ArgCounts>>;
type OperationTable = BTreeMap<&'static str, &'static OpSpec>;

impl FunctionNames {
    pub(crate) fn new(operations: &[&'static dyn Operation]) -> Self {
        Self {
            specs: operations.iter().map(|operation| operation.spec()).collect(),
            modules: OnceLock::new(),
            operations: OnceLock::new(),
            aliases: OnceLock::new(),
        }
    }

    fn modules(&self) -> &ModuleTable {
        // Shielded: runs share it, so no run may be stopped while it makes it.
        self.modules.get_or_init(|| shielded(|| modules(&self.specs)))
    }

    /// Returns the operation for a plain name.
    pub(crate) fn alias(&self, name: &str) -> Option<&'static OpSpec> {
        self.aliases().get(name).copied()
    }

    fn aliases(&self) -> &OperationTable {
        let of = |spec: &&'static OpSpec| spec.aliases.iter().map(|alias| (*alias, *spec)).collect::<Vec<_>>();
        self.aliases.get_or_init(|| shielded(|| self.specs.iter().flat_map(of).collect()))
    }

    /// Returns the operation for a full name.
    pub(crate) fn operation(&self, name: &str) -> Option<&'static OpSpec> {
        let operations =
            self.operations.get_or_init(|| shielded(|| self.specs.iter().map(|spec| (spec.name, *spec)).collect()));
        operations.get(name).copied()
    }

    /// Returns the functions of a namespace.
    pub(crate) fn module(&self, namespace: &str) -> Option<&BTreeMap<&'static str, ArgCounts>> {
        self.modules().get(namespace)
    }

    /// Returns the numbers of arguments that a function without a namespace takes; empty if it takes any.
    pub(crate) fn plain(&self, name: &str) -> Option<ArgCounts> {
        if KEYWORDS.contains(&name) {
            return Some(ArgCounts::new());
        }
        let at = PLAIN.binary_search_by_key(&name, |(name, _)| name).ok()?;
        PLAIN.get(at).map(|(_, counts)| counts.split(' ').filter_map(|count| count.parse().ok()).collect())
    }

    /// Returns the error for an unknown namespace.
    pub(crate) fn no_namespace(&self, name: &str) -> Error {
        let help = foreign::object(name).map(str::to_owned).or_else(|| did_you_mean(name, self.namespaces()));
        let help = help.unwrap_or_else(|| format!("there are {}", list(self.namespaces())));
        Error::new(Code::Script, format!("there is no namespace {}", quoted(name))).with_help(help)
    }

    fn namespaces(&self) -> impl Iterator<Item = &'static str> {
        self.modules().keys().copied()
    }

    /// Returns advice for a name that a namespace lacks: the nearest name that it has, or all of them.
    pub(crate) fn within(&self, namespace: &str, name: &str) -> Option<String> {
        let functions = self.module(namespace)?;
        if let Some(advice) = habits::advice(name) {
            return Some(advice.to_owned());
        }
        let full: Vec<_> = functions.keys().map(|function| format!("{namespace}::{function}")).collect();
        did_you_mean(&format!("{namespace}::{name}"), full.iter().map(String::as_str))
            .or_else(|| Some(format!("`{namespace}` has {}", list(functions.keys().copied()))))
    }

    /// Returns advice for an unknown method.
    pub(crate) fn method(&self, name: &str, own: &[&str]) -> Option<String> {
        let habit = habits::advice(name).map(str::to_owned);
        habit.or_else(|| did_you_mean(name, own.iter().copied().chain(identifiers())))
    }

    /// Returns advice for an unknown name without a namespace: a function of that name in a namespace, or the nearest name.
    pub(crate) fn meant(&self, name: &str, own: &[&str]) -> Option<String> {
        if let Some(advice) = habits::advice(name) {
            return Some(advice.to_owned());
        }
        let found: Vec<_> = self
            .modules()
            .iter()
            .filter(|(_, functions)| functions.contains_key(name))
            .map(|(namespace, _)| format!("`{namespace}::{name}`"))
            .collect();
        if !found.is_empty() {
            return Some(format!("did you mean {}?", found.join(" or ")));
        }
        did_you_mean(name, self.aliases().keys().map(|name| &**name).chain(own.iter().copied()).chain(identifiers()))
    }

    /// Returns whether a namespace has only pure functions, which are called for their results alone.
    pub(crate) fn is_pure(namespace: &str) -> bool {
        DOCS.iter().any(|(signature, _)| signature.strip_prefix(namespace).is_some_and(|rest| rest.starts_with("::")))
    }

    /// Returns the names of the parameters of a pure function that takes `count` of them.
    pub(crate) fn parameters(&self, full: &str, count: usize) -> Vec<&'static str> {
        let parameters = DOCS.iter().filter_map(|(signature, _)| {
            let names = signature.strip_prefix(full)?.strip_prefix('(')?.split_once(')')?.0;
            Some(names.split(", ").filter(|name| !name.is_empty()).collect::<Vec<_>>())
        });
        parameters.into_iter().find(|names| names.len() == count).unwrap_or_default()
    }

    /// Returns how a function is called, for a message.
    pub(crate) fn calls(&self, namespace: &str, name: &str) -> Option<String> {
        let full = format!("{namespace}::{name}");
        if let Some(spec) = self.operation(&full) {
            return Some(format!("call it as `{spec}`"));
        }
        let docs = DOCS
            .iter()
            .filter(|(signature, _)| signature.strip_prefix(full.as_str()).is_some_and(|rest| rest.starts_with('(')));
        let calls: Vec<_> = docs.map(|(signature, _)| format!("`{signature}`")).collect();
        (!calls.is_empty()).then(|| format!("call it as {}", calls.join(", ")))
    }
}

fn modules(specs: &[&'static OpSpec]) -> ModuleTable {
    let mut modules = ModuleTable::new();
    for (signature, _) in DOCS {
        let Some((name, parameters)) = signature.split_once(" -> ").and_then(|(call, _)| call.split_once('(')) else {
            continue;
        };
        let count = if parameters.starts_with(')') { 0 } else { parameters.split(',').count() };
        let Some((module, name)) = name.split_once("::") else { continue };
        modules.entry(module).or_default().entry(name).or_default().insert(count);
    }
    for spec in specs {
        let counts = modules.entry(spec.namespace()).or_default().entry(spec.verb()).or_default();
        counts.insert(spec.required().count());
        if spec.options().next().is_some() {
            counts.insert(spec.required().count() + 1);
        }
    }
    modules
}

/// Returns the names without a namespace that are words.
fn identifiers<'a>() -> impl Iterator<Item = &'a str> {
    let is_word = |name: &&str| name.starts_with(|char: char| char.is_ascii_alphabetic()) && !name.contains('$');
    PLAIN.iter().map(|(name, _)| *name).filter(is_word)
}

/// Quotes a name in backticks, cut after 60 characters.
pub(crate) fn quoted(name: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Joins names in backticks with commas.
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

    /// Compares the list with an engine. Update it with `UPDATE_EXPECT=1` after a change of the functions, or of Rhai's version.
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

    #[test]
    fn what_no_script_asks_for_is_not_made() {
        let engine = crate::builder::script_engine(OPS, &Limits::default()).unwrap();
        let names = FunctionNames::new(OPS);
        let made = |text: &str| {
            assert!(
                crate::script::CheckedScript::new(&engine, &names, text, &rhai::Scope::new(), None).is_ok(),
                "{text}"
            );
            (names.operations.get().is_some(), names.modules.get().is_some())
        };
        assert_eq!(made("let x = 1; x + 2"), (false, false));
        assert_eq!(made("fs::read(\"/f\")"), (true, false));
        assert_eq!(made("json::parse(\"1\")"), (true, true));
    }
}
