//! Calls operations: counts and records each call, and catches panics.

use std::fmt;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use blake3::Hasher;
use rex_core::action::fs;
use rex_core::limits::{exceeded, exhausted};
use rex_core::nearest::did_you_mean;
use rex_core::process::Program;
use rex_core::resource::Unit;
use rex_core::{AbsPath, Action, Bond, Call, Code, Error, Gate, Grant, Limits, Resource, Run, Value};

use crate::expand::{
    self, CompressionFormat, DecodedReader, ExpandedReader, FailingReader, MARK, UnmarkedSource, WideEncoding,
};
use crate::os::{Source, SourceState, WriteOptions, io_error};
use crate::spec::OpAnswer;
use crate::{Args, OPS, Operation, Os, OsError};

/// Maximum number of redirections of a name (names that keep changing, cycles of aliases).
const MAX_HOPS: usize = 8;

/// The environment of a call: the gate that makes its grants, and the system that it acts on.
#[derive(Clone, Copy)]
pub struct Session<'r> {
    /// The gate that makes its grants.
    gate: Gate<'r>,
    /// The system that it acts on.
    pub os: &'r dyn Os,
    /// The run that it is part of: time, limits, budget.
    pub run: &'r Run,
    base: &'r AbsPath,
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("run", self.run).finish_non_exhaustive()
    }
}

impl<'r> Session<'r> {
    /// Creates a session of a run on a system. Relative paths are resolved against `base`.
    pub fn new(run: &'r Run, os: &'r dyn Os, base: &'r AbsPath) -> Self {
        Self { gate: run.gate(Call::default()), os, run, base }
    }

    /// Calls one of Rex's operations by its full name; a map as the last argument holds the options.
    ///
    /// # Errors
    /// If there is no such operation, and as the operation does.
    pub fn call(&self, name: &str, args: Vec<Value>) -> Result<Value, Error> {
        let operation = OPS.iter().find(|operation| operation.spec().name == name).ok_or_else(|| unknown(name))?;
        self.invoke(*operation, args, None)
    }

    /// Calls an operation from a line of a script: counts it, checks its arguments, catches its panics, and records its
    /// outcome.
    ///
    /// # Errors
    /// As the operation does, and if the run must end.
    pub fn invoke(&self, operation: &dyn Operation, args: Vec<Value>, line: Option<u32>) -> Result<Value, Error> {
        self.record(operation, args, line, |session, args| operation.call(session, args), |value| value)
    }

    /// Calls an operation as [`invoke`](Self::invoke) does, and leaves long results to be read on demand.
    ///
    /// # Errors
    /// As [`invoke`](Self::invoke).
    pub fn answer(&self, operation: &dyn Operation, args: Vec<Value>, line: Option<u32>) -> Result<OpAnswer, Error> {
        self.record(operation, args, line, |session, args| operation.answer(session, args), OpAnswer::Value)
    }

