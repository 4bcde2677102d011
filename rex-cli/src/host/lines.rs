//! The records that a worker may write, and what they show of its run.
//!
//! A worker may be compromised. It can conceal what it tried and the kernel denied; it cannot write a record of another run, one
//! twice, one about the journal itself, or one after its end.

use std::collections::VecDeque;

use rex_core::{ACTIONS, ActionSpec, Limits, Subject};
use rex_engine::RunStats;
use rex_engine::plan::PlanStep;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::journal::is_act;

/// The records of a worker so far.
pub(crate) struct WorkerRecords {
    run: String,
    principal: String,
    script: String,
    tags: Vec<String>,
    most: u64,
    count: u64,
    ended: bool,
    /// The statistics of the run, known without its report.
    pub(crate) stats: RunStats,
    /// The act that the last record permits.
    pub(crate) permitted: Option<PermittedAct>,
    /// The remaining steps that the run must follow.
    steps: Option<VecDeque<PlanStep>>,
}

/// An act that a record permits.
#[derive(Debug, PartialEq)]
pub(crate) struct PermittedAct {
    pub(crate) operation: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    /// The attributes of the resource that its id does not say.
    pub(crate) attributes: Json,
    /// The facts about the act.
    pub(crate) context: Json,
}

/// A record from a worker. Other fields are rejected: the supervisor adds those that link records.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkerRecord {
    time: String,
    run: String,
    sequence: u64,
    principal: String,
    operation: String,
    #[serde(rename = "line")]
    _line: Option<u32>,
    event: WorkerEvent,
    script: Option<String>,
    tags: Option<Vec<String>>,
    #[serde(rename = "policy")]
    _policy: Option<String>,
    action: Option<String>,
    resource: Option<String>,
    #[serde(default)]
    attributes: Map<String, Json>,
    #[serde(default)]
    context: Map<String, Json>,
    decision: Option<RecordedEffect>,
    #[serde(rename = "policies")]
    _policies: Option<Vec<String>>,
    #[serde(rename = "reason")]
    _reason: Option<String>,
    result: Option<String>,
    #[serde(rename = "bytes")]
    _bytes: Option<u64>,
    #[serde(rename = "duration_us")]
    _duration_us: Option<u64>,
}

/// The events that workers write. Those of [`rex_audit::Mark`] are the supervisor's.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WorkerEvent {
    Start,
    Decision,
    Outcome,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum RecordedEffect {
    Allow,
    Deny,
}

impl WorkerRecords {
    /// Expects the records of a run. If there are steps, it must follow them.
    pub(crate) fn new(run: &str, subject: &Subject, limits: &Limits, steps: Option<&[PlanStep]>) -> Self {
        Self {
            run: run.to_owned(),
            principal: subject.principal.to_string(),
            script: subject.script.clone(),
            tags: subject.tags.clone(),
            // One for each decision; for each operation its outcome, and one decision that the limit does not count; the start and the end.
            most: limits.decisions.saturating_add(limits.operations.saturating_mul(2)).saturating_add(2),
            count: 0,
            ended: false,
            stats: RunStats::default(),
            permitted: None,
            steps: steps.map(|steps| steps.iter().cloned().collect()),
        }
    }

