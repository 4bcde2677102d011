//! Units of systemd, over its D-Bus interface (`org.freedesktop.systemd1(5)`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use rex_core::action::service;
use rex_core::resource::Unit;
use rex_core::{Budget, Error, Grant, Timestamp};
use serde::Serialize;
use zbus::blocking::{Connection, Proxy, connection};
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use super::unit_files;
use crate::os::{LogQuery, OsError, Services, TimerStatus, UnitFileChange, UnitStatus, demand_also, words};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// Interval between checks whether the run may continue, while it waits for the bus.
const POLL: Duration = Duration::from_millis(50);
/// Maximum number of units that one unit may be enabled along with.
const MOST_UNITS: usize = 1_000;
/// Timeout of one call.
const CALL: Duration = Duration::from_secs(120);

/// The address of the service manager.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BusAddress {
    /// The system bus.
    #[default]
    System,
    /// A bus by its address: `unix:path=/run/user/1000/bus`.
    Address(String),
}

impl Services for BusAddress {
    fn units(&self, _: Grant<service::List>, budget: &Budget) -> Result<Vec<UnitStatus>, OsError> {
        self.talk(budget, |manager| manager.units())
    }
    fn status(&self, grant: Grant<service::Status>, budget: &Budget) -> Result<UnitStatus, OsError> {
        let unit = grant.resource().clone();
        self.talk(budget, move |manager| manager.status(&unit))
    }
    fn start(&self, grant: Grant<service::Start>, budget: &Budget) -> Result<UnitStatus, OsError> {
        self.job("StartUnit", grant.resource(), budget)
    }
    fn stop(&self, grant: Grant<service::Stop>, budget: &Budget) -> Result<UnitStatus, OsError> {
        self.job("StopUnit", grant.resource(), budget)
    }
    fn restart(&self, grant: Grant<service::Restart>, budget: &Budget) -> Result<UnitStatus, OsError> {
        self.job("RestartUnit", grant.resource(), budget)
    }
    fn reload(&self, grant: Grant<service::Reload>, budget: &Budget) -> Result<UnitStatus, OsError> {
        self.job("ReloadUnit", grant.resource(), budget)
    }
    fn try_restart(&self, grant: Grant<service::Restart>, budget: &Budget) -> Result<UnitStatus, OsError> {
        self.job("TryRestartUnit", grant.resource(), budget)
    }
    fn also(&self, grant: Grant<service::Status>, budget: &Budget) -> Result<Vec<Unit>, OsError> {
        let unit = grant.resource().clone();
        self.talk(budget, move |manager| manager.also(&unit))
    }
    fn enable(
        &self,
        grant: Grant<service::Enable>,
        also: Vec<Unit>,
        budget: &Budget,
    ) -> Result<Vec<UnitFileChange>, OsError> {
        self.reaching(grant.resource(), also, budget, |manager, unit| manager.enable(unit))
    }
    fn disable(
        &self,
        grant: Grant<service::Disable>,
        also: Vec<Unit>,
        budget: &Budget,
    ) -> Result<Vec<UnitFileChange>, OsError> {
        self.reaching(grant.resource(), also, budget, |manager, unit| {
            manager.files("DisableUnitFiles", unit, &(&[unit.name()][..], false))
        })
    }
    fn mask(&self, grant: Grant<service::Mask>, masked: bool, budget: &Budget) -> Result<Vec<UnitFileChange>, OsError> {
        let unit = grant.resource().clone();
        self.talk(budget, move |manager| match masked {
            true => manager.files("MaskUnitFiles", &unit, &(&[unit.name()][..], false, false)),
            false => manager.files("UnmaskUnitFiles", &unit, &(&[unit.name()][..], false)),
        })
    }
    fn reset_failed(&self, grant: Grant<service::ResetFailed>, budget: &Budget) -> Result<UnitStatus, OsError> {
        let unit = grant.resource().clone();
        self.talk(budget, move |manager| {
            manager.find(&unit)?;
            manager.proxy.call::<_, _, ()>("ResetFailedUnit", &(unit.name(),)).map_err(failed)?;
            manager.status(&unit)
        })
    }
    fn reload_daemon(&self, _: Grant<service::ReloadDaemon>, budget: &Budget) -> Result<(), OsError> {
        self.talk(budget, |manager| manager.proxy.call::<_, _, ()>("Reload", &()).map_err(failed))
    }
    fn wait_until(
        &self,
        grant: Grant<service::Status>,
        active: String,
        timeout_ms: u64,
        budget: &Budget,
    ) -> Result<UnitStatus, OsError> {
        let unit = grant.resource().clone();
        let (start, timeout) = (Instant::now(), Duration::from_millis(timeout_ms));
        self.talk(budget, move |manager| {
            loop {
                let status = manager.status(&unit)?;
                let left = timeout.saturating_sub(start.elapsed());
                if status.active == active || left.is_zero() {
                    return Ok(status);
                }
                // The caller closes this thread's connection when the run ends.
                std::thread::sleep(left.min(POLL));
            }
        })
    }
    fn properties(
        &self,
        grant: Grant<service::Status>,
        budget: &Budget,
    ) -> Result<BTreeMap<String, rex_core::Value>, OsError> {
        let unit = grant.resource().clone();
        self.talk(budget, move |manager| {
            let (path, of_unit) = manager.find(&unit)?;
            let of_kind = manager.properties(&path, &interface(unit.kind()))?;
            let all = of_unit.0.into_iter().chain(of_kind.0);
            Ok(all.map(|(name, property)| (name, value(&property))).collect())
        })
    }
    fn timers(&self, _: Grant<service::List>, budget: &Budget) -> Result<Vec<TimerStatus>, OsError> {
        self.talk(budget, |manager| manager.timers())
    }
    fn logs(&self, grant: Grant<service::Logs>, query: LogQuery, budget: &Budget) -> Result<Vec<String>, OsError> {
        let unit = grant.resource().clone();
        // A unit has one log, under its own name.
        let find = || self.talk(budget, move |manager| manager.find(&unit).map(drop));
        super::logs::of(grant.resource(), find, &query, budget)
    }
}