    /// Performs a call between counting it and recording its outcome; `neutral` converts the value that a denied
    /// operation yields in a plan into a result.
    fn record<T>(
        &self,
        operation: &dyn Operation,
        args: Vec<Value>,
        line: Option<u32>,
        work: impl FnOnce(&Session<'_>, &Args) -> Result<T, Error>,
        neutral: impl FnOnce(Value) -> T,
    ) -> Result<T, Error> {
        let spec = operation.spec();
        let budget = self.run.budget();
        let session = Session { gate: self.run.gate(Call { operation: spec.name, line }), ..*self };
        if let Some(bond) = self.run.bond() {
            let mut hasher = Hasher::new();
            args.iter().for_each(|arg| hash(arg, &mut hasher));
            bond.called(spec.name, &hasher.finalize().to_string());
        }
        let start = Instant::now();
        let before = budget.bytes_read() + budget.bytes_written();
        // Denials outside of a call were reported where they occurred.
        drop(self.run.take_denials());
        let bound = budget.count_operation().and_then(|()| Args::bind(spec, self.base, args));
        let bound = self.demand_plannable(operation).and(bound);
        let result = bound.as_ref().map_err(Clone::clone).and_then(|args| {
            catch_unwind(AssertUnwindSafe(|| work(&session, args))).unwrap_or_else(|_| {
                Err(Error::new(Code::Internal, format!("`{}` panicked", spec.name))
                    .with_help("this is a bug in Rex: please report it"))
            })
        });
        let result = session.advised(spec, bound.ok().as_ref(), result);
        let bytes = (budget.bytes_read() + budget.bytes_written()).saturating_sub(before);
        let code = result.as_ref().err().map(|error| error.code);
        let recorded = session.gate.outcome(code, bytes, start.elapsed());
        // A record that was lost earlier has its own error, which says why.
        if code != Some(Code::JournalFailed) {
            recorded?;
        }
        let denied = result.as_ref().err().and_then(|error| error.denial.as_ref());
        let denied = match (code, denied) {
            (Some(Code::AccessDenied), Some(denial)) => self.os.denied_result(spec, &denial.resource),
            _ => None,
        };
        denied.map_or(result, |value| Ok(neutral(value))).map_err(|error| Error { operation: Some(spec.name), ..error })
    }

    /// Checks that an operation has no effect in a plan.
    fn demand_plannable(&self, operation: &dyn Operation) -> Result<(), Error> {
        let spec = operation.spec();
        let only_reads = !spec.needs.is_empty() && !spec.needs.iter().any(|action| action.has_effect());
        if !self.os.is_planned() || only_reads || operation.can_be_planned() {
            return Ok(());
        }
        let message = format!("`{}` cannot be planned: it may act at once", spec.name);
        Err(Error::new(Code::Unsupported, message)
            .with_help("an operation that acts through `Session::os` alone says so by `Operation::can_be_planned`"))
    }

    /// Returns the limits of the run.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.run.limits()
    }

    /// Checks that the run has this much time left, so that no wait is futile.
    ///
    /// # Errors
    /// If it has less.
    pub fn ensure_time_left(&self, time: Duration) -> Result<(), Error> {
        if time < self.run.budget().remaining() {
            return Ok(());
        }
        Err(exhausted("wall_ms", self.limits().wall_ms, "milliseconds of wall time"))
    }

    /// Requests an action that is performed later, once others are permitted too.
    ///
    /// # Errors
    /// If it is not permitted, or the run must end.
    pub fn permit<A: Action>(&self, action: A, resource: A::Resource) -> Result<Grant<A>, Error> {
        self.permit_behind(action, resource, None)
    }

    fn permit_behind<A: Action>(&self, action: A, resource: A::Resource, via: Option<&str>) -> Result<Grant<A>, Error> {
        Ok(self.gate.permit_behind(action, resource, via)?)
    }

    /// Requests an action and performs it. If the name leads to another (a symbolic link, an alias of a unit), requests
    /// the action on that one, so that no name lends its permission to another.
    ///
    /// # Errors
    /// If it is not permitted, or the system does not perform it.
    pub fn act<A, T>(
        &self,
        action: A,
        resource: A::Resource,
        mut act: impl FnMut(Grant<A>) -> Result<T, OsError>,
    ) -> Result<T, Error>
    where
        A: Action<Resource: Redirected>,
    {
        let (mut resource, mut via) = (resource, None::<A::Resource>);
        for _ in 0..MAX_HOPS {
            let from = via.as_ref().map(Resource::id);
            let grant = self.permit_behind(action.clone(), resource.clone(), from)?;
            match act(grant).map_err(|error| resource.redirected(error)) {
                Ok(done) => return Ok(done),
                Err(Ok(other)) => via = Some(std::mem::replace(&mut resource, other)),
                Err(Err(error)) => return Err(error.into_error(&resource)),
            }
        }
        Err(Error::new(Code::Io, format!("the target of `{}` keeps changing", resource.id().escape_debug())))
    }

    /// Opens a file for reading. The bytes read count toward the budget.
    ///
    /// # Errors
    /// If it is not permitted, or cannot be opened.
    pub fn open(&self, path: AbsPath) -> Result<MeteredFile<'r>, Error> {
        let id = path.as_str().to_owned();
        let (path, source) = self.act(fs::Read {}, path, |grant| {
            let path = grant.resource().clone();
            self.os.open(grant).map(|source| (path, source))
        })?;
        Ok(MeteredFile { source, run: self.run, id, path })
    }
}

