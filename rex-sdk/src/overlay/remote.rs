//! Units, processes, the network and the machine of an overlay: read from below, or else assumed.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rex_core::action::{fs, net, process, service, sys};
use rex_core::resource::Unit;
use rex_core::{AbsPath, Action, Budget, Grant, Value};

use super::{Overlay, OverlayParts};
use crate::Os;
use crate::links::FinalLink;
use crate::mem::tree::{NodeBody, TreeNode};
use crate::os::*;

/// The assumed address of a host: one that nobody has (RFC 5737).
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The assumed answer of a server.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Implements methods that read below. Their results change by themselves, so they are no part of a plan, which lists
/// the action.
macro_rules! below {
    ($($method:ident($action:ty $(, $arg:ident: $type:ty)*) -> $output:ty;)*) => {$(
        fn $method(&self, grant: Grant<$action>, $($arg: $type,)* budget: &Budget) -> Result<$output, OsError> {
            self.shared.leave_unheld(&grant);
            self.shared.below.$method(grant, $($arg,)* budget)
        }
    )*};
}

/// Implements methods that read below and record the result.
macro_rules! noted {
    ($($method:ident($action:ty $(, $arg:ident: $type:ty)*) -> $output:ty;)*) => {$(
        fn $method(&self, grant: Grant<$action>, $($arg: $type,)* budget: &Budget) -> Result<$output, OsError> {
            let id = rex_core::Resource::id(grant.resource()).to_owned();
            let found = self.shared.below.$method(grant, $($arg,)* budget);
            let told = found.as_ref().map_or_else(ToString::to_string, |found| format!("{found:?}"));
            self.shared.state().reads.add(stringify!($method), &id, told.as_bytes());
            found
        }
    )*};
}

macro_rules! units {
    ($($method:ident($action:ty) -> $active:expr;)*) => {$(
        fn $method(&self, grant: Grant<$action>, budget: &Budget) -> Result<UnitStatus, OsError> {
            self.shared.unit(&grant, $active, budget)
        }
    )*};
}

macro_rules! unit_files {
    ($($method:ident($action:ty $(, $arg:ident: $type:ty)*);)*) => {$(
        fn $method(
            &self,
            grant: Grant<$action>,
            $($arg: $type,)*
            budget: &Budget,
        ) -> Result<Vec<UnitFileChange>, OsError> {
            self.shared.unit(&grant, None, budget)?;
            $(self.shared.tell_last(format!("{} {}", stringify!($arg), $arg));)*
            Ok(Vec::new())
        }
    )*};
}

impl<O: Os> OverlayParts<O> {
    /// Notes that an action read something that changes by itself.
    fn leave_unheld<A: Action>(&self, _: &Grant<A>) {
        self.state().unheld.insert(A::SPEC.to_string());
    }

    /// Records an effect on something other than a file.
    fn assume<A: Action>(&self, grant: &Grant<A>, about: String) {
        self.record::<A>((grant.sequence(), grant.resource()), about, true);
    }

    fn tell_last(&self, about: String) {
        if let Some(last) = self.state().effects.last_mut() {
            last.about = about;
        }
    }

    /// Records an effect on a unit. Returns its new state, which is running or not as `active` says, or unchanged.
    fn unit<A: Action<Resource = Unit>>(
        &self,
        grant: &Grant<A>,
        active: Option<bool>,
        budget: &Budget,
    ) -> Result<UnitStatus, OsError> {
        let unit = grant.resource();
        let before = self.state().units.get(unit.name()).cloned();
        let before = match before {
            Some(status) => status,
            None => match self.below.status(self.look(service::Status {}, unit.clone())?, budget) {
                // The caller asks again with the other name, as in a run.
                Err(OsError::Alias(other)) => return Err(OsError::Alias(other)),
                Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Err(error.into()),
                // If it may not be looked at, or nothing answers, it is assumed to exist.
                Err(_) => {
                    UnitStatus { name: unit.name().to_owned(), load: "loaded".to_owned(), ..UnitStatus::default() }
                }
                Ok(status) => status,
            },
        };
        let after = match active {
            None => before,
            Some(active) => {
                let (active, sub) = if active { ("active", "running") } else { ("inactive", "dead") };
                UnitStatus { active: active.to_owned(), sub: sub.to_owned(), main_pid: None, since: None, ..before }
            }
        };
        self.state().units.insert(unit.name().to_owned(), after.clone());
        self.assume(grant, String::new());
        Ok(after)
    }

