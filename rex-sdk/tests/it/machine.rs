//! The machine that the tests run on, compared with the output of its own tools.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at the machine behind Rex's back")]

use std::fs;
use std::process::Command;
use std::sync::Arc;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rex_core::{
    AbsPath, Authorize, Code, Decision, Error, Limits, MemoryJournal, Principal, Request, Run, Subject, Value,
};
use rex_sdk::{HostOs, OPS, Session};

/// A policy that permits everything but resources with this id.
struct AllBut(&'static str);

impl Authorize for AllBut {
    fn decide(&self, request: &Request<'_>) -> Decision {
        if request.resource.id() == self.0 { Decision::deny(None) } else { Decision::allow(&["rule"]) }
    }
}

fn call_but(denied: &'static str, operation: &str, args: &[Value]) -> Result<Value, Error> {
    let subject = Subject::new(Principal::agent("tester"));
    let journal = Arc::new(MemoryJournal::new(100_000));
    let run = Run::new("test", subject, Arc::new(AllBut(denied)), journal, Limits::default());
    Session::new(&run, &HostOs::default(), &AbsPath::root()).call(operation, args.to_vec())
}

fn call(operation: &str, args: &[Value]) -> Result<Value, Error> {
    call_but("none", operation, args)
}

fn said(program: &str, arguments: &[&str]) -> String {
    String::from_utf8(Command::new(program).args(arguments).output().unwrap().stdout).unwrap().trim().to_owned()
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

/// Checks that operations without arguments work here, or say what this machine lacks.
#[test]
fn everything_is_told_or_said_to_be_missing() {
    let mut told = 0;
    for operation in OPS.iter().map(|operation| operation.spec()) {
        if operation.namespace() != "sys" || operation.required().next().is_some() {
            continue;
        }
        match call(operation.name, &[]) {
            Ok(value) => {
                assert_eq!(value.kind(), operation.returns.value_kind(), "{}", operation.name);
                told += 1;
            }
            Err(error) => assert_eq!(error.code, Code::Unsupported, "{}: {}", operation.name, error.message),
        }
    }
    assert!(told >= 20, "only {told} operations tell something");
}

#[test]
fn it_is_what_other_tools_say() {
    let uname = call("sys::uname", &[]).unwrap();
    assert_eq!((text(&uname, "release"), text(&uname, "machine")), (said("uname", &["-r"]), said("uname", &["-m"])));
    assert_eq!(call("sys::hostname", &[]).unwrap(), said("uname", &["-n"]).as_str().into());
    let total = said("sh", &["-c", "awk '/^MemTotal/ {printf \"%.0f\", $2 * 1024}' /proc/meminfo"]);
    let memory = call("sys::memory", &[]).unwrap();
    assert_eq!(memory.get("total").unwrap().to_string(), total);
    let Value::List(users) = call("sys::users", &[]).unwrap() else { panic!("no list") };
    assert!(users.iter().any(|user| user.get("uid") == Some(&Value::Int(0)) && text(user, "name") == "root"));
    let Value::List(mounts) = call("sys::mounts", &[]).unwrap() else { panic!("no list") };
    assert_eq!(mounts.len(), fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count());
    assert_eq!(call("sys::parameter", &["kernel/ostype".into()]).unwrap(), "Linux".into());
    assert_eq!(call("sys::env", &["PATH".into()]).unwrap(), std::env::var("PATH").unwrap().as_str().into());
    if fs::exists("/usr/bin/dpkg-query").unwrap() {
        let named = Value::map([("name", "dpkg".into())]);
        let Value::List(packages) = call("sys::packages", &[named]).unwrap() else { panic!("no list") };
        assert_eq!(text(&packages[0], "version"), said("dpkg-query", &["-W", "-f=${Version}", "dpkg"]));
    }
}

#[test]
fn an_interval_shows_what_happened_in_it() {
    let interval = || Value::map([("interval_ms", Value::Int(20))]);
    let cpu = call("sys::cpu", &[interval()]).unwrap();
    let Some(Value::List(cpus)) = cpu.get("cpus") else { panic!("{cpu}") };
    let Some(Value::Float(idle)) = cpus[0].get("idle") else { panic!("{cpu}") };
    assert!(*idle < 60.0, "{cpu}");
    assert!(call("sys::vmstat", &[interval()]).unwrap().get("pgfault").is_some());
    let forever = Value::map([("interval_ms", Value::Int(i64::MAX))]);
    assert_eq!(call("sys::vmstat", &[forever]).unwrap_err().code, Code::LimitExceeded);
}

#[test]
fn parameters_are_asked_for_one_by_one() {
    let all = call_but("kernel.osrelease", "sys::parameters", &["kernel.os".into()]).unwrap();
    assert_eq!(all.get("values").unwrap().to_string(), r#"{"kernel.ostype":"Linux"}"#);
    let skipped = all.get("skipped").unwrap().to_string();
    for told in [r#""code":"ACCESS_DENIED_EXCEPTION""#, r#""name":"kernel.osrelease""#, r#""why":"denied""#] {
        assert!(skipped.contains(told), "{skipped}");
    }
    assert_eq!(all.get("complete"), Some(&false.into()));
    for (name, code) in [
        ("kernel.no_such", Code::NotFound),
        ("kernel", Code::Unsupported),
        ("kernel.../etc/passwd", Code::Validation),
        ("../etc/passwd", Code::Validation),
    ] {
        assert_eq!(call("sys::parameter", &[name.into()]).unwrap_err().code, code, "{name}");
    }
}

#[test]
fn what_is_set_and_unmounted_in_namespaces_of_the_test() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(place.path()).unwrap().to_str().unwrap().to_owned();
    // Namespaces belong to a thread, and end with it.
    let changed = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let name = "net.ipv4.ip_forward";
        assert_eq!(call("sys::parameter", &[name.into()]).unwrap(), "0".into());
        call("sys::set_parameter", &[name.into(), "1".into()]).unwrap();
        assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(), "1\n");
        assert_eq!(call("sys::set_parameter", &[name.into(), "no".into()]).unwrap_err().code, Code::Io);

        mount(Some("rex"), &*path, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        fs::write(format!("{path}/inside"), "").unwrap();
        call("sys::unmount", &[path.as_str().into()]).unwrap();
        assert!(!fs::exists(format!("{path}/inside")).unwrap());
        assert_eq!(call("sys::unmount", &[path.as_str().into()]).unwrap_err().code, Code::Io);
    });
    changed.join().unwrap();
}
