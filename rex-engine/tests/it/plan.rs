//! Runs that are limited to a plan.

use std::sync::Arc;

use std::sync::atomic::{AtomicU32, Ordering};

use rex_core::action::fs;
use rex_core::{Action, ActionSpec, Authorize, Bond, Code, Decision, Limits, Principal, Request, Value};
use rex_engine::{CallRecorder, Engine, Input, PinnedPolicy, Plan, Report};
use rex_sdk::{CallExample, MemOs, Op, OpSpec, Overlay, ReturnSpec};

use crate::worlds::{Permit, input};

/// A policy that permits everything, and notes the calls.
#[derive(Default)]
struct Noting(CallRecorder);

impl Authorize for Noting {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision::allow(&["test"])
    }

    fn bond(&self) -> Option<&dyn Bond> {
        Some(&self.0)
    }
}

fn plan(below: MemOs, script: &str) -> (Plan, Report) {
    let os = Arc::new(Overlay::new(below, Limits::default()));
    let noting = Arc::new(Noting::default());
    let engine = Engine::builder(os.clone()).build().unwrap();
    let report = engine.run(script, Input::new(Principal::agent("test"), noting.clone()));
    let given = [("script", script.to_owned())];
    let plan = Plan::new(&report, &os.effects(), os.reads(), &noting.0.all(), &given).unwrap();
    (plan, report)
}

/// Runs a script under a plan, on a world that may differ from that of the plan.
fn held(plan: &Plan, os: MemOs, script: &str) -> (Report, Arc<MemOs>) {
    let os = Arc::new(os);
    let policy = Arc::new(PinnedPolicy::new(Arc::new(Permit(|_| true)), plan));
    let engine = Engine::builder(os.clone()).build().unwrap();
    (engine.run(script, Input::new(Principal::agent("test"), policy)), os)
}

const SCRIPT: &str = r#"
    let version = read("/srv/app/version.txt");
    write("/tmp/a", version);
    if version != "1.4.2\n" { fs::remove("/srv/app/config.yaml"); }
    service::restart("nginx");
"#;

#[test]
fn what_is_planned_is_done() {
    let (plan, _) = plan(MemOs::example(), SCRIPT);
    assert_eq!(
        plan.steps.iter().map(|step| step.action.as_str()).collect::<Vec<_>>(),
        ["fs::write", "service::restart"]
    );
    let (report, os) = held(&plan, MemOs::example(), SCRIPT);
    assert_eq!(report.code(), None, "{report:?}");
    assert_eq!(os.contents("/tmp/a").unwrap(), b"1.4.2\n");
}

