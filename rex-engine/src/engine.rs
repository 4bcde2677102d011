//! An engine: built once, run often.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rex_core::limits::{exceeded, exhausted};
use rex_core::{AbsPath, Authorize, Bond, Code, Error, MemoryJournal, Principal, Run, Subject, Value};
use rex_sdk::Os;
use rhai::{Dynamic, Scope};
use sha2::{Digest, Sha256};

use crate::active::ActiveRun;
use crate::builder::Builder;
use crate::convert::{to_dynamic, to_value};
use crate::failure;
use crate::memory::Meter;
use crate::random_id;
use crate::report::{DeniedRequests, Failure, Report, RunStats};
use crate::script::{CheckedScript, FunctionNames};
use crate::values::lines::collected;
use crate::worker::{JobThread, JobThreads, soon};

/// Time that a run may continue after its deadline or its cancellation before it is left behind.
const GRACE: Duration = Duration::from_millis(400);
/// Number of runs left behind from which on no other is started.
const LEFT_BEHIND: usize = 16;
/// Interval at which the caller of a run checks whether it must stop.
const POLL: Duration = Duration::from_millis(50);

/// The input of one run.
#[derive(Clone)]
pub struct Input {
    /// The principal on whose behalf the script runs.
    pub principal: Principal,
    /// The policy that decides.
    pub authorize: Arc<dyn Authorize>,
    /// The operator's `key=value` strings.
    pub tags: Vec<String>,
    /// The value of `args` in the script.
    pub args: BTreeMap<String, Value>,
    /// The directory that relative paths start from.
    pub base: AbsPath,
    /// The id of the run in the journal; a random one if empty.
    pub run_id: String,
    /// A flag that stops the run when set.
    pub cancel: Arc<AtomicBool>,
}

impl Input {
    /// Returns an input without tags and arguments, whose paths are relative to the root directory.
    #[must_use]
    pub fn new(principal: Principal, authorize: Arc<dyn Authorize>) -> Self {
        Self {
            principal,
            authorize,
            tags: Vec::new(),
            args: BTreeMap::new(),
            base: AbsPath::root(),
            run_id: String::new(),
            cancel: Arc::default(),
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("principal", &self.principal).field("args", &self.args).finish_non_exhaustive()
    }
}

/// An engine that runs scripts. Cheap to clone; clones share it, and may run scripts at the same time.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<EngineParts>,
}

struct EngineParts {
    rhai: rhai::Engine,
    names: Arc<FunctionNames>,
    config: Builder,
    workers: JobThreads,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("limits", &self.shared.config.limits).finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(rhai: rhai::Engine, config: Builder) -> Self {
        let names = Arc::new(FunctionNames::new(&config.operations));
        Self { shared: Arc::new(EngineParts { rhai, names, config, workers: JobThreads::new() }) }
    }

    /// Returns a builder of an engine for Rex's operations on this system.
    pub fn builder(os: Arc<dyn Os>) -> Builder {
        Builder::new(os)
    }

    /// Compiles and checks a script, as before a run; returns its suspicious places.
    ///
    /// # Errors
    /// If the script is too long or has mistakes: the first mistake, with the others in [`more`](Failure::more).
    pub fn check(&self, script: &str) -> Result<Vec<Failure>, Failure> {
        self.shared.compile(script, &scope(BTreeMap::new()), None).map(|script| script.warnings)
    }

    /// Returns the number of runs that were left behind and have not ended since; from 16 on, no other is started.
    #[must_use]
    pub fn left_behind(&self) -> usize {
        self.shared.workers.left_behind()
    }

