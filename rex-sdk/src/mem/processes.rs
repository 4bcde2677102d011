//! Processes and programs in memory.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::PoisonError;

use rex_core::action::process;
use rex_core::process::{Process, ProcessIdentity, Program, WordList};
use rex_core::{AbsPath, Budget, Grant, Reach, Timestamp};

use super::{EPOCH, MemOs};
use crate::links::FinalLink;
use crate::os::{
    FinishedProgram, OpenFile, OsError, ProcessDetails, ProcessList, ProcessStatus, Processes, StartOptions, permitted,
};

/// The behavior of a program in memory: its result for some arguments and standard input.
pub type ProgramBehavior = fn(arguments: &WordList, stdin: Option<&str>) -> FinishedProgram;

/// A process of a world in memory.
#[derive(Debug, Clone)]
pub(crate) struct MemProcess {
    status: ProcessStatus,
    details: ProcessDetails,
    environ: Vec<String>,
    open: Vec<OpenFile>,
}

/// The processes of a world, and the programs that can be started in it.
#[derive(Debug, Default)]
pub(crate) struct ProcessTable {
    processes: BTreeMap<u32, MemProcess>,
    programs: BTreeMap<String, MemProgram>,
    reach: Option<Reach>,
}

/// The result of starting a program.
#[derive(Debug, Clone)]
enum MemProgram {
    As(ProgramBehavior),
    Always(Box<FinishedProgram>),
}

impl MemOs {
    /// Adds a sleeping process with this command line, started by process 1.
    #[must_use]
    pub fn process(self, pid: u32, identity: ProcessIdentity, arguments: &[&str]) -> Self {
        let details = ProcessDetails {
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            directory: Some("/".to_owned()),
            root: Some("/".to_owned()),
            cgroup: Some(format!("/system.slice/{}", identity.unit.as_deref().unwrap_or_default())),
            ..ProcessDetails::default()
        };
        let status = ProcessStatus {
            uid: identity.user.as_deref().and_then(number).unwrap_or(1000),
            process: Process::new(pid, identity),
            parent: u32::from(pid > 1),
            state: "sleeping".to_owned(),
            memory: 8 << 20,
            virtual_memory: 64 << 20,
            cpu: 1.5,
            cpu_percent: None,
            started: Timestamp::from_micros(EPOCH.as_micros() - 3_600_000_000),
            threads: 1,
            nice: 0,
        };
        let process = MemProcess { status, details, environ: vec!["LANG=C.UTF-8".to_owned()], open: Vec::new() };
        self.with_processes(|table| table.processes.insert(pid, process));
        self
    }

    /// Adds an open file to a process.
    ///
    /// # Panics
    /// If the process does not exist.
    #[must_use]
    pub fn open_file(self, pid: u32, descriptor: u32, name: &str) -> Self {
        let size = name.starts_with('/').then_some(204);
        let open = OpenFile { descriptor: Some(descriptor), name: name.to_owned(), size, deleted: false };
        let known = self.with_processes(|table| table.processes.get_mut(&pid).map(|process| process.open.push(open)));
        assert!(known.is_some(), "there is no process {pid}");
        self
    }

    /// Makes the world report that it may hide processes.
    #[must_use]
    pub fn hiding_processes(mut self) -> Self {
        self.hides_processes = true;
        self
    }

    /// Adds a program.
    ///
    /// # Panics
    /// As [`MemOs::file`].
    #[must_use]
    pub fn program(self, path: &str, behaviour: ProgramBehavior) -> Self {
        self.acting(path, MemProgram::As(behaviour))
    }

    /// Adds a program that always has this result, whatever its input.
    ///
    /// # Panics
    /// As [`MemOs::file`].
    #[must_use]
    pub fn program_ending(self, path: &str, finished: FinishedProgram) -> Self {
        self.acting(path, MemProgram::Always(Box::new(finished)))
    }

    fn acting(self, path: &str, acts: MemProgram) -> Self {
        self.with_processes(|table| table.programs.insert(path.to_owned(), acts));
        let world = self.file(path, super::PROGRAM);
        if let Ok(path) = AbsPath::parse(path)
            && let Ok(node) = world.tree().get_mut(&path)
        {
            node.mode = 0o755;
        }
        world
    }

    /// Sets the reach of the principal: a program that the principal may replace is not started.
    #[must_use]
    pub fn with_programs(self, reach: Reach) -> Self {
        self.with_processes(|table| table.reach = Some(reach));
        self
    }

