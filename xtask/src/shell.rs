//! Calls of other programs.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Stop, root};

/// Returns a call of cargo in the root of the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(root());
    command
}

/// Builds the programs and examples of the workspace, and returns their folder.
///
/// All of the workspace is selected, with its examples, because Cargo then chooses the same features of dependencies as
/// for the tests. Any smaller selection builds Cedar once more.
pub(crate) fn build() -> Result<PathBuf, Stop> {
    let mut command = cargo(&["build", "--workspace", "--bins", "--examples", "--locked"]);
    if !command.status().is_ok_and(|status| status.success()) {
        return Err(Stop::new(format!("`{}` failed", line(&command))));
    }
    // They are next to this program.
    let this = std::env::current_exe().map_err(|error| Stop::new(format!("where are the programs? {error}")))?;
    Ok(this.parent().map(PathBuf::from).unwrap_or_default())
}

/// Runs a program with our output.
pub(crate) fn run(command: &mut Command) -> Result<(), Stop> {
    println!("\n$ {}", line(command));
    let status = command.status().map_err(|error| missing(command, &error))?;
    if status.success() { Ok(()) } else { Err(Stop::new(format!("`{}` failed: {status}", line(command)))) }
}

/// Runs a program quietly, and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String, Stop> {
    let output = command.output().map_err(|error| missing(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Stop::new(format!("`{}` failed: {}\n{said}", line(command), output.status)))
}

/// Returns whether a program runs and succeeds, whatever it prints.
pub(crate) fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The stream of a program to watch.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Runs a program with our output, and passes each line of one stream to `see` too. Returns whether it succeeded.
pub(crate) fn watch(command: &mut Command, stream: Stream, mut see: impl FnMut(&str)) -> Result<bool, Stop> {
    println!("\n$ {}", line(command));
    match stream {
        Stream::Out => command.stdout(Stdio::piped()),
        Stream::Err => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().map_err(|error| missing(command, &error))?;
    let pipe: Option<Box<dyn Read>> = match stream {
        Stream::Out => child.stdout.take().map(|pipe| Box::new(pipe) as _),
        Stream::Err => child.stderr.take().map(|pipe| Box::new(pipe) as _),
    };
    for bytes in pipe.into_iter().flat_map(|pipe| BufReader::new(pipe).split(b'\n')).map_while(Result::ok) {
        let text = String::from_utf8_lossy(&bytes);
        println!("{text}");
        see(&text);
    }
    child.wait().map(|status| status.success()).map_err(|error| missing(command, &error))
}

/// Returns whether a program is installed, also in the directories of the superuser, since services are there.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin", "/lib/systemd"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(extra).any(|folder| folder.join(program).is_file())
}

/// Returns a call as its user would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn missing(command: &Command, error: &std::io::Error) -> Stop {
    Stop::new(format!("`{}` cannot be run: {error}", line(command)))
}
