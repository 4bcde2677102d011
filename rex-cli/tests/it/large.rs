//! Large answers: they are complete, or say that they are not.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use nix::unistd::Uid;

use crate::examples::rex;

const ALL: &str = "@id(\"all\") permit (principal, action, resource);";

/// Runs a script in a directory, and returns the first line that it printed.
#[track_caller]
fn prints(dir: &Path, script: &str, more: &[&str]) -> String {
    let (policy, base) = (dir.join("policy.cedar"), dir.to_str().unwrap().to_owned());
    fs::write(&policy, ALL).unwrap();
    let args = ["run", "-e", script, "--policy", policy.to_str().unwrap(), "--base", &base];
    let output = rex(&[&args, more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_tree_of_more_entries_than_a_result_holds_is_looked_through() {
    let dir = tempfile::tempdir().unwrap();
    // One directory with more entries than a result may have.
    let tree = dir.path().join("tree/deep");
    fs::create_dir_all(&tree).unwrap();
    let first = tree.join("0");
    fs::write(&first, "x").unwrap();
    for number in 1..1_500 {
        fs::hard_link(&first, tree.join(number.to_string())).unwrap();
    }
    fs::write(tree.join("found.log"), "12345").unwrap();
    let limit = ["--limit", "entries=1000"];
    for (script, expected) in [
        (r#"let s = fs::du("tree"); print([s.files, s.size, s.complete])"#, "[2, 6, true]"),
        (r#"let f = fs::find("tree", #{name: "*.log"}); print([f.entries.len(), f.complete])"#, "[1, true]"),
        (
            r#"let f = fs::find("tree"); print([f.entries.len(), f.complete, f.truncated, f.next != ()])"#,
            "[1000, false, true, true]",
        ),
    ] {
        assert_eq!(prints(dir.path(), script, &limit), expected, "{script}");
    }
    let pages = r#"let n = 0; let page = fs::walk("tree", #{max: 400});
        loop { n += page.entries.len(); if page.next == () { break } page = fs::walk("tree", #{max: 400, after: page.next}) }
        print(n)"#;
    assert_eq!(prints(dir.path(), pages, &limit), "1502");
}

#[test]
fn a_walk_stays_on_one_file_system() {
    if !Uid::effective().is_root() {
        println!("left out: only root mounts a file system");
        return;
    }
    let spaces = Command::new("unshare").args(["-m", "true"]).status();
    if !spaces.is_ok_and(|status| status.success()) {
        println!("left out: this host gives nobody a namespace");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("tree/mnt")).unwrap();
    fs::write(dir.path().join("tree/x"), "x").unwrap();
    fs::write(dir.path().join("policy.cedar"), ALL).unwrap();
    let script = r#"
        let here = #{one_file_system: true};
        let removed = "";
        try { fs::remove_all("tree", here) } catch (e) { removed = e.code }
        print([fs::du("tree", here).size, fs::find("tree", here).entries.len(), fs::walk("tree", here).entries.len(),
               fs::du("tree").size, fs::find("tree").entries.len(), fs::walk("tree").entries.len(), removed])
    "#;
    fs::write(dir.path().join("script.rhai"), script).unwrap();
    let mut commands = String::new();
    write!(commands, "mount -t tmpfs tmpfs tree/mnt && head -c 5000 /dev/zero >tree/mnt/big && ").unwrap();
    write!(commands, "exec '{}' run script.rhai --policy policy.cedar", env!("CARGO_BIN_EXE_rex")).unwrap();
    let output = Command::new("unshare").args(["-m", "sh", "-c", &commands]).current_dir(dir.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("mount:") {
        println!("left out: nothing can be mounted here");
        return;
    }
    let expected = "[1, 2, 2, 5001, 3, 3, \"UNSUPPORTED_EXCEPTION\"]";
    assert_eq!(told.lines().next(), Some(expected), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Checks that the kernel's own limit on files, which sends a signal, is not met first.
#[test]
fn a_file_that_would_be_too_large_is_an_error_of_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(dir.path()).unwrap();
    let (policy, base) = (root.join("policy.cedar"), root.to_str().unwrap());
    let permit =
        format!(r#"@id("w") permit (principal, action == fs::Action::"write", resource == fs::Path::"{base}/x");"#);
    fs::write(&policy, permit).unwrap();
    fs::write(root.join("x"), vec![b'x'; 900_000]).unwrap();
    let run = |script: &str| {
        let args = ["run", "-e", script, "--policy", policy.to_str().unwrap(), "--base", base];
        rex(&[&args[..], &["--limit", "written_bytes=1000000"]].concat())
    };
    // More than a file may be, and less than the run may write.
    let output = run(r#"try { fs::truncate("x", #{size: 1500000}); } catch (e) { print(e.code) }"#);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.starts_with("LIMIT_EXCEEDED_EXCEPTION"), "{out}{err}");
    // More than the run may write, which ends it.
    let output = run(r#"fs::truncate("x"); try { fs::truncate("x", #{size: 5000000}); } catch (e) { print(e.code) }"#);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("written_bytes") && !err.contains("SIGXFSZ"), "{err}");
    assert_eq!(fs::metadata(root.join("x")).unwrap().len(), 0);
}
