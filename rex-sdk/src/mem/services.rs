//! Units in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::PoisonError;

use rex_core::action::service;
use rex_core::resource::Unit;
use rex_core::{Budget, Grant, Timestamp, Value};

use super::{EPOCH, MemOs};
use crate::os::{ALL_UNITS, LogQuery, OsError, Services, TimerStatus, UnitFileChange, UnitStatus, demand_also};

/// The units of a world in memory.
#[derive(Debug, Default)]
pub(crate) struct MemUnits {
    units: BTreeMap<String, UnitStatus>,
    aliases: BTreeMap<String, String>,
    enabled: BTreeSet<String>,
    also: BTreeMap<String, Vec<Unit>>,
}

impl MemUnits {
    /// Returns the units that are enabled and disabled along with a unit.
    fn reached(&self, name: &str) -> Vec<Unit> {
        self.also.get(name).cloned().unwrap_or_default()
    }
}

impl MemOs {
    /// Adds an inactive unit. `broken.service` never starts.
    #[must_use]
    pub fn unit(self, name: &str, description: &str) -> Self {
        let status = UnitStatus {
            name: name.to_owned(),
            description: description.to_owned(),
            load: "loaded".to_owned(),
            active: "inactive".to_owned(),
            sub: "dead".to_owned(),
            main_pid: None,
            since: None,
        };
        self.with_units(|units| units.units.insert(name.to_owned(), status));
        self
    }

    /// Sets the state of a known unit: `active`, `inactive` or `failed`.
    #[must_use]
    pub fn unit_in_state(self, name: &str, state: &str) -> Self {
        self.with_units(|units| {
            if let Some(unit) = units.units.get_mut(name) {
                match state {
                    "active" => activate(unit, 5000),
                    other => {
                        deactivate(unit);
                        other.clone_into(&mut unit.active);
                        if other == "failed" {
                            other.clone_into(&mut unit.sub);
                        }
                    }
                }
            }
        });
        self
    }

    /// Makes `also` enabled and disabled along with a unit.
    #[must_use]
    pub fn unit_also(self, name: &str, also: Unit) -> Self {
        self.with_units(|units| units.also.entry(name.to_owned()).or_default().push(also));
        self
    }

    /// Adds an alias of a unit.
    #[must_use]
    pub fn unit_alias(self, alias: &str, name: &str) -> Self {
        self.with_units(|units| units.aliases.insert(alias.to_owned(), name.to_owned()));
        self
    }

    pub(super) fn example_units(self) -> Self {
        let world = self
            .unit("backup.service", "Nightly backup")
            .unit("broken.service", "Never starts")
            .unit("backup.timer", "Every night")
            .unit("nginx.service", "A web server")
            .unit_alias("www.service", "nginx.service");
        world.with_units(|units| units.units.get_mut("nginx.service").map(|unit| activate(unit, 4242)));
        world
    }

