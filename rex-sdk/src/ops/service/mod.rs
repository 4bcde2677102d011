//! Units of the service manager.

pub mod dependencies;
pub mod disable;
pub mod enable;
pub mod list;
pub mod logs;
pub mod mask;
pub mod properties;
pub mod reload;
pub mod reload_daemon;
pub mod reset_failed;
pub mod restart;
pub mod start;
pub mod status;
pub mod stop;
pub mod timers;
pub mod try_restart;
pub mod unmask;
pub mod wait_until;

use rex_core::Value;

use crate::os::{UnitFileChange, UnitStatus};

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

/// What was changed on disk, as a script sees it.
fn changed(changes: Vec<UnitFileChange>) -> Value {
    let entry = |change: UnitFileChange| {
        Value::map([("kind", change.kind.into()), ("path", change.path.into()), ("target", change.target.into())])
    };
    Value::List(changes.into_iter().map(entry).collect())
}
