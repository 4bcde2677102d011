//! Needs: the requests of an operation, as far as they are known before it is done.

use std::fmt;
use std::sync::Arc;

use crate::action::AnyAction;
use crate::resource::AnyResource;
use crate::{ActionSpec, Request, Subject, Timestamp};

/// The resources that a need is about, seen from the one that it names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Width {
    /// The resource alone.
    #[default]
    This,
    /// The resource and all that lies below it.
    Below,
    /// Files of a directory under names that are made up while the script runs. The resource is an example of one.
    Named {
        /// The directory.
        directory: String,
        /// The start of each name.
        prefix: String,
        /// The end of each name.
        suffix: String,
    },
    /// The resources whose ids start with this text. The resource is what the text names.
    Prefix(String),
    /// Every resource of the type that has the known attributes of the resource.
    Any,
    /// Resources that only the call itself finds out: a file lists them, a server names them. The resource stands for nothing.
    Later(Later),
}

/// Which resources a call finds out itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Later {
    /// In words: `each parameter that the file lists`.
    pub each: &'static str,
    /// Whether the call is about nothing else, so that nobody is helped by it who may not do this at all.
    pub certain: bool,
}

/// A request that an operation makes, or would make next.
#[derive(Clone)]
pub struct Need {
    action: Arc<dyn AnyAction>,
    resource: Arc<dyn AnyResource>,
    width: Width,
    unknown: Vec<&'static str>,
    via: Option<String>,
}

impl Need {
    /// The need of an action on a resource alone.
    pub fn new(action: impl AnyAction + 'static, resource: impl AnyResource + 'static) -> Self {
        Self::shared(Arc::new(action), Arc::new(resource))
    }

    /// The same of an action and a resource whose types are not known.
    #[must_use]
    pub fn shared(action: Arc<dyn AnyAction>, resource: Arc<dyn AnyResource>) -> Self {
        Self { action, resource, width: Width::This, unknown: Vec::new(), via: None }
    }

    /// The same need of another resource.
    #[must_use]
    pub fn on(self, resource: Arc<dyn AnyResource>) -> Self {
        Self { resource, ..self }
    }

    /// The same need of more resources.
    #[must_use]
    pub fn with_width(self, width: Width) -> Self {
        Self { width, ..self }
    }

    /// The same need with facts and attributes that are not known yet: what the request says of them stands for nothing.
    #[must_use]
    pub fn with_unknown(self, unknown: &[&'static str]) -> Self {
        Self { unknown: unknown.to_vec(), ..self }
    }

    /// The same need of a resource that another name led to.
    #[must_use]
    pub fn with_via(self, via: Option<&str>) -> Self {
        Self { via: via.map(str::to_owned), ..self }
    }

    /// The request, for somebody at some time.
    #[must_use]
    pub fn request<'a>(&'a self, subject: &'a Subject, now: Timestamp) -> Request<'a> {
        Request { subject, action: &*self.action, resource: &*self.resource, now }
    }

    /// The declaration of the action.
    #[must_use]
    pub fn spec(&self) -> &'static ActionSpec {
        self.action.spec()
    }

    /// The action, with the facts about it.
    #[must_use]
    pub fn action(&self) -> &dyn AnyAction {
        &*self.action
    }

    /// The resource.
    #[must_use]
    pub fn resource(&self) -> &dyn AnyResource {
        &*self.resource
    }

    /// The resources that it is about.
    #[must_use]
    pub fn width(&self) -> &Width {
        &self.width
    }

    /// The facts and attributes that are not known yet.
    #[must_use]
    pub fn unknown(&self) -> &[&'static str] {
        &self.unknown
    }

    /// The name that led to the resource, if another one did.
    #[must_use]
    pub fn via(&self) -> Option<&str> {
        self.via.as_deref()
    }

    /// Returns whether this need holds the resource of another request for the same action.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (ours, id) = (self.resource.id(), other.resource.id());
        if self.spec() != other.spec() {
            return false;
        }
        match &self.width {
            Width::This => ours == id,
            Width::Below => {
                let mut below = ours == id;
                other.resource.ancestors(&mut |ancestor| below |= ancestor == ours);
                below
            }
            Width::Named { directory, prefix, suffix } => id.rsplit_once('/').is_some_and(|(above, name)| {
                let above = if above.is_empty() { "/" } else { above };
                above == directory && name.starts_with(prefix.as_str()) && name.ends_with(suffix.as_str())
            }),
            Width::Prefix(prefix) => id.starts_with(prefix.as_str()),
            Width::Any => true,
            // What was asked for is known, so it is told by itself.
            Width::Later(_) => false,
        }
    }
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Need({} on {} {:?})", self.spec(), self.resource.id(), self.width)
    }
}

/// A call of an operation that was denied something.
#[derive(Debug, Clone)]
pub struct DeniedCall {
    /// The operation, `fs::copy` for instance.
    pub operation: &'static str,
    /// The requests that were denied.
    pub denied: Vec<Need>,
    /// All that the call needs, as far as its arguments tell.
    pub needs: Vec<Need>,
}
