//! The process that does what a worker asks for. What it opens may be on a file system that does not answer, and that holds a process
//! beyond any signal. So it is not the supervisor, which can always report and end.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rex_sdk::host::worker::Worker;
use rex_sdk::os::Failure;

use super::broker::Asked;
use super::run::Job;
use super::supervise::TAKING;
use super::wire::{Answer, Frames, Kind, Question, send, send_with};

/// How many questions of a worker may be open: it waits for each answer, though not for longer than its run.
const QUESTIONS: usize = 8;

/// The supervisor's side of it.
pub(crate) struct Actor {
    process: Worker,
    stream: UnixStream,
}

impl Actor {
    /// Starts it, while there is one thread. Its answers go to whoever is at the other end of `answers`.
    pub(crate) fn start(job: &Job, answers: &UnixStream) -> io::Result<Self> {
        let (process, stream) = Worker::start(|stream| act(job, &stream))?;
        stream.set_write_timeout(Some(TAKING))?;
        send_with(&stream, Kind::Answer, b"", &answers.try_clone()?.into())?;
        Ok(Self { process, stream })
    }

    /// Has it answer a question, which was looked at.
    pub(crate) fn ask(&self, question: &[u8]) -> io::Result<()> {
        send(&self.stream, Kind::Ask, question)
    }

    /// Tells it that the run is to stop.
    pub(crate) fn stop(&self) {
        self.process.stop();
    }

    /// Whether it is gone, which it never is by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.wait_for(Duration::ZERO).unwrap_or(true)
    }

    /// Its process, which ends when this is dropped.
    pub(crate) fn into_process(self) -> Worker {
        self.process
    }
}

/// All that it does.
fn act(job: &Job, stream: &UnixStream) {
    // Whoever stops a service signals all of its processes, and the supervisor passes its own signal on.
    for id in &job.at_second {
        signal_hook::low_level::unregister(*id);
    }
    let asked = Arc::new(Asked::new(job));
    let mut frames = Frames::new(u32::MAX.into()).with_descriptors();
    let mut to = None;
    loop {
        match frames.next() {
            Ok(Some((Kind::Answer, _))) => to = frames.take_descriptor().map(UnixStream::from),
            Ok(Some((Kind::Ask, question))) => {
                let (Ok(question), Some(to)) = (serde_json::from_slice(&question), &to) else { return };
                if answer(&asked, question, to).is_err() {
                    return;
                }
            }
            Ok(None) => match frames.fill(stream) {
                Ok(true) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The supervisor is gone, and this process goes with it.
                _ => return,
            },
            _ => return,
        }
    }
}

/// Has a thread do what is asked for.
fn answer(asked: &Arc<Asked>, question: Question, to: &UnixStream) -> io::Result<()> {
    if Arc::strong_count(asked) > QUESTIONS {
        let result = Err(Failure::Unavailable("it asks too much at a time".to_owned()));
        let answer = Answer { number: question.number, result };
        return send(to, Kind::Answer, &serde_json::to_vec(&answer)?);
    }
    let (asked, to) = (asked.clone(), to.try_clone()?);
    let answer = move || {
        let (answer, descriptor) = asked.answer(question);
        // A worker that is gone waits for nothing.
        let _ = match descriptor {
            Some(descriptor) => send_with(&to, Kind::Answer, &answer, &descriptor),
            None => send(&to, Kind::Answer, &answer),
        };
    };
    std::thread::Builder::new().name("rex-actor".to_owned()).spawn(answer).map(drop)
}