    /// Refuses an act on a unit that reaches other units than these. If they are unknown, the run finds out.
    fn reaches(&self, unit: &Unit, also: &[Unit], budget: &Budget) -> Result<(), OsError> {
        let look = self.look(service::Status {}, unit.clone())?;
        demand_also(self.below.also(look, budget).unwrap_or_default(), also)
    }

    /// Checks a program before its start is assumed: a run does not start what is missing, or not a program.
    fn program(&self, path: &AbsPath) -> Result<(), OsError> {
        if self.know(path).is_err() {
            // A path that may not be looked at is assumed to be a program.
            return Ok(());
        }
        match self.above.tree().find(path, FinalLink::Cross)? {
            TreeNode { body: NodeBody::File(_), mode, .. } if mode & 0o111 == 0 => {
                return Err(OsError::Refused("it is not a program: nobody may execute it"));
            }
            TreeNode { body: NodeBody::File(_), .. } => {}
            node => return Err(OsError::WrongKind(node.kind())),
        }
        let mut start = [0; 2];
        let source = self.look(fs::Read {}, path.clone()).and_then(|grant| self.below.open(grant));
        if self.is_below(path) && source.is_ok_and(|source| source.read_at(&mut start, 0).is_ok()) && start == *b"#!" {
            return Err(OsError::Refused("it is a script: start its interpreter, and name the script as an argument"));
        }
        Ok(())
    }

    /// Returns the state of a unit that an effect changed.
    fn known(&self, unit: &Unit) -> Option<UnitStatus> {
        self.state().units.get(unit.name()).cloned()
    }

    /// Records the state of a unit, without process numbers and times.
    fn found(&self, found: &Result<UnitStatus, OsError>, unit: &str) {
        let told = match found {
            Ok(status) => format!("{} {} {}", status.load, status.active, status.sub),
            Err(error) => error.to_string(),
        };
        self.state().reads.add("status", unit, told.as_bytes());
    }
}

impl<O: Os + 'static> Services for Overlay<O> {
    below! {
        properties(service::Status) -> BTreeMap<String, Value>;
        timers(service::List) -> Vec<TimerStatus>;
        logs(service::Logs, query: LogQuery) -> Vec<String>;
    }

    units! {
        start(service::Start) -> Some(true);
        stop(service::Stop) -> Some(false);
        restart(service::Restart) -> Some(true);
        try_restart(service::Restart) -> None;
        reload(service::Reload) -> None;
        reset_failed(service::ResetFailed) -> None;
    }

    fn also(&self, grant: Grant<service::Status>, budget: &Budget) -> Result<Vec<Unit>, OsError> {
        self.shared.below.also(grant, budget)
    }

    fn enable(
        &self,
        grant: Grant<service::Enable>,
        also: Vec<Unit>,
        budget: &Budget,
    ) -> Result<Vec<UnitFileChange>, OsError> {
        self.shared.reaches(grant.resource(), &also, budget)?;
        self.shared.unit(&grant, None, budget).map(|_| Vec::new())
    }

    fn disable(
        &self,
        grant: Grant<service::Disable>,
        also: Vec<Unit>,
        budget: &Budget,
    ) -> Result<Vec<UnitFileChange>, OsError> {
        self.shared.reaches(grant.resource(), &also, budget)?;
        self.shared.unit(&grant, None, budget).map(|_| Vec::new())
    }

    unit_files! {
        mask(service::Mask, masked: bool);
    }

    fn units(&self, grant: Grant<service::List>, budget: &Budget) -> Result<Vec<UnitStatus>, OsError> {
        self.shared.leave_unheld(&grant);
        let mut units = self.shared.below.units(grant, budget)?;
        for unit in &mut units {
            if let Some(known) = self.shared.state().units.get(&unit.name) {
                (unit.active, unit.sub) = (known.active.clone(), known.sub.clone());
            }
        }
        Ok(units)
    }

    fn status(&self, grant: Grant<service::Status>, budget: &Budget) -> Result<UnitStatus, OsError> {
        if let Some(known) = self.shared.known(grant.resource()) {
            return Ok(known);
        }
        let unit = grant.resource().name().to_owned();
        let found = self.shared.below.status(grant, budget);
        self.shared.found(&found, &unit);
        found
    }

    fn wait_until(
        &self,
        grant: Grant<service::Status>,
        active: String,
        timeout_ms: u64,
        budget: &Budget,
    ) -> Result<UnitStatus, OsError> {
        // An earlier act on it is assumed to have led to the state that the script waits for.
        match self.shared.known(grant.resource()) {
            Some(known) => Ok(UnitStatus { active, ..known }),
            None => {
                self.shared.leave_unheld(&grant);
                self.shared.below.wait_until(grant, active, timeout_ms, budget)
            }
        }
    }

    fn reload_daemon(&self, grant: Grant<service::ReloadDaemon>, _: &Budget) -> Result<(), OsError> {
        self.shared.assume(&grant, String::new());
        Ok(())
    }
}

