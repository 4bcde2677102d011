//! Errors of the system as data, so that an error means the same in the asking process and in the actor.

use std::io::{self, ErrorKind};

use rex_core::resource::Unit;
use rex_core::{AbsPath, Code, Error};
use serde::{Deserialize, Serialize};

use super::{EntryKind, OsError};

/// An [`OsError`] on its way from one process to another. It keeps everything that distinguishes one error from
/// another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OsFailure {
    /// [`OsError::Crossed`]
    Crossed(AbsPath),
    /// [`OsError::Alias`]
    Alias(Unit),
    /// [`OsError::Besides`]
    Besides(Vec<Unit>),
    /// [`OsError::WrongKind`], with the word for the kind.
    WrongKind(String),
    /// [`OsError::HardLinks`]
    HardLinks(u64),
    /// [`OsError::TooMany`]
    TooMany(u64),
    /// [`OsError::TooMuch`]
    TooMuch(i64),
    /// [`OsError::Changed`]
    Changed,
    /// [`OsError::ServiceFailed`]
    ServiceFailed(String),
    /// [`OsError::Refused`] and [`OsError::Unavailable`], which a script cannot tell apart.
    Unavailable(String),
    /// [`OsError::Stopped`], or an [`Error`] inside of an [`io::Error`].
    Stopped {
        /// The code.
        code: String,
        /// The message.
        message: String,
        /// The advice.
        help: Option<String>,
        /// `true` if it ends the run, see [`Error::exhausted`].
        exhausted: bool,
    },
    /// An error of a system call, with its number.
    System(i32),
    /// An error without a number: the name of its kind, and its message if it has one.
    Kind(String, Option<String>),
}

/// The kinds of errors that are transferred, with their names. Any other kind becomes [`ErrorKind::Other`].
const KINDS: &[(&str, ErrorKind)] = &[
    ("not_found", ErrorKind::NotFound),
    ("permission_denied", ErrorKind::PermissionDenied),
    ("already_exists", ErrorKind::AlreadyExists),
    ("timed_out", ErrorKind::TimedOut),
    ("unsupported", ErrorKind::Unsupported),
    ("invalid_input", ErrorKind::InvalidInput),
    ("invalid_data", ErrorKind::InvalidData),
    ("unexpected_eof", ErrorKind::UnexpectedEof),
    ("write_zero", ErrorKind::WriteZero),
    ("interrupted", ErrorKind::Interrupted),
    ("would_block", ErrorKind::WouldBlock),
    ("broken_pipe", ErrorKind::BrokenPipe),
    ("not_a_directory", ErrorKind::NotADirectory),
    ("is_a_directory", ErrorKind::IsADirectory),
    ("directory_not_empty", ErrorKind::DirectoryNotEmpty),
    ("read_only", ErrorKind::ReadOnlyFilesystem),
    ("storage_full", ErrorKind::StorageFull),
    ("out_of_memory", ErrorKind::OutOfMemory),
    ("connection_refused", ErrorKind::ConnectionRefused),
    ("connection_reset", ErrorKind::ConnectionReset),
    ("connection_aborted", ErrorKind::ConnectionAborted),
    ("not_connected", ErrorKind::NotConnected),
    ("address_in_use", ErrorKind::AddrInUse),
    ("address_not_available", ErrorKind::AddrNotAvailable),
    ("host_unreachable", ErrorKind::HostUnreachable),
    ("network_unreachable", ErrorKind::NetworkUnreachable),
    ("network_down", ErrorKind::NetworkDown),
    ("resource_busy", ErrorKind::ResourceBusy),
];

const ENTRIES: [EntryKind; 7] = [
    EntryKind::File,
    EntryKind::Directory,
    EntryKind::Symlink,
    EntryKind::Fifo,
    EntryKind::Socket,
    EntryKind::Device,
    EntryKind::Unknown,
];

