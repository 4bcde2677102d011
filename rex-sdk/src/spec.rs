//! The declaration of an operation, from which the script modules, the documentation, the command line's listing and
//! the conformance tests are derived.

use std::fmt;
use std::time::Duration;

use rex_core::{ActionSpec, Code, Error, Timestamp, Value, units};

use crate::{Args, FileLines, OPS, Session};

/// An operation that a script can call.
pub trait Operation: Send + Sync {
    /// Returns the declaration.
    fn spec(&self) -> &OpSpec;

    /// Performs the operation. The arguments were checked against the declaration.
    ///
    /// # Errors
    /// With one of the codes in the declaration, a denial, or a limit.
    fn call(&self, session: &Session<'_>, args: &Args) -> Result<Value, Error>;

    /// Returns `true` if everything goes through [`Session::os`](crate::Session), so that a plan can call the operation
    /// without effects. A plan calls other operations only if they declare actions of which none [has an
    /// effect](rex_core::ActionSpec::has_effect).
    fn can_be_planned(&self) -> bool {
        false
    }

    /// Performs the operation and leaves long results to be read on demand. By default, the whole result is in memory.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn answer(&self, session: &Session<'_>, args: &Args) -> Result<OpAnswer, Error> {
        self.call(session, args).map(OpAnswer::Value)
    }
}

/// The result of an operation.
#[derive(Debug)]
pub enum OpAnswer {
    /// A complete value.
    Value(Value),
    /// The lines of an open file, read on demand.
    Lines(FileLines),
}

/// An operation as data: a declaration and a function.
#[derive(Debug)]
pub struct Op {
    /// The declaration.
    pub spec: OpSpec,
    /// The function that performs it.
    pub call: fn(&Session<'_>, &Args) -> Result<Value, Error>,
}

impl Operation for Op {
    fn spec(&self) -> &OpSpec {
        &self.spec
    }
    fn call(&self, session: &Session<'_>, args: &Args) -> Result<Value, Error> {
        (self.call)(session, args)
    }
    /// Returns `true` for Rex's operations.
    fn can_be_planned(&self) -> bool {
        OPS.iter().any(|own| std::ptr::eq(own.spec(), &raw const self.spec))
    }
}

/// The declaration of an operation.
#[derive(Debug)]
pub struct OpSpec {
    /// The full name: `fs::read`.
    pub name: &'static str,
    /// Short names without a namespace: `read`.
    pub aliases: &'static [&'static str],
    /// The actions that it requests, in this order. An action that only an option requires is named in the text of the
    /// option instead.
    pub needs: &'static [&'static ActionSpec],
    /// The parameters: first the required ones, in order, then the options.
    pub params: &'static [Param],
    /// The result.
    pub returns: ReturnSpec,
    /// The documentation: a summary line, then details.
    pub doc: &'static str,
    /// The codes that it fails with, apart from `ACCESS_DENIED_EXCEPTION`, `VALIDATION_EXCEPTION`, and the run's
    /// limits.
    pub errors: &'static [Code],
    /// An example call in the world that [`MemOs::example`](crate::MemOs::example) creates.
    pub example: CallExample,
}

impl OpSpec {
    /// Returns the namespace, `fs`.
    #[must_use]
    pub fn namespace(&self) -> &'static str {
        self.name.split_once("::").map_or("", |(namespace, _)| namespace)
    }

    /// Returns the name within the namespace, `read`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, verb)| verb)
    }

    /// Returns the required parameters.
    pub fn required(&self) -> impl Iterator<Item = &'static Param> {
        self.params.iter().filter(|param| param.default.is_none())
    }

    /// Returns the options, which are passed by name in a final map.
    pub fn options(&self) -> impl Iterator<Item = &'static Param> {
        self.params.iter().filter(|param| param.default.is_some())
    }
}

/// Formats the call for people: `fs::read(path)`, `fs::lines(path, #{first, last})`.
impl fmt::Display for OpSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<_> = self.required().map(|param| param.name.to_owned()).collect();
        let options: Vec<_> = self.options().map(|param| param.name).collect();
        if !options.is_empty() {
            parts.push(format!("#{{{}}}", options.join(", ")));
        }
        write!(f, "{}({})", self.name, parts.join(", "))
    }
}

/// One parameter of an operation.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// The name.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: ParamKind,
    /// The default of an option; `None` for a required parameter.
    pub default: Option<Literal>,
    /// The texts that it accepts.
    pub form: ParamForm,
    /// The meaning and the unit.
    pub doc: &'static str,
}

impl Param {
    /// Returns a required parameter.
    #[must_use]
    pub const fn required(name: &'static str, kind: ParamKind, doc: &'static str) -> Self {
        Self { name, kind, default: None, form: ParamForm::Any, doc }
    }

    /// Returns an option.
    #[must_use]
    pub const fn option(name: &'static str, kind: ParamKind, default: Literal, doc: &'static str) -> Self {
        Self { name, kind, default: Some(default), form: ParamForm::Any, doc }
    }

