//! A limit on everything, and the budget that counts against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::nearest::did_you_mean;
use crate::{Code, Error, units};

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident = $default:expr,)*) => {
        /// The limits of a run. All are on by default.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits { $($(#[doc = $doc])* pub $name: u64,)* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// The name, the default and the meaning of each limit.
            pub const TABLE: &'static [(&'static str, u64, &'static str)] =
                &[$((stringify!($name), $default, concat!($($doc),*).trim_ascii()),)*];

            /// Returns the name and the value of each limit.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Sets a limit by its name.
            ///
            /// # Errors
            /// If no limit has that name.
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), Error> {
                match name {
                    $(stringify!($name) => self.$name = value,)*
                    _ => return Err(no_limit(name)),
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
    /// Output of a run, in bytes.
    output_bytes = 1 << 20,
    /// Result of a run, in bytes of text and 16 for each value.
    value_bytes = 8 << 20,
    /// Bytes that a run may read, all files together.
    read_bytes = 4 << 30,
    /// Bytes that a run may write, all files together, with those that its programs write.
    written_bytes = 1 << 30,
    /// Bytes of a file that one operation may hold in memory.
    file_bytes = 128 << 20,
    /// Standard output of a program, and its standard error, in bytes each.
    program_output_bytes = 8 << 20,
    /// Entries that one operation may return or hold: of a list, matches, lines, units. What it may look at is not counted here.
    entries = 100_000,
    /// Entries of one directory that an operation may take in.
    directory_entries = 1_000_000,
    /// Depth below its start to which an operation may walk a tree.
    tree_depth = 64,
    /// Operations on the system in one run.
    operations = 100_000,
    /// Decisions in one run. Each is a record of the journal.
    decisions = 1_000_000,
    /// Records of the journal that the report of a run keeps in memory.
    journal_records = 10_000,
}

/// The unit of a limit, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LimitUnit {
    Bytes,
    Millis,
    Count,
}

impl LimitUnit {
    fn of(name: &str) -> Self {
        match name.rsplit_once('_') {
            Some((_, "bytes")) => Self::Bytes,
            Some((_, "ms")) => Self::Millis,
            _ => Self::Count,
        }
    }

    /// Formats a value as [`Limits::parse`] takes it with the short name.
    fn show(self, value: u64) -> String {
        match self {
            Self::Bytes => units::show_bytes(value),
            Self::Millis => units::show_millis(value),
            Self::Count => value.to_string(),
        }
    }
}

/// Returns the name of a limit without its unit: `wall` of `wall_ms`, `memory` of `memory_bytes`.
fn short(name: &str) -> &str {
    match LimitUnit::of(name) {
        LimitUnit::Count => name,
        _ => name.rsplit_once('_').map_or(name, |(short, _)| short),
    }
}

impl Limits {
    /// Sets a limit as people write it: `wall` to `5s`, `memory` to `64MB`, `entries` to `200_000`. A name that ends with its unit, such
    /// as `wall_ms`, also takes a plain number.
    ///
    /// # Errors
    /// If no limit has that name, or the text is not a value of it.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let known = Self::TABLE.iter().map(|(known, ..)| *known);
        let full = known.clone().find(|known| *known == name || short(known) == name).ok_or_else(|| no_limit(name))?;
        let plain = text.replace('_', "").parse::<u64>().ok();
        let value = match (plain, LimitUnit::of(full)) {
            (Some(number), unit) if unit == LimitUnit::Count || full == name => Ok(number),
            (_, LimitUnit::Count) => Err("a count has no unit".to_owned()),
            (_, LimitUnit::Bytes) => units::size(text).map_err(|why| why.to_string()),
            (_, LimitUnit::Millis) => units::duration(text).map_err(|why| why.to_string()).and_then(|time| {
                u64::try_from(time.as_millis()).map_err(|_| units::QuantityError::TooMuch.to_string())
            }),
        };
        let value = value.map_err(|why| {
            let (what, forms) = match LimitUnit::of(full) {
                LimitUnit::Bytes => ("a size", units::SIZES),
                LimitUnit::Millis => ("a duration", units::DURATIONS),
                LimitUnit::Count => ("a whole number", "`100000` or `100_000`"),
            };
            let message = format!("the limit `{name}` takes {what}, got `{}`: {why}", text.escape_debug());
            let plain = if LimitUnit::of(full) == LimitUnit::Count {
                String::new()
            } else {
                format!(", or a plain number as `{full}`")
            };
            Error::validation(message).with_help(format!("write it as {forms}{plain}"))
        })?;
        self.set(full, value)
    }
}

