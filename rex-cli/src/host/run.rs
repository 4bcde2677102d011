//! `rex run`

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::stat::{self, umask};
use rex_core::{AbsPath, Authorize, Code, Journal, Limits, Subject, Value};
use rex_engine::plan::PlanStep;
use rex_engine::{Builder, Engine, Input, PinnedPolicy, Report, RunStats};
use rex_policy::{Policy, RejectedPolicy, SourceText};
use rex_sdk::host::HostOptions;
use rex_sdk::host::cgroup::ControlGroup;
use rex_sdk::host::confine::ConfinementMode;
use rex_sdk::host::worker::Worker;
use rex_sdk::{HostOs, Os};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::guard::{RunSignals, SignalGuard, ended_by};
use super::journal::{JournalFile, KeyPath};
use super::report::RunReport;
use super::watch::{RunWatch, WatchedJournal};
use super::wire::ConfinementReport;
use super::{inputs, plan, supervise};
use crate::args::{Color, CountArgs, Durability, OutputFormat, RunArgs, RunCommand};
use crate::exit::{Exit, Stop};
use crate::load::PolicySources;
use crate::{Decide, check, complain, draw, load, print};

/// All inputs of a run.
pub(crate) struct RunJob {
    pub(crate) run_id: String,
    pub(crate) purpose: RunPurpose,
    pub(crate) script: SourceText,
    pub(crate) policies: Arc<PolicySources>,
    pub(crate) subject: Subject,
    pub(crate) args: BTreeMap<String, Value>,
    pub(crate) base: AbsPath,
    pub(crate) limits: Limits,
    pub(crate) host: HostOptions,
    pub(crate) journal: Option<Arc<JournalFile>>,
    pub(crate) watch: Option<Arc<RunWatch>>,
    pub(crate) key: Option<KeyPath>,
    pub(crate) group: Option<ControlGroup>,
    pub(crate) mode: ConfinementMode,
    pub(crate) decide: Decide,
    /// `true` once the run must stop.
    pub(crate) cancel: Arc<AtomicBool>,
    /// The handlers that end a process at its second signal. A worker, which may get each twice, removes them.
    pub(crate) at_second: Vec<SigId>,
}

impl RunJob {
    /// Returns whether the records of the run are needed.
    pub(crate) fn is_recorded(&self) -> bool {
        self.journal.is_some() || self.watch.is_some() || matches!(self.purpose, RunPurpose::Held(_))
    }

    /// Returns the steps that the run must follow.
    pub(crate) fn steps(&self) -> Option<&[PlanStep]> {
        match &self.purpose {
            RunPurpose::Held(plan) => Some(&plan.steps),
            _ => None,
        }
    }

    /// Returns whether the run is only planned.
    pub(crate) fn is_plan(&self) -> bool {
        matches!(self.purpose, RunPurpose::Plan { .. })
    }

    /// Exports the run to a collector, if there is one.
    fn export(&self, told: &RunReport, exit: Exit) {
        #[cfg(feature = "otel")]
        self.watch.iter().for_each(|watch| watch.export(self, told, exit));
        #[cfg(not(feature = "otel"))]
        let _ = (told, exit);
    }

    /// Gives the journal its key, if there is one.
    pub(crate) fn sign_with_key(&self) -> Result<(), Stop> {
        match (&self.key, &self.journal) {
            (Some(key), Some(journal)) => key.load().map(|key| journal.sign_with(key)),
            _ => Ok(()),
        }
    }

    /// Signs the journal and syncs it to disk, before the run is reported.
    pub(crate) fn finish_journal(&self, told: RunReport) -> RunReport {
        match self.journal.as_ref().map(|journal| journal.finish()) {
            Some(Err(error)) => {
                let message = format!("the journal cannot be written: {error}");
                if told.result() == Code::Cancelled.as_str() {
                    return told.with_help(&message);
                }
                RunReport {
                    output: told.output,
                    ..RunReport::failed(&self.run_id, Code::JournalFailed, message, told.stats)
                }
            }
            _ => told,
        }
    }
}