impl From<OsError> for OsFailure {
    fn from(error: OsError) -> Self {
        match error {
            OsError::Crossed(path) => Self::Crossed(path),
            OsError::Alias(unit) => Self::Alias(unit),
            OsError::Besides(units) => Self::Besides(units),
            OsError::WrongKind(kind) => Self::WrongKind(kind.as_str().to_owned()),
            OsError::HardLinks(count) => Self::HardLinks(count),
            OsError::TooMany(max) => Self::TooMany(max),
            OsError::TooMuch(max) => Self::TooMuch(max),
            OsError::Changed => Self::Changed,
            OsError::ServiceFailed(why) => Self::ServiceFailed(why),
            OsError::Refused(why) => Self::Unavailable(why.to_owned()),
            OsError::Unavailable(why) => Self::Unavailable(why),
            OsError::Stopped(error) => error.into(),
            OsError::Io(error) => error.into(),
        }
    }
}

impl From<Error> for OsFailure {
    fn from(error: Error) -> Self {
        let Error { code, message, help, exhausted, .. } = error;
        Self::Stopped { code: code.as_str().to_owned(), message, help, exhausted }
    }
}

impl From<io::Error> for OsFailure {
    fn from(error: io::Error) -> Self {
        if let Some(number) = error.raw_os_error() {
            return Self::System(number);
        }
        let kind = error.kind();
        match error.downcast::<Error>() {
            Ok(inner) => inner.into(),
            Err(error) => {
                let name = KINDS.iter().find(|(_, known)| *known == kind).map_or("other", |(name, _)| *name);
                Self::Kind(name.to_owned(), error.get_ref().map(ToString::to_string))
            }
        }
    }
}

impl From<OsFailure> for OsError {
    fn from(failure: OsFailure) -> Self {
        match failure {
            OsFailure::Crossed(path) => Self::Crossed(path),
            OsFailure::Alias(unit) => Self::Alias(unit),
            OsFailure::Besides(units) => Self::Besides(units),
            OsFailure::WrongKind(word) => {
                let known = ENTRIES.into_iter().find(|kind| kind.as_str() == word);
                Self::WrongKind(known.unwrap_or(EntryKind::Unknown))
            }
            OsFailure::HardLinks(count) => Self::HardLinks(count),
            OsFailure::TooMany(max) => Self::TooMany(max),
            OsFailure::TooMuch(max) => Self::TooMuch(max),
            OsFailure::Changed => Self::Changed,
            OsFailure::ServiceFailed(why) => Self::ServiceFailed(why),
            OsFailure::Unavailable(why) => Self::Unavailable(why),
            OsFailure::Stopped { code, message, help, exhausted } => {
                // The actor must not return an error that a script could take for a denial by its own gate.
                let known = Code::ALL.iter().copied().find(|known| known.as_str() == code);
                let code = known.filter(|code| *code != Code::AccessDenied).unwrap_or(Code::Internal);
                Self::Stopped(Error { help, exhausted, ..Error::new(code, message) })
            }
            OsFailure::System(number) => Self::Io(io::Error::from_raw_os_error(number)),
            OsFailure::Kind(name, why) => {
                let kind = KINDS.iter().find(|(known, _)| *known == name).map_or(ErrorKind::Other, |(_, kind)| *kind);
                Self::Io(why.map_or_else(|| kind.into(), |why| io::Error::new(kind, why)))
            }
        }
    }
}