impl Session<'_> {
    /// Writes a file. The bytes written count toward the budget and must match the run's bond, if it has one.
    pub(crate) fn put(
        &self,
        grant: Grant<fs::Write>,
        contents: impl Read,
        options: WriteOptions,
    ) -> Result<u64, OsError> {
        let held = self.run.bond().map(|bond| (bond, grant.resource().clone(), Hasher::new()));
        self.os.write(grant, &mut WrittenContents { contents, run: self.run, held }, options)
    }
}

/// Adds a value to a hash, with its kind and its length, so that different values hash different data.
pub(crate) fn hash(value: &Value, hasher: &mut Hasher) {
    let (kind, bytes): (u8, &[u8]) = match value {
        Value::Null => (0, &[]),
        Value::Bool(value) => (1, &[u8::from(*value)]),
        Value::Int(value) => (2, &value.to_le_bytes()),
        Value::Float(value) => (3, &value.to_le_bytes()),
        Value::Text(text) => (4, text.as_bytes()),
        Value::Bytes(bytes) => (5, bytes),
        Value::List(values) => (6, &(values.len() as u64).to_le_bytes()),
        Value::Map(entries) => (7, &(entries.len() as u64).to_le_bytes()),
    };
    hasher.update(&[kind]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    match value {
        Value::List(values) => values.iter().for_each(|value| hash(value, hasher)),
        Value::Map(entries) => entries.iter().for_each(|(key, value)| {
            hash(&Value::Text(key.to_string()), hasher);
            hash(value, hasher);
        }),
        _ => {}
    }
}

fn unknown(name: &str) -> Error {
    let help = did_you_mean(name, OPS.iter().map(|operation| operation.spec().name));
    Error { help, ..Error::validation(format!("there is no operation `{}`", name.escape_debug())) }
}

/// Contents on their way to a file, counted as they are read. At their end, before the file changes, the run's bond
/// checks their hash.
struct WrittenContents<'r, R> {
    contents: R,
    run: &'r Run,
    held: Option<(&'r dyn Bond, AbsPath, Hasher)>,
}

impl<R: Read> Read for WrittenContents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.contents.read(buffer)?;
        self.run.budget().count_written(count as u64).map_err(io::Error::other)?;
        if let Some((bond, path, hasher)) = &mut self.held {
            hasher.update(buffer.get(..count).unwrap_or_default());
            if count == 0 && !buffer.is_empty() {
                let digest = hasher.finalize().to_string();
                let left = |why: String| io::Error::other(Error::new(Code::AccessDenied, why));
                bond.writes(path.as_str(), &digest).map_err(left)?;
            }
        }
        Ok(count)
    }
}

/// A resource whose name may be an alias of another resource.
pub trait Redirected: Resource + Clone {
    /// Returns the other name, if the error names one.
    ///
    /// # Errors
    /// The same error, if it does not.
    fn redirected(&self, error: OsError) -> Result<Self, OsError>;
}

impl Redirected for AbsPath {
    fn redirected(&self, error: OsError) -> Result<Self, OsError> {
        match error {
            OsError::Crossed(target) => Ok(target),
            other => Err(other),
        }
    }
}

impl Redirected for Program {
    fn redirected(&self, error: OsError) -> Result<Self, OsError> {
        match error {
            OsError::Crossed(path) => Ok(Self { path, sha256: self.sha256.clone() }),
            other => Err(other),
        }
    }
}

impl Redirected for Unit {
    fn redirected(&self, error: OsError) -> Result<Self, OsError> {
        match error {
            OsError::Alias(unit) => Ok(unit),
            other => Err(other),
        }
    }
}

/// An open file whose bytes are counted as they are read.
pub struct MeteredFile<'r> {
    source: Box<dyn Source>,
    run: &'r Run,
    id: String,
    path: AbsPath,
}

impl fmt::Debug for MeteredFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredFile").field("id", &self.id).finish_non_exhaustive()
    }
}

