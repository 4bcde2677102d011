//! Requests, and the trait of what decides them.

use std::fmt;
use std::sync::Arc;

use crate::action::{ActionSpec, AnyAction};
use crate::bounds::REQUEST_BYTES;
use crate::resource::{AnyResource, Fact};
use crate::run::Subject;
use crate::{Action, Code, DeniedCall, Error, Grant, Resource, Timestamp, uid};

/// One question: may this subject do this action on this resource, now?
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks, for which script, with which tags.
    pub subject: &'a Subject,
    /// What is to be done, with the facts about it.
    pub action: &'a dyn AnyAction,
    /// What it is to be done to.
    pub resource: &'a dyn AnyResource,
    /// When.
    pub now: Timestamp,
}

impl Request<'_> {
    /// The resource as policies write it: `fs::Path::"/etc/hosts"`.
    #[must_use]
    pub fn resource_uid(&self) -> String {
        format!("{}::{}", self.resource.spec(), uid::quoted(self.resource.id()))
    }

    /// Decides, and says whether the request is longer than [`REQUEST_BYTES`], which no engine is asked about.
    pub(crate) fn decided_by(&self, authorize: &dyn Authorize) -> (Decision, bool) {
        let bytes = self.bytes();
        if bytes <= REQUEST_BYTES {
            return (authorize.decide(self), false);
        }
        let why = format!("what it asks for is {bytes} bytes long, and may be {REQUEST_BYTES} (`request_bytes`)");
        (Decision::deny(Some(&why)), true)
    }

    /// The length of the id and of all facts that the id does not say, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let mut bytes = self.resource.id().len();
        let mut add = |_: &'static str, fact: Fact<'_>| {
            bytes += if let Fact::String(text) = fact { text.len() } else { size_of::<i64>() };
        };
        self.action.facts(&mut add);
        if !self.resource.id_says_all() {
            self.resource.attributes(&mut add);
        }
        bytes
    }
}

/// Allowed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Permitted, and not forbidden.
    Allow,
    /// Everything else.
    Deny,
}

impl Effect {
    /// The word for it in journals and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
        }
    }
}

/// The answer to a [`Request`]. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Allowed or not.
    pub effect: Effect,
    /// The ids of the policies that made it so; none if nothing matched.
    pub policies: Arc<[Arc<str>]>,
    /// The `@reason` of a deciding policy, or what went wrong while deciding.
    pub reason: Option<Arc<str>>,
    /// Of an allowance, what the deciding permits let go that is refused otherwise, as words; from the annotation `@allow`.
    pub allows: Option<Arc<str>>,
}

impl Decision {
    /// A denial for want of a policy, or because something went wrong (then say what).
    #[must_use]
    pub fn deny(reason: Option<&str>) -> Self {
        Self { effect: Effect::Deny, policies: Arc::new([]), reason: reason.map(Arc::from), allows: None }
    }

    /// Returns whether the deciding permits let something go that is refused otherwise, by this word of `@allow`.
    #[must_use]
    pub fn lets_go(&self, word: &str) -> bool {
        self.allows.as_deref().is_some_and(|words| words.split_ascii_whitespace().any(|known| known == word))
    }

    /// An allowance by these policies.
    #[must_use]
    pub fn allow(policies: &[&str]) -> Self {
        let policies = policies.iter().map(|&id| Arc::from(id)).collect();
        Self { effect: Effect::Allow, policies, reason: None, allows: None }
    }
}

/// What decides requests: a policy engine.
///
/// Infallible: whatever goes wrong inside is a Deny that says so.
pub trait Authorize: Send + Sync {
    /// Decides one request.
    fn decide(&self, request: &Request<'_>) -> Decision;

    /// The smallest addition to the policy that would allow a request that was denied, in the policy's language, or
    /// advice where no addition could.
    fn remedy(&self, request: &Request<'_>, decision: &Decision) -> Option<String> {
        let _ = (request, decision);
        None
    }

    /// Notes that a request was denied, and that the denial is on record.
    fn denied(&self, request: &Request<'_>, decision: &Decision) {
        let _ = (request, decision);
    }

    /// The smallest addition to the policy under which calls that were denied something would be denied nothing, with what came near.
    /// `None` if this engine does not say.
    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        let _ = (subject, now, calls);
        None
    }

    /// The SHA-256 of all that decisions are made from, in lower-case hexadecimal, so that a record tells which policy it was.
    fn digest(&self) -> Option<Arc<str>> {
        None
    }

    /// What a run is held to besides its policy; `None` if nothing.
    fn bond(&self) -> Option<&dyn Bond> {
        None
    }
}

/// A promise of what a run does, such as a plan: more than single requests tell.
pub trait Bond: Send + Sync {
    /// Notes that a call of an operation begins. The digest is the BLAKE3 of its arguments, in lower-case hexadecimal; what is asked for until
    /// the next call is asked for by this one.
    fn called(&self, operation: &'static str, digest: &str);

    /// Decides about what is about to be in a file, by its BLAKE3.
    ///
    /// # Errors
    /// If something else was promised; says what.
    fn writes(&self, path: &str, digest: &str) -> Result<(), String> {
        let _ = (path, digest);
        Ok(())
    }

    /// Tells what was promised and not done, when a run has ended well.
    fn left(&self) -> Option<String> {
        None
    }
}

/// A request that was not permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What was to be done.
    pub action: &'static ActionSpec,
    /// The id of what it was to be done to.
    pub resource: String,
    /// The ids of the policies that denied it; none if no permit matched.
    pub policies: Arc<[Arc<str>]>,
    /// The reason that a deciding policy states, or what went wrong.
    pub reason: Option<Arc<str>>,
    /// The smallest addition to the policy that would have allowed it.
    pub help: Option<String>,
    /// The name that led to the resource, if the script named another: a symbolic link, an alias of a unit.
    pub via: Option<String>,
    /// Set where it was not a policy that denied: the run has met a limit or was told to stop, or its journal cannot be written.
    pub failed: Option<Box<Error>>,
}

impl Denial {
    /// The resource as policies write it: `fs::Path::"/etc/hosts"`.
    #[must_use]
    pub fn resource_uid(&self) -> String {
        format!("{}::{}", self.action.resource, uid::quoted(&self.resource))
    }
}

impl<A: Action> fmt::Debug for Grant<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({} on {})", A::SPEC, Resource::id(self.resource()))
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(failed) = &self.failed {
            return write!(f, "{}", failed.message);
        }
        write!(f, "`{}` on `{}`", self.action, self.resource.escape_debug())?;
        if let Some(via) = &self.via {
            write!(f, ", where `{}` leads,", via.escape_debug())?;
        }
        write!(f, " is denied: ")?;
        match (&*self.policies, &self.reason) {
            ([], None) => write!(f, "no permit matched"),
            ([], Some(reason)) => write!(f, "{reason}"),
            (policies, reason) => {
                write!(f, "forbidden by ")?;
                for (index, policy) in policies.iter().enumerate() {
                    write!(f, "{}`{policy}`", if index == 0 { "" } else { ", " })?;
                }
                reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
            }
        }
    }
}

impl std::error::Error for Denial {}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        if let Some(failed) = denial.failed {
            return *failed;
        }
        let mut error = Self::new(Code::AccessDenied, denial.to_string());
        error.help = denial.help.clone();
        error.denial = Some(Box::new(denial));
        error
    }
}
