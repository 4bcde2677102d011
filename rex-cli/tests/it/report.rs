//! `rex audit report`: the page in a browser.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A text that would act if it were markup, in each place of a journal that a script or a compromised worker can fill.
const HOSTILE: &str =
    r#"</title></style></script><img src=x onerror=document.title=1><script>document.title=2</script>"' onload='x"#;
const SCRIPT: &str =
    "let x = read(\"/etc/shadow\");\n// </div><img src=y onerror=document.title=3>\nwrite(\"/etc/passwd\", x);\n";

fn journal() -> String {
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let script = rex_engine::script_sha256(SCRIPT);
    let line = |run: &str, sequence: u32, line: u32, rest: &str| {
        format!(
            r#"{{"time":"2026-11-23T12:42:{sequence:02}Z","run":{run},"sequence":{sequence},"principal":{hostile},"operation":{hostile},"line":{line},{rest}}}"#
        ) + "\n"
    };
    let start = format!(r#""event":"start","script":"{script}","tags":[{hostile}],"policy":{hostile}"#);
    let decision = |effect: &str| {
        format!(
            r#""event":"decision","action":{hostile},"resource":{hostile},"context":{{}},"decision":"{effect}","policies":[{hostile}],"reason":{hostile}"#
        )
    };
    let outcome = format!(r#""event":"outcome","result":{hostile},"bytes":5,"duration_us":7"#);
    let end = format!(r#""event":"end","result":{hostile},"duration_us":9"#);
    [
        line(&hostile, 1, 1, &start),
        line(&hostile, 2, 1, &decision("ALLOW")),
        line(&hostile, 3, 1, &outcome),
        line(&hostile, 4, 3, &decision("DENY")),
        line(&hostile, 5, 1, &end),
        line("\"other\"", 1, 1, &start.replace(&hostile, "\"\"").replace(&script, HOSTILE.split('"').next().unwrap())),
        "{\"<img>\n".to_owned(),
    ]
    .concat()
}

fn rex(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rex")).args(args).current_dir(dir).output().unwrap()
}

fn report(dir: &Path) -> Output {
    fs::write(dir.join("journal"), journal()).unwrap();
    fs::write(dir.join("a<b>.rhai"), SCRIPT).unwrap();
    rex(dir, &["audit", "report", "journal", "--html", "page.html", "--script", "a<b>.rhai"])
}

#[test]
fn a_page_takes_no_journals_place() {
    let dir = tempfile::tempdir().unwrap();
    let done = report(dir.path());
    assert_eq!(String::from_utf8_lossy(&done.stdout), "page.html: 6 entries, 2 runs, 1 denied\n");
    let again = rex(dir.path(), &["audit", "report", "journal", "--html", "./journal"]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(fs::read_to_string(dir.path().join("journal")).unwrap(), journal());
}

/// Returns what chromium makes of a page: its tree as text, and its complaints. `None` without chromium.
fn chromium(dir: &Path, page: &Path) -> Option<(String, String)> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?).any(|dir| dir.join("chromium").is_file());
    if !found {
        println!("left out: `chromium` is not installed");
        return None;
    }
    let done = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some((String::from_utf8(done.stdout).unwrap(), String::from_utf8_lossy(&done.stderr).into_owned()))
}

/// Returns the names of all elements.
fn elements(dom: &str) -> std::collections::BTreeSet<&str> {
    let names = dom.split('<').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    names.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next()).collect()
}

#[test]
fn a_browser_finds_text_where_a_journal_is_hostile() {
    let dir = tempfile::tempdir().unwrap();
    assert!(report(dir.path()).status.success());
    let page = dir.path().join("page.html");
    let Some((dom, complaints)) = chromium(dir.path(), &page) else { return };
    let known = "a b body code dd details div dl dt g h1 h2 head html meta nav p rect section span style summary svg table tbody td th title tr";
    let known: std::collections::BTreeSet<_> = known.split(' ').collect();
    let strange: Vec<_> = elements(&dom).difference(&known).copied().collect();
    assert_eq!(strange, [""; 0], "{dom}");
    assert!(dom.contains("<title>Rex audit report</title>"), "nothing ran");
    assert!(dom.contains("&lt;img src=x onerror=document.title=1&gt;"));
    for handler in [" onerror=\"", " onload=\"", " src=\"", " href=\"http", " style=\""] {
        assert!(!dom.contains(handler), "{handler}");
    }
    assert!(!complaints.contains("Content Security Policy"), "its own style is not refused: {complaints}");
    // From a denial to its run, and to the line of the script.
    for (link, place) in [("href=\"#r1-4\"", "id=\"r1-4\""), ("href=\"#r1-l3\"", "id=\"r1-l3\" class=\"bad\"")] {
        assert!(dom.contains(link) && dom.contains(place), "{link}");
    }
}

#[test]
fn a_browser_loads_nothing_for_a_page() {
    let dir = tempfile::tempdir().unwrap();
    assert!(report(dir.path()).status.success());
    let page = dir.path().join("page.html");
    // Simulates a text that becomes markup.
    let text = fs::read_to_string(&page).unwrap();
    let through = "<script>document.title='ran'</script><img src='data:,x' onerror=\"document.title='ran'\"></body>";
    fs::write(&page, text.replace("</body>", through)).unwrap();
    let Some((dom, complaints)) = chromium(dir.path(), &page) else { return };
    assert!(dom.contains("<img src=") && dom.contains("<title>Rex audit report</title>"), "nothing ran");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
}
