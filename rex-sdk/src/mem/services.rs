//! Units in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::PoisonError;

use rex_core::action::service;
use rex_core::resource::Unit;
use rex_core::{Budget, Grant};

use super::{EPOCH, MemOs};
use crate::os::{OsError, Services, UnitStatus};

/// The units of a world in memory.
#[derive(Debug, Default)]
pub(crate) struct Units {
    units: BTreeMap<String, UnitStatus>,
    aliases: BTreeMap<String, String>,
}

impl MemOs {
    /// The same world with an inactive unit of this name. One that is called `broken` never starts.
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

    /// The same world where a unit has another name too.
    #[must_use]
    pub fn unit_alias(self, alias: &str, name: &str) -> Self {
        self.with_units(|units| units.aliases.insert(alias.to_owned(), name.to_owned()));
        self
    }

    pub(super) fn example_units(self) -> Self {
        let world = self
            .unit("backup.service", "Nightly backup")
            .unit("broken.service", "Never starts")
            .unit("nginx.service", "A web server")
            .unit_alias("www.service", "nginx.service");
        world.with_units(|units| units.units.get_mut("nginx.service").map(|unit| activate(unit, 4242)));
        world
    }

    fn with_units<T>(&self, work: impl FnOnce(&mut Units) -> T) -> T {
        work(&mut self.units.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One call about one unit.
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
}
