//! The real operating system: Linux 5.6 or later. The only module with system calls.
//!
//! Only the name that was checked is opened: `openat2` refuses to cross a symbolic link anywhere in it. (A worker on a
//! kernel whose Landlock does not limit which files are truncated opens names directory by directory.) If a name
//! crosses a link, `resolve` finds the canonical name, [`OsError::Crossed`] returns it, and the caller asks for a grant
//! for that name. To create, rename or remove something, the parent directory is opened this way, and the act is on the
//! last component in that descriptor.
#![expect(clippy::disallowed_types, reason = "this is where everything else is sent to")]

mod accounts;
mod attributes;
pub mod cgroup;
mod change;
pub mod confine;
mod dir;
mod hidden;
mod journal;
mod kernel;
mod logs;
mod metadata;
mod network;
mod open;
mod pin;
mod processes;
mod rename;
mod resolve;
mod run;
mod services;
mod steps;
mod system;
mod tool;
mod unit_files;
pub mod worker;
mod write;
mod write_limit;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use rex_core::action::{fs, net, process, service, sys};
use rex_core::resource::Unit;
use rex_core::{AbsPath, Budget, Grant, Reach, Timestamp, Value};

pub use journal::JournalFiles;
pub use network::{ConnectedSocket, authorities};
pub use services::BusAddress;

// All types that the table of brokered acts names.
use crate::os::*;

/// The operator's options for the real operating system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostOptions {
    /// `true` if a file with more than one name may not be read, written, appended to or renamed. A policy speaks of
    /// names: anyone who can make a hard link can give a file a permitted name.
    pub deny_hard_links: bool,
    /// The run's own journal. None of its files may be changed, moved or removed, whatever the policy permits.
    pub journal: Option<JournalFiles>,
    /// The address of the service manager.
    pub bus: BusAddress,
    /// The file with the certificates of the trusted authorities, as PEM; by default that of the distribution.
    pub authorities: Option<PathBuf>,
}

/// The real operating system.
#[derive(Default)]
pub struct HostOs {
    options: HostOptions,
    broker: Option<Arc<dyn Broker>>,
    processes: processes::LocalProcesses,
    network: network::LocalNetwork,
}

impl HostOs {
    /// Creates the operating system with the operator's options.
    #[must_use]
    pub fn new(options: HostOptions) -> Self {
        let network = network::LocalNetwork::new(options.authorities.clone());
        let processes = processes::LocalProcesses { reach: None, journal: options.journal.clone() };
        Self { options, broker: None, processes, network }
    }

    /// Sets the broker, which does what a confined process cannot: that process reaches no bus and no other process.
    #[must_use]
    pub fn with_broker(mut self, broker: Arc<dyn Broker>) -> Self {
        self.broker = Some(broker);
        self
    }

    /// Enables starting programs, each confined to this reach; see [`confine::ProgramStart`].
    #[must_use]
    pub fn with_programs(mut self, reach: Reach) -> Self {
        self.processes.reach = Some(reach);
        self
    }
}

/// Checks that this host can open a name without following links, which every operation on files needs.
///
/// # Errors
/// If it cannot.
pub fn links_can_be_refused() -> Result<(), OsError> {
    resolve::open(&rex_core::AbsPath::root(), nix::fcntl::OFlag::O_PATH, crate::links::FinalLink::Cross).map(drop)
}

impl fmt::Debug for HostOs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostOs").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The implementations of each trait that are used without a broker.
struct LocalParts;

#[expect(non_snake_case, reason = "each is called as its trait")]
impl LocalParts {
    fn Services(host: &HostOs) -> &dyn Services {
        &host.options.bus
    }

    fn Processes(host: &HostOs) -> &dyn Processes {
        &host.processes
    }

    fn Network(host: &HostOs) -> &dyn Network {
        &host.network
    }

    fn Places(host: &HostOs) -> &dyn Places {
        &host.options
    }

    fn System(_: &HostOs) -> &dyn System {
        &system::LocalSystem
    }
}

