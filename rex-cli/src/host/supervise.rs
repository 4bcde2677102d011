//! The three processes of a run: a worker, which confines itself and runs the script; an actor, which performs what the worker asks
//! for; and this one, the supervisor, which keeps the journal and reports, whatever happens to the others.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rex_core::limits::exhausted;
use rex_core::{Code, Journal, Limits};
use rex_engine::RunStats;
use rex_policy::{Policy, RejectedPolicy};
use rex_sdk::HostOs;
use rex_sdk::host::cgroup::{ControlGroup, GroupBounds};
use rex_sdk::host::confine::{Confinement, ConfinementMode, ConfinementPart, PartState, WorkerBounds, confine};
use rex_sdk::host::worker::{Worker, WorkerEnding, end_at_once};

use super::actor::ActorHandle;
use super::lines::{PermittedAct, WorkerRecords};
use super::link::SupervisorLink;
use super::plan;
use super::report::RunReport;
use super::run::{RunJob, RunResult, told};
use super::wire::{BrokerQuestion, ConfinedPart, ConfinementReport, FrameKind, FrameReader, send};
use crate::exit::Stop;

/// Interval in which both sides check the run; the supervisor also checks the worker's memory.
const TURN: Duration = Duration::from_millis(50);
/// Extra time of a worker beyond that of its run: to confine itself, to end by its own limits, to report.
const GRACE: Duration = Duration::from_millis(1_500);
/// Maximum time for a stopped worker to report.
const STOPPING: Duration = Duration::from_millis(500);
/// Maximum time for a worker to read what it is sent: the supervisor never waits without a limit.
pub(super) const TAKING: Duration = Duration::from_secs(2);
/// Maximum time for a worker to compile the policy and confine itself.
const SETTLING: Duration = Duration::from_secs(60);

/// The exit status of a worker that the kernel gives no more memory.
const OUT_OF_MEMORY: i32 = 86;

/// Runs the script in a confined worker.
///
/// The worker is started early, while there is little to copy, and compiles the policy for itself. `started` is called after worker
/// and actor are started: then there may be threads.
pub(crate) fn run(
    job: &RunJob,
    started: impl FnOnce() -> Result<(), Stop>,
    warn: impl Fn(&Policy),
) -> Result<RunResult, Stop> {
    let (worker, stream) = Worker::start(|stream| work(job, stream))
        .map_err(|error| Stop::internal(format!("the worker process cannot be started: {error}")))?;
    let actor = ActorHandle::start(job, &stream)
        .map_err(|error| Stop::internal(format!("the actor process cannot be started: {error}")))?;
    started()?;
    let bounded = stream.set_read_timeout(Some(TURN)).and_then(|()| stream.set_write_timeout(Some(TAKING)));
    bounded.map_err(|error| Stop::internal(error.to_string()))?;
    let mut supervisor = Supervisor {
        job,
        worker,
        stream,
        frames: FrameReader::new(frame_bytes(job)),
        output: Vec::new(),
        output_bytes: 0,
        looked: Instant::now(),
        start: Instant::now(),
        stopping: None,
        lines: WorkerRecords::new(&job.run_id, &job.subject, &job.limits, job.steps()),
        confined: None,
        actor,
    };
    job.watch.iter().for_each(|watch| watch.begin());
    // Not earlier, so that the worker never has the key.
    job.sign_with_key()?;
    match supervisor.watch(&warn)? {
        Err(rejected) => Ok(RunResult::Rejected(rejected)),
        Ok(told) => {
            let told = job.finish_journal(told);
            let told = RunReport { run_id: job.run_id.clone(), confinement: supervisor.confined.take(), ..told };
            Ok(RunResult::Told(Box::new(told), vec![supervisor.worker, supervisor.actor.into_process()]))
        }
    }
}

/// Returns the maximum size of a frame. The longest is a report: a byte of text is at most six of JSON.
fn frame_bytes(job: &RunJob) -> u64 {
    let plan = if job.is_plan() { plan::MOST_BYTES } else { 0 };
    let (value, output) = (job.limits.value_bytes, job.limits.output_bytes);
    value.saturating_add(output).saturating_mul(6).saturating_add(plan).saturating_add(1 << 20)
}