    /// Accepts records, if they are the next of this run. Returns whether one of them permits an act that changes something, whatever
    /// the worker says about it.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, &'static str> {
        let mut acts = false;
        for text in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line: WorkerRecord = serde_json::from_slice(text).map_err(|_| "malformed record")?;
            let ours = line.run == self.run && line.principal == self.principal && text.ends_with(b"}\n");
            if !ours || line.sequence != self.count + 1 || self.ended {
                return Err("its record does not follow the last record of this run");
            }
            if !self.fits(&line) {
                return Err("its record does not have the fields of its event");
            }
            self.count += 1;
            if self.count > self.most {
                return Err("it sent more records than the limit allows");
            }
            self.ended = line.event == WorkerEvent::End;
            self.stats.decisions += u64::from(line.event == WorkerEvent::Decision);
            self.stats.denied += u64::from(line.decision == Some(RecordedEffect::Deny));
            self.stats.operations += u64::from(line.event == WorkerEvent::Outcome);
            let permitted = line.permitted();
            if !permitted.as_ref().is_none_or(|permitted| self.is_next_step(permitted)) {
                return Err("it deviates from its plan");
            }
            acts |= permitted.as_ref().is_some_and(PermittedAct::acts);
            self.permitted = permitted;
        }
        Ok(acts)
    }

    /// Returns whether a permitted act is the next step of the plan, which it removes, or has no effect.
    fn is_next_step(&mut self, permitted: &PermittedAct) -> bool {
        let Some(steps) = &mut self.steps else { return true };
        let has_effect = |spec: &&&ActionSpec| spec.has_effect() && spec.to_string() == permitted.action;
        ACTIONS.iter().find(has_effect).is_none()
            || steps
                .pop_front_if(|step| step.is_recorded_as(&permitted.action, &permitted.resource, &permitted.context))
                .is_some()
    }

    /// Checks that a record has the fields of its event, and that a start names script and tags of this run.
    fn fits(&self, line: &WorkerRecord) -> bool {
        let timely = line.time.len() <= 40 && line.time.bytes().all(|byte| b"0123456789-T:.Z".contains(&byte));
        let decides = line.action.is_some() && line.resource.is_some() && line.decision.is_some();
        let silent = line.action.is_none() && line.resource.is_none() && line.decision.is_none();
        let starts = line.script.as_ref() == Some(&self.script) && line.tags.as_ref() == Some(&self.tags);
        let tells_start = line.script.is_some() || line.tags.is_some();
        timely
            && (line.event == WorkerEvent::Start) == (line.sequence == 1)
            && match line.event {
                WorkerEvent::Start => starts && silent && line.result.is_none(),
                WorkerEvent::Decision => decides && !tells_start && line.result.is_none(),
                WorkerEvent::Outcome | WorkerEvent::End => silent && !tells_start && line.result.is_some(),
            }
    }
}

impl PermittedAct {
    /// Returns whether the act may change something; an unknown one may.
    fn acts(&self) -> bool {
        let same = |spec: &&&ActionSpec| self.action.split_once("::") == Some((spec.namespace, spec.name));
        ACTIONS.iter().find(same).is_none_or(|spec| is_act(spec))
    }
}

impl WorkerRecord {
    fn permitted(self) -> Option<PermittedAct> {
        let (action, resource) =
            self.action.zip(self.resource).filter(|_| self.decision == Some(RecordedEffect::Allow))?;
        let (attributes, context) = (Json::Object(self.attributes), Json::Object(self.context));
        Some(PermittedAct { operation: self.operation, action, resource, attributes, context })
    }
}

#[cfg(test)]
mod tests {
    use rex_core::Principal;
    use serde_json::{Value, json};

    use super::*;

    const START: &str = r#"{"time":"2026-01-01T00:00:00.5Z","run":"r","sequence":1,"principal":"Agent::\"x\"","operation":"","line":null,"event":"start","script":"ab","tags":["a=b"],"policy":null}"#;

    fn lines() -> WorkerRecords {
        let subject =
            Subject { script: "ab".to_owned(), tags: vec!["a=b".to_owned()], ..Subject::new(Principal::agent("x")) };
        WorkerRecords::new("r", &subject, &Limits::default(), None)
    }

    fn line(changes: Value) -> String {
        let mut line: Value = serde_json::from_str(START).unwrap();
        for (key, value) in changes.as_object().unwrap() {
            line[key] = value.clone();
        }
        line.as_object_mut().unwrap().retain(|_, value| *value != json!("-"));
        format!("{line}\n")
    }

    fn next(sequence: u64, event: &str, more: Value) -> String {
        let mut changes = json!({"sequence": sequence, "event": event, "script": "-", "tags": "-", "policy": "-"});
        changes.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        line(changes)
    }

    #[test]
    fn a_worker_writes_the_next_lines_of_its_run() {
        let mut lines = lines();
        let decision = json!({"action": "fs::read", "resource": "/a", "context": {}, "decision": "ALLOW", "policies": ["p"], "reason": null});
        lines.take(line(json!({})).as_bytes()).unwrap();
        lines.take(next(2, "decision", decision.clone()).as_bytes()).unwrap();
        let permitted = lines.permitted.take().unwrap();
        assert_eq!((permitted.action.as_str(), permitted.resource.as_str()), ("fs::read", "/a"));
        let outcome = next(3, "outcome", json!({"result": "SUCCESS", "bytes": 1, "duration_us": 1}));
        let end = next(4, "end", json!({"result": "SUCCESS", "duration_us": 1}));
        lines.take((outcome + &end).as_bytes()).unwrap();
        assert_eq!((lines.stats.decisions, lines.stats.operations, &lines.permitted), (1, 1, &None));
        assert!(lines.take(next(5, "decision", decision).as_bytes()).is_err(), "after its end");
    }