impl BusAddress {
    fn job(&self, method: &'static str, unit: &Unit, budget: &Budget) -> Result<UnitStatus, OsError> {
        let unit = unit.clone();
        self.talk(budget, move |manager| manager.job(method, &unit))
    }

    /// Acts on the files of a unit if it reaches no other units than `also`.
    fn reaching<T: Send + 'static>(
        &self,
        unit: &Unit,
        also: Vec<Unit>,
        budget: &Budget,
        act: impl FnOnce(&ManagerConnection, &Unit) -> Result<T, OsError> + Send + 'static,
    ) -> Result<T, OsError> {
        let unit = unit.clone();
        self.talk(budget, move |manager| {
            demand_also(manager.also(&unit)?, &also)?;
            act(manager, &unit)
        })
    }

    /// Talks to the service manager in a separate thread, so that a hanging bus does not hang the run. If the run ends
    /// first, the connection is closed under the thread, which ends the thread, too.
    fn talk<T: Send + 'static>(
        &self,
        budget: &Budget,
        talk: impl FnOnce(&ManagerConnection) -> Result<T, OsError> + Send + 'static,
    ) -> Result<T, OsError> {
        let bus = self.clone();
        let (sender, receiver) = mpsc::sync_channel(1);
        let open = Arc::new(OnceLock::new());
        let opened = open.clone();
        std::thread::Builder::new().name("rex-bus".to_owned()).spawn(move || {
            // The receiver is gone if the run ended meanwhile.
            drop(sender.send(ManagerConnection::connect(&bus).and_then(|manager| {
                drop(opened.set(manager.connection.clone()));
                talk(&manager)
            })));
        })?;
        loop {
            match receiver.recv_timeout(POLL) {
                Ok(result) => return result,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let Err(stopped) = budget.check() else { continue };
                    drop(open.get().cloned().map(Connection::close));
                    return Err(stopped.into());
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let message = "the connection to the service manager was lost";
                    return Err(Error::new(rex_core::Code::Internal, message).into());
                }
            }
        }
    }
}

/// A connection to the service manager.
struct ManagerConnection {
    connection: Connection,
    proxy: Proxy<'static>,
}

