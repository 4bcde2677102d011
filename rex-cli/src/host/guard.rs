//! Ends the command where a run was told to stop and something keeps it from ending: a journal that is locked, a pipe that nobody
//! reads, a file system that does not answer.

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

/// What signals do to a run.
#[derive(Default)]
pub(crate) struct Signals {
    /// Set by the first.
    pub(crate) cancel: Arc<AtomicBool>,
    /// The number of the last.
    pub(crate) signal: Arc<AtomicUsize>,
    /// Once this is set, a signal ends the process at once.
    pub(crate) done: Arc<AtomicBool>,
    /// What ends the process at the second.
    pub(crate) at_second: Vec<SigId>,
}

impl Signals {
    /// SIGINT and SIGTERM tell the run to stop; a second one ends the process at once.
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
                .map_err(|error| Stop::internal(format!("signals cannot be handled: {error}")))?;
        }
        // A journal beyond the bound that a shell set (`ulimit -f`) is an error of the write, and no end of the supervisor.
        signal_hook::flag::register(SIGXFSZ, Arc::default())
            .map_err(|error| Stop::internal(format!("signals cannot be handled: {error}")))?;
        // Whoever waits for the lock of a journal looks at this one.
        super::journal::stop_waiting_at(&signals.cancel);
        Ok(signals)
    }
}

/// How a command ends whose run was told to stop by a signal. Where only the worker got it, it was the one that stops services.
pub(crate) fn ended_by(signal: &AtomicUsize) -> Exit {
    let signal = u8::try_from(signal.load(Ordering::Relaxed)).unwrap_or(0);
    Exit::Signal(if signal == 0 { u8::try_from(SIGTERM).unwrap_or(15) } else { signal })
}

/// How long a run that was told to stop may take to do so. Whoever stops it waits for a second.
const LAST: Duration = Duration::from_millis(750);
/// How long the report of it may take to be printed.
const PRINTING: Duration = Duration::from_millis(150);

/// A thread that waits for a signal, and then for the end of the run; both end with this.
#[derive(Debug)]
pub(crate) struct Guard {
    over: Arc<AtomicBool>,
    /// Dropped at the end, which the thread notices.
    running: Option<Sender<()>>,
    wake: UnixStream,
    ids: Vec<SigId>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Waits for these signals. `report` prints what is known of the run when it takes too long; `status` is how the command ends
    /// then.
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

/// Prints in a thread of its own, since nobody may read what is printed.
fn print(report: impl FnOnce() + Send + 'static) {
    let (sender, printed) = channel();
    let print = move || {
        report();
        // Whoever has gone on does not wait for it.
        let _ = sender.send(());
    };
    if Builder::new().name("rex-report".to_owned()).spawn(print).is_ok() {
        let _ = printed.recv_timeout(PRINTING);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.running = None;
        for id in &self.ids {
            unregister(*id);
        }
        // Whatever it waits for, it is over.
        let _ = self.wake.write_all(b"x");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