/// The purpose of a run.
pub(crate) enum RunPurpose {
    /// A run of the script.
    Run,
    /// A plan of the run: effects are recorded, not performed.
    Plan { keep_going: bool },
    /// A run that must follow this plan.
    Held(Box<rex_engine::Plan>),
}

/// The inputs of a run from the command line, read once.
pub(crate) struct RunStart<'a> {
    args: &'a RunArgs,
    pub(crate) color: Color,
    decide: Decide,
    script: SourceText,
    arguments: BTreeMap<String, Value>,
    base: AbsPath,
    limits: Limits,
    policies: Arc<PolicySources>,
    subject: Subject,
    signals: RunSignals,
    /// The guard that ends the command if the run does not end.
    guard: RefCell<Option<SignalGuard>>,
}

impl<'a> RunStart<'a> {
    pub(crate) fn new(args: &'a RunArgs, color: Color, decide: Decide) -> Result<Self, Stop> {
        let of_journal = [
            ("--durability", args.durability != Durability::Batch),
            ("--journal-rotate", args.journal_rotate.is_some()),
            ("--checkpoint-key", args.checkpoint_key.is_some()),
        ];
        if let (None, Some((option, _))) = (&args.journal, of_journal.iter().find(|(_, given)| *given)) {
            return Err(Stop::usage(format!("`{option}` needs a journal, but none is set"))
                .with_help("set one with `--journal FILE`, REX_JOURNAL, or `journal = \"..\"` in a `rex.toml`"));
        }
        let script = load::script_in(args.folder.as_deref(), args.script.as_deref(), args.code.as_deref())?;
        let subject = Subject {
            principal: inputs::principal(args.principal.as_deref())?,
            script: rex_engine::script_sha256(&script.text),
            tags: args.tags.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        };
        Ok(Self {
            args,
            color,
            decide,
            script,
            arguments: inputs::arguments(args.args.as_deref(), &args.arg)?,
            base: inputs::base(args.base.as_deref())?,
            limits: inputs::limits(&args.limits, args.timeout.as_deref())?,
            policies: Arc::new(load::policies(&args.policy)?),
            subject,
            // Until now, signals have their default effect.
            signals: RunSignals::new()?,
            guard: RefCell::default(),
        })
    }

    /// Runs the script. Returns the job, too.
    pub(crate) fn go(&self, purpose: RunPurpose, counted: Option<&CountArgs>) -> Result<(RunResult, RunJob), Stop> {
        let args = self.args;
        // The worker must be started before any thread.
        drop(self.guard.take());
        let mut run_id = rex_engine::random_id();
        if matches!(purpose, RunPurpose::Plan { .. }) {
            run_id.insert_str(0, "plan-");
        }
        let open = |path| {
            let rotation = args.journal_rotate.unwrap_or_default();
            JournalFile::open(path, args.durability, rotation, &run_id, &self.subject.principal.to_string())
        };
        let journal = match args.journal.as_deref().map(open).transpose() {
            // Another process keeps it locked, and a stopped run does not wait for that.
            Err(_) if self.is_told_to_stop() => None,
            journal => journal?.map(Arc::new),
        };
        let stopped = self.is_told_to_stop();
        let key = args.checkpoint_key.as_deref().map(KeyPath::find).transpose()?;
        let host = HostOptions {
            deny_hard_links: args.deny_hard_links,
            bus: inputs::bus(args.bus.as_deref())?,
            journal: journal.as_ref().map(|journal| journal.files()).transpose()?.flatten(),
            // The variable of OpenSSL.
            authorities: std::env::var_os("SSL_CERT_FILE").map(Into::into),
        };
        let mode = args.confine.into();
        let group = if mode == ConfinementMode::Off { None } else { supervise::group(&run_id, &self.limits, mode)? };
        let job = RunJob {
            run_id,
            purpose,
            script: self.script.clone(),
            policies: self.policies.clone(),
            subject: self.subject.clone(),
            args: self.arguments.clone(),
            base: self.base.clone(),
            limits: self.limits,
            host,
            journal,
            watch: RunWatch::new(args.progress, counted)?.map(Arc::new),
            key,
            group,
            mode,
            decide: self.decide,
            cancel: self.signals.cancel.clone(),
            at_second: self.signals.at_second.clone(),
        };
        if stopped {
            let told = RunReport::failed(
                &job.run_id,
                Code::Cancelled,
                "the run was asked to stop before it began",
                RunStats::default(),
            );
            return Ok((RunResult::Told(Box::new(told), Vec::new()), job));
        }
        let warn = |policy: &Policy| policy.warnings().iter().for_each(|warning| draw::finding(self.color, warning));
        let ran = if mode == ConfinementMode::Off {
            self.keep_guard(&job.run_id)?;
            unconfined(&job, warn)?
        } else {
            supervise::run(&job, || self.keep_guard(&job.run_id), warn)?
        };
        if let RunResult::Told(told, _) = &ran {
            job.watch.iter().for_each(|watch| watch.finish(told));
        }
        Ok((ran, job))
    }

