//! Engines on the example world, under the simplest policies.

use std::sync::Arc;

use rex_core::{Authorize, Code, Decision, Limits, Principal, Request, Timestamp, Value};
use rex_engine::{Engine, Input, Report};
use rex_sdk::MemOs;

/// A policy that permits the requests for which the function is true.
pub(crate) struct Permit(pub(crate) fn(&Request<'_>) -> bool);

impl Authorize for Permit {
    fn decide(&self, request: &Request<'_>) -> Decision {
        if (self.0)(request) { Decision::allow(&["test"]) } else { Decision::deny(None) }
    }
}

pub(crate) fn engine(limits: Limits) -> Engine {
    let noon = || Timestamp::from_micros(1_772_452_800_000_000);
    Engine::builder(Arc::new(MemOs::example())).limits(limits).clock(Arc::new(noon)).build().unwrap()
}

pub(crate) fn input(permit: fn(&Request<'_>) -> bool) -> Input {
    Input { run_id: "test".to_owned(), ..Input::new(Principal::agent("test"), Arc::new(Permit(permit))) }
}

/// Runs a script with everything permitted.
pub(crate) fn run(script: &str) -> Report {
    run_within(script, Limits::default())
}

pub(crate) fn run_within(script: &str, limits: Limits) -> Report {
    engine(limits).run(script, input(|_| true))
}

/// Runs a script with nothing permitted.
pub(crate) fn run_denied(script: &str) -> Report {
    engine(Limits::default()).run(script, input(|_| false))
}

#[track_caller]
pub(crate) fn returns(script: &str, value: impl Into<Value>) {
    let report = run(script);
    assert_eq!(report.outcome, Ok(value.into()), "{script}");
}

#[track_caller]
pub(crate) fn fails(report: &Report, code: Code, message: &str) {
    match &report.outcome {
        Ok(value) => panic!("it returned {value}"),
        Err(failure) => {
            assert_eq!(failure.error.code, code, "{failure:?}");
            assert!(failure.error.message.contains(message), "{failure:?}");
        }
    }
}
