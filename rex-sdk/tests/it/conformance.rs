//! What every operation promises, tried on each that `OPS` lists: one that is added is tested without a word here.

use std::collections::BTreeMap;
use std::sync::Arc;

use rex_core::action::ACTIONS;
use rex_core::journal::Event;
use rex_core::{
    AbsPath, ActionSpec, Authorize, Code, Decision, Effect, Error, Limits, MemoryJournal, Principal, Request, Run,
    Subject, Timestamp, Value,
};
use rex_sdk::{Args, Example, Kind, MemOs, OPS, Op, OpSpec, Operation, Returns, Session};

/// A minute after everything in the example world was made.
const NOON: Timestamp = Timestamp::from_micros(1_772_452_800_000_000);

/// Permits every action but this one, or none at all.
#[derive(Clone, Copy)]
enum Rule {
    All,
    AllBut(&'static ActionSpec),
    None,
}

impl Authorize for Rule {
    fn decide(&self, request: &Request<'_>) -> Decision {
        match self {
            Self::All => Decision::allow(&["rule"]),
            Self::AllBut(action) if *action != request.action.spec() => Decision::allow(&["rule"]),
            _ => Decision::deny(None),
        }
    }
}

/// The example world, and a run in it.
struct World {
    os: MemOs,
    run: Run,
    journal: Arc<MemoryJournal>,
}

impl World {
    fn new(rule: Rule) -> Self {
        let journal = Arc::new(MemoryJournal::new(10_000));
        let subject = Subject::new(Principal::agent("tester"));
        let run =
            Run::new("test", subject, Arc::new(rule), journal.clone(), Limits::default()).with_clock(Arc::new(|| NOON));
        Self { os: MemOs::example(), run, journal }
    }

    fn call(&self, operation: &dyn Operation, args: Vec<Value>) -> Result<Value, Error> {
        let base = AbsPath::parse("/srv/app").unwrap();
        Session::new(&self.run, &self.os, &base).invoke(operation, args, Some(7))
    }

    fn example(&self, operation: &dyn Operation) -> Result<Value, Error> {
        self.call(operation, example(operation.spec()))
    }

    /// The actions that were asked for, each once (a walk asks for every entry), and how often a call ended.
    fn recorded(&self) -> (Vec<(String, Effect)>, usize) {
        let (mut asked, mut ended): (Vec<(String, Effect)>, _) = (Vec::new(), 0);
        for record in self.journal.take().0 {
            match record.event {
                Event::Decision { action, effect, .. } => {
                    let entry = (action.to_string(), effect);
                    if !asked.contains(&entry) {
                        asked.push(entry);
                    }
                }
                Event::Outcome { .. } => ended += 1,
                other => panic!("what is {other:?}?"),
            }
        }
        (asked, ended)
    }
}

fn specs() -> impl Iterator<Item = (&'static dyn Operation, &'static OpSpec)> {
    OPS.iter().map(|&operation| (operation, operation.spec()))
}

fn example(spec: &OpSpec) -> Vec<Value> {
    let args: Vec<serde_json::Value> = serde_json::from_str(spec.example.args).unwrap();
    args.iter().map(value).collect()
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Int(number.as_i64().unwrap()),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Object(entries) => {
            Value::Map(entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect())
        }
        other => panic!("no example has {other}"),
    }
}

#[test]
fn denied_means_no_system_call() {
    for (operation, spec) in specs() {
        let world = World::new(Rule::None);
        let error = world.example(operation).unwrap_err();
        assert_eq!(error.code, Code::AccessDenied, "{}", spec.name);
        assert_eq!(error.operation, Some(spec.name));
        assert_eq!(error.denial.unwrap().action, spec.needs[0], "{}", spec.name);
        assert_eq!(world.os.calls(), 0, "{} reached the system", spec.name);
        let (asked, ended) = world.recorded();
        assert_eq!((asked, ended), (vec![(spec.needs[0].to_string(), Effect::Deny)], 1), "{}", spec.name);
    }
}

#[test]
fn allowed_gives_the_examples_output() {
    for (operation, spec) in specs() {
        let returned =
            World::new(Rule::All).example(operation).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
        let expected: serde_json::Value = serde_json::from_str(spec.example.returns).unwrap();
        assert_eq!(returned.to_string(), expected.to_string(), "{}", spec.name);
    }
}

#[test]
fn the_journal_equals_needs() {
    for (operation, spec) in specs() {
        let world = World::new(Rule::All);
        world.example(operation).unwrap();
        let (asked, ended) = world.recorded();
        let needs: Vec<_> = spec.needs.iter().map(|action| (action.to_string(), Effect::Allow)).collect();
        assert_eq!((asked, ended), (needs, 1), "{}", spec.name);
    }
}

#[test]
fn removing_each_permit_denies() {
    for (operation, spec) in specs() {
        for &action in spec.needs {
            let world = World::new(Rule::AllBut(action));
            let error = world.example(operation).unwrap_err();
            assert_eq!(error.code, Code::AccessDenied, "{} without {action}", spec.name);
            assert_eq!(error.denial.unwrap().action, action, "{}", spec.name);
        }
    }
}

