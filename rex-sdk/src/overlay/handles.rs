//! Open directories of an overlay, and files that are about to be renamed or linked.

use std::sync::Arc;

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Grant};

use super::OverlayParts;
use crate::Os;
use crate::os::{DirEntry, Directory, FileAccess, LinkSource, Metadata, OsError, RenameSource, WriteOptions};

pub(super) struct OverlayDirectory<O> {
    pub(super) shared: Arc<OverlayParts<O>>,
    pub(super) path: AbsPath,
    pub(super) entries: Vec<DirEntry>,
}

impl<O: Os> Directory for OverlayDirectory<O> {
    fn path(&self) -> &AbsPath {
        &self.path
    }

    fn take_entries(&mut self) -> Vec<DirEntry> {
        std::mem::take(&mut self.entries)
    }

    fn access(&self) -> Result<FileAccess, OsError> {
        let Metadata { mode, uid, gid, .. } = self.shared.stat(self.shared.look(fs::Stat {}, self.path.clone())?)?;
        Ok(FileAccess { mode, uid, gid })
    }

    fn stat(&self, grant: Grant<fs::Stat>) -> Result<Metadata, OsError> {
        if grant.resource().parent().as_ref() != Some(&self.path) {
            return Err(OsError::Changed);
        }
        self.shared.stat(grant)
    }
}

impl<O: Os> OverlayParts<O> {
    /// Renames a file, or gives it a second name, and records the effect.
    fn name<A: Action<Resource = AbsPath>>(
        &self,
        (sequence, from): (u64, &AbsPath),
        to: Grant<fs::Write>,
        act: impl FnOnce(Grant<fs::Write>) -> Result<(), OsError>,
    ) -> Result<(), OsError> {
        let name = to.resource().clone();
        self.know(&name)?;
        self.load(from, false)?;
        act(to)?;
        self.state().touched.extend([from.clone(), name.clone()]);
        self.record::<A>((sequence, from), format!("to {name}"), false);
        Ok(())
    }
}

pub(super) struct OverlayTaken<O> {
    pub(super) shared: Arc<OverlayParts<O>>,
    pub(super) taken: Box<dyn RenameSource>,
    pub(super) from: AbsPath,
    pub(super) sequence: u64,
}

impl<O: Os> RenameSource for OverlayTaken<O> {
    fn size(&self) -> u64 {
        self.taken.size()
    }

    fn rename(&self, to: Grant<fs::Write>, options: WriteOptions) -> Result<(), OsError> {
        let from = (self.sequence, &self.from);
        self.shared.name::<fs::Rename>(from, to, |to| self.taken.rename(to, options))
    }
}

pub(super) struct OverlayHeld<O> {
    pub(super) shared: Arc<OverlayParts<O>>,
    pub(super) held: Box<dyn LinkSource>,
    pub(super) from: AbsPath,
    pub(super) sequence: u64,
}

impl<O: Os> LinkSource for OverlayHeld<O> {
    fn size(&self) -> u64 {
        self.held.size()
    }

    fn link(&self, to: Grant<fs::Write>) -> Result<(), OsError> {
        let from = (self.sequence, &self.from);
        self.shared.name::<fs::HardLink>(from, to, |to| self.held.link(to))
    }
}
