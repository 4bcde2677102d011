//! The state of the run that a thread is in. It is kept out of the script engine, which runs share.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rex_core::limits::exhausted;
use rex_core::{AbsPath, Code, Error, Run};
use rex_sdk::{OpAnswer, Operation, Os, Session};
use rhai::{Dynamic, EvalAltResult, Map, Position};

use crate::builder::{self, Builder};
use crate::convert::{to_argument, to_dynamic, to_map};
use crate::failure;
use crate::memory::{Meter, shielded};
use crate::random::{self, RandomSource};
use crate::report::Failure;
use crate::script::{ErrorContext, FunctionNames};
use crate::values::lines::{ScriptLines, collected};

/// Number of failures that a run remembers, for denials and for others, to distinguish a failure that the script rethrows
/// from one that it makes up; also the maximum number of warnings.
const REMEMBERED: usize = 256;
/// Number of steps of a script between two checks of the clock.
const STEPS_PER_CHECK: u64 = 32;

/// The state of one run.
pub(crate) struct ActiveRun {
    pub(crate) run: Run,
    pub(crate) os: Arc<dyn Os>,
    pub(crate) base: AbsPath,
    pub(crate) meter: &'static Meter,
    told: Option<builder::OutputFn>,
    random: Option<RandomSource>,
    /// The information that explains errors of the script, once it is compiled, and the names of its arguments.
    script: OnceLock<(ErrorContext, Vec<String>)>,
    warnings: Mutex<Vec<Failure>>,
    pub(crate) names: Arc<FunctionNames>,
    /// The operations and lines whose denials the script caught in a variable.
    caught: Mutex<Vec<(&'static str, Option<u32>)>>,
    output: Mutex<PrintedLines>,
    fatal: Mutex<Option<(Error, Position)>>,
    raised: Mutex<RaisedFailures>,
}

/// Failures that a script received, with their lines. Denials are apart, so that other failures cannot displace them.
#[derive(Default)]
struct RaisedFailures {
    denials: VecDeque<(Error, Option<u32>)>,
    others: VecDeque<(Error, Option<u32>)>,
}

#[derive(Default)]
struct PrintedLines {
    lines: Vec<String>,
    bytes: u64,
}

/// The run that a thread is in. Only its own thread touches it, so a step costs no lock.
struct CurrentRun {
    active: Arc<ActiveRun>,
    steps: u64,
    ended: bool,
}

thread_local! {
    static CURRENT: RefCell<Option<CurrentRun>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ActiveRun {
    pub(crate) fn new(
        run: Run,
        config: &Builder,
        names: Arc<FunctionNames>,
        base: AbsPath,
        meter: &'static Meter,
    ) -> Self {
        Self {
            run,
            os: config.os.clone(),
            base,
            meter,
            told: config.output.clone(),
            random: config.random.clone(),
            script: OnceLock::new(),
            warnings: Mutex::default(),
            names,
            caught: Mutex::default(),
            output: Mutex::default(),
            fatal: Mutex::default(),
            raised: Mutex::default(),
        }
    }

    /// Stores the information that explains errors of the script, and its warnings.
    pub(crate) fn explain_with(&self, info: ErrorContext, args: Vec<String>, warnings: Vec<Failure>) {
        // A run has one script.
        let _ = self.script.set((info, args));
        *lock(&self.warnings) = warnings;
    }

    /// Adds a warning, once for each place and up to [`REMEMBERED`].
    fn warn(&self, warning: Failure) {
        let mut warnings = lock(&self.warnings);
        let is_new = !warnings.iter().any(|known| (known.line, known.column) == (warning.line, warning.column));
        if is_new && warnings.len() < REMEMBERED {
            warnings.push(warning);
        }
    }

    pub(crate) fn caught(&self) -> Vec<(&'static str, Option<u32>)> {
        lock(&self.caught).clone()
    }

    pub(crate) fn warnings(&self) -> Vec<Failure> {
        lock(&self.warnings).clone()
    }

    pub(crate) fn script(&self) -> Option<&(ErrorContext, Vec<String>)> {
        self.script.get()
    }

    /// Makes this the run of the thread while `work` lasts.
    pub(crate) fn enter<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        struct RunRestore(Option<CurrentRun>);
        impl Drop for RunRestore {
            fn drop(&mut self) {
                CURRENT.with_borrow_mut(|current| *current = self.0.take());
            }
        }
        let entered = CurrentRun { active: self.clone(), steps: 0, ended: false };
        let _restore = RunRestore(CURRENT.with_borrow_mut(|current| current.replace(entered)));
        work()
    }

    /// Ends the run with an error that its script cannot catch.
    pub(crate) fn end(&self, error: Error, position: Position) {
        lock(&self.fatal).get_or_insert((error, position));
        CURRENT.with_borrow_mut(|current| {
            if let Some(current) = current {
                current.ended = true;
            }
        });
    }

    fn is_over_memory(&self) -> bool {
        let live = u64::try_from(self.meter.live().load(Relaxed)).unwrap_or(0);
        live > self.run.limits().memory_bytes
    }

    pub(crate) fn fatal(&self) -> Option<(Error, Position)> {
        lock(&self.fatal).clone()
    }

    pub(crate) fn take_output(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.output).lines)
    }

    /// Returns the failure that a script rethrows, if the script received it before.
    pub(crate) fn raised(&self, thrown: &Map) -> Option<(Error, Option<u32>)> {
        let code = thrown.get("code")?.clone().into_immutable_string().ok()?;
        let message = thrown.get("message")?.clone().into_immutable_string().ok()?;
        let raised = lock(&self.raised);
        let (denials, others) = (raised.denials.iter().rev(), raised.others.iter().rev());
        denials
            .chain(others)
            .find(|(error, _)| error.code.as_str() == code.as_str() && error.message == message.as_str())
            .cloned()
    }

    fn print(&self, text: &str) {
        let mut output = lock(&self.output);
        let limit = self.run.limits().output_bytes;
        output.bytes = output.bytes.saturating_add(text.len() as u64 + 1);
        if output.bytes > limit {
            drop(output);
            self.end(exhausted("output_bytes", limit, "bytes of output"), Position::NONE);
        } else {
            output.lines.push(text.to_owned());
            drop(output);
            if let Some(told) = &self.told {
                told(text);
            }
        }
    }

    /// Fails an operation in the script: throws an error that can be caught, and ends the run for any other.
    fn fail(&self, error: Error, position: Position) -> Box<EvalAltResult> {
        if error.is_fatal() {
            self.end(error, position);
            return EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into();
        }
        let line = line(position);
        let map = to_map(&error, line);
        self.remember(error, line);
        EvalAltResult::ErrorRuntime(map.into(), position).into()
    }

    /// Remembers a failure that the script receives.
    fn remember(&self, error: Error, line: Option<u32>) {
        let raised = &mut *lock(&self.raised);
        let kind = if error.code == Code::AccessDenied { &mut raised.denials } else { &mut raised.others };
        if kind.len() == REMEMBERED {
            kind.pop_front();
        }
        kind.push_back((error, line));
    }
}

