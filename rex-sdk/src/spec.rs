//! The declaration of an operation, from which everything else is derived: the script modules, the documentation, the
//! command line's listing, the conformance tests.

use std::fmt;
use std::time::Duration;

use rex_core::{ActionSpec, Code, Error, Timestamp, Value, units};

use crate::{Args, Lines, OPS, Session};

/// What a script can call.
pub trait Operation: Send + Sync {
    /// The declaration.
    fn spec(&self) -> &OpSpec;

    /// Does it. The arguments were checked against the declaration.
    ///
    /// # Errors
    /// With one of the codes that the declaration names, a denial, or a limit.
    fn call(&self, session: &Session<'_>, args: &Args) -> Result<Value, Error>;

    /// Whether all that it does goes through [`Session::os`](crate::Session), so that a plan can call it and nothing is done. One of which that
    /// is not said is called in a plan only if it has actions, and none of them [has an effect](rex_core::ActionSpec::has_effect).
    fn can_be_planned(&self) -> bool {
        false
    }

    /// Does it, and leaves what is long to be read while it is used. Without an own implementation, all of it is there at once.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn answer(&self, session: &Session<'_>, args: &Args) -> Result<Answer, Error> {
        self.call(session, args).map(Answer::Value)
    }
}

/// The result of an operation.
#[derive(Debug)]
pub enum Answer {
    /// A value, all of it.
    Value(Value),
    /// The lines of an open file, read as they are used.
    Lines(Lines),
}

/// An operation as data: a declaration and a function.
#[derive(Debug)]
pub struct Op {
    /// The declaration.
    pub spec: OpSpec,
    /// What does it.
    pub call: fn(&Session<'_>, &Args) -> Result<Value, Error>,
}

impl Operation for Op {
    fn spec(&self) -> &OpSpec {
        &self.spec
    }
    fn call(&self, session: &Session<'_>, args: &Args) -> Result<Value, Error> {
        (self.call)(session, args)
    }
    /// Rex's own can.
    fn can_be_planned(&self) -> bool {
        OPS.iter().any(|own| std::ptr::eq(own.spec(), &raw const self.spec))
    }
}

/// The declaration of an operation.
#[derive(Debug)]
pub struct OpSpec {
    /// The full name: `fs::read`.
    pub name: &'static str,
    /// Plain names for it, without a namespace: `read`.
    pub aliases: &'static [&'static str],
    /// The actions that it asks for, in this order. One that it asks for only when an option says so is left out here
    /// and named in the option's text.
    pub needs: &'static [&'static ActionSpec],
    /// Its parameters: first those that must be given, in order, then the options.
    pub params: &'static [Param],
    /// What it returns.
    pub returns: Returns,
    /// What it does, in one line, then what else is to be known.
    pub doc: &'static str,
    /// The codes that it fails with, besides `ACCESS_DENIED_EXCEPTION`, `VALIDATION_EXCEPTION`, and the run's limits.
    pub errors: &'static [Code],
    /// A call of it in the world that [`MemOs::example`](crate::MemOs::example) makes.
    pub example: Example,
}

impl OpSpec {
    /// The namespace, `fs`.
    #[must_use]
    pub fn namespace(&self) -> &'static str {
        self.name.split_once("::").map_or("", |(namespace, _)| namespace)
    }

    /// The name within the namespace, `read`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, verb)| verb)
    }

    /// The parameters that must be given.
    pub fn required(&self) -> impl Iterator<Item = &'static Param> {
        self.params.iter().filter(|param| param.default.is_none())
    }

    /// The parameters that are given by name, in a map after the others.
    pub fn options(&self) -> impl Iterator<Item = &'static Param> {
        self.params.iter().filter(|param| param.default.is_some())
    }
}

/// A call as people write it: `fs::read(path)`, `fs::lines(path, #{first, last})`.
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
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What an option is when it is not given; `None` for a parameter that must be given.
    pub default: Option<Literal>,
    /// Which texts it takes.
    pub form: Form,
    /// What it means, and its unit.
    pub doc: &'static str,
}

impl Param {
    /// A parameter that must be given.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: None, form: Form::Any, doc }
    }

    /// A parameter that is given by name, or not.
    #[must_use]
    pub const fn option(name: &'static str, kind: Kind, default: Literal, doc: &'static str) -> Self {
        Self { name, kind, default: Some(default), form: Form::Any, doc }
    }

    /// The same for texts of this form alone.
    #[must_use]
    pub const fn of(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

/// Which texts a parameter takes.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// All.
    Any,
    /// These words.
    OneOf(&'static [&'static str]),
    /// Those that a function takes, which says what is wrong with the others.
    Read(fn(&str) -> Result<(), Error>),
    /// Ages of files: a number of seconds is at least an hour, since days are meant by `30`.
    Age,
    /// Regular expressions, where an option of this name has this value; else all.
    Pattern(&'static str, bool),
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A path: absolute, or taken from the base directory.
    Path,
    /// The name of a unit; a short one is a service.
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
    /// A truth value.
    Bool,
    /// A list of texts.
    Texts,
    /// A map of texts.
    TextMap,
}

/// More seconds than a script waits or looks back, and fewer than have passed since the epoch: that many had passed in 2001.
pub(crate) const MANY_SECONDS: i64 = 1_000_000_000;
const MANY_YEARS: Duration = Duration::from_secs(MANY_SECONDS.unsigned_abs());

impl Kind {
    /// The word for it in documentation and messages.
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

    /// Whether a value can stand for such a parameter.
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
                // What is neither a time of this century nor before now is a duration, or in milliseconds.
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
    /// Not given; its documentation says what that means.
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

/// What an operation returns.
#[derive(Debug, Clone, Copy)]
pub struct Returns {
    /// The kind of value, in the words of [`Value::kind`]; `map of names` is a map whose keys come from the host.
    pub kind: &'static str,
    /// What it means: of a map, each entry with its unit.
    pub doc: &'static str,
}

impl Returns {
    /// Returns the kind of value, in the words of [`Value::kind`].
    #[must_use]
    pub fn value_kind(&self) -> &'static str {
        if self.has_any_keys() { "map" } else { self.kind }
    }

    /// Whether it is a map whose keys come from the host, so that no list of fields has all of them.
    #[must_use]
    pub fn has_any_keys(&self) -> bool {
        self.kind == "map of names"
    }
}

/// A call that documentation shows and tests run.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The arguments as a JSON array; the last one may be a map of options.
    pub args: &'static str,
    /// What it returns, as JSON.
    pub returns: &'static str,
}
