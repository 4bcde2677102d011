//! The real operating system: Linux 5.6 or later. The only place with system calls.
//!
//! How names are held to what was checked: every name is opened with `openat2`, which refuses to cross a symbolic link
//! anywhere in it. Where it would, `resolve` finds the canonical name, [`OsError::Crossed`] hands that out, and the
//! caller asks for it and comes back with it. What creates, renames or removes opens the parent directory so, and acts
//! on the last component of that descriptor.
#![expect(clippy::disallowed_types, reason = "this is where everything else is sent to")]

mod attributes;
mod change;
mod dir;
mod open;
mod rename;
mod resolve;
mod services;
mod system;
mod write;

use std::io;

use rex_core::Grant;
use rex_core::action::fs;

pub use services::Bus;

use crate::os::{DirEntry, Files, Metadata, OsError, Source, Taken, WriteOptions};

/// What an operator decides about the real operating system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostOptions {
    /// Refuse to read, write, append to or rename a file that has more than one name. A policy speaks of names: who can
    /// make a hard link can give a file a name that is permitted.
    pub deny_hard_links: bool,
    /// Where the service manager is reached.
    pub bus: Bus,
}

/// The real operating system.
#[derive(Debug, Default)]
pub struct HostOs {
    options: HostOptions,
}

impl HostOs {
    /// The operating system, as the operator wants it to be treated.
    #[must_use]
    pub fn new(options: HostOptions) -> Self {
        Self { options }
    }
}

impl Files for HostOs {
    fn open(&self, grant: Grant<fs::Read>) -> Result<Box<dyn Source>, OsError> {
        Ok(Box::new(open::read(grant.resource(), &self.options)?))
    }

    fn list(&self, grant: Grant<fs::List>, max: u64) -> Result<Vec<DirEntry>, OsError> {
        dir::list(grant.resource(), max)
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

    fn create_dir(&self, grant: Grant<fs::CreateDir>) -> Result<(), OsError> {
        change::create_dir(grant.resource())
    }

    fn remove(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        change::remove(grant.resource())
    }

    fn remove_dir(&self, grant: Grant<fs::Remove>) -> Result<(), OsError> {
        change::remove_dir(grant.resource())
    }

    fn take(&self, grant: Grant<fs::Rename>) -> Result<Box<dyn Taken>, OsError> {
        Ok(Box::new(rename::take(grant.resource(), &self.options)?))
    }
}
