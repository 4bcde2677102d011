//! `rex doctor`

use std::fmt::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rex_core::Reach;
use rex_policy::Policy;
use rex_sdk::host::confine::{ConfinementMode, ConfinementPart, WorkerBounds, confine};
use rex_sdk::host::links_can_be_refused;
use rex_sdk::host::worker::Worker;
use serde::Serialize;

use super::supervise::record;
use super::wire::{ConfinementReport, FrameKind, FrameReader, send};
use crate::args::{Color, DoctorArgs, OutputFormat, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::{check, load, print};

/// Maximum time for the worker that tries everything.
const PATIENCE: Duration = Duration::from_secs(10);
/// The socket of the system bus.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// The result of one check.
#[derive(Serialize)]
struct DoctorCheck {
    name: &'static str,
    state: &'static str,
    why: Option<String>,
    /// The mechanisms in use, where there is a choice.
    by: Vec<String>,
    /// The consequence if it is missing.
    without: &'static str,
    /// The way to get it.
    remedy: Option<&'static str>,
    /// `true` if runs are refused without it.
    required: bool,
}

#[derive(Serialize)]
struct DoctorOutput {
    kernel: String,
    ready: bool,
    checks: Vec<DoctorCheck>,
    /// The names in the policies that lead elsewhere; absent without a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Vec<LinkedName>>,
}

/// A name in a policy that is a link on this host, or below one, so that no request has this name.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct LinkedName {
    name: String,
    leads_to: String,
    /// The policy that names it; `None` for the entities file.
    policy: Option<String>,
}

/// Reports how well this host can confine runs: a worker confines itself to an empty reach and tries what must fail. With policies, also
/// reports which of their names are links here.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<Exit, Stop> {
    let names = if args.policies.is_empty() {
        None
    } else {
        let policies = PolicyArgs { policies: args.policies.clone(), entities: args.entities.clone() };
        match load::policy(&policies)? {
            Ok(policy) => Some(linked(&policy)),
            Err(rejected) => return Ok(check::rejected(&rejected, args.format, Color::Auto)),
        }
    };
    let mut checks = vec![links()];
    checks.extend(confinement()?.parts.into_iter().filter_map(|part| {
        let known = ConfinementPart::named(&part.part)?;
        Some(DoctorCheck {
            by: part.by,
            ..DoctorCheck::new(known.as_str(), part.why, known.without(), known.needs(), true)
        })
    }));
    checks.push(services());
    let ready = checks.iter().all(|check| !check.required || check.state == "OK");
    let kernel = nix::sys::utsname::uname().map_err(|error| Stop::internal(format!("uname: {error}")))?;
    let kernel = format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy());
    let found = DoctorOutput { kernel, ready, checks, links: names };
    print(&match args.format {
        OutputFormat::Json => serde_json::to_string(&found).map_err(|error| Stop::internal(error.to_string()))?,
        OutputFormat::Human => human(&found),
    })?;
    let straight = found.links.as_ref().is_none_or(Vec::is_empty);
    Ok(if ready && straight { Exit::Success } else { Exit::Script })
}

/// Returns the names in a policy that lead elsewhere on this host.
fn linked(policy: &Policy) -> Vec<LinkedName> {
    let mut found: Vec<LinkedName> = Vec::new();
    for (name, policy) in policy.paths() {
        if let Some(leads_to) = target(Path::new(&name)) {
            let linked = LinkedName { name, leads_to, policy: policy.map(|id| id.to_string()) };
            if !found.contains(&linked) {
                found.push(linked);
            }
        }
    }
    found
}

/// Returns where a name leads, if a link is on its way. Missing components stay as they are.
fn target(name: &Path) -> Option<String> {
    let link = name.ancestors().collect::<Vec<_>>().into_iter().rev().find(|above| above.is_symlink())?;
    let rest = name.strip_prefix(link).ok()?;
    let start = link
        .canonicalize()
        .or_else(|_| link.read_link().map(|target| link.parent().unwrap_or(link).join(target)))
        .ok()?;
    let all = start.join(rest);
    let all = if rest.as_os_str().is_empty() { start } else { all.canonicalize().unwrap_or(all) };
    Some(all.to_string_lossy().into_owned())
}

impl DoctorCheck {
    fn new(
        name: &'static str,
        why: Option<String>,
        without: &'static str,
        needs: &'static str,
        required: bool,
    ) -> Self {
        let state = if why.is_none() { "OK" } else { "MISSING" };
        Self { name, state, remedy: why.is_some().then_some(needs), why, by: Vec::new(), without, required }
    }
}

/// Checks that names can be opened without following links.
fn links() -> DoctorCheck {
    let why = links_can_be_refused().err().map(|error| error.to_string());
    let without = "Rex opens no files: a path could lead through a symbolic link to another file";
    DoctorCheck::new(
        "openat2",
        why,
        without,
        "Linux 5.6 or later; in a container, a profile that lets `openat2` through",
        true,
    )
}

