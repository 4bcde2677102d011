//! Guarantees of every operation, tested for each one in `OPS`: a new operation is tested without a change here.

use std::collections::BTreeMap;
use std::sync::Arc;

use rex_core::action::ACTIONS;
use rex_core::journal::Event;
use rex_core::{
    AbsPath, ActionSpec, Authorize, Code, Decision, Effect, Error, Limits, MemoryJournal, Principal, Request, Run,
    Subject, Timestamp, Value,
};
use rex_sdk::os::EntryKind;
use rex_sdk::{Args, CallExample, MemOs, OPS, Op, OpSpec, Operation, ParamForm, ParamKind, ReturnSpec, Session};

/// Operations that need a permission but no system: `sys::time` returns the clock of the run.
const WITHOUT_SYSTEM: &[&str] = &["sys::time"];

/// The time at which everything in the example world was created.
pub(crate) const NOON: Timestamp = Timestamp::from_micros(1_772_452_800_000_000);

/// A policy that permits everything, every action but one, or nothing.
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

    /// Returns the requests of one call with their decisions, and its error code. The outcome is recorded once, and
    /// last.
    #[track_caller]
    fn recorded(&self, name: &str) -> (Vec<(&'static ActionSpec, String, Effect)>, Option<Code>) {
        let (records, _) = self.journal.take();
        let (mut asked, mut ended) = (Vec::new(), None);
        for (before, record) in (0..).zip(records) {
            assert_eq!((record.sequence, record.call.operation, record.call.line), (before + 1, name, Some(7)));
            assert_eq!(ended, None, "{name}: something is recorded after the end");
            match record.event {
                Event::Decision { action, resource, effect, .. } => asked.push((action, resource, effect)),
                Event::Outcome { result, .. } => ended = Some(result),
                other => panic!("what is {other:?}?"),
            }
        }
        (asked, ended.unwrap_or_else(|| panic!("{name}: the end is not recorded")))
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
        serde_json::Value::Array(entries) => Value::List(entries.iter().map(value).collect()),
        other => panic!("no example has {other}"),
    }
}

#[test]
fn denied_means_no_system_call() {
    for (operation, spec) in specs() {
        let Some(&first) = spec.needs.first() else { panic!("{} needs nothing: name it here, and say why", spec.name) };
        let world = World::new(Rule::None);
        let error = world.example(operation).unwrap_err();
        assert_eq!((error.code, error.operation), (Code::AccessDenied, Some(spec.name)));
        let denial = error.denial.unwrap();
        assert_eq!(denial.action, first, "{}", spec.name);
        assert_eq!(world.os.calls(), 0, "{} reached the system", spec.name);
        let denied = vec![(first, denial.resource, Effect::Deny)];
        assert_eq!(world.recorded(spec.name), (denied, Some(Code::AccessDenied)));
    }
}

#[test]
fn allowed_gives_the_examples_output() {
    for (operation, spec) in specs() {
        let world = World::new(Rule::All);
        let returned = world.example(operation).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
        let expected: serde_json::Value = serde_json::from_str(spec.example.returns).unwrap();
        assert_eq!(returned.to_string(), expected.to_string(), "{}", spec.name);
        assert_eq!(returned.kind(), spec.returns.value_kind(), "{}", spec.name);
        // Without this check, a system that does not count would look like one that was not reached.
        assert_eq!(world.os.calls() == 0, WITHOUT_SYSTEM.contains(&spec.name), "{}", spec.name);
    }
}

#[test]
fn the_journal_equals_needs() {
    for (operation, spec) in specs() {
        let world = World::new(Rule::All);
        world.example(operation).unwrap();
        let (asked, result) = world.recorded(spec.name);
        assert_eq!(result, None, "{}", spec.name);
        let mut actions: Vec<&ActionSpec> = Vec::new();
        for (place, (action, resource, effect)) in asked.iter().enumerate() {
            assert_eq!(*effect, Effect::Allow, "{}", spec.name);
            if !actions.contains(action) {
                actions.push(action);
                continue;
            }
            // An action is requested again only for another argument, for another process, or, in a walk, for the start and
            // names below it; never for the same name.
            let first = &asked[0].1;
            let given = example(spec).iter().any(|arg| *arg == resource.as_str().into());
            let below = resource == first || resource.starts_with(&format!("{first}/"));
            let process = action.resource.name == "Process";
            assert!(given || below || process, "{}: {resource}", spec.name);
            assert!(!asked[..place].contains(&asked[place]), "{} asks for {resource} twice", spec.name);
        }
        assert_eq!(actions, spec.needs, "{}", spec.name);
    }
}

