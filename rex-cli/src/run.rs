//! `rex run`

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rex_core::{AbsPath, Code, Journal, Limits, Principal, Subject, Value};
use rex_engine::{Builder, Engine, Input, Report};
use rex_policy::{Policy, Rejected, Source};
use rex_sdk::HostOs;
use rex_sdk::host::cgroup::Group;
use rex_sdk::host::confine::Mode;
use rex_sdk::host::worker::Worker;
use rex_sdk::host::{Bus, HostOptions};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::{Color, Format, RunArgs};
use crate::exit::{Exit, Stop};
use crate::journal::{JournalFile, Key};
use crate::load::Policies;
use crate::told::Told;
use crate::watch::{Watch, Watched};
use crate::wire::Confined;
use crate::{Decide, check, complain, draw, load, print, supervise};

/// Everything that a run is made of, before it begins.
pub(crate) struct Job {
    pub(crate) run_id: String,
    pub(crate) script: Source,
    pub(crate) policies: Arc<Policies>,
    pub(crate) subject: Subject,
    pub(crate) args: BTreeMap<String, Value>,
    pub(crate) base: AbsPath,
    pub(crate) limits: Limits,
    pub(crate) host: HostOptions,
    pub(crate) journal: Option<Arc<JournalFile>>,
    pub(crate) watch: Option<Arc<Watch>>,
    pub(crate) key: Option<Key>,
    pub(crate) group: Option<Group>,
    pub(crate) mode: Mode,
    pub(crate) decide: Decide,
    /// Set when the run is told to stop.
    pub(crate) cancel: Arc<AtomicBool>,
    /// The number of the signal that came last.
    pub(crate) signal: Arc<AtomicUsize>,
}

impl Job {
    /// Whether anybody wants the records of the run.
    pub(crate) fn is_recorded(&self) -> bool {
        self.journal.is_some() || self.watch.is_some()
    }

    /// Gives the journal the key, if there is one.
    pub(crate) fn sign_with_key(&self) -> Result<(), Stop> {
        match (&self.key, &self.journal) {
            (Some(key), Some(journal)) => key.load().map(|key| journal.sign_with(key)),
            _ => Ok(()),
        }
    }

    /// Signs the journal, and has it on the disk, before anybody is told about the run.
    pub(crate) fn finish_journal(&self, told: Told) -> Told {
        match self.journal.as_ref().map(|journal| journal.finish()) {
            Some(Err(error)) => {
                let message = format!("the journal cannot be written: {error}");
                Told { output: told.output, ..Told::failed(&self.run_id, Code::JournalFailed, message, told.stats) }
            }
            _ => told,
        }
    }
}