macro_rules! delegate {
    ($(
        $(#[$trait_doc:meta])*
        $part:ident { $(
            $(#[$doc:meta])*
            $method:ident($action:ty $(, $arg:ident: $type:ty)*) -> $output:ty;
        )* }
    )*) => {$(
        impl $part for HostOs { $(
            fn $method(&self, grant: Grant<$action>, $($arg: $type,)* budget: &Budget) -> Result<$output, OsError> {
                match &self.broker {
                    Some(broker) => broker.$method(grant, $($arg,)* budget),
                    None => LocalParts::$part(self).$method(grant, $($arg,)* budget),
                }
            }
        )* }
    )*};
}

crate::brokered!(delegate);

impl Os for HostOs {}

/// Checks whether the kernel kept this process from something. It may have, because the path did not exist when the
/// process was confined, or because a right to it would include its neighbors. The supervisor decides again, and does
/// what the policy permits.
fn is_barred<T>(result: &Result<T, OsError>) -> bool {
    matches!(result, Err(OsError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied)
}

/// Returns the budget for waiting for the supervisor, which itself ends a run that takes too long.
fn patience() -> Budget {
    Budget::new(rex_core::Limits::default(), Arc::default())
}

impl Places for HostOptions {
    fn open_file(&self, grant: Grant<fs::Read>, _: &Budget) -> Result<OpenDescriptor, OsError> {
        let (file, _) = open::regular(grant.resource(), nix::fcntl::OFlag::O_RDONLY, self)?;
        Ok(OpenDescriptor { descriptor: Some(file.into()) })
    }

    fn open_directory(&self, grant: Grant<fs::List>, _: &Budget) -> Result<OpenDescriptor, OsError> {
        dir::descriptor(grant.resource()).map(|directory| OpenDescriptor { descriptor: Some(directory) })
    }

    fn remove_directory(&self, grant: Grant<fs::Remove>, _: &Budget) -> Result<(), OsError> {
        change::remove_dir(grant.resource())
    }

    fn set_length(&self, grant: Grant<fs::Write>, room: u64, _: &Budget) -> Result<u64, OsError> {
        metadata::resize(&grant, room, self)
    }
}

impl Files for HostOs {
    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError> {
        let own = open::read(grant.resource(), &self.options);
        match self.broker.as_ref().filter(|_| is_barred(&own)) {
            Some(broker) => {
                let opened = broker.open_file(grant, &patience())?;
                Ok(Box::new(open::given(opened.descriptor.ok_or(OsError::Changed)?, &self.options)?))
            }
            None => Ok(Box::new(own?)),
        }
    }

    fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError> {
        self.directory(grant, max).map(|mut directory| directory.take_entries())
    }

    fn directory(&self, grant: Grant<fs::List>, max: u64) -> Result<Box<dyn Directory>, OsError> {
        let own = dir::open(grant.resource(), max);
        match self.broker.as_ref().filter(|_| is_barred(&own)) {
            Some(broker) => {
                let path = grant.resource().clone();
                let opened = broker.open_directory(grant, &patience())?;
                Ok(Box::new(dir::given(path, opened.descriptor.ok_or(OsError::Changed)?, max)?))
            }
            None => Ok(Box::new(own?)),
        }
    }

    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        open::stat(grant.resource())
    }

    fn write(
        &self,
        grant: Grant<fs::Write>,
        contents: &mut dyn io::Read,
        options: WriteOptions,
    ) -> Result<u64, OsError> {
        write::replace(&grant, contents, options, &self.options)
    }

    fn append(&self, grant: Grant<fs::Append>, bytes: &[u8]) -> Result<(), OsError> {
        change::append(&grant, bytes, &self.options)
    }

    fn create_dir(&self, grant: Grant<fs::CreateDir>, like: Option<FileAccess>) -> Result<(), OsError> {
        change::create_dir(grant.resource(), like)
    }

    fn remove(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        change::remove(grant.resource(), &self.options)
    }

    fn remove_dir(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        let own = change::remove_dir(grant.resource());
        match self.broker.as_ref().filter(|_| is_barred(&own)) {
            Some(broker) => broker.remove_directory(grant, &patience()),
            None => own,
        }
    }

    fn take(&self, grant: Grant<fs::Rename>) -> Result<Box<dyn RenameSource>, OsError> {
        Ok(Box::new(rename::take(grant.resource(), &self.options)?))
    }

    fn resize(&self, grant: Grant<fs::Write>, room: u64) -> Result<u64, OsError> {
        // A worker whose kernel does not limit which files are truncated cannot truncate any.
        let held = confine::own().is_none_or(confine::LandlockVersion::holds_cuts);
        match self.broker.as_ref().filter(|_| !held) {
            Some(broker) => {
                metadata::demand_room(grant.action().bytes)?;
                broker.set_length(grant, room, &patience())
            }
            None => metadata::resize(&grant, room, &self.options),
        }
    }

    fn touch(&self, grant: Grant<fs::Touch>, time: Timestamp, create: bool) -> Result<(), OsError> {
        metadata::touch(&grant, time, create, &self.options)
    }

    fn chmod(&self, grant: Grant<fs::Chmod>) -> Result<(), OsError> {
        metadata::chmod(&grant, &self.options)
    }

    fn chown(&self, grant: Grant<fs::Chown>) -> Result<(), OsError> {
        metadata::chown(&grant, &self.options)
    }

    fn symlink(&self, grant: Grant<fs::Symlink>) -> Result<(), OsError> {
        change::symlink(&grant)
    }

    fn hold(&self, grant: Grant<fs::HardLink>) -> Result<Box<dyn LinkSource>, OsError> {
        Ok(Box::new(rename::take(grant.resource(), &self.options)?))
    }

    fn xattrs(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<String>, OsError> {
        metadata::xattrs(&grant, &self.options)
    }

    fn xattr(&self, grant: Grant<fs::GetXattr>) -> Result<Vec<u8>, OsError> {
        metadata::xattr(&grant, &self.options)
    }

    fn set_xattr(
        &self,
        grant: Grant<fs::SetXattr>,
        permissions: Option<Grant<fs::Chmod>>,
        value: Option<&[u8]>,
    ) -> Result<(), OsError> {
        demand_permission(&grant, permissions.as_ref())?;
        metadata::set_xattr(&grant, value, &self.options)
    }
}