#[test]
fn removing_each_permit_denies() {
    for (operation, spec) in specs() {
        for (place, &action) in spec.needs.iter().enumerate() {
            let world = World::new(Rule::AllBut(action));
            let error = world.example(operation).unwrap_err();
            assert_eq!(error.code, Code::AccessDenied, "{} without {action}", spec.name);
            assert_eq!(error.denial.unwrap().action, action, "{}", spec.name);
            // One permit allows one act: those before it, and nothing after it. A request to a URL acts by its
            // connection.
            let acts = spec.needs.iter().take(place).filter(|action| action.resource.name != "Url").count();
            assert_eq!(world.os.calls(), acts as u64, "{} without {action}", spec.name);
        }
    }
}

#[test]
fn a_denied_caller_learns_nothing_about_what_exists() {
    // A file, a directory, links to a file and to nothing, a missing name, a name below a file.
    let paths = ["version.txt", "logs", "current.log", "lost", "none", "version.txt/none"].as_slice();
    let units = ["nginx", "www", "broken", "none"].as_slice();
    for (operation, spec) in specs() {
        let world = World::new(Rule::All);
        world.example(operation).unwrap();
        let (asked, _) = world.recorded(spec.name);
        let mut places = Vec::new();
        for &action in spec.needs {
            if !["Path", "Program", "Unit"].contains(&action.resource.name) {
                continue;
            }
            // A request for something below an argument names no argument, and a second request for one may depend on
            // its contents.
            let first = &asked.iter().find(|(asked, ..)| *asked == action).unwrap().1;
            let named = |arg: &Value| [first.as_str(), first.trim_end_matches(".service")].contains(&text(arg));
            let Some(place) = example(spec).iter().position(named) else {
                let below = |arg: &Value| first.starts_with(&format!("{}/", text(arg)));
                assert!(example(spec).iter().any(below), "{}: {first} is not what came", spec.name);
                continue;
            };
            if places.contains(&place) {
                continue;
            }
            places.push(place);
            let others = match spec.params[place].kind {
                ParamKind::Path => paths,
                ParamKind::Unit => units,
                _ => continue,
            };
            let mut told = Vec::new();
            for &other in others {
                let mut args = example(spec);
                // A program is named by a path with a slash.
                let program = matches!(spec.params[place].form, ParamForm::Read(_));
                args[place] = if program { format!("./{other}").into() } else { other.into() };
                let mut world = World::new(Rule::AllBut(action));
                world.os = world.os.link("/srv/app/lost", "/none");
                let error = world.call(operation, args).unwrap_err();
                let denial = error.denial.unwrap();
                // For the name in the arguments, not for the target of a link.
                assert!([format!("/srv/app/{other}"), format!("{other}.service")].contains(&denial.resource));
                let shown = format!("{:?} {} {:?}", error.code, error.message, error.help);
                told.push((shown.replace(&denial.resource, "it"), world.os.calls(), world.run.budget().bytes_read()));
            }
            assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{}: {told:?}", spec.name);
        }
    }
}

/// Returns the text of an argument; empty for other kinds.
fn text(arg: &Value) -> &str {
    if let Value::Text(text) = arg { text } else { "" }
}

/// Returns the example world, with names that a message must not repeat unescaped.
fn strange_world(rule: Rule) -> World {
    let mut world = World::new(rule);
    world.os = (world.os.dir("/srv/app/d\n").special("/srv/app/p\n", EntryKind::Fifo))
        .file("/srv/app/f\n\u{202e}", b"caf\xe9")
        .link("/srv/app/l\n", "l\n")
        .link("/srv/app/raw", b"\xff")
        .link("/srv/app/to-f", "f\n\u{202e}");
    world
}

