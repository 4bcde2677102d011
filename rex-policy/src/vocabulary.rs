//! What policies can speak of.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, OnceLock};

use cedar_policy::{Schema, Validator};
use rex_core::{AbsPath, ActionSpec, Resource, ResourceSpec, action::ACTIONS, resource::Unit};

use crate::schema;

/// The types that stand for whoever asks. All are declared in the empty namespace.
pub(crate) const PRINCIPALS: [&str; 2] = ["Agent", "User"];
/// The type of groups of principals.
pub(crate) const GROUP: &str = "Group";

/// What policies can speak of: a table of actions, from which the Cedar schema is generated.
///
/// Principals are the same for every table: `Agent` and `User`, both `in [Group]`.
/// The schema is loaded once for a vocabulary and its clones, which takes most of the time of compiling a policy.
#[derive(Clone)]
pub struct Vocabulary {
    actions: &'static [&'static ActionSpec],
    schema_json: Option<&'static str>,
    schema: Arc<Loaded>,
}

#[derive(Default)]
struct Loaded {
    begun: AtomicBool,
    validator: OnceLock<Result<Validator, String>>,
}

impl Vocabulary {
    /// Rex's own vocabulary. Its schema was generated beforehand.
    #[must_use]
    pub fn rex() -> Self {
        static REX: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary {
            schema_json: Some(include_str!("../schema/rex.cedarschema.json")),
            ..Vocabulary::new(ACTIONS)
        });
        REX.clone()
    }

    /// The vocabulary of another program, by the table that its `actions!` declares.
    #[must_use]
    pub fn new(actions: &'static [&'static ActionSpec]) -> Self {
        Self { actions, schema_json: None, schema: Arc::default() }
    }

    /// Loads the schema, if that was not done yet. Compiling a policy does it too; who does it ahead, in another thread,
    /// has the first policy sooner.
    pub fn load(&self) {
        // Whoever compiles a policy is told what is wrong.
        let _ = self.validator();
    }

    /// The actions.
    #[must_use]
    pub fn actions(&self) -> &'static [&'static ActionSpec] {
        self.actions
    }

    /// The schema in Cedar's own syntax, with the table's documentation as comments; for people.
    #[must_use]
    pub fn schema_cedar(&self) -> String {
        schema::cedar(self.actions)
    }

    /// The schema in Cedar's JSON syntax, which loads faster; for programs.
    #[must_use]
    pub fn schema_json(&self) -> String {
        schema::json(self.actions)
    }

    /// Whether somebody has begun to load the schema.
    pub(crate) fn is_loading(&self) -> bool {
        self.schema.begun.load(Relaxed)
    }

    /// What validates policies against the schema.
    pub(crate) fn validator(&self) -> Result<&Validator, &str> {
        let load = || {
            let json = self.schema_json.map_or_else(|| self.schema_json().into(), Cow::from);
            let schema = Schema::from_json_str(&json).map_err(|error| error.to_string())?;
            Ok(Validator::new(schema))
        };
        self.schema.begun.store(true, Relaxed);
        self.schema.validator.get_or_init(load).as_ref().map_err(String::as_str)
    }

    /// The types of resources, each once, in the order of the table.
    pub(crate) fn resources(&self) -> Vec<&'static ResourceSpec> {
        let mut resources: Vec<&'static ResourceSpec> = Vec::new();
        for action in self.actions {
            if !resources.iter().any(|known| same_type(known, action.resource)) {
                resources.push(action.resource);
            }
        }
        resources
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("actions", &self.actions.len()).finish_non_exhaustive()
    }
}

/// Whether two declarations name the same type.
pub(crate) fn same_type(a: &ResourceSpec, b: &ResourceSpec) -> bool {
    std::ptr::eq(a, b) || (a.name == b.name && a.namespace == b.namespace)
}

/// The one spelling of an id that a policy or an entities file writes; `Err` says why there is none. An id in another
/// spelling equals that of no request, so a `forbid` that names it would protect nothing.
pub(crate) fn canonical(type_name: &str, id: &str) -> Result<Option<String>, String> {
    match type_name {
        "fs::Path" => AbsPath::parse(id).map(|path| Some(path.as_str().to_owned())).map_err(|error| error.to_string()),
        "service::Unit" => Unit::parse(id).map(|unit| Some(unit.name().to_owned())).map_err(|error| error.to_string()),
        "service::Manager" => Ok(Some(rex_core::resource::Manager.id().to_owned())),
        "sys::Host" => Ok(Some(rex_core::resource::Host.id().to_owned())),
        _ => Ok(None),
    }
}
