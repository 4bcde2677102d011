//! Needs: the requests of a call, as far as they are known before it is done.

use std::fmt;
use std::sync::Arc;

use crate::action::AnyAction;
use crate::resource::AnyResource;
use crate::{ActionSpec, Request, Subject, Timestamp};

/// The resources that a need covers, relative to the one that it names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NeedWidth {
    /// The resource alone.
    #[default]
    This,
    /// The resource and everything below it.
    Below,
    /// Files of a directory with names that are made up while the script runs. The resource is an example of one.
    Named {
        /// The directory.
        directory: String,
        /// The start of each name.
        prefix: String,
        /// The end of each name.
        suffix: String,
    },
    /// The resources whose ids start with this text. The resource is an example of one.
    Prefix(String),
    /// Every resource of the type that has the known attributes of the resource.
    Any,
    /// Resources that only the call itself finds out: a file lists them, a server names them. The resource has no meaning.
    Later(LateResources),
}

/// The resources that a call finds out itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LateResources {
    /// A description: `each parameter that the file lists`.
    pub each: &'static str,
    /// True if the call is about nothing else, so that it is useless to a principal without this permission.
    pub certain: bool,
}

/// A request that a call makes, or would make next.
#[derive(Clone)]
pub struct Need {
    action: Arc<dyn AnyAction>,
    resource: Arc<dyn AnyResource>,
    width: NeedWidth,
    unknown: Vec<&'static str>,
    via: Option<String>,
}

impl Need {
    /// Creates the need of an action on one resource.
    pub fn new(action: impl AnyAction + 'static, resource: impl AnyResource + 'static) -> Self {
        Self::shared(Arc::new(action), Arc::new(resource))
    }

    /// Creates the need of an action and a resource whose types are not known.
    #[must_use]
    pub fn shared(action: Arc<dyn AnyAction>, resource: Arc<dyn AnyResource>) -> Self {
        Self { action, resource, width: NeedWidth::This, unknown: Vec::new(), via: None }
    }

    /// Replaces the resource.
    #[must_use]
    pub fn on(self, resource: Arc<dyn AnyResource>) -> Self {
        Self { resource, ..self }
    }

    /// Sets the resources that are covered.
    #[must_use]
    pub fn with_width(self, width: NeedWidth) -> Self {
        Self { width, ..self }
    }

    /// Sets the facts and attributes that are not known yet: their values have no meaning.
    #[must_use]
    pub fn with_unknown(self, unknown: &[&'static str]) -> Self {
        Self { unknown: unknown.to_vec(), ..self }
    }

    /// Sets the name that led to the resource.
    #[must_use]
    pub fn with_via(self, via: Option<&str>) -> Self {
        Self { via: via.map(str::to_owned), ..self }
    }

    /// Returns the request, for a subject at a time.
    #[must_use]
    pub fn request<'a>(&'a self, subject: &'a Subject, now: Timestamp) -> Request<'a> {
        Request { subject, action: &*self.action, resource: &*self.resource, now }
    }

    /// Returns the declaration of the action.
    #[must_use]
    pub fn spec(&self) -> &'static ActionSpec {
        self.action.spec()
    }

    /// Returns the action, with its facts.
    #[must_use]
    pub fn action(&self) -> &dyn AnyAction {
        &*self.action
    }

    /// Returns the resource.
    #[must_use]
    pub fn resource(&self) -> &dyn AnyResource {
        &*self.resource
    }

    /// Returns the resources that are covered.
    #[must_use]
    pub fn width(&self) -> &NeedWidth {
        &self.width
    }

    /// Returns the facts and attributes that are not known yet.
    #[must_use]
    pub fn unknown(&self) -> &[&'static str] {
        &self.unknown
    }

    /// Returns the name that led to the resource, if another one did.
    #[must_use]
    pub fn via(&self) -> Option<&str> {
        self.via.as_deref()
    }

    /// Returns whether this need covers the resource of another need for the same action.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (ours, id) = (self.resource.id(), other.resource.id());
        if self.spec() != other.spec() {
            return false;
        }
        match &self.width {
            NeedWidth::This => ours == id,
            NeedWidth::Below => {
                let mut below = ours == id;
                other.resource.ancestors(&mut |ancestor| below |= ancestor == ours);
                below
            }
            NeedWidth::Named { directory, prefix, suffix } => id.rsplit_once('/').is_some_and(|(above, name)| {
                let above = if above.is_empty() { "/" } else { above };
                above == directory && name.starts_with(prefix.as_str()) && name.ends_with(suffix.as_str())
            }),
            NeedWidth::Prefix(prefix) => id.starts_with(prefix.as_str()),
            NeedWidth::Any => true,
            // The other resource is known, so it is reported by itself.
            NeedWidth::Later(_) => false,
        }
    }
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Need({} on {} {:?})", self.spec(), self.resource.id(), self.width)
    }
}

/// A call with denied requests.
#[derive(Debug, Clone)]
pub struct DeniedCall {
    /// The operation, such as `fs::copy`.
    pub operation: &'static str,
    /// The requests that were denied.
    pub denied: Vec<Need>,
    /// All needs of the call, as far as its arguments determine them.
    pub needs: Vec<Need>,
}
