//! The answers of `rex policy ask` about calls: a run must match them.

use std::path::PathBuf;
use std::process::Command;

/// A directory with a policy, in which `{0}` is replaced by the directory.
struct Place {
    _dir: tempfile::TempDir,
    base: PathBuf,
}

impl Place {
    fn new(policy: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let place = Self { _dir: dir, base };
        std::fs::write(place.path("policy.cedar"), place.filled(policy) + "\n").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{0}", self.base.to_str().unwrap())
    }

    fn rex(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_rex")).current_dir(&self.base).args(args).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text.replace(self.base.to_str().unwrap(), "{0}"))
    }

    fn ask_with(&self, call: &str, more: &[&str]) -> (Option<i32>, String) {
        let call = self.filled(call);
        let args = ["policy", "ask", "--policy=policy.cedar", "--principal=Agent::\"x\"", "--operation", &call];
        self.rex(&[&args, more].concat())
    }

    #[track_caller]
    fn says(&self, call: &str, code: i32, all: &[&str]) {
        let (exit, text) = self.ask_with(call, &[]);
        assert!(exit == Some(code) && all.iter().all(|part| text.contains(part)), "{call}: {exit:?}\n{text}");
    }

    /// Adds the output of `--patch` to the policy.
    fn patch(&self, call: &str) {
        let (_, diff) = self.ask_with(call, &["--patch"]);
        let added = diff.lines().filter_map(|line| line.strip_prefix('+').filter(|_| !line.starts_with("+++")));
        let added: Vec<_> = added.collect();
        assert!(!added.is_empty(), "{call}: no patch");
        let old = std::fs::read_to_string(self.path("policy.cedar")).unwrap();
        std::fs::write(self.path("policy.cedar"), format!("{old}\n{}\n", self.filled(&added.join("\n")))).unwrap();
    }
}

const READ: &str = r#"@id("files") permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"{0}");"#;

#[test]
fn a_site_and_an_address_are_asked_for_too() {
    let place = Place::new(READ);
    let call = r#"net::get("http://b.example:1/", #{host: "b.com", address: "127.0.0.1"})"#;
    place.says(
        call,
        4,
        &["`net::get` on `http://b.example:1/`", "`net::get` on `http://b.com/`", "`net::connect` on `127.0.0.1`"],
    );
    place.patch(call);
    place.says(call, 0, &["ALLOW"]);
    let (_, run) = place.rex(&["run", "--policy=policy.cedar", "--principal=Agent::\"x\"", "-e", call]);
    assert!(run.contains("refused") && run.contains(" 0 denied"), "{run}");
}

