//! An engine: built once, run often.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rex_core::limits::{exceeded, exhausted};
use rex_core::run::Clock;
use rex_core::{AbsPath, Authorize, Code, Error, Journal, Limits, MemoryJournal, Principal, Run, Subject, Value};
use rex_sdk::{OPS, Operation, Os};
use rhai::packages::{
    BasicArrayPackage, BasicBlobPackage, BasicMapPackage, BasicMathPackage, BitFieldPackage, CorePackage, LogicPackage,
    MoreStringPackage, Package,
};
use rhai::{Dynamic, EvalAltResult, FLOAT, INT, NativeCallContext, OptimizationLevel, Position, Scope};
use sha2::{Digest, Sha256};

use crate::active::{self, Active};
use crate::convert::{to_dynamic, to_value};
use crate::memory::{self, Meter};
use crate::report::{Failure, Report, Stats};
use crate::worker::Workers;
use crate::{bind, helpers};

/// How long a run that does not see its deadline may go on before it is left behind.
const GRACE: Duration = Duration::from_millis(400);
/// How often whoever waits for a run looks whether it was told to stop.
const POLL: Duration = Duration::from_millis(50);

/// What one run starts from.
#[derive(Debug, Clone)]
pub struct Input {
    /// On whose behalf.
    pub principal: Principal,
    /// The operator's `key=value` strings.
    pub tags: Vec<String>,
    /// What the script finds as `args`.
    pub args: BTreeMap<String, Value>,
    /// Where relative paths are taken from.
    pub base: AbsPath,
    /// Its name in the journal; a random one if empty.
    pub run_id: String,
    /// Whoever sets it stops the run.
    pub cancel: Arc<AtomicBool>,
}

impl Input {
    /// No tags, no arguments, relative to the root directory.
    #[must_use]
    pub fn new(principal: Principal) -> Self {
        Self {
            principal,
            tags: Vec::new(),
            args: BTreeMap::new(),
            base: AbsPath::root(),
            run_id: String::new(),
            cancel: Arc::default(),
        }
    }
}