pub(crate) fn line(position: Position) -> Option<u32> {
    position.line().and_then(|line| u32::try_from(line).ok())
}

fn current() -> Option<Arc<ActiveRun>> {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.active.clone()))
}

/// Checks the limits at each step of a script; `Some` ends the script.
pub(crate) fn step() -> Option<Dynamic> {
    CURRENT.with_borrow_mut(|current| {
        let Some(CurrentRun { active, steps, ended }) = current else { return Some(Dynamic::UNIT) };
        *steps += 1;
        let limits = active.run.limits();
        let error = if *ended {
            return Some(Dynamic::UNIT);
        } else if *steps > limits.script_steps {
            exhausted("script_steps", limits.script_steps, "steps of the script")
        } else if active.is_over_memory() {
            exhausted("memory_bytes", limits.memory_bytes, "bytes of memory")
        } else if steps.is_multiple_of(STEPS_PER_CHECK) {
            active.run.budget().check().err()?
        } else {
            return None;
        };
        *ended = true;
        lock(&active.fatal).get_or_insert((error, Position::NONE));
        Some(Dynamic::UNIT)
    })
}

/// Captures a line that a script prints.
pub(crate) fn print(text: &str) {
    shielded(|| {
        if let Some(active) = current() {
            active.print(text);
        }
    });
}