#[test]
fn what_a_file_lists_is_asked_for_and_not_known_before() {
    let call = r#"sys::reload_parameters("{0}/f.conf")"#;
    let place = Place::new(READ);
    place.says(
        call,
        4,
        &[
            "DENY: `sys::reload_parameters",
            " needs 2 permissions, 1 of which is denied\n",
            "DENY: `sys::set_parameter` on each parameter that the file lists: no permit covers it",
        ],
    );
    let place = Place::new(&format!(
        r#"{READ} permit (principal, action == sys::Action::"set_parameter", resource == sys::Parameter::"vm.swappiness");"#
    ));
    place.says(
        call,
        0,
        &[
            "ALLOW, as far as known before the run: `sys::reload",
            "known only during a run: `sys::set_parameter` on each parameter that the file lists\n",
        ],
    );
    let (_, json) = place.ask_with(call, &["--format=json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["later"],
        serde_json::json!([{"operation": "sys::reload_parameters", "action": "sys::set_parameter",
            "each": "each parameter that the file lists", "possible": true}])
    );
}

#[test]
fn links_of_an_archive_other_units_and_redirects_are_told() {
    let place = Place::new("permit (principal, action, resource);");
    for (call, told) in [
        (r#"fs::tar_extract("/a.tar", "/srv/x")"#, "`fs::symlink` on each symbolic link that the archive holds"),
        (r#"service::enable("nginx")"#, "`service::enable` on each other unit that it changes"),
        (r#"service::logs("*")"#, "`sys::kernel_log` on this machine, if the journal has records of the kernel"),
        (r#"net::post("http://a.example/", "x")"#, "`net::get` on each URL that an answer redirects to"),
    ] {
        place.says(call, 0, &["ALLOW: ", "known only during a run: ", told]);
    }
    let (_, text) = place.ask_with(r#"net::get("http://a.example/", #{redirects: 0})"#, &[]);
    assert!(!text.contains("known only during a run"), "{text}");
}

#[test]
fn parameters_of_one_start_have_a_patch() {
    let place = Place::new(READ);
    let call = r#"sys::parameters("kernel.")"#;
    place.says(
        call,
        4,
        &["DENY: `sys::get_parameter` on everything that starts with `kernel.`", "resource.name like \"kernel.*\""],
    );
    place.patch(call);
    place.says(call, 0, &["ALLOW: `sys::parameters(\"kernel.\")` needs 2 permissions, all of which are granted\n"]);
    place.says(
        r#"sys::parameters("kern")"#,
        4,
        &["on everything that starts with `kern`", "resource.name like \"kern*\""],
    );
    place.says(r#"sys::parameters("")"#, 4, &["on everything that starts with ``"]);
}

#[test]
fn what_is_forbidden_below_is_told() {
    let tree = r#"fs::tar_create("{0}/tree", "{0}/all.tar")"#;
    let world = |more: &str| {
        Place::new(&format!(
            r#"@id("all") permit (principal, action in [fs::Action::"ReadOnly", fs::Action::"Mutating"], resource in fs::Path::"{{0}}");
               {more}"#
        ))
    };
    world("").says(tree, 0, &["all of which are granted\n"]);
    let key = r#"@id("key") @reason("ours alone") forbid (principal, action == fs::Action::"read", resource in fs::Path::"{0}/tree/secret");"#;
    world(key).says(
        tree,
        0,
        &[
            "all of which are granted, but part of it is forbidden\n",
            "`{0}/tree/secret` is forbidden by `key` (ours alone)",
        ],
    );
    world(&key.replace("tree/secret", "other")).says(tree, 0, &["all of which are granted\n"]);
    let like = r#"@id("keys") forbid (principal, action, resource is fs::Path) when { resource.extension == "key" };"#;
    world(like).says(tree, 0, &["but part of it may be denied\n", "part of it may be forbidden by `keys`"]);
    world(like).says(r#"fs::remove_all("{0}/tree")"#, 0, &["part of it may be forbidden by `keys`"]);
    let place = Place::new(
        r#"@id("texts") permit (principal, action in [fs::Action::"list", fs::Action::"stat"], resource in fs::Path::"{0}") unless { resource.extension == "key" };"#,
    );
    place.says(r#"fs::du("{0}/tree")"#, 0, &["part of it may be outside what this policy permits: `texts`"]);
    let named = r#"@id("domain") forbid (principal, action, resource == sys::Parameter::"kernel.domainname");
                   @id("any") permit (principal, action, resource);"#;
    Place::new(named).says(r#"sys::parameters("kernel.")"#, 0, &["`kernel.domainname` is forbidden by `domain`"]);
    let (_, json) = Place::new(named).ask_with(r#"sys::parameters("kernel.")"#, &["--format=json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["requests"][1]["part"][0]["places"], serde_json::json!(["kernel.domainname"]));
}

#[test]
fn what_links_of_this_host_lead_to_is_asked_for_too() {
    let policy = r#"@id("open") permit (principal, action in [fs::Action::"ReadOnly", fs::Action::"Mutating"], resource in fs::Path::"{0}/open");"#;
    let place = Place::new(policy);
    for directory in ["open", "closed"] {
        std::fs::create_dir(place.path(directory)).unwrap();
    }
    std::fs::write(place.path("closed/f"), "x").unwrap();
    std::os::unix::fs::symlink("../closed/f", place.path("open/l")).unwrap();
    std::os::unix::fs::symlink("../closed", place.path("open/d")).unwrap();
    for call in [r#"fs::read("{0}/open/l")"#, r#"fs::stat("{0}/open/l")"#, r#"fs::read("{0}/open/d/f")"#] {
        place.says(call, 4, &["DENY: `fs::", "on `{0}/closed/f`", "leads to it through a link on this host"]);
    }
    place.says(r#"fs::write("{0}/open/d/new", "x")"#, 4, &["DENY: `fs::write` on `{0}/closed/new`"]);
    place.says(r#"fs::remove("{0}/open/d/f")"#, 4, &["DENY: `fs::remove` on `{0}/closed/f`"]);
    for call in
        [r#"fs::remove("{0}/open/l")"#, r#"fs::stat("{0}/open/l", #{follow: false})"#, r#"fs::read("{0}/open/none")"#]
    {
        place.says(call, 0, &["ALLOW: "]);
    }
    let call = r#"fs::read("{0}/open/l")"#;
    place.patch(call);
    place.says(call, 0, &["ALLOW: "]);
    let args = ["run", "--policy=policy.cedar", "--principal=Agent::\"x\"", "-e"];
    let (code, run) = place.rex(&[&args[..], &[&place.filled(call)]].concat());
    assert_eq!(code, Some(0), "{run}");
}