/// Returns the short name of a limit, and a value of it with a unit, as in documentation.
#[must_use]
pub fn shown(name: &str, value: u64) -> (&str, String) {
    (short(name), LimitUnit::of(name).show(value))
}

fn no_limit(name: &str) -> Error {
    let names: Vec<_> = Limits::TABLE.iter().map(|(name, ..)| *name).collect();
    let all = names.iter().flat_map(|name| [*name, short(name)]);
    // A shortened name means the full one.
    let longer = all.clone().find(|known| !name.is_empty() && known.starts_with(name));
    let meant = longer.map(|longer| format!("did you mean `{}`?", short(longer))).or_else(|| did_you_mean(name, all));
    let meant = meant.map(|meant| format!("{meant} ")).unwrap_or_default();
    Error::validation(format!("there is no limit `{}`", name.escape_debug()))
        .with_help(format!("{meant}the limits are: {}", names.join(", ")))
}

/// Returns the option that doubles a limit; `None` if no limit has that name.
fn raised(name: &str, limit: u64) -> Option<String> {
    let known = Limits::TABLE.iter().any(|(known, ..)| *known == name);
    known.then(|| format!("--limit {}={}", short(name), LimitUnit::of(name).show(limit.saturating_mul(2).max(1))))
}

/// The use of a run, counted against its [`Limits`]. Shared between threads.
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
    /// Creates a budget; its time runs from now. Setting `cancelled` stops the run.
    #[must_use]
    pub fn new(limits: Limits, cancelled: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        // A wall time beyond what the clock can express becomes a century, which nobody waits for.
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

    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the time left until the deadline; zero after it.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Checks that the run may continue. Every loop calls this.
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

    /// Returns the bytes of memory that the run may still allocate; `memory_bytes` if nobody counts them.
    #[must_use]
    pub fn memory_left(&self) -> u64 {
        let live = self.memory.map_or(0, |live| u64::try_from(live.load(Relaxed)).unwrap_or(0));
        self.limits.memory_bytes.saturating_sub(live)
    }

    /// Checks for memory before it is allocated, so that a script that needs too much gets an error and can continue.
    ///
    /// # Errors
    /// If the run may not allocate this many bytes more.
    pub fn ask_memory(&self, bytes: u64) -> Result<(), Error> {
        if bytes <= self.memory_left() {
            return Ok(());
        }
        Err(exceeded("memory_bytes", self.limits.memory_bytes, "bytes of memory"))
    }

    /// Counts one operation on the system.
    ///
    /// # Errors
    /// If there are too many, or the run may not continue.
    pub fn count_operation(&self) -> Result<(), Error> {
        self.check()?;
        count(&self.operations, 1, "operations", self.limits.operations, "operations")
    }

    /// Counts bytes that were read.
    ///
    /// # Errors
    /// If there are too many, or the run may not continue.
    pub fn count_read(&self, bytes: u64) -> Result<(), Error> {
        self.check()?;
        count(&self.read, bytes, "read_bytes", self.limits.read_bytes, "bytes read")
    }

    /// Counts bytes that are about to be written.
    ///
    /// # Errors
    /// If there are too many, or the run may not continue.
    pub fn count_written(&self, bytes: u64) -> Result<(), Error> {
        self.check()?;
        count(&self.written, bytes, "written_bytes", self.limits.written_bytes, "bytes written")
    }

    /// Counts bytes that another process has written for the run, even beyond the limit.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add_written(&self, bytes: u64) -> Result<(), Error> {
        let before = self.written.update(Relaxed, Relaxed, |used| used.saturating_add(bytes));
        if before.saturating_add(bytes) > self.limits.written_bytes {
            return Err(exhausted("written_bytes", self.limits.written_bytes, "bytes written"));
        }
        Ok(())
    }

    /// Returns the operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations.load(Relaxed)
    }

    /// Returns the bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Returns the bytes written so far.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

pub(crate) fn count(counter: &AtomicU64, more: u64, name: &str, limit: u64, what: &str) -> Result<(), Error> {
    // INVARIANT: a count that would exceed the limit is not added, so the counters never wrap.
    counter
        .try_update(Relaxed, Relaxed, |used| used.checked_add(more).filter(|&sum| sum <= limit))
        .map(drop)
        .map_err(|_| exhausted(name, limit, what))
}

