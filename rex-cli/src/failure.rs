//! The failure of a script in its JSON format.

use rex_core::Code;
use rex_engine::Failure;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Stop};

/// The failure of a script.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FailureReport {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) operation: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) policies: Vec<String>,
    pub(crate) reason: Option<String>,
    pub(crate) help: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
    /// Further errors in a script that was not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) more: Vec<FailureReport>,
}

impl FailureReport {
    /// Converts a failure through its JSON format.
    pub(crate) fn new(failure: &Failure) -> Result<Self, Stop> {
        serde_json::to_value(failure)
            .and_then(serde_json::from_value)
            .map_err(|error| Stop::internal(format!("the failure cannot be encoded: {error}")))
    }

    /// Returns how the command ends after this, if `signal` was the last to stop it.
    pub(crate) fn exit(&self, signal: u8) -> Exit {
        let code = Code::ALL.iter().copied().find(|code| code.as_str() == self.code);
        Exit::of(code.unwrap_or(Code::Internal), signal)
    }
}
