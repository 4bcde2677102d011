//! Calls on an overlay do not change the system below it.

use std::sync::Arc;

use rex_core::{
    AbsPath, Authorize, Code, Decision, Error, Limits, MemoryJournal, Principal, Request, Run, Subject, Value,
};
use rex_sdk::{MemOs, OPS, Operation, Overlay, Session};

use crate::conformance::NOON;

struct All;

impl Authorize for All {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision::allow(&["all"])
    }
}

struct World {
    os: Overlay<MemOs>,
    run: Run,
}

impl World {
    fn new(below: MemOs) -> Self {
        let journal = Arc::new(MemoryJournal::new(1_000));
        let run = Run::new("test", Subject::new(Principal::agent("t")), Arc::new(All), journal, Limits::default());
        let run = run.with_clock(Arc::new(|| NOON));
        Self { os: Overlay::new(below, Limits::default()), run }
    }

    fn invoke(&self, operation: &dyn Operation, args: Vec<Value>) -> Result<Value, Error> {
        Session::new(&self.run, &self.os, &AbsPath::parse("/srv/app").unwrap()).invoke(operation, args, Some(1))
    }

    fn call(&self, name: &str, args: &str) -> Result<Value, Error> {
        let operation = OPS.iter().find(|operation| operation.spec().name == name).unwrap();
        let args: Vec<Value> = serde_json::from_str(args).unwrap();
        self.invoke(*operation, args)
    }

    fn told(&self) -> Vec<String> {
        let mark = |assumed| if assumed { "?" } else { "" };
        let effects = self.os.effects().into_iter();
        effects
            .map(|effect| format!("{}{} {} {}", effect.action, mark(effect.assumed), effect.resource, effect.about))
            .collect()
    }
}

/// Returns a world as text, without its number of calls.
fn all_of(world: &MemOs) -> String {
    format!("{world:?}").split("calls: ").map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect()
}

#[test]
fn no_operation_changes_what_is_below() {
    let before = all_of(&MemOs::example());
    for operation in OPS {
        let spec = operation.spec();
        let world = World::new(MemOs::example());
        let args: Vec<Value> = serde_json::from_str(spec.example.args).unwrap();
        let returned = world.invoke(*operation, args.clone());
        assert_eq!(all_of(world.os.below()), before, "{}", spec.name);
        let effects = world.os.effects();
        let changes = spec.needs.iter().any(|action| action.groups.contains(&"Mutating"));
        assert_eq!(
            changes && !spec.name.starts_with("net::"),
            effects.iter().any(|effect| effect.action.groups.contains(&"Mutating")),
            "{}",
            spec.name
        );
        if !effects.iter().any(|effect| effect.assumed) {
            let expected: serde_json::Value = serde_json::from_str(spec.example.returns).unwrap();
            assert_eq!(returned.unwrap().to_string(), expected.to_string(), "{}", spec.name);
        }
        // The call is possible: on the world itself, it succeeds.
        let direct = MemOs::example();
        let done = Session::new(&world.run, &direct, &AbsPath::parse("/srv/app").unwrap()).call(spec.name, args);
        assert!(done.is_ok(), "{}", spec.name);
    }
}

#[test]
fn effects_come_in_order_and_later_reads_see_them() {
    let world = World::new(MemOs::example());
    let call = |name: &str, args: &str| world.call(name, args).unwrap();
    call("fs::write", r#"["config.yaml", "port: 9090\n"]"#);
    call("service::restart", r#"["nginx"]"#);
    call("service::stop", r#"["www"]"#);
    call("process::signal", r#"[4243, "TERM"]"#);
    let finished = call("process::run", r#"["/usr/bin/echo", ["all", "well"]]"#);
    let answer = call("net::post", r#"["https://app.example.com/notes", "note"]"#);
    call("sys::set_parameter", r#"["net.ipv4.ip_forward", "1"]"#);
    assert_eq!(call("fs::read", r#"["config.yaml"]"#), "port: 9090\n".into());
    assert_eq!(call("service::status", r#"["nginx"]"#).get("active"), Some(&"inactive".into()));
    assert_eq!(call("sys::parameter", r#"["net.ipv4.ip_forward"]"#), "1".into());
    assert_eq!(world.call("process::get", "[4243]").unwrap_err().code, Code::NotFound);
    assert_eq!((finished.get("status"), finished.get("stdout")), (Some(&Value::Int(0)), Some(&"".into())));
    assert_eq!((answer.get("status"), answer.get("body")), (Some(&Value::Int(200)), Some(&"".into())));
    let told = world.told();
    let starts = [
        "fs::write /srv/app/config.yaml 11 bytes, blake3 ",
        "service::restart? nginx.service",
        "service::stop? nginx.service",
        "process::signal? ",
        "process::run? /usr/bin/echo all well",
        "net::resolve? app.example.com",
        "net::connect? app.example.com",
        "sys::set_parameter? net.ipv4.ip_forward = 1",
    ];
    assert_eq!(told.len(), starts.len(), "{told:?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
}

#[test]
fn what_reads_gave_is_the_same_until_something_else_is_there() {
    let read = |below: MemOs, args: &str| {
        let world = World::new(below);
        let _ = world.call("fs::read", args);
        world.os.reads()
    };
    let example = read(MemOs::example(), r#"["version.txt"]"#);
    assert_eq!((example.len(), example[0].resource.as_str()), (1, "/srv/app/version.txt"));
    assert_eq!(read(MemOs::example(), r#"["version.txt"]"#), example);
    assert_ne!(read(MemOs::example().file("/srv/app/version.txt", "1.4.3\n"), r#"["version.txt"]"#), example);
    let missing = read(MemOs::example(), r#"["none"]"#);
    assert_ne!(read(MemOs::example().file("/srv/app/none", ""), r#"["none"]"#)[0].hash, missing[0].hash);
}

#[test]
fn what_changed_is_told_as_far_as_it_may_be_read() {
    let world = World::new(MemOs::example());
    world.call("fs::append", r#"["config.yaml", "host: a\n"]"#).unwrap();
    world.call("fs::write", r#"["/tmp/a", "b"]"#).unwrap();
    world.call("fs::remove", r#"["/tmp/a"]"#).unwrap();
    world.call("fs::remove", r#"["version.txt"]"#).unwrap();
    let changed = world.os.changed(&|path| path.name() != "version.txt");
    assert_eq!(changed.iter().map(|changed| changed.path.name()).collect::<Vec<_>>(), ["config.yaml", "version.txt"]);
    let text = |thing: &Option<rex_sdk::overlay::NamedThing>| {
        thing.as_ref().map(|thing| thing.contents.clone().map(|bytes| String::from_utf8(bytes).unwrap()))
    };
    assert_eq!(text(&changed[0].before), Some(Some("port: 8080\n".into())));
    assert_eq!(text(&changed[0].after), Some(Some("port: 8080\nhost: a\n".into())));
    assert_eq!((text(&changed[1].before), text(&changed[1].after)), (Some(None), None));
}
