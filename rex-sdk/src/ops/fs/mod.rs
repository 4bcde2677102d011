//! Files and directories.

pub mod append;
pub mod copy;
pub mod create_dir;
pub mod exists;
pub mod find;
pub mod grep;
pub mod lines;
pub mod list;
pub mod read;
pub mod read_bytes;
pub mod remove;
pub mod remove_dir;
pub mod rename;
pub mod stat;
pub mod write;

use std::collections::BTreeMap;

use rex_core::{Code, Error, Value};

use crate::OsError;
use crate::os::Metadata;

/// A map of entries that may get more.
type Entry = BTreeMap<String, Value>;

/// What the system says about a name, as a script sees it.
fn describe(entry: &mut Entry, metadata: &Metadata) {
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    put("kind", metadata.kind.as_str().into());
    put("size", Value::count(metadata.size));
    put("mode", Value::Int(metadata.mode.into()));
    put("mode_text", format!("{:04o}", metadata.mode).into());
    put("uid", Value::Int(metadata.uid.into()));
    put("gid", Value::Int(metadata.gid.into()));
    put("links", Value::count(metadata.links));
    put("target", metadata.target.clone().into());
    for (key, time) in [("modified", metadata.modified), ("accessed", metadata.accessed), ("changed", metadata.changed)]
    {
        put(key, time.to_string().into());
        put(&format!("{key}_epoch"), super::epoch(time));
    }
}

/// What could not be done to one of many entries.
fn skipped(path: &str, error: &Error) -> Value {
    Value::map([
        ("path", path.into()),
        ("code", error.code.as_str().into()),
        ("message", error.message.as_str().into()),
    ])
}

/// For a name that a listing told: if a symbolic link has come into its way since, the answer would be about another thing.
fn as_listed<T>(result: Result<T, OsError>) -> Result<T, OsError> {
    result.map_err(|error| match error {
        OsError::Crossed(_) => OsError::Changed,
        other => other,
    })
}

/// Where something is to get a name, it is not the name that is missing.
fn into_missing(error: Error) -> Error {
    match error.code {
        Code::NotFound => error.with_help("the directory that it would be in does not exist: `fs::create_dir` makes one"),
        _ => error,
    }
}
