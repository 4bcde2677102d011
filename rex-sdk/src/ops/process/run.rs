//! `process::run`

use rex_core::action::{fs, process};
use rex_core::bounds::{self, PROGRAM_WORDS_BYTES};
use rex_core::limits::{exceeded, exhausted};
use rex_core::process::{Program, WordList, is_word};
use rex_core::{AbsPath, Action, Code, Error, Value};

use crate::os::{FinishedProgram, StartOptions};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Starts a program and waits for its end.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::run",
        aliases: &[],
        needs: &[process::Run::SPEC],
        params: &[
            Param::required("program", ParamKind::Path, "The program by its path: nothing is searched for.")
                .of(ParamForm::Read(program_path)),
            Param::required(
                "arguments",
                ParamKind::Texts,
                "What follows the name, word by word; no shell looks at them.",
            ),
            Param::option(
                "environment",
                ParamKind::TextMap,
                Literal::Null,
                "All of its environment. A permit lets each variable go by name: `@allow(\"env:TZ\")`.",
            ),
            Param::option(
                "directory",
                ParamKind::Path,
                Literal::Text("/"),
                "Where it starts; asks for `fs::list` on it, unless it is `/`. No link is followed to it.",
            ),
            Param::option(
                "user",
                ParamKind::Text,
                Literal::Text(""),
                "The user whose rights it gets; empty for the one that Rex runs as.",
            ),
            Param::option("stdin", ParamKind::Text, Literal::Null, "What it reads."),
            Param::option(
                "sha256",
                ParamKind::Text,
                Literal::Text(""),
                "The SHA-256 that the program must have, in hexadecimal.",
            )
            .of(ParamForm::Read(pin)),
            Param::option(
                "timeout",
                ParamKind::Duration,
                Literal::Null,
                "How long it may take; else as long as the run. After that it is ended, with all that it started.",
            ),
            Param::option(
                "max_output",
                ParamKind::Size,
                Literal::Null,
                "How much of its output, and of its complaints, is kept. Not given, all of it is, and more than the limit `program_output_bytes` is an error.",
            ),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`status` (its exit status; `()` if a signal ended it), `success` (whether that is 0), `signal` (`SIGKILL`), `timed_out`, `stdout`, `stderr` (what is not UTF-8 is replaced), `truncated` (whether `max_output` cut any of it), `stdout_discarded`, `stderr_discarded` (bytes beyond `max_output`), `help` (where it failed, what the policy let it open; else `()`).",
        },
        doc: "Starts a program and waits for its end.\nThe program can do no more with files than the policy lets the same principal do, reaches no network and no other process, starts nothing else, and makes processes only where the permit says `@allow(\"processes\")`. \
              Scripts, programs that run others or a language, and those that the principal could replace are refused; see docs/security-model.md.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/usr/bin/echo", ["all", "well"]]"#,
            returns: r#"{"help":null,"signal":null,"status":0,"stderr":"","stderr_discarded":0,"stdout":"all well\n","stdout_discarded":0,"success":true,"timed_out":false,"truncated":false}"#,
        },
    },
    call,
};

fn pin(text: &str) -> Result<(), Error> {
    if text.is_empty() || text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Error::validation(format!("`{}` is not a SHA-256 in hexadecimal", text.escape_debug())))
}

/// Checks that a program is a path, as a shell would search for a bare name.
pub(super) fn program_path(text: &str) -> Result<(), Error> {
    if text.contains('/') {
        return Ok(());
    }
    let message = format!("`{}` is not a path, and Rex does not search directories for programs", text.escape_debug());
    Err(Error::validation(message).with_help("name the program by its path, as in `/usr/bin/df`"))
}

