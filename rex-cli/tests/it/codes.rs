//! One error, one code: an operation fails with the same code in a confined run, in an unconfined one, in a plan, and in memory. Each
//! code that an operation documents is provoked, or listed here with the reason why it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rex_core::{AbsPath, Authorize, Code, Decision, Limits, Principal, Request};
use rex_engine::{Engine, Input};
use rex_sdk::os::EntryKind;
use rex_sdk::{MemOs, OPS};
use serde_json::Value;

const NOT_FOUND: &str = "NOT_FOUND_EXCEPTION";
const EXISTS: &str = "ALREADY_EXISTS_EXCEPTION";
const UNSUPPORTED: &str = "UNSUPPORTED_EXCEPTION";
const IO: &str = "IO_EXCEPTION";
const LIMIT: &str = "LIMIT_EXCEEDED_EXCEPTION";
const SERVICE: &str = "SERVICE_EXCEPTION";

/// Limits so small that each is soon reached.
const LIMITS: &[(&str, u64)] = &[("file_bytes", 4_000), ("entries", 1_100), ("tree_depth", 4)];

/// Calls, each with the code that it fails with. `none` does not exist; `f` is text, `d` a directory with something in it, `p` a pipe;
/// `large` is beyond `file_bytes`, `many` has more than `entries`, `deep` more levels than `tree_depth`; `cut.gz` and `cut.tar` end
/// too early.
const FILES: &[(&str, &str)] = &[
    (r#"fs::append("none/f", "x")"#, NOT_FOUND),
    (r#"fs::append("d", "x")"#, UNSUPPORTED),
    (r#"fs::certificates("none")"#, NOT_FOUND),
    (r#"fs::certificates("f")"#, UNSUPPORTED),
    (r#"fs::certificates("large")"#, LIMIT),
    (r#"fs::checksum("none")"#, NOT_FOUND),
    (r#"fs::checksum("d")"#, UNSUPPORTED),
    (r#"fs::chmod("none", "0600")"#, NOT_FOUND),
    (r#"fs::chmod("many", "0700", #{recursive: true})"#, LIMIT),
    (r#"fs::chown("none", #{owner: "0"})"#, NOT_FOUND),
    (r#"fs::chown("many", #{owner: "0", recursive: true})"#, LIMIT),
    (r#"fs::copy("none", "to")"#, NOT_FOUND),
    (r#"fs::copy("f", "none/to")"#, NOT_FOUND),
    (r#"fs::copy("f", "f2", #{"new": true})"#, EXISTS),
    (r#"fs::copy("d", "to")"#, UNSUPPORTED),
    (r#"fs::copy("p", "to")"#, UNSUPPORTED),
    (r#"fs::count("none")"#, NOT_FOUND),
    (r#"fs::count("d")"#, UNSUPPORTED),
    (r#"fs::create_dir("none/d")"#, NOT_FOUND),
    (r#"fs::create_dir("d")"#, EXISTS),
    (r#"fs::create_dir("f/d")"#, UNSUPPORTED),
    (r#"fs::diff("none", "f")"#, NOT_FOUND),
    (r#"fs::diff("f", "d")"#, UNSUPPORTED),
    (r#"fs::diff("f", "large")"#, LIMIT),
    (r#"fs::du("none")"#, NOT_FOUND),
    (r#"fs::elf("none")"#, NOT_FOUND),
    (r#"fs::elf("f")"#, UNSUPPORTED),
    (r#"fs::elf("large")"#, LIMIT),
    (r#"fs::expand("none", "to")"#, NOT_FOUND),
    (r#"fs::expand("whole.gz", "f", #{"new": true})"#, EXISTS),
    (r#"fs::expand("f", "to")"#, UNSUPPORTED),
    (r#"fs::expand("cut.gz", "to")"#, IO),
    (r#"fs::find("none")"#, NOT_FOUND),
    (r#"fs::find("f")"#, UNSUPPORTED),
    (r#"fs::grep("none", "x")"#, NOT_FOUND),
    (r#"fs::grep("d", "x")"#, UNSUPPORTED),
    (r#"fs::gzip("none", "to")"#, NOT_FOUND),
    (r#"fs::gzip("f", "f2", #{"new": true})"#, EXISTS),
    (r#"fs::gzip("d", "to")"#, UNSUPPORTED),
    (r#"fs::gzip("noise", "to")"#, LIMIT),
    (r#"fs::hard_link("none", "to")"#, NOT_FOUND),
    (r#"fs::hard_link("f", "f2")"#, EXISTS),
    (r#"fs::hard_link("d", "to")"#, UNSUPPORTED),
    (r#"for line in fs::lines("none") {}"#, NOT_FOUND),
    (r#"for line in fs::lines("d") {}"#, UNSUPPORTED),
    (r#"for line in fs::lines("cut.gz") { print(line); }"#, IO),
    (r#"fs::list("none")"#, NOT_FOUND),
    (r#"fs::list("f")"#, UNSUPPORTED),
    (r#"fs::list("many")"#, LIMIT),
    (r#"fs::read("none")"#, NOT_FOUND),
    (r#"fs::read("f/x")"#, UNSUPPORTED),
    (r#"fs::read("d")"#, UNSUPPORTED),
    (r#"fs::read("p")"#, UNSUPPORTED),
    (r#"fs::read("binary")"#, UNSUPPORTED),
    (r#"fs::read("circle")"#, IO),
    (r#"fs::read("cut.gz")"#, IO),
    (r#"fs::read("large")"#, LIMIT),
    (r#"fs::read_bytes("none")"#, NOT_FOUND),
    (r#"fs::read_bytes("d")"#, UNSUPPORTED),
    (r#"fs::read_bytes("large")"#, LIMIT),
    (r#"fs::read_link("none")"#, NOT_FOUND),
    (r#"fs::read_link("f")"#, UNSUPPORTED),
    (r#"fs::remove("none")"#, NOT_FOUND),
    (r#"fs::remove("d")"#, UNSUPPORTED),
    (r#"fs::remove_all("none")"#, NOT_FOUND),
    (r#"fs::remove_all("many")"#, LIMIT),
    (r#"fs::remove_dir("none")"#, NOT_FOUND),
    (r#"fs::remove_dir("f")"#, UNSUPPORTED),
    (r#"fs::remove_dir("d")"#, IO),
    (r#"fs::rename("none", "to")"#, NOT_FOUND),
    (r#"fs::rename("f", "f2", #{"new": true})"#, EXISTS),
    (r#"fs::rename("d", "to")"#, UNSUPPORTED),
    (r#"fs::replace("none", "x", "y")"#, NOT_FOUND),
    (r#"fs::replace("binary", "x", "y")"#, UNSUPPORTED),
    (r#"fs::replace("large", "x", "y")"#, LIMIT),
    (r#"fs::set_xattr("none", "user.x", #{value: "y"})"#, NOT_FOUND),
    (r#"fs::set_xattr("p", "user.x", #{value: "y"})"#, UNSUPPORTED),
    (r#"fs::stat("none")"#, NOT_FOUND),
    (r#"fs::stat("f/x")"#, UNSUPPORTED),
    (r#"fs::strings("none")"#, NOT_FOUND),
    (r#"fs::strings("d")"#, UNSUPPORTED),
    (r#"fs::symlink("none/l", "f")"#, NOT_FOUND),
    (r#"fs::symlink("f", "f2")"#, EXISTS),
    (r#"fs::symlink("f/l", "f2")"#, UNSUPPORTED),
    (r#"fs::tail("none")"#, NOT_FOUND),
    (r#"fs::tail("d")"#, UNSUPPORTED),
    (r#"fs::tar_create("none", "to")"#, NOT_FOUND),
    (r#"fs::tar_create("d", "f", #{"new": true})"#, EXISTS),
    (r#"fs::tar_create("f", "to")"#, UNSUPPORTED),
    (r#"fs::tar_create("deep", "to")"#, LIMIT),
    (r#"fs::tar_extract("none", "to")"#, NOT_FOUND),
    (r#"fs::tar_extract("whole.tar", "f")"#, EXISTS),
    (r#"fs::tar_extract("d", "to")"#, UNSUPPORTED),
    (r#"fs::tar_extract("cut.tar", "to")"#, IO),
    (r#"fs::tar_list("none")"#, NOT_FOUND),
    (r#"fs::tar_list("d")"#, UNSUPPORTED),
    (r#"fs::tar_list("cut.tar")"#, IO),
    (r#"fs::temp_file("none")"#, NOT_FOUND),
    (r#"fs::temp_file("f")"#, UNSUPPORTED),
    (r#"fs::touch("none/f")"#, NOT_FOUND),
    (r#"fs::touch("f/x")"#, UNSUPPORTED),
    (r#"fs::truncate("none")"#, NOT_FOUND),
    (r#"fs::truncate("d")"#, UNSUPPORTED),
    (r#"fs::walk("none")"#, NOT_FOUND),
    (r#"fs::walk("f")"#, UNSUPPORTED),
    (r#"fs::write("none/f", "x")"#, NOT_FOUND),
    (r#"fs::write("f", "x", #{"new": true})"#, EXISTS),
    (r#"fs::write("d", "x")"#, UNSUPPORTED),
    (r#"fs::xattr("none", "user.x")"#, NOT_FOUND),
    (r#"fs::xattr("f", "user.none")"#, NOT_FOUND),
    (r#"fs::xattr("p", "user.x")"#, UNSUPPORTED),
    (r#"fs::xattrs("none")"#, NOT_FOUND),
    (r#"fs::xattrs("p")"#, UNSUPPORTED),
    (r#"fs::zstd("none", "to")"#, NOT_FOUND),
    (r#"fs::zstd("f", "f2", #{"new": true})"#, EXISTS),
    (r#"fs::zstd("d", "to")"#, UNSUPPORTED),
    (r#"fs::zstd("noise", "to")"#, LIMIT),
    (r#"net::resolve("nope.invalid")"#, NOT_FOUND),
    (r#"net::get("http://nope.invalid/")"#, NOT_FOUND),
    (r#"net::head("http://nope.invalid/")"#, NOT_FOUND),
    (r#"net::post("http://nope.invalid/", "x")"#, NOT_FOUND),
    (r#"net::put("http://nope.invalid/", "x")"#, NOT_FOUND),
    (r#"net::delete("http://nope.invalid/")"#, NOT_FOUND),
    (r#"net::tcp_check("nope.invalid", 1)"#, NOT_FOUND),
    (r#"net::tls_certificate("nope.invalid")"#, NOT_FOUND),
    (r#"process::environ(999_999_999)"#, NOT_FOUND),
    (r#"process::get(999_999_999)"#, NOT_FOUND),
    (r#"process::limits(999_999_999)"#, NOT_FOUND),
    (r#"process::open_files(999_999_999)"#, NOT_FOUND),
    (r#"process::set_priority(999_999_999, 5)"#, NOT_FOUND),
    (r#"process::signal(999_999_999, "TERM")"#, NOT_FOUND),
    (r#"process::tree(#{pid: 999_999_999})"#, NOT_FOUND),
    (r#"sys::env("REX_NONE")"#, NOT_FOUND),
    (r#"sys::parameter("no.such.parameter")"#, NOT_FOUND),
    (r#"sys::set_parameter("no.such.parameter", "1")"#, NOT_FOUND),
];

/// Calls on units with their codes, for hosts with a service manager.
const UNITS: &[(&str, &str)] = &[
    (r#"service::dependencies("none")"#, NOT_FOUND),
    (r#"service::disable("none")"#, NOT_FOUND),
    (r#"service::enable("none")"#, NOT_FOUND),
    (r#"service::logs("none")"#, NOT_FOUND),
    (r#"service::mask("none")"#, NOT_FOUND),
    (r#"service::properties("none")"#, NOT_FOUND),
    (r#"service::reload("none")"#, NOT_FOUND),
    (r#"service::reset_failed("none")"#, NOT_FOUND),
    (r#"service::restart("none")"#, NOT_FOUND),
    (r#"service::start("none")"#, NOT_FOUND),
    (r#"service::status("none")"#, NOT_FOUND),
    (r#"service::stop("none")"#, NOT_FOUND),
    (r#"service::try_restart("none")"#, NOT_FOUND),
    (r#"service::wait_until("none", "active")"#, NOT_FOUND),
    (r#"service::start("broken")"#, SERVICE),
    (r#"service::restart("broken")"#, SERVICE),
];

/// Documented codes that are not provoked here: the operation, or what its name begins with, the code, and the reason.
const LEFT_OUT: &[(&str, Code, &str)] = &[
    (
        "",
        Code::Io,
        "a device, a kernel or a bus that fails cannot be had at will; where one can be damaged, it is above",
    ),
    ("process::", Code::LimitExceeded, "how many processes a host runs is not up to a test"),
    (
        "process::",
        Code::Unsupported,
        "what a host cannot do is not up to a test; `rex-sdk/tests/it/processes.rs` has what is",
    ),
    (
        "process::run",
        Code::NotFound,
        "a program that does not exist has no path; `rex-sdk/tests/it/processes.rs` has it",
    ),
    ("sys::", Code::Unsupported, "what a kernel or a distribution lacks is not up to a test"),
    ("sys::", Code::LimitExceeded, "how long the kernel's log is, is not up to a test"),
    ("sys::", Code::NotFound, "the files that tell it are there on every host that runs tests"),
    ("net::", Code::Unsupported, "needs a server with a certificate; `rex-sdk/tests/it/network` has it"),
    ("net::", Code::LimitExceeded, "needs a server; `rex-sdk/tests/it/network` has it"),
    ("service::", Code::Unsupported, "comes where no bus answers, of every operation alike; `without_a_bus` has it"),
    ("service::", Code::LimitExceeded, "how many units a host has is not up to a test"),
    ("service::", Code::ServiceFailed, "needs a job that fails; `broken` has it where a unit can be made so"),
    ("service::unmask", Code::NotFound, "a unit that is masked has no file that could be found, so none is missed"),
    ("fs::checksum", Code::LimitExceeded, "reaches the limit of the run, which ends it"),
    ("fs::chmod", Code::Unsupported, "needs a file system without modes"),
    ("fs::chown", Code::Unsupported, "needs a file system without owners"),
    ("fs::copy", Code::LimitExceeded, "needs a file of `/proc`, whose size is unknown"),
    ("fs::count", Code::LimitExceeded, "reaches the limit of the run, which ends it"),
    ("fs::du", Code::LimitExceeded, "tells what it has seen by then"),
    ("fs::du", Code::Unsupported, "takes files and directories alike"),
    ("fs::exists", Code::Unsupported, "needs a link of the kernel's own; `rex-sdk/tests/it/files/links.rs` has it"),
    ("fs::expand", Code::LimitExceeded, "reaches `written_bytes`; a test of the operation has it"),
    ("fs::find", Code::LimitExceeded, "tells what it has seen by then"),
    (
        "fs::grep",
        Code::LimitExceeded,
        "needs a longer line than other cases let it have; a test of the operation has it",
    ),
    (
        "fs::lines",
        Code::LimitExceeded,
        "needs a longer line than other cases let it have; a test of the operation has it",
    ),
    ("fs::remove_all", Code::Unsupported, "needs a file system that refuses"),
    ("fs::strings", Code::LimitExceeded, "a test of the operation has it"),
    ("fs::tail", Code::LimitExceeded, "a test of the operation has it"),
    ("fs::tar_extract", Code::LimitExceeded, "a test of the operation has it"),
    ("fs::tar_list", Code::LimitExceeded, "a test of the operation has it"),
    ("fs::temp_file", Code::AlreadyExists, "needs as many files of guessed names as are tried"),
    ("fs::truncate", Code::LimitExceeded, "reaches the limit of the run, which ends it"),
    ("fs::walk", Code::LimitExceeded, "tells what it has seen by then"),
];

fn script(cases: &[(&str, &str)]) -> String {
    let case = |(expression, _): &(&str, &str)| {
        format!(
            "try {{ {expression}; codes.push(\"SUCCESS\"); }} catch (e) {{ codes.push(e.code); messages.push(e.message); }}\n"
        )
    };
    let body: String = cases.iter().map(case).collect();
    format!("let codes = []; let messages = [];\n{body}#{{codes: codes, messages: messages}}")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    // Stored without compression (RFC 1951), so that only the length is computed.
    let length = u16::try_from(text.len()).unwrap();
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend(text);
    // The checksum and the length of an empty text; others are cut before them.
    packed.extend([0; 8]);
    packed
}

/// Returns the files by name; directories end with a slash, and come before their contents.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut state = 1_u32;
    let mut noise = || {
        // Xorshift: no program compresses it.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let noise: Vec<u8> = (0..6_000).map(|_| noise()).collect();
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let mut all = vec![
        file("f", b"text\n"),
        file("f2", b"other\n"),
        file("d/", b""),
        file("d/f", b"x"),
        file("binary", b"caf\xe9"),
        file("large", "x\n".repeat(3_000).as_bytes()),
        file("noise", &noise),
        file("whole.gz", &gzip(b"")),
        file("cut.gz", &gzip(b"some text that is cut off")[..20]),
        file("whole.tar", &[0; 1024]),
        file("cut.tar", &[b'x'; 100]),
        file("many/", b""),
        file("deep/", b""),
        file("deep/1/", b""),
        file("deep/1/2/", b""),
        file("deep/1/2/3/", b""),
        file("deep/1/2/3/4/", b""),
        file("deep/1/2/3/4/5/", b""),
    ];
    all.extend((0..1_200).map(|number| file(&format!("many/{number}"), b"")));
    all
}

struct All;

impl Authorize for All {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision::allow(&["all"])
    }
}

fn in_memory(base: &Path, script: &str) -> Value {
    let at = |name: &str| format!("{}/{}", base.display(), name.trim_end_matches('/'));
    let mut os = MemOs::example().special(&at("p"), EntryKind::Fifo).link(&at("circle"), "circle");
    for (name, bytes) in files() {
        os = if name.ends_with('/') { os.dir(&at(&name)) } else { os.file(&at(&name), bytes) };
    }
    let mut limits = Limits::default();
    LIMITS.iter().for_each(|(name, value)| limits.set(name, *value).unwrap());
    let engine = Engine::builder(Arc::new(os)).limits(limits).build().unwrap();
    let input = Input {
        principal: Principal::agent("tester"),
        authorize: Arc::new(All),
        tags: Vec::new(),
        args: BTreeMap::new(),
        base: AbsPath::parse(base.to_str().unwrap()).unwrap(),
        run_id: String::new(),
        cancel: Arc::default(),
    };
    serde_json::to_value(engine.run(script, input)).unwrap()
}

/// Runs a script confined, unconfined and as a plan.
fn on_the_host(base: &Path, script: &str, wrapped: Option<&str>) -> Option<BTreeMap<&'static str, Value>> {
    let outside = tempfile::tempdir().unwrap();
    let (policy, file) = (outside.path().join("all.cedar"), outside.path().join("script.rhai"));
    std::fs::write(&policy, "@id(\"all\") @reason(\"test\") permit (principal, action, resource);").unwrap();
    std::fs::write(&file, script).unwrap();
    let mut told = BTreeMap::new();
    for (mode, verb) in [("confined", "run"), ("unconfined", "run --confine=off"), ("planned", "plan")] {
        let limits: String = LIMITS.iter().map(|(name, value)| format!(" --limit={name}={value}")).collect();
        let bus = if wrapped.is_some() { " --bus=$REX_BUS" } else { "" };
        let line = format!(
            "exec '{}' {verb} '{}' --policy='{}' --principal='Agent::\"tester\"' --base='{}' --format=json{limits}{bus}",
            env!("CARGO_BIN_EXE_rex"),
            file.display(),
            policy.display(),
            base.display(),
        );
        let mut command = wrapped.map_or_else(
            || Command::new("sh"),
            |wrapper| {
                let mut command = Command::new(wrapper);
                command.arg("sh");
                command
            },
        );
        let output = command.args(["-c", &line]).output().unwrap();
        if output.status.code() == Some(77) && std::env::var_os("REX_REQUIRE_SYSTEMD").is_none() {
            print!("{}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let report =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{mode}: {error}: {output:?}"));
        told.insert(mode, report);
    }
    Some(told)
}

#[track_caller]
fn compare(cases: &[(&str, &str)], told: &BTreeMap<&'static str, Value>) {
    let mut wrong = Vec::new();
    for (mode, report) in told {
        let codes = report["value"]["codes"].as_array().unwrap_or_else(|| panic!("{mode}: {report}"));
        assert_eq!(codes.len(), cases.len(), "{mode}");
        for ((expression, expected), code) in cases.iter().zip(codes) {
            if code != expected {
                wrong.push(format!("{mode}: {expression}: {code}, and not {expected}"));
            }
        }
        for message in report["value"]["messages"].as_array().unwrap() {
            well_said(mode, message.as_str().unwrap());
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Checks that a message has no internal words of a library or of Rust.
fn well_said(mode: &str, message: &str) {
    const WORDS: &[&str] = &[
        "entity not found",
        "os error",
        "add_dict",
        "failed to read entire block",
        "failed to fill",
        "Other(",
        "Error(",
        "Some(",
        "invalid peer certificate",
        "relative URL without a base",
        "failed to lookup",
        "unexpected end of file",
        "at line 1 column",
        "stream did not contain",
        "deflate",
        "Custom {",
        "InvalidData",
        "numeric field",
        "base64",
        "D-Bus",
        "org.freedesktop",
    ];
    for word in WORDS {
        assert!(!message.contains(word), "{mode}: `{word}` in: {message}");
    }
}

#[test]
fn an_error_has_one_code_however_a_script_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    for (name, bytes) in files() {
        if name.ends_with('/') {
            std::fs::create_dir(base.join(name)).unwrap();
        } else {
            std::fs::write(base.join(name), bytes).unwrap();
        }
    }
    nix::unistd::mkfifo(&base.join("p"), nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    std::os::unix::fs::symlink("circle", base.join("circle")).unwrap();
    let script = script(FILES);
    let mut told = on_the_host(&base, &script, None).unwrap();
    told.insert("in memory", in_memory(&base, &script));
    compare(FILES, &told);
}

#[test]
fn an_error_of_a_unit_has_one_code_however_a_script_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let script = script(UNITS);
    let memory = in_memory(dir.path(), &script);
    compare(UNITS, &BTreeMap::from([("in memory", memory)]));
    let wrapper = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/restart-nginx/with-systemd.sh");
    let Some(mut told) = on_the_host(dir.path(), &script, Some(wrapper)) else { return };
    // A plan assumes the result of a job, but knows that a unit is missing.
    let planned = told.remove("planned").unwrap();
    compare(UNITS, &told);
    for ((expression, expected), code) in UNITS.iter().zip(planned["value"]["codes"].as_array().unwrap()) {
        assert!(code == expected || *expected == SERVICE, "planned: {expression}: {code}");
    }
}

#[test]
fn without_a_bus_nothing_is_known_of_units() {
    let dir = tempfile::tempdir().unwrap();
    let cases: Vec<(&str, &str)> = UNITS
        .iter()
        .filter(|(expression, _)| expression.contains("none"))
        .map(|(expression, _)| (*expression, UNSUPPORTED))
        .collect();
    let outside = format!("--bus=unix:path={}/none", dir.path().display());
    let script = script(&cases);
    for more in [&["--confine=off"][..], &[]] {
        let policy = dir.path().join("all.cedar");
        std::fs::write(&policy, "permit (principal, action, resource);").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_rex"))
            .args(["run", "--format=json", "--principal=Agent::\"tester\"", &outside, "-e", &script])
            .arg(format!("--policy={}", policy.display()))
            .args(more)
            .output()
            .unwrap();
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        compare(&cases, &BTreeMap::from([("without a bus", report)]));
    }
}

#[test]
fn each_documented_code_is_provoked_or_left_out_for_a_reason() {
    let mut provoked = BTreeSet::new();
    for (expression, code) in FILES.iter().chain(UNITS) {
        let name = expression.trim_start_matches("for line in ").split('(').next().unwrap();
        let spec =
            OPS.iter().find(|operation| operation.spec().name == name).unwrap_or_else(|| panic!("{name}")).spec();
        let code = Code::ALL.iter().find(|known| known.as_str() == *code).unwrap();
        assert!(spec.errors.contains(code), "`{name}` does not document {code}");
        provoked.insert((name, code.as_str()));
    }
    let (mut used, mut missing) = (BTreeSet::new(), Vec::new());
    for spec in OPS.iter().map(|operation| operation.spec()) {
        for code in spec.errors {
            let mut reasons = LEFT_OUT.iter().filter(|(name, left, _)| spec.name.starts_with(name) && left == code);
            match (provoked.contains(&(spec.name, code.as_str())), reasons.next()) {
                (true, _) => {}
                (false, Some((name, code, _))) => drop(used.insert((*name, code.as_str()))),
                (false, None) => missing.push(format!("{code} of {}", spec.name)),
            }
        }
    }
    assert!(missing.is_empty(), "neither provoked nor left out for a reason: {missing:#?}");
    let idle: Vec<_> = LEFT_OUT.iter().filter(|(name, code, _)| !used.contains(&(*name, code.as_str()))).collect();
    assert!(idle.is_empty(), "nothing needs to be left out: {idle:#?}");
}