/// Why an engine cannot be built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Memory cannot be bounded: [`CountingAllocator`](crate::CountingAllocator) is not the program's allocator.
    MemoryNotCounted,
    /// Two operations have one name.
    Duplicate(&'static str),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryNotCounted => write!(
                f,
                "the memory of runs cannot be bounded: make `CountingAllocator` the global allocator, or give up the bound with `without_memory_limit`"
            ),
            Self::Duplicate(name) => write!(f, "there are two operations `{name}`"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Builds an [`Engine`].
pub struct Builder {
    os: Arc<dyn Os>,
    authorize: Arc<dyn Authorize>,
    journal: Option<Arc<dyn Journal>>,
    operations: Vec<&'static dyn Operation>,
    limits: Limits,
    clock: Option<Clock>,
    memory_counted: bool,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Builder {
    /// Writes every record there too, before the act that it is about.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Adds an operation of the host program's own.
    #[must_use]
    pub fn operation(mut self, operation: &'static dyn Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Runs under these limits instead of the default ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells runs another time than the system's, for tests and simulation.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Does without a bound on memory, for programs that need an allocator of their own.
    #[must_use]
    pub fn without_memory_limit(mut self) -> Self {
        self.memory_counted = false;
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Engine, BuildError> {
        if self.memory_counted && !memory::is_counted() {
            return Err(BuildError::MemoryNotCounted);
        }
        for (index, operation) in self.operations.iter().enumerate() {
            let name = operation.spec().name;
            if self.operations.iter().skip(index + 1).any(|other| other.spec().name == name) {
                return Err(BuildError::Duplicate(name));
            }
        }
        let rhai = script_engine(&self.operations, &self.limits);
        Ok(Engine { shared: Arc::new(Shared { rhai, config: self, workers: Workers::default() }) })
    }
}

/// Rhai's engine with nothing but the language, pure functions and the operations.
fn script_engine(operations: &[&'static dyn Operation], limits: &Limits) -> rhai::Engine {
    let mut engine = rhai::Engine::new_raw();
    CorePackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BitFieldPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicBlobPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    for (namespace, module) in bind::modules(operations) {
        if namespace.is_empty() {
            engine.register_global_module(module.into());
        } else {
            engine.register_static_module(namespace, module.into());
        }
    }
    for (namespace, module) in helpers::modules() {
        engine.register_static_module(namespace, module.into());
    }
    // Rhai's own `sleep` heeds no deadline.
    engine.register_fn("sleep", |context: NativeCallContext<'_>, seconds: INT| {
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 seconds nobody counts")]
        active::sleep(seconds as FLOAT, context.call_position())
    });
    engine.register_fn("sleep", |context: NativeCallContext<'_>, seconds: FLOAT| {
        active::sleep(seconds, context.call_position())
    });
    engine
        .disable_symbol("eval")
        .disable_symbol("import")
        .disable_symbol("export")
        .set_optimization_level(OptimizationLevel::None)
        .set_strict_variables(true)
        .set_max_call_levels(usize::try_from(limits.call_depth).unwrap_or(usize::MAX))
        .set_max_expr_depths(64, 32)
        .set_max_functions(1_000)
        .set_max_variables(10_000)
        .set_max_modules(0)
        .on_progress(|_| active::step())
        .on_print(active::print)
        .on_debug(|text, _, _| active::print(text));
    engine
}

/// Runs scripts. Cheap to clone; runs share it and may go on at the same time.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    rhai: rhai::Engine,
    config: Builder,
    workers: Workers,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("limits", &self.shared.config.limits).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine for Rex's operations on this system, decided by this policy.
    pub fn builder(os: Arc<dyn Os>, authorize: Arc<dyn Authorize>) -> Builder {
        Builder {
            os,
            authorize,
            journal: None,
            operations: OPS.to_vec(),
            limits: Limits::default(),
            clock: None,
            memory_counted: true,
        }
    }

    /// Whether a script can be compiled.
    ///
    /// # Errors
    /// What keeps it from that, with its place.
    pub fn check(&self, script: &str) -> Result<(), Failure> {
        self.shared.compile(script, &mut scope(BTreeMap::new())).map(drop)
    }

    /// Runs a script to its end, however it ends. It runs in a thread of its own: one that does not come back within
    /// its limits is left behind, parked, and the report is made without it.
    #[must_use]
    pub fn run(&self, script: &str, input: Input) -> Report {
        let start = Instant::now();
        let cancel = input.cancel.clone();
        let args = input.args.clone();
        let (active, journal) = self.shared.activate(script, input);
        let (done, outcome) = mpsc::sync_channel(1);
        let run = {
            let (shared, active, script) = (self.shared.clone(), active.clone(), script.to_owned());
            move || {
                let outcome = active.meter.count(|| shared.execute(&script, args, &active));
                // Nobody waits for it any more if the run was left behind.
                drop(done.send(outcome));
            }
        };
        let outcome = match self.shared.workers.start(run) {
            Ok(worker) => {
                let outcome = wait(&outcome, &active, &cancel);
                if outcome.is_some() {
                    self.shared.workers.give_back(worker);
                }
                outcome
            }
            Err(error) => {
                Some(Err(Failure::new(Error::new(Code::Internal, format!("no thread for the run: {error}")))))
            }
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
            stats: Stats {
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

/// Waits for the outcome of a run; `None` if the run has to be left behind.
fn wait(
    outcome: &mpsc::Receiver<Result<Value, Failure>>,
    active: &Active,
    cancel: &AtomicBool,
) -> Option<Result<Value, Failure>> {
    let mut overdue: Option<Instant> = None;
    loop {
        match outcome.recv_timeout(POLL) {
            Ok(outcome) => return Some(outcome),
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
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

impl Shared {
    fn activate(&self, script: &str, input: Input) -> (Arc<Active>, Arc<MemoryJournal>) {
        let limits = self.config.limits;
        let mut journal = MemoryJournal::new(limits.journal_records);
        if let Some(host) = &self.config.journal {
            journal = journal.before(host.clone());
        }
        let journal = Arc::new(journal);
        let subject = Subject { principal: input.principal, script: sha256(script), tags: input.tags };
        let id = if input.run_id.is_empty() { random_id() } else { input.run_id };
        let mut run =
            Run::new(&id, subject, self.config.authorize.clone(), journal.clone(), limits).with_cancel(input.cancel);
        if let Some(clock) = &self.config.clock {
            run = run.with_clock(clock.clone());
        }
        // INVARIANT: a step starts below the limit, and Rex's own code needs less than this slack in one step, so it is
        // never parked while it holds a lock; a step of the script that needs more is parked for good.
        let bound = if self.config.memory_counted {
            let slack = limits.memory_bytes.max(64 << 20).saturating_add(limits.file_bytes.saturating_mul(2));
            i64::try_from(limits.memory_bytes.saturating_add(slack)).unwrap_or(i64::MAX)
        } else {
            i64::MAX
        };
        let meter = Meter::new(bound);
        (Arc::new(Active::new(run, self.config.os.clone(), input.base, meter)), journal)
    }

    fn execute(&self, script: &str, args: BTreeMap<String, Value>, active: &Arc<Active>) -> Result<Value, Failure> {
        let result = catch_unwind(AssertUnwindSafe(|| {
            active.enter(|| {
                let mut scope = scope(args);
                let ast = self.compile(script, &mut scope)?;
                let value = self.rhai.eval_ast_with_scope::<Dynamic>(&mut scope, &ast);
                value.map(to_value).map_err(|error| failure(*error, active))
            })
        }));
        // A limit that is met in the last step ends the run just the same.
        match (active.fatal(), result) {
            (Some((error, position)), _) => Err(at(error, position)),
            (None, Ok(outcome)) => outcome,
            (None, Err(_)) => Err(Failure::new(
                Error::new(Code::Internal, "the script engine failed in a way that it should not")
                    .with_help("this is a defect in Rex: please report it"),
            )),
        }
    }

    fn compile(&self, script: &str, scope: &mut Scope<'_>) -> Result<rhai::AST, Failure> {
        let limit = self.config.limits.script_bytes;
        if script.len() as u64 > limit {
            return Err(Failure::new(exceeded("script_bytes", limit, "bytes of script")));
        }
        self.rhai.compile_with_scope(scope, script).map_err(|error| {
            let code = match *error.0 {
                rhai::ParseErrorType::ExprTooDeep | rhai::ParseErrorType::TooManyFunctions => Code::LimitExceeded,
                _ => Code::Script,
            };
            at(Error::new(code, lower(&error.0.to_string())), error.1)
        })
    }

    fn left_behind(&self, active: &Active) -> Failure {
        let limits = &self.config.limits;
        let error = if let Some((error, position)) = active.fatal() {
            return at(error, position);
        } else if active.meter.is_stopped() {
            exhausted("memory_bytes", limits.memory_bytes, "bytes of memory")
        } else {
            active.run.budget().check().err().unwrap_or_else(|| {
                Error::new(Code::Internal, "the run ended without an outcome")
                    .with_help("this is a defect in Rex: please report it")
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

fn at(error: Error, position: Position) -> Failure {
    let column = position.position().and_then(|column| u32::try_from(column).ok());
    Failure { error, line: active::line(position), column }
}

/// What an error of Rhai means to whoever reads the report.
fn failure(error: EvalAltResult, active: &Active) -> Failure {
    let position = innermost(&error);
    if let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
        return failure(*inner, active);
    }
    let EvalAltResult::ErrorRuntime(thrown, _) = error else {
        return at(Error::new(active::code_of(&error), lower(&without_position(&error))), position);
    };
    let Some(map) = thrown.clone().try_cast::<rhai::Map>() else {
        return at(Error::new(Code::Script, thrown.to_string()), position);
    };
    // Only what the gate or an operation said keeps its code: a script cannot make one up.
    if let Some((error, line)) = active.raised(&map) {
        let failure = at(error, position);
        return Failure { column: if failure.line == line { failure.column } else { None }, line, ..failure };
    }
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok());
    let mut error = Error::new(Code::Script, text("message").unwrap_or_else(|| thrown.to_string()));
    error.help = text("help");
    at(error, position)
}

fn innermost(error: &EvalAltResult) -> Position {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, position) => match innermost(inner) {
            Position::NONE => *position,
            inner => inner,
        },
        other => other.position(),
    }
}

/// The message without the place that Rhai puts behind it: a failure has fields for that.
fn without_position(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let place = format!(" ({})", error.position());
    text.strip_suffix(&place).map_or(text.clone(), str::to_owned)
}

/// Messages start in lower case.
fn lower(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

fn sha256(text: &str) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    Sha256::digest(text).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// 128 bits from the seeds that the standard library takes from the system.
fn random_id() -> String {
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}