/// Returns the action and the program of a call.
pub(crate) fn request(args: &Args) -> Result<(process::Run, Program), Error> {
    let pin = args.text("sha256")?.to_ascii_lowercase();
    let arguments = args.texts("arguments")?;
    let mut environment = Vec::new();
    for (name, value) in args.text_map("environment")? {
        if name.is_empty() || name.contains('=') {
            return Err(Error::validation(format!("`{}` is not the name of a variable", name.escape_debug())));
        }
        environment.push(format!("{name}={value}"));
    }
    let bytes: usize = arguments.iter().chain(&environment).map(|word| word.len() + 1).sum();
    if bytes > PROGRAM_WORDS_BYTES {
        let instead = "pass the data in `stdin`, or the name of a file that holds it";
        return Err(bounds::exceeded("program_words_bytes", "bytes of arguments and environment", instead));
    }
    if let Some(word) = arguments.iter().chain(&environment).find(|word| !is_word(word)) {
        return Err(Error::validation(format!("`{}` holds a NUL", word.escape_debug())));
    }
    let directory = args.path("directory")?;
    let action = process::Run::new(
        WordList::new(arguments),
        WordList::new(environment),
        &directory,
        args.text("user")?,
        args.text_option("stdin")?.is_some(),
    );
    Ok((action, Program { path: args.path("program")?, sha256: pin }))
}

/// Returns the start directory of the program, if it is not the root.
pub(crate) fn start_directory(args: &Args) -> Result<Option<AbsPath>, Error> {
    args.path("directory").map(|directory| Some(directory).filter(|directory| directory.as_str() != "/"))
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (action, program) = request(args)?;
    let stdin = args.text_option("stdin")?.map(str::to_owned);
    let budget = session.run.budget();
    let rest = budget.remaining();
    let timeout = args.duration_option("timeout")?.map_or(rest, |timeout| timeout.min(rest));
    let (limit, wanted) = (session.limits().program_output_bytes, args.size_option("max_output")?);
    let start = StartOptions {
        stdin,
        output_bytes: wanted.map_or(limit, |wanted| wanted.min(limit)),
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        written_bytes: session.limits().written_bytes.saturating_sub(budget.bytes_written()),
    };
    // The start of the program will show whether it is a directory.
    if let Some(directory) = start_directory(args)? {
        drop(session.permit(fs::List {}, directory)?);
    }
    let finished = session.act(action, program, |grant| session.os.run(grant, start.clone(), budget))?;
    // The kernel kills a process that would make a file longer than the remaining limit.
    let too_long = finished.signal.as_deref() == Some("SIGXFSZ");
    let bytes = session.limits().written_bytes;
    let written = budget.add_written(finished.written_bytes);
    let written = if too_long { Err(exhausted("written_bytes", bytes, "bytes written")) } else { written };
    written.map_err(|error| has_run(&finished, error))?;
    budget.count_read((finished.stdout.len() + finished.stderr.len()) as u64)?;
    let discarded = finished.stdout_discarded > 0 || finished.stderr_discarded > 0;
    if discarded && wanted.is_none_or(|wanted| wanted > limit) {
        let error = has_run(&finished, exceeded("program_output_bytes", limit, "bytes of output"));
        let help = error.help.clone().map(|help| format!("set in `max_output` how much of it to keep; {help}"));
        return Err(Error { help, ..error });
    }
    Ok(describe(finished))
}

/// Adds the outcome of the program to an error: a message about a limit alone would hide that it has run.
fn has_run(finished: &FinishedProgram, error: Error) -> Error {
    let ended = match (finished.status, &finished.signal) {
        (Some(status), _) => format!("ended with status {status}"),
        (None, signal) => format!("was ended by {}", signal.as_deref().unwrap_or("a signal")),
    };
    Error { message: format!("{}; the program has run, and {ended}", error.message), ..error }
}

fn describe(finished: FinishedProgram) -> Value {
    Value::map([
        ("status", finished.status.map(i64::from).into()),
        ("success", Value::Bool(finished.status == Some(0))),
        ("signal", finished.signal.into()),
        ("timed_out", finished.timed_out.into()),
        ("truncated", (finished.stdout_discarded > 0 || finished.stderr_discarded > 0).into()),
        ("stdout", finished.stdout.into()),
        ("stderr", finished.stderr.into()),
        ("stdout_discarded", Value::count(finished.stdout_discarded)),
        ("stderr_discarded", Value::count(finished.stderr_discarded)),
        ("help", finished.help.into()),
    ])
}
