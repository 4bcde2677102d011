//! An operating system in which everything is tried and nothing is done: reads are those of the system below, effects are kept in
//! memory, in their order, and are seen by later reads.
//!
//! Files: what an effect touches, and the names on the way to it, are looked up below once and kept in a [`MemOs`], which does what the
//! real system does, as a differential test shows. What nobody touched is read below, with the grant of whoever reads.
//!
//! What cannot be told without doing it is assumed, and the effect says so: a program ends with 0 and says nothing, a server
//! answers 200 and nothing else, a unit that was started runs. Nor is it known what the system itself would refuse: the rights of the user
//! that Rex runs as, a full disk.

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
pub use reads::Seen;
pub use tree::{Changed, Thing};

/// Something that would have been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The number of its grant in the journal of the run.
    pub sequence: u64,
    /// What it is.
    pub action: &'static ActionSpec,
    /// The id of what it is done to.
    pub resource: String,
    /// What else belongs to it: the name that a file had before, the text of a link, what was written, by its hash.
    pub about: String,
    /// Whether what the script saw of it is assumed, and so all that follows from that.
    pub assumed: bool,
}

/// A system over another one, which it only reads.
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
    shared: Arc<Shared<O>>,
    goes_on: bool,
    reach: Option<Reach>,
}

struct Shared<O> {
    below: O,
    above: MemOs,
    looks: Run,
    state: Mutex<State>,
}

/// What is known by now.
#[derive(Default)]
struct State {
    /// Names that were looked up below. Whatever is there by now, `above` tells.
    seen: BTreeSet<AbsPath>,
    /// Directories that were created here, in which nothing is from below.
    own: BTreeSet<AbsPath>,
    /// Names of what is not as it is below.
    touched: BTreeSet<AbsPath>,
    units: BTreeMap<String, UnitStatus>,
    ended: BTreeSet<u32>,
    parameters: BTreeMap<String, String>,
    effects: Vec<Effect>,
    reads: reads::Reads,
    /// The actions by which was looked at what changes by itself.
    unheld: BTreeSet<String>,
}

impl<O: Os> Overlay<O> {
    /// A system over this one.
    pub fn new(below: O, limits: Limits) -> Self {
        let subject = Subject::new(rex_core::Principal::agent("overlay"));
        let journal = Arc::new(MemoryJournal::new(0));
        let looks = Run::new("overlay", subject, Arc::new(Looks), journal, limits);
        let shared = Arc::new(Shared { below, above: MemOs::new(), looks, state: Mutex::default() });
        Self { shared, goes_on: false, reach: None }
    }

    /// The same, for a principal with this reach: a program that the principal may replace is not started.
    #[must_use]
    pub fn with_programs(self, reach: Reach) -> Self {
        Self { reach: Some(reach), ..self }
    }

    /// The same, on which an operation that is denied gives its most neutral result: what its example in the documentation returns, with
    /// every number 0, and every text and list empty. So the script goes on, and all that would be denied is found at once.
    #[must_use]
    pub fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// The system below.
    #[must_use]
    pub fn below(&self) -> &O {
        &self.shared.below
    }

    /// What would have been done, in its order.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        self.shared.state().effects.clone()
    }

    /// What reads of the system below gave, in the order in which it was asked for.
    #[must_use]
    pub fn reads(&self) -> Vec<Seen> {
        self.shared.state().reads.told()
    }

    /// The actions by which was looked at what changes by itself, such as processes and how much of a disk is used, and what is not among
    /// [`reads`](Self::reads): a script may find something else there the next time.
    #[must_use]
    pub fn unheld(&self) -> Vec<String> {
        self.shared.state().unheld.iter().cloned().collect()
    }

    /// The files, directories and links that are not as they are below, by their names. What is in a file is told of those that
    /// `may_read` says yes to.
    #[must_use]
    pub fn changed(&self, may_read: &dyn Fn(&AbsPath) -> bool) -> Vec<Changed> {
        self.shared.changed(may_read)
    }
}

impl<O: Os + 'static> Os for Overlay<O> {
    fn is_planned(&self) -> bool {
        true
    }

    fn instead_of_denied(&self, operation: &OpSpec, denied: &str) -> Option<Value> {
        self.goes_on.then(|| neutral::result(operation, denied))
    }
}

impl<O> fmt::Debug for Overlay<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("effects", &self.shared.state().effects).finish_non_exhaustive()
    }
}

impl<O> Shared<O> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leave to look at something below, as the effect that was permitted would.
    fn look<A: Action>(&self, action: A, resource: A::Resource) -> Result<Grant<A>, OsError> {
        self.looks.gate(Call::default()).permit(action, resource).map_err(|denial| OsError::Stopped(denial.into()))
    }

    fn record<A: Action>(&self, grant: (u64, &A::Resource), about: String, assumed: bool) {
        let (sequence, resource) = (grant.0, Resource::id(grant.1).to_owned());
        self.state().effects.push(Effect { sequence, action: A::SPEC, resource, about, assumed });
    }
}

/// Decides what an overlay looks at by itself, to find out what an effect that the run's own policy permitted would meet. Nothing but
/// reads, whatever becomes of the rest. What it finds, the script learns as far as the effect itself would tell it.
struct Looks;

impl Authorize for Looks {
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