#[test]
fn a_denied_caller_learns_nothing_about_what_exists() {
    for (operation, spec) in specs() {
        for (place, param) in spec.params.iter().enumerate() {
            let other = match param.kind {
                Kind::Path => "/srv/app/there-is-no-such-thing",
                Kind::Unit => "there-is-no-such-unit",
                _ => continue,
            };
            let mut args = example(spec);
            let Some(slot @ Value::Text(_)) = args.get_mut(place) else { continue };
            *slot = other.into();
            let world = World::new(Rule::None);
            let [there, missing] = [example(spec), args].map(|args| world.call(operation, args).unwrap_err());
            let told = |error: &Error| {
                let denial = error.denial.clone().unwrap();
                let told = format!("{:?} {} {:?}", error.code, error.message, error.help);
                told.replace(&denial.resource, "it")
            };
            assert_eq!(told(&there), told(&missing), "{}", spec.name);
            assert_eq!(world.os.calls(), 0, "{}", spec.name);
        }
    }
}

/// What has broken functions before.
fn nasty() -> Vec<Value> {
    let ints = [0, 1, -1, i64::MIN, i64::MAX, 1 << 62, i64::from(u32::MAX) + 1];
    let long = "a".repeat(5_000);
    let texts = [
        "",
        "\0",
        ".",
        "..",
        "/",
        "//",
        "a/../..",
        "/etc/passwd/",
        "~",
        "*",
        "[",
        "(",
        "\\",
        "\u{202e}",
        "é\n",
        "-1",
        "nginx",
        "nginx@.service",
        "@",
        ".service",
        "/srv/app",
        "/srv/app/current.log",
        &long,
    ];
    let deep = (0..100).fold(Value::Null, |inner, _| Value::map([("x", Value::List(vec![inner]))]));
    let mut all = vec![Value::Null, Value::Bool(true), Value::Bytes(vec![0, 255]), Value::List(Vec::new()), deep];
    all.extend([f64::NAN, f64::INFINITY, -0.0, 0.5].map(Value::Float));
    all.extend(ints.map(Value::Int));
    all.extend(texts.map(Value::from));
    all.push(Value::Map(BTreeMap::from([("no-such-option".to_owned(), Value::Int(1))])));
    all
}

/// Calls with every number of arguments, every argument and every option replaced by each of these.
fn strange_calls(spec: &OpSpec) -> Vec<Vec<Value>> {
    let usual = example(spec);
    let required = spec.required().count();
    let mut calls: Vec<_> = (0..=required + 2).map(|count| vec![Value::from("x"); count]).collect();
    for value in nasty() {
        for place in 0..=required {
            let mut args = usual.clone();
            args.truncate(required);
            args.splice(place..(place + 1).min(args.len()), [value.clone()]);
            calls.push(args);
        }
        for option in spec.options() {
            let mut args = usual.clone();
            args.truncate(required);
            args.push(Value::map([(option.name, value.clone())]));
            calls.push(args);
        }
    }
    calls
}

#[test]
fn strange_arguments_give_errors_that_are_declared_and_well_formed() {
    let mut failures = 0;
    for (operation, spec) in specs() {
        for args in strange_calls(spec) {
            let told = format!("{}({args:?})", spec.name);
            let Err(error) = World::new(Rule::All).call(operation, args) else { continue };
            let declared =
                matches!(error.code, Code::Validation | Code::LimitExceeded) || spec.errors.contains(&error.code);
            assert!(declared, "{told:.300}: {error}");
            well_formed(&error, &told);
            failures += 1;
        }
    }
    assert!(failures > 1_000, "only {failures} calls failed");
}

fn well_formed(error: &Error, told: &str) {
    let message = &error.message;
    assert!(!message.starts_with(char::is_uppercase) && !message.ends_with('.'), "{told:.300}: {message}");
    assert!(!message.contains(char::is_control), "{told:.300}: {message:?}");
    for word in ["rex_", "std::", "core::", "Value", "Some("] {
        assert!(!message.contains(word), "{told:.300}: {message}");
    }
}

#[test]
fn a_panicking_operation_is_an_internal_error_and_keeps_its_secrets() {
    static PANICS: Op = Op {
        spec: OpSpec {
            name: "test::panics",
            aliases: &[],
            needs: &[],
            params: &[],
            returns: Returns { kind: "null", doc: "Never." },
            doc: "Panics.",
            errors: &[],
            example: Example { args: "[]", returns: "null" },
        },
        call: |_: &Session<'_>, _: &Args| panic!("hunter2"),
    };
    let world = World::new(Rule::All);
    let error = world.call(&PANICS, Vec::new()).unwrap_err();
    assert_eq!(error.code, Code::Internal);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!(world.recorded(), (Vec::new(), 1));
    world.example(OPS[0]).unwrap();
}

#[test]
fn every_action_of_the_table_is_asked_for() {
    for action in ACTIONS {
        let needed = specs().any(|(_, spec)| {
            let in_options = || spec.options().any(|option| option.doc.contains(&action.to_string()));
            spec.needs.contains(action) || in_options()
        });
        assert!(needed, "no operation needs {action}");
    }
}