/// Returns the maximum number of [`parts`] of a report, which bounds the memory that it takes the supervisor.
fn frame_parts(job: &RunJob) -> u64 {
    // Fields of a step of a plan, and all that a report has besides its value, its output and its plan.
    const OF_STEP: u64 = 32;
    const OTHERS: u64 = 1 << 16;
    let plan = if job.is_plan() { job.limits.operations.saturating_mul(OF_STEP) } else { 0 };
    // A value counts at least 16 bytes, and a line of output one.
    (job.limits.value_bytes / 16).saturating_add(job.limits.output_bytes).saturating_add(plan).saturating_add(OTHERS)
}

/// Counts what may become a value of its own when this JSON is read: a few bytes of text become many of memory.
fn parts(json: &[u8]) -> u64 {
    let (mut parts, mut quoted, mut escaped) = (1, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' | b',' if !quoted => parts += 1,
            _ => {}
        }
    }
    parts
}

/// Returns the bounds of a worker: those of its run, and what threads and parsers need in addition.
fn bounds(limits: &Limits) -> WorkerBounds {
    // The stacks of the threads that run scripts, mostly never touched.
    const STACKS: u64 = 4 * (256 << 20);
    let wall = Duration::from_millis(limits.wall_ms);
    WorkerBounds {
        // A single step may allocate as much again beyond the limit.
        address_space: limits.memory_bytes.saturating_mul(3).saturating_add(STACKS + (512 << 20)),
        file_bytes: limits.written_bytes,
        cpu: wall.saturating_mul(4).saturating_add(Duration::from_secs(2)),
        ..WorkerBounds::default()
    }
}

/// Creates a control group for the worker, if one was delegated to this process.
pub(crate) fn group(run_id: &str, limits: &Limits, mode: ConfinementMode) -> Result<Option<ControlGroup>, Stop> {
    // The worker has few threads and holds no more than it can address; the supervisor is not in the group.
    let bounds = GroupBounds { memory: bounds(limits).address_space, processes: 64, cpu: 100_000 };
    match ControlGroup::create(&format!("rex-{run_id}"), &bounds) {
        Err(error) if mode == ConfinementMode::Require => {
            let message = format!("the control group delegated to this process cannot be used: {error}");
            Err(Stop::usage(message).with_help("`--confine available` runs without it"))
        }
        other => Ok(other.ok().flatten()),
    }
}

/// Runs the worker.
fn work(job: &RunJob, stream: UnixStream) {
    rex_engine::when_out_of_memory(|| end_at_once(OUT_OF_MEMORY));
    // A service manager signals all processes, and the supervisor forwards its own signal: two for one stop.
    for id in &job.at_second {
        signal_hook::low_level::unregister(*id);
    }
    // Once confined, the worker cannot change the options of a socket.
    if stream.set_read_timeout(Some(TURN)).is_err() {
        return;
    }
    if job.group.as_ref().is_some_and(|group| group.add(std::process::id()).is_err()) {
        return;
    }
    let policy = job.policies.compile();
    if !policy.as_ref().is_ok_and(|policy| policy.warnings().is_empty())
        && send(&stream, FrameKind::Warned, b"").is_err()
    {
        return;
    }
    let Ok(policy) = policy else { return };
    let reach = policy.reach(Some(&job.subject.principal));
    let reach = if job.is_plan() { plan::reach(&reach) } else { reach };
    let (confinement, refused) = match confine(&reach, &bounds(&job.limits), job.mode) {
        Ok(confinement) => (confinement, false),
        Err(unconfined) => (unconfined.0, true),
    };
    let said = serde_json::to_vec(&record(job.mode, job.group.as_ref(), &confinement)).unwrap_or_default();
    if send(&stream, FrameKind::Confined, &said).is_err() || refused {
        return;
    }
    let link = Arc::new(SupervisorLink::new(stream));
    let journal = job.is_recorded().then(|| link.clone() as Arc<dyn Journal>);
    let os = HostOs::new(job.host.clone()).with_broker(link.clone());
    let printed = link.clone();
    let tell = move |line: &str| printed.printed(line);
    let told = told(job, policy, os, journal, |builder| builder.output(tell))
        .unwrap_or_else(|stop| RunReport::failed(&job.run_id, Code::Internal, stop.message, RunStats::default()));
    link.report(&serde_json::to_vec(&told).unwrap_or_default());
}

