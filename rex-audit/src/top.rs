//! Counts of the most frequent of many names, in memory that does not grow with them.

use std::collections::HashMap;

/// Counts by name. Of up to `keep` names each count is exact. Beyond, the least frequent are dropped from time to time, and a name that
/// appears after that may have been seen up to [`NameTally::missed`] times more.
///
/// A name that was seen more often than [`TopCounts::floor`] is never missing.
#[derive(Debug, Clone)]
pub struct TopCounts<T> {
    names: HashMap<Box<str>, NameTally<T>>,
    keep: usize,
    floor: u64,
}

/// The count of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NameTally<T> {
    /// Number of times it was seen since it is kept.
    pub count: u64,
    /// Maximum number of times it was seen before.
    pub missed: u64,
    /// Other data about the name.
    pub more: T,
}

impl<T: Default> TopCounts<T> {
    /// Creates counts of at least this number of names, and at most twice as many.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self { names: HashMap::new(), keep: keep.max(1), floor: 0 }
    }

    /// Counts a name once more; returns its other data.
    pub fn count(&mut self, name: &str) -> &mut T {
        if !self.names.contains_key(name) {
            if self.names.len() >= 2 * self.keep {
                self.drop_least();
            }
            let fresh = NameTally { count: 0, missed: self.floor, more: T::default() };
            self.names.insert(name.into(), fresh);
        }
        let tally = self.names.entry(name.into()).or_default();
        tally.count += 1;
        &mut tally.more
    }

    fn drop_least(&mut self) {
        let mut totals: Vec<u64> = self.names.values().map(NameTally::most).collect();
        totals.sort_unstable_by(|a, b| b.cmp(a));
        self.floor = totals.get(self.keep).copied().unwrap_or(self.floor);
        let mut room = self.keep;
        let floor = self.floor;
        // Of the names as frequent as the first dropped one, some may stay.
        room = room.saturating_sub(totals.iter().filter(|total| **total > floor).count());
        self.names.retain(|_, tally| {
            tally.most() > floor || tally.most() == floor && room.checked_sub(1).map(|left| room = left).is_some()
        });
    }

    /// Returns how often a name that is not kept may have been seen; 0 if none was ever dropped.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Returns the other data of all names, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.names.values_mut().map(|tally| &mut tally.more)
    }

    /// Returns all names that are kept, the largest first by `rank`, then by name.
    pub fn ranked(&self, rank: impl Fn(&NameTally<T>) -> u64) -> Vec<(&str, &NameTally<T>)> {
        let mut ranked: Vec<_> = self.names.iter().map(|(name, tally)| (&**name, tally)).collect();
        ranked.sort_unstable_by(|(a, x), (b, y)| rank(y).cmp(&rank(x)).then_with(|| a.cmp(b)));
        ranked
    }
}

impl<T> NameTally<T> {
    fn most(&self) -> u64 {
        self.count + self.missed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_are_bounds(names in proptest::collection::vec("[a-e]{1,2}|[a-z]{2}", 0..600), keep in 1_usize..20) {
            let mut top: TopCounts<()> = TopCounts::new(keep);
            let mut exact: HashMap<&str, u64> = HashMap::new();
            for name in &names {
                top.count(name);
                *exact.entry(name).or_default() += 1;
            }
            let ranked = top.ranked(|tally| tally.count);
            prop_assert!(ranked.len() <= 2 * keep);
            prop_assert!(ranked.is_sorted_by_key(|(_, tally)| std::cmp::Reverse(tally.count)));
            for (name, tally) in &ranked {
                prop_assert!(tally.count <= exact[name] && exact[name] <= tally.most());
                prop_assert!(exact.len() > 2 * keep || tally.missed == 0);
            }
            for (name, count) in exact {
                prop_assert!(count <= top.floor() || ranked.iter().any(|(kept, _)| *kept == name), "{} {}", name, count);
            }
        }
    }
}
