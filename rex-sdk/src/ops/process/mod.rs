//! Processes and programs.

pub mod environ;
pub mod get;
pub mod limits;
pub mod list;
pub mod open_files;
pub mod run;
pub mod semaphores;
pub mod set_priority;
pub mod shared_memory;
pub mod signal;
pub mod signal_all;
pub mod top;
pub mod tree;
pub mod wait;
pub mod who_uses;

use std::collections::BTreeMap;

use rex_core::action::process;
use rex_core::process::{Process, ProcessIdentity};
use rex_core::resource::{Host, Unit};
use rex_core::{Action, Code, Error, Grant, Value};

use crate::os::{ProcessList, ProcessStatus};
use crate::{Args, Literal, OsError, Param, ParamForm, ParamKind, Session};

/// The parameter that names a process.
const PID: Param = Param::required("pid", ParamKind::Count, "The number of the process.");

/// The options that select processes.
const FILTERS: [Param; 4] = [
    Param::option(
        "name",
        ParamKind::Text,
        Literal::Null,
        "Only those of this name. The kernel keeps 15 bytes of it; of a longer one, the rest is that of the program.",
    ),
    Param::option(
        "exe",
        ParamKind::Text,
        Literal::Null,
        "Only those that run the program of this path. Where Rex may not look at the program of a process, its name decides whether it can be meant.",
    )
    .of(ParamForm::Read(run::program_path)),
    Param::option("user", ParamKind::Text, Literal::Null, "Only those of this user, by name or number."),
    Param::option("unit", ParamKind::Unit, Literal::Null, "Only those of this unit; `nginx` is `nginx.service`."),
];

/// The option to accept partial results.
const PARTIAL: Param = Param::option(
    "partial",
    ParamKind::Bool,
    Literal::Bool(false),
    "Tell those that are known, where others are hidden from Rex or cannot be told apart, instead of failing.",
);

/// Number of bytes of a name that the kernel keeps.
const NAME_BYTES: usize = 15;

