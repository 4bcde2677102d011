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
use rex_core::process::Process;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Grant, Value};

use crate::os::ProcessStatus;
use crate::{Args, Kind, Literal, OsError, Param, Session};

/// The number of a process.
const PID: Param = Param::required("pid", Kind::Count, "The number of the process.");

/// Which processes are meant.
const FILTERS: [Param; 4] = [
    Param::option("name", Kind::Text, Literal::Null, "Only those of this name."),
    Param::option("exe", Kind::Text, Literal::Null, "Only those that run the program of this path."),
    Param::option("user", Kind::Text, Literal::Null, "Only those of this user."),
    Param::option("unit", Kind::Text, Literal::Null, "Only those of this unit, `nginx.service`."),
];

/// A process, as a script sees it.
fn describe(status: &ProcessStatus) -> BTreeMap<String, Value> {
    let identity = status.process.identity();
    let entries: [(&str, Value); 14] = [
        ("pid", Value::count(status.process.pid())),
        ("parent", Value::count(status.parent)),
        ("name", identity.name.as_str().into()),
        ("exe", identity.exe.as_str().into()),
        ("user", identity.user.as_str().into()),
        ("unit", identity.unit.as_str().into()),
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

/// Every process that runs; with an interval, with what it uses of the processors.
pub(super) fn all(session: &Session<'_>, interval_ms: Option<u64>) -> Result<Vec<ProcessStatus>, Error> {
    let grant = session.permit(process::List {}, Host)?;
    session.os.processes(grant, None, interval_ms, session.run.budget()).map_err(|error| error.about(&Host))
}

/// The process of a number.
fn one(session: &Session<'_>, args: &Args) -> Result<ProcessStatus, Error> {
    let number = args.count("pid")?;
    let grant = session.permit(process::List {}, Host)?;
    let missing = || Error::new(Code::NotFound, format!("there is no process {number}"));
    let pid = u32::try_from(number).map_err(|_| missing())?;
    let found = session.os.processes(grant, Some(pid), None, session.run.budget());
    found.map_err(|error| error.about(&Host))?.pop().ok_or_else(missing)
}

/// Those that a call means, by its options.
fn meant(args: &Args, all: Vec<ProcessStatus>) -> Result<Vec<ProcessStatus>, Error> {
    let (name, exe) = (args.text_option("name")?, args.text_option("exe")?);
    let (user, unit) = (args.text_option("user")?, args.text_option("unit")?);
    let fits = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
    let meant = |status: &ProcessStatus| {
        let identity = status.process.identity();
        fits(name, &identity.name)
            && fits(exe, &identity.exe)
            && fits(user, &identity.user)
            && fits(unit, &identity.unit)
    };
    Ok(all.into_iter().filter(meant).collect())
}

/// Asks for an action on a process and does it.
fn act<A: Action<Resource = Process>, T>(
    session: &Session<'_>,
    action: A,
    process: &Process,
    act: impl FnOnce(Grant<A>) -> Result<T, OsError>,
) -> Result<T, Error> {
    let grant = session.permit(action, process.clone())?;
    act(grant).map_err(|error| error.about(process))
}

/// A signal by the name that policies see: `TERM`, whether it came as that, as `sigterm`, or with blanks.
fn signal_name(text: &str) -> Result<String, Error> {
    use rex_core::process::SIGNALS;
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if SIGNALS.contains(&name) {
        return Ok(name.to_owned());
    }
    let message = format!("`{}` is not the name of a signal that Rex sends", text.escape_debug());
    Err(Error::validation(message).with_help(format!("there are: {}", SIGNALS.join(", "))))
}