    /// Runs a script to its end, however it ends. It runs in its own thread: one that does not return within its limits is
    /// left behind, parked if it ran out of memory, and the report is made without it.
    #[must_use]
    pub fn run(&self, script: &str, input: Input) -> Report {
        let start = Instant::now();
        let cancel = input.cancel.clone();
        let args = input.args.clone();
        let (active, journal) = self.shared.activate(script, input);
        let (done, outcome) = mpsc::sync_channel(1);
        let stay = self.shared.workers.stay();
        let run = {
            let (shared, active, script) = (self.shared.clone(), active.clone(), script.to_owned());
            let stay = stay.clone();
            move || {
                let outcome = active.meter.count(|| shared.execute(&script, args, &active));
                stay.end();
                // If the run was left behind, nobody receives this.
                drop(done.send(outcome));
            }
        };
        let outcome = match self.shared.start(run) {
            Ok(worker) => {
                let outcome = wait(&outcome, &active, &cancel);
                match outcome {
                    Some(_) => self.shared.workers.give_back(worker),
                    None => stay.leave(),
                }
                outcome
            }
            Err(error) => Some(Err(Failure::new(error))),
        };
        let peak = active.meter.peak().max(0).unsigned_abs();
        if outcome.is_some() {
            active.meter.retire();
        }
        let outcome = outcome.unwrap_or_else(|| Err(self.shared.left_behind(&active)));
        let (records, omitted) = journal.take();
        let (run, budget) = (&active.run, active.run.budget());
        Report {
            run_id: run.id().clone(),
            outcome,
            output: active.take_output(),
            warnings: active.warnings(),
            denials: DeniedRequests::all(&records, &active.caught()),
            stats: RunStats {
                duration_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
                operations: budget.operations(),
                decisions: run.decisions(),
                denied: run.denied(),
                bytes_read: budget.bytes_read(),
                bytes_written: budget.bytes_written(),
                peak_memory_bytes: self.shared.config.memory_counted.then_some(peak),
            },
            journal: records,
            journal_omitted: omitted,
        }
    }
}

/// Waits for the outcome of a run; returns `None` if the run must be left behind.
fn wait(
    outcome: &mpsc::Receiver<Result<Value, Failure>>,
    active: &ActiveRun,
    cancel: &AtomicBool,
) -> Option<Result<Value, Failure>> {
    if let Some(outcome) = soon(|| outcome.try_recv().ok()) {
        return Some(outcome);
    }
    let mut overdue: Option<Instant> = None;
    loop {
        match outcome.recv_timeout(POLL) {
            Ok(outcome) => return Some(outcome),
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => active.run.settle(),
        }
        if active.meter.is_stopped() {
            return None;
        }
        let late = cancel.load(Relaxed) || active.run.budget().remaining().is_zero();
        if late && overdue.get_or_insert_with(Instant::now).elapsed() > GRACE {
            return None;
        }
    }
}

impl EngineParts {
    /// Starts a run, unless too many were left behind: the process may soon have no memory for another.
    fn start(&self, run: impl FnOnce() + Send + 'static) -> Result<JobThread, Error> {
        if self.workers.left_behind() >= LEFT_BEHIND {
            let message = format!("{LEFT_BEHIND} runs of this engine were abandoned, with their threads and memory");
            return Err(Error::new(Code::LimitExceeded, message)
                .with_help("runs that exceed their limits in one step keep their resources: restart the process"));
        }
        let none = |error| Error::new(Code::Internal, format!("no thread for the run: {error}"));
        self.workers.start(run).map_err(none)
    }

    fn activate(&self, script: &str, input: Input) -> (Arc<ActiveRun>, Arc<MemoryJournal>) {
        let limits = self.config.limits;
        let mut journal = MemoryJournal::new(limits.journal_records);
        if let Some(host) = &self.config.journal {
            journal = journal.before(host.clone());
        }
        let journal = Arc::new(journal);
        let subject = Subject { principal: input.principal, script: script_sha256(script), tags: input.tags };
        let id = if input.run_id.is_empty() { random_id() } else { input.run_id };
        let mut run = Run::new(&id, subject, input.authorize, journal.clone(), limits).with_cancel(input.cancel);
        if let Some(clock) = &self.config.clock {
            run = run.with_clock(clock.clone());
        }
        // Limits are checked between steps. A step that allocates as much again, but at least 64 MiB, is parked for good.
        let bound = if self.config.memory_counted {
            let slack = limits.memory_bytes.max(64 << 20);
            i64::try_from(limits.memory_bytes.saturating_add(slack)).unwrap_or(i64::MAX)
        } else {
            i64::MAX
        };
        let meter = Meter::new(bound);
        if self.config.memory_counted {
            run = run.with_memory(meter.live());
        }
        (Arc::new(ActiveRun::new(run, &self.config, self.names.clone(), input.base, meter)), journal)
    }

