//! Suggested permits are true: added once, they let the script pass, and `rex policy check` finds nothing in them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rex_core::{Authorize, Decision, DeniedCall, Limits, Principal, Request, Subject, Timestamp};
use rex_engine::{Engine, Input, Report};
use rex_policy::{LintLevels, Policy, PolicyLimits, SourceText, Vocabulary};
use rex_sdk::{MemOs, OPS, Os, Overlay};

const NOON: Timestamp = Timestamp::from_micros(1_772_452_800_000_000);

/// Policies that nearly permit the calls, without findings of their own.
const WORLDS: &[&str] = &[
    "",
    r#"@id("others") @reason("read") permit (principal == Agent::"other", action in fs::Action::"ReadOnly", resource in fs::Path::"/srv");"#,
    r#"@id("directory") @reason("the directory alone") permit (principal == Agent::"me", action in fs::Action::"ReadOnly", resource == fs::Path::"/srv/app");
       @id("connect") @reason("web") permit (principal == Agent::"me", action == net::Action::"get", resource in net::Url::"http://app.example.com/");
       @id("look") @reason("look") permit (principal == Agent::"me", action == process::Action::"list", resource == sys::Host::"local");"#,
    r#"@id("ticket") @reason("with a ticket") permit (principal == Agent::"me", action in fs::Action::"ReadOnly", resource in fs::Path::"/srv") when { context.tags.contains("ticket=7") };
       @id("some") @reason("some") permit (principal == Agent::"me", action == fs::Action::"list", resource in fs::Path::"/");"#,
];

/// A policy that keeps the denied calls, as a plan does.
struct Noted {
    policy: Arc<Policy>,
    calls: Mutex<Vec<DeniedCall>>,
}

impl Authorize for Noted {
    fn decide(&self, request: &Request<'_>) -> Decision {
        self.policy.decide(request)
    }
    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        self.calls.lock().unwrap().extend(calls.iter().cloned());
        self.policy.remedies(subject, now, calls)
    }
}

fn me() -> Subject {
    Subject::new(Principal::agent("me"))
}

#[track_caller]
fn policy(texts: &[&str]) -> Arc<Policy> {
    let sources: Vec<_> =
        texts.iter().enumerate().map(|(number, text)| SourceText::new(format!("{number}.cedar"), *text)).collect();
    let compiled = Policy::compile(&Vocabulary::rex(), &sources, None, &PolicyLimits::default());
    Arc::new(compiled.unwrap_or_else(|rejected| panic!("{rejected}\n{}", texts.join("\n"))))
}

fn run(script: &str, os: impl Os + 'static, authorize: Arc<dyn Authorize>) -> Report {
    let engine = Engine::builder(Arc::new(os)).without_memory_limit().clock(Arc::new(|| NOON)).build().unwrap();
    engine.run(script, Input::new(Principal::agent("me"), authorize))
}

fn world(policy: &Policy) -> MemOs {
    MemOs::example().with_programs(policy.reach(Some(&Principal::agent("me"))))
}

/// Returns what a plan that continues suggests.
fn planned(script: &str, world_policy: &str) -> Option<String> {
    let policy = policy(&[world_policy]);
    let reach = policy.reach(Some(&Principal::agent("me")));
    let noted = Arc::new(Noted { policy: policy.clone(), calls: Mutex::default() });
    let os = Overlay::new(MemOs::example(), Limits::default()).with_programs(reach).going_on();
    let report = run(script, os, noted.clone());
    assert!(report.outcome.is_ok(), "{script}: {:?}", report.outcome);
    let calls = std::mem::take(&mut *noted.calls.lock().unwrap());
    if calls.is_empty() { None } else { policy.remedies(&me(), NOON, &calls) }
}

/// Returns what the error of a run suggests; `None` if nothing is denied.
fn denied(script: &str, policy: &Arc<Policy>) -> Option<String> {
    let report = run(script, world(policy), policy.clone());
    match report.outcome {
        Err(failure) if failure.error.denial.is_some() => Some(failure.error.help.unwrap()),
        _ => None,
    }
}