/// Returns values that have broken functions before.
fn nasty() -> Vec<Value> {
    let ints = [0, 1, -1, i64::MIN, i64::MAX, 1 << 62, i64::from(u32::MAX) + 1];
    let (long, nested) = ("a".repeat(5_000), "{".repeat(500) + &"}".repeat(500));
    let short = [
        "", "\0", ".", "..", "/", "//", "a/../..", "~", "*", "[", "(", "\\", "\u{202e}", "é\n", "-1", "nginx", "@",
        "d\n", "p\n", "l\n", "to-f", "raw/x",
    ];
    let texts = [
        "/etc/passwd/",
        "nginx@.service",
        ".service",
        "/srv/app",
        "/srv/app/current.log",
        "f\n\u{202e}",
        "[b-\n]",
        "(?P<\n>x)",
        "a{1000}{1000}{1000}",
        &nested,
        &long,
    ];
    let deep = (0..100).fold(Value::Null, |inner, _| Value::map([("x", Value::List(vec![inner]))]));
    let mut all = vec![Value::Null, Value::Bool(true), Value::Bytes(vec![0, 255]), Value::List(Vec::new()), deep];
    all.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5].map(Value::Float));
    all.extend(ints.map(Value::Int));
    all.extend(short.into_iter().chain(texts).map(Value::from));
    all.push(Value::Map(BTreeMap::from([("no-such-option".to_owned(), Value::Int(1))])));
    all
}

/// Returns calls with every number of arguments, and with one argument, all of them, or one option replaced by each of
/// these.
fn strange_calls(spec: &OpSpec) -> Vec<Vec<Value>> {
    let usual = example(spec);
    let required = spec.required().count();
    let mut calls: Vec<_> = (0..=required + 2).map(|count| vec![Value::from("x"); count]).collect();
    for value in nasty() {
        calls.push(vec![value.clone(); required]);
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
            match strange_world(Rule::All).call(operation, args) {
                Ok(returned) => assert_eq!(returned.kind(), spec.returns.value_kind(), "{told:.300}"),
                Err(error) => {
                    let declared = matches!(error.code, Code::Validation | Code::LimitExceeded)
                        || (error.code != Code::Internal && spec.errors.contains(&error.code));
                    assert!(declared, "{told:.300}: {error}");
                    well_formed(&error, &told);
                    failures += 1;
                }
            }
        }
    }
    assert!(failures > 1_000, "only {failures} calls failed");
}

#[test]
fn strange_arguments_reach_no_system_without_a_permit() {
    for (operation, spec) in specs() {
        for args in strange_calls(spec) {
            let told = format!("{}({args:?})", spec.name);
            let world = strange_world(Rule::None);
            let error = world.call(operation, args).unwrap_err();
            let codes = [Code::AccessDenied, Code::Validation, Code::LimitExceeded];
            assert!(codes.contains(&error.code) && world.os.calls() == 0, "{told:.300}: {error}");
            well_formed(&error, &told);
        }
    }
}

fn well_formed(error: &Error, told: &str) {
    let message = &error.message;
    let start = |c: char| c == '`' || c.is_ascii_lowercase();
    assert!(message.starts_with(start) && !message.ends_with('.'), "{told:.300}: {message}");
    assert!(!message.contains(|c: char| c.is_control() || c == '\u{202e}'), "{told:.300}: {message:?}");
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
            returns: ReturnSpec { kind: "nothing", doc: "" },
            doc: "Panics.",
            errors: &[],
            example: CallExample { args: "[]", returns: "null" },
        },
        call: |_: &Session<'_>, _: &Args| panic!("hunter2"),
    };
    let world = World::new(Rule::All);
    let error = world.call(&PANICS, Vec::new()).unwrap_err();
    assert_eq!(error.code, Code::Internal);
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!(world.recorded("test::panics"), (Vec::new(), Some(Code::Internal)));
    // The session still works.
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
