//! The state of units.

use rex_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a unit, in systemd's words (`systemctl(1)`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnitStatus {
    /// The full name.
    pub name: String,
    /// Its description of itself.
    pub description: String,
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `inactive`, `failed`, ...
    pub active: String,
    /// `running`, `dead`, `exited`, ...
    pub sub: String,
    /// The main process of a service; `None` if it has none, or in a list.
    pub main_pid: Option<i64>,
    /// The time when it became active; `None` if it is not active, or in a list.
    pub since: Option<Timestamp>,
}

/// One change that enabling, disabling or masking a unit made on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFileChange {
    /// `symlink` or `unlink`.
    pub kind: String,
    /// The file.
    pub path: String,
    /// The target of a link.
    pub target: String,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerStatus {
    /// Its name, such as `backup.timer`.
    pub name: String,
    /// The unit that it starts.
    pub unit: String,
    /// The next time by the calendar; `None` if it has no calendar time.
    pub next: Option<Timestamp>,
    /// The time when it elapsed last; `None` if it never did.
    pub last: Option<Timestamp>,
}

/// The unit that contains all others; its log is that of the machine; `systemd.special(7)`.
pub const ALL_UNITS: &str = "-.slice";

/// A selection of a unit's log records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogQuery {
    /// Only records since this time.
    pub since: Option<Timestamp>,
    /// Only records until this time.
    pub until: Option<Timestamp>,
    /// Only records at least this urgent: from 0, the most urgent, to 7.
    pub priority: Option<u8>,
    /// Only records whose message matches this pattern (PCRE2).
    pub pattern: Option<String>,
    /// Maximum number of records; the last ones are kept.
    pub max: u64,
}
