//! Standard output, line by line.

use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};
use std::ops::ControlFlow;

use crate::exit::Stop;

/// Standard output. Once its reader has gone away, the rest need not be read.
pub(crate) struct StdoutWriter {
    to: BufWriter<StdoutLock<'static>>,
    failed: Option<io::Error>,
}

impl StdoutWriter {
    pub(crate) fn new() -> Self {
        Self { to: BufWriter::with_capacity(1 << 16, io::stdout().lock()), failed: None }
    }

    /// Writes one or more lines and a line break; `Break` if the write failed.
    pub(crate) fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        let written = self.to.write_all(line).and_then(|()| self.to.write_all(b"\n"));
        self.check(written)
    }

    /// Writes part of a line; `Break` if the write failed.
    pub(crate) fn text(&mut self, text: &[u8]) -> ControlFlow<()> {
        let written = self.to.write_all(text);
        self.check(written)
    }

    /// Returns a writer to standard output.
    pub(crate) fn writer(&mut self) -> impl Write + '_ {
        ErrorKeeper(self)
    }

    /// Flushes the buffer.
    pub(crate) fn flush(&mut self) -> ControlFlow<()> {
        let flushed = self.to.flush();
        self.check(flushed)
    }

    fn check(&mut self, done: io::Result<()>) -> ControlFlow<()> {
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Flushes, and returns the error of a failed write. A closed pipe is not an error.
    pub(crate) fn finish(mut self) -> Result<(), Stop> {
        if self.failed.is_none() {
            let _ = self.flush();
        }
        match self.failed {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Stop::internal(format!("standard output cannot be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}

/// A writer to standard output, which keeps an error.
struct ErrorKeeper<'a>(&'a mut StdoutWriter);

impl Write for ErrorKeeper<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.text(bytes) {
            ControlFlow::Continue(()) => Ok(bytes.len()),
            ControlFlow::Break(()) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