/// Checks that there is a service manager.
fn services() -> DoctorCheck {
    let why = UnixStream::connect(SYSTEM_BUS).err().map(|error| format!("`{SYSTEM_BUS}`: {error}"));
    let without = "scripts cannot use services";
    DoctorCheck::new("services", why, without, "systemd and its D-Bus, or another bus with `--bus`", false)
}

/// Returns the confinement that a worker reports.
fn confinement() -> Result<ConfinementReport, Stop> {
    let broken = |error: std::io::Error| Stop::internal(format!("the test worker cannot be started: {error}"));
    let (mut worker, stream) = Worker::start(|stream| {
        let tried = confine(&Reach::default(), &WorkerBounds::default(), ConfinementMode::Available);
        let confinement = tried.unwrap_or_else(|unconfined| unconfined.0);
        let said = serde_json::to_vec(&record(ConfinementMode::Available, None, &confinement)).unwrap_or_default();
        drop(send(&stream, FrameKind::Confined, &said));
    })
    .map_err(broken)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    let (mut frames, start) = (FrameReader::new(1 << 16), Instant::now());
    while start.elapsed() < PATIENCE && frames.fill(&stream).is_ok_and(|more| more) {
        if let Ok(Some((FrameKind::Confined, bytes))) = frames.next() {
            return serde_json::from_slice(&bytes).map_err(|error| Stop::internal(error.to_string()));
        }
    }
    worker.kill();
    let ending = worker.wait().map_err(broken)?;
    Err(Stop::internal(format!("the test worker ended without a report: {ending:?}")))
}

fn human(found: &DoctorOutput) -> String {
    let mut out = format!("{}\n\n", found.kernel);
    // Writing to a string does not fail.
    for check in &found.checks {
        let _ = match (&check.why, check.remedy) {
            (Some(why), Some(remedy)) => writeln!(
                out,
                "{:<10}  MISSING  {why}\n            without it: {}\n            it needs:   {remedy}",
                check.name, check.without
            ),
            _ => writeln!(out, "{:<10}  ok       {}", check.name, check.by.join("\n                     "))
                .map(|()| out.truncate(out.trim_end().len()))
                .and_then(|()| out.write_char('\n')),
        };
    }
    for link in found.links.iter().flatten() {
        let policy =
            link.policy.as_ref().map_or("the entities file".to_owned(), |id| format!("`{}`", id.escape_debug()));
        let _ = writeln!(
            out,
            "\n`{}` in {policy} resolves to `{}` on this host. Requests use the resolved name, so this name matches nothing.",
            link.name.escape_debug(),
            link.leads_to.escape_debug()
        );
    }
    if found.links.as_ref().is_some_and(Vec::is_empty) {
        out += "\nNo path or program in the policies is a link on this host, or below one.\n";
    }
    out += if found.ready {
        "\nRuns are confined on this host.\n"
    } else {
        "\n`rex run` refuses to run scripts on this host. `--confine available` runs them without what is missing.\n"
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_followed_to_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name);
        std::fs::create_dir_all(at("usr/bin")).unwrap();
        std::fs::write(at("usr/bin/ls"), "").unwrap();
        for (link, target) in [("bin", "usr/bin"), ("usr/bin/dir", "ls"), ("gone", "nowhere/at/all")] {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        let leads = |name: &str| target(&at(name));
        let told = |name: &str| Some(at(name).to_string_lossy().into_owned());
        assert_eq!(leads("bin"), told("usr/bin"));
        assert_eq!(leads("bin/ls"), told("usr/bin/ls"));
        assert_eq!(leads("bin/dir"), told("usr/bin/ls"), "a link behind a link");
        assert_eq!(leads("bin/not/there"), told("usr/bin/not/there"));
        assert_eq!(leads("gone/x"), told("nowhere/at/all/x"));
        for straight in ["usr", "usr/bin/ls", "usr/not/there"] {
            assert_eq!(leads(straight), None, "{straight}");
        }
        let policy = format!(
            "@id(\"p\") permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"{0}/bin\") when {{ resource.path like \"{0}/bin/x*\" }};",
            base.display()
        );
        let sources = [rex_policy::SourceText::new("p.cedar", policy)];
        let vocabulary = rex_policy::Vocabulary::rex();
        let policy = Policy::compile(&vocabulary, &sources, None, &rex_policy::PolicyLimits::default()).unwrap();
        let found = linked(&policy);
        assert_eq!(
            (found.len(), &*found[0].leads_to, found[0].policy.as_deref()),
            (1, &*told("usr/bin").unwrap(), Some("p"))
        );
    }
}