    fn is_told_to_stop(&self) -> bool {
        self.signals.cancel.load(Ordering::Relaxed)
    }

    /// Starts the guard: it ends a run that does not stop, with a report.
    fn keep_guard(&self, run_id: &str) -> Result<(), Stop> {
        let (signal, done) = (self.signals.signal.clone(), self.signals.done.clone());
        let (script, format, color) = (self.script.clone(), self.args.format, self.color);
        let told = RunReport::failed(run_id, Code::Cancelled, LATE, RunStats::default()).with_help(LATE_HELP);
        let report = move || {
            // If a report is being printed, nobody reads it.
            if !done.load(Ordering::Relaxed) {
                let _ = show(&told, &script, format, color);
            }
        };
        let guard = SignalGuard::new(&[SIGINT, SIGTERM], move || ended_by(&signal).code(), report)
            .map_err(|error| Stop::internal(format!("signals cannot be waited for: {error}")))?;
        self.guard.replace(Some(guard));
        Ok(())
    }

    /// Makes signals end the command at once again.
    pub(crate) fn end(&self) {
        self.signals.done.store(true, Ordering::Relaxed);
    }

    /// Prints a report; returns how the command ends.
    pub(crate) fn show(&self, told: &RunReport) -> Result<Exit, Stop> {
        show(told, &self.script, self.args.format, self.color)?;
        Ok(self.exit(told))
    }

    /// Returns how the command ends after this report.
    pub(crate) fn exit(&self, told: &RunReport) -> Exit {
        match ended_by(&self.signals.signal) {
            Exit::Signal(signal) => told.exit(signal),
            other => other,
        }
    }

    pub(crate) fn rejected(&self, rejected: &RejectedPolicy) -> Exit {
        check::rejected(rejected, self.args.format, self.color)
    }
}

/// The error of a run that the guard has ended.
const LATE: &str = "the run was asked to stop, but something kept it from ending";
const LATE_HELP: &str = "likely causes: a journal that another process keeps locked, a pipe that nobody reads, or a file system that does not respond";

/// Runs a script and prints its report.
pub(crate) fn run(command: &RunCommand, color: Color, decide: Decide) -> Result<Exit, Stop> {
    let start = RunStart::new(&command.run, color, decide)?;
    let purpose = match &command.plan {
        None => RunPurpose::Run,
        Some(given) => match plan::again(given, &start)? {
            Ok(plan) => RunPurpose::Held(Box::new(plan)),
            Err(rejected) => return Ok(start.rejected(&rejected)),
        },
    };
    let (ran, job) = start.go(purpose, Some(&command.counted))?;
    start.end();
    match &ran {
        RunResult::Rejected(rejected) => Ok(start.rejected(rejected)),
        RunResult::Told(told, processes) => {
            let shown = start.show(told);
            job.export(told, start.exit(told));
            // They are waited for when they are dropped. Killed together, they end at the same time.
            processes.iter().for_each(Worker::kill);
            shown
        }
    }
}

/// The result of a run.
pub(crate) enum RunResult {
    /// The report, and the processes of the run.
    Told(Box<RunReport>, Vec<Worker>),
    /// The policies are rejected.
    Rejected(RejectedPolicy),
}