impl<O: Os + 'static> Processes for Overlay<O> {
    below! {
        details(process::Inspect) -> ProcessDetails;
        open_files(process::Inspect, max: u64, all: bool) -> Vec<OpenFile>;
        environ(process::Environ) -> Vec<String>;
    }

    fn processes(
        &self,
        grant: Grant<process::List>,
        only: Option<u32>,
        interval_ms: Option<u64>,
        budget: &Budget,
    ) -> Result<ProcessList, OsError> {
        self.shared.leave_unheld(&grant);
        let mut all = self.shared.below.processes(grant, only, interval_ms, budget)?;
        let state = self.shared.state();
        all.processes.retain(|status| !state.ended.contains(&status.process.pid()));
        Ok(all)
    }

    fn signal(&self, grant: Grant<process::Signal>, _: &Budget) -> Result<(), OsError> {
        let signal = grant.action().signal.clone();
        if ["KILL", "TERM", "INT"].contains(&&*signal) {
            self.shared.state().ended.insert(grant.resource().pid());
        }
        self.shared.assume(&grant, format!("SIG{signal}"));
        Ok(())
    }

    fn set_priority(&self, grant: Grant<process::SetPriority>, _: &Budget) -> Result<i64, OsError> {
        self.shared.assume(&grant, format!("nice {}", grant.action().nice));
        Ok(0)
    }

    fn wait(&self, grant: Grant<process::Inspect>, timeout_ms: u64, budget: &Budget) -> Result<bool, OsError> {
        if self.shared.state().ended.contains(&grant.resource().pid()) {
            return Ok(true);
        }
        self.shared.leave_unheld(&grant);
        self.shared.below.wait(grant, timeout_ms, budget)
    }

    fn run(&self, grant: Grant<process::Run>, start: StartOptions, _: &Budget) -> Result<FinishedProgram, OsError> {
        self.shared.program(&grant.resource().path)?;
        permitted(&grant, self.reach.as_ref())?;
        let mut about = grant.action().arguments.as_slice().join(" ");
        if let Some(input) = start.stdin {
            about = format!("{about} < {} bytes, blake3 {}", input.len(), blake3::hash(input.as_bytes()));
        }
        self.shared.assume(&grant, about);
        Ok(FinishedProgram { status: Some(0), ..FinishedProgram::default() })
    }
}

