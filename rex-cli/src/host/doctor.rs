//! `rex doctor`

use std::fmt::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rex_core::Reach;
use rex_sdk::host::confine::{Bounds, Mode, Part, confine};
use rex_sdk::host::links_can_be_refused;
use rex_sdk::host::worker::Worker;
use serde::Serialize;

use super::supervise::record;
use super::wire::{Confined, Frames, Kind, send};
use crate::args::Format;
use crate::exit::{Exit, Stop};
use crate::print;

/// How long the worker that tries everything out may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the system bus listens.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    state: &'static str,
    why: Option<String>,
    /// What it means to go without.
    without: &'static str,
    /// What to do about it.
    remedy: Option<&'static str>,
    /// Whether runs are refused without it.
    required: bool,
}

#[derive(Serialize)]
struct Found {
    kernel: String,
    ready: bool,
    checks: Vec<Check>,
}

/// Says how well this host can confine runs: a worker confines itself to nothing, and tries what must not work.
pub(crate) fn doctor(format: Format) -> Result<Exit, Stop> {
    let mut checks = vec![links()];
    checks.extend(confinement()?.parts.into_iter().filter_map(|part| {
        let known = Part::named(&part.part)?;
        Some(Check::new(known.as_str(), part.why, known.without(), known.needs(), true))
    }));
    checks.push(services());
    let ready = checks.iter().all(|check| !check.required || check.state == "OK");
    let kernel = nix::sys::utsname::uname().map_err(|error| Stop::internal(format!("uname: {error}")))?;
    let kernel = format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy());
    let found = Found { kernel, ready, checks };
    print(&match format {
        Format::Json => serde_json::to_string(&found).map_err(|error| Stop::internal(error.to_string()))?,
        Format::Human => human(&found),
    })?;
    Ok(if ready { Exit::Success } else { Exit::Script })
}

impl Check {
    fn new(
        name: &'static str,
        why: Option<String>,
        without: &'static str,
        needs: &'static str,
        required: bool,
    ) -> Self {
        let state = if why.is_none() { "OK" } else { "MISSING" };
        Self { name, state, remedy: why.is_some().then_some(needs), why, without, required }
    }
}

/// Whether names can be opened without following links.
fn links() -> Check {
    let why = links_can_be_refused().err().map(|error| error.to_string());
    let without = "no file is opened at all: a name could lead through a symbolic link to a file of another name";
    Check::new(
        "openat2",
        why,
        without,
        "Linux 5.6 or later; in a container, a profile that lets `openat2` through",
        true,
    )
}

/// Whether there is a service manager to ask.
fn services() -> Check {
    let why = UnixStream::connect(SYSTEM_BUS).err().map(|error| format!("`{SYSTEM_BUS}`: {error}"));
    let without = "scripts can do nothing about services";
    Check::new("services", why, without, "systemd and its D-Bus, or another bus with `--bus`", false)
}

/// What a worker finds out about itself.
fn confinement() -> Result<Confined, Stop> {
    let broken = |error: std::io::Error| Stop::internal(format!("no worker to try it with: {error}"));
    let (mut worker, stream) = Worker::start(|stream| {
        let tried = confine(&Reach::default(), &Bounds::default(), Mode::Available);
        let confinement = tried.unwrap_or_else(|unconfined| unconfined.0);
        let said = serde_json::to_vec(&record(Mode::Available, None, &confinement)).unwrap_or_default();
        drop(send(&stream, Kind::Confined, &said));
    })
    .map_err(broken)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    let (mut frames, start) = (Frames::new(1 << 16), Instant::now());
    while start.elapsed() < PATIENCE && frames.fill(&stream).is_ok_and(|more| more) {
        if let Ok(Some((Kind::Confined, bytes))) = frames.next() {
            return serde_json::from_slice(&bytes).map_err(|error| Stop::internal(error.to_string()));
        }
    }
    worker.kill();
    let ending = worker.wait().map_err(broken)?;
    Err(Stop::internal(format!("the worker that tries it ended without a word: {ending:?}")))
}

fn human(found: &Found) -> String {
    let mut out = format!("{}\n\n", found.kernel);
    // Writing to a string does not fail.
    for check in &found.checks {
        let _ = match (&check.why, check.remedy) {
            (Some(why), Some(remedy)) => writeln!(
                out,
                "{:<10}  MISSING  {why}\n            without it: {}\n            it needs:   {remedy}",
                check.name, check.without
            ),
            _ => writeln!(out, "{:<10}  ok", check.name),
        };
    }
    out += if found.ready {
        "\nRuns are confined on this host.\n"
    } else {
        "\n`rex run` refuses to run here, unless it is told to go without what is missing: `--confine available`.\n"
    };
    out
}