/// Describes the confinement of a worker for reports.
pub(crate) fn record(
    mode: ConfinementMode,
    group: Option<&ControlGroup>,
    confinement: &Confinement,
) -> ConfinementReport {
    let part = |(part, state): &(ConfinementPart, PartState)| ConfinedPart {
        part: part.as_str().to_owned(),
        state: state.as_str().to_owned(),
        why: if let PartState::Missing(why) = state { Some(why.clone()) } else { None },
        by: if *state == PartState::Verified { confinement.holders(*part) } else { Vec::new() },
    };
    let group = group.map(|group| group.held().iter().map(|controller| (*controller).to_owned()).collect());
    let parts = confinement.parts.iter().map(part).collect();
    ConfinementReport { mode: mode.as_str().to_owned(), group, landlock: confinement.landlock, parts }
}

/// The process that outlives the worker.
struct Supervisor<'j> {
    job: &'j RunJob,
    worker: Worker,
    stream: UnixStream,
    frames: FrameReader,
    /// The lines that the script has printed.
    output: Vec<String>,
    output_bytes: u64,
    start: Instant,
    /// The time of the last look at the worker's memory.
    looked: Instant,
    stopping: Option<Instant>,
    /// The records of the worker.
    lines: WorkerRecords,
    confined: Option<ConfinementReport>,
    /// The process that performs what the worker asks for.
    actor: ActorHandle,
}

