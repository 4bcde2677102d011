//! Units of a real systemd, which `examples/restart-nginx/with-systemd.sh` starts for the tests.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests start processes and look at nginx behind Rex's back"
)]

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rex_core::journal::Event;
use rex_core::{
    AbsPath, Authorize, Code, Decision, Effect, Error, Limits, MemoryJournal, Principal, Request, Run, Subject, Value,
};
use rex_sdk::host::{BusAddress, HostOptions};
use rex_sdk::{HostOs, Session};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/restart-nginx/with-systemd.sh");

/// A policy that permits everything on one unit, or everything.
struct Only(Option<&'static str>);

impl Authorize for Only {
    fn decide(&self, request: &Request<'_>) -> Decision {
        match self.0 {
            Some(unit) if unit != request.resource.id() => Decision::deny(None),
            _ => Decision::allow(&["rule"]),
        }
    }
}

/// A run on the real system.
struct World {
    os: HostOs,
    run: Run,
    base: AbsPath,
    journal: Arc<MemoryJournal>,
}

impl World {
    fn new(bus: &str, only: Option<&'static str>, wall_ms: u64) -> Self {
        let journal = Arc::new(MemoryJournal::new(1_000));
        let limits = Limits { wall_ms, ..Limits::default() };
        let subject = Subject::new(Principal::agent("operator"));
        Self {
            os: HostOs::new(HostOptions { bus: BusAddress::Address(bus.to_owned()), ..HostOptions::default() }),
            run: Run::new("test", subject, Arc::new(Only(only)), journal.clone(), limits),
            base: AbsPath::parse("/").unwrap(),
            journal,
        }
    }

    /// Creates a run on the bus of the manager, with everything permitted and enough time.
    fn open() -> Self {
        Self::new(&env::var("REX_BUS").unwrap(), None, 60_000)
    }

    fn call(&self, operation: &str, args: &[&str]) -> Result<Value, Error> {
        let args = args.iter().map(|&arg| arg.into()).collect();
        Session::new(&self.run, &self.os, &self.base).call(&format!("service::{operation}"), args)
    }

    /// Returns the requests: `status nginx.service`, with a leading `!` if denied.
    fn asked(&self) -> Vec<String> {
        let line = |event| match event {
            Event::Decision { action, resource, effect, .. } => {
                let denied = if effect == Effect::Deny { "!" } else { "" };
                Some(format!("{denied}{} {resource}", action.name))
            }
            _ => None,
        };
        self.journal.take().0.into_iter().filter_map(|record| line(record.event)).collect()
    }
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::Text(text)) => text.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}

fn pid(value: &Value) -> Option<i64> {
    match value.get("main_pid") {
        Some(Value::Int(pid)) => Some(*pid),
        Some(Value::Null) => None,
        other => panic!("main_pid: {other:?}"),
    }
}

/// Returns `true` if nginx serves its page.
fn answers() -> bool {
    let port = env::var("REX_PORT").unwrap().parse().unwrap();
    page(port).is_some_and(|page| page.contains("nginx is here"))
}

