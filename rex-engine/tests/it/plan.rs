//! Runs that are held to a plan.

use std::sync::Arc;

use rex_core::{Code, Limits, Principal};
use rex_engine::{Engine, Held, Input, Plan, Report};
use rex_sdk::{MemOs, Overlay};

use crate::worlds::{Permit, input};

fn plan(below: MemOs, script: &str) -> (Plan, Report) {
    let os = Arc::new(Overlay::new(below, Limits::default()));
    let report = Engine::builder(os.clone()).build().unwrap().run(script, input(|_| true));
    let plan = Plan::new(&report, &os.effects(), os.reads(), &[("script", script.to_owned())]).unwrap();
    (plan, report)
}

/// Runs a script on a world that may not be that of the plan.
fn held(plan: &Plan, os: MemOs, script: &str) -> (Report, Arc<MemOs>) {
    let os = Arc::new(os);
    let policy = Arc::new(Held::new(Arc::new(Permit(|_| true)), plan.steps.clone()));
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
    // As if it had changed after the last look at it.
    for (version, message) in [
        ("1.5.0\n", "the plan has `service::restart` on `nginx.service` next"),
        // Longer: the plan had another number of bytes.
        ("10.0.0\n", "the plan has `fs::write` on `/tmp/a` next"),
    ] {
        let (report, os) = held(&plan, MemOs::example().file("/srv/app/version.txt", version), SCRIPT);
        let failure = report.outcome.unwrap_err();
        assert_eq!(failure.error.code, Code::AccessDenied);
        assert!(failure.error.message.contains(message), "{}", failure.error.message);
        assert!(os.contents("/srv/app/config.yaml").is_some());
    }
    let twice = r#"write("/tmp/a", "1"); write("/tmp/a", "1")"#;
    let (once, _) = self::plan(MemOs::example(), r#"write("/tmp/a", "1")"#);
    let failure = held(&once, MemOs::example(), twice).0.outcome.unwrap_err();
    assert!(failure.error.message.contains("the plan has nothing more"), "{}", failure.error.message);
}

#[test]
fn reads_are_not_held_to_a_plan() {
    let (plan, _) = plan(MemOs::example(), "1");
    let (report, _) = held(&plan, MemOs::example(), "read(\"/srv/app/version.txt\")");
    assert_eq!(report.outcome, Ok("1.4.2\n".into()));
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
    let error = Plan::new(&report, &os.effects(), os.reads(), &[]).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::LimitExceeded, "a plan has 2 records at most"));
}
