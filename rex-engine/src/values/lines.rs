//! The lines of a file as scripts have them: read while they are used, and a list as soon as one is needed.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rex_core::Error;
use rex_sdk::FileLines;
use rex_sdk::lines::LinesReading;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, FuncRegistration, INT, Module, NativeCallContext, Position};

use super::RhaiResult;
use super::each::EachCall;
use crate::active::{self, ActiveRun};

/// The lines of an open file.
#[derive(Clone)]
pub(crate) struct ScriptLines {
    lines: FileLines,
    active: Arc<ActiveRun>,
    state: Arc<Mutex<LinesState>>,
}

#[derive(Default)]
struct LinesState {
    /// The number of lines, once they were counted.
    count: Option<u64>,
    /// The reader of the line last taken by index, and the index of its next line: a search need not begin at the start.
    cursor: Option<(LinesReading, u64)>,
}

impl fmt::Debug for ScriptLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptLines").finish_non_exhaustive()
    }
}

/// One pass over the lines.
struct LinesPass {
    reading: LinesReading,
    active: Arc<ActiveRun>,
}

impl Iterator for LinesPass {
    type Item = RhaiResult<Dynamic>;

    fn next(&mut self) -> Option<Self::Item> {
        match active::native(Position::NONE, || self.reading.next(&self.active.run).transpose()) {
            Ok(line) => line.map(|line| Ok(line.into())),
            Err(error) => Some(Err(error)),
        }
    }
}

impl ScriptLines {
    pub(crate) fn new(lines: FileLines, active: Arc<ActiveRun>) -> Self {
        Self { lines, active, state: Arc::default() }
    }

    fn pass(&self) -> LinesPass {
        LinesPass { reading: self.lines.read(), active: self.active.clone() }
    }

    fn state(&self) -> MutexGuard<'_, LinesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all lines, as they leave a script.
    pub(crate) fn values(&self) -> Result<Vec<String>, Error> {
        let mut reading = self.lines.read();
        std::iter::from_fn(|| reading.next(&self.active.run)).collect()
    }

    /// Returns all lines as a list.
    pub(crate) fn array(&self) -> RhaiResult<Array> {
        self.pass().collect()
    }

    fn count(&self) -> RhaiResult<u64> {
        if let Some(count) = self.state().count {
            return Ok(count);
        }
        let mut count = 0;
        for line in self.pass() {
            count += line.map(|_| 1)?;
        }
        self.state().count = Some(count);
        Ok(count)
    }

    fn len(&self) -> RhaiResult<INT> {
        self.count().map(|count| INT::try_from(count).unwrap_or(INT::MAX))
    }

    fn is_empty(&self) -> RhaiResult<bool> {
        self.pass().next().transpose().map(|line| line.is_none())
    }

    /// Returns the line at an index, counted from the end if negative.
    fn at(&self, index: INT, position: Position) -> RhaiResult<Dynamic> {
        let wanted = if index < 0 { self.len()?.saturating_add(index) } else { index };
        let outside = || {
            let count = usize::try_from(self.count()?).unwrap_or(usize::MAX);
            Err(EvalAltResult::ErrorArrayBounds(count, index, position).into())
        };
        let Ok(wanted) = u64::try_from(wanted) else { return outside() };
        let cursor = self.state().cursor.take().filter(|(_, next)| *next <= wanted);
        let (mut reading, mut next) = cursor.unwrap_or_else(|| (self.lines.read(), 0));
        loop {
            let line = active::native(position, || reading.next(&self.active.run).transpose())?;
            let Some(line) = line else { return outside() };
            next += 1;
            if next > wanted {
                self.state().cursor = Some((reading, next));
                return Ok(line.into());
            }
        }
    }
}

/// Replaces the lines of a file by a list; returns any other value unchanged.
pub(crate) fn collected(value: Dynamic) -> RhaiResult<Dynamic> {
    match value.read_lock::<ScriptLines>().map(|lines| lines.clone()) {
        Some(lines) => lines.array().map(Dynamic::from_array),
        None => Ok(value),
    }
}

/// Returns whether lines have their own method with this name and number of arguments, including the receiver. Rhai reports each
/// function that failed as missing: such a method must not be called again, on a list.
pub(super) fn have(name: &str, args: usize) -> bool {
    match name {
        "len" | "is_empty" | "to_array" | "to_string" | "print" | "to_debug" | "debug" => args == 1,
        "contains" | "filter" | "map" | "for_each" | "some" | "all" | "find" => args == 2,
        "reduce" => args == 3,
        _ => false,
    }
}