    #[test]
    fn a_worker_that_is_held_to_a_plan_takes_its_steps() {
        let step = json!({"sequence": 2, "line": 1, "operation": "fs::write", "action": "fs::write", "resource": "/a", "arguments": "",
            "context": {"bytes": 1}, "policies": ["p"], "done": null});
        let decision = |action: &str, resource: &str, bytes: u64| json!({"action": action, "resource": resource, "context": {"bytes": bytes}, "decision": "ALLOW", "policies": [], "reason": null});
        let held = |decisions: &[Value]| {
            let steps = [serde_json::from_value(step.clone()).unwrap()];
            let mut lines = WorkerRecords { steps: Some(steps.into()), ..lines() };
            lines.take(line(json!({})).as_bytes()).unwrap();
            let mut numbers = 2..;
            decisions.iter().try_for_each(|decision| {
                lines.take(next(numbers.next().unwrap(), "decision", decision.clone()).as_bytes()).map(drop)
            })
        };
        assert_eq!(held(&[decision("fs::read", "/b", 0), decision("fs::write", "/a", 1)]), Ok(()));
        for other in [decision("fs::write", "/b", 1), decision("fs::write", "/a", 2), decision("fs::append", "/a", 1)] {
            assert_eq!(held(&[other]), Err("it deviates from its plan"));
        }
        assert_eq!(
            held(&[decision("fs::write", "/a", 1), decision("fs::write", "/a", 1)]),
            Err("it deviates from its plan")
        );
    }

    /// Simulates a compromised worker that pretends that no act waits for its records.
    #[test]
    fn an_act_is_known_by_its_line() {
        for (action, decision, acts) in [
            ("fs::read", "ALLOW", false),
            ("fs::write", "ALLOW", true),
            ("service::restart", "ALLOW", true),
            ("net::connect", "ALLOW", true),
            ("no::such", "ALLOW", true),
            ("fs::write", "DENY", false),
        ] {
            let decided = json!({"action": action, "resource": "/a", "decision": decision});
            let read = json!({"action": "fs::read", "resource": "/a", "decision": "ALLOW"});
            let mut lines = lines();
            assert_eq!(lines.take(line(json!({})).as_bytes()), Ok(false));
            let both = next(2, "decision", decided) + &next(3, "decision", read);
            assert_eq!(lines.take(both.as_bytes()), Ok(acts), "{action}");
        }
    }

    #[test]
    fn a_worker_writes_nothing_else() {
        lines().take(line(json!({})).as_bytes()).unwrap();
        for changes in [
            json!({"run": "s"}),
            json!({"sequence": 2}),
            json!({"principal": "Agent::\"y\""}),
            json!({"time": "2026\u{1b}"}),
            json!({"script": "cd"}),
            json!({"tags": []}),
            json!({"event": "end", "result": "SUCCESS"}),
            json!({"decision": "ALLOW"}),
            json!({"prev": "0".repeat(64)}),
        ] {
            assert!(lines().take(line(changes.clone()).as_bytes()).is_err(), "{changes}");
        }
        assert!(lines().take(line(json!({})).trim_end().as_bytes()).is_err());
        for (event, more) in [
            ("torn", json!({"bytes": 1, "hash": "00"})),
            ("checkpoint", json!({"key": "k", "signature": "s"})),
            ("continued", json!({"file": "f"})),
            ("start", json!({"script": "ab", "tags": ["a=b"]})),
            ("decision", json!({"action": "fs::read", "resource": "/a"})),
            ("decision", json!({"action": "fs::read", "resource": "/a", "decision": "MAYBE"})),
            ("outcome", json!({"result": "SUCCESS", "decision": "ALLOW", "action": "fs::read", "resource": "/a"})),
            ("end", json!({})),
            ("end", json!({"result": "SUCCESS", "run": 1})),
        ] {
            let mut lines = lines();
            lines.take(line(json!({})).as_bytes()).unwrap();
            assert!(lines.take(next(2, event, more.clone()).as_bytes()).is_err(), "{event} {more}");
        }
        let twice = START.replace("\"sequence\":1", "\"sequence\":1,\"sequence\":1");
        assert!(lines().take(format!("{twice}\n").as_bytes()).is_err());
    }
}
