//! Decisions that were made before.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use rex_core::{Decision, Fact};

/// How many decisions are kept for one principal.
const SLOTS: usize = 4096;

/// Who asks so often in a row for what was not asked for before walks through a tree: of what comes then, only one in so many is looked
/// for and kept, until one is found.
const MISSES: u32 = 256;
const SAMPLE: u32 = 64;

/// For how many threads decisions are kept apart, so that none waits for another.
const THREADS: usize = 8;

/// The decisions of one principal, by the threads that asked for them.
#[derive(Debug, Default)]
pub(crate) struct Caches([Mutex<Cache>; THREADS]);

impl Caches {
    /// Those of this thread. Of more than so many threads, some share them.
    pub(crate) fn own(&self) -> MutexGuard<'_, Cache> {
        static THREAD: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static NUMBER: usize = THREAD.fetch_add(1, Relaxed) % THREADS);
        let own = self.0.get(NUMBER.with(|number| *number)).unwrap_or(&self.0[0]);
        own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The decisions of one principal, in as many slots as there are; a decision takes the slot of the one before it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    slots: Vec<Option<Box<Entry>>>,
    /// A script that finds ids of the same hash makes its own decisions be made again, and no more.
    hash: RandomState,
    scratch: Vec<u8>,
    /// How often in a row nothing was found.
    misses: u32,
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
    /// The decision for the key that `write` writes, or the key to put one under, if one is to be kept.
    pub(crate) fn get(&mut self, write: impl FnOnce(&mut KeyWriter<'_>)) -> Result<Decision, Option<Key>> {
        self.misses = self.misses.saturating_add(1);
        if self.misses > MISSES && !self.misses.is_multiple_of(SAMPLE) {
            return Err(None);
        }
        self.scratch.clear();
        write(&mut KeyWriter { bytes: &mut self.scratch });
        let hash = self.hash.hash_one(&*self.scratch);
        match self.slots.get(slot(hash)) {
            Some(Some(entry)) if entry.key.hash == hash && entry.key.bytes == self.scratch => {
                self.misses = 0;
                Ok(entry.decision.clone())
            }
            _ => Err(Some(Key { hash, bytes: std::mem::take(&mut self.scratch) })),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(cache: &mut Cache, text: &str) -> bool {
        match cache.get(|key| key.text(text)) {
            Ok(_) => true,
            Err(key) => {
                key.into_iter().for_each(|key| cache.put(key, Decision::allow(&["p"])));
                false
            }
        }
    }

    #[test]
    fn what_is_asked_again_is_found_also_after_a_walk() {
        let mut cache = Cache::default();
        assert!(!ask(&mut cache, "/a") && ask(&mut cache, "/a"));
        for number in 0..10_000 {
            assert!(!ask(&mut cache, &format!("/tree/{number}")));
        }
        // Where it was, there is something else of the walk by now, or it is.
        let again = (0..200).filter(|_| !ask(&mut cache, "/b")).count();
        assert!(again <= 2 * SAMPLE as usize, "{again}");
        assert!(ask(&mut cache, "/b") && !ask(&mut cache, "/c") && ask(&mut cache, "/c"));
    }

    #[test]
    fn of_a_walk_a_sample_is_kept() {
        let mut cache = Cache::default();
        let get = |number: &u32| cache.get(|key| key.text(&format!("/tree/{number}"))).is_err_and(|key| key.is_some());
        let kept: Vec<_> = (1..=1_000).filter(get).collect();
        assert!(
            kept.iter().copied().eq((1..=MISSES).chain((MISSES + SAMPLE..=1_000).step_by(SAMPLE as usize))),
            "{kept:?}"
        );
    }

    /// Of fifty, hardly one takes the slot of another; ten do not.
    #[test]
    fn each_has_a_slot() {
        let mut cache = Cache::default();
        let names: Vec<_> = (0..50).map(|number| format!("/{number}")).collect();
        assert_eq!(names.iter().filter(|name| ask(&mut cache, name)).count(), 0);
        assert!(names.iter().filter(|name| ask(&mut cache, name)).count() > 40);
    }

    #[test]
    fn a_key_of_the_same_hash_is_another_key() {
        let mut cache = Cache::default();
        let Err(Some(key)) = cache.get(|key| key.text("/a")) else { panic!("nothing was kept") };
        let other = Key { hash: key.hash, bytes: b"/b".to_vec() };
        cache.put(other, Decision::allow(&["p"]));
        assert!(!ask(&mut cache, "/a") && ask(&mut cache, "/a"));
    }

    #[test]
    fn what_starts_or_ends_the_whole_is_short_in_a_key() {
        let length = |text: &str| {
            let mut bytes = Vec::new();
            KeyWriter { bytes: &mut bytes }.part_of("/srv/app", text);
            bytes.len()
        };
        assert_eq!(["/srv", "app", "/srv/app", ""].map(length), [3; 4]);
        assert!(length("srv") > 3 && length(&"x".repeat(1 << 17)) > 1 << 17);
    }

    #[test]
    fn a_list_does_not_run_into_the_next_one() {
        let key = |attributes: &[Fact<'_>], facts: &[Fact<'_>]| {
            let mut bytes = Vec::new();
            let mut key = KeyWriter { bytes: &mut bytes };
            for list in [attributes, facts] {
                list.iter().for_each(|fact| key.fact("", "name", *fact));
                key.more(false);
            }
            bytes
        };
        let fact = Fact::Long(7);
        assert_ne!(key(&[fact], &[]), key(&[], &[fact]));
    }
}
