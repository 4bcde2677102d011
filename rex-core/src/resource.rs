//! The resources that actions act on.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::values::{EXTENSION, NAME, PATH, UNIT, ValueSet};
use crate::{AbsPath, Value};

/// The type of a [`Fact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FactKind {
    /// A signed 64-bit integer.
    Long,
    /// A truth value.
    Bool,
    /// A string.
    String,
    /// An address of the Internet Protocol.
    Ip,
}

/// A value that a policy can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact<'a> {
    /// A signed 64-bit integer.
    Long(i64),
    /// A truth value.
    Bool(bool),
    /// A string.
    String(&'a str),
    /// An address of the Internet Protocol.
    Ip(IpAddr),
}

impl From<Fact<'_>> for Value {
    fn from(fact: Fact<'_>) -> Self {
        match fact {
            Fact::Long(value) => Self::Int(value),
            Fact::Bool(value) => Self::Bool(value),
            Fact::String(value) => Self::Text(value.to_owned()),
            Fact::Ip(value) => Self::Text(value.to_string()),
        }
    }
}

impl From<&i64> for Fact<'_> {
    fn from(value: &i64) -> Self {
        Self::Long(*value)
    }
}

impl From<&bool> for Fact<'_> {
    fn from(value: &bool) -> Self {
        Self::Bool(*value)
    }
}

impl<'a> From<&'a str> for Fact<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(value)
    }
}

impl<'a> From<&'a String> for Fact<'a> {
    fn from(value: &'a String) -> Self {
        Self::String(value)
    }
}

/// The declaration of an attribute of a resource, or of a fact of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Its name in policies.
    pub name: &'static str,
    /// Its type.
    pub kind: FactKind,
    /// The meaning and the unit.
    pub doc: &'static str,
    /// The values that it can have.
    pub values: ValueSet,
}

/// A Rust type that a fact in the `actions!` table can have.
pub trait FactType {
    /// The type in policies.
    const KIND: FactKind;
}

impl FactType for i64 {
    const KIND: FactKind = FactKind::Long;
}

impl FactType for bool {
    const KIND: FactKind = FactKind::Bool;
}

impl FactType for String {
    const KIND: FactKind = FactKind::String;
}

/// Converts a field of an action to a fact.
#[doc(hidden)]
pub fn fact<'a, T: ?Sized>(value: &'a T) -> Fact<'a>
where
    Fact<'a>: From<&'a T>,
{
    Fact::from(value)
}

/// The declaration of a type of resource.
#[derive(Debug, PartialEq, Eq)]
pub struct ResourceSpec {
    /// The namespace, such as `fs`.
    pub namespace: &'static str,
    /// Its name within the namespace, such as `Path`.
    pub name: &'static str,
    /// A description of the resource and of its id.
    pub doc: &'static str,
    /// The attributes that policies can use.
    pub attributes: &'static [Attribute],
    /// The attribute that repeats the id, if any: ids have no `like`, so types whose ids are matched in part repeat them. Authorizers get
    /// it from [`Resource::id`], so the two cannot differ.
    pub id_attribute: Option<&'static str>,
    /// True if ids form a tree: a resource is then `in` each of its [ancestors](Resource::ancestors).
    pub nested: bool,
    /// The type of the classes that an owner can put such resources in, without its namespace (`Class`), if any.
    pub class: Option<&'static str>,
}

impl ResourceSpec {
    /// Returns whether this is the type of this full name, such as `fs::Path`.
    #[must_use]
    pub fn is_named(&self, full: &str) -> bool {
        full.strip_prefix(self.namespace).and_then(|rest| rest.strip_prefix("::")) == Some(self.name)
    }
}

impl fmt::Display for ResourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.namespace, self.name)
    }
}

