//! `rex run`

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rex_core::{AbsPath, JsonLines, Limits, Principal, Value};
use rex_engine::{Engine, Input, Report};
use rex_policy::Source;
use rex_sdk::HostOs;
use rex_sdk::host::{Bus, HostOptions};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::{Color, Format, RunArgs};
use crate::exit::{Exit, Stop};
use crate::{check, complain, draw, load, print};

/// Runs a script and prints its report.
pub(crate) fn run(args: &RunArgs, color: Color) -> Result<Exit, Stop> {
    let (cancel, signal) = signals()?;
    let script = load::script(args.script.as_deref(), args.code.as_deref())?;
    let engine = engine(args)?;
    let principal = principal(args.principal.as_deref())?;
    let arguments = load::arguments(args.args.as_deref(), &args.arg)?;
    let base = base(args.base.as_deref())?;
    let policy = match load::policy(&args.policy)? {
        Ok(policy) => policy,
        Err(rejected) => return Ok(check::rejected(&rejected, args.format, color)),
    };
    for warning in policy.warnings() {
        draw::diagnostic(color, warning);
    }
    let input = Input {
        principal,
        authorize: Arc::new(policy),
        tags: args.tags.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        args: arguments,
        base,
        run_id: String::new(),
        cancel,
    };
    let report = engine.run(&script.text, input);
    // The process ends next, which frees everything at once.
    std::mem::forget(engine);
    show(&report, &script, args.format, color)?;
    let signal = u8::try_from(signal.load(Ordering::Relaxed)).unwrap_or(0);
    Ok(report.code().map_or(Exit::Success, |code| Exit::of(code, signal)))
}

/// The engine for this host.
fn engine(args: &RunArgs) -> Result<Engine, Stop> {
    let os = HostOs::new(HostOptions { deny_hard_links: args.deny_hard_links, bus: bus(&args.bus)? });
    let mut builder = Engine::builder(Arc::new(os)).limits(limits(&args.limits)?);
    if let Some(path) = &args.journal {
        builder = builder.journal(Arc::new(JsonLines::new(journal(path)?)));
    }
    builder.build().map_err(|error| Stop::internal(error.to_string()))
}

fn show(report: &Report, script: &Source, format: Format, color: Color) -> Result<(), Stop> {
    if format == Format::Json {
        print(&serde_json::to_string(report).map_err(|error| Stop::internal(error.to_string()))?);
        return Ok(());
    }
    for line in &report.output {
        print(&draw::visible(line));
    }
    match &report.outcome {
        Ok(Value::Null) => {}
        Ok(Value::Text(text)) => print(&draw::visible(text)),
        Ok(value) => {
            let text = serde_json::to_string_pretty(value).map_err(|error| Stop::internal(error.to_string()))?;
            print(&draw::visible(&text));
        }
        Err(failure) => {
            draw::failure(color, failure, script);
            let stats = &report.stats;
            complain(&format!(
                "  run {}: {} operations, {} decisions, {} denied",
                report.run_id, stats.operations, stats.decisions, stats.denied
            ));
        }
    }
    Ok(())
}

/// SIGINT and SIGTERM tell the run to stop; a second one ends the process at once.
fn signals() -> Result<(Arc<AtomicBool>, Arc<AtomicUsize>), Stop> {
    let (cancel, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    for signal in [SIGINT, SIGTERM] {
        let exit = 128 | signal;
        let value = usize::try_from(signal).unwrap_or(0);
        signal_hook::flag::register_conditional_shutdown(signal, exit, cancel.clone())
            .and_then(|_| signal_hook::flag::register_usize(signal, number.clone(), value))
            .and_then(|_| signal_hook::flag::register(signal, cancel.clone()))
            .map_err(|error| Stop::internal(format!("signals cannot be handled: {error}")))?;
    }
    Ok((cancel, number))
}

fn principal(given: Option<&str>) -> Result<Principal, Stop> {
    if let Some(text) = given {
        return Principal::parse(text).map_err(|error| Stop::usage(error.to_string()));
    }
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    Ok(Principal::user(&user.map_or_else(|| uid.to_string(), |user| user.name)))
}

fn base(given: Option<&Path>) -> Result<AbsPath, Stop> {
    let current = std::env::current_dir().map_err(|error| Stop::usage(format!("no current directory: {error}")))?;
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| Stop::usage(format!("`{}` is not UTF-8", path.display())))
    };
    let bad = |error: rex_core::PathError| Stop::usage(error.to_string());
    let current = AbsPath::parse(&text(&current)?).map_err(bad)?;
    given.map_or(Ok(current.clone()), |path| current.resolve(&text(path)?).map_err(bad))
}

fn limits(given: &[(String, String)]) -> Result<Limits, Stop> {
    let mut limits = Limits::default();
    for (name, value) in given {
        let number = value
            .replace('_', "")
            .parse()
            .map_err(|_| Stop::usage(format!("the limit `{name}` takes a whole number, `{value}` came")))?;
        limits.set(name, number).map_err(|error| {
            let stop = Stop::usage(error.message);
            error.help.into_iter().fold(stop, Stop::with_help)
        })?;
    }
    Ok(limits)
}

fn bus(given: &str) -> Result<Bus, Stop> {
    match given {
        "system" => Ok(Bus::System),
        "user" => match std::env::var("DBUS_SESSION_BUS_ADDRESS") {
            Ok(address) if !address.is_empty() => Ok(Bus::Address(address)),
            _ => {
                let dir = std::env::var("XDG_RUNTIME_DIR").map_err(|_| {
                    Stop::usage("there is no user bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
                })?;
                Ok(Bus::Address(format!("unix:path={dir}/bus")))
            }
        },
        address if address.contains(':') => Ok(Bus::Address(address.to_owned())),
        other => Err(Stop::usage(format!("`{other}` is not a bus: `system`, `user` or an address is taken"))),
    }
}

/// Opens a journal to add to. A last line that a killed run left torn is ended first, so that it spoils no other.
fn journal(path: &Path) -> Result<File, Stop> {
    let open = || -> std::io::Result<File> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        if file.metadata()?.is_file() && file.seek(SeekFrom::End(-1)).is_ok() {
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    };
    open().map_err(|error| Stop::usage(format!("the journal `{}` cannot be written: {error}", path.display())))
}
