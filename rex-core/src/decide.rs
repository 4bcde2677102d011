//! Requests, and the trait of engines that decide them.

use std::fmt;
use std::sync::Arc;

use crate::action::{ActionSpec, AnyAction};
use crate::bounds::REQUEST_BYTES;
use crate::resource::{AnyResource, Fact};
use crate::run::Subject;
use crate::{Action, Code, DeniedCall, Error, Grant, Resource, Timestamp, uid};

/// A request: may this subject perform this action on this resource, now?
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The principal, with script and tags.
    pub subject: &'a Subject,
    /// The action, with its facts.
    pub action: &'a dyn AnyAction,
    /// The resource.
    pub resource: &'a dyn AnyResource,
    /// The time.
    pub now: Timestamp,
}

impl Request<'_> {
    /// Returns the resource as policies write it: `fs::Path::"/etc/hosts"`.
    #[must_use]
    pub fn resource_uid(&self) -> String {
        format!("{}::{}", self.resource.spec(), uid::quoted(self.resource.id()))
    }

    /// Decides the request, and returns whether it is longer than [`REQUEST_BYTES`]: then it is denied without the engine.
    pub(crate) fn decided_by(&self, authorize: &dyn Authorize) -> (Decision, bool) {
        let bytes = self.bytes();
        if bytes <= REQUEST_BYTES {
            return (authorize.decide(self), false);
        }
        let why = format!("the request is {bytes} bytes long, the maximum is {REQUEST_BYTES} (`request_bytes`)");
        (Decision::deny(Some(&why)), true)
    }

    /// Returns the length of the id, the facts, and the attributes that do not follow from the id, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let mut bytes = self.resource.id().len();
        let mut add = |_: &'static str, fact: Fact<'_>| {
            bytes += if let Fact::String(text) = fact { text.len() } else { size_of::<i64>() };
        };
        self.action.facts(&mut add);
        if !self.resource.id_is_complete() {
            self.resource.attributes(&mut add);
        }
        bytes
    }
}

/// The effect of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Permitted, and not forbidden.
    Allow,
    /// Everything else.
    Deny,
}

impl Effect {
    /// Returns the word for it in journals and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
        }
    }
}

/// The decision on a [`Request`]. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The effect.
    pub effect: Effect,
    /// The ids of the deciding policies; empty if nothing matched.
    pub policies: Arc<[Arc<str>]>,
    /// The `@reason` of a deciding policy, or the error that prevented a decision.
    pub reason: Option<Arc<str>>,
    /// The words of `@allow` of the deciding permits, each for something that is otherwise refused.
    pub allows: Option<Arc<str>>,
}

impl Decision {
    /// Creates a denial without a policy. The reason is the error, if any.
    #[must_use]
    pub fn deny(reason: Option<&str>) -> Self {
        Self { effect: Effect::Deny, policies: Arc::new([]), reason: reason.map(Arc::from), allows: None }
    }

    /// Returns whether the deciding permits have this word of `@allow`, for something that is otherwise refused.
    #[must_use]
    pub fn lets_go(&self, word: &str) -> bool {
        self.allows.as_deref().is_some_and(|words| words.split_ascii_whitespace().any(|known| known == word))
    }

    /// Creates a decision to allow, by these policies.
    #[must_use]
    pub fn allow(policies: &[&str]) -> Self {
        let policies = policies.iter().map(|&id| Arc::from(id)).collect();
        Self { effect: Effect::Allow, policies, reason: None, allows: None }
    }
}

/// An engine that decides requests.
///
/// It is infallible: an error inside is a denial with a reason.
pub trait Authorize: Send + Sync {
    /// Decides one request.
    fn decide(&self, request: &Request<'_>) -> Decision;

    /// Returns the remedy for a denied request: the smallest addition to the policy that would allow it, in the policy's language, or
    /// advice if no addition could.
    fn remedy(&self, request: &Request<'_>, decision: &Decision) -> Option<String> {
        let _ = (request, decision);
        None
    }

    /// Receives each denial, after it is on record. Does nothing by default.
    fn denied(&self, request: &Request<'_>, decision: &Decision) {
        let _ = (request, decision);
    }

    /// Returns the smallest addition to the policy under which these calls would have no denials, with near misses; `None` without
    /// advice.
    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        let _ = (subject, now, calls);
        None
    }

    /// Returns the SHA-256 of everything that decisions depend on, in lower-case hexadecimal, so that a record identifies its policy.
    fn digest(&self) -> Option<Arc<str>> {
        None
    }

    /// Returns the promise that binds a run besides its policy, if there is one.
    fn bond(&self) -> Option<&dyn Bond> {
        None
    }
}

/// A promise about a run, such as a plan, that covers more than single requests.
pub trait Bond: Send + Sync {
    /// Notes that a call of an operation begins. The digest is the BLAKE3 of its arguments, in lower-case hexadecimal. Requests until the
    /// next call belong to this one.
    fn called(&self, operation: &'static str, digest: &str);

    /// Checks the contents that a file is about to get, by their BLAKE3.
    ///
    /// # Errors
    /// If something else was promised; the text says what.
    fn writes(&self, path: &str, digest: &str) -> Result<(), String> {
        let _ = (path, digest);
        Ok(())
    }

    /// Returns what was promised and not done, after a run has ended well.
    fn left(&self) -> Option<String> {
        None
    }
}

/// A request that was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The action.
    pub action: &'static ActionSpec,
    /// The id of the resource.
    pub resource: String,
    /// The ids of the policies that denied it; empty if no permit matched.
    pub policies: Arc<[Arc<str>]>,
    /// The reason of a deciding policy, or the error.
    pub reason: Option<Arc<str>>,
    /// The remedy: the smallest addition to the policy that would have allowed it.
    pub help: Option<String>,
    /// The name that led to the resource, if the script named another: a symbolic link, an alias of a unit.
    pub via: Option<String>,
    /// Set if it was not a policy that denied: the run reached a limit or was cancelled, or its journal cannot be written.
    pub failed: Option<Box<Error>>,
}

impl Denial {
    /// Returns the resource as policies write it: `fs::Path::"/etc/hosts"`.
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
