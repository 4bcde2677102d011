//! A limit on everything, and the budget that counts against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::{Code, Error};

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident = $default:expr,)*) => {
        /// How much a run may use. All are on by default.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits { $($(#[doc = $doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Name, default and meaning of each limit.
            pub const TABLE: &'static [(&'static str, u64, &'static str)] =
                &[$((stringify!($name), $default, concat!($($doc),*).trim_ascii()),)*];

            /// Name and value of each limit.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Sets a limit by its name.
            ///
            /// # Errors
            /// If there is no limit of that name.
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), Error> {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => {
                        let names: Vec<_> = Self::TABLE.iter().map(|(name, ..)| *name).collect();
                        return Err(Error::validation(format!("there is no limit `{name}`"))
                            .with_help(format!("the limits are: {}", names.join(", "))));
                    }
                }
                Ok(())
            }
        }
    };
}

limits! {
    /// Size of a script, in bytes.
    script_bytes = 1 << 20,
    /// Steps of the script language in one run.
    script_steps = 50_000_000,
    /// Wall time of one run, in milliseconds.
    wall_ms = 30_000,
    /// Memory that a run may allocate beyond what was there before it, in bytes.
    memory_bytes = 256 << 20,
    /// Depth of calls between functions of a script.
    call_depth = 32,
    /// What a run may print, in bytes.
    output_bytes = 1 << 20,
    /// What a run may return, in bytes of text and 16 for each value.
    value_bytes = 8 << 20,
    /// What a run may read, in bytes, all files together.
    read_bytes = 4 << 30,
    /// What a run may write, in bytes, all files together.
    written_bytes = 1 << 30,
    /// What one operation may hold of a file in memory, in bytes.
    file_bytes = 128 << 20,
    /// Entries that one operation may visit or return: of directories, matches, units.
    entries = 100_000,
    /// Depth below its start to which an operation may walk a tree.
    tree_depth = 64,
    /// Operations on the system in one run.
    operations = 100_000,
    /// Decisions in one run. Each is a record of the journal.
    decisions = 1_000_000,
    /// Records of the journal that the report of a run keeps in memory.
    journal_records = 10_000,
}

/// What a run has used, counted against its [`Limits`]. Shared between threads.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    deadline: Instant,
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) memory: Option<&'static AtomicI64>,
    operations: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

impl Budget {
    /// A fresh budget; its time runs from now. Whoever sets `cancelled` stops the run.
    #[must_use]
    pub fn new(limits: Limits, cancelled: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        // A wall time beyond what the clock can express is no deadline that anyone will meet: a century.
        let century = Duration::from_secs(100 * 365 * 86_400);
        let deadline = now.checked_add(Duration::from_millis(limits.wall_ms)).unwrap_or(now + century);
        Self {
            limits,
            deadline,
            cancelled,
            memory: None,
            operations: AtomicU64::new(0),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Time left until the deadline; zero after it.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the run may go on. Every loop asks.
    ///
    /// # Errors
    /// If the run was cancelled, its wall time is over, or it has allocated too much.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Relaxed) {
            return Err(Error::new(Code::Cancelled, "the run was told to stop"));
        }
        if self.remaining().is_zero() {
            return Err(exhausted("wall_ms", self.limits.wall_ms, "milliseconds of wall time"));
        }
        if self.memory.is_some_and(|live| u64::try_from(live.load(Relaxed)).unwrap_or(0) > self.limits.memory_bytes) {
            return Err(exhausted("memory_bytes", self.limits.memory_bytes, "bytes of memory"));
        }
        Ok(())
    }

    /// Counts one operation on the system.
    ///
    /// # Errors
    /// If it is one too many, or the run may not go on.
    pub fn count_operation(&self) -> Result<(), Error> {
        self.check()?;
        count(&self.operations, 1, "operations", self.limits.operations, "operations")
    }

    /// Counts bytes that were read.
    ///
    /// # Errors
    /// If they are too many, or the run may not go on.
    pub fn count_read(&self, bytes: u64) -> Result<(), Error> {
        self.check()?;
        count(&self.read, bytes, "read_bytes", self.limits.read_bytes, "bytes read")
    }

    /// Counts bytes that are about to be written.
    ///
    /// # Errors
    /// If they are too many, or the run may not go on.
    pub fn count_written(&self, bytes: u64) -> Result<(), Error> {
        self.check()?;
        count(&self.written, bytes, "written_bytes", self.limits.written_bytes, "bytes written")
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations.load(Relaxed)
    }

    /// Bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

fn count(counter: &AtomicU64, more: u64, name: &str, limit: u64, what: &str) -> Result<(), Error> {
    // INVARIANT: a count that would pass the limit is not added, so the counters never wrap.
    counter
        .try_update(Relaxed, Relaxed, |used| used.checked_add(more).filter(|&sum| sum <= limit))
        .map(drop)
        .map_err(|_| exhausted(name, limit, what))
}

/// The error of a run that has used up a limit: it ends, whatever its script would catch.
#[must_use]
pub fn exhausted(name: &str, limit: u64, what: &str) -> Error {
    let mut error = exceeded(name, limit, what);
    error.exhausted = true;
    error
}

/// The error of one operation that needs more than a limit allows. A script can catch it and ask for less.
#[must_use]
pub fn exceeded(name: &str, limit: u64, what: &str) -> Error {
    Error::new(Code::LimitExceeded, format!("the limit `{name}` of {limit} {what} is exceeded"))
        .with_help(format!("do less in one go, or let the operator raise the limit `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_the_run_and_never_wraps() {
        let limits = Limits { read_bytes: 10, ..Limits::default() };
        let budget = Budget::new(limits, Arc::default());
        budget.count_read(10).unwrap();
        for more in [1, u64::MAX] {
            let error = budget.count_read(more).unwrap_err();
            assert!(error.is_fatal() && error.code == Code::LimitExceeded, "{error}");
        }
        assert_eq!(budget.bytes_read(), 10);
    }

    #[test]
    fn time_and_cancellation() {
        let budget = Budget::new(Limits { wall_ms: 0, ..Limits::default() }, Arc::default());
        assert_eq!(budget.check().unwrap_err().code, Code::LimitExceeded);
        let forever = Budget::new(Limits { wall_ms: u64::MAX, ..Limits::default() }, Arc::default());
        forever.check().unwrap();
        let cancelled = Arc::new(AtomicBool::new(true));
        assert_eq!(Budget::new(Limits::default(), cancelled).check().unwrap_err().code, Code::Cancelled);
    }

    #[test]
    fn limits_are_set_by_name() {
        let mut limits = Limits::default();
        for (name, ..) in Limits::TABLE {
            limits.set(name, 7).unwrap();
        }
        assert_eq!((limits.wall_ms, limits.journal_records), (7, 7));
        let error = limits.set("wall", 1).unwrap_err();
        assert!(error.message.contains("`wall`") && error.help.unwrap().contains("wall_ms"));
    }
}
