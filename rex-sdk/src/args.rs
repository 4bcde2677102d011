//! Arguments that were checked against the declaration of an operation.

use std::collections::BTreeMap;
use std::time::Duration;

use blake3::Hasher;
use rex_core::nearest::did_you_mean;
use rex_core::resource::Unit;
use rex_core::{AbsPath, Error, Timestamp, Value, units};

use crate::session::hash;
use crate::spec::MANY_SECONDS;
use crate::{OpSpec, Param, ParamForm, ParamKind};

/// The arguments of one call: every parameter is present, with a value of its kind; missing options have their default.
#[derive(Debug, Clone, PartialEq)]
pub struct Args {
    values: Vec<(&'static str, Value)>,
    base: AbsPath,
}

impl Args {
    /// Checks arguments against a declaration. Relative paths are resolved against `base`.
    ///
    /// # Errors
    /// If an argument is missing, superfluous or unknown, or has the wrong kind.
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
            let plural = if required == 1 { "" } else { "s" };
            let message = format!("`{}` takes {required} argument{plural}, got {}", spec.name, given.len());
            return Err(Error::validation(message).with_help(format!("call it as `{spec}`")));
        }
        let mut given = given.into_iter();
        let mut values = Vec::with_capacity(spec.params.len());
        for param in spec.params {
            let value = match param.default {
                None => given.next().unwrap_or_default(),
                Some(default) => options.remove(param.name).unwrap_or_else(|| default.into()),
            };
            Self::check(spec, param, &value)?;
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

    /// Checks one argument against its declaration.
    ///
    /// # Errors
    /// If the parameter does not accept the value.
    pub fn check(spec: &OpSpec, param: &Param, value: &Value) -> Result<(), Error> {
        let defaulted = param.default.is_some_and(|default| Value::from(default) == *value);
        if defaulted {
            return Ok(());
        }
        if !param.kind.takes(value) {
            return Err(mismatch(spec, param.name, param.kind, value));
        }
        match (param.form, value) {
            _ if param.kind == ParamKind::Unit => match value {
                Value::Text(name) => Unit::parse(name).map(drop).map_err(|error| Error::validation(error.to_string())),
                _ => Ok(()),
            },
            (ParamForm::OneOf(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
                let taken = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
                let message =
                    format!("`{}` of `{}` expects {taken}, got `{}`", param.name, spec.name, text.escape_debug());
                let error = Error::validation(message);
                Err(Error { help: did_you_mean(text, words.iter().copied()), ..error })
            }
            (ParamForm::Read(read), Value::Text(text)) => read(text),
            (ParamForm::Age, Value::Int(seconds @ 1..3_600)) => {
                let message = format!("`{}` of `{}` is {seconds} seconds", param.name, spec.name);
                Err(Error::validation(message).with_help(format!(
                    "write days as `\"{seconds}d\"`, hours as `\"{seconds}h\"`, seconds as `\"{seconds}s\"`"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Adds all values to a hash.
    pub(crate) fn hash(&self, hasher: &mut Hasher) {
        self.values.iter().for_each(|(_, value)| hash(value, hasher));
    }

    /// Returns the value of a parameter; `Null` for an option without a value. A name that is not declared is a bug in
    /// the operation.
    pub(crate) fn value(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        self.values.iter().find(|(known, _)| *known == name).map_or(NULL, |(_, value)| value)
    }

    fn wrong(&self, name: &str) -> Error {
        Error::new(rex_core::Code::Internal, format!("the operation has no parameter `{name}`"))
    }

    /// Returns a path.
    ///
    /// # Errors
    /// If it is invalid; see [`AbsPath::resolve`].
    pub fn path(&self, name: &str) -> Result<AbsPath, Error> {
        let path = match self.value(name) {
            // As `fs::list` returns paths that are not UTF-8.
            Value::Bytes(bytes) => self.base.resolve_bytes(bytes),
            _ => self.base.resolve(self.text(name)?),
        };
        path.map_err(|error| Error::validation(error.to_string()))
    }

    /// Returns a path, if present.
    ///
    /// # Errors
    /// As [`Args::path`].
    pub fn path_option(&self, name: &str) -> Result<Option<AbsPath>, Error> {
        if *self.value(name) == Value::Null { Ok(None) } else { self.path(name).map(Some) }
    }

    /// Returns a unit.
    ///
    /// # Errors
    /// If it is invalid; see [`Unit::parse`].
    pub fn unit(&self, name: &str) -> Result<Unit, Error> {
        Unit::parse(self.text(name)?).map_err(|error| Error::validation(error.to_string()))
    }

    /// Returns a unit, if present.
    ///
    /// # Errors
    /// As [`Args::unit`].
    pub fn unit_option(&self, name: &str) -> Result<Option<Unit>, Error> {
        if *self.value(name) == Value::Null { Ok(None) } else { self.unit(name).map(Some) }
    }

    /// Returns a text.
    ///
    /// # Errors
    /// If the operation declares no such parameter; this applies to every accessor below.
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        self.text_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// Returns a text, if present.
    pub fn text_option(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.value(name) {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ => Err(self.wrong(name)),
        }
    }

    /// Returns a text or bytes, as bytes.
    pub fn data(&self, name: &str) -> Result<&[u8], Error> {
        match self.value(name) {
            Value::Text(text) => Ok(text.as_bytes()),
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong(name)),
        }
    }

    /// Returns a list of texts; empty if missing.
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

    /// Returns the entries of a map of texts, ordered by key; empty if missing.
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

    /// Returns an integer, if present.
    pub fn int_option(&self, name: &str) -> Result<Option<i64>, Error> {
        match self.value(name) {
            Value::Int(value) => Ok(Some(*value)),
            Value::Null => Ok(None),
            _ => Err(self.wrong(name)),
        }
    }

    /// Returns an integer.
    pub fn int(&self, name: &str) -> Result<i64, Error> {
        self.int_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// Returns a count, if present.
    pub fn count_option(&self, name: &str) -> Result<Option<u64>, Error> {
        self.int_option(name)?.map(|value| u64::try_from(value).map_err(|_| self.wrong(name))).transpose()
    }

    /// Returns a count.
    pub fn count(&self, name: &str) -> Result<u64, Error> {
        self.count_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// Returns a duration, if present.
    pub fn duration_option(&self, name: &str) -> Result<Option<Duration>, Error> {
        let wrong = || self.wrong(name);
        match self.value(name) {
            Value::Int(seconds) => u64::try_from(*seconds).map(Duration::from_secs).map(Some).map_err(|_| wrong()),
            Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).map(Some).map_err(|_| wrong()),
            Value::Text(text) => units::duration(text).map(Some).map_err(|_| wrong()),
            Value::Null => Ok(None),
            _ => Err(wrong()),
        }
    }

    /// Returns a duration.
    pub fn duration(&self, name: &str) -> Result<Duration, Error> {
        self.duration_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// Returns a duration in whole milliseconds.
    pub fn millis(&self, name: &str) -> Result<u64, Error> {
        self.duration(name).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns a point in time, if present. Negative numbers are seconds before now.
    pub fn moment_option(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        match self.value(name) {
            Value::Int(seconds) => {
                let micros = seconds.saturating_mul(1_000_000);
                let since = if *seconds < 0 { now.as_micros() } else { 0 };
                Ok(Some(Timestamp::from_micros(since.saturating_add(micros))))
            }
            Value::Text(text) => units::moment(text, now).map(Some).map_err(|_| self.wrong(name)),
            Value::Null => Ok(None),
            _ => Err(self.wrong(name)),
        }
    }

    /// Returns a size in bytes, if present.
    pub fn size_option(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.value(name) {
            Value::Text(text) => units::size(text).map(Some).map_err(|_| self.wrong(name)),
            _ => self.count_option(name),
        }
    }

    /// Returns a size in bytes.
    pub fn size(&self, name: &str) -> Result<u64, Error> {
        self.size_option(name)?.ok_or_else(|| self.wrong(name))
    }

    /// Returns a Boolean.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.value(name) {
            Value::Bool(value) => Ok(*value),
            _ => Err(self.wrong(name)),
        }
    }
}

fn mismatch(spec: &OpSpec, name: &str, kind: ParamKind, value: &Value) -> Error {
    let article = if kind == ParamKind::Int { "an" } else { "a" };
    let unlikely = |kind: &str, why: &str, help: &str| {
        let message =
            format!("`{name}` of `{}` expects {article} {kind}, got {}, which {why}", spec.name, shown(value));
        Error::validation(message).with_help(help)
    };
    let (why, help) = match (kind, value) {
        (ParamKind::Duration, Value::Text(text)) => (units::duration(text).err(), Some(("seconds", units::DURATIONS))),
        (ParamKind::Size, Value::Text(text)) => (units::size(text).err(), Some(("bytes", units::SIZES))),
        (ParamKind::Moment, Value::Text(text)) => {
            let why = units::moment(text, Timestamp::from_micros(0)).err();
            (why, Some(("seconds since the epoch", units::MOMENTS)))
        }
        (ParamKind::Moment, Value::Int(1..MANY_SECONDS)) => {
            let help = "a negative number is seconds before now: `-3600` or `\"-1h\"` is an hour ago";
            return unlikely("time", "is in 1970 or soon after", help);
        }
        (ParamKind::Duration, Value::Int(MANY_SECONDS..)) => {
            let help = "convert a time to a duration by `sys::time().epoch - then`; an age is also `\"7d\"`";
            return unlikely("duration", "is more than 30 years: it looks like a time", help);
        }
        (ParamKind::Moment, _) => (None, Some(("seconds since the epoch", units::MOMENTS))),
        (ParamKind::Duration, _) => (None, Some(("seconds", units::DURATIONS))),
        (ParamKind::Size, _) => (None, Some(("bytes", units::SIZES))),
        _ => (None, None),
    };
    let kind = kind.as_str();
    if let (Some(why), Value::Text(text)) = (&why, value) {
        let message =
            format!("`{name}` of `{}` expects {article} {kind}, got `{}`: {why}", spec.name, text.escape_debug());
        let (unit, forms) = help.unwrap_or_default();
        return Error::validation(message).with_help(format!("write a number of {unit}, or text such as {forms}"));
    }
    let got = match value {
        Value::Int(_) => shown(value),
        other if other.kind() == kind.split(' ').next().unwrap_or_default() => {
            format!("a {} of other values", other.kind())
        }
        other => other.kind().to_owned(),
    };
    let help = match help {
        Some((unit, forms)) => format!("write a number of {unit}, or text such as {forms}"),
        None => format!("call it as `{spec}`"),
    };
    Error::validation(format!("`{name}` of `{}` expects {article} {kind}, got {got}", spec.name)).with_help(help)
}

fn shown(value: &Value) -> String {
    format!("the integer {value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OPS;

    #[test]
    fn durations_and_sizes_are_declared_as_such() {
        for spec in OPS.iter().map(|operation| operation.spec()) {
            for param in spec.params {
                let expected = match param.name {
                    "timeout" | "interval" | "older_than" | "newer_than" => ParamKind::Duration,
                    "size" | "min_size" | "max_size" | "max_bytes" | "max_output" => ParamKind::Size,
                    _ => continue,
                };
                assert_eq!(param.kind, expected, "{} of {}", param.name, spec.name);
            }
            // Durations and sizes take units; a parameter whose name ends with its unit is a plain number.
            let plain = |param: &&crate::Param| matches!(param.kind, ParamKind::Count | ParamKind::Int);
            for param in spec.params.iter().filter(plain).filter(|param| !param.name.ends_with("_ms")) {
                let about_time = param.doc.contains("How long") && !param.doc.contains("in bytes");
                assert!(!about_time, "{} of {} is a duration", param.name, spec.name);
            }
        }
    }

    #[test]
    fn no_default_cuts() {
        for spec in OPS.iter().map(|operation| operation.spec()) {
            for param in spec.options().filter(|param| param.name.starts_with("max")) {
                assert_eq!(param.default, Some(crate::Literal::Null), "{} of {}", param.name, spec.name);
            }
        }
    }

    #[test]
    fn what_is_no_duration_or_size_is_told_with_what_is() {
        let refused = |operation: &str, option: &str, value: Value| {
            let spec = OPS.iter().map(|known| known.spec()).find(|spec| spec.name == operation).unwrap();
            let mut given = vec![Value::from("/x"); spec.required().count()];
            given.push(Value::Map([(option.to_owned(), value)].into()));
            Args::bind(spec, &AbsPath::root(), given).unwrap_err()
        };
        for (operation, option, value, message, help) in [
            (
                "fs::find",
                "older_than",
                "7x".into(),
                "expects a duration, got `7x`: `x` is not one of the units",
                "`7d`",
            ),
            (
                "fs::find",
                "older_than",
                "7".into(),
                "expects a duration, got `7`: it has no unit",
                "a number of seconds",
            ),
            ("fs::find", "newer_than", Value::Int(-1), "expects a duration, got the integer -1", "a number of seconds"),
            ("fs::find", "newer_than", Value::Float(f64::NAN), "expects a duration, got float", "`30s`"),
            (
                "service::logs",
                "since",
                "1h".into(),
                "expects a time, got `1h`: it is neither a time in UTC nor a time before now",
                "`-1h`",
            ),
            ("fs::find", "min_size", "10m".into(), "expects a size, got `10m`: `m` is not one of the units", "`10M`"),
            ("fs::find", "max_size", Value::Bool(true), "expects a size, got bool", "a number of bytes"),
        ] {
            let error = refused(operation, option, value);
            assert_eq!(error.message, format!("`{option}` of `{operation}` {message}"));
            assert!(error.help.as_ref().unwrap().contains(help), "{error:?}");
        }
    }
}