    /// Records the beginning of a run, runs its script, and records its end.
    fn execute(&self, script: &str, args: BTreeMap<String, Value>, active: &Arc<ActiveRun>) -> Result<Value, Failure> {
        let start = Instant::now();
        active.run.begin().map_err(Failure::new)?;
        let outcome = self.evaluate(script, args, active).and_then(|value| {
            let left = active.run.bond().and_then(Bond::left);
            left.map_or(Ok(value), |left| Err(Failure::new(Error::new(Code::Script, left))))
        });
        let code = outcome.as_ref().err().map(|failure| failure.error.code);
        let recorded = active.run.end(code, start.elapsed());
        // If a record was lost before, the outcome says why; `recorded` says only that one was lost.
        match outcome {
            Ok(_) => recorded.map_err(Failure::new).and(outcome),
            Err(_) => outcome,
        }
    }

    fn evaluate(&self, script: &str, args: BTreeMap<String, Value>, active: &Arc<ActiveRun>) -> Result<Value, Failure> {
        let limits = &self.config.limits;
        let result = catch_unwind(AssertUnwindSafe(|| {
            active.enter(|| {
                let given: Vec<_> = args.keys().cloned().collect();
                let mut scope = scope(args);
                let CheckedScript { ast, warnings, info } = self.compile(script, &scope, Some(&given))?;
                active.explain_with(info, given, warnings);
                let value = self.rhai.eval_ast_with_scope::<Dynamic>(&mut scope, &ast);
                let value = value.and_then(collected).map_err(|error| failure::of_running(*error, active))?;
                to_value(value, limits.value_bytes).map_err(Failure::new)
            })
        }));
        // A limit that is met in the last step also ends the run.
        match (active.fatal(), result) {
            (Some((error, position)), _) => Err(failure::at(error, position)),
            (None, Ok(outcome)) => outcome,
            // Rust's panic for a size beyond all memory: Rhai's own `pad` can request `1 << 62`.
            (None, Err(panic)) if panic.downcast_ref::<&str>() == Some(&"capacity overflow") => {
                Err(Failure::new(exhausted("memory_bytes", limits.memory_bytes, "bytes of memory")))
            }
            (None, Err(_)) => Err(Failure::new(
                Error::new(Code::Internal, "the script engine panicked")
                    .with_help("this is a bug in Rex: please report it"),
            )),
        }
    }

    fn compile(&self, script: &str, scope: &Scope<'_>, args: Option<&[String]>) -> Result<CheckedScript, Failure> {
        let limit = self.config.limits.script_bytes;
        if script.len() as u64 > limit {
            return Err(Failure::new(exceeded("script_bytes", limit, "bytes of script")));
        }
        // Some editors write a byte order mark first. It counts for the script's hash, but is not part of its code.
        let script = script.strip_prefix('\u{feff}').unwrap_or(script);
        let lines = script.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        if let Some((number, _)) = (1..).zip(lines).find(|(_, line)| line.contains('\r')) {
            let message =
                format!("line {number} has a carriage return in its middle, which hides the rest of it from readers");
            return Err(Failure::new(Error::new(Code::Script, message).with_help("lines end with `\\n` or `\\r\\n`")));
        }
        // `#!/usr/bin/env -S rex run` is for the shell. As a comment, it leaves all places as they are.
        let commented = script.strip_prefix("#!").map(|rest| format!("//{rest}"));
        let script = commented.as_deref().unwrap_or(script);
        CheckedScript::new(&self.rhai, &self.names, script, scope, args)
            .map_err(|refused| failure::of_refusing(refused, script, &self.names))
    }

    fn left_behind(&self, active: &ActiveRun) -> Failure {
        let limits = &self.config.limits;
        let error = if let Some((error, position)) = active.fatal() {
            return failure::at(error, position);
        } else if active.meter.is_stopped() {
            exhausted("memory_bytes", limits.memory_bytes, "bytes of memory")
        } else {
            active.run.budget().check().err().unwrap_or_else(|| {
                Error::new(Code::Internal, "the run ended without an outcome")
                    .with_help("this is a bug in Rex: please report it")
            })
        };
        Failure::new(error)
    }
}

fn scope(args: BTreeMap<String, Value>) -> Scope<'static> {
    let mut scope = Scope::new();
    scope.push_constant_dynamic("args", to_dynamic(Value::Map(args)));
    scope
}

/// Returns the SHA-256 of a script in lower-case hexadecimal, as policies compare it with `context.script`.
#[must_use]
pub fn script_sha256(text: &str) -> String {
    hex_sha256(text.as_bytes())
}

pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
