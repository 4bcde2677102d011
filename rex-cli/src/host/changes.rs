//! Files that a plan would change, for people.

use rex_policy::SourceText;
use rex_sdk::overlay::{ChangedName, NamedThing};
use serde::{Deserialize, Serialize};

/// Maximum size in bytes: of two files together to be compared, and of all diffs of a plan.
const COMPARED_BYTES: usize = 512 << 10;
const DIFF_BYTES: usize = 8 << 20;

/// A file, directory or link that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileChange {
    pub(crate) path: String,
    /// Its present state: `file, mode 0644, owner 0:0`; `None` if it does not exist.
    pub(crate) before: Option<String>,
    /// Its state after the change.
    pub(crate) after: Option<String>,
    /// The change of its text as a unified diff; may be empty.
    pub(crate) diff: String,
    /// The reason why the diff is missing.
    pub(crate) unknown: Option<String>,
}

impl FileChange {
    pub(crate) fn all(changed: &[ChangedName]) -> Vec<Self> {
        let mut room = DIFF_BYTES;
        let change = |changed: &ChangedName| {
            let diff = diff(changed).and_then(|diff| {
                room = room.checked_sub(diff.len()).ok_or("the diffs before it reach the size limit")?;
                Ok(diff)
            });
            Self {
                path: changed.path.as_str().to_owned(),
                before: changed.before.as_ref().map(describe),
                after: changed.after.as_ref().map(describe),
                unknown: diff.as_ref().err().map(|why| (*why).to_owned()),
                diff: diff.unwrap_or_default(),
            }
        };
        changed.iter().map(change).collect()
    }
}

fn describe(thing: &NamedThing) -> String {
    format!("{}, mode {:04o}, owner {}:{}", thing.kind.as_str(), thing.mode, thing.owner.0, thing.owner.1)
}

fn diff(changed: &ChangedName) -> Result<String, &'static str> {
    let (before, after) = (contents(changed.before.as_ref())?, contents(changed.after.as_ref())?);
    if before == after {
        return Ok(String::new());
    }
    if before.len() + after.len() > COMPARED_BYTES {
        return Err("it is too long to compare");
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "it is not text");
    let source = SourceText { name: changed.path.as_str().to_owned(), text: text(before)?.to_owned() };
    Ok(source.diff(text(after)?))
}

/// Returns the contents of a file; empty for anything else.
fn contents(thing: Option<&NamedThing>) -> Result<&[u8], &'static str> {
    match thing {
        Some(NamedThing { contents: Some(bytes), .. }) => Ok(bytes),
        Some(thing) if thing.kind == rex_sdk::os::EntryKind::File => {
            Err("its contents may not be read here, or are too long")
        }
        _ => Ok(&[]),
    }
}