/// Runs a script and prints its report.
pub(crate) fn run(args: &RunArgs, color: Color, decide: Decide) -> Result<Exit, Stop> {
    let script = load::script(args.script.as_deref(), args.code.as_deref())?;
    let principal = principal(args.principal.as_deref())?;
    let arguments = load::arguments(args.args.as_deref(), &args.arg)?;
    let base = base(args.base.as_deref())?;
    let limits = limits(&args.limits)?;
    let run_id = rex_engine::random_id();
    let journal = args.journal.as_deref();
    let open = |path| {
        let rotation = args.journal_rotate.unwrap_or_default();
        JournalFile::open(path, args.durability, rotation, &run_id, &principal.to_string())
    };
    let journal = journal.map(open).transpose()?.map(Arc::new);
    let key = args.checkpoint_key.as_deref().map(Key::find).transpose()?;
    let host = HostOptions {
        deny_hard_links: args.deny_hard_links,
        bus: bus(&args.bus)?,
        journal: journal.as_ref().map(|journal| journal.files()).transpose()?.flatten(),
        // As OpenSSL has it.
        authorities: std::env::var_os("SSL_CERT_FILE").map(Into::into),
    };
    let policies = Arc::new(load::policies(&args.policy)?);
    let subject = Subject {
        principal,
        script: rex_engine::script_sha256(&script.text),
        tags: args.tags.iter().map(|(key, value)| format!("{key}={value}")).collect(),
    };
    // Until now, and after the run, a signal ends the command as it ends others.
    let Signals { cancel, signal, done } = signals()?;
    let mode = args.confine.into();
    let group = if mode == Mode::Off { None } else { supervise::group(&run_id, &limits, mode)? };
    let job = Job {
        run_id,
        script,
        policies,
        subject,
        args: arguments,
        base,
        limits,
        host,
        journal,
        watch: Watch::new(args.metrics.as_deref(), args.progress).map(Arc::new),
        key,
        group,
        mode,
        decide,
        cancel,
        signal,
    };
    let warn = |policy: &Policy| policy.warnings().iter().for_each(|warning| draw::finding(color, warning));
    let ran = if mode == Mode::Off { unconfined(&job, warn)? } else { supervise::run(&job, warn)? };
    done.store(true, Ordering::Relaxed);
    match &ran {
        Ran::Rejected(rejected) => Ok(check::rejected(rejected, args.format, color)),
        // A worker that is not needed any more is waited for after this.
        Ran::Told(told, _worker) => {
            job.watch.iter().for_each(|watch| watch.finish(told));
            show(told, &job.script, args.format, color)?;
            Ok(told.exit(u8::try_from(job.signal.load(Ordering::Relaxed)).unwrap_or(0)))
        }
    }
}

/// What came of a run.
pub(crate) enum Ran {
    Told(Box<Told>, Option<Worker>),
    /// It did not begin.
    Rejected(Rejected),
}

/// Runs the script in this process.
fn unconfined(job: &Job, warn: impl Fn(&Policy)) -> Result<Ran, Stop> {
    let policy = match job.policies.compile() {
        Ok(policy) => policy,
        Err(rejected) => return Ok(Ran::Rejected(rejected)),
    };
    warn(&policy);
    job.sign_with_key()?;
    let journal = match (&job.journal, &job.watch) {
        (journal, Some(watch)) => {
            watch.begin();
            Some(Arc::new(Watched { journal: journal.clone(), watch: watch.clone() }) as Arc<dyn Journal>)
        }
        (journal, None) => journal.clone().map(|file| file as Arc<dyn Journal>),
    };
    let os = HostOs::new(job.host.clone()).with_programs(policy.reach(Some(&job.subject.principal)));
    let report = execute(job, policy, os, journal, |builder| builder)?;
    let confinement = Some(Confined { mode: job.mode.as_str().to_owned(), group: None, parts: Vec::new() });
    let told = job.finish_journal(Told::new(&report)?);
    Ok(Ran::Told(Box::new(Told { confinement, ..told }), None))
}

/// Runs the script here and now.
pub(crate) fn execute(
    job: &Job,
    policy: Policy,
    os: HostOs,
    journal: Option<Arc<dyn Journal>>,
    more: impl FnOnce(Builder) -> Builder,
) -> Result<Report, Stop> {
    let mut builder = Engine::builder(Arc::new(os)).limits(job.limits);
    if let Some(journal) = journal {
        builder = builder.journal(journal);
    }
    let engine = more(builder).build().map_err(|error| Stop::internal(error.to_string()))?;
    let input = Input {
        principal: job.subject.principal.clone(),
        authorize: (job.decide)(policy),
        tags: job.subject.tags.clone(),
        args: job.args.clone(),
        base: job.base.clone(),
        run_id: job.run_id.clone(),
        cancel: job.cancel.clone(),
    };
    let report = engine.run(&job.script.text, input);
    // The process ends next, which frees everything at once.
    std::mem::forget(engine);
    Ok(report)
}