pub(super) fn register(engine: &mut Engine, module: &mut Module) {
    engine.register_type_with_name::<ScriptLines>("lines");
    engine.register_get("len", |lines: &mut ScriptLines| lines.len());
    engine.register_get("is_empty", |lines: &mut ScriptLines| lines.is_empty());
    engine.register_indexer_get(|context: NativeCallContext<'_>, lines: &mut ScriptLines, index: INT| {
        lines.at(index, context.call_position())
    });
    module.set_iter_result(TypeId::of::<ScriptLines>(), |value| match value.try_cast::<ScriptLines>() {
        Some(lines) => Box::new(lines.pass()),
        None => Box::new(std::iter::empty()),
    });
    macro_rules! methods {
        ($($name:literal: |$($arg:ident: $type:ty),*| $body:expr;)+) => {$(
            FuncRegistration::new($name).with_volatility(true).with_purity(true).set_into_module(module, |$($arg: $type),*| $body);
        )+};
    }
    methods! {
        "len": |lines: &mut ScriptLines| lines.len();
        "is_empty": |lines: &mut ScriptLines| lines.is_empty();
        "to_array": |lines: &mut ScriptLines| lines.array();
        "to_string": |context: NativeCallContext<'_>, lines: &mut ScriptLines| text(&context, lines);
        "print": |context: NativeCallContext<'_>, lines: &mut ScriptLines| text(&context, lines);
        "to_debug": |context: NativeCallContext<'_>, lines: &mut ScriptLines| text(&context, lines);
        "debug": |context: NativeCallContext<'_>, lines: &mut ScriptLines| text(&context, lines);
        "contains": |lines: &mut ScriptLines, wanted: &str| {
            find(lines, |line| Ok(line.as_immutable_string_ref().is_ok_and(|line| line.as_str() == wanted))).map(|found| found.is_some())
        };
        "filter": |context: NativeCallContext<'_>, lines: &mut ScriptLines, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            lines.pass().filter_map(|line| match line.and_then(|mut line| Ok((each.holds(&mut line)?, line))) {
                Ok((holds, line)) => holds.then_some(Ok(line)),
                Err(error) => Some(Err(error)),
            }).collect::<RhaiResult<Array>>()
        };
        "map": |context: NativeCallContext<'_>, lines: &mut ScriptLines, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            lines.pass().map(|line| each.call(&mut line?)).collect::<RhaiResult<Array>>()
        };
        "for_each": |context: NativeCallContext<'_>, lines: &mut ScriptLines, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            lines.pass().try_for_each(|line| each.call(&mut line?).map(drop))
        };
        "some": |context: NativeCallContext<'_>, lines: &mut ScriptLines, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            find(lines, |line| each.holds(line)).map(|found| found.is_some())
        };
        "all": |context: NativeCallContext<'_>, lines: &mut ScriptLines, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            find(lines, |line| each.holds(line).map(|holds| !holds)).map(|found| found.is_none())
        };
        "find": |context: NativeCallContext<'_>, lines: &mut ScriptLines, function: FnPtr| {
            let mut each = EachCall::new(&function, &context);
            find(lines, |line| each.holds(line)).map(|found| found.unwrap_or(Dynamic::UNIT))
        };
        "reduce": |context: NativeCallContext<'_>, lines: &mut ScriptLines, function: FnPtr, start: Dynamic| {
            lines.pass().try_fold(start, |result, line| function.call_raw(&context, None, [result, line?]))
        };
    }
}

/// Returns the first line for which a function holds.
fn find(lines: &ScriptLines, mut holds: impl FnMut(&mut Dynamic) -> RhaiResult<bool>) -> RhaiResult<Option<Dynamic>> {
    for line in lines.pass() {
        let mut line = line?;
        if holds(&mut line)? {
            return Ok(Some(line));
        }
    }
    Ok(None)
}

/// Returns the lines as text, as a list prints.
fn text(context: &NativeCallContext<'_>, lines: &ScriptLines) -> RhaiResult<String> {
    let mut array = Dynamic::from_array(lines.array()?);
    let text = context.call_native_fn_raw("to_string", true, &mut [&mut array])?;
    text.into_string().map_err(|_| {
        active::failed(Error::new(rex_core::Code::Internal, "a list has no text"), context.call_position())
    })
}