    pub(super) fn example_processes(self) -> Self {
        let identity = |name: &str, exe: &str, user: &str, unit: &str| ProcessIdentity {
            name: name.to_owned(),
            exe: Some(exe.to_owned()),
            user: Some(user.to_owned()),
            unit: Some(unit.to_owned()),
            started: 100,
        };
        let nginx = |user| identity("nginx", "/usr/sbin/nginx", user, "nginx.service");
        self.process(1, identity("systemd", "/usr/lib/systemd/systemd", "root", "init.scope"), &["/sbin/init"])
            .process(4242, nginx("root"), &["nginx: master process /usr/sbin/nginx"])
            .process(4243, nginx("www-data"), &["nginx: worker process"])
            .open_file(4243, 3, "/srv/app/logs/app.log")
            .open_file(4243, 4, "socket:[4711]")
            .program("/usr/bin/echo", |arguments, _| FinishedProgram {
                status: Some(0),
                stdout: arguments.as_slice().join(" ") + "\n",
                ..FinishedProgram::default()
            })
    }

    fn with_processes<T>(&self, work: impl FnOnce(&mut ProcessTable) -> T) -> T {
        work(&mut self.processes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Performs a call about one process, if it is the expected one.
    fn about<T>(&self, process: &Process, work: impl FnOnce(&mut MemProcess) -> T) -> Result<T, OsError> {
        self.count();
        self.with_processes(|table| {
            let known = table.processes.get_mut(&process.pid()).ok_or_else(missing)?;
            if known.status.process == *process { Ok(work(known)) } else { Err(OsError::Changed) }
        })
    }
}

/// Returns the number of a user of the example.
pub(super) fn number(user: &str) -> Option<u32> {
    [("root", 0), ("www-data", 33), ("alice", 1000)]
        .into_iter()
        .find(|(name, _)| *name == user)
        .map(|(_, number)| number)
}

fn missing() -> OsError {
    Error::from(ErrorKind::NotFound).into()
}

impl Processes for MemOs {
    fn processes(
        &self,
        _: Grant<process::List>,
        only: Option<u32>,
        interval_ms: Option<u64>,
        _: &Budget,
    ) -> Result<ProcessList, OsError> {
        self.count();
        let look = |process: &MemProcess| ProcessStatus {
            cpu_percent: interval_ms.map(|_| f64::from(process.status.process.pid()) / 1000.0),
            ..process.status.clone()
        };
        let meant = |pid: &u32| only.is_none_or(|only| only == *pid);
        let processes = self.with_processes(|table| {
            table.processes.iter().filter(|(pid, _)| meant(pid)).map(|(_, process)| look(process)).collect()
        });
        Ok(ProcessList { processes, hidden: self.hides_processes })
    }
    fn details(&self, grant: Grant<process::Inspect>, _: &Budget) -> Result<ProcessDetails, OsError> {
        self.about(grant.resource(), |process| process.details.clone())
    }
    fn open_files(
        &self,
        grant: Grant<process::Inspect>,
        max: u64,
        _: bool,
        _: &Budget,
    ) -> Result<Vec<OpenFile>, OsError> {
        let open = self.about(grant.resource(), |process| process.open.clone())?;
        if open.len() as u64 > max { Err(OsError::TooMany(max)) } else { Ok(open) }
    }
    fn environ(&self, grant: Grant<process::Environ>, _: &Budget) -> Result<Vec<String>, OsError> {
        self.about(grant.resource(), |process| process.environ.clone())
    }
    fn signal(&self, grant: Grant<process::Signal>, _: &Budget) -> Result<(), OsError> {
        let signal = grant.action().signal.clone();
        let pid = grant.resource().pid();
        self.about(grant.resource(), |process| process.status.state = state_after(&signal, &process.status.state))?;
        if ["KILL", "TERM", "INT"].contains(&&*signal) {
            self.with_processes(|table| table.processes.remove(&pid));
        }
        Ok(())
    }
    fn set_priority(&self, grant: Grant<process::SetPriority>, _: &Budget) -> Result<i64, OsError> {
        let nice = grant.action().nice;
        self.about(grant.resource(), |process| std::mem::replace(&mut process.status.nice, nice))
    }
    fn wait(&self, grant: Grant<process::Inspect>, _: u64, _: &Budget) -> Result<bool, OsError> {
        // Nothing changes here by itself.
        match self.about(grant.resource(), |_| false) {
            Err(OsError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(true),
            other => other,
        }
    }
    fn run(&self, grant: Grant<process::Run>, start: StartOptions, _: &Budget) -> Result<FinishedProgram, OsError> {
        self.count();
        let Program { path, .. } = grant.resource();
        let (acts, reach) =
            self.with_processes(|table| (table.programs.get(path.as_str()).cloned(), table.reach.clone()));
        // A link to a program is followed as on the host: the caller asks again.
        self.tree().find(path, FinalLink::Cross).map(drop)?;
        let acts = acts.ok_or_else(missing)?;
        permitted(&grant, reach.as_ref())?;
        Ok(match acts {
            MemProgram::As(behaviour) => behaviour(&grant.action().arguments, start.stdin.as_deref()),
            MemProgram::Always(finished) => *finished,
        })
    }
}

fn state_after(signal: &str, before: &str) -> String {
    match signal {
        "STOP" => "stopped",
        "CONT" => "sleeping",
        _ => before,
    }
    .to_owned()
}