impl<O: Os + 'static> Network for Overlay<O> {
    below! {
        interfaces(net::Inspect) -> BTreeMap<String, Interface>;
        tables(net::Inspect, tables: Vec<NetworkTable>) -> Vec<String>;
    }

    fn addresses(&self, grant: Grant<net::Resolve>, _: &Budget) -> Result<Vec<IpAddr>, OsError> {
        let name = grant.resource().name();
        // No name in this domain exists (RFC 6761), so no lookup is needed.
        if name == "invalid" || name.ends_with(".invalid") {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        }
        let address = name.parse().unwrap_or(ADDRESS);
        self.shared.assume(&grant, String::new());
        Ok(vec![address])
    }

    fn records(&self, grant: Grant<net::Resolve>, _: &Budget) -> Result<Vec<u8>, OsError> {
        self.shared.assume(&grant, String::new());
        Err(OsError::Unavailable("no name server is asked".to_owned()))
    }

    fn connect(&self, grant: Grant<net::Connect>, _: bool, _: u64, _: &Budget) -> Result<Connection, OsError> {
        self.shared.assume(&grant, String::new());
        Ok(Connection { stream: Some(Box::new(AbsentPeer::default())), authorities: None, assumed: true })
    }
}

impl<O: Os + 'static> Places for Overlay<O> {
    fn open_file(&self, grant: Grant<fs::Read>, budget: &Budget) -> Result<OpenDescriptor, OsError> {
        self.shared.below.open_file(grant, budget)
    }

    fn open_directory(&self, grant: Grant<fs::List>, budget: &Budget) -> Result<OpenDescriptor, OsError> {
        self.shared.below.open_directory(grant, budget)
    }

    fn remove_directory(&self, _: Grant<fs::Remove>, _: &Budget) -> Result<(), OsError> {
        Err(OsError::Refused("a plan does nothing"))
    }

    fn set_length(&self, grant: Grant<fs::Write>, room: u64, _: &Budget) -> Result<u64, OsError> {
        self.resize(grant, room)
    }
}

impl<O: Os + 'static> System for Overlay<O> {
    below! {
        disk(sys::Disk) -> Vec<Mount>;
        mounts(sys::Disk) -> String;
        inspect(sys::Inspect, files: Vec<SystemFile>) -> Vec<String>;
        control_group(sys::Inspect, group: AbsPath) -> BTreeMap<String, String>;
        kernel_log(sys::KernelLog, max: u64) -> Vec<String>;
        sessions(sys::Sessions) -> Vec<u8>;
    }

    noted! {
        cpus(sys::Inspect) -> u64;
        block_devices(sys::Inspect) -> BTreeMap<String, BTreeMap<String, String>>;
        packages(sys::Inspect) -> String;
        parameters(sys::Inspect) -> Vec<String>;
        accounts(sys::Accounts, groups: bool) -> String;
        account(sys::Accounts, name: String, group: bool) -> Option<u32>;
        variable(sys::GetVariable) -> Option<String>;
    }

    fn parameter(&self, grant: Grant<sys::GetParameter>, budget: &Budget) -> Result<String, OsError> {
        let name = grant.resource().name().to_owned();
        if let Some(value) = self.shared.state().parameters.get(&name) {
            return Ok(format!("{value}\n"));
        }
        let value = self.shared.below.parameter(grant, budget)?;
        self.shared.state().reads.add("parameter", &name, value.as_bytes());
        Ok(value)
    }

    fn set_parameter(&self, grant: Grant<sys::SetParameter>, budget: &Budget) -> Result<(), OsError> {
        // A missing parameter cannot be set. If it may not be looked at, or nothing answers, it is assumed to exist.
        let look = self.shared.look(sys::GetParameter {}, grant.resource().clone())?;
        if let Err(OsError::Io(error)) = self.shared.below.parameter(look, budget)
            && error.kind() == io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        let (name, value) = (grant.resource().name().to_owned(), grant.action().value.clone());
        self.shared.state().parameters.insert(name, value.clone());
        self.shared.assume(&grant, format!("= {value}"));
        Ok(())
    }

    fn unmount(&self, grant: Grant<sys::Unmount>, _: &Budget) -> Result<(), OsError> {
        self.shared.assume(&grant, String::new());
        Ok(())
    }
}

/// The other end of a connection that was not made: it accepts everything and answers once.
#[derive(Default)]
struct AbsentPeer {
    said: usize,
}

impl Read for AbsentPeer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = ANSWER.get(self.said..).unwrap_or_default().read(buffer)?;
        self.said += count;
        Ok(count)
    }
}

impl Write for AbsentPeer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for AbsentPeer {
    fn ready(&self, _: bool, _: Duration) -> io::Result<bool> {
        Ok(true)
    }
}