impl MeteredFile<'_> {
    /// Returns the name under which it was opened, after all redirections.
    #[must_use]
    pub fn path(&self) -> &AbsPath {
        &self.path
    }

    /// Returns the name that the operation requested.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the file without its budget.
    pub(crate) fn into_source(self) -> Box<dyn Source> {
        self.source
    }

    /// Returns the size at the time of opening, in bytes; 0 if it is unknown.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// Converts a read error into the error that a script gets.
    #[must_use]
    pub fn error(&self, error: io::Error) -> Error {
        io_error(error, &self.id.escape_debug().to_string())
    }

    /// Reads at an offset, without moving the position of [`Read`]. 0 bytes mean the end.
    ///
    /// # Errors
    /// If the system cannot read there, or the budget is used up.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.source.read_at(buffer, offset)?;
        self.run.budget().count_read(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }

    /// Returns the identity and the current size of the file.
    ///
    /// # Errors
    /// If the system does not report them.
    pub fn state(&self) -> Result<SourceState, Error> {
        self.source.state().map_err(|error| self.error(error))
    }

    /// Decodes the file: expands it if it is compressed, converts UTF-16 to UTF-8, and drops a byte order mark. Its
    /// size is then unknown, and decoded bytes count toward the budget. If its compression is not supported, the first
    /// read fails.
    #[must_use]
    pub fn expanded(mut self) -> Self {
        let start = self.start();
        let wide = WideEncoding::of(&start).is_some();
        self.source = match (CompressionFormat::of(&start), CompressionFormat::unread(&start)) {
            (Some(format), _) => Box::new(DecodedReader::new(ExpandedReader::new(format, self.source))),
            (None, Some(format)) => Box::new(FailingReader(expand::unread(format, &self.id))),
            (None, None) if wide => Box::new(DecodedReader::new(self.source)),
            (None, None) if start.starts_with(MARK) && self.size() != 0 => Box::new(UnmarkedSource::new(self.source)),
            (None, None) => return self,
        };
        self
    }

    /// Expands the file if it is compressed, without decoding its text.
    pub(crate) fn decompressed(mut self) -> Self {
        let start = self.start();
        self.source = match (CompressionFormat::of(&start), CompressionFormat::unread(&start)) {
            (Some(format), _) => Box::new(ExpandedReader::new(format, self.source)),
            (None, Some(format)) => Box::new(FailingReader(expand::unread(format, &self.id))),
            (None, None) => return self,
        };
        self
    }

    /// Returns `true` if the file is neither compressed nor in UTF-16, so that its bytes are those of its text.
    pub(crate) fn is_plain(&self) -> bool {
        let start = self.start();
        CompressionFormat::of(&start).is_none()
            && CompressionFormat::unread(&start).is_none()
            && WideEncoding::of(&start).is_none()
    }

    /// Returns its first bytes.
    pub(crate) fn start(&self) -> Vec<u8> {
        let mut start = vec![0; expand::START];
        // Files that cannot be read at an offset are generated by the kernel, and not compressed.
        let count = self.source.read_at(&mut start, 0).unwrap_or(0);
        start.truncate(count);
        start
    }

    /// Returns its compression format, if any.
    pub(crate) fn format(&self) -> Option<CompressionFormat> {
        CompressionFormat::of(&self.start())
    }

    /// Returns a new reader of its contents from the start, expanded if they are compressed. The expanded bytes count
    /// toward the budget.
    pub(crate) fn contents(&self) -> MeteredContents<'_> {
        let compressed = expand::OffsetReader { source: self.source.as_ref(), offset: 0 };
        let reader: Box<dyn Read + '_> = match self.format() {
            Some(format) => Box::new(ExpandedReader::new(format, compressed)),
            None => match CompressionFormat::unread(&self.start()) {
                Some(format) => Box::new(FailingReader(expand::unread(format, &self.id))),
                None => Box::new(compressed),
            },
        };
        MeteredContents { reader, run: self.run }
    }

    /// Reads all of it as [`MeteredFile::read_all`] does, expanded if it is compressed, and as UTF-8 if it is UTF-16. The
    /// same limit applies to the result.
    ///
    /// # Errors
    /// As [`MeteredFile::read_all`], and if the compressed data is damaged.
    pub fn read_all_expanded(mut self) -> Result<Vec<u8>, Error> {
        let bytes = self.fill()?;
        if let Some(format) = CompressionFormat::unread(&bytes) {
            return Err(expand::unread(format, &self.id));
        }
        let bytes = match CompressionFormat::of(&bytes) {
            Some(format) => {
                self.source = Box::new(ExpandedReader::new(format, io::Cursor::new(bytes)));
                self.fill()?
            }
            None => bytes,
        };
        let max = self.run.limits().file_bytes;
        let text = expand::decode(bytes, max).map_err(|error| self.error(error))?;
        if text.len() as u64 > max { Err(exceeded("file_bytes", max, "bytes of one file in memory")) } else { Ok(text) }
    }

    /// Reads all of it, up to the limit `file_bytes`.
    ///
    /// # Errors
    /// If it is longer, it cannot be read, or the budget is used up.
    pub fn read_all(mut self) -> Result<Vec<u8>, Error> {
        self.fill()
    }

    fn fill(&mut self) -> Result<Vec<u8>, Error> {
        /// Maximum number of bytes between two checks of the budget.
        const CHUNK: u64 = 16 << 20;
        let max = self.run.limits().file_bytes;
        let too_large = || exceeded("file_bytes", max, "bytes of one file in memory");
        if self.size() > max {
            return Err(too_large().with_help("read a part of it: `fs::lines`, `fs::grep`"));
        }
        let known = self.size();
        let mut bytes = Vec::new();
        loop {
            // One byte more than expected, so that a short read shows the end without another read.
            let left = known.saturating_sub(bytes.len() as u64) + 1;
            let room = left.max(bytes.len() as u64).clamp(256, CHUNK);
            bytes.reserve_exact(usize::try_from(room).unwrap_or(256));
            let room = bytes.capacity() - bytes.len();
            let count = self.source.read_into(&mut bytes).map_err(|error| self.error(error))?;
            self.run.budget().count_read(count as u64)?;
            if bytes.len() as u64 > max {
                return Err(too_large());
            }
            // A size of 0 may be a file of `/proc`, which arrives in pieces, so it is read until a read returns
            // nothing.
            if count == 0 || (bytes.len() as u64 >= known && known > 0 && count < room) {
                return Ok(bytes);
            }
        }
    }
}

