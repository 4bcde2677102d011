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

use rex_core::{Error, Value};

use crate::os::Metadata;

/// A map of entries that may get more.
type Entry = BTreeMap<String, Value>;

/// What the system says about a name, as a script sees it.
fn describe(entry: &mut Entry, metadata: &Metadata) {
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    put("kind", metadata.kind.as_str().into());
    put("size", Value::count(metadata.size));
    put("mode", Value::Int(metadata.mode.into()));
    put("uid", Value::Int(metadata.uid.into()));
    put("gid", Value::Int(metadata.gid.into()));
    put("links", Value::count(metadata.links));
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