fn page(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn a_real_systemd() {
    let output = Command::new(SCRIPT)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "services::inside", "--nocapture"])
        .env("REX_INSIDE_SYSTEMD", "1")
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) && env::var_os("REX_REQUIRE_SYSTEMD").is_none() {
        print!("{said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("every step was taken"), "the test did not run inside: {said}");
}

/// Runs inside [`a_real_systemd`]; elsewhere it does nothing. The steps share one nginx, so they are one test, in this
/// order.
#[test]
fn inside() {
    if env::var_os("REX_INSIDE_SYSTEMD").is_none() {
        return;
    }
    nginx_starts_and_stops();
    failures_are_told_apart();
    an_alias_lends_no_permission();
    files_of_units_are_changed();
    more_is_told_of_units();
    a_unit_is_waited_for();
    what_a_unit_logged_is_read();
    a_job_that_hangs_ends_with_the_run();
    a_run_that_is_told_to_stop_stops();
    a_bus_that_does_not_exist();
    a_bus_without_a_manager();
    println!("every step was taken");
}

fn nginx_starts_and_stops() {
    let world = World::open();
    let status = world.call("status", &["nginx"]).unwrap();
    assert_eq!((text(&status, "active"), pid(&status)), ("inactive".to_owned(), None));
    assert_eq!(status.get("since"), Some(&Value::Null));

    let started = world.call("start", &["nginx"]).unwrap();
    assert_eq!(text(&started, "unit"), "nginx.service");
    assert_eq!(text(&started, "description"), "A web server");
    assert_eq!(text(&started, "load"), "loaded");
    assert_eq!((text(&started, "active"), text(&started, "sub")), ("active".to_owned(), "running".to_owned()));
    assert!(text(&started, "since").ends_with('Z'));
    assert!(answers());

    let restarted = world.call("restart", &["nginx.service"]).unwrap();
    assert!(pid(&restarted).is_some());
    assert_ne!(pid(&restarted), pid(&started));
    assert!(answers());
    assert_eq!(world.call("status", &["nginx"]).unwrap(), restarted);

    let reloaded = world.call("reload", &["nginx"]).unwrap();
    assert_eq!(pid(&reloaded), pid(&restarted));
    assert!(answers());

    let Value::List(units) = world.call("list", &[]).unwrap() else { panic!("no list") };
    let nginx = units.iter().find(|unit| text(unit, "unit") == "nginx.service").unwrap();
    assert_eq!(text(nginx, "active"), "active");
    assert!(units.iter().all(|unit| text(unit, "unit").ends_with(".service")));
    let names: Vec<_> = units.iter().map(|unit| text(unit, "unit")).collect();
    assert!(names.is_sorted());

    let stopped = world.call("stop", &["nginx"]).unwrap();
    assert_eq!((text(&stopped, "active"), pid(&stopped)), ("inactive".to_owned(), None));
    assert!(page(env::var("REX_PORT").unwrap().parse().unwrap()).is_none());
    let asked = ["status", "start", "restart", "status", "reload"].map(|action| format!("{action} nginx.service"));
    assert_eq!(world.asked()[..5], asked);
}

fn failures_are_told_apart() {
    let world = World::open();
    let error = world.call("start", &["broken"]).unwrap_err();
    assert_eq!(error.code, Code::ServiceFailed);
    assert_eq!(error.message, "`broken.service`: the job ended with `failed`, the unit with `exit-code`");
    assert_eq!(text(&world.call("status", &["broken"]).unwrap(), "active"), "failed");

    // A reload fails: nginx is not running.
    assert_eq!(world.call("reload", &["nginx"]).unwrap_err().code, Code::ServiceFailed);

    for operation in ["status", "start", "stop", "restart", "reload"] {
        let error = world.call(operation, &["no-such-unit"]).unwrap_err();
        assert_eq!(error.code, Code::NotFound, "{operation}: {error:?}");
        assert_eq!(error.message, "`no-such-unit.service` does not exist");
    }
}

fn an_alias_lends_no_permission() {
    let world = World::open();
    let started = world.call("start", &["www"]).unwrap();
    assert_eq!(text(&started, "unit"), "nginx.service");
    assert_eq!(world.asked(), ["start www.service", "start nginx.service"]);

    let www = World::new(&env::var("REX_BUS").unwrap(), Some("www.service"), 60_000);
    for operation in ["restart", "stop", "reload", "start", "status"] {
        let error = www.call(operation, &["www"]).unwrap_err();
        assert_eq!(error.code, Code::AccessDenied, "{operation}: {error:?}");
        assert_eq!(www.asked(), [format!("{operation} www.service"), format!("!{operation} nginx.service")]);
    }
    assert_eq!(pid(&world.call("status", &["nginx"]).unwrap()), pid(&started));
}

fn files_of_units_are_changed() {
    let world = World::open();
    let Value::List(changes) = world.call("enable", &["enabled"]).unwrap() else { panic!("no list") };
    assert_eq!((changes.len(), text(&changes[0], "kind")), (1, "symlink".to_owned()));
    let link = text(&changes[0], "path");
    assert!(
        link.ends_with("default.target.wants/enabled.service") && std::fs::symlink_metadata(&link).is_ok(),
        "{link}"
    );
    assert_eq!(world.call("enable", &["enabled"]).unwrap(), Value::List(Vec::new()));
    let Value::List(changes) = world.call("disable", &["enabled"]).unwrap() else { panic!("no list") };
    assert_eq!(text(&changes[0], "kind"), "unlink");
    assert!(std::fs::symlink_metadata(&link).is_err());
    units_that_are_enabled_along_are_asked_for();
    // Its unit file has no `[Install]` section.
    let error = world.call("enable", &["nginx"]).unwrap_err();
    assert_eq!(error.code, Code::Unsupported, "{error:?}");

    world.call("mask", &["enabled"]).unwrap();
    assert_eq!(text(&world.call("status", &["enabled"]).unwrap(), "load"), "masked");
    assert_eq!(world.call("start", &["enabled"]).unwrap_err().code, Code::ServiceFailed);
    world.call("unmask", &["enabled"]).unwrap();
    assert_eq!(text(&world.call("status", &["enabled"]).unwrap(), "load"), "loaded");
    world.call("reload_daemon", &[]).unwrap();

    assert_eq!(world.call("start", &["broken"]).unwrap_err().code, Code::ServiceFailed);
    assert_eq!(text(&world.call("reset_failed", &["broken"]).unwrap(), "active"), "inactive");
    assert_eq!(text(&world.call("try_restart", &["broken"]).unwrap(), "active"), "inactive");
    for operation in ["enable", "disable", "mask", "reset_failed", "try_restart", "properties", "logs"] {
        let error = world.call(operation, &["no-such-unit"]).unwrap_err();
        assert_eq!(error.code, Code::NotFound, "{operation}: {error:?}");
    }
}

fn units_that_are_enabled_along_are_asked_for() {
    let units = "/run/rex/units";
    let put = |name: &str, text: &str| {
        let text = format!("[Service]\nExecStart=/bin/sleep 600\n[Install]\n{text}\n");
        std::fs::write(format!("{units}/{name}.service"), text).unwrap();
    };
    put("along-a", "WantedBy=default.target\nAlso=along-b.service");
    put("along-b", "WantedBy=default.target\nAlso=along-c.service along-a.service\nAlias=along-d.service");
    put("along-c", "WantedBy=default.target");
    put("along-d", "WantedBy=default.target");
    let one = World::new(&env::var("REX_BUS").unwrap(), Some("along-a.service"), 60_000);
    for verb in ["enable", "disable"] {
        assert_eq!(one.call(verb, &["along-a"]).unwrap_err().code, Code::AccessDenied);
        assert_eq!(one.asked(), [format!("{verb} along-a.service"), format!("!{verb} along-b.service")]);
    }
    put("along-b", "WantedBy=default.target\nAlso=along-c.service along-a.service");
    let world = World::open();
    for verb in ["enable", "disable"] {
        let Value::List(changes) = world.call(verb, &["along-a"]).unwrap() else { panic!("no list") };
        assert_eq!(changes.len(), 3, "{changes:?}");
        let asked = ["along-a", "along-b", "along-c", "along-a"].map(|unit| format!("{verb} {unit}.service"));
        assert_eq!(world.asked(), asked);
    }
}

fn more_is_told_of_units() {
    let world = World::open();
    let properties = world.call("properties", &["enabled"]).unwrap();
    assert_eq!(
        (text(&properties, "Id"), text(&properties, "Type")),
        ("enabled.service".to_owned(), "simple".to_owned())
    );
    assert!(matches!(properties.get("ExecStart"), Some(Value::List(commands)) if commands.len() == 1));
    let dependencies = world.call("dependencies", &["enabled"]).unwrap();
    let Some(Value::List(after)) = dependencies.get("after") else { panic!("{dependencies}") };
    assert!(after.contains(&"nginx.service".into()), "{dependencies}");
    let session = Session::new(&world.run, &world.os, &world.base);
    let named = Value::map([("names", Value::List(vec!["MemoryCurrent".into()]))]);
    let memory = session.call("service::properties", vec!["enabled".into(), named]).unwrap();
    assert_eq!(memory.get("MemoryCurrent"), Some(&Value::Null), "it does not run");

    world.call("start", &["nightly.timer"]).unwrap();
    let Value::List(timers) = world.call("timers", &[]).unwrap() else { panic!("no list") };
    let nightly = timers.iter().find(|timer| text(timer, "timer") == "nightly.timer").unwrap();
    assert_eq!(text(nightly, "unit"), "enabled.service");
    assert!(text(nightly, "next").ends_with("T03:00:00Z"), "{nightly}");
    world.call("stop", &["nightly.timer"]).unwrap();
}

fn a_unit_is_waited_for() {
    let world = World::open();
    let session = Session::new(&world.run, &world.os, &world.base);
    let wait = |state: &str, seconds| {
        let options = Value::map([("timeout", Value::Int(seconds))]);
        session.call("service::wait_until", vec!["enabled".into(), state.into(), options]).unwrap()
    };
    assert_eq!(wait("active", 0).get("reached"), Some(&false.into()));
    let starter = std::thread::spawn(|| World::open().call("start", &["enabled"]).map(drop));
    assert_eq!(wait("active", 30).get("reached"), Some(&true.into()));
    starter.join().unwrap().unwrap();
    world.call("stop", &["enabled"]).unwrap();
}

fn what_a_unit_logged_is_read() {
    if !std::path::Path::new("/run/systemd/journal/socket").exists() {
        println!("left out: there is no journald");
        return;
    }
    for (message, priority) in [("first line", "6"), ("it broke: 17", "3"), ("last line", "6")] {
        let mut logger = Command::new("logger").arg("--journald").stdin(Stdio::piped()).spawn().unwrap();
        // As root, a process may log on behalf of a unit.
        let record = format!("MESSAGE={message}\nOBJECT_SYSTEMD_UNIT=nginx.service\nPRIORITY={priority}\n");
        logger.stdin.take().unwrap().write_all(record.as_bytes()).unwrap();
        assert!(logger.wait().unwrap().success());
    }
    assert!(Command::new("journalctl").arg("--sync").status().unwrap().success());
    let world = World::open();
    let session = Session::new(&world.run, &world.os, &world.base);
    let logs = |options: Value| {
        let Value::List(records) = session.call("service::logs", vec!["nginx".into(), options]).unwrap() else {
            panic!("no list")
        };
        records.iter().map(|record| text(record, "message")).collect::<Vec<_>>()
    };
    assert_eq!(logs(Value::map([])), ["first line", "it broke: 17", "last line"]);
    assert_eq!(logs(Value::map([("max", Value::Int(1))])), ["last line"]);
    assert_eq!(logs(Value::map([("priority", "err".into())])), ["it broke: 17"]);
    assert_eq!(logs(Value::map([("pattern", "broke: [0-9]+".into())])), ["it broke: 17"]);
    assert_eq!(logs(Value::map([("pattern", "nothing like it".into())])), [""; 0]);
    assert_eq!(logs(Value::map([("until", Value::Int(1_000_000_000))])), [""; 0]);
    assert_eq!(logs(Value::map([("since", Value::Int(-3_600))])).len(), 3);
    assert_eq!(session.call("service::logs", vec!["enabled".into()]).unwrap(), Value::List(Vec::new()));
}

fn a_job_that_hangs_ends_with_the_run() {
    let world = World::new(&env::var("REX_BUS").unwrap(), None, 1_500);
    let start = Instant::now();
    let error = world.call("start", &["hangs"]).unwrap_err();
    assert_eq!(error.code, Code::LimitExceeded);
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(2_500), "{took:?}");
    // The thread that waited for the job also ends.
    let deadline = Instant::now() + Duration::from_secs(5);
    while waiting() > 0 {
        assert!(Instant::now() < deadline, "a thread still waits for the bus");
        std::thread::yield_now();
    }
    assert_eq!(text(&World::open().call("status", &["hangs"]).unwrap(), "active"), "activating");
    assert_eq!(text(&World::open().call("stop", &["hangs"]).unwrap(), "active"), "inactive");
}