/// A thing that an action can act on.
///
/// Implement it for the resources of your own program; [`AbsPath`], [`Unit`], [`ServiceManager`] and [`Host`] are some of Rex's.
pub trait Resource: fmt::Debug + Send + Sync + 'static {
    /// The declaration of the type.
    const SPEC: &'static ResourceSpec;

    /// Returns the id: each resource has one spelling, since policies compare it.
    fn id(&self) -> &str;

    /// Calls `visit` with each attribute that [`ResourceSpec::attributes`] declares, except
    /// [`id_attribute`](ResourceSpec::id_attribute).
    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>));

    /// Calls `visit` with the id of each ancestor of the same type, nearest first. By default, and for a type that is not
    /// [`nested`](ResourceSpec::nested), there are none.
    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        let _ = visit;
    }

    /// True if the id determines all attributes and ancestors, so that journals and cached decisions use the id alone.
    const ID_IS_COMPLETE: bool = false;

    /// Makes the resource with this id and these attributes, as a journal or a person writes them, to decide on it again. If the [id
    /// determines them](Self::ID_IS_COMPLETE), the attributes are ignored.
    ///
    /// # Errors
    /// If there is no such resource; the text says why. By default, resources are not made from their written form.
    fn from_record(id: &str, attributes: &BTreeMap<String, Value>) -> Result<Self, String>
    where
        Self: Sized,
    {
        let _ = (id, attributes);
        Err(format!("a `{}` cannot be parsed from text", Self::SPEC))
    }
}

/// A [`Resource`] of any type, as an authorizer sees it. Implemented for every resource.
pub trait AnyResource: fmt::Debug + Send + Sync {
    /// Returns [`Resource::SPEC`].
    fn spec(&self) -> &'static ResourceSpec;
    /// Returns [`Resource::id`].
    fn id(&self) -> &str;
    /// Calls `visit` as [`Resource::attributes`] does, and with the attribute that repeats the id.
    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>));
    /// Calls `visit` as [`Resource::ancestors`] does.
    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str));
    /// Returns [`Resource::ID_IS_COMPLETE`].
    fn id_is_complete(&self) -> bool;
}

impl<R: Resource> AnyResource for R {
    fn spec(&self) -> &'static ResourceSpec {
        R::SPEC
    }
    fn id(&self) -> &str {
        Resource::id(self)
    }
    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        let Some(same) = R::SPEC.id_attribute else { return Resource::attributes(self, visit) };
        // INVARIANT: a reach takes a condition on this attribute for one on the id.
        visit(same, Fact::String(Resource::id(self)));
        Resource::attributes(self, &mut |name, fact| {
            if name != same {
                visit(name, fact);
            }
        });
    }
    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        // INVARIANT: a reach assumes that nothing is in a resource of a type that is not nested.
        if R::SPEC.nested {
            Resource::ancestors(self, visit);
        }
    }
    fn id_is_complete(&self) -> bool {
        R::ID_IS_COMPLETE
    }
}

impl Resource for AbsPath {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "fs",
        name: "Path",
        doc: "A file, directory or anything else that has a path; the id is the absolute, normalised path; `\\xHH` in it stands for a byte of a name that is not UTF-8, `caf\\xE9`. A path is `in` each directory above it.",
        attributes: &[
            Attribute {
                name: "path",
                kind: FactKind::String,
                doc: "The whole path, the same as the id; for `like`.",
                values: ValueSet::Form(&PATH),
            },
            Attribute {
                name: "name",
                kind: FactKind::String,
                doc: "The last component; empty for `/`.",
                values: ValueSet::Form(&NAME),
            },
            Attribute {
                name: "extension",
                kind: FactKind::String,
                doc: "What follows the last dot of the name, without the dot, always: that of `.key` is `key`; empty if there is none.",
                values: ValueSet::Form(&EXTENSION),
            },
        ],
        id_attribute: Some("path"),
        nested: true,
        class: Some("Class"),
    };

    fn id(&self) -> &str {
        self.as_str()
    }

    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("name", Fact::String(self.name()));
        visit("extension", Fact::String(self.extension()));
    }

    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.parents().for_each(visit);
    }

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        Self::parse(id).map_err(|error| error.to_string())
    }
}

/// The types of units.
pub const UNIT_KINDS: &[&str] =
    &["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];

/// A unit of the service manager, such as `nginx.service`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unit {
    name: String,
}

/// The error for a text that is not the name of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    name: String,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the name of a unit", self.name.escape_debug())
    }
}

impl std::error::Error for UnitError {}

impl Unit {
    /// Parses the name of a unit. Without a type it is a service: `nginx` is `nginx.service`.
    ///
    /// # Errors
    /// If the name is empty, starts with a dot, is longer than 255 bytes, or has a character other than ASCII letters, digits and
    /// `:-_.\@` (see `systemd.unit(5)`).
    pub fn parse(name: &str) -> Result<Self, UnitError> {
        let error = || UnitError { name: name.to_owned() };
        let legal = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let full = match name.rsplit_once('.') {
            Some((stem, kind)) if !stem.is_empty() && UNIT_KINDS.contains(&kind) => name.to_owned(),
            // A dot before no known type belongs to the stem: `app-1.2` is `app-1.2.service`.
            _ => format!("{name}.service"),
        };
        if name.is_empty() || name.starts_with('.') || full.len() > 255 || !name.chars().all(legal) {
            return Err(error());
        }
        Ok(Self { name: full })
    }

