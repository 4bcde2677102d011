//! The actor: the process that performs what a worker asks for. It may open files on a file system that does not answer, which blocks a
//! process beyond any signal. So it is not the supervisor, which can always report and end.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rex_sdk::host::worker::Worker;
use rex_sdk::os::OsFailure;

use super::broker::BrokerState;
use super::run::RunJob;
use super::supervise::TAKING;
use super::wire::{BrokerAnswer, BrokerQuestion, FrameKind, FrameReader, send, send_with};

/// Maximum number of open questions. A worker waits for each answer, but not longer than its run.
const QUESTIONS: usize = 8;

/// The supervisor's handle of the actor.
pub(crate) struct ActorHandle {
    process: Worker,
    stream: UnixStream,
}

impl ActorHandle {
    /// Starts the actor. This process must have only one thread. Answers go to the other end of `answers`.
    pub(crate) fn start(job: &RunJob, answers: &UnixStream) -> io::Result<Self> {
        let (process, stream) = Worker::start(|stream| act(job, &stream))?;
        stream.set_write_timeout(Some(TAKING))?;
        send_with(&stream, FrameKind::Answer, b"", &answers.try_clone()?.into())?;
        Ok(Self { process, stream })
    }

    /// Sends a question, which the supervisor has checked, to the actor.
    pub(crate) fn ask(&self, question: &[u8]) -> io::Result<()> {
        send(&self.stream, FrameKind::Ask, question)
    }

    /// Signals the actor that the run must stop.
    pub(crate) fn stop(&self) {
        self.process.stop();
    }

    /// Returns whether the actor has ended; it never ends by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.wait_for(Duration::ZERO).unwrap_or(true)
    }

    /// Returns the process, which ends when this is dropped.
    pub(crate) fn into_process(self) -> Worker {
        self.process
    }
}

/// Runs the actor.
fn act(job: &RunJob, stream: &UnixStream) {
    // A service manager signals all processes, and the supervisor forwards its own signal: two for one stop.
    for id in &job.at_second {
        signal_hook::low_level::unregister(*id);
    }
    let asked = Arc::new(BrokerState::new(job));
    let mut frames = FrameReader::new(u32::MAX.into()).with_descriptors();
    let mut to = None;
    loop {
        match frames.next() {
            Ok(Some((FrameKind::Answer, _))) => to = frames.take_descriptor().map(UnixStream::from),
            Ok(Some((FrameKind::Ask, question))) => {
                let (Ok(question), Some(to)) = (serde_json::from_slice(&question), &to) else { return };
                if answer(&asked, question, to).is_err() {
                    return;
                }
            }
            Ok(None) => match frames.fill(stream) {
                Ok(true) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The supervisor is gone, so the actor ends too.
                _ => return,
            },
            _ => return,
        }
    }
}

/// Answers a question in a new thread.
fn answer(asked: &Arc<BrokerState>, question: BrokerQuestion, to: &UnixStream) -> io::Result<()> {
    if Arc::strong_count(asked) > QUESTIONS {
        let result = Err(OsFailure::Unavailable("too many requests at once".to_owned()));
        let answer = BrokerAnswer { number: question.number, result };
        return send(to, FrameKind::Answer, &serde_json::to_vec(&answer)?);
    }
    let (asked, to) = (asked.clone(), to.try_clone()?);
    let answer = move || {
        let (answer, descriptor) = asked.answer(question);
        // Nobody waits for the answer if the worker is gone.
        let _ = match descriptor {
            Some(descriptor) => send_with(&to, FrameKind::Answer, &answer, &descriptor),
            None => send(&to, FrameKind::Answer, &answer),
        };
    };
    std::thread::Builder::new().name("rex-actor".to_owned()).spawn(answer).map(drop)
}
