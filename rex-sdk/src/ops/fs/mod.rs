//! Files and directories.

pub mod append;
pub mod certificates;
pub mod checksum;
pub mod chmod;
pub mod chown;
pub mod copy;
pub mod count;
pub mod create_dir;
pub mod diff;
pub mod du;
pub mod elf;
pub mod exists;
pub mod expand;
pub mod find;
pub mod grep;
pub mod gzip;
pub mod hard_link;
pub mod lines;
pub mod list;
pub mod read;
pub mod read_bytes;
pub mod read_link;
pub mod remove;
pub mod remove_all;
pub mod remove_dir;
pub mod rename;
pub mod replace;
pub mod set_xattr;
pub mod stat;
pub mod strings;
pub mod symlink;
pub mod tail;
pub mod tar_create;
pub mod tar_extract;
pub mod tar_list;
pub mod temp_file;
pub mod touch;
pub mod truncate;
pub mod walk;
pub mod write;
pub mod xattr;
pub mod xattrs;
pub mod zstd;

use std::collections::BTreeMap;

use rex_core::{Code, Error, Value};

use crate::OsError;
use crate::os::Metadata;

/// A map that describes one entry.
type EntryMap = BTreeMap<String, Value>;

/// Adds the metadata of a name to a map, as a script sees it.
fn describe(entry: &mut EntryMap, metadata: &Metadata) {
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    put("kind", metadata.kind.as_str().into());
    put("size", Value::count(metadata.size));
    put("mode", Value::Int(metadata.mode.into()));
    put("mode_text", format!("{:04o}", metadata.mode).into());
    put("uid", Value::Int(metadata.uid.into()));
    put("gid", Value::Int(metadata.gid.into()));
    put("links", Value::count(metadata.links));
    put("allocated", Value::count(metadata.allocated));
    put("target", metadata.target.clone().into());
    for (key, time) in [("modified", metadata.modified), ("accessed", metadata.accessed), ("changed", metadata.changed)]
    {
        put(key, time.to_string().into());
        put(&format!("{key}_epoch"), super::epoch(time));
    }
}

pub(crate) use crate::skipped::skipped;

/// Converts the error for a listed name: if it now crosses a symbolic link, the result would be about something else.
pub(crate) fn as_listed<T>(result: Result<T, OsError>) -> Result<T, OsError> {
    result.map_err(|error| match error {
        OsError::Crossed(_) => OsError::Changed,
        other => other,
    })
}

/// Adds help to the error of creating a name: the directory is missing, not the name.
fn into_missing(error: Error) -> Error {
    match error.code {
        Code::NotFound => {
            error.with_help("the directory that it would be in does not exist: `fs::create_dir` makes one")
        }
        _ => error,
    }
}

/// A world in memory in which the operations are tested, with its rules.
#[cfg(test)]
pub(super) mod testing {
    use std::sync::Arc;

    use rex_core::journal::Event;
    use rex_core::{
        AbsPath, Authorize, Code, Decision, Effect, Error, Limits, MemoryJournal, Principal, Request, Run, Subject,
        Timestamp, Value,
    };

    use crate::mem::EPOCH;
    use crate::{MemOs, Session};

    /// A rule: may this action (`read`) be done on this path?
    type Rule = fn(&str, &str) -> bool;

    struct Rules(Rule);

    impl Authorize for Rules {
        fn decide(&self, request: &Request<'_>) -> Decision {
            match (self.0)(request.action.spec().name, request.resource.id()) {
                true => Decision::allow(&["rule"]),
                false => Decision::deny(None),
            }
        }
    }

    pub(in crate::ops) struct World {
        pub(in crate::ops) os: MemOs,
        pub(in crate::ops) run: Run,
        journal: Arc<MemoryJournal>,
    }

    impl World {
        /// Returns a world that permits everything.
        pub(in crate::ops) fn new(os: MemOs) -> Self {
            Self::ruled(os, |_, _| true)
        }

        pub(in crate::ops) fn ruled(os: MemOs, rule: Rule) -> Self {
            Self::limited(os, rule, Limits::default())
        }

        pub(in crate::ops) fn limited(os: MemOs, rule: Rule, limits: Limits) -> Self {
            let journal = Arc::new(MemoryJournal::new(1_000));
            let subject = Subject::new(Principal::agent("tester"));
            let run = Run::new("test", subject, Arc::new(Rules(rule)), journal.clone(), limits)
                .with_clock(Arc::new(|| Timestamp::from_micros(EPOCH.as_micros() + 60_000_000)));
            Self { os, run, journal }
        }

        /// Calls an operation with arguments from a JSON array.
        pub(in crate::ops) fn call(&self, name: &str, args: &str) -> Result<Value, Error> {
            let args: Vec<serde_json::Value> = serde_json::from_str(args).unwrap();
            let base = AbsPath::parse("/srv/app").unwrap();
            Session::new(&self.run, &self.os, &base).call(name, args.iter().map(value).collect())
        }

        /// Returns the result of a call, as JSON.
        #[track_caller]
        pub(in crate::ops) fn returns(&self, name: &str, args: &str) -> String {
            self.call(name, args).unwrap().to_string()
        }

        /// Returns the code that a call fails with.
        #[track_caller]
        pub(in crate::ops) fn fails(&self, name: &str, args: &str) -> Code {
            self.call(name, args).unwrap_err().code
        }

        /// Returns the requests since the last call: `read /x`, with a leading `!` for denied ones.
        pub(in crate::ops) fn asked(&self) -> Vec<String> {
            let asked = |event| match event {
                Event::Decision { action, resource, effect, .. } => {
                    let denied = if effect == Effect::Deny { "!" } else { "" };
                    Some(format!("{denied}{} {resource}", action.name))
                }
                _ => None,
            };
            self.journal.take().0.into_iter().filter_map(|record| asked(record.event)).collect()
        }
    }

    fn value(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(value) => Value::Int(value.as_i64().unwrap()),
            serde_json::Value::String(value) => Value::Text(value.clone()),
            // A list of numbers represents bytes.
            serde_json::Value::Array(values) => {
                Value::Bytes(values.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect())
            }
            serde_json::Value::Object(entries) => {
                Value::Map(entries.iter().map(|(key, entry)| (key.clone(), value(entry))).collect())
            }
        }
    }
}
