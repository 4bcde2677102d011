//! Units of the service manager.

pub mod list;
pub mod reload;
pub mod restart;
pub mod start;
pub mod status;
pub mod stop;

use rex_core::Value;

use crate::os::UnitStatus;

/// What [`describe`] returns, in words.
const STATUS: &str = "`unit` (its own name), `description`, `load` (`loaded`, `masked`, ...), `active` (`active`, `inactive`, `failed`, ...), \
                      `sub` (`running`, `dead`, ...), `main_pid` of a running service, and since when it is active: `since` as RFC 3339, \
                      `since_epoch` in seconds.";

/// The state of a unit, as a script sees it.
fn describe(status: &UnitStatus) -> Value {
    Value::map([
        ("unit", status.name.as_str().into()),
        ("description", status.description.as_str().into()),
        ("load", status.load.as_str().into()),
        ("active", status.active.as_str().into()),
        ("sub", status.sub.as_str().into()),
        ("main_pid", status.main_pid.into()),
        ("since", status.since.map(|since| since.to_string()).into()),
        ("since_epoch", status.since.map(super::epoch).unwrap_or_default()),
    ])
}
