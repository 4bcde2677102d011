//! The builder of an engine.

use std::fmt;
use std::sync::Arc;

use rex_core::run::Clock;
use rex_core::{Journal, Limits};
use rex_sdk::{OPS, Operation, Os};
use rhai::packages::{
    BasicArrayPackage, BasicBlobPackage, BasicMapPackage, BasicMathPackage, BitFieldPackage, CorePackage, LogicPackage,
    MoreStringPackage, Package,
};
use rhai::{FLOAT, INT, NativeCallContext};

use crate::{Engine, RandomSource, active, bind, memory, pure, script, values};

/// The reason that an engine cannot be built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The memory limit cannot be enforced: [`CountingAllocator`](crate::CountingAllocator) is not the program's allocator.
    MemoryNotCounted,
    /// Two operations have the same name.
    Duplicate(&'static str),
    /// An operator of Rex cannot replace that of the script language.
    Operator(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryNotCounted => write!(
                f,
                "the memory of runs cannot be limited: make `CountingAllocator` the global allocator, or drop the limit with `without_memory_limit`"
            ),
            Self::Duplicate(name) => write!(f, "there are two operations `{name}`"),
            Self::Operator(why) => write!(f, "a comparison cannot be replaced: {why}"),
        }
    }
}

impl std::error::Error for BuildError {}

/// A builder of an [`Engine`].
pub struct Builder {
    pub(crate) os: Arc<dyn Os>,
    pub(crate) journal: Option<Arc<dyn Journal>>,
    pub(crate) operations: Vec<&'static dyn Operation>,
    pub(crate) limits: Limits,
    pub(crate) clock: Option<Clock>,
    pub(crate) random: Option<RandomSource>,
    pub(crate) memory_counted: bool,
    pub(crate) output: Option<OutputFn>,
}

/// A callback for each line that a script prints.
pub(crate) type OutputFn = Arc<dyn Fn(&str) + Send + Sync>;

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(os: Arc<dyn Os>) -> Self {
        Self {
            os,
            journal: None,
            operations: OPS.to_vec(),
            limits: Limits::default(),
            clock: None,
            random: None,
            memory_counted: true,
            output: None,
        }
    }

    /// Writes every record to this journal too, before the act that it is about.
    #[must_use]
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Adds an operation of the host program.
    #[must_use]
    pub fn operation(mut self, operation: &'static dyn Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Sets the limits of runs, instead of the default ones.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the clock of runs instead of the system's, for tests and simulation.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets the source of `random` in scripts instead of the system's, for tests and for running a script again exactly as before.
    #[must_use]
    pub fn random(mut self, random: RandomSource) -> Self {
        self.random = Some(random);
        self
    }

    /// Passes each line that a script prints to `output`, at once and in the thread of the run; the report has the lines as well.
    #[must_use]
    pub fn output(mut self, output: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.output = Some(Arc::new(output));
        self
    }

    /// Disables the memory limit, for programs that need another allocator.
    #[must_use]
    pub fn without_memory_limit(mut self) -> Self {
        self.memory_counted = false;
        self
    }

    /// Builds the engine.
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
        let rhai = script_engine(&self.operations, &self.limits).map_err(BuildError::Operator)?;
        Ok(Engine::new(rhai, self))
    }
}

/// Returns Rhai's engine with only the language, pure functions and the operations.
pub(crate) fn script_engine(operations: &[&'static dyn Operation], limits: &Limits) -> Result<rhai::Engine, String> {
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
        engine.register_static_module(namespace, module.into());
    }
    for (namespace, module) in pure::modules() {
        engine.register_static_module(namespace, module.into());
    }
    // Rhai's own `sleep` ignores deadlines.
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
        .set_strict_variables(true)
        .set_max_call_levels(usize::try_from(limits.call_depth).unwrap_or(usize::MAX))
        .set_max_expr_depths(64, 32)
        .set_max_functions(1_000)
        .set_max_variables(10_000)
        .set_max_modules(0)
        .on_progress(|_| active::step())
        .on_print(active::print)
        .on_debug(|text, _, _| active::print(text));
    // A missing field of a map is an error, not `()`.
    engine.set_fail_on_invalid_map_property(true);
    script::take_words_as_names(&mut engine);
    // They bind as tightly as `+` and `-`.
    for (operator, precedence) in [(script::JOINED, 150), (script::SUBTRACTED, 150), (script::DIVIDED, 180)] {
        engine.register_custom_operator(operator, precedence)?;
    }
    values::register(&mut engine)?;
    Ok(engine)
}
