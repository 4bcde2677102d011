//! A check that the lines of each run follow one another.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::finding::LineProblem;

/// Maximum number of remembered open runs. Beyond it, the half whose last lines are oldest is forgotten.
const MANY: usize = 100_000;

/// Maximum number of names in each of two sets. When one is full, the older one is dropped.
const BEGUN: usize = 500_000;

/// The runs that have not ended.
#[derive(Debug, Default)]
pub(crate) struct UnendedRuns {
    open: HashMap<Box<str>, UnendedRun>,
    /// Number of all runs.
    pub(crate) count: u64,
    /// True if runs may have begun before the checked lines, or were forgotten.
    pub(crate) any: bool,
    forgotten: u64,
    lines: u64,
    begun: BegunRuns,
}

/// The names of runs that have begun or ended, as hashes; of many, the latest.
#[derive(Debug, Default)]
struct BegunRuns {
    hasher: RandomState,
    latest: HashSet<u64>,
    before: HashSet<u64>,
}

#[derive(Debug, Clone, Copy)]
struct UnendedRun {
    due: u64,
    last: u64,
}

impl BegunRuns {
    fn has(&self, run: &str) -> bool {
        let name = self.hasher.hash_one(run);
        self.latest.contains(&name) || self.before.contains(&name)
    }

    /// Adds a name.
    fn add(&mut self, run: &str) {
        if self.latest.len() == BEGUN {
            self.before = std::mem::take(&mut self.latest);
        }
        let name = self.hasher.hash_one(run);
        self.latest.insert(name);
    }
}

impl UnendedRuns {
    /// Adds the next line. `Err` says why it cannot be the next one of its run.
    pub(crate) fn next(&mut self, run: &str, sequence: u64, event: &str) -> Result<(), LineProblem> {
        self.lines += 1;
        let (starts, ends) = (event == "start", event == "end");
        let next = UnendedRun { due: sequence.saturating_add(1), last: self.lines };
        let due = match self.open.get_mut(run) {
            Some(open) => {
                let due = open.due;
                // A line that comes too late does not change the number that is due.
                *open = UnendedRun { due: next.due.max(due), ..next };
                Ok(due)
            }
            None => {
                self.count += 1;
                self.open.insert(run.into(), next);
                if starts {
                    Ok(1)
                } else if self.forgotten == 0 && self.begun.has(run) {
                    Err(LineProblem::AfterEnd)
                } else if self.any {
                    Ok(sequence)
                } else if sequence == 1 {
                    Err(LineProblem::Unstarted)
                } else {
                    Ok(1)
                }
            }
        };
        let again = starts && self.begun.has(run);
        if starts || ends {
            self.begun.add(run);
        }
        if ends {
            self.open.remove(run);
        } else if self.open.len() > MANY {
            self.forget();
        }
        match due? {
            due if sequence != due => Err(LineProblem::Gap { due }),
            _ if again => Err(LineProblem::Repeated),
            _ => Ok(()),
        }
    }

    /// Returns the number that is due in a run.
    pub(crate) fn due(&self, run: &str) -> Option<u64> {
        self.open.get(run).map(|open| open.due)
    }

    fn forget(&mut self) {
        let mut lasts: Vec<_> = self.open.values().map(|open| open.last).collect();
        let (_, &mut median, _) = lasts.select_nth_unstable(MANY / 2);
        let before = self.open.len();
        self.open.retain(|_, open| open.last > median);
        self.forgotten += (before - self.open.len()) as u64;
        self.any = true;
    }

    /// Returns the number of runs that did not end.
    pub(crate) fn unended(&self) -> u64 {
        self.forgotten + self.open.len() as u64
    }

    /// Returns the first few of them, in the order of their last lines.
    pub(crate) fn first_unended(&self, most: usize) -> Vec<String> {
        let mut open: Vec<_> = self.open.iter().map(|(run, open)| (open.last, run)).collect();
        open.sort_unstable();
        open.into_iter().take(most).map(|(_, run)| run.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_one_another() {
        let mut runs = UnendedRuns::default();
        assert_eq!(runs.next("a", 1, "start"), Ok(()));
        assert_eq!(runs.next("b", 2, "decision"), Err(LineProblem::Gap { due: 1 }));
        assert_eq!(runs.next("a", 2, "decision"), Ok(()));
        assert_eq!(runs.next("a", 4, "decision"), Err(LineProblem::Gap { due: 3 }));
        assert_eq!(runs.next("a", 4, "decision"), Err(LineProblem::Gap { due: 5 }));
        assert_eq!(runs.next("a", 5, "end"), Ok(()));
        assert_eq!(runs.next("a", 6, "decision"), Err(LineProblem::AfterEnd));
        assert_eq!((runs.count, runs.unended(), runs.first_unended(1)), (3, 2, vec!["b".to_owned()]));
    }

    #[test]
    fn only_so_many_are_kept_in_mind() {
        let mut runs = UnendedRuns::default();
        for run in 0..250_000 {
            assert_eq!(runs.next(&run.to_string(), 1, "start"), Ok(()));
        }
        assert!(runs.open.len() <= MANY);
        assert_eq!((runs.count, runs.unended()), (250_000, 250_000));
        assert_eq!(runs.next("0", 2, "decision"), Ok(()), "it was forgotten, not removed");
        assert_eq!(runs.next("249999", 3, "decision"), Err(LineProblem::Gap { due: 2 }));
    }

    #[test]
    fn a_run_begins_once_and_ends_once() {
        let mut runs = UnendedRuns::default();
        assert_eq!(runs.next("a", 1, "decision"), Err(LineProblem::Unstarted));
        assert_eq!(runs.next("b", 1, "end"), Err(LineProblem::Unstarted));
        assert_eq!(runs.next("b", 1, "start"), Err(LineProblem::Repeated));
        let mut runs = UnendedRuns { any: true, ..UnendedRuns::default() };
        assert_eq!(runs.next("older", 7, "decision"), Ok(()));
        assert_eq!(runs.next("older", 8, "end"), Ok(()));
        assert_eq!(runs.next("older", 9, "decision"), Err(LineProblem::AfterEnd));
        assert_eq!(runs.next("c", 3, "start"), Err(LineProblem::Gap { due: 1 }));
    }
}