/// Creates the error for a run that has used up a limit: it ends, even if its script would catch the error.
#[must_use]
pub fn exhausted(name: &str, limit: u64, what: &str) -> Error {
    let mut error = exceeded(name, limit, what);
    error.exhausted = true;
    error
}

/// Creates the error for an operation that needs more than a limit allows. A script can catch it and do less.
#[must_use]
pub fn exceeded(name: &str, limit: u64, what: &str) -> Error {
    Error::new(Code::LimitExceeded, format!("the limit `{name}` of {limit} {what} is exceeded")).with_help(
        match raised(name, limit) {
            Some(raised) => format!("do less in one go, or raise the limit: `{raised}`"),
            None => "do less in one go".to_owned(),
        },
    )
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
    fn memory_is_asked_for_before_it_is_allocated() {
        static LIVE: AtomicI64 = AtomicI64::new(6);
        let mut budget = Budget::new(Limits { memory_bytes: 10, ..Limits::default() }, Arc::default());
        assert_eq!(budget.memory_left(), 10, "nobody counts");
        budget.memory = Some(&LIVE);
        assert_eq!(budget.memory_left(), 4);
        budget.ask_memory(4).unwrap();
        let error = budget.ask_memory(5).unwrap_err();
        assert!(error.code == Code::LimitExceeded && !error.is_fatal(), "{error}");
        LIVE.store(20, Relaxed);
        assert_eq!(budget.memory_left(), 0);
    }

    #[test]
    fn what_another_process_has_written_counts_even_beyond_the_limit() {
        let budget = Budget::new(Limits { written_bytes: 10, ..Limits::default() }, Arc::default());
        budget.add_written(4).unwrap();
        budget.add_written(6).unwrap();
        let error = budget.add_written(1).unwrap_err();
        assert!(error.is_fatal() && error.code == Code::LimitExceeded, "{error}");
        assert_eq!(budget.bytes_written(), 11);
        budget.add_written(u64::MAX).unwrap_err();
        assert_eq!(budget.bytes_written(), u64::MAX);
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

    /// Checks that a run ends at each count: every loop counts something.
    #[test]
    fn nothing_more_is_counted_once_a_run_may_not_go_on() {
        static LIVE: AtomicI64 = AtomicI64::new(11);
        let limits = Limits { memory_bytes: 10, ..Limits::default() };
        let stopped = |stop: &dyn Fn(&mut Budget)| {
            let mut budget = Budget::new(limits, Arc::default());
            stop(&mut budget);
            budget
        };
        for (budget, code, name) in [
            (stopped(&|budget| budget.cancelled.store(true, Relaxed)), Code::Cancelled, ""),
            (stopped(&|budget| budget.deadline = Instant::now()), Code::LimitExceeded, "`wall_ms`"),
            (stopped(&|budget| budget.memory = Some(&LIVE)), Code::LimitExceeded, "`memory_bytes`"),
        ] {
            for counted in [budget.check(), budget.count_operation(), budget.count_read(1), budget.count_written(1)] {
                let error = counted.unwrap_err();
                assert!(error.code == code && error.message.contains(name), "{error}");
            }
            assert_eq!((budget.operations(), budget.bytes_read(), budget.bytes_written()), (0, 0, 0));
        }
    }

    #[test]
    fn each_count_has_its_own_limit_and_reaches_it() {
        static LIVE: AtomicI64 = AtomicI64::new(10);
        let limits = Limits { operations: 1, read_bytes: 2, written_bytes: 3, memory_bytes: 10, ..Limits::default() };
        let mut budget = Budget::new(limits, Arc::default());
        budget.memory = Some(&LIVE);
        assert_eq!(budget.limits(), &limits);
        budget.count_operation().unwrap();
        budget.count_read(2).unwrap();
        budget.count_written(3).unwrap();
        for (counted, name) in [
            (budget.count_operation(), "`operations`"),
            (budget.count_read(1), "`read_bytes`"),
            (budget.count_written(1), "`written_bytes`"),
        ] {
            let error = counted.unwrap_err();
            assert!(error.is_fatal() && error.message.contains(name), "{error}");
        }
        assert_eq!((budget.operations(), budget.bytes_read(), budget.bytes_written()), (1, 2, 3));
    }

    #[test]
    fn limits_are_set_by_name() {
        let mut limits = Limits::default();
        for (name, ..) in Limits::TABLE {
            limits.set(name, 7).unwrap();
        }
        assert_eq!((limits.wall_ms, limits.journal_records), (7, 7));
        let error = limits.set("wal", 1).unwrap_err();
        assert!(error.message.contains("`wal`") && error.help.unwrap().contains("wall_ms"));
    }

    #[test]
    fn limits_are_read_with_units() {
        let mut limits = Limits::default();
        for (name, text) in [
            ("wall", "5s"),
            ("wall_ms", "5s"),
            ("wall_ms", "5000"),
            ("wall_ms", "5_000"),
            ("memory", "64MB"),
            ("memory_bytes", "64MiB"),
            ("read_bytes", "1_000"),
            ("entries", "200_000"),
            ("tree_depth", "3"),
        ] {
            limits.parse(name, text).unwrap();
            let value = match name {
                "wall" | "wall_ms" => limits.wall_ms == 5_000,
                "memory" => limits.memory_bytes == 64_000_000,
                "memory_bytes" => limits.memory_bytes == 64 << 20,
                "read_bytes" => limits.read_bytes == 1_000,
                "entries" => limits.entries == 200_000,
                _ => limits.tree_depth == 3,
            };
            assert!(value, "{name}={text}: {limits:?}");
        }
        for (name, text, message, help) in [
            ("wall", "5", "the limit `wall` takes a duration, got `5`: it has no unit", "`30s`"),
            ("wall", "5MB", "the limit `wall` takes a duration, got `5MB`: `MB` is not one of the units", "`wall_ms`"),
            (
                "wall_ms",
                "soon",
                "the limit `wall_ms` takes a duration, got `soon`: it does not start with a number",
                "`30s`",
            ),
            ("memory", "64", "the limit `memory` takes a size, got `64`: it has no unit", "`MiB`"),
            (
                "memory_bytes",
                "5s",
                "the limit `memory_bytes` takes a size, got `5s`: `s` is not one of the units",
                "`10M`",
            ),
            ("memory", "-1", "the limit `memory` takes a size, got `-1`: it does not start with a number", "`10M`"),
            ("entries", "5s", "the limit `entries` takes a whole number, got `5s`: a count has no unit", "`100_000`"),
            ("wal", "5s", "there is no limit `wal`", "did you mean `wall`"),
            ("mem", "5MB", "there is no limit `mem`", "did you mean `memory`"),
            ("wlal", "5s", "there is no limit `wlal`", "did you mean `wall`"),
            (
                "wall_ms",
                "99999999999999999w",
                "the limit `wall_ms` takes a duration, got `99999999999999999w`: it is too large",
                "s",
            ),
        ] {
            let error = limits.parse(name, text).unwrap_err();
            assert_eq!(error.message, message);
            let told = error.help.unwrap();
            assert!(told.contains(help), "{told}");
            assert_eq!(
                told.contains("a plain number as"),
                message.contains(" a size") || message.contains(" a duration")
            );
        }
        let help = limits.parse("", "5s").unwrap_err().help.unwrap();
        assert!(help.starts_with("the limits are: "), "{help}");
    }

    #[test]
    fn a_limit_is_shown_as_it_is_read() {
        for (name, value, short, text) in [
            ("wall_ms", 30_000, "wall", "30s"),
            ("memory_bytes", 1 << 20, "memory", "1MiB"),
            ("journal_records", 10_000, "journal_records", "10000"),
        ] {
            assert_eq!(shown(name, value), (short, text.to_owned()));
            let mut limits = Limits::default();
            limits.parse(short, text).unwrap();
            assert!(limits.each().any(|one| one == (name, value)), "{limits:?}");
        }
    }

    #[test]
    fn the_error_of_a_limit_says_how_to_raise_it() {
        for (name, limit, raised) in [
            ("wall_ms", 30_000, "`--limit wall=60s`"),
            ("wall_ms", 1, "`--limit wall=2ms`"),
            ("memory_bytes", 256 << 20, "`--limit memory=512MiB`"),
            ("entries", 100_000, "`--limit entries=200000`"),
            ("call_depth", 0, "`--limit call_depth=1`"),
        ] {
            let help = exceeded(name, limit, "things").help.unwrap();
            assert!(help.ends_with(raised), "{help}");
            let (name, value) = raised.trim_matches('`').trim_start_matches("--limit ").split_once('=').unwrap();
            Limits::default().parse(name, value).unwrap();
        }
        assert_eq!(exceeded("words", 1, "words").help.as_deref(), Some("do less in one go"));
    }

    #[test]
    fn no_short_name_is_another_limit() {
        let shorts: std::collections::BTreeSet<_> = Limits::TABLE.iter().map(|(name, ..)| short(name)).collect();
        assert_eq!(shorts.len(), Limits::TABLE.len());
    }
}