/// Returns the number of threads of this process that talk to a bus.
fn waiting() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "rex-bus").count()
}

fn a_run_that_is_told_to_stop_stops() {
    let cancel = Arc::new(AtomicBool::new(false));
    let mut world = World::open();
    world.run = world.run.with_cancel(cancel.clone());
    let told = std::thread::spawn(move || {
        while text(&World::open().call("status", &["hangs"]).unwrap(), "active") != "activating" {}
        cancel.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let error = world.call("start", &["hangs"]).unwrap_err();
    let ended = Instant::now();
    assert_eq!(error.code, Code::Cancelled);
    let took = ended.saturating_duration_since(told.join().unwrap());
    assert!(took < Duration::from_secs(1), "{took:?}");
    World::open().call("stop", &["hangs"]).unwrap();
}

fn a_bus_that_does_not_exist() {
    let address = "unix:path=/run/rex/there-is-no-bus";
    let world = World::new(address, None, 60_000);
    for (operation, args) in [("status", &["nginx"][..]), ("list", &[]), ("start", &["nginx"])] {
        let error = world.call(operation, args).unwrap_err();
        assert_eq!(error.code, Code::Unsupported, "{error:?}");
        assert!(error.message.contains(address), "{}", error.message);
    }
}

fn a_bus_without_a_manager() {
    let socket = "/run/rex/empty-bus";
    let address = format!("unix:path={socket}");
    let mut daemon = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--nopidfile", "--print-address", &format!("--address={address}")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It prints its address once it listens.
    let mut said = String::new();
    BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with(&address), "{said}");
    let results = [("status", &["nginx"][..]), ("list", &[])]
        .map(|(operation, args)| World::new(&address, None, 60_000).call(operation, args));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.code, Code::Unsupported, "{error:?}");
        assert!(error.message.contains("there is no service manager on the bus"), "{}", error.message);
    }
}
