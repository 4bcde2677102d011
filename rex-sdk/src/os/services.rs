//! What is known of units.

use rex_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a unit, in systemd's words (`systemctl(1)`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnitStatus {
    /// The full name.
    pub name: String,
    /// What it says about itself.
    pub description: String,
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `inactive`, `failed`, ...
    pub active: String,
    /// `running`, `dead`, `exited`, ...
    pub sub: String,
    /// The main process of a service; `None` if there is none, or in a list.
    pub main_pid: Option<i64>,
    /// When it became active; `None` if it is not, or in a list.
    pub since: Option<Timestamp>,
}

/// One change that enabling, disabling or masking a unit made on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFileChange {
    /// `symlink` or `unlink`.
    pub kind: String,
    /// The file.
    pub path: String,
    /// Where a link leads.
    pub target: String,
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerStatus {
    /// Its name, `backup.timer`.
    pub name: String,
    /// The unit that it starts.
    pub unit: String,
    /// When it elapses next by the calendar; `None` if it does not, or not by the calendar.
    pub next: Option<Timestamp>,
    /// When it elapsed last; `None` if it never did.
    pub last: Option<Timestamp>,
}

/// The unit in which all others are, whose log is that of the machine; `systemd.special(7)`.
pub const ALL_UNITS: &str = "-.slice";

/// Which records of a unit's log are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogQuery {
    /// Those since then.
    pub since: Option<Timestamp>,
    /// Those until then.
    pub until: Option<Timestamp>,
    /// Those at least as urgent as this: from 0, the most urgent, to 7.
    pub priority: Option<u8>,
    /// Those whose message matches this pattern (PCRE2).
    pub pattern: Option<String>,
    /// The last so many of them.
    pub max: u64,
}