/// Calls one of Rex's functions for a script; if the function fails, the script does.
pub(crate) fn native<T>(position: Position, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Box<EvalAltResult>> {
    shielded(|| {
        let result = call();
        let Some(active) = current() else {
            return result
                .map_err(|error| EvalAltResult::ErrorRuntime(to_map(&error, line(position)).into(), position).into());
        };
        let limit = active.run.limits().memory_bytes;
        let result = match result {
            Ok(_) if active.is_over_memory() => Err(exhausted("memory_bytes", limit, "bytes of memory")),
            other => other,
        };
        result.map_err(|error| active.fail(error, position))
    })
}

/// Adds a warning to the report of the run of this thread.
pub(crate) fn warn(warning: Error, position: Position) {
    let Some(active) = current() else { return };
    let column = position.position().and_then(|column| u32::try_from(column).ok());
    let failure = Failure { line: line(position), column, ..Failure::new(warning) };
    active.warn(active.script().map_or(failure.clone(), |(info, _)| info.placed(failure)));
}

/// Returns the error to raise in a script for something that failed.
pub(crate) fn failed(error: Error, position: Position) -> Box<EvalAltResult> {
    match native(position, || Err::<(), _>(error)) {
        Err(failed) => failed,
        Ok(()) => EvalAltResult::ErrorTerminated(Dynamic::UNIT, position).into(),
    }
}

/// Returns the value for a `catch` block: an error of Rhai's own gets the fields of every other error.
pub(crate) fn caught(value: Dynamic) -> Dynamic {
    let (Some(active), Some(map)) = (current(), value.read_lock::<Map>().map(|map| map.clone())) else { return value };
    if let Some((error, line)) = active.raised(&map).filter(|(error, _)| error.code == Code::AccessDenied) {
        let denied = (error.operation.unwrap_or_default(), line);
        let mut caught = lock(&active.caught);
        if !caught.contains(&denied) {
            caught.push(denied);
        }
    }
    shielded(|| {
        let Some(CaughtError { error, place, .. }) = explained(&map, &active) else { return value };
        let line = place.map(|(line, _)| line);
        let map = to_map(&error, line);
        active.remember(error, line);
        map.into()
    })
}

/// Warns of a caught error that the script ignores, if a mistake of the script caused it.
pub(crate) fn slipped(value: Dynamic) -> Dynamic {
    if let (Some(active), Some(map)) = (current(), value.read_lock::<Map>()) {
        shielded(|| {
            let rhais = || explained(&map, &active).and_then(|one| Some((one.kind, one.error, one.place?)));
            // One of Rex's own, such as for a text that is compared with a number.
            let ours = || {
                let (error, line) = active.raised(&map).filter(|(error, _)| error.code == Code::Script)?;
                Some((String::new(), error, (line?, 0)))
            };
            if let (Some((kind, error, place)), Some((info, _))) = (rhais().or_else(ours), active.script()) {
                info.slipped(&kind, error, place).into_iter().for_each(|warning| active.warn(warning));
            }
        });
    }
    value
}

/// An error of Rhai, as a script catches it.
struct CaughtError {
    kind: String,
    error: Error,
    place: Option<(u32, u32)>,
}

fn explained(map: &Map, active: &ActiveRun) -> Option<CaughtError> {
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok());
    let (Some(kind), Some(message), false) = (text("error"), text("message"), map.contains_key("code")) else {
        return None;
    };
    let number =
        |key: &str| map.get(key).and_then(|value| value.as_int().ok()).and_then(|number| u32::try_from(number).ok());
    let subject = text("variable").or_else(|| text("function"));
    let (line, column) = (number("line"), number("position"));
    let error = failure::explained(&kind, subject.as_deref(), &message, (line, column), active);
    let place = line.map(|line| (line, column.unwrap_or(0)));
    let error = match (active.script(), place) {
        (Some((info, _)), Some(place)) => info.as_written(error, place),
        _ => error,
    };
    Some(CaughtError { kind, error, place })
}

/// Calls an operation for a script.
pub(crate) fn invoke(
    operation: &dyn Operation,
    args: Vec<Dynamic>,
    position: Position,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let args = args.into_iter().map(collected).collect::<Result<Vec<_>, _>>()?;
    native(position, || {
        let Some(active) = current() else {
            let message = format!("`{}` was called outside of a run", operation.spec().name);
            return Err(Error::new(Code::Internal, message));
        };
        // Texts are shared: a list may hold one many times in little memory, until it is copied here.
        let args = args.into_iter().map(|arg| to_argument(arg, active.run.budget())).collect::<Result<_, _>>()?;
        let answer = Session::new(&active.run, &*active.os, &active.base).answer(operation, args, line(position))?;
        Ok(match answer {
            OpAnswer::Value(value) => {
                if let Some((info, _)) = active.script() {
                    let unheeded = info.unheeded(operation.spec().name, position, &value);
                    unheeded.into_iter().for_each(|warning| active.warn(warning));
                }
                to_dynamic(value)
            }
            OpAnswer::Lines(lines) => Dynamic::from(ScriptLines::new(lines, active)),
        })
    })
}

/// Returns the bytes of memory that the run may still take.
pub(crate) fn memory_left() -> usize {
    let left = current().map_or(u64::MAX, |active| active.run.budget().memory_left());
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// Fills `bytes` at random, from the source of the run.
pub(crate) fn random(bytes: &mut [u8]) {
    match current().and_then(|active| active.random.clone()) {
        Some(random) => random(bytes),
        None => random::system(bytes),
    }
}

/// Sleeps, as long as the run's time allows.
pub(crate) fn sleep(seconds: f64, position: Position) -> Result<(), Box<EvalAltResult>> {
    const SLICE: Duration = Duration::from_millis(20);
    native(position, || {
        let Some(active) = current() else { return Ok(()) };
        let total = Duration::try_from_secs_f64(seconds).map_err(|_| {
            Error::validation(format!("`sleep` expects a number of seconds of at least 0, got {seconds}"))
        })?;
        let start = Instant::now();
        loop {
            active.run.budget().check()?;
            match total.checked_sub(start.elapsed()) {
                None | Some(Duration::ZERO) => return Ok(()),
                Some(left) => std::thread::park_timeout(left.min(SLICE)),
            }
        }
    })
}
