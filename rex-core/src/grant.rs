//! The security kernel: the gate, and the grants that it alone can make.
//!
//! # What a grant cannot be
//!
//! Forged:
//! ```compile_fail,E0451
//! use rex_core::{AbsPath, Grant, action::fs};
//! let grant = Grant { action: fs::Read {}, resource: AbsPath::root(), sequence: 0, allows: None };
//! ```
//! Used twice:
//! ```compile_fail,E0382
//! use rex_core::{AbsPath, Gate, Grant, action::fs};
//! fn read(_: Grant<fs::Read>) {}
//! fn twice(gate: &Gate<'_>) {
//!     let grant = gate.permit(fs::Read {}, AbsPath::root()).unwrap();
//!     read(grant);
//!     read(grant);
//! }
//! ```
//! Copied:
//! ```compile_fail,E0599
//! use rex_core::{Grant, action::fs};
//! fn copy(grant: &Grant<fs::Read>) -> Grant<fs::Read> { Grant::clone(grant) }
//! ```
//! Used for another action:
//! ```compile_fail,E0308
//! use rex_core::{AbsPath, Gate, Grant, action::fs};
//! fn remove(_: Grant<fs::Remove>) {}
//! fn other(gate: &Gate<'_>) { remove(gate.permit(fs::Read {}, AbsPath::root()).unwrap()); }
//! ```
//! What it can be: the proof of one permission, spent on one act.
//! ```
//! use rex_core::{AbsPath, Gate, Grant, action::fs};
//! fn read(_: Grant<fs::Read>) {}
//! fn once(gate: &Gate<'_>) { read(gate.permit(fs::Read {}, AbsPath::root()).unwrap()); }
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::journal::{Call, Event, Record, beginning};
use crate::run::{Run, unwritten};
use crate::{Action, Code, Decision, Denial, Effect, Error, Need, Request, Resource, Timestamp};

/// The proof that one action on one resource was permitted and recorded. One check, one act.
#[must_use = "a grant that is not spent was asked for in vain"]
pub struct Grant<A: Action> {
    action: A,
    resource: A::Resource,
    sequence: u64,
    allows: Option<Arc<str>>,
}

impl<A: Action> Grant<A> {
    /// Returns the resource that may be acted on.
    pub fn resource(&self) -> &A::Resource {
        &self.resource
    }

    /// Returns the permitted action, with the facts of the decision.
    pub fn action(&self) -> &A {
        &self.action
    }

    /// Returns whether a permit has this word of `@allow`, for something that is otherwise refused.
    pub fn allows(&self, word: &str) -> bool {
        self.allows.as_deref().is_some_and(|words| words.split_ascii_whitespace().any(|known| known == word))
    }

    /// Returns its number in the journal.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// The gate, which decides and records every request of a run. Only a gate makes grants.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'r> {
    run: &'r Run,
    call: Call,
}

impl<'r> Gate<'r> {
    pub(crate) fn new(run: &'r Run, call: Call) -> Self {
        Self { run, call }
    }

    /// Decides a request, records the decision, and only then returns the grant.
    ///
    /// # Errors
    /// If the policy does not permit it, the run reached a limit or was cancelled, or the decision could not be recorded. After a lost
    /// record, nothing is permitted.
    pub fn permit<A: Action>(&self, action: A, resource: A::Resource) -> Result<Grant<A>, Denial> {
        self.permit_behind(action, resource, None)
    }

    /// Decides as [`permit`](Self::permit) does, on a resource that another name led to.
    ///
    /// # Errors
    /// As [`permit`](Self::permit).
    pub fn permit_behind<A: Action>(
        &self,
        action: A,
        resource: A::Resource,
        via: Option<&str>,
    ) -> Result<Grant<A>, Denial> {
        let request = Request { subject: &self.run.subject, action: &action, resource: &resource, now: self.run.now() };
        let denial = |decision: Decision, help, (failed, is_long): (Option<Error>, bool)| Denial {
            action: A::SPEC,
            resource: beginning(Resource::id(&resource), is_long),
            policies: decision.policies,
            reason: decision.reason,
            help,
            via: via.map(str::to_owned),
            failed: failed.map(Box::new),
        };
        if let Err(error) = self.run.count_decision() {
            return Err(denial(Decision::deny(None), None, (Some(error), true)));
        }
        let (decision, is_long) = request.decided_by(&*self.run.authorize);
        match self.record(request.now, Event::decided(&request, &decision, is_long)) {
            Err(reason) => Err(denial(Decision::deny(None), None, (Some(unwritten(&reason)), is_long))),
            Ok(_) if decision.effect == Effect::Deny => {
                // Within a call there is advice on all of the call, when it ends.
                let help = self.run.count_denial(&request, &decision, self.call.operation.is_empty() && !is_long);
                let denial = denial(decision, help, (None, is_long));
                self.run.note_denial(|| Need::new(action, resource).with_via(via));
                Err(denial)
            }
            Ok(sequence) => Ok(Grant { action, resource, sequence, allows: decision.allows }),
        }
    }

    /// Records the outcome of the call.
    ///
    /// # Errors
    /// If it cannot be recorded; after that, nothing is permitted.
    pub fn outcome(&self, result: Option<Code>, bytes: u64, duration: Duration) -> Result<(), Error> {
        let recorded = self.record(self.run.now(), Event::Outcome { result, bytes, duration });
        recorded.map(drop).map_err(|reason| unwritten(&reason))
    }

    /// Returns the call that this gate is for.
    #[must_use]
    pub fn call(&self) -> Call {
        self.call
    }

    // INVARIANT: after one record is lost no other is attempted, so nothing runs unaudited and no gap goes unseen.
    pub(crate) fn record(&self, time: Timestamp, event: Event) -> Result<u64, String> {
        if self.run.closed.load(Relaxed) {
            return Err("an earlier record was lost".to_owned());
        }
        let number = self.run.next_number();
        let sequence = *number;
        let record = Record {
            time,
            run: self.run.id().clone(),
            sequence,
            principal: self.run.principal.clone(),
            call: self.call,
            event,
        };
        self.run.journal.write(record).map(|()| sequence).map_err(|error| {
            self.run.closed.store(true, Relaxed);
            error.to_string()
        })
    }
}