impl ManagerConnection {
    fn connect(bus: &BusAddress) -> Result<Self, OsError> {
        let (builder, name) = match bus {
            BusAddress::System => (connection::Builder::system(), "the system bus"),
            BusAddress::Address(address) => (connection::Builder::address(address.as_str()), address.as_str()),
        };
        let unavailable = |error: zbus::Error| {
            OsError::Unavailable(format!("the service manager cannot be reached at `{name}`: {}", plain(&error)))
        };
        let connection = builder.and_then(|builder| builder.method_timeout(CALL).build()).map_err(unavailable)?;
        let proxy = Proxy::new(&connection, SYSTEMD, "/org/freedesktop/systemd1", MANAGER).map_err(unavailable)?;
        Ok(Self { connection, proxy })
    }

    fn units(&self) -> Result<Vec<UnitStatus>, OsError> {
        type UnitRow = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);
        let rows: Vec<UnitRow> = self.proxy.call("ListUnits", &()).map_err(failed)?;
        let mut units: Vec<_> = rows
            .into_iter()
            .map(|(name, description, load, active, sub, ..)| UnitStatus {
                name,
                description,
                load,
                active,
                sub,
                main_pid: None,
                since: None,
            })
            .collect();
        units.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(units)
    }

    /// Finds a unit under its own name, without changing it.
    fn find(&self, unit: &Unit) -> Result<(OwnedObjectPath, UnitProperties), OsError> {
        let path: OwnedObjectPath = self.proxy.call("LoadUnit", &(unit.name(),)).map_err(failed)?;
        let properties = self.properties(&path, UNIT)?;
        let id = properties.text("Id");
        if id != unit.name() {
            return Err(Unit::parse(&id).map_or(OsError::Changed, OsError::Alias));
        }
        if properties.text("LoadState") == "not-found" {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        Ok((path, properties))
    }

    fn status(&self, unit: &Unit) -> Result<UnitStatus, OsError> {
        let (path, properties) = self.find(unit)?;
        let main_pid = match unit.kind() {
            "service" => self.properties(&path, &interface("service"))?.number::<u32>("MainPID").filter(|&pid| pid > 0),
            _ => None,
        };
        let since = properties.number::<u64>("ActiveEnterTimestamp").filter(|&micros| micros > 0);
        let active = properties.text("ActiveState");
        Ok(UnitStatus {
            name: properties.text("Id"),
            description: properties.text("Description"),
            load: properties.text("LoadState"),
            sub: properties.text("SubState"),
            main_pid: main_pid.map(i64::from),
            since: since
                .filter(|_| active == "active")
                .map(|micros| Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))),
            active,
        })
    }

    /// Starts a job and waits for its result.
    fn job(&self, method: &str, unit: &Unit) -> Result<UnitStatus, OsError> {
        self.find(unit)?;
        // Listening starts before the job, so that its end is not missed.
        let removed = self.proxy.receive_signal("JobRemoved").map_err(failed)?;
        self.proxy.call::<_, _, ()>("Subscribe", &()).map_err(failed)?;
        let job: OwnedObjectPath = self.proxy.call(method, &(unit.name(), "replace")).map_err(failed)?;
        for message in removed {
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
                message.body().deserialize().map_err(failed)?;
            if path != job {
                continue;
            }
            if result == "done" {
                return self.status(unit);
            }
            let (path, _) = self.find(unit)?;
            let why = match unit.kind() {
                "service" => {
                    format!(", the unit with `{}`", self.properties(&path, &interface("service"))?.text("Result"))
                }
                _ => String::new(),
            };
            return Err(OsError::ServiceFailed(format!("the job ended with `{result}`{why}")));
        }
        Err(OsError::Unavailable("the service manager went away before the job ended".to_owned()))
    }

    /// Returns the units that are enabled and disabled along with a unit, and those whose names it takes, in the order
    /// of their names.
    fn also(&self, unit: &Unit) -> Result<Vec<Unit>, OsError> {
        self.find(unit)?;
        let directories: Vec<String> = self.proxy.get_property("UnitPath").map_err(failed)?;
        let (mut all, mut open) = (BTreeSet::from([unit.name().to_owned()]), vec![unit.name().to_owned()]);
        while let Some(name) = open.pop() {
            let loaded = self.load(&name)?;
            let mut found = unit_files::InstallSection::default();
            for own in loaded.names(&name) {
                found.extend(unit_files::install(&own, &directories, &loaded.files())?);
            }
            let mut named = BTreeSet::new();
            for also in found.also {
                named.insert(self.load(&also)?.own(&also));
            }
            // An alias that no unit has, or that is already the unit's own, is taken from no unit.
            for alias in found.aliases {
                let loaded = self.load(&alias)?;
                named.extend((loaded.text("LoadState") != "not-found").then(|| loaded.own(&alias)));
            }
            open.extend(named.difference(&all).cloned());
            all.extend(named);
            if all.len() > MOST_UNITS {
                return Err(OsError::Refused("its files name too many other units"));
            }
        }
        all.remove(unit.name());
        let refused = OsError::Refused("its files name an invalid unit");
        all.iter().map(|name| Unit::parse(name)).collect::<Result<_, _>>().map_err(|_| refused)
    }

    /// Returns the properties of a unit; nothing for a unit that the manager does not load, such as a template.
    fn load(&self, name: &str) -> Result<UnitProperties, OsError> {
        match self.proxy.call::<_, _, OwnedObjectPath>("LoadUnit", &(name,)) {
            Ok(path) => self.properties(&path, UNIT),
            Err(zbus::Error::MethodError(..)) => Ok(UnitProperties(HashMap::new())),
            Err(error) => Err(failed(error)),
        }
    }

    /// Enables a unit; refuses one whose files do not say when to start it.
    fn enable(&self, unit: &Unit) -> Result<Vec<UnitFileChange>, OsError> {
        self.find(unit)?;
        let arguments = (&[unit.name()][..], false, false);
        let (installs, changes): (bool, Vec<(String, String, String)>) =
            self.proxy.call("EnableUnitFiles", &arguments).map_err(failed)?;
        if !installs && changes.is_empty() {
            return Err(OsError::Refused("the files of the unit have no `[Install]` settings"));
        }
        self.changed(changes)
    }

    /// Changes the files of a unit.
    fn files<A: Serialize + zbus::zvariant::DynamicType>(
        &self,
        method: &str,
        unit: &Unit,
        arguments: &A,
    ) -> Result<Vec<UnitFileChange>, OsError> {
        // A masked unit has no file that could be found.
        match self.find(unit) {
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound && method == "UnmaskUnitFiles" => {}
            found => drop(found?),
        }
        self.changed(self.proxy.call(method, arguments).map_err(failed)?)
    }

    /// Makes the manager reload the changed files, as `systemctl` does.
    fn changed(&self, changes: Vec<(String, String, String)>) -> Result<Vec<UnitFileChange>, OsError> {
        self.proxy.call::<_, _, ()>("Reload", &()).map_err(failed)?;
        Ok(changes.into_iter().map(|(kind, path, target)| UnitFileChange { kind, path, target }).collect())
    }

    fn timers(&self) -> Result<Vec<TimerStatus>, OsError> {
        let mut timers = Vec::new();
        for unit in self.units()?.into_iter().filter(|unit| unit.name.ends_with(".timer")) {
            let path: OwnedObjectPath = self.proxy.call("LoadUnit", &(&*unit.name,)).map_err(failed)?;
            let properties = self.properties(&path, &interface("timer"))?;
            // Both 0 and the largest number mean never.
            let time = |name| {
                let micros = properties.number::<u64>(name).filter(|&micros| micros > 0 && micros < u64::MAX)?;
                i64::try_from(micros).ok().map(Timestamp::from_micros)
            };
            timers.push(TimerStatus {
                next: time("NextElapseUSecRealtime"),
                last: time("LastTriggerUSec"),
                unit: properties.text("Unit"),
                name: unit.name,
            });
        }
        Ok(timers)
    }

    fn properties(&self, path: &OwnedObjectPath, interface: &str) -> Result<UnitProperties, OsError> {
        let proxy = Proxy::new(&self.connection, SYSTEMD, path, "org.freedesktop.DBus.Properties").map_err(failed)?;
        Ok(UnitProperties(proxy.call("GetAll", &(interface,)).map_err(failed)?))
    }
}

