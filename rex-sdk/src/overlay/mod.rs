//! An operating system that tries everything and changes nothing: it reads from the system below, and keeps effects in
//! memory, in order, where later reads see them.
//!
//! Files: paths that an effect touches, and the names on the way to them, are looked up below once and kept in a
//! [`MemOs`], which behaves like the real system, as a differential test shows. Untouched files are read below, with
//! the reader's grant.
//!
//! A result that only the real act could show is assumed, and the effect says so: a program exits with 0 and prints
//! nothing, a server answers 200 with an empty body, a started unit runs. Refusals by the system itself are unknown as
//! well: missing rights of the user that Rex runs as, a full disk.

mod files;
mod handles;
mod neutral;
mod reads;
mod remote;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rex_core::{
    AbsPath, Action, ActionSpec, Authorize, Call, Decision, Grant, Limits, MemoryJournal, Reach, Request, Resource,
    Run, Subject, Value,
};

use crate::os::UnitStatus;
use crate::{MemOs, OpSpec, Os, OsError};
pub use reads::OverlayRead;
pub use tree::{ChangedName, NamedThing};

/// An effect that is recorded and not performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// The number of its grant in the journal of the run.
    pub sequence: u64,
    /// The action.
    pub action: &'static ActionSpec,
    /// The id of the resource.
    pub resource: String,
    /// Further details: the new name of a file, the text of a link, the size and hash of what was written.
    pub about: String,
    /// `true` if the result that the script saw is assumed, and so all that follows from it.
    pub assumed: bool,
}

/// An operating system over another one, which it only reads.
///
/// ```
/// use rex_core::{AbsPath, Authorize, Decision, Limits, MemoryJournal, Principal, Request, Run, Subject};
/// use rex_sdk::{MemOs, Overlay, Session};
/// # use std::sync::Arc;
/// # struct Everything;
/// # impl Authorize for Everything {
/// #     fn decide(&self, _: &Request<'_>) -> Decision { Decision::allow(&["all"]) }
/// # }
/// let os = Overlay::new(MemOs::example(), Limits::default());
/// let subject = Subject::new(Principal::agent("docs"));
/// let run = Run::new("plan", subject, Arc::new(Everything), Arc::new(MemoryJournal::new(99)), Limits::default());
/// let root = AbsPath::root();
/// let session = Session::new(&run, &os, &root);
/// session.call("fs::write", vec!["/srv/app/version.txt".into(), "1.5.0\n".into()])?;
/// assert_eq!(session.call("fs::read", vec!["/srv/app/version.txt".into()])?, "1.5.0\n".into());
/// assert_eq!(os.below().contents("/srv/app/version.txt").unwrap(), b"1.4.2\n");
/// assert_eq!(os.effects()[0].resource, "/srv/app/version.txt");
/// # Ok::<(), rex_core::Error>(())
/// ```
pub struct Overlay<O> {
    shared: Arc<OverlayParts<O>>,
    continue_on_denial: bool,
    reach: Option<Reach>,
}

struct OverlayParts<O> {
    below: O,
    above: MemOs,
    looks: Run,
    state: Mutex<OverlayState>,
}

/// The state of an overlay.
#[derive(Default)]
struct OverlayState {
    /// Names that were looked up below. Their current state is in `above`.
    seen: BTreeSet<AbsPath>,
    /// Directories that were created here, which contain nothing from below.
    own: BTreeSet<AbsPath>,
    /// Names whose state differs from below.
    touched: BTreeSet<AbsPath>,
    units: BTreeMap<String, UnitStatus>,
    ended: BTreeSet<u32>,
    parameters: BTreeMap<String, String>,
    effects: Vec<Mutation>,
    reads: reads::OverlayReads,
    /// The actions that read something that changes by itself.
    unheld: BTreeSet<String>,
}

impl<O: Os> Overlay<O> {
    /// Creates an overlay over this system.
    pub fn new(below: O, limits: Limits) -> Self {
        let subject = Subject::new(rex_core::Principal::agent("overlay"));
        let journal = Arc::new(MemoryJournal::new(0));
        let looks = Run::new("overlay", subject, Arc::new(ReadOnlyAuthorizer), journal, limits);
        let shared = Arc::new(OverlayParts { below, above: MemOs::new(), looks, state: Mutex::default() });
        Self { shared, continue_on_denial: false, reach: None }
    }