impl Read for MeteredFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.run.budget().count_read(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

/// The reader that [`MeteredFile::contents`] returns.
pub(crate) struct MeteredContents<'m> {
    reader: Box<dyn Read + 'm>,
    run: &'m Run,
}

impl Read for MeteredContents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.run.budget().count_read(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rex_core::{Authorize, Decision, MemoryJournal, Principal, Request, Subject};

    use super::*;
    use crate::MemOs;

    struct All;

    impl Authorize for All {
        fn decide(&self, _: &Request<'_>) -> Decision {
            Decision::allow(&["rule"])
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_text() {
        let (subject, journal) = (Subject::new(Principal::agent("tester")), Arc::new(MemoryJournal::new(9)));
        let run = Run::new("test", subject, Arc::new(All), journal, Limits::default());
        let (os, base) = (MemOs::new().file("/f", "\u{feff}ab\ncd"), AbsPath::root());
        let mut file = Session::new(&run, &os, &base).open(base.join("f").unwrap()).unwrap().expanded();
        let mut end = [0; 2];
        assert_eq!((file.size(), file.read_at(&mut end, 3).unwrap(), &end), (5, 2, b"cd"));
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab\ncd");
    }

    #[test]
    fn a_name_of_two_lines_is_told_in_one() {
        let (subject, journal) = (Subject::new(Principal::agent("tester")), Arc::new(MemoryJournal::new(9)));
        let run = Run::new("test", subject, Arc::new(All), journal, Limits::default());
        let (os, base) = (MemOs::new().file("/a\nb", ""), AbsPath::root());
        let file = Session::new(&run, &os, &base).open(base.join("a\nb").unwrap()).unwrap();
        assert_eq!(file.error(io::Error::other("broken")).message, r"`/a\nb`: broken");
    }
}
