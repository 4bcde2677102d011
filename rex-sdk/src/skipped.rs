//! Entries that are missing in a result, with the reason.

use std::collections::BTreeMap;

use rex_core::bounds::SKIPPED;
use rex_core::{Code, Error, Value};

use crate::os::{CHANGED, NOT_LET};

/// Missing entries: the first ones one by one, the rest as a count for each reason.
#[derive(Default)]
pub(crate) struct SkippedEntries {
    told: Vec<Value>,
    /// Number of further entries for each reason, and the first of them.
    more: BTreeMap<&'static str, (u64, Value)>,
}

impl SkippedEntries {
    /// Adds an entry.
    pub(crate) fn add(&mut self, path: &str, error: &Error) {
        self.add_as(path, error, why(error));
    }

    /// Adds an entry with another reason than that of the error's code.
    pub(crate) fn add_as(&mut self, path: &str, error: &Error, why: &'static str) {
        if self.told.len() < SKIPPED {
            self.told.push(counted(entry(path, error, why), 1));
        } else {
            self.more.entry(why).or_insert_with(|| (0, entry(path, error, why))).0 += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

impl From<SkippedEntries> for Value {
    fn from(skipped: SkippedEntries) -> Self {
        let more = skipped.more.into_values().map(|(count, first)| counted(first, count));
        Self::List(skipped.told.into_iter().chain(more).collect())
    }
}

fn counted(mut entry: Value, count: u64) -> Value {
    if let Value::Map(entries) = &mut entry {
        entries.insert("count".to_owned(), Value::count(count));
    }
    entry
}

/// Returns one missing entry as a value.
pub(crate) fn skipped(path: &str, error: &Error) -> Value {
    entry(path, error, why(error))
}

fn entry(path: &str, error: &Error, why: &'static str) -> Value {
    Value::map([
        ("path", path.into()),
        ("code", error.code.as_str().into()),
        ("message", error.message.as_str().into()),
        ("why", why.into()),
    ])
}

/// Returns the reason in a word: the policy, the operating system, or something else.
pub(crate) fn why(error: &Error) -> &'static str {
    match error.code {
        Code::AccessDenied => "denied",
        Code::NotFound => "gone",
        Code::LimitExceeded => "limit",
        Code::Unsupported => "unsupported",
        Code::Io if error.message.starts_with(NOT_LET) => "no permission",
        Code::Io if error.message.ends_with(CHANGED) => "changed",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::OsError;
    use crate::os::io_error;

    #[test]
    fn each_has_a_reason_and_very_many_have_a_count() {
        let path = rex_core::AbsPath::parse("/x").unwrap();
        for (error, reason) in [
            (Error::new(Code::AccessDenied, "no permit matched"), "denied"),
            (io_error(io::ErrorKind::PermissionDenied.into(), "/x"), "no permission"),
            (io_error(io::ErrorKind::NotFound.into(), "/x"), "gone"),
            (OsError::Changed.into_error(&path), "changed"),
            (io_error(io::Error::other("broken"), "/x"), "failed"),
        ] {
            assert_eq!(why(&error), reason, "{error}");
        }
        let mut all = SkippedEntries::default();
        for number in 0..SKIPPED + 7 {
            let code = if number % 2 == 0 { Code::NotFound } else { Code::AccessDenied };
            all.add(&format!("/{number}"), &Error::new(code, "left out"));
        }
        let Value::List(told) = Value::from(all) else { panic!() };
        assert_eq!(told.len(), SKIPPED + 2);
        let count = |entry: &Value| if let Some(Value::Int(count)) = entry.get("count") { *count } else { 0 };
        assert_eq!(told.iter().map(count).sum::<i64>(), 1_007);
        assert_eq!((told[SKIPPED].get("why"), count(&told[SKIPPED])), (Some(&"denied".into()), 3));
    }
}