/// Returns the interface of a unit type: `org.freedesktop.systemd1.Timer`.
fn interface(kind: &str) -> String {
    let (first, rest) = kind.split_at_checked(1).unwrap_or((kind, ""));
    format!("org.freedesktop.systemd1.{}{rest}", first.to_ascii_uppercase())
}

/// Converts a value of the bus to one for scripts. A type that scripts lack becomes text.
fn value(of: &zbus::zvariant::Value<'_>) -> rex_core::Value {
    use zbus::zvariant::Value as Bus;
    match of {
        Bus::Bool(value) => (*value).into(),
        Bus::U8(value) => i64::from(*value).into(),
        Bus::I16(value) => i64::from(*value).into(),
        Bus::U16(value) => i64::from(*value).into(),
        Bus::I32(value) => i64::from(*value).into(),
        Bus::U32(value) => i64::from(*value).into(),
        Bus::I64(value) => (*value).into(),
        // The largest number means no value.
        Bus::U64(u64::MAX) => rex_core::Value::Null,
        Bus::U64(number) => rex_core::Value::count(*number),
        Bus::F64(value) => (*value).into(),
        Bus::Str(text) => text.as_str().into(),
        Bus::ObjectPath(path) => path.as_str().into(),
        Bus::Signature(signature) => signature.to_string().into(),
        Bus::Value(inner) => value(inner),
        Bus::Array(all) => rex_core::Value::List(all.iter().map(value).collect()),
        Bus::Structure(all) => rex_core::Value::List(all.fields().iter().map(value).collect()),
        other => other.to_string().into(),
    }
}