    fn with_units<T>(&self, work: impl FnOnce(&mut MemUnits) -> T) -> T {
        work(&mut self.units.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Performs a call about one unit.
    fn on<T>(&self, unit: &Unit, work: impl FnOnce(&mut UnitStatus) -> Result<T, OsError>) -> Result<T, OsError> {
        self.count();
        self.with_units(|units| match units.aliases.get(unit.name()) {
            Some(name) => Err(Unit::parse(name).map_or(OsError::Changed, OsError::Alias)),
            None => work(units.units.get_mut(unit.name()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?),
        })
    }
}

fn activate(unit: &mut UnitStatus, main_pid: i64) {
    unit.active = "active".to_owned();
    unit.sub = "running".to_owned();
    unit.main_pid = Some(main_pid);
    unit.since = Some(EPOCH);
}

fn deactivate(unit: &mut UnitStatus) {
    unit.active = "inactive".to_owned();
    unit.sub = "dead".to_owned();
    unit.main_pid = None;
    unit.since = None;
}

fn start(unit: &mut UnitStatus) -> Result<UnitStatus, OsError> {
    if unit.name == "broken.service" {
        return Err(OsError::ServiceFailed("the job ended with `failed`, the unit with `exit-code`".to_owned()));
    }
    let main_pid = unit.main_pid.unwrap_or(5000);
    activate(unit, main_pid);
    Ok(unit.clone())
}

impl Services for MemOs {
    fn units(&self, _: Grant<service::List>, _: &Budget) -> Result<Vec<UnitStatus>, OsError> {
        self.count();
        let short = |unit: &UnitStatus| UnitStatus { main_pid: None, since: None, ..unit.clone() };
        Ok(self.with_units(|units| units.units.values().map(short).collect()))
    }
    fn status(&self, grant: Grant<service::Status>, _: &Budget) -> Result<UnitStatus, OsError> {
        self.on(grant.resource(), |unit| Ok(unit.clone()))
    }
    fn start(&self, grant: Grant<service::Start>, _: &Budget) -> Result<UnitStatus, OsError> {
        self.on(grant.resource(), start)
    }
    fn stop(&self, grant: Grant<service::Stop>, _: &Budget) -> Result<UnitStatus, OsError> {
        self.on(grant.resource(), |unit| {
            deactivate(unit);
            Ok(unit.clone())
        })
    }
    fn restart(&self, grant: Grant<service::Restart>, _: &Budget) -> Result<UnitStatus, OsError> {
        self.on(grant.resource(), |unit| {
            unit.main_pid = Some(unit.main_pid.map_or(5000, |pid| pid + 1));
            start(unit)
        })
    }
    fn reload(&self, grant: Grant<service::Reload>, _: &Budget) -> Result<UnitStatus, OsError> {
        self.on(grant.resource(), |unit| match unit.active.as_str() {
            "active" => Ok(unit.clone()),
            _ => Err(OsError::ServiceFailed("the unit is not active".to_owned())),
        })
    }
    fn try_restart(&self, grant: Grant<service::Restart>, _: &Budget) -> Result<UnitStatus, OsError> {
        self.on(grant.resource(), |unit| if unit.active == "active" { start(unit) } else { Ok(unit.clone()) })
    }
    fn also(&self, grant: Grant<service::Status>, _: &Budget) -> Result<Vec<Unit>, OsError> {
        self.on(grant.resource(), |_| Ok(()))?;
        Ok(self.with_units(|units| units.reached(grant.resource().name())))
    }
    fn enable(
        &self,
        grant: Grant<service::Enable>,
        also: Vec<Unit>,
        _: &Budget,
    ) -> Result<Vec<UnitFileChange>, OsError> {
        demand_also(self.with_units(|units| units.reached(grant.resource().name())), &also)?;
        let name = self.on(grant.resource(), |unit| Ok(unit.name.clone()))?;
        let new = self.with_units(|units| units.enabled.insert(name.clone()));
        Ok(change("symlink", &name, &format!("/lib/systemd/system/{name}"), new))
    }
    fn disable(
        &self,
        grant: Grant<service::Disable>,
        also: Vec<Unit>,
        _: &Budget,
    ) -> Result<Vec<UnitFileChange>, OsError> {
        demand_also(self.with_units(|units| units.reached(grant.resource().name())), &also)?;
        let name = self.on(grant.resource(), |unit| Ok(unit.name.clone()))?;
        let was = self.with_units(|units| units.enabled.remove(&name));
        Ok(change("unlink", &name, "", was))
    }
    fn mask(&self, grant: Grant<service::Mask>, masked: bool, _: &Budget) -> Result<Vec<UnitFileChange>, OsError> {
        let (load, kind) = if masked { ("masked", "symlink") } else { ("loaded", "unlink") };
        let (name, before) = self
            .on(grant.resource(), |unit| Ok((unit.name.clone(), std::mem::replace(&mut unit.load, load.to_owned()))))?;
        Ok(change(kind, &name, if masked { "/dev/null" } else { "" }, before != load))
    }
    fn reset_failed(&self, grant: Grant<service::ResetFailed>, _: &Budget) -> Result<UnitStatus, OsError> {
        self.on(grant.resource(), |unit| {
            if unit.active == "failed" {
                deactivate(unit);
            }
            Ok(unit.clone())
        })
    }
    fn reload_daemon(&self, _: Grant<service::ReloadDaemon>, _: &Budget) -> Result<(), OsError> {
        self.count();
        Ok(())
    }
    fn wait_until(&self, grant: Grant<service::Status>, _: String, _: u64, _: &Budget) -> Result<UnitStatus, OsError> {
        // Nothing changes here by itself.
        self.on(grant.resource(), |unit| Ok(unit.clone()))
    }
    fn properties(&self, grant: Grant<service::Status>, _: &Budget) -> Result<BTreeMap<String, Value>, OsError> {
        self.on(grant.resource(), |unit| {
            let texts = [("Id", &unit.name), ("Description", &unit.description), ("ActiveState", &unit.active)];
            let list = |names: &[&str]| Value::List(names.iter().map(|&name| name.into()).collect());
            let lists = [("After", list(&["network.target"])), ("Requires", list(&["system.slice"]))];
            let texts = texts.into_iter().map(|(key, text)| (key, text.as_str().into()));
            Ok(texts.chain(lists).map(|(key, value)| (key.to_owned(), value)).collect())
        })
    }
    fn timers(&self, _: Grant<service::List>, _: &Budget) -> Result<Vec<TimerStatus>, OsError> {
        self.count();
        let timer = |unit: &UnitStatus| {
            let stem = unit.name.strip_suffix(".timer")?;
            let next = Timestamp::from_micros(EPOCH.as_micros() + 43_200_000_000);
            Some(TimerStatus { name: unit.name.clone(), unit: format!("{stem}.service"), next: Some(next), last: None })
        };
        Ok(self.with_units(|units| units.units.values().filter_map(timer).collect()))
    }
    fn logs(&self, grant: Grant<service::Logs>, query: LogQuery, _: &Budget) -> Result<Vec<String>, OsError> {
        let name = match grant.resource().name() {
            ALL_UNITS => {
                self.count();
                "nginx.service".to_owned()
            }
            _ => self.on(grant.resource(), |unit| Ok(unit.name.clone()))?,
        };
        let micros = EPOCH.as_micros();
        let line = format!(
            r#"{{"__REALTIME_TIMESTAMP":"{micros}","PRIORITY":"6","MESSAGE":"{name} started","_PID":"4242","SYSLOG_IDENTIFIER":"systemd","_SYSTEMD_UNIT":"init.scope","UNIT":"{name}","_TRANSPORT":"journal"}}"#
        );
        let urgent = query.priority.is_some_and(|priority| priority < 6);
        Ok(if urgent || query.max == 0 { Vec::new() } else { vec![line] })
    }
}

/// Returns the change on disk, if there was one.
fn change(kind: &str, name: &str, target: &str, changed: bool) -> Vec<UnitFileChange> {
    let (kind, path) = (kind.to_owned(), format!("/etc/systemd/system/{name}"));
    if changed { vec![UnitFileChange { kind, path, target: target.to_owned() }] } else { Vec::new() }
}
