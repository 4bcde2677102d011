//! Owner, mode and time of something new, each granted before it is created.

use rex_core::action::fs;
use rex_core::{AbsPath, Error, Grant, Timestamp};

use crate::os::{Files, OsError};
use crate::{Os, Session};

/// Grants that are used once the contents exist.
pub(crate) struct Ownership {
    chown: Grant<fs::Chown>,
    chmod: Option<Grant<fs::Chmod>>,
    touch: Grant<fs::Touch>,
    modified: Timestamp,
}

impl Ownership {
    /// Requests grants for owner and group, the mode if there is one to set, and the time.
    pub(crate) fn ask(
        session: &Session<'_>,
        path: &AbsPath,
        (uid, gid): (u32, u32),
        mode: Option<u32>,
        modified: Timestamp,
    ) -> Result<Self, Error> {
        let chown = session.permit(fs::Chown { uid: uid.into(), gid: gid.into() }, path.clone())?;
        let chmod = mode.map(|mode| session.permit(fs::Chmod { mode: mode.into() }, path.clone())).transpose()?;
        Ok(Self { chown, chmod, touch: session.permit(fs::Touch {}, path.clone())?, modified })
    }

    /// Sets them. The mode comes last, since a change of the owner clears bits.
    pub(crate) fn set(self, os: &dyn Os) -> Result<(), OsError> {
        Files::chown(os, self.chown)?;
        if let Some(chmod) = self.chmod {
            Files::chmod(os, chmod)?;
        }
        Files::touch(os, self.touch, self.modified, false)
    }
}
