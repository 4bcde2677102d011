//! The vocabulary that policies use.

use std::collections::BTreeMap;
use std::fmt;

use rex_core::machine::{EnvVariable, KernelParameter};
use rex_core::net::{RemoteHost, Url};
use rex_core::{AbsPath, ActionSpec, Resource, ResourceSpec, action::ACTIONS, resource::Unit};

use crate::schema;

/// The types of principals. All are declared in the empty namespace.
pub(crate) const PRINCIPALS: [&str; 2] = ["Agent", "User"];
/// The type of groups of principals.
pub(crate) const GROUP: &str = "Group";

/// The vocabulary that policies use: a table of actions, from which the Cedar schema is generated.
///
/// Principals are the same for every table: `Agent` and `User`, both `in [Group]`.
#[derive(Clone, Copy)]
pub struct Vocabulary {
    actions: &'static [&'static ActionSpec],
}

impl Vocabulary {
    /// Returns Rex's own vocabulary.
    #[must_use]
    pub fn rex() -> Self {
        Self::new(ACTIONS)
    }

    /// Creates the vocabulary of another program from the table that its `actions!` declares.
    #[must_use]
    pub const fn new(actions: &'static [&'static ActionSpec]) -> Self {
        Self { actions }
    }

    /// Returns the actions.
    #[must_use]
    pub fn actions(&self) -> &'static [&'static ActionSpec] {
        self.actions
    }

    /// Returns the schema in Cedar's own syntax, with the table's documentation as comments; for people.
    #[must_use]
    pub fn schema_cedar(&self) -> String {
        schema::cedar(self.actions)
    }

    /// Returns the schema in Cedar's JSON syntax, which loads faster than the other; for programs.
    #[must_use]
    pub fn schema_json(&self) -> String {
        schema::json(self.actions)
    }

    /// Returns the types of resources, each once, in the order of the table.
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

/// Returns whether two declarations name the same type.
pub(crate) fn same_type(a: &ResourceSpec, b: &ResourceSpec) -> bool {
    std::ptr::eq(a, b) || (a.name == b.name && a.namespace == b.namespace)
}

/// Returns the one spelling of an id that policies and entities files must use: `None` if the type is unknown, `Err` if the id
/// is wrong. No request has an id in another spelling, so a `forbid` that names one would protect nothing.
pub(crate) fn canonical(vocabulary: &Vocabulary, type_name: &str, id: &str) -> Result<Option<String>, String> {
    match type_name {
        "fs::Path" | "process::Program" => {
            AbsPath::parse(id).map(|path| Some(path.as_str().to_owned())).map_err(|error| error.to_string())
        }
        "service::Unit" => Unit::parse(id).map(|unit| Some(unit.name().to_owned())).map_err(|error| error.to_string()),
        "service::Manager" => Ok(Some(rex_core::resource::ServiceManager.id().to_owned())),
        "sys::Host" => Ok(Some(rex_core::resource::Host.id().to_owned())),
        "net::Host" => {
            RemoteHost::parse(id).map(|host| Some(host.name().to_owned())).map_err(|error| error.to_string())
        }
        "net::Url" => Url::parse(id).map(|url| Some(url.as_str().to_owned())).map_err(|error| error.to_string()),
        "sys::Parameter" => {
            KernelParameter::parse(id).map(|name| Some(name.name().to_owned())).map_err(|error| error.to_string())
        }
        "sys::Variable" => {
            EnvVariable::parse(id).map(|name| Some(name.name().to_owned())).map_err(|error| error.to_string())
        }
        "process::Process" => match id.parse::<u32>() {
            Ok(pid) => Ok(Some(pid.to_string())),
            Err(_) => Err(format!("`{}` is not the number of a process", id.escape_debug())),
        },
        // A type of another program: its action makes a resource from the id, which has the right spelling, if the id says all.
        _ => {
            let of_type = |action: &&&ActionSpec| action.id_is_complete && action.resource.is_named(type_name);
            let made = vocabulary.actions.iter().find(of_type).map(|action| (action.from_record)(id, &BTreeMap::new()));
            made.transpose().map(|made| made.map(|resource| resource.id().to_owned()))
        }
    }
}
