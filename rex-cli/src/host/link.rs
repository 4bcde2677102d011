//! The worker's side of the connection: its journal, and its questions about what it cannot do itself.

use std::any::Any;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rex_core::{Budget, Journal, JournalError, Record};
use rex_sdk::host::ConnectedSocket;
use rex_sdk::os::{Connection, OpenDescriptor, OsError};
use serde::de::DeserializeOwned;

use super::broker::BrokerRequest;
use super::journal::is_intent;
use super::wire::{BrokerAnswer, BrokerQuestion, FrameKind, FrameReader, send};

/// Maximum size in bytes, and age, of records that are held back since no act waits for them.
const BATCH_BYTES: usize = 32 << 10;
const BATCH_AGE: Duration = Duration::from_millis(20);

/// The socket to the supervisor.
///
/// As a journal, it has a record about an act that changes something written before the act; others go in batches.
pub(crate) struct SupervisorLink {
    state: Mutex<LinkState>,
}

struct LinkState {
    stream: UnixStream,
    frames: FrameReader,
    lines: Vec<u8>,
    since: Instant,
    asked: u64,
}

impl SupervisorLink {
    /// Wraps a stream. Its read timeout is the interval in which a waiting call checks its budget.
    pub(crate) fn new(stream: UnixStream) -> Self {
        let state = LinkState {
            stream,
            frames: FrameReader::new(u32::MAX.into()).with_descriptors(),
            lines: Vec::new(),
            since: Instant::now(),
            asked: 0,
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the remaining records, and the report.
    pub(crate) fn report(&self, report: &[u8]) {
        let mut state = self.state();
        // If this fails, the supervisor has ended this process or is about to.
        let _ = state.flush(FrameKind::Records).and_then(|()| send(&state.stream, FrameKind::Report, report));
    }

    /// Sends a line that the script printed, so that it is not lost with this process.
    pub(crate) fn printed(&self, line: &str) {
        // The report has it too.
        let _ = send(&self.state().stream, FrameKind::Output, line.as_bytes());
    }

    /// Has an act performed, and returns its result.
    pub(crate) fn ask<T: DeserializeOwned + 'static>(&self, ask: BrokerRequest, budget: &Budget) -> Result<T, OsError> {
        let mut state = self.state();
        state.flush(FrameKind::Records)?;
        state.asked += 1;
        let question = BrokerQuestion { number: state.asked, ask };
        let bytes = serde_json::to_vec(&question).map_err(io::Error::from)?;
        send(&state.stream, FrameKind::Ask, &bytes)?;
        let (answer, descriptor) = loop {
            budget.check()?;
            if let Some((FrameKind::Answer, bytes)) = state.next()? {
                let answer = serde_json::from_slice::<BrokerAnswer>(&bytes).map_err(io::Error::from)?;
                // Other answers are to earlier calls that did not wait for them.
                let descriptor = state.frames.take_descriptor();
                if answer.number == question.number {
                    break (answer, descriptor);
                }
            }
        };
        let mut done: T = serde_json::from_value(answer.result?).map_err(io::Error::from)?;
        let any = &mut done as &mut dyn Any;
        if let Some(connection) = any.downcast_mut::<Connection>() {
            connection.stream = descriptor.map(|descriptor| Box::new(ConnectedSocket::from(descriptor)) as _);
        } else if let Some(opened) = any.downcast_mut::<OpenDescriptor>() {
            opened.descriptor = descriptor;
        }
        Ok(done)
    }
}

impl LinkState {
    fn flush(&mut self, kind: FrameKind) -> io::Result<()> {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() { Ok(()) } else { send(&self.stream, kind, &lines) }
    }

    /// Returns the next frame; `None` after a timeout.
    fn next(&mut self) -> io::Result<Option<(FrameKind, Vec<u8>)>> {
        loop {
            if let Some(frame) = self.frames.next()? {
                return Ok(Some(frame));
            }
            match self.frames.fill(&self.stream) {
                Ok(true) => {}
                Ok(false) => return Err(io::Error::other("the supervisor is gone")),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the supervisor has written what was sent.
    fn written(&mut self) -> Result<(), JournalError> {
        loop {
            match self.next().map_err(|error| JournalError(error.to_string()))? {
                Some((FrameKind::Written, _)) => return Ok(()),
                Some((FrameKind::Lost, why)) => return Err(JournalError(String::from_utf8_lossy(&why).into_owned())),
                // An answer that nobody waits for any more, or a timeout.
                Some(_) | None => {}
            }
        }
    }
}

impl Journal for SupervisorLink {
    fn write(&self, record: Record) -> Result<(), JournalError> {
        let mut state = self.state();
        let state = &mut *state;
        let lost = |error: io::Error| JournalError(error.to_string());
        let changes = is_intent(&record.event);
        if state.lines.is_empty() {
            state.since = Instant::now();
        }
        serde_json::to_writer(&mut state.lines, &record).map_err(|error| JournalError(error.to_string()))?;
        state.lines.push(b'\n');
        if changes {
            state.flush(FrameKind::Intent).map_err(lost)?;
            return state.written();
        }
        if state.lines.len() > BATCH_BYTES || state.since.elapsed() > BATCH_AGE {
            state.flush(FrameKind::Records).map_err(lost)?;
        }
        Ok(())
    }

    fn settle(&self) {
        // Another thread that holds the lock sends the records.
        if let Ok(mut state) = self.state.try_lock()
            && state.since.elapsed() > BATCH_AGE
        {
            // If they cannot be sent, the next record or the report cannot either.
            let _ = state.flush(FrameKind::Records);
        }
    }
}