/// Checks that the suggestion, added once, lets the script pass, has no findings, and names nothing that differs next time.
#[track_caller]
fn holds(script: &str, world_policy: &str, suggested: &str) {
    let with = policy(&[world_policy, suggested]);
    let report = run(script, world(&with), with.clone());
    assert_eq!(report.stats.denied, 0, "{script}\n{suggested}\n{:?}", report.outcome);
    let found: Vec<_> = with
        .lints(&LintLevels::default())
        .into_iter()
        .filter(|finding| finding.to_string().contains("1.cedar"))
        .collect();
    assert!(found.is_empty(), "{suggested}\n{found:?}");
    for word in ["process::Process::", "context.bytes", "context.address", "rex-sample", "reserved"] {
        assert!(!suggested.contains(word), "{suggested}");
    }
    assert_eq!(suggested.matches("permit (").count(), suggested.matches("@id(").count());
    assert_eq!(suggested.matches("permit (").count(), suggested.matches("@reason(").count());
}

/// Formats a JSON value as scripts write it.
fn literal(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Array(all) => format!("[{}]", all.iter().map(literal).collect::<Vec<_>>().join(", ")),
        serde_json::Value::Object(all) => {
            let entries = all.iter().map(|(key, value)| format!("{}: {}", serde_json::json!(key), literal(value)));
            format!("#{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::Null => "()".to_owned(),
        other => other.to_string(),
    }
}

/// Returns the calls of all examples, and calls with options that need more.
fn calls() -> Vec<String> {
    let example = |args: &str| -> String {
        let args: Vec<serde_json::Value> = serde_json::from_str(args).unwrap();
        args.iter().map(literal).collect::<Vec<_>>().join(", ")
    };
    let examples = OPS.iter().map(|operation| operation.spec());
    let examples = examples.map(|spec| format!("{}({})", spec.name, example(spec.example.args)));
    let more = [
        r#"fs::list("/srv/app", #{stat: true})"#,
        r#"fs::find("/srv", #{min_size: 1})"#,
        r#"fs::walk("/srv/app", #{depth: 1})"#,
        r#"fs::chmod("/srv/app", "0750", #{recursive: true})"#,
        r#"fs::chown("/srv/app", #{owner: "33", group: "33", recursive: true})"#,
        r#"fs::chown("/srv/app/config.yaml", #{owner: "root"})"#,
        r#"fs::set_xattr("/srv/app/config.yaml", "system.posix_acl_access", #{value: "x"})"#,
        r#"fs::remove_all("/srv")"#,
        r#"fs::copy("/srv/app/config.yaml", "/tmp/config.yaml", #{preserve: true})"#,
        r#"fs::tar_extract("/srv/app/backup.tar", "/tmp/out", #{preserve: true, strip: 1})"#,
        r#"fs::tar_create("/srv/app", "/tmp/all.tar", #{stat: true, gzip: true})"#,
        r#"fs::create_dir("/srv/a/b/c", #{parents: true})"#,
        r#"fs::read("/srv/app/current.log")"#,
        r#"fs::temp_file("/tmp", #{contents: "x", prefix: "job-"})"#,
        r#"process::list(#{details: true})"#,
        r#"process::list(#{details: true, user: "www-data"})"#,
        r#"process::signal_all("TERM", #{unit: "nginx.service"})"#,
        r#"process::run("/usr/bin/echo", ["a b", "it's"], #{environment: #{"TZ": "UTC"}, directory: "/tmp", stdin: "x"})"#,
        r#"net::sockets(#{processes: true})"#,
        r#"net::resolve("app.example.com", #{type: "TXT"})"#,
        r#"net::tcp_check("93.184.215.14", 80)"#,
        r#"sys::parameters("net.ipv")"#,
        r#"fs::remove_all("/srv/app", #{one_file_system: true})"#,
        r#"fs::find("/srv/app", #{one_file_system: true})"#,
        r#"fs::find("/srv/app", #{newer_than: "1d"})"#,
        r#"fs::find("/srv/app", #{max_size: "1MB"})"#,
        r#"fs::du("/srv/app", #{depth: 1, max: 1})"#,
        r#"fs::stat("/srv/app/config.yaml", #{follow: false})"#,
        r#"fs::touch("/srv/app/config.yaml", #{create: false})"#,
        r#"fs::tar_create("/srv/app", "/tmp/all.tar", #{skip_denied: true, new: true})"#,
        r#"fs::tar_extract("/srv/app/backup.tar", "/tmp/out", #{overwrite: true, skip_links: true})"#,
        r#"fs::gzip("/srv/app/config.yaml", "/tmp/config.gz", #{new: true})"#,
        r#"fs::rename("/srv/app/config.yaml", "/tmp/config.yaml", #{new: true})"#,
        r#"fs::temp_file("/tmp", #{suffix: ".txt"})"#,
        r#"net::get("http://93.184.215.14/", #{host: "app.example.com"})"#,
        r#"net::head("http://app.example.com:8080/health", #{host: "other.example:81"})"#,
        r#"net::put("http://app.example.com/notes", "x", #{headers: #{"Host": "other.example"}})"#,
        r#"net::post("http://app.example.com/notes", "x", #{address: "93.184.215.14", host: "other.example"})"#,
        r#"net::delete("https://nobody.example/notes", #{address: "93.184.215.14"})"#,
        r#"net::tls_certificate("app.example.com", #{name: "other.example", port: 8443})"#,
        r#"net::resolve("app.example.com", #{type: "A", server: "192.0.2.53"})"#,
        r#"net::sockets(#{protocol: "tcp", listening: true, port: 80})"#,
        r#"process::signal_all("TERM", #{name: "nginx", dry_run: true})"#,
        r#"process::run("/usr/bin/echo", ["x"], #{user: "www-data"})"#,
        r#"process::tree(#{pid: 1})"#,
        r#"service::logs("nginx", #{priority: "err", pattern: "x", skip_denied: true})"#,
        r#"service::properties("nginx", #{names: ["MemoryCurrent"]})"#,
    ];
    examples.chain(more.map(str::to_owned)).collect()
}

/// Wraps a call to ignore failures other than denials: calls of one script may remove each other's files.
fn guarded(call: &str) -> String {
    format!("try {{ {call}; }} catch (e) {{ if e.code == \"ACCESS_DENIED_EXCEPTION\" {{ throw e; }} }}\n")
}

#[test]
fn a_denial_says_in_one_step_what_an_operation_needs() {
    let mut denials = 0;
    for world_policy in WORLDS {
        let before = policy(&[world_policy]);
        for call in calls() {
            let script = guarded(&call);
            // The target of a link and the contents of a file are hidden from those who may not look: a second denial is about that.
            let later = usize::from(["current.log", "reload_parameters"].iter().any(|word| call.contains(word)));
            let (mut all, mut rounds) = (String::new(), 0);
            let mut now = before.clone();
            while let Some(suggested) = denied(&script, &now) {
                rounds += 1;
                assert!(rounds <= 1 + later, "{call} is denied again:\n{all}\n\n{suggested}");
                all = format!("{all}\n{suggested}");
                now = policy(&[world_policy, &all]);
            }
            if rounds > 0 {
                denials += 1;
                holds(&script, world_policy, &all);
            }
        }
    }
    assert!(denials >= 300, "{denials}");
}

#[test]
fn a_plan_that_goes_on_says_in_one_step_what_a_script_needs() {
    let calls = calls();
    let (mut denials, mut seen) = (0, BTreeSet::new());
    for number in 0..160_usize {
        let world_policy = WORLDS[number % WORLDS.len()];
        let picked = [number, number * 7 + 3, number * 31 + 11].map(|place| calls[place % calls.len()].as_str());
        if picked.iter().any(|call| call.contains("current.log") || call.contains("reload_parameters")) {
            continue;
        }
        let script: String = picked.iter().map(|call| guarded(call)).collect();
        let Some(suggested) = planned(&script, world_policy) else { continue };
        denials += suggested.matches("permit (").count();
        seen.extend(picked);
        holds(&script, world_policy, &suggested);
    }
    assert!(denials >= 300 && seen.len() > 100, "{denials} {}", seen.len());
}
