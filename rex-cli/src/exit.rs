//! The exit codes and the errors of the command.

use std::process::ExitCode;

use rex_core::Code;

/// The exit codes: a promise to every caller of `rex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0
    Success,
    /// 1: the script failed.
    Script,
    /// 1: something was found, by a command whose help says so.
    Found,
    /// 2: the command line is wrong, or an input cannot be read.
    Usage,
    /// 3: the policy is rejected.
    Policy,
    /// 4: the run ended with a denial.
    Denied,
    /// 5: the run ended at a limit.
    Limit,
    /// 6: a journal was changed, or holds lines that cannot be read.
    Unreliable,
    /// 70: a defect in Rex, or a journal that cannot be written.
    Internal,
    /// 128 and the number of the signal that ended the run.
    Signal(u8),
}

impl Exit {
    /// Returns the exit of a run that failed with this code.
    pub(crate) fn of(code: Code, signal: u8) -> Self {
        match code {
            Code::AccessDenied => Self::Denied,
            Code::LimitExceeded => Self::Limit,
            Code::Internal | Code::JournalFailed => Self::Internal,
            Code::Cancelled => Self::Signal(signal),
            _ => Self::Script,
        }
    }

    /// Returns the number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Script | Self::Found => 1,
            Self::Usage => 2,
            Self::Policy => 3,
            Self::Denied => 4,
            Self::Limit => 5,
            Self::Unreliable => 6,
            Self::Internal => 70,
            Self::Signal(signal) => 128 | signal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that ends the command.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Stop {
    /// Returns an error of the command line or of an input.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), help: None }
    }

    /// Returns an error of a journal that is not reliable.
    pub(crate) fn unreliable(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unreliable, message: message.into(), help: None }
    }

    /// Returns an error that should not happen.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { exit: Exit::Internal, message: message.into(), help: None }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