/// Runs the script in this process.
fn unconfined(job: &RunJob, warn: impl Fn(&Policy)) -> Result<RunResult, Stop> {
    let policy = match job.policies.compile() {
        Ok(policy) => policy,
        Err(rejected) => return Ok(RunResult::Rejected(rejected)),
    };
    warn(&policy);
    job.sign_with_key()?;
    // As in a worker: others cannot write to new files, whatever the umask of the user is.
    let own = umask(stat::Mode::empty());
    umask(own | stat::Mode::S_IWGRP | stat::Mode::S_IWOTH);
    let journal = match (&job.journal, &job.watch) {
        (journal, Some(watch)) => {
            watch.begin();
            Some(Arc::new(WatchedJournal { journal: journal.clone(), watch: watch.clone() }) as Arc<dyn Journal>)
        }
        (journal, None) => journal.clone().map(|file| file as Arc<dyn Journal>),
    };
    let os = HostOs::new(job.host.clone()).with_programs(policy.reach(Some(&job.subject.principal)));
    let told = told(job, policy, os, journal, |builder| builder)?;
    let confinement =
        Some(ConfinementReport { mode: job.mode.as_str().to_owned(), group: None, landlock: None, parts: Vec::new() });
    let told = job.finish_journal(told);
    Ok(RunResult::Told(Box::new(RunReport { confinement, ..told }), Vec::new()))
}

/// Runs or plans the script in this process.
pub(crate) fn told(
    job: &RunJob,
    policy: Policy,
    os: HostOs,
    journal: Option<Arc<dyn Journal>>,
    more: impl FnOnce(Builder) -> Builder,
) -> Result<RunReport, Stop> {
    let reach = job.is_plan().then(|| policy.reach(Some(&job.subject.principal)));
    let policy = (job.decide)(policy);
    let policy = match &job.purpose {
        RunPurpose::Plan { keep_going } => {
            return plan::told(job, (policy, reach.unwrap_or_default()), os, *keep_going, journal, more);
        }
        RunPurpose::Held(plan) => Arc::new(PinnedPolicy::new(policy, plan)),
        RunPurpose::Run => policy,
    };
    RunReport::new(&execute(job, policy, Arc::new(os), journal, more)?)
}

/// Runs the script on a system.
pub(crate) fn execute(
    job: &RunJob,
    authorize: Arc<dyn Authorize>,
    os: Arc<dyn Os>,
    journal: Option<Arc<dyn Journal>>,
    more: impl FnOnce(Builder) -> Builder,
) -> Result<Report, Stop> {
    let mut builder = Engine::builder(os).limits(job.limits);
    if let Some(journal) = journal {
        builder = builder.journal(journal);
    }
    let engine = more(builder).build().map_err(|error| Stop::internal(error.to_string()))?;
    let input = Input {
        principal: job.subject.principal.clone(),
        authorize,
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

pub(crate) fn show(told: &RunReport, script: &SourceText, format: OutputFormat, color: Color) -> Result<(), Stop> {
    let unprintable = |error: serde_json::Error| Stop::internal(error.to_string());
    if format == OutputFormat::Json {
        return print(&serde_json::to_string(told).map_err(unprintable)?);
    }
    for line in &told.output {
        print(&draw::visible(line))?;
    }
    for warning in &told.warnings {
        draw::warning(color, warning, script);
    }
    if let Some(error) = &told.error {
        draw::failure(color, error, script);
        let stats = &told.stats;
        complain(&format!(
            "  run {}: {}, {}, {} denied",
            draw::visible(&told.run_id),
            draw::count(stats.operations, "operation"),
            draw::count(stats.decisions, "decision"),
            stats.denied
        ));
        return Ok(());
    }
    if let Some(incomplete) = told.incomplete() {
        complain(&format!("warning: {} (`--format json` lists them)", draw::visible(&incomplete)));
    }
    match &told.value {
        serde_json::Value::Null => Ok(()),
        serde_json::Value::String(text) => print(&draw::visible(text)),
        value => print(&draw::visible(&serde_json::to_string_pretty(value).map_err(unprintable)?)),
    }
}
