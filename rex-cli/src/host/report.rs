//! The report in its JSON format: what a worker sends to its supervisor, and what is printed.

use std::collections::BTreeMap;

use rex_core::Code;
use rex_engine::{DeniedRequests, Report, RunStats};
use serde::{Deserialize, Serialize};

use super::plan::PlanReport;
use super::wire::ConfinementReport;
use crate::exit::{Exit, Stop};
use crate::failure::FailureReport;

/// The result of a run without a failure, in place of a code.
pub(crate) const SUCCESS: &str = "SUCCESS";

/// The report of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunReport {
    pub(crate) run_id: String,
    pub(crate) status: RunStatus,
    pub(crate) value: serde_json::Value,
    pub(crate) output: Vec<String>,
    pub(crate) error: Option<FailureReport>,
    #[serde(default)]
    pub(crate) warnings: Vec<FailureReport>,
    #[serde(default)]
    pub(crate) denials: Vec<DeniedRequests>,
    pub(crate) stats: RunStats,
    pub(crate) confinement: Option<ConfinementReport>,
    /// The plan of a run on an overlay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<PlanReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum RunStatus {
    Success,
    Error,
}

impl RunReport {
    /// Converts a report through its JSON format.
    pub(crate) fn new(report: &Report) -> Result<Self, Stop> {
        serde_json::to_value(report)
            .and_then(serde_json::from_value)
            .map_err(|error| Stop::internal(format!("the report cannot be encoded: {error}")))
    }

    /// Returns a report of a run that could not make one.
    pub(crate) fn failed(run_id: &str, code: Code, message: impl Into<String>, stats: RunStats) -> Self {
        let error = FailureReport {
            code: code.as_str().to_owned(),
            message: message.into(),
            operation: None,
            action: None,
            resource: None,
            policies: Vec::new(),
            reason: None,
            help: None,
            line: None,
            column: None,
            more: Vec::new(),
        };
        Self {
            run_id: run_id.to_owned(),
            status: RunStatus::Error,
            value: serde_json::Value::Null,
            output: Vec::new(),
            error: Some(error),
            warnings: Vec::new(),
            denials: Vec::new(),
            stats,
            confinement: None,
            plan: None,
        }
    }

    pub(crate) fn with_help(mut self, help: &str) -> Self {
        if let Some(error) = &mut self.error {
            error.help = Some(help.to_owned());
        }
        self
    }

    /// Returns a sentence about the denied requests, if any, that the script of a successful run did not catch.
    pub(crate) fn incomplete(&self) -> Option<String> {
        let known: u64 = self.denials.iter().filter(|one| one.caught).map(|one| one.count).sum();
        let denied = self.stats.denied.saturating_sub(known);
        if denied == 0 {
            return None;
        }
        let unknown = || self.denials.iter().filter(|one| !one.caught);
        let mut actions = BTreeMap::<_, u64>::new();
        for one in unknown() {
            *actions.entry(one.action.as_str()).or_default() += one.count;
        }
        let actions: Vec<_> = actions.iter().map(|(action, count)| format!("{action} {count}")).collect();
        let of = if actions.is_empty() { String::new() } else { format!(" ({})", actions.join(", ")) };
        let were = if denied == 1 { "request was" } else { "requests were" };
        let first = unknown().next().map_or_else(String::new, |one| {
            let line = one.line.map_or_else(String::new, |line| format!(" in line {line}"));
            format!(", first `{}` on `{}`{line}", one.operation, one.resource.escape_debug())
        });
        Some(format!("{denied} {were} denied{of}{first}: results may be incomplete"))
    }

    /// Returns the code of the failure, or `SUCCESS`.
    pub(crate) fn result(&self) -> &str {
        self.error.as_ref().map_or(SUCCESS, |error| &error.code)
    }

    /// Returns how the command ends after this, if `signal` was the last to stop it.
    pub(crate) fn exit(&self, signal: u8) -> Exit {
        self.error.as_ref().map_or(Exit::Success, |error| error.exit(signal))
    }
}