/// Describes an error of the system for people, without its number and without the library's words for its kind.
pub(crate) fn words(error: &io::Error) -> String {
    if error.raw_os_error().is_some() {
        let text = error.to_string();
        let plain = text.rsplit_once(" (os error").map_or(text.as_str(), |(plain, _)| plain);
        let mut letters = plain.chars();
        let first = letters.next().map(|first| first.to_ascii_lowercase());
        return first.into_iter().chain(letters).collect();
    }
    if error.get_ref().is_some() {
        let text = error.to_string();
        // The messages of the gzip library are about its internals.
        let inner = ["incomplete deflate", "corrupt deflate", "corrupt gzip", "invalid gzip"];
        return match inner.iter().any(|start| text.starts_with(start)) {
            true => "the compressed data is damaged, or ends too early".to_owned(),
            false => text,
        };
    }
    let plain = match error.kind() {
        ErrorKind::NotFound => "it does not exist",
        ErrorKind::PermissionDenied => "the operating system does not permit it",
        ErrorKind::AlreadyExists => "it exists already",
        ErrorKind::TimedOut => "it timed out",
        ErrorKind::Unsupported => "this host does not support it",
        ErrorKind::InvalidInput => "an argument is invalid",
        ErrorKind::InvalidData => "the received data is damaged",
        ErrorKind::UnexpectedEof => "it ended too early",
        ErrorKind::WriteZero => "no more data can be written",
        ErrorKind::Interrupted => "a signal interrupted it",
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "the other end reset the connection",
        ErrorKind::ConnectionAborted | ErrorKind::NotConnected | ErrorKind::BrokenPipe => {
            "the other end closed the connection"
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            "the network is unreachable"
        }
        ErrorKind::StorageFull => "there is no space left",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::OutOfMemory => "there is not enough memory",
        _ => "the system does not say why",
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts an error to its transferred form and back.
    fn travels(error: OsError) -> OsError {
        let text = serde_json::to_string(&OsFailure::from(error)).unwrap();
        serde_json::from_str::<OsFailure>(&text).unwrap().into()
    }

    fn seen(error: OsError) -> Error {
        error.into_error(&AbsPath::parse("/x").unwrap())
    }

    #[test]
    fn a_script_sees_the_same_error_wherever_it_comes_from() {
        let inside = || Error { exhausted: true, ..Error::new(Code::LimitExceeded, "enough") }.with_help("less");
        let make: [&dyn Fn() -> OsError; 16] = [
            &|| OsError::WrongKind(EntryKind::Fifo),
            &|| OsError::HardLinks(2),
            &|| OsError::TooMany(3),
            &|| OsError::TooMuch(4),
            &|| OsError::Changed,
            &|| OsError::ServiceFailed("it failed".to_owned()),
            &|| OsError::Refused("no"),
            &|| OsError::Unavailable("nobody".to_owned()),
            &|| OsError::Stopped(inside()),
            &|| io::Error::other(inside()).into(),
            &|| io::Error::from_raw_os_error(2).into(),
            &|| io::Error::from_raw_os_error(95).into(),
            &|| io::Error::from(ErrorKind::NotFound).into(),
            &|| io::Error::new(ErrorKind::PermissionDenied, "by the bus").into(),
            &|| io::Error::new(ErrorKind::TimedOut, "the name server is silent").into(),
            &|| io::Error::other("something else").into(),
        ];
        for make in make {
            assert_eq!(seen(travels(make())), seen(make()));
        }
        let mut codes = Vec::new();
        for (name, kind) in KINDS {
            let here = seen(io::Error::from(*kind).into());
            assert_eq!(seen(travels(io::Error::from(*kind).into())), here, "{name}");
            codes.push(here.code);
        }
        assert!([Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io].iter().all(|c| codes.contains(c)));
    }

    #[test]
    fn whoever_acts_cannot_say_that_the_gate_denied() {
        let denied = OsFailure::from(Error::new(Code::AccessDenied, "no"));
        assert_eq!(seen(denied.into()).code, Code::Internal);
        assert!(serde_json::from_str::<OsFailure>(r#"{"Crossed":"../x"}"#).is_err());
    }

    #[test]
    fn no_words_are_those_of_a_library() {
        for (_, kind) in KINDS {
            let same = words(&(*kind).into()) == io::Error::from(*kind).to_string();
            assert_eq!(same, *kind == ErrorKind::ConnectionRefused, "{kind:?}");
        }
        assert_eq!(words(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(words(&io::Error::from_raw_os_error(28)), "no space left on device");
    }
}
