//! The tasks of the cookbook in the example world: each succeeds, and is denied something without any one of its permits.

use std::sync::Arc;

use rex_core::{Principal, Timestamp};
use rex_engine::{Engine, Input, Report};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};
use rex_sdk::MemOs;

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

/// A task: its name, its script, its policies one by one.
struct Task {
    name: String,
    script: String,
    policies: Vec<String>,
}

fn tasks() -> Vec<Task> {
    let text = std::fs::read_to_string(crate::examples::root().join("docs/cookbook.md")).unwrap();
    let block = |section: &str, kind: &str| {
        let (_, rest) = section.split_once(&format!("```{kind}\n")).unwrap_or_else(|| panic!("no {kind}: {section}"));
        rest.split_once("\n```").unwrap().0.to_owned()
    };
    let task = |section: &str| Task {
        name: section.lines().next().unwrap().to_owned(),
        script: block(section, "rhai"),
        policies: block(section, "cedar").split("@id(").skip(1).map(|policy| format!("@id({policy}")).collect(),
    };
    text.split("\n## ").skip(1).map(task).collect()
}

fn run(task: &Task, policies: &[String]) -> Report {
    let source = SourceText { name: "cookbook.cedar".to_owned(), text: policies.concat() };
    let whole = policies.len() == task.policies.len();
    let policy = Policy::compile(&Vocabulary::rex(), &[source], None, &PolicyLimits::default())
        .unwrap_or_else(|error| panic!("{}: {error:?}", task.name));
    assert!(!whole || policy.warnings().is_empty(), "{}: {:?}", task.name, policy.warnings());
    let noon = || Timestamp::from_micros(1_772_452_800_000_000);
    let engine = Engine::builder(Arc::new(MemOs::example())).clock(Arc::new(noon)).build().unwrap();
    engine.run(&task.script, Input::new(Principal::agent("oncall"), Arc::new(policy)))
}

#[test]
fn each_task_succeeds_and_needs_all_of_its_permits() {
    let tasks = tasks();
    assert!(tasks.len() >= 20, "{} tasks", tasks.len());
    for task in &tasks {
        let report = run(task, &task.policies);
        assert!(report.outcome.is_ok() && report.stats.denied == 0, "{}: {report:?}", task.name);
        for left_out in 0..task.policies.len() {
            let mut policies = task.policies.clone();
            let policy = policies.remove(left_out);
            let report = run(task, &policies);
            assert!(report.stats.denied > 0, "{}: it does without {policy}", task.name);
        }
    }
}
