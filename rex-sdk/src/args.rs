//! Arguments that were checked against the declaration of an operation.

use std::collections::BTreeMap;

use rex_core::nearest::did_you_mean;
use rex_core::resource::Unit;
use rex_core::{AbsPath, Error, Value};

use crate::OpSpec;

/// The arguments of one call: every parameter is there, of its kind; options that were not given have their default.
#[derive(Debug, Clone, PartialEq)]
pub struct Args {
    values: Vec<(&'static str, Value)>,
    base: AbsPath,
}

impl Args {
    /// Checks what was given against a declaration. Relative paths are taken from `base`.
    ///
    /// # Errors
    /// If something is missing, too much, unknown, or not of its kind.
    pub fn bind(spec: &OpSpec, base: &AbsPath, mut given: Vec<Value>) -> Result<Self, Error> {
        let required = spec.required().count();
        let mut options = match given.pop() {
            Some(Value::Map(options)) if given.len() >= required => options,
            Some(last) => {
                given.push(last);
                BTreeMap::new()
            }
            None => BTreeMap::new(),
        };
        if given.len() != required {
            let message = format!("`{}` takes {required} arguments, {} came", spec.name, given.len());
            return Err(Error::validation(message).with_help(format!("it is called as `{spec}`")));
        }
        let mut given = given.into_iter();
        let mut values = Vec::with_capacity(spec.params.len());
        for param in spec.params {
            let value = match param.default {
                None => given.next().unwrap_or_default(),
                Some(default) => options.remove(param.name).unwrap_or_else(|| default.into()),
            };
            let defaulted = param.default.is_some_and(|default| Value::from(default) == value);
            if !defaulted && !param.kind.takes(&value) {
                return Err(mismatch(spec, param.name, param.kind.as_str(), &value));
            }
            values.push((param.name, value));
        }
        if let Some(unknown) = options.keys().next() {
            let known: Vec<_> = spec.options().map(|param| format!("`{}`", param.name)).collect();
            let known = if known.is_empty() { "no options".to_owned() } else { known.join(", ") };
            let message = format!("`{}` has no option `{}`", spec.name, unknown.escape_debug());
            let meant = did_you_mean(unknown, spec.options().map(|param| param.name));
            return Err(Error::validation(message).with_help(meant.unwrap_or_else(|| format!("it takes {known}"))));
        }
        Ok(Self { values, base: base.clone() })
    }

    /// The value of a parameter; `Null` for an option without a value. A name that the declaration lacks is a defect.
    fn value(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        self.values.iter().find(|(known, _)| *known == name).map_or(NULL, |(_, value)| value)
    }

    fn wrong(&self, name: &str) -> Error {
        Error::new(rex_core::Code::Internal, format!("the operation has no such parameter `{name}`"))
    }

    /// A path.
    ///
    /// # Errors
    /// If it is none; see [`AbsPath::resolve`].
    pub fn path(&self, name: &str) -> Result<AbsPath, Error> {
        let path = match self.value(name) {
            // As `fs::list` tells those that are not UTF-8.
            Value::Bytes(bytes) => self.base.resolve_bytes(bytes),
            _ => self.base.resolve(self.text(name)?),
        };
        path.map_err(|error| Error::validation(error.to_string()))
    }

    /// A unit.
    ///
    /// # Errors
    /// If it is none; see [`Unit::parse`].
    pub fn unit(&self, name: &str) -> Result<Unit, Error> {
        Unit::parse(self.text(name)?).map_err(|error| Error::validation(error.to_string()))
    }

    /// Text.
    ///
    /// # Errors
    /// If the operation declares no such parameter; so for every accessor below.
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        self.text_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// Text, if it was given.
    pub fn text_option(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.value(name) {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => Err(self.wrong(name)),
        }
    }

    /// Text or bytes, as bytes.
    pub fn data(&self, name: &str) -> Result<&[u8], Error> {
        match self.value(name) {
            Value::Text(text) => Ok(text.as_bytes()),
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong(name)),
        }
    }

    /// A list of texts; empty, if it was not given.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Error> {
        let text = |value: &Value| match value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong(name)),
        };
        match self.value(name) {
            Value::List(all) => all.iter().map(text).collect(),
            Value::Null => Ok(Vec::new()),
            _ => Err(self.wrong(name)),
        }
    }

    /// The entries of a map of texts, in the order of their keys; none, if it was not given.
    pub fn text_map<'a>(&'a self, name: &str) -> Result<Vec<(&'a str, &'a str)>, Error> {
        let entry = |(key, value): (&'a String, &'a Value)| match value {
            Value::Text(text) => Ok((key.as_str(), text.as_str())),
            _ => Err(self.wrong(name)),
        };
        match self.value(name) {
            Value::Map(all) => all.iter().map(entry).collect(),
            Value::Null => Ok(Vec::new()),
            _ => Err(self.wrong(name)),
        }
    }

    /// An integer, if it was given.
    pub fn int_option(&self, name: &str) -> Result<Option<i64>, Error> {
        match self.value(name) {
            Value::Int(value) => Ok(Some(*value)),
            Value::Null => Ok(None),
            _ => Err(self.wrong(name)),
        }
    }

    /// An integer.
    pub fn int(&self, name: &str) -> Result<i64, Error> {
        self.int_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// A count, if it was given.
    pub fn count_option(&self, name: &str) -> Result<Option<u64>, Error> {
        self.int_option(name)?.map(|value| u64::try_from(value).map_err(|_| self.wrong(name))).transpose()
    }

    /// A count.
    pub fn count(&self, name: &str) -> Result<u64, Error> {
        self.count_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// A truth value.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.value(name) {
            Value::Bool(value) => Ok(*value),
            _ => Err(self.wrong(name)),
        }
    }
}

fn mismatch(spec: &OpSpec, name: &str, kind: &str, value: &Value) -> Error {
    let came = match value {
        Value::Int(value) => format!("the integer {value}"),
        other if other.kind() == kind.split(' ').next().unwrap_or_default() => format!("another {}", other.kind()),
        other => other.kind().to_owned(),
    };
    Error::validation(format!("`{name}` of `{}` takes a {kind}, {came} came", spec.name))
        .with_help(format!("it is called as `{spec}`"))
}