struct UnitProperties(HashMap<String, OwnedValue>);

impl UnitProperties {
    /// Returns the own name of the unit with this name.
    fn own(&self, name: &str) -> String {
        Some(self.text("Id")).filter(|id| !id.is_empty()).unwrap_or_else(|| name.to_owned())
    }

    /// Returns all names of the unit with this name.
    fn names(&self, name: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::from([name.to_owned()]);
        names.extend(self.texts("Names"));
        names
    }

    /// Returns the files that the unit was read from.
    fn files(&self) -> Vec<String> {
        let mut files = self.texts("DropInPaths");
        files.extend(Some(self.text("FragmentPath")).filter(|path| !path.is_empty()));
        files
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let value = self.0.get(name).and_then(|value| value.try_clone().ok());
        value.and_then(|value| Vec::<String>::try_from(value).ok()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.0.get(name).and_then(|value| value.downcast_ref::<String>().ok()).unwrap_or_default()
    }

    fn number<T: for<'a> TryFrom<&'a zbus::zvariant::Value<'a>>>(&self, name: &str) -> Option<T> {
        self.0.get(name).and_then(|value| T::try_from(value).ok())
    }
}

/// Describes an error of the bus for people.
fn plain(error: &zbus::Error) -> String {
    match error {
        zbus::Error::InputOutput(error) | zbus::Error::Connection(error, _) => words(error),
        zbus::Error::Address(_) => "that is not the address of a bus".to_owned(),
        zbus::Error::Handshake(_) => "the bus refuses Rex".to_owned(),
        zbus::Error::MethodError(_, Some(message), _) => message.trim_end_matches('.').to_owned(),
        _ => "the bus does not answer as it should".to_owned(),
    }
}

/// Converts an error of the bus.
fn failed(error: zbus::Error) -> OsError {
    let zbus::Error::MethodError(name, message, _) = &error else {
        return OsError::Unavailable(format!("the service manager did not answer: {}", plain(&error)));
    };
    let message = message.as_deref().unwrap_or("no message");
    match name.as_str() {
        "org.freedesktop.systemd1.NoSuchUnit" => io::Error::from(io::ErrorKind::NotFound).into(),
        "org.freedesktop.DBus.Error.AccessDenied" | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => {
            io::Error::new(io::ErrorKind::PermissionDenied, message.to_owned()).into()
        }
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner"
        | "org.freedesktop.DBus.Error.NoReply" => {
            OsError::Unavailable(format!("there is no service manager on the bus: {}", message.trim_end_matches('.')))
        }
        // The bus tried to start the manager itself.
        name if name.starts_with("org.freedesktop.DBus.Error.Spawn.") => {
            OsError::Unavailable(format!("there is no service manager on the bus: {}", message.trim_end_matches('.')))
        }
        _ => OsError::ServiceFailed(message.trim_end_matches('.').to_owned()),
    }
}
