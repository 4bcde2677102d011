//! The guard: it ends the command if a stopped run cannot end, because its journal is locked, nobody reads its pipe, or a file system
//! does not answer.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::low_level::{exit, pipe, unregister};

use crate::exit::{Exit, Stop};

/// The state that signals to a run set.
#[derive(Default)]
pub(crate) struct RunSignals {
    /// `true` after the first signal.
    pub(crate) cancel: Arc<AtomicBool>,
    /// The number of the last signal.
    pub(crate) signal: Arc<AtomicUsize>,
    /// `true` if a signal ends the process at once.
    pub(crate) done: Arc<AtomicBool>,
    /// The handlers that end the process at the second signal.
    pub(crate) at_second: Vec<SigId>,
}

impl RunSignals {
    /// Registers the handlers: SIGINT and SIGTERM stop the run; a second one ends the process at once.
    pub(crate) fn new() -> Result<Self, Stop> {
        let mut signals = Self::default();
        for signal in [SIGINT, SIGTERM] {
            let exit = 128 | signal;
            let value = usize::try_from(signal).unwrap_or(0);
            signal_hook::flag::register_conditional_shutdown(signal, exit, signals.done.clone())
                .and_then(|_| signal_hook::flag::register_conditional_shutdown(signal, exit, signals.cancel.clone()))
                .map(|id| signals.at_second.push(id))
                .and_then(|()| signal_hook::flag::register_usize(signal, signals.signal.clone(), value))
                .and_then(|_| signal_hook::flag::register(signal, signals.cancel.clone()))
                .map_err(|error| Stop::internal(format!("signal handlers cannot be set: {error}")))?;
        }
        // A journal beyond the file size limit (`ulimit -f`) must fail the write, not end the supervisor.
        signal_hook::flag::register(SIGXFSZ, Arc::default())
            .map_err(|error| Stop::internal(format!("signal handlers cannot be set: {error}")))?;
        // A stopped run does not wait long for the lock of a journal.
        super::journal::stop_waiting_at(&signals.cancel);
        Ok(signals)
    }
}

/// Returns the exit of a run that a signal stopped: SIGTERM, if only the worker got it.
pub(crate) fn ended_by(signal: &AtomicUsize) -> Exit {
    let signal = u8::try_from(signal.load(Ordering::Relaxed)).unwrap_or(0);
    Exit::Signal(if signal == 0 { u8::try_from(SIGTERM).unwrap_or(15) } else { signal })
}

/// Maximum time for a stopped run to end; callers wait for one second.
const LAST: Duration = Duration::from_millis(750);
/// Maximum time to print its report.
const PRINTING: Duration = Duration::from_millis(150);

/// A thread that waits for a signal and then for the end of the run. Dropping this ends it.
#[derive(Debug)]
pub(crate) struct SignalGuard {
    over: Arc<AtomicBool>,
    /// A sender that is dropped at the end of the run, which wakes the thread.
    running: Option<Sender<()>>,
    wake: UnixStream,
    ids: Vec<SigId>,
    thread: Option<JoinHandle<()>>,
}

impl SignalGuard {
    /// Waits for these signals. If the run then takes too long, prints by `report` what is known of it and exits with `status`.
    pub(crate) fn new(
        signals: &[i32],
        status: impl Fn() -> u8 + Send + 'static,
        report: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        let ids = signals.iter().map(|signal| pipe::register(*signal, wake.try_clone()?)).collect::<io::Result<_>>()?;
        let over = Arc::new(AtomicBool::new(false));
        let (running, ends) = channel();
        let seen = over.clone();
        let wait = move || {
            if is_told(woken, &seen) && is_late(&ends) {
                print(report);
                exit(status().into());
            }
        };
        let thread = Some(Builder::new().name("rex-guard".to_owned()).spawn(wait)?);
        Ok(Self { over, running: Some(running), wake, ids, thread })
    }
}

/// Waits for a signal; `false` at the end of the run.
fn is_told(mut woken: UnixStream, over: &AtomicBool) -> bool {
    loop {
        match woken.read(&mut [0]) {
            Ok(1) => return !over.load(Ordering::SeqCst),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return false,
        }
    }
}

fn is_late(ends: &Receiver<()>) -> bool {
    ends.recv_timeout(LAST) == Err(RecvTimeoutError::Timeout)
}

/// Prints in another thread, since printing blocks if nobody reads.
fn print(report: impl FnOnce() + Send + 'static) {
    let (sender, printed) = channel();
    let print = move || {
        report();
        // The receiver is gone if printing took too long.
        let _ = sender.send(());
    };
    if Builder::new().name("rex-report".to_owned()).spawn(print).is_ok() {
        let _ = printed.recv_timeout(PRINTING);
    }
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.running = None;
        for id in &self.ids {
            unregister(*id);
        }
        // Wakes the thread. On an error, it has ended.
        let _ = self.wake.write_all(b"x");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
