//! Threads for runs, kept for the next run.

use std::io;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Stack size of a thread, in bytes. Values nest as deep as a script likes, and cloning one recurses; pages that are never
/// touched cost nothing.
const STACK_BYTES: usize = 256 << 20;
/// Maximum number of idle threads.
const IDLE: usize = 4;

type ThreadJob = Box<dyn FnOnce() + Send>;

/// A thread that does one job after another, and ends when it is dropped.
pub(crate) struct JobThread {
    jobs: mpsc::Sender<ThreadJob>,
}

impl JobThread {
    fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<ThreadJob>();
        std::thread::Builder::new().name("rex-run".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            while let Some(job) = soon(|| queue.try_recv().ok()).or_else(|| queue.recv().ok()) {
                job();
            }
        })?;
        Ok(Self { jobs })
    }
}

/// Repeats `attempt` until it succeeds, for at most 50 µs. Waking a thread that sleeps takes longer than most runs do.
pub(crate) fn soon<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    const MOMENT: Duration = Duration::from_micros(50);
    let start = Instant::now();
    while start.elapsed() < MOMENT {
        if let Some(done) = attempt() {
            return Some(done);
        }
        std::thread::yield_now();
    }
    None
}

/// The idle threads of an engine, and the number of its runs that were left behind.
pub(crate) struct JobThreads {
    idle: Mutex<Vec<JobThread>>,
    left_behind: Arc<AtomicUsize>,
}

/// The state of a run: running, ended, or left behind.
#[derive(Clone)]
pub(crate) struct RunState {
    state: Arc<AtomicU8>,
    left_behind: Arc<AtomicUsize>,
}

const ENDED: u8 = 1;
const LEFT: u8 = 2;

impl RunState {
    /// Notes that the run has ended, even if it was left behind.
    pub(crate) fn end(&self) {
        if self.state.swap(ENDED, AcqRel) == LEFT {
            self.left_behind.fetch_sub(1, AcqRel);
        }
    }

    /// Notes that the run is left behind.
    pub(crate) fn leave(&self) {
        self.left_behind.fetch_add(1, AcqRel);
        if self.state.swap(LEFT, AcqRel) == ENDED {
            self.left_behind.fetch_sub(1, AcqRel);
        }
    }
}

impl JobThreads {
    /// Returns a pool with one idle thread, which starts up while the first run is prepared.
    pub(crate) fn new() -> Self {
        Self { idle: Mutex::new(JobThread::start().ok().into_iter().collect()), left_behind: Arc::default() }
    }

    /// Returns the number of runs that were left behind and have not ended since.
    pub(crate) fn left_behind(&self) -> usize {
        self.left_behind.load(Acquire)
    }

    /// Returns the state of a run that is about to start.
    pub(crate) fn stay(&self) -> RunState {
        RunState { state: Arc::default(), left_behind: self.left_behind.clone() }
    }

    /// Starts a job in an idle thread, or in a new one. Give the worker back when the job has ended; one that is dropped before
    /// that is left behind with its job.
    pub(crate) fn start(&self, job: impl FnOnce() + Send + 'static) -> io::Result<JobThread> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let worker = idle.map_or_else(JobThread::start, Ok)?;
        worker.jobs.send(Box::new(job)).map_err(|_| io::Error::other("the thread has ended"))?;
        Ok(worker)
    }

    /// Takes back a worker whose job has ended.
    pub(crate) fn give_back(&self, worker: JobThread) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(worker);
        }
    }
}