#[test]
fn what_is_not_planned_is_denied_before_it_is_done() {
    let (plan, _) = plan(MemOs::example(), SCRIPT);
    // As if the file had changed after the plan.
    for version in ["1.5.0\n", "10.0.0\n"] {
        let message = "the plan has no call of `fs::write` with these arguments";
        let (report, os) = held(&plan, MemOs::example().file("/srv/app/version.txt", version), SCRIPT);
        let failure = report.outcome.unwrap_err();
        assert_eq!(failure.error.code, Code::AccessDenied);
        assert!(failure.error.message.contains(message), "{}", failure.error.message);
        assert!(os.contents("/srv/app/config.yaml").is_some());
    }
    let twice = r#"write("/tmp/a", "1"); write("/tmp/a", "1")"#;
    let (once, _) = self::plan(MemOs::example(), r#"write("/tmp/a", "1")"#);
    let failure = held(&once, MemOs::example(), twice).0.outcome.unwrap_err();
    assert!(failure.error.message.contains("the plan has no more calls"), "{}", failure.error.message);
}

/// Runs a script that may do something else than in its plan.
fn turned(script: &str) -> Report {
    let world = |turn: &str| MemOs::example().file("/turn", turn).file("/secret", "1.9.9\n");
    let script = format!("let real = read(\"/turn\") == \"real\"; {script}");
    let (plan, report) = plan(world("plan"), &script);
    assert_eq!(report.code(), None, "{script}: {report:?}");
    held(&plan, world("real"), &script).0
}

#[test]
fn a_run_is_held_to_what_the_plan_hands_over() {
    for (script, message) in [
        (r#"write("/tmp/a", if real { "EVIL" } else { "GOOD" })"#, "no call of `fs::write`"),
        (r#"append("/tmp/a", if real { "EVIL" } else { "GOOD" })"#, "no call of `fs::append`"),
        (r#"write("/tmp/a", read(if real { "/secret" } else { "/srv/app/version.txt" }))"#, "no call of `fs::read`"),
        (r#"if real { read("/secret") }"#, "no call of `fs::read`"),
        (r#"fs::copy(if real { "/secret" } else { "/srv/app/version.txt" }, "/tmp/a")"#, "no call of `fs::copy`"),
        (
            r#"process::run("/usr/bin/echo", ["a"], #{stdin: if real { "EVIL" } else { "GOOD" }})"#,
            "no call of `process::run`",
        ),
        (r#"net::post("http://app.example.com/", if real { "EVIL" } else { "GOOD" })"#, "no call of `net::post`"),
        (
            r#"net::get("http://app.example.com/", #{headers: #{"x-a": if real { "EVIL" } else { "GOOD" }}})"#,
            "no call of `net::get`",
        ),
        (
            r#"fs::set_xattr("/srv/app/version.txt", "user.a", #{value: if real { "E" } else { "G" }})"#,
            "no call of `fs::set_xattr`",
        ),
        (r#"if real { service::unmask("nginx") } else { service::mask("nginx") }"#, "no call of `service::unmask`"),
    ] {
        let failure = turned(script).outcome.expect_err(script);
        assert_eq!(failure.error.code, Code::AccessDenied, "{script}: {failure:?}");
        assert!(failure.error.message.contains(message), "{script}: {}", failure.error.message);
    }
    for (script, message) in [
        (r#"if !real { write("/tmp/a", "1"); }"#, "a step of the plan was left out: `fs::write` on `/tmp/a`"),
        (r#"if !real { write("/tmp/a", "1"); service::restart("nginx"); }"#, "2 steps of the plan were left out"),
    ] {
        let failure = turned(script).outcome.expect_err(script);
        assert!(failure.error.message.contains(message), "{script}: {}", failure.error.message);
    }
    // A repeated call, as in a script that waits for something, is not another call.
    assert_eq!(turned("for turn in if real { 0..3 } else { 0..1 } { service::status(\"nginx\"); }").code(), None);
}

#[test]
fn a_file_gets_what_the_plan_says() {
    let script = "fs::copy(\"/from\", \"/tmp/a\")";
    let (plan, _) = plan(MemOs::example().file("/from", "GOOD"), script);
    let (report, os) = held(&plan, MemOs::example().file("/from", "EVIL"), script);
    let failure = report.outcome.unwrap_err();
    assert_eq!(failure.error.code, Code::AccessDenied);
    assert!(
        failure.error.message.contains("the plan writes different contents to `/tmp/a`"),
        "{}",
        failure.error.message
    );
    assert!(os.contents("/tmp/a").is_none());
    assert_eq!(held(&plan, MemOs::example().file("/from", "GOOD"), script).0.code(), None);
}

#[test]
fn plans_that_do_the_same_are_one() {
    let (one, _) = plan(MemOs::example(), SCRIPT);
    let (same, _) = plan(MemOs::example(), SCRIPT);
    assert_eq!((&one.hash, one.differs(&same)), (&same.hash, Vec::new()));
    let (other, _) = plan(MemOs::example().file("/srv/app/version.txt", "1.5.0\n"), SCRIPT);
    assert_eq!(other.differs(&one), ["what it would do: `/tmp/a`", "what it reads: `/srv/app/version.txt`"]);
    assert_ne!(other.hash, one.hash);
}

#[test]
fn a_plan_without_all_of_its_journal_is_none() {
    let os = Arc::new(Overlay::new(MemOs::example(), Limits::default()));
    let limits = Limits { journal_records: 2, ..Limits::default() };
    let report = Engine::builder(os.clone()).limits(limits).build().unwrap().run(SCRIPT, input(|_| true));
    let error = Plan::new(&report, &os.effects(), os.reads(), &[], &[]).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::LimitExceeded, "a plan has 2 records at most"));
}

/// Number of times that an operation that knows nothing of plans has acted.
static DONE: AtomicU32 = AtomicU32::new(0);

const fn own(name: &'static str, needs: &'static [&'static ActionSpec]) -> Op {
    let returns = ReturnSpec { kind: "int", doc: "How often it was done." };
    let example = CallExample { args: "[]", returns: "1" };
    Op {
        spec: OpSpec { name, aliases: &[], needs, params: &[], returns, doc: "Counts.", errors: &[], example },
        call: |_, _| Ok(Value::count(DONE.fetch_add(1, Ordering::Relaxed) + 1)),
    }
}

#[test]
fn a_plan_does_nothing_of_an_operation_that_does_not_say_that_it_can_be_planned() {
    static CHANGES: Op = own("own::change", &[fs::Write::SPEC]);
    static UNKNOWN: Op = own("own::unknown", &[]);
    static READS: Op = own("own::read", &[fs::Read::SPEC]);
    let engine = |os| Engine::builder(os).operation(&CHANGES).operation(&UNKNOWN).operation(&READS).build().unwrap();
    let planning = engine(Arc::new(Overlay::new(MemOs::example(), Limits::default())));
    for script in ["own::change()", "own::unknown()"] {
        let failure = planning.run(script, input(|_| true)).outcome.unwrap_err();
        assert_eq!(failure.error.code, Code::Unsupported, "{script}");
        assert!(failure.error.message.contains("cannot be planned"), "{script}: {failure:?}");
    }
    assert_eq!(DONE.load(Ordering::Relaxed), 0);
    assert_eq!(planning.run("own::read(); write(`/tmp/a`, `b`)", input(|_| true)).outcome, Ok(Value::Int(1)));
    let running = engine(Arc::new(MemOs::example()));
    assert_eq!(running.run("own::change() + own::unknown()", input(|_| true)).outcome, Ok(Value::Int(5)));
}