    /// Returns the full name, `nginx.service`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the type of the unit, `service`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.name.rsplit_once('.').map_or("", |(_, kind)| kind)
    }
}

impl Resource for Unit {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "service",
        name: "Unit",
        doc: "A unit of the service manager; the id is its full name, `nginx.service`.",
        attributes: &[
            Attribute {
                name: "name",
                kind: FactKind::String,
                doc: "The full name, the same as the id; for `like`.",
                values: ValueSet::Form(&UNIT),
            },
            Attribute {
                name: "kind",
                kind: FactKind::String,
                doc: "The type: `service`, `timer`, `socket`, ...",
                values: ValueSet::Words(UNIT_KINDS),
            },
        ],
        id_attribute: Some("name"),
        nested: false,
        class: Some("Class"),
    };

    fn id(&self) -> &str {
        &self.name
    }

    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("kind", Fact::String(self.kind()));
    }

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        Self::parse(id).map_err(|error| error.to_string())
    }
}

/// The service manager itself, which lists units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceManager;

impl Resource for ServiceManager {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "service",
        name: "Manager",
        doc: "The service manager that Rex talks to; the id is `default`.",
        attributes: &[],
        id_attribute: None,
        nested: false,
        class: None,
    };

    fn id(&self) -> &str {
        "default"
    }

    fn attributes<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        the_one(Self, id)
    }
}

/// The machine that a script runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Host;

impl Resource for Host {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "sys",
        name: "Host",
        doc: "The machine that the script runs on; the id is `local`.",
        attributes: &[],
        id_attribute: None,
        nested: false,
        class: None,
    };

    fn id(&self) -> &str {
        "local"
    }

    fn attributes<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        the_one(Self, id)
    }
}

/// Returns the only resource of a type, if it has this id.
fn the_one<R: Resource>(one: R, id: &str) -> Result<R, String> {
    if id == Resource::id(&one) { Ok(one) } else { Err(format!("the only id is `{}`", Resource::id(&one))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A door whose attributes and ancestors contradict its declaration.
    #[derive(Debug)]
    struct Door;

    impl Resource for Door {
        const SPEC: &'static ResourceSpec = &ResourceSpec {
            namespace: "house",
            name: "Door",
            doc: "A door.",
            attributes: &[
                Attribute { name: "number", kind: FactKind::String, doc: "The id.", values: ValueSet::Any },
                Attribute { name: "open", kind: FactKind::Bool, doc: "Whether it is open.", values: ValueSet::Any },
            ],
            id_attribute: Some("number"),
            nested: false,
            class: None,
        };
        fn id(&self) -> &str {
            "7"
        }
        fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
            visit("open", Fact::Bool(true));
            visit("number", Fact::String("8"));
        }
        fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
            visit("6");
        }
    }

    #[test]
    fn authorizers_see_one_id_and_no_ancestors_where_there_are_none() {
        let (mut attributes, mut ancestors) = (Vec::new(), Vec::new());
        let door: &dyn AnyResource = &Door;
        door.attributes(&mut |name, fact| attributes.push((name, fact)));
        door.ancestors(&mut |id| ancestors.push(id));
        assert_eq!(attributes, [("number", Fact::String("7")), ("open", Fact::Bool(true))]);
        assert!(ancestors.is_empty());
    }

    #[test]
    fn a_type_has_one_full_name() {
        assert!(Door::SPEC.is_named("house::Door"));
        for other in ["Door", "house::", "house::Doors", "my::house::Door", "house:Door", ""] {
            assert!(!Door::SPEC.is_named(other), "{other}");
        }
    }

    #[test]
    fn attributes_are_those_that_are_declared() {
        let path = AbsPath::parse("/srv/app.log").unwrap();
        let unit = Unit::parse("nginx").unwrap();
        for resource in [&path as &dyn AnyResource, &unit, &ServiceManager, &Host] {
            let mut seen = Vec::new();
            resource.attributes(&mut |name, _| seen.push(name));
            let declared: Vec<_> = resource.spec().attributes.iter().map(|attribute| attribute.name).collect();
            assert_eq!(seen, declared, "{resource:?}");
        }
    }
}