    /// Returns the parameter restricted to texts of this form.
    #[must_use]
    pub const fn of(self, form: ParamForm) -> Self {
        Self { form, ..self }
    }
}

/// The texts that a parameter accepts.
#[derive(Debug, Clone, Copy)]
pub enum ParamForm {
    /// All texts.
    Any,
    /// These words.
    OneOf(&'static [&'static str]),
    /// Texts that a function accepts; it explains what is wrong with the others.
    Read(fn(&str) -> Result<(), Error>),
    /// Ages of files: a number below one hour (in seconds) is rejected, since `30` probably means days.
    Age,
    /// Regular expressions, if an option of this name has this value; otherwise all texts.
    Pattern(&'static str, bool),
}

/// The values that a parameter accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A path: absolute, or relative to the base directory.
    Path,
    /// The name of a unit; a name without a suffix is a service.
    Unit,
    /// Text.
    Text,
    /// Text or bytes.
    Data,
    /// An integer.
    Int,
    /// An integer that is not negative.
    Count,
    /// A duration: a number of seconds, or text with units of time.
    Duration,
    /// A size: a number of bytes, or text with a unit.
    Size,
    /// A point in time: seconds since the epoch, below 0 before now, or text.
    Moment,
    /// A Boolean.
    Bool,
    /// A list of texts.
    Texts,
    /// A map of texts.
    TextMap,
}

/// More seconds than a script waits or looks back, and fewer than have passed since the epoch: 1,000,000,000 had passed
/// in 2001.
pub(crate) const MANY_SECONDS: i64 = 1_000_000_000;
const MANY_YEARS: Duration = Duration::from_secs(MANY_SECONDS.unsigned_abs());

impl ParamKind {
    /// Returns its name in documentation and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Unit => "unit",
            Self::Text => "text",
            Self::Data => "text or bytes",
            Self::Int => "int",
            Self::Count => "count",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Moment => "time",
            Self::Bool => "bool",
            Self::Texts => "list of text",
            Self::TextMap => "map of text",
        }
    }

    /// Returns `true` if a parameter of this kind accepts the value.
    #[must_use]
    pub fn takes(self, value: &Value) -> bool {
        match self {
            Self::Path => matches!(value, Value::Text(_) | Value::Bytes(_)),
            Self::Unit | Self::Text => matches!(value, Value::Text(_)),
            Self::Data => matches!(value, Value::Text(_) | Value::Bytes(_)),
            Self::Int => matches!(value, Value::Int(_)),
            Self::Count => matches!(value, Value::Int(0..)),
            Self::Duration => match value {
                Value::Int(seconds) => (0..MANY_SECONDS).contains(seconds),
                Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).is_ok_and(|time| time < MANY_YEARS),
                Value::Text(text) => units::duration(text).is_ok(),
                _ => false,
            },
            Self::Size => match value {
                Value::Int(bytes) => *bytes >= 0,
                Value::Text(text) => units::size(text).is_ok(),
                _ => false,
            },
            Self::Moment => match value {
                // Other numbers are durations, or in milliseconds.
                Value::Int(seconds) => *seconds <= 0 || (MANY_SECONDS..100 * MANY_SECONDS).contains(seconds),
                Value::Text(text) => units::moment(text, Timestamp::from_micros(0)).is_ok(),
                _ => false,
            },
            Self::Bool => matches!(value, Value::Bool(_)),
            Self::Texts => matches!(value, Value::List(all) if all.iter().all(|one| matches!(one, Value::Text(_)))),
            Self::TextMap => matches!(value, Value::Map(all) if all.values().all(|one| matches!(one, Value::Text(_)))),
        }
    }
}

/// The default of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal {
    /// No default; the documentation of the option says what that means.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Text.
    Text(&'static str),
}

impl From<Literal> for Value {
    fn from(literal: Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(value),
            Literal::Int(value) => Self::Int(value),
            Literal::Text(value) => Self::Text(value.to_owned()),
        }
    }
}

/// The result of an operation.
#[derive(Debug, Clone, Copy)]
pub struct ReturnSpec {
    /// The kind of value, in the words of [`Value::kind`]; `map of names` is a map whose keys come from the host.
    pub kind: &'static str,
    /// The meaning: for a map, each entry with its unit.
    pub doc: &'static str,
}

impl ReturnSpec {
    /// Returns the kind of value, in the words of [`Value::kind`].
    #[must_use]
    pub fn value_kind(&self) -> &'static str {
        if self.has_any_keys() { "map" } else { self.kind }
    }

    /// Returns `true` if it is a map whose keys come from the host, so that no list of fields is complete.
    #[must_use]
    pub fn has_any_keys(&self) -> bool {
        self.kind == "map of names"
    }
}

/// A call that the documentation shows and tests run.
#[derive(Debug, Clone, Copy)]
pub struct CallExample {
    /// The arguments as a JSON array; the last one may be a map of options.
    pub args: &'static str,
    /// The result, as JSON.
    pub returns: &'static str,
}
