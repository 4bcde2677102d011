//! Decisions that were made before.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use rex_core::{Decision, Fact};

/// How many decisions are kept for one principal.
const SLOTS: usize = 4096;

/// The decisions of one principal, in as many slots as there are; a decision takes the slot of the one before it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    slots: Vec<Option<Box<Entry>>>,
    /// A script that finds ids of the same hash makes its own decisions be made again, and no more.
    hash: RandomState,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    decision: Decision,
}

/// Everything that a decision depends on, written so that no two requests that differ in it have the same text.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Key {
    hash: u64,
    bytes: Vec<u8>,
}

impl Cache {
    /// The decision for the key that `write` writes, or the key to put one under.
    pub(crate) fn get(&mut self, write: impl FnOnce(&mut KeyWriter<'_>)) -> Result<Decision, Key> {
        self.scratch.clear();
        write(&mut KeyWriter { bytes: &mut self.scratch });
        let hash = self.hash.hash_one(&*self.scratch);
        match self.slots.get(slot(hash)) {
            Some(Some(entry)) if entry.key.hash == hash && entry.key.bytes == self.scratch => {
                Ok(entry.decision.clone())
            }
            _ => Err(Key { hash, bytes: std::mem::take(&mut self.scratch) }),
        }
    }

    pub(crate) fn put(&mut self, key: Key, decision: Decision) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        // Who looks at a whole tree takes every slot many times: its memory is used again, that of the key for the next one.
        match self.slots.get_mut(slot(key.hash)) {
            Some(Some(entry)) => {
                self.scratch = std::mem::replace(&mut **entry, Entry { key, decision }).key.bytes;
            }
            Some(free) => *free = Some(Box::new(Entry { key, decision })),
            None => {}
        }
    }
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash % SLOTS as u64).unwrap_or(0)
}

/// Writes a key. Each part says how long it is, so that no part can pass for the end of another.
pub(crate) struct KeyWriter<'a> {
    bytes: &'a mut Vec<u8>,
}

impl KeyWriter<'_> {
    /// Whether another part of a list of unknown length follows.
    pub(crate) fn more(&mut self, more: bool) {
        self.bytes.push(more.into());
    }

    pub(crate) fn number(&mut self, number: usize) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A text that is often the start or the end of one that was written, of which then the length is enough.
    pub(crate) fn part_of(&mut self, whole: &str, text: &str) {
        match u16::try_from(text.len()) {
            Ok(length) if whole.starts_with(text) => {
                self.bytes.push(0);
                self.bytes.extend_from_slice(&length.to_le_bytes());
            }
            Ok(length) if whole.ends_with(text) => {
                self.bytes.push(1);
                self.bytes.extend_from_slice(&length.to_le_bytes());
            }
            _ => {
                self.bytes.push(2);
                self.text(text);
            }
        }
    }

    /// A value under its name, by where the name is kept: the same name kept elsewhere is a miss, never a confusion.
    pub(crate) fn fact(&mut self, whole: &str, name: &'static str, fact: Fact<'_>) {
        self.more(true);
        self.number(name.as_ptr().addr());
        self.number(name.len());
        match fact {
            Fact::Long(value) => {
                self.bytes.push(0);
                self.bytes.extend_from_slice(&value.to_le_bytes());
            }
            Fact::Bool(value) => self.bytes.extend_from_slice(&[1, value.into()]),
            Fact::String(value) => {
                self.bytes.push(2);
                self.part_of(whole, value);
            }
            Fact::Ip(value) => {
                self.bytes.push(3);
                self.text(&value.to_string());
            }
        }
    }
}
