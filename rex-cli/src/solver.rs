//! The solver cvc5, as a process.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rex_policy::Solver;

use crate::exit::Stop;

/// How long the solver may think about one question, in milliseconds.
const PATIENCE_MS: u32 = 5_000;
/// What the solver is told to say after each answer, so that its end is seen.
const END: &str = "rex: that was all";

/// A process of the solver cvc5, which ends with this value.
#[derive(Debug)]
pub struct Cvc5 {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Cvc5 {
    /// Starts the program that the environment variable `CVC5` names, or else the `cvc5` of the `PATH`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let program = std::env::var_os("CVC5").unwrap_or_else(|| "cvc5".into());
        let mut process = Command::new(program)
            .args(["--lang=smt2", "--strings-exp", &format!("--tlimit-per={PATIENCE_MS}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(commands), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        Ok(Self { process, commands, answers: BufReader::new(answers) })
    }

    /// The same for a command: why there is none, and what to do about it.
    pub(crate) fn needed() -> Result<Self, Stop> {
        Self::start().map_err(|error| {
            let named = std::env::var_os("CVC5").map(|name| format!("`{}`, which `CVC5` names", name.display()));
            let program = named.unwrap_or_else(|| "`cvc5`".to_owned());
            Stop::usage(format!("proofs need the solver {program}: it cannot be started: {error}"))
                .with_help("install Debian's package cvc5, or name the program in the environment variable `CVC5`")
        })
    }
}

impl Solver for Cvc5 {
    fn answer(&mut self, commands: &str) -> Result<String, String> {
        let told = |error: std::io::Error| error.to_string();
        writeln!(self.commands, "{commands}(echo \"{END}\")").and_then(|()| self.commands.flush()).map_err(told)?;
        let mut answer = String::new();
        loop {
            let start = answer.len();
            if self.answers.read_line(&mut answer).map_err(told)? == 0 {
                return Err(format!("it has ended with: {}", answer.trim()));
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
