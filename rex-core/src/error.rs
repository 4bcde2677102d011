//! An error with a stable code.

use std::fmt;

use serde_core::ser::{Serialize, Serializer};

use crate::Denial;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $id:literal,)*) => {
        /// The kind of a failure. The ids are a promise: scripts branch on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])* $name,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the id, such as `ACCESS_DENIED_EXCEPTION`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Returns the meaning of the code.
            #[must_use]
            pub fn doc(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The policy does not permit it. Set by the gate alone.
    AccessDenied = "ACCESS_DENIED_EXCEPTION",
    /// An argument is missing, of the wrong type, or not one that the operation takes.
    Validation = "VALIDATION_EXCEPTION",
    /// The script failed by itself: it does not parse, it threw, or it called what does not exist.
    Script = "SCRIPT_EXCEPTION",
    /// A limit of the run, or of one operation, was reached.
    LimitExceeded = "LIMIT_EXCEEDED_EXCEPTION",
    /// It does not exist.
    NotFound = "NOT_FOUND_EXCEPTION",
    /// It exists already.
    AlreadyExists = "ALREADY_EXISTS_EXCEPTION",
    /// The operating system refused or failed.
    Io = "IO_EXCEPTION",
    /// The service manager ran the job, and the job failed.
    ServiceFailed = "SERVICE_EXCEPTION",
    /// It is of a kind that the operation does not take, or this host cannot do it.
    Unsupported = "UNSUPPORTED_EXCEPTION",
    /// The run was told to stop.
    Cancelled = "CANCELLED_EXCEPTION",
    /// The journal cannot be written, so nothing more is done.
    JournalFailed = "JOURNAL_EXCEPTION",
    /// A defect in Rex.
    Internal = "INTERNAL_EXCEPTION",
}

impl Code {
    /// Returns whether a run that meets it ends at once, even if its script would catch it. An operation that reaches its own limit
    /// returns an error that can be caught; see [`Error::is_fatal`].
    #[must_use]
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::Cancelled | Self::JournalFailed)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The failure of an operation, or of a whole run. Scripts branch on the code, people read the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// The message: lower case, no full stop, external text in backticks.
    pub message: String,
    /// Advice on what to do about it.
    pub help: Option<String>,
    /// The operation that failed, such as `fs::read`.
    pub operation: Option<&'static str>,
    /// The denial, if it was one.
    pub denial: Option<Box<Denial>>,
    /// True if a budget of the whole run is used up: the run then ends, even if its script would catch the error.
    pub exhausted: bool,
}

impl Error {
    /// Creates an error with a code and a message.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, operation: None, denial: None, exhausted: false }
    }

    /// Creates the error for an invalid argument.
    #[must_use]
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(Code::Validation, message)
    }

    /// Adds advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns whether the run ends at once, even if its script would catch the error.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.exhausted || self.code.is_fatal()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
