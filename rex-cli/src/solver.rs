//! The solver cvc5, as a process.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rex_policy::Solver;

use crate::exit::Stop;
use crate::patience::SolverPatience;

/// The default time limit for one question.
const PATIENCE: Duration = Duration::from_secs(5);
/// The text that the solver prints after each answer, to mark its end.
const END: &str = "rex: that was all";

/// A process of the solver cvc5, which ends when this is dropped.
#[derive(Debug)]
pub struct Cvc5 {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Cvc5 {
    /// Starts the program that the environment variable `CVC5` names, or else `cvc5` from the `PATH`. Each question has a time limit of
    /// 5 seconds.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start() -> std::io::Result<Self> {
        Self::with_timeout(PATIENCE)
    }

    /// Starts the program with another time limit for each question.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn with_timeout(timeout: Duration) -> std::io::Result<Self> {
        let program = std::env::var_os("CVC5").unwrap_or_else(|| "cvc5".into());
        let mut process = Command::new(program)
            .args(["--lang=smt2", "--strings-exp", &format!("--tlimit-per={}", timeout.as_millis())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(commands), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        Ok(Self { process, commands, answers: BufReader::new(answers) })
    }

    /// Starts the program for a command that needs it; the error says how to get it.
    pub(crate) fn needed(patience: SolverPatience) -> Result<Self, Stop> {
        Self::with_timeout(patience.0).map_err(|error| unusable(&error))
    }
}

/// Starts the program, if it is installed; `None` if `CVC5` is not set and there is no `cvc5` in the `PATH`, or if `CVC5` is empty.
pub(crate) fn if_there(patience: SolverPatience) -> Result<Option<Cvc5>, Stop> {
    if std::env::var_os("CVC5").is_some_and(|program| program.is_empty()) {
        return Ok(None);
    }
    match Cvc5::with_timeout(patience.0) {
        Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CVC5").is_none() => Ok(None),
        Err(error) => Err(unusable(&error)),
        Ok(started) => Ok(Some(started)),
    }
}

/// Explains that the program cannot be started, and how to get it.
fn unusable(error: &std::io::Error) -> Stop {
    let named = std::env::var_os("CVC5").map(|name| format!("`{}`, which `CVC5` names", name.display()));
    let program = named.unwrap_or_else(|| "`cvc5`".to_owned());
    Stop::usage(format!("proofs need the solver {program}, but it cannot be started: {error}"))
        .with_help("install the Debian package `cvc5`, or set the environment variable `CVC5` to the program")
}

impl Solver for Cvc5 {
    fn answer(&mut self, commands: &str) -> Result<String, String> {
        let told = |error: std::io::Error| error.to_string();
        writeln!(self.commands, "{commands}(echo \"{END}\")").and_then(|()| self.commands.flush()).map_err(told)?;
        let mut answer = String::new();
        loop {
            let start = answer.len();
            if self.answers.read_line(&mut answer).map_err(told)? == 0 {
                return Err(format!("it exited with: {}", answer.trim()));
            }
            // Versions differ in whether they print the quotes.
            if answer.get(start..).is_some_and(|line| line.trim().trim_matches('"') == END) {
                answer.truncate(start);
                return Ok(answer);
            }
        }
    }
}

impl Drop for Cvc5 {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
