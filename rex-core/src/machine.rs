//! Parameters of the kernel, and variables of the environment.

use std::collections::BTreeMap;
use std::fmt;

use crate::Value;
use crate::resource::{Attribute, Fact, FactKind, Resource, ResourceSpec};
use crate::values::{PARAMETER, VARIABLE, ValueSet};

/// A parameter of the kernel, see `sysctl(8)`: `net.ipv4.ip_forward`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KernelParameter {
    name: String,
}

/// A variable of the environment that Rex runs in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvVariable {
    name: String,
}

/// The error for a text that is not a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    name: String,
    what: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the name of {}", self.name.escape_debug(), self.what)
    }
}

impl std::error::Error for NameError {}

impl KernelParameter {
    /// Parses the name of a parameter, whose parts are separated by dots; a dot within a part is written as a slash. As for `sysctl`, if
    /// the first separator is a slash, it is the other way around.
    ///
    /// # Errors
    /// If it is longer than 255 bytes, a part is empty, `.` or `..`, or has another character than ASCII letters, digits and `_-:@.`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let error = || NameError { name: text.to_owned(), what: "a parameter of the kernel" };
        let slashes = text.find(['.', '/']).and_then(|at| text.get(at..)).is_some_and(|rest| rest.starts_with('/'));
        let name: String = match slashes {
            true => text
                .chars()
                .map(|c| {
                    if c == '/' {
                        '.'
                    } else if c == '.' {
                        '/'
                    } else {
                        c
                    }
                })
                .collect(),
            false => text.to_owned(),
        };
        let parameter = Self { name };
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-:@.".contains(c);
        let part = |part: &String| !["", ".", ".."].contains(&&**part) && part.chars().all(legal);
        let short = parameter.name.len() <= 255;
        if short && parameter.parts().all(|name| part(&name)) { Ok(parameter) } else { Err(error()) }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the parts of the name: directories below `/proc/sys`, and a file.
    pub fn parts(&self) -> impl Iterator<Item = String> {
        self.name.split('.').map(|part| part.replace('/', "."))
    }
}

impl Resource for KernelParameter {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "sys",
        name: "Parameter",
        doc: "A parameter of the kernel; the id is its name, `net.ipv4.ip_forward`. A dot within a part is written as a slash.",
        attributes: &[Attribute {
            name: "name",
            kind: FactKind::String,
            doc: "The name, the same as the id; for `like`.",
            values: ValueSet::Form(&PARAMETER),
        }],
        id_attribute: Some("name"),
        nested: false,
        class: Some("Class"),
    };

    fn id(&self) -> &str {
        &self.name
    }

    fn attributes<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        Self::parse(id).map_err(|error| error.to_string())
    }
}

impl EnvVariable {
    /// Parses the name of a variable.
    ///
    /// # Errors
    /// If it is empty, starts with a digit, or has another character than ASCII letters, digits and `_`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(legal) {
            return Err(NameError { name: text.to_owned(), what: "a variable" });
        }
        Ok(Self { name: text.to_owned() })
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Resource for EnvVariable {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "sys",
        name: "Variable",
        doc: "A variable of the environment that Rex runs in; the id is its name, `PATH`.",
        attributes: &[Attribute {
            name: "name",
            kind: FactKind::String,
            doc: "The name, the same as the id; for `like`.",
            values: ValueSet::Form(&VARIABLE),
        }],
        id_attribute: Some("name"),
        nested: false,
        class: Some("Class"),
    };

    fn id(&self) -> &str {
        &self.name
    }

    fn attributes<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}

    const ID_IS_COMPLETE: bool = true;

    fn from_record(id: &str, _: &BTreeMap<String, Value>) -> Result<Self, String> {
        Self::parse(id).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_one_spelling() {
        for (text, name) in [
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
            ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
            ("net.ipv4.conf.eth0/1.forwarding", "net.ipv4.conf.eth0/1.forwarding"),
            ("net/ipv4/conf/eth0.1/forwarding", "net.ipv4.conf.eth0/1.forwarding"),
        ] {
            let parameter = KernelParameter::parse(text).unwrap();
            assert_eq!(parameter.name(), name);
            assert_eq!(KernelParameter::parse(parameter.name()).unwrap(), parameter);
        }
        let parts: Vec<_> = KernelParameter::parse("net.ipv4.conf.eth0/1.forwarding").unwrap().parts().collect();
        assert_eq!(parts, ["net", "ipv4", "conf", "eth0.1", "forwarding"]);
        for bad in ["", ".", "..", "a..b", "a.//.b", "/kernel", "kernel.", "kernel/../x", "a b", "é", "kernel.//"] {
            assert!(KernelParameter::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_is_a_word() {
        assert_eq!(EnvVariable::parse("PATH").unwrap().name(), "PATH");
        for bad in ["", "A=B", "1A", "a b", "A\0"] {
            assert!(EnvVariable::parse(bad).is_err(), "{bad}");
        }
    }
}
