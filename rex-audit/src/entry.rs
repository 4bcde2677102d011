//! A record of a journal, as read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rex_core::{Principal, Value};
use serde::Deserialize;

/// A record. Its fields depend on the [event](Self::event); see [`rex_core::journal::Event`]. Fields that later versions add are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry<'a> {
    /// The time in RFC 3339, in UTC.
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    /// The id of the run.
    #[serde(borrow)]
    pub run: Cow<'a, str>,
    /// The number within the run, from 1, without gaps.
    pub sequence: u64,
    /// The principal: `Agent::"triage"`.
    #[serde(borrow)]
    pub principal: Cow<'a, str>,
    /// The operation; empty if there is no call.
    #[serde(borrow)]
    pub operation: Cow<'a, str>,
    /// The line of the script.
    pub line: Option<u32>,
    /// `start`, `decision`, `outcome` or `end`.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// The action of a decision: `fs::read`.
    #[serde(borrow, default)]
    pub action: Option<Cow<'a, str>>,
    /// The id of a decision's resource.
    #[serde(borrow, default)]
    pub resource: Option<Cow<'a, str>>,
    /// The attributes of a decision's resource that do not follow from its id.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// The facts of a decision.
    #[serde(default)]
    pub context: BTreeMap<String, Value>,
    /// The effect of a decision: `ALLOW` or `DENY`.
    #[serde(borrow, default)]
    pub decision: Option<Cow<'a, str>>,
    /// The ids of a decision's deciding policies.
    #[serde(borrow, default)]
    pub policies: Vec<Cow<'a, str>>,
    /// The reason of a decision, or the error.
    #[serde(borrow, default)]
    pub reason: Option<Cow<'a, str>>,
    /// The result of an outcome or an end: `SUCCESS` or the code of the failure.
    #[serde(borrow, default)]
    pub result: Option<Cow<'a, str>>,
    /// Number of bytes read and written, in an outcome.
    #[serde(default)]
    pub bytes: u64,
    /// The duration of an outcome or an end, in microseconds.
    #[serde(default)]
    pub duration_us: u64,
    /// The SHA-256 of the script, in a start.
    #[serde(borrow, default)]
    pub script: Option<Cow<'a, str>>,
    /// The operator's `key=value` strings, in a start.
    #[serde(borrow, default)]
    pub tags: Vec<Cow<'a, str>>,
    /// The SHA-256 of the policy, in a start.
    #[serde(borrow, default)]
    pub policy: Option<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    /// Parses a line.
    ///
    /// # Errors
    /// If the line is not a record of a run.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        let mut entry: Self = serde_json::from_slice(line)?;
        // Journals of earlier versions escape apostrophes with a backslash; here each principal has one spelling.
        if entry.principal.contains("\\'")
            && let Ok(principal) = Principal::parse(&entry.principal)
        {
            entry.principal = principal.to_string().into();
        }
        Ok(entry)
    }

    /// Returns whether it is a decision that denies.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        self.decision.as_deref() == Some(rex_core::Effect::Deny.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rex_core::action::fs;
    use rex_core::{AbsPath, Authorize, Call, Decision, Journal, JournalError, Limits, Record, Request, Run, Subject};

    use super::*;

    struct Policy;

    impl Authorize for Policy {
        fn decide(&self, _: &Request<'_>) -> Decision {
            Decision::deny(Some("no"))
        }
        fn digest(&self) -> Option<Arc<str>> {
            Some("ab".into())
        }
    }

    #[derive(Default)]
    struct Lines(std::sync::Mutex<Vec<Vec<u8>>>);

    impl Journal for Lines {
        fn write(&self, record: Record) -> Result<(), JournalError> {
            self.0.lock().unwrap().push(serde_json::to_vec(&record).unwrap());
            Ok(())
        }
    }

    #[test]
    fn a_principal_has_one_spelling() {
        let line = |principal: &str| {
            format!(
                r#"{{"time":"t","run":"r","sequence":1,"principal":{principal:?},"operation":"","line":null,"event":"start"}}"#
            )
        };
        for (written, read) in [
            (r#"Agent::"o\'brien""#, r#"Agent::"o'brien""#),
            (r#"Agent::"o'brien""#, r#"Agent::"o'brien""#),
            // An id with a backslash before its apostrophe, by an earlier version and by this one.
            (r#"Agent::"o\\\'brien""#, r#"Agent::"o\\'brien""#),
            (r#"Agent::"o\\'brien""#, r#"Agent::"o\\'brien""#),
        ] {
            assert_eq!(Entry::parse(line(written).as_bytes()).unwrap().principal, read);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let lines = Arc::new(Lines::default());
        let subject = Subject { tags: vec!["a=b".to_owned()], ..Subject::new(Principal::agent("t")) };
        let run = Run::new("r", subject, Arc::new(Policy), lines.clone(), Limits::default());
        run.begin().unwrap();
        let gate = run.gate(Call { operation: "fs::append", line: Some(2) });
        gate.permit(fs::Append { bytes: 7 }, AbsPath::parse("/a\"b").unwrap()).unwrap_err();
        run.end(Some(rex_core::Code::AccessDenied), std::time::Duration::from_micros(5)).unwrap();
        let lines = lines.0.lock().unwrap();
        let entries: Vec<_> = lines.iter().map(|line| Entry::parse(line).unwrap()).collect();
        let [start, denied, end] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((&*start.event, start.policy.as_deref(), &*start.tags[0]), ("start", Some("ab"), "a=b"));
        assert!(denied.is_denial());
        assert_eq!((denied.line, denied.resource.as_deref(), denied.sequence), (Some(2), Some("/a\"b"), 2));
        assert_eq!((denied.context.get("bytes"), denied.reason.as_deref()), (Some(&Value::Int(7)), Some("no")));
        assert_eq!((end.result.as_deref(), end.duration_us), (Some("ACCESS_DENIED_EXCEPTION"), 5));
    }
}
