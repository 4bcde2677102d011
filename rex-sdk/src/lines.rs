//! The lines of an open file, read on demand: a script can process a large log with the memory of one line.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use rex_core::limits::exceeded;
use rex_core::{Code, Error, Run, Value};

use crate::expand::{self, CompressionFormat, DecodedReader, ExpandedReader, MARK, WideEncoding};
use crate::os::{Source, io_error};
use crate::session::MeteredFile;

/// Number of bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// The lines of an open file, which can be read several times. If the file grows, they end where it ended when it was
/// opened.
#[derive(Clone)]
pub struct FileLines {
    origin: LinesOrigin,
    /// The size of the file when it was opened, in bytes.
    size: u64,
    format: Option<CompressionFormat>,
    /// `true` if the file is in another encoding or has a byte order mark.
    decoded: bool,
    id: String,
    operation: &'static str,
    lossy: bool,
    skip: u64,
    max: u64,
}

#[derive(Clone)]
enum LinesOrigin {
    File(Arc<Mutex<Box<dyn Source>>>),
    /// A file of unknown size, such as those of `/proc`, which not every system can read at an offset.
    Memory(Arc<[u8]>),
}

impl fmt::Debug for FileLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLines").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FileLines {
    /// Takes over a file that was opened for an operation.
    ///
    /// # Errors
    /// If the size of the file is unknown and it cannot be read.
    pub(crate) fn new(file: MeteredFile<'_>, operation: &'static str) -> Result<Self, Error> {
        let (id, start, size) = (file.id().to_owned(), file.start(), file.size());
        if let Some(format) = CompressionFormat::unread(&start) {
            return Err(expand::unread(format, &id));
        }
        let (origin, size) = if size == 0 {
            let bytes = file.read_all()?;
            let size = bytes.len() as u64;
            (LinesOrigin::Memory(bytes.into()), size)
        } else {
            (LinesOrigin::File(Arc::new(Mutex::new(file.into_source()))), size)
        };
        let decoded = WideEncoding::of(&start).is_some() || start.starts_with(MARK);
        let format = CompressionFormat::of(&start);
        Ok(Self { origin, size, format, decoded, id, operation, lossy: false, skip: 0, max: u64::MAX })
    }

    /// Replaces invalid UTF-8 instead of failing, if `lossy` is set.
    pub(crate) fn lossy(self, lossy: bool) -> Self {
        Self { lossy, ..self }
    }

    /// Skips the first `skip` lines and ends after `max` more.
    pub(crate) fn range(self, skip: u64, max: u64) -> Self {
        Self { skip, max, ..self }
    }

    /// Reads the lines from the first one on.
    #[must_use]
    pub fn read(&self) -> LinesReading {
        let plain = LinesReader { origin: self.origin.clone(), offset: 0, size: self.size };
        let reader: Box<dyn Read + Send> = match self.format {
            Some(format) => Box::new(DecodedReader::new(ExpandedReader::new(format, plain))),
            None if self.decoded => Box::new(DecodedReader::new(plain)),
            None => Box::new(plain),
        };
        let reader = BufReader::with_capacity(BLOCK, CountedReader { reader, bytes: 0 });
        LinesReading { reader, line: Vec::new(), skip: self.skip, left: self.max, lines: self.clone() }
    }

    /// Reads all lines into one list.
    ///
    /// # Errors
    /// If they take more than the limit `file_bytes`, and as [`LinesReading::next`].
    pub fn collect(&self, run: &Run) -> Result<Vec<Value>, Error> {
        let limit = run.limits().file_bytes;
        let (mut reading, mut all, mut held) = (self.read(), Vec::new(), 0);
        while let Some(line) = reading.next(run) {
            let line = line?;
            held += line.len() as u64;
            if held > limit {
                return Err(self.fail(exceeded("file_bytes", limit, "bytes of lines in memory")));
            }
            all.push(Value::Text(line));
        }
        Ok(all)
    }

    fn fail(&self, error: Error) -> Error {
        Error { operation: Some(self.operation), ..error }
    }
}

/// One pass over the lines of a file.
pub struct LinesReading {
    reader: BufReader<CountedReader>,
    line: Vec<u8>,
    skip: u64,
    left: u64,
    lines: FileLines,
}

impl fmt::Debug for LinesReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinesReading").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl LinesReading {
    /// Returns the next line without its end; `None` after the last one. The bytes read count toward the budget of the
    /// run.
    ///
    /// # Errors
    /// If the file cannot be read, a line is not UTF-8 or longer than the limit `file_bytes`, or the budget is used up.
    pub fn next(&mut self, run: &Run) -> Option<Result<String, Error>> {
        match self.step(run) {
            Ok(line) => line.map(Ok),
            Err(error) => {
                self.left = 0;
                Some(Err(self.lines.fail(error)))
            }
        }
    }

    fn step(&mut self, run: &Run) -> Result<Option<String>, Error> {
        while self.left > 0 {
            if !self.fill(run)? {
                self.left = 0;
                break;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            return self.text().map(Some);
        }
        Ok(None)
    }

    /// Reads one more line; returns `false` at the end.
    fn fill(&mut self, run: &Run) -> Result<bool, Error> {
        let limit = run.limits().file_bytes;
        self.line.clear();
        let before = self.reader.get_ref().bytes;
        let read = self.reader.by_ref().take(limit.saturating_add(1)).read_until(b'\n', &mut self.line);
        let count = self.reader.get_ref().bytes - before;
        if count > 0 {
            run.budget().count_read(count)?;
            run.budget().check()?;
        }
        let length = read.map_err(|error| io_error(error, &self.lines.id.escape_debug().to_string()))? as u64;
        if length > limit {
            return Err(exceeded("file_bytes", limit, "bytes of one line in memory"));
        }
        Ok(length > 0)
    }

    fn text(&self) -> Result<String, Error> {
        let line = content(&self.line);
        match std::str::from_utf8(line) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) if self.lines.lossy => Ok(String::from_utf8_lossy(line).into_owned()),
            Err(_) => {
                let message = format!("`{}` has a line that is not UTF-8", self.lines.id.escape_debug());
                Err(Error::new(Code::Unsupported, message)
                    .with_help("read it with the option `lossy`, or with `fs::read_bytes`"))
            }
        }
    }
}

/// Returns a line without its end.
pub(crate) fn content(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A reader of a file up to where it ended when it was opened.
struct LinesReader {
    origin: LinesOrigin,
    offset: u64,
    size: u64,
}

impl Read for LinesReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let Some(buffer) = buffer.get_mut(..room).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let count = match &self.origin {
            LinesOrigin::File(source) => {
                let count = source.lock().unwrap_or_else(PoisonError::into_inner).read_at(buffer, self.offset)?;
                if count == 0 {
                    return Err(io::Error::other("the file was cut while its lines were still to be read"));
                }
                count
            }
            LinesOrigin::Memory(bytes) => {
                let rest = usize::try_from(self.offset).ok().and_then(|offset| bytes.get(offset..));
                rest.unwrap_or_default().read(buffer)?
            }
        };
        self.offset += count as u64;
        Ok(count)
    }
}

/// A reader that counts the bytes read.
struct CountedReader {
    reader: Box<dyn Read + Send>,
    bytes: u64,
}

impl Read for CountedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}