impl Supervisor<'_> {
    /// Waits for the report of the worker, or makes one.
    fn watch(&mut self, warn: &dyn Fn(&Policy)) -> Result<Result<RunReport, RejectedPolicy>, Stop> {
        let mut warned = false;
        loop {
            match self.frames.next() {
                Err(error) => return Ok(Ok(self.kill_compromised(&error.to_string()))),
                Ok(Some((FrameKind::Warned, _))) if !warned && self.confined.is_none() => {
                    warned = true;
                    match self.job.policies.compile() {
                        Ok(policy) => warn(&policy),
                        Err(rejected) => return Ok(Err(rejected)),
                    }
                }
                Ok(Some((kind, bytes))) => {
                    if let Some(told) = self.take(kind, &bytes)? {
                        return Ok(Ok(told));
                    }
                }
                Ok(None) => match self.frames.fill(&self.stream) {
                    Ok(true) => {}
                    Ok(false) => return self.ended().map(Ok),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(_) => return self.ended().map(Ok),
                },
            }
            if let Some(told) = self.overdue() {
                return Ok(Ok(told));
            }
        }
    }

    /// Handles a frame; `Some` ends the run.
    fn take(&mut self, kind: FrameKind, bytes: &[u8]) -> Result<Option<RunReport>, Stop> {
        let is_json = matches!(kind, FrameKind::Confined | FrameKind::Ask | FrameKind::Report);
        if is_json && parts(bytes) > frame_parts(self.job) {
            return Ok(Some(self.kill_compromised("it sent more messages than its run can produce")));
        }
        match kind {
            FrameKind::Confined if self.confined.is_none() => {
                match serde_json::from_slice::<ConfinementReport>(bytes) {
                    Ok(confined) => self.confined(confined)?,
                    Err(_) => return Ok(Some(self.kill_compromised("it did not report its confinement"))),
                }
            }
            FrameKind::Records | FrameKind::Intent => match self.write(bytes) {
                Ok(()) if kind == FrameKind::Intent => return Ok(self.tell(FrameKind::Written, b"")),
                Ok(()) => {}
                Err(RecordError::Bad(why)) => return Ok(Some(self.kill_compromised(why))),
                // A stopped run does not wait for its journal.
                Err(RecordError::Lost(why)) if self.is_told_to_stop() => {
                    let message = format!("the run was asked to stop while the journal could not be written: {why}");
                    return Ok(Some(self.end(Code::Cancelled, message)));
                }
                // The act is not performed, and the worker reports why.
                Err(RecordError::Lost(why)) if kind == FrameKind::Intent => {
                    return Ok(self.tell(FrameKind::Lost, why.as_bytes()));
                }
                Err(RecordError::Lost(why)) => {
                    let message = format!("the journal cannot be written: {why}");
                    return Ok(Some(self.end(Code::JournalFailed, message)));
                }
            },
            FrameKind::Output if self.confined.is_some() => {
                self.output_bytes = self.output_bytes.saturating_add(bytes.len() as u64 + 1);
                if self.output_bytes > self.job.limits.output_bytes {
                    return Ok(Some(self.kill_compromised("it prints more than the limit allows")));
                }
                self.output.push(String::from_utf8_lossy(bytes).into_owned());
            }
            FrameKind::Ask if self.confined.is_some() => {
                if let Err(why) = self.ask(bytes) {
                    return Ok(Some(self.kill_compromised(why)));
                }
            }
            FrameKind::Report if self.confined.is_some() => {
                return Ok(Some(match serde_json::from_slice::<RunReport>(bytes) {
                    Ok(told) => told,
                    Err(_) => self.kill_compromised("malformed report"),
                }));
            }
            _ => return Ok(Some(self.kill_compromised("unexpected message"))),
        }
        Ok(None)
    }

    /// Sends a frame to the worker; `Some` ends the run. A later read notices that the worker is gone.
    fn tell(&mut self, kind: FrameKind, bytes: &[u8]) -> Option<RunReport> {
        let full = send(&self.stream, kind, bytes).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        full.then(|| self.kill_compromised("it does not read its messages"))
    }

    fn confined(&mut self, confined: ConfinementReport) -> Result<(), Stop> {
        let missing: Vec<_> = confined.parts.iter().filter(|part| part.state == "MISSING").collect();
        if self.job.mode == ConfinementMode::Require && !missing.is_empty() {
            let why = |part: &&ConfinedPart| {
                let why = part.why.as_deref().unwrap_or("for an unknown reason");
                ConfinementPart::named(&part.part)
                    .map_or_else(|| format!("`{}` ({why})", part.part), |part| part.missing(why))
            };
            let list: Vec<_> = missing.iter().map(why).collect();
            return Err(Stop::usage(format!("this host cannot confine the run: {}", list.join("; ")))
                .with_help("`rex doctor` shows how to fix it; `--confine available` runs without what is missing"));
        }
        self.confined = Some(confined);
        // The time of the run starts now.
        self.start = Instant::now();
        Ok(())
    }

    /// Passes a question to the actor; `Err` if only a compromised worker would ask it.
    fn ask(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let question: BrokerQuestion = serde_json::from_slice(bytes).map_err(|_| "malformed request")?;
        // Nothing is performed that is not on record: each question follows its own record.
        let line = self.lines.permitted.take();
        let same = |line: PermittedAct| question.ask.is_recorded_as(&self.job.subject, &line);
        // A plan reads what an effect would meet, and only the effect is on record.
        if self.job.is_recorded() && !self.job.is_plan() && !line.is_some_and(same) {
            return Err("it requests an operation that it did not record");
        }
        // `overdue` notices an actor that is gone. Its stream is full only while the worker does not read its answers.
        match self.actor.ask(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err("it does not read its answers"),
            _ => Ok(()),
        }
    }

    /// Writes records to the journal, if they are the next of this run.
    fn write(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        let intent = self.lines.take(bytes).map_err(RecordError::Bad)?;
        if !self.job.is_recorded() {
            return Err(RecordError::Bad("it sent journal records, but the run has no journal"));
        }
        if let Some(journal) = &self.job.journal {
            journal.append(bytes, intent).map_err(|error| RecordError::Lost(error.to_string()))?;
        }
        self.job.watch.iter().for_each(|watch| watch.lines(bytes));
        Ok(())
    }

    fn is_told_to_stop(&self) -> bool {
        self.job.cancel.load(Ordering::Relaxed)
    }

    /// Ends a worker that takes too long, holds too much memory, or does not stop.
    fn overdue(&mut self) -> Option<RunReport> {
        let limits = &self.job.limits;
        if self.is_told_to_stop() {
            let since = *self.stopping.get_or_insert_with(|| {
                self.worker.stop();
                self.actor.stop();
                Instant::now()
            });
            if since.elapsed() > STOPPING {
                return Some(self.end(Code::Cancelled, "the run was asked to stop, and was ended"));
            }
        }
        if self.confined.is_none() {
            let late = self.start.elapsed() > SETTLING;
            return late.then(|| self.end(Code::Internal, "the worker did not start in time"));
        }
        if self.start.elapsed() > Duration::from_millis(limits.wall_ms).saturating_add(GRACE) {
            let message = format!("the supervisor ended the run after {} milliseconds of wall time", limits.wall_ms);
            return Some(self.end(Code::LimitExceeded, message));
        }
        if self.looked.elapsed() < TURN {
            return None;
        }
        self.looked = Instant::now();
        if let Some(Err(error)) = self.job.journal.as_ref().map(|journal| journal.tick()) {
            return Some(self.end(Code::JournalFailed, format!("the journal cannot be written: {error}")));
        }
        if self.actor.has_ended() && !self.is_told_to_stop() {
            return Some(self.end(Code::Internal, "the actor process has ended"));
        }
        let most = bounds(limits).address_space;
        if self.worker.resident().is_some_and(|resident| resident > most) {
            let message = format!("the supervisor ended the run: it used more than {most} bytes of memory");
            return Some(self.end(Code::LimitExceeded, message));
        }
        None
    }

    /// Returns the report for a worker that ended without one.
    fn ended(&mut self) -> Result<RunReport, Stop> {
        let unknown = |error: std::io::Error| Stop::internal(error.to_string());
        if !self.worker.wait_for(GRACE).map_err(unknown)? {
            return Ok(self.kill_compromised("it closed its stream and did not exit"));
        }
        let ending = self.worker.wait().map_err(unknown)?;
        if self.is_told_to_stop() {
            return Ok(self.failed(Code::Cancelled, "the run was asked to stop, and its worker ended without a report"));
        }
        if matches!(ending, WorkerEnding::Exited(OUT_OF_MEMORY)) {
            let error = exhausted("memory_bytes", self.job.limits.memory_bytes, "bytes of memory");
            return Ok(self.failed(error.code, error.message).with_help(error.help.as_deref().unwrap_or_default()));
        }
        let how = match ending {
            WorkerEnding::Exited(status) => format!("with status {status}"),
            WorkerEnding::Killed(signal) => format!("by {signal}"),
        };
        let (code, help) = match ending {
            WorkerEnding::Killed("SIGSYS") => {
                (Code::Internal, "it made a system call that no permitted operation needs, and the kernel ended it")
            }
            WorkerEnding::Killed("SIGXCPU") => (Code::LimitExceeded, "it used all of the processor time of the run"),
            WorkerEnding::Killed("SIGKILL" | "SIGTERM" | "SIGINT") => {
                (Code::Internal, "another process, or the kernel when memory ran out, killed it")
            }
            _ => (Code::Internal, "this is a bug in Rex: please report it"),
        };
        let before = if self.confined.is_none() { ", before it was confined" } else { "" };
        Ok(self.failed(code, format!("the worker of the run ended {how}{before}")).with_help(help))
    }

    fn kill_compromised(&mut self, why: &str) -> RunReport {
        self.end(Code::Internal, format!("the worker was killed: {why}"))
            .with_help("a script may have taken over the worker: please report this")
    }

    fn end(&mut self, code: Code, message: impl Into<String>) -> RunReport {
        self.worker.kill();
        self.failed(code, message)
    }

    /// Returns a report of what the supervisor knows.
    fn failed(&mut self, code: Code, message: impl Into<String>) -> RunReport {
        let duration_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let told = RunReport::failed("", code, message, RunStats { duration_us, ..self.lines.stats });
        RunReport { output: std::mem::take(&mut self.output), ..told }
    }
}

/// The reason why records are not in the journal.
enum RecordError {
    /// Records that are not the next of this run.
    Bad(&'static str),
    /// Records that cannot be written.
    Lost(String),
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_are_counted_outside_of_texts() {
        for (json, count) in [("", 1), ("[1,2]", 3), (r#"{"a":[],"b":{}}"#, 5), (r#"["a,[{","\",[" , "\\",1]"#, 5)] {
            assert_eq!(parts(json.as_bytes()), count, "{json}");
        }
    }
}