/// Returns a process as a script sees it.
fn describe(status: &ProcessStatus) -> BTreeMap<String, Value> {
    let identity = status.process.identity();
    let entries: [(&str, Value); 15] = [
        ("pid", Value::count(status.process.pid())),
        ("parent", Value::count(status.parent)),
        ("name", identity.name.as_str().into()),
        ("exe", identity.exe.as_deref().into()),
        ("user", identity.user.as_deref().into()),
        ("uid", Value::count(status.uid)),
        ("unit", identity.unit.as_deref().into()),
        ("state", status.state.as_str().into()),
        ("memory", Value::count(status.memory)),
        ("virtual_memory", Value::count(status.virtual_memory)),
        ("cpu_seconds", status.cpu.into()),
        ("threads", Value::count(status.threads)),
        ("nice", status.nice.into()),
        ("started", status.started.to_string().into()),
        ("started_epoch", super::epoch(status.started)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Returns the fields that identify a process in results about several: number, name, user, unit.
fn brief(process: &Process) -> BTreeMap<String, Value> {
    let identity = process.identity();
    let entries: [(&str, Value); 4] = [
        ("pid", Value::count(process.pid())),
        ("name", identity.name.as_str().into()),
        ("user", identity.user.as_deref().into()),
        ("unit", identity.unit.as_deref().into()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Returns every running process; with an interval, with its use of the processors.
pub(super) fn all(session: &Session<'_>, interval_ms: Option<u64>) -> Result<ProcessList, Error> {
    let grant = session.permit(process::List {}, Host)?;
    session.os.processes(grant, None, interval_ms, session.run.budget()).map_err(|error| error.into_error(&Host))
}

/// Returns the process with a number.
fn one(session: &Session<'_>, args: &Args) -> Result<ProcessStatus, Error> {
    let number = args.count("pid")?;
    let grant = session.permit(process::List {}, Host)?;
    let missing = || Error::new(Code::NotFound, format!("there is no process {number}"));
    let pid = u32::try_from(number).map_err(|_| missing())?;
    let found = session.os.processes(grant, Some(pid), None, session.run.budget());
    let ProcessList { mut processes, hidden } = found.map_err(|error| error.into_error(&Host))?;
    processes.pop().ok_or_else(|| match hidden {
        true => Error::new(Code::Io, format!("process {number} is hidden from the user that Rex runs as")),
        false => missing(),
    })
}

/// The processes that a call selects.
struct SelectedProcesses {
    found: Vec<ProcessStatus>,
    /// The reason why others may match too, if they may.
    others: Option<String>,
}

impl SelectedProcesses {
    /// Returns the selected processes; an error if others may match, unless the script accepts partial results.
    fn complete(self, args: &Args) -> Result<Vec<ProcessStatus>, Error> {
        match self.others {
            Some(why) if !args.flag("partial")? => {
                Err(Error::new(Code::Io, format!("not all processes are known: {why}")).with_help(
                    "run Rex as a user who sees them, or take those that are known with the option `partial: true`",
                ))
            }
            _ => Ok(self.found),
        }
    }
}

/// Returns the reason why others may be running, if any.
fn hidden(list: &ProcessList) -> Option<String> {
    list.hidden.then(|| "this machine hides those of other users from the user that Rex runs as".to_owned())
}

/// Returns the processes that the options of a call select.
fn meant(args: &Args, all: ProcessList) -> Result<SelectedProcesses, Error> {
    let (name, exe) = (args.text_option("name")?, args.text_option("exe")?);
    let (user, unit) = (args.text_option("user")?, args.unit_option("unit")?);
    let unit = unit.as_ref().map(Unit::name);
    let by_number = user.and_then(|user| user.parse::<u32>().ok());
    let mut others = hidden(&all);
    let mut found = Vec::new();
    for status in all.processes {
        let identity = status.process.identity();
        let fits = [
            ("name", name.map_or(Some(true), |name| is_called(identity, name))),
            ("exe", runs(identity, exe)),
            ("user", by_number.map_or_else(|| fits(user, identity.user.as_deref()), |uid| Some(status.uid == uid))),
            ("unit", fits(unit, identity.unit.as_deref())),
        ];
        if fits.iter().any(|(_, fits)| *fits == Some(false)) {
            continue;
        }
        match fits.iter().find(|(_, fits)| fits.is_none()) {
            None => found.push(status),
            Some((what, _)) => {
                let pid = status.process.pid();
                others.get_or_insert_with(|| format!("the `{what}` of process {pid} could not be read"));
            }
        }
    }
    Ok(SelectedProcesses { found, others })
}

/// Compares a value with the expected one; `None` if the value is unknown.
fn fits(wanted: Option<&str>, found: Option<&str>) -> Option<bool> {
    wanted.map_or(Some(true), |wanted| found.map(|found| wanted == found))
}

/// Checks whether a process runs a program; `None` if that is unknown. If Rex may not see the program, the name rules
/// out most processes.
fn runs(identity: &ProcessIdentity, exe: Option<&str>) -> Option<bool> {
    let (Some(wanted), None) = (exe, &identity.exe) else { return fits(exe, identity.exe.as_deref()) };
    let program = wanted.rsplit('/').next().unwrap_or(wanted);
    let start = program.get(..program.floor_char_boundary(NAME_BYTES)).unwrap_or(program);
    if identity.name.starts_with(start) { None } else { Some(false) }
}

/// Checks whether a process has a name; `None` if that is unknown. The part of a name that the kernel does not keep is
/// taken from the program.
fn is_called(identity: &ProcessIdentity, name: &str) -> Option<bool> {
    let Some(start) = name.as_bytes().get(..NAME_BYTES).filter(|_| name.len() > NAME_BYTES) else {
        return Some(identity.name == name);
    };
    // The kernel cuts between bytes, even within a character.
    if identity.name.trim_end_matches(char::REPLACEMENT_CHARACTER)
        != String::from_utf8_lossy(start).trim_end_matches(char::REPLACEMENT_CHARACTER)
    {
        return Some(false);
    }
    let program =
        identity.exe.as_deref()?.rsplit('/').next().filter(|program| program.as_bytes().starts_with(start))?;
    Some(program == name)
}

/// Requests an action on a process and performs it.
fn act<A: Action<Resource = Process>, T>(
    session: &Session<'_>,
    action: A,
    process: &Process,
    act: impl FnOnce(Grant<A>) -> Result<T, OsError>,
) -> Result<T, Error> {
    let grant = session.permit(action, process.clone())?;
    act(grant).map_err(|error| error.into_error(process))
}

/// Returns the name of a signal as policies see it: `TERM`, for any case, with or without `SIG` and blanks.
pub(crate) fn signal_name(text: &str) -> Result<String, Error> {
    use rex_core::process::SIGNALS;
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if SIGNALS.contains(&name) {
        return Ok(name.to_owned());
    }
    let message = format!("`{}` is not the name of a signal that Rex sends", text.escape_debug());
    Err(Error::validation(message).with_help(format!("there are: {}", SIGNALS.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemOs;
    use crate::ops::fs::testing::World;

    #[test]
    fn a_long_name_is_that_of_the_program_or_cannot_be_told() {
        let called = |name: &str, exe: Option<&str>, wanted: &str| {
            let identity =
                ProcessIdentity { name: name.to_owned(), exe: exe.map(str::to_owned), ..ProcessIdentity::default() };
            is_called(&identity, wanted)
        };
        let long = "averyverylongprocessname";
        assert_eq!(called("averyverylongpr", Some("/x/averyverylongprocessname"), long), Some(true));
        assert_eq!(called("averyverylongpr", Some("/x/averyverylongprogram"), long), Some(false));
        // A script, or a program that Rex may not see.
        assert_eq!(called("averyverylongpr", Some("/bin/sh"), long), None);
        assert_eq!(called("averyverylongpr", None, long), None);
        assert_eq!(called("sleep", None, long), Some(false));
        assert_eq!(called("averyverylongpr", None, "averyverylongpr"), Some(true));
        assert_eq!(called("aaaaaaaaaaaaaa\u{fffd}", Some("/x/aaaaaaaaaaaaaaéb"), "aaaaaaaaaaaaaaéb"), Some(true));
    }

    fn unknown(pid: u32, name: &str) -> MemOs {
        let identity =
            ProcessIdentity { name: name.to_owned(), exe: Some("/bin/x".to_owned()), ..ProcessIdentity::default() };
        MemOs::example().process(pid, identity, &["x"])
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_another() {
        let world = World::new(unknown(5, "x"));
        let error = world.call("process::list", r#"[{"user": "root"}]"#).unwrap_err();
        assert_eq!(error.message, "not all processes are known: the `user` of process 5 could not be read");
        let known = world.call("process::list", r#"[{"user": "root", "partial": true}]"#).unwrap();
        assert!(matches!(&known, Value::List(known) if known.len() == 2), "{known}");
        // A process whose name differs from that of the program does not match.
        let os =
            MemOs::example().process(5, ProcessIdentity { name: "x".to_owned(), ..ProcessIdentity::default() }, &["x"]);
        let world = World::new(os);
        assert_eq!(world.returns("process::list", r#"[{"exe": "/bin/y"}]"#), "[]");
        assert_eq!(world.fails("process::list", r#"[{"exe": "/bin/x"}]"#), Code::Io);
        // Another filter shows that it does not match.
        let known = world.call("process::list", r#"[{"user": "root", "name": "nginx"}]"#).unwrap();
        assert!(matches!(&known, Value::List(known) if known.len() == 1), "{known}");
        let told = world.call("process::get", "[5]").unwrap();
        assert_eq!((told.get("user"), told.get("uid")), (Some(&Value::Null), Some(&Value::Int(1000))));
        let all = world.call("process::signal_all", r#"["HUP", {"user": "root"}]"#).unwrap();
        assert_eq!(all.get("complete"), Some(&false.into()), "{all}");
    }

    #[test]
    fn what_is_hidden_is_not_taken_for_nothing() {
        let world = World::new(MemOs::example().hiding_processes());
        for operation in ["list", "top", "tree"] {
            let operation = format!("process::{operation}");
            assert_eq!(world.fails(&operation, r#"[]"#), Code::Io, "{operation}");
            assert!(world.call(&operation, r#"[{"partial": true}]"#).is_ok(), "{operation}");
        }
        assert_eq!(world.fails("process::get", "[7]"), Code::Io);
        assert_eq!(world.fails("process::wait", "[7]"), Code::Io);
        assert!(world.call("process::get", "[4243]").is_ok());
        for (operation, args) in [("who_uses", r#"["/none"]"#), ("signal_all", r#"["HUP", {"name": "none"}]"#)] {
            let told = world.call(&format!("process::{operation}"), args).unwrap();
            assert_eq!(told.get("complete"), Some(&false.into()), "{told}");
        }
    }
}