fn show(told: &Told, script: &Source, format: Format, color: Color) -> Result<(), Stop> {
    let unprintable = |error: serde_json::Error| Stop::internal(error.to_string());
    if format == Format::Json {
        return print(&serde_json::to_string(told).map_err(unprintable)?);
    }
    for line in &told.output {
        print(&draw::visible(line))?;
    }
    if let Some(error) = &told.error {
        draw::failure(color, error, script);
        let stats = &told.stats;
        complain(&format!(
            "  run {}: {} operations, {} decisions, {} denied",
            draw::visible(&told.run_id),
            stats.operations,
            stats.decisions,
            stats.denied
        ));
        return Ok(());
    }
    match &told.value {
        serde_json::Value::Null => Ok(()),
        serde_json::Value::String(text) => print(&draw::visible(text)),
        value => print(&draw::visible(&serde_json::to_string_pretty(value).map_err(unprintable)?)),
    }
}

/// What signals do to a run.
#[derive(Default)]
struct Signals {
    /// Set by the first.
    cancel: Arc<AtomicBool>,
    /// The number of the last.
    signal: Arc<AtomicUsize>,
    /// Once this is set, signals do again what they do by default.
    done: Arc<AtomicBool>,
}

/// SIGINT and SIGTERM tell the run to stop; a second one ends the process at once.
fn signals() -> Result<Signals, Stop> {
    let signals = Signals::default();
    for signal in [SIGINT, SIGTERM] {
        let exit = 128 | signal;
        let value = usize::try_from(signal).unwrap_or(0);
        signal_hook::flag::register_conditional_default(signal, signals.done.clone())
            .and_then(|_| signal_hook::flag::register_conditional_shutdown(signal, exit, signals.cancel.clone()))
            .and_then(|_| signal_hook::flag::register_usize(signal, signals.signal.clone(), value))
            .and_then(|_| signal_hook::flag::register(signal, signals.cancel.clone()))
            .map_err(|error| Stop::internal(format!("signals cannot be handled: {error}")))?;
    }
    Ok(signals)
}

fn principal(given: Option<&str>) -> Result<Principal, Stop> {
    if let Some(text) = given {
        return load::principal(text);
    }
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    Ok(Principal::user(&user.map_or_else(|| uid.to_string(), |user| user.name)))
}

fn base(given: Option<&Path>) -> Result<AbsPath, Stop> {
    let current = std::env::current_dir().map_err(|error| Stop::usage(format!("no current directory: {error}")))?;
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| Stop::usage(format!("`{}` is not UTF-8", path.display())))
    };
    let bad = |error: rex_core::PathError| Stop::usage(error.to_string());
    let current = AbsPath::parse(&text(&current)?).map_err(bad)?;
    given.map_or(Ok(current.clone()), |path| current.resolve(&text(path)?).map_err(bad))
}

fn limits(given: &[(String, String)]) -> Result<Limits, Stop> {
    let mut limits = Limits::default();
    for (name, value) in given {
        let number = value
            .replace('_', "")
            .parse()
            .map_err(|_| Stop::usage(format!("the limit `{name}` takes a whole number, `{value}` came")))?;
        limits.set(name, number).map_err(|error| {
            let stop = Stop::usage(error.message);
            error.help.into_iter().fold(stop, Stop::with_help)
        })?;
    }
    Ok(limits)
}

fn bus(given: &str) -> Result<Bus, Stop> {
    match given {
        "system" => Ok(Bus::System),
        "user" => match std::env::var("DBUS_SESSION_BUS_ADDRESS") {
            Ok(address) if !address.is_empty() => Ok(Bus::Address(address)),
            _ => {
                let dir = std::env::var("XDG_RUNTIME_DIR").map_err(|_| {
                    Stop::usage("there is no user bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
                })?;
                Ok(Bus::Address(format!("unix:path={dir}/bus")))
            }
        },
        address if address.contains(':') => Ok(Bus::Address(address.to_owned())),
        other => Err(Stop::usage(format!("`{other}` is not a bus: `system`, `user` or an address is taken"))),
    }
}
