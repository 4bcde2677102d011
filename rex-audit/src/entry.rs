//! One line of a journal, as it was read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rex_core::{Principal, Value};
use serde::Deserialize;

/// What a line says. Which fields there are depends on the [event](Self::event); see [`rex_core::journal::Event`]. What a later version
/// adds is passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry<'a> {
    /// When, as RFC 3339 has it, in UTC.
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    /// In which run.
    #[serde(borrow)]
    pub run: Cow<'a, str>,
    /// The number within the run, from 1, without gaps.
    pub sequence: u64,
    /// On whose behalf: `Agent::"triage"`.
    #[serde(borrow)]
    pub principal: Cow<'a, str>,
    /// In which operation; empty if in none.
    #[serde(borrow)]
    pub operation: Cow<'a, str>,
    /// In which line of the script.
    pub line: Option<u32>,
    /// `start`, `decision`, `outcome` or `end`.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// Of a decision: what was asked for, `fs::read`.
    #[serde(borrow, default)]
    pub action: Option<Cow<'a, str>>,
    /// Of a decision: the id of what it was asked for.
    #[serde(borrow, default)]
    pub resource: Option<Cow<'a, str>>,
    /// Of a decision: the attributes of the resource that its id does not say.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
    /// Of a decision: the facts about the act.
    #[serde(default)]
    pub context: BTreeMap<String, Value>,
    /// Of a decision: `ALLOW` or `DENY`.
    #[serde(borrow, default)]
    pub decision: Option<Cow<'a, str>>,
    /// Of a decision: the ids of the deciding policies.
    #[serde(borrow, default)]
    pub policies: Vec<Cow<'a, str>>,
    /// Of a decision: their reason, or what went wrong.
    #[serde(borrow, default)]
    pub reason: Option<Cow<'a, str>>,
    /// Of an outcome and of an end: `SUCCESS` or the code of the failure.
    #[serde(borrow, default)]
    pub result: Option<Cow<'a, str>>,
    /// Of an outcome: bytes read and written.
    #[serde(default)]
    pub bytes: u64,
    /// Of an outcome and of an end: how long it took, in microseconds.
    #[serde(default)]
    pub duration_us: u64,
    /// Of a start: the SHA-256 of the script.
    #[serde(borrow, default)]
    pub script: Option<Cow<'a, str>>,
    /// Of a start: the operator's `key=value` strings.
    #[serde(borrow, default)]
    pub tags: Vec<Cow<'a, str>>,
    /// Of a start: the SHA-256 of the policy.
    #[serde(borrow, default)]
    pub policy: Option<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    /// The entry of a line.
    ///
    /// # Errors
    /// If the line is none.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        let mut entry: Self = serde_json::from_slice(line)?;
        // Journals of earlier versions write an apostrophe with a backslash: one principal has one spelling here.
        if entry.principal.contains("\\'")
            && let Ok(principal) = Principal::parse(&entry.principal)
        {
            entry.principal = principal.to_string().into();
        }
        Ok(entry)
    }

    /// Whether it is a decision that was a denial.
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
            // An id that holds a backslash before its apostrophe, by the older and by this version.
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