    /// Sets the reach of the principal: a program that the principal may replace is not started.
    #[must_use]
    pub fn with_programs(self, reach: Reach) -> Self {
        Self { reach: Some(reach), ..self }
    }

    /// Makes a denied operation return a neutral result instead of an error: that of its documented example, with every
    /// number 0, every Boolean `false`, and every text and list empty. So the script continues, and one run finds all
    /// denials.
    #[must_use]
    pub fn going_on(self) -> Self {
        Self { continue_on_denial: true, ..self }
    }

    /// Returns the system below.
    #[must_use]
    pub fn below(&self) -> &O {
        &self.shared.below
    }

    /// Returns the effects, in order.
    #[must_use]
    pub fn effects(&self) -> Vec<Mutation> {
        self.shared.state().effects.clone()
    }

    /// Returns the reads of the system below with the hashes of their results, in order.
    #[must_use]
    pub fn reads(&self) -> Vec<OverlayRead> {
        self.shared.state().reads.told()
    }

    /// Returns the actions that read something that changes by itself, such as processes and disk usage. Their results
    /// are not among [`reads`](Self::reads): a later run may find something else.
    #[must_use]
    pub fn unheld(&self) -> Vec<String> {
        self.shared.state().unheld.iter().cloned().collect()
    }

    /// Returns the files, directories and links that differ from those below, in the order of their names. The contents
    /// of a file are included if `may_read` returns `true` for it.
    #[must_use]
    pub fn changed(&self, may_read: &dyn Fn(&AbsPath) -> bool) -> Vec<ChangedName> {
        self.shared.changed(may_read)
    }
}

impl<O: Os + 'static> Os for Overlay<O> {
    fn is_planned(&self) -> bool {
        true
    }

    fn denied_result(&self, operation: &OpSpec, denied: &str) -> Option<Value> {
        self.continue_on_denial.then(|| neutral::result(operation, denied))
    }
}

impl<O> fmt::Debug for Overlay<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("effects", &self.shared.state().effects).finish_non_exhaustive()
    }
}

impl<O> OverlayParts<O> {
    fn state(&self) -> MutexGuard<'_, OverlayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets a grant to read something below, as the permitted effect would.
    fn look<A: Action>(&self, action: A, resource: A::Resource) -> Result<Grant<A>, OsError> {
        self.looks.gate(Call::default()).permit(action, resource).map_err(|denial| OsError::Stopped(denial.into()))
    }

    fn record<A: Action>(&self, grant: (u64, &A::Resource), about: String, assumed: bool) {
        let (sequence, resource) = (grant.0, Resource::id(grant.1).to_owned());
        self.state().effects.push(Mutation { sequence, action: A::SPEC, resource, about, assumed });
    }
}

/// An authorizer for the overlay's own reads, which find out what an effect that the run's policy permitted would meet.
/// It permits nothing but reads. The script learns from them no more than the effect itself would reveal.
struct ReadOnlyAuthorizer;

impl Authorize for ReadOnlyAuthorizer {
    fn decide(&self, request: &Request<'_>) -> Decision {
        if request.action.spec().groups.contains(&"ReadOnly") {
            Decision::allow(&["looks"])
        } else {
            Decision::deny(Some("an overlay only looks"))
        }
    }
}

#[cfg(test)]
mod tests {
    use rex_core::action::fs;

    use super::*;

    #[test]
    fn an_overlay_can_get_no_grant_that_changes_anything() {
        let os = Overlay::new(MemOs::new(), Limits::default());
        assert!(os.shared.look(fs::Stat {}, AbsPath::root()).is_ok());
        for spec in rex_core::ACTIONS {
            let reads = spec.groups.contains(&"ReadOnly");
            assert_eq!(reads, !spec.groups.iter().any(|group| ["Mutating", "Outbound", "Sensitive"].contains(group)));
        }
        assert!(os.shared.look(fs::Remove {}, AbsPath::root()).is_err());
        assert!(os.shared.look(fs::Write { bytes: 0 }, AbsPath::root()).is_err());
    }
}
