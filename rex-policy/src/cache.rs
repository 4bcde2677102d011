//! A cache of decisions.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use rex_core::{Decision, Fact};

/// Number of decisions that one cache keeps.
const SLOTS: usize = 4096;

/// Number of misses in a row that show a walk through a tree. After these, only one request in `SAMPLE` is looked up and kept,
/// until one is found.
const MISSES: u32 = 256;
const SAMPLE: u32 = 64;

/// Number of caches per principal. Threads use different ones, so that none waits for another.
const THREADS: usize = 8;

/// The decisions of one principal, by thread.
#[derive(Debug, Default)]
pub(crate) struct ThreadCaches([Mutex<DecisionCache>; THREADS]);

impl ThreadCaches {
    /// Locks and returns the cache of this thread. With more than `THREADS` threads, some share one.
    pub(crate) fn own(&self) -> MutexGuard<'_, DecisionCache> {
        static THREAD: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static NUMBER: usize = THREAD.fetch_add(1, Relaxed) % THREADS);
        let own = self.0.get(NUMBER.with(|number| *number)).unwrap_or(&self.0[0]);
        own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The decisions of one principal, in a fixed number of slots. A new decision replaces the one in its slot.
#[derive(Debug, Default)]
pub(crate) struct DecisionCache {
    slots: Vec<Option<Box<CacheEntry>>>,
    /// The hasher. A script that finds ids of the same hash only evicts its own decisions.
    hash: RandomState,
    scratch: Vec<u8>,
    /// Number of misses in a row.
    misses: u32,
}

#[derive(Debug)]
struct CacheEntry {
    key: CacheKey,
    decision: Decision,
}

/// Everything that a decision depends on, encoded so that requests that differ in it have different bytes.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct CacheKey {
    hash: u64,
    bytes: Vec<u8>,
}

impl DecisionCache {
    /// Returns the decision for the key that `write` writes, or else the key to keep one under; `None` if none is to be kept.
    pub(crate) fn get(&mut self, write: impl FnOnce(&mut KeyWriter<'_>)) -> Result<Decision, Option<CacheKey>> {
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
            _ => Err(Some(CacheKey { hash, bytes: std::mem::take(&mut self.scratch) })),
        }
    }

    pub(crate) fn put(&mut self, key: CacheKey, decision: Decision) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        // A walk through a tree fills each slot many times: reuse the memory of the entry, and that of its key for the next key.
        match self.slots.get_mut(slot(key.hash)) {
            Some(Some(entry)) => {
                self.scratch = std::mem::replace(&mut **entry, CacheEntry { key, decision }).key.bytes;
            }
            Some(free) => *free = Some(Box::new(CacheEntry { key, decision })),
            None => {}
        }
    }
}

fn slot(hash: u64) -> usize {
    usize::try_from(hash % SLOTS as u64).unwrap_or(0)
}

/// A writer of keys. Each part encodes its length, so that no part can pass for the end of another.
pub(crate) struct KeyWriter<'a> {
    bytes: &'a mut Vec<u8>,
}

impl KeyWriter<'_> {
    /// Writes whether another part of a list of unknown length follows.
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

    /// Writes a text; only its length, if it is the start or the end of `whole`.
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

    /// Writes a fact with the address of its name: the same name at another address is a miss, never a mix-up.
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

    fn ask(cache: &mut DecisionCache, text: &str) -> bool {
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
        let mut cache = DecisionCache::default();
        assert!(!ask(&mut cache, "/a") && ask(&mut cache, "/a"));
        for number in 0..10_000 {
            assert!(!ask(&mut cache, &format!("/tree/{number}")));
        }
        // Its slot holds an entry of the walk by now, or its own.
        let again = (0..200).filter(|_| !ask(&mut cache, "/b")).count();
        assert!(again <= 2 * SAMPLE as usize, "{again}");
        assert!(ask(&mut cache, "/b") && !ask(&mut cache, "/c") && ask(&mut cache, "/c"));
    }

    #[test]
    fn of_a_walk_a_sample_is_kept() {
        let mut cache = DecisionCache::default();
        let get = |number: &u32| cache.get(|key| key.text(&format!("/tree/{number}"))).is_err_and(|key| key.is_some());
        let kept: Vec<_> = (1..=1_000).filter(get).collect();
        assert!(
            kept.iter().copied().eq((1..=MISSES).chain((MISSES + SAMPLE..=1_000).step_by(SAMPLE as usize))),
            "{kept:?}"
        );
    }

    /// Checks that hardly any of fifty decisions takes the slot of another: more than 40 stay.
    #[test]
    fn each_has_a_slot() {
        let mut cache = DecisionCache::default();
        let names: Vec<_> = (0..50).map(|number| format!("/{number}")).collect();
        assert_eq!(names.iter().filter(|name| ask(&mut cache, name)).count(), 0);
        assert!(names.iter().filter(|name| ask(&mut cache, name)).count() > 40);
    }

    #[test]
    fn a_key_of_the_same_hash_is_another_key() {
        let mut cache = DecisionCache::default();
        let Err(Some(key)) = cache.get(|key| key.text("/a")) else { panic!("nothing was kept") };
        let other = CacheKey { hash: key.hash, bytes: b"/b".to_vec() };
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
