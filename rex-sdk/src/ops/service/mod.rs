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

use rex_core::resource::Unit;
use rex_core::{Action, Code, Error, Grant, Value};

use crate::Session;
use crate::os::{OsError, UnitFileChange, UnitStatus};

/// Description of the value that [`describe`] returns.
const STATUS: &str = "`unit` (its own name), `description`, `load` (`loaded`, `masked`, ...), `active` (`active`, `inactive`, `failed`, ...), \
                      `sub` (`running`, `dead`, ...), `main_pid` of a running service, and since when it is active: `since` as RFC 3339, \
                      `since_epoch` in seconds.";

/// Returns the state of a unit as a script sees it.
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

/// Maximum number of times that the reached units may change.
const MAX_ROUNDS: usize = 8;

/// Acts on a unit, after requesting the action for every other unit that it reaches.
fn reaching<A: Action<Resource = Unit>, T>(
    session: &Session<'_>,
    action: &A,
    unit: &Unit,
    act: impl Fn(Grant<A>, Vec<Unit>) -> Result<T, OsError>,
) -> Result<T, Error> {
    let mut also = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let mut reached = Vec::new();
        let done = session.act(action.clone(), unit.clone(), |grant| match act(grant, also.clone()) {
            Err(OsError::Besides(units)) => {
                reached = units;
                Ok(None)
            }
            done => done.map(Some),
        })?;
        if let Some(done) = done {
            return Ok(done);
        }
        for unit in reached {
            if !also.contains(&unit) {
                // The act uses the grant for the first unit; this one only checks the permission.
                drop(session.permit(action.clone(), unit.clone())?);
                also.push(unit);
            }
        }
    }
    Err(Error::new(Code::Io, format!("the units that `{}` affects keep changing", unit.name())))
}

/// Returns changes on disk as a script sees them.
fn changed(changes: Vec<UnitFileChange>) -> Value {
    let entry = |change: UnitFileChange| {
        Value::map([("kind", change.kind.into()), ("path", change.path.into()), ("target", change.target.into())])
    };
    Value::List(changes.into_iter().map(entry).collect())
}
