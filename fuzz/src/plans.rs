//! Whole plans: many operations, one after another, under a policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use rex_core::journal::Event;
use rex_core::{
    AbsPath, Authorize, Code, Decision, Effect, Limits, MemoryJournal, Principal, Request, Run, Subject, Value,
};
use rex_sdk::{MemOs, OPS, Session};

use crate::{Constant, args};

/// Maximum number of operations in a plan.
const STEPS: usize = 32;

/// Checks that each change of a file has a decision that permitted one of that file, recorded before it.
pub fn plans(data: &[u8]) {
    // It fails only if the input is too short; the calls until then are enough.
    let _ = plan(&mut Unstructured::new(data));
}

/// A policy that permits about half of all requests, always the same ones for a number.
struct Half(u8);

impl Authorize for Half {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let spec = request.action.spec();
        let bytes = spec.name.bytes().chain(request.resource.id().bytes());
        let sum = bytes.fold(self.0, |sum, byte| sum.rotate_left(3).wrapping_add(byte));
        if sum & 1 == 0 { Decision::allow(&["half"]) } else { Decision::deny(None) }
    }
}

fn plan(input: &mut Unstructured<'_>) -> Result<()> {
    let limits = Limits { file_bytes: 1 << 16, entries: 256, wall_ms: 10_000, ..Limits::default() };
    let journal = Arc::new(MemoryJournal::new(100_000));
    let policy: Arc<dyn Authorize> =
        if input.arbitrary()? { Arc::new(Constant(true)) } else { Arc::new(Half(input.arbitrary()?)) };
    let run = Run::new("fuzz", Subject::new(Principal::agent("fuzz")), policy, journal.clone(), limits);
    let (os, base) = (MemOs::example(), AbsPath::root());
    let session = Session::new(&run, &os, &base);
    let mut before = files(&os);
    for _ in 0..STEPS {
        let operation = *input.choose(OPS)?;
        // Gives one file two names, see row 4 of the threat model: a change of the one changes the other.
        if operation.spec().name == "fs::hard_link" {
            continue;
        }
        let args = args(input, operation)?;
        let shown = format!("{} {args:?}", operation.spec().name);
        let result = session.invoke(operation, args, None);
        assert_ne!(result.as_ref().err().map(|error| error.code), Some(Code::Internal), "{shown}: {result:?}");
        let allowed: Vec<String> = journal.take().0.into_iter().filter_map(|record| mutating(record.event)).collect();
        let after = files(&os);
        for path in before.keys().chain(after.keys()) {
            let changed = before.get(path) != after.get(path);
            assert!(!changed || allowed.contains(path), "{shown} changed {path}, and was allowed {allowed:?}");
        }
        before = after;
    }
    Ok(())
}

/// Returns the resource of a permitted change.
fn mutating(event: Event) -> Option<String> {
    match event {
        Event::Decision { action, resource, effect: Effect::Allow, .. } if action.groups.contains(&"Mutating") => {
            Some(resource)
        }
        _ => None,
    }
}

/// Returns everything that has a name, with its metadata and contents.
fn files(os: &MemOs) -> BTreeMap<String, String> {
    let journal = Arc::new(MemoryJournal::new(0));
    let limits = Limits { wall_ms: 10_000, ..Limits::default() };
    let run = Run::new("look", Subject::new(Principal::agent("fuzz")), Arc::new(Constant(true)), journal, limits);
    let (base, stat) = (AbsPath::root(), Value::map([("follow", false.into())]));
    let session = Session::new(&run, os, &base);
    let mut todo = vec!["/".to_owned()];
    let mut all = BTreeMap::new();
    while let Some(path) = todo.pop() {
        let told = session.call("fs::stat", vec![path.as_str().into(), stat.clone()]);
        let kind = told.as_ref().ok().and_then(|told| told.get("kind")).map(ToString::to_string);
        if kind.as_deref() == Some("\"directory\"") {
            let Ok(Value::List(entries)) = session.call("fs::list", vec![path.as_str().into()]) else { continue };
            todo.extend(entries.iter().filter_map(|entry| match entry.get("path") {
                Some(Value::Text(path)) => Some(path.clone()),
                _ => None,
            }));
        }
        let told = told.map_or_else(|error| error.code.to_string(), |told| told.to_string());
        all.insert(path.clone(), format!("{told} {:?}", os.contents(&path)));
    }
    all
}
