//! The layout of policies.

use std::path::Path;
use std::process::{Command, Output};

use rex_policy::{SourceText, formatted};

use crate::examples::root;

fn fmt(dir: &Path, args: &[&str]) -> Output {
    let rex = env!("CARGO_BIN_EXE_rex");
    Command::new(rex).args(["policy", "fmt"]).args(args).arg(".").current_dir(dir).output().unwrap()
}

const SLOPPY: &str =
    "// Why.\n@id(\"a\") permit(principal,action in\n  fs::Action::\"ReadOnly\",resource)when{true};\n";

#[test]
fn files_are_laid_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.cedar");
    std::fs::write(&file, SLOPPY).unwrap();
    let told = fmt(dir.path(), &["--check"]);
    let diff = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.code() == Some(1) && diff.starts_with("--- a/./a.cedar\n+++ b/./a.cedar\n"), "{diff}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SLOPPY, "it was to be looked at");
    assert_eq!(fmt(dir.path(), &[]).stdout, b"formatted ./a.cedar\n");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("// Why.\n@id(\"a\")\npermit (\n"), "{text}");
    for args in [&["--check"][..], &[]] {
        let told = fmt(dir.path(), args);
        assert_eq!((told.status.code(), told.stdout.len()), (Some(0), 0), "{args:?}");
    }
}

#[test]
fn one_file_that_is_no_policy_leaves_all_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.cedar"), SLOPPY).unwrap();
    std::fs::write(dir.path().join("b.cedar"), "permit (principal, action").unwrap();
    let told = fmt(dir.path(), &[]);
    assert!(told.status.code() == Some(3) && String::from_utf8_lossy(&told.stderr).contains("b.cedar"), "{told:?}");
    assert_eq!(std::fs::read_to_string(dir.path().join("a.cedar")).unwrap(), SLOPPY);
}

#[test]
fn programs_are_told_of_each_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.cedar"), SLOPPY).unwrap();
    std::fs::write(dir.path().join("b.cedar"), formatted(&SourceText::new("b", SLOPPY)).unwrap()).unwrap();
    let told = |changed| {
        format!(
            "{{\"files\":[{{\"name\":\"./a.cedar\",\"changed\":{changed}}},{{\"name\":\"./b.cedar\",\"changed\":false}}]}}\n"
        )
    };
    for (args, code, changed) in [(&["--check"][..], 1, true), (&[], 0, true), (&["--check"], 0, false)] {
        let done = fmt(dir.path(), &[args, &["--format", "json"]].concat());
        assert_eq!((done.status.code(), String::from_utf8(done.stdout).unwrap()), (Some(code), told(changed)));
    }
    std::fs::write(dir.path().join("c.cedar"), "permit (principal, action").unwrap();
    let done = fmt(dir.path(), &["--format", "json"]);
    let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(done.status.code() == Some(3) && said.to_string().contains("c.cedar"), "{said}");
}

/// Lets an ordinary user replace a file of root in a folder that the user may write to: the owner cannot be kept.
#[test]
fn a_file_whose_owner_cannot_be_kept_stays_as_it_was() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (rex, file) = (dir.path().join("rex"), dir.path().join("a.cedar"));
    // The user `nobody` may not reach the directory of the build.
    std::fs::copy(env!("CARGO_BIN_EXE_rex"), &rex).unwrap();
    std::fs::write(&file, SLOPPY).unwrap();
    // Whatever the umask is.
    for (path, mode) in [(dir.path(), 0o777), (&rex, 0o755), (&file, 0o644)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let done =
        Command::new(rex).args(["policy", "fmt", "a.cedar"]).current_dir(dir.path()).uid(NOBODY).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.code() == Some(2) && told.contains("it belongs to 0:0, which cannot be kept"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SLOPPY);
    assert_eq!((std::fs::metadata(&file).unwrap().uid(), std::fs::read_dir(dir.path()).unwrap().count()), (0, 2));
}

/// Checks that the layout of every policy here is stable.
#[test]
fn a_layout_is_laid_out() {
    let mut count = 0;
    crate::escapes::walk(&root().join("examples"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "cedar") {
            let text = std::fs::read_to_string(path).unwrap();
            let once = formatted(&SourceText::new("a", text)).unwrap();
            assert_eq!(formatted(&SourceText::new("a", once.clone())).unwrap(), once, "{}", path.display());
            count += 1;
        }
    });
    assert!(count > 5, "{count}");
}

#[test]
fn lines_end_as_they_did_and_comments_begin_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.cedar");
    let laid_out = |text: &str| {
        std::fs::write(&file, text).unwrap();
        for args in [&[][..], &["--check"]] {
            let told = fmt(dir.path(), args);
            assert_eq!(told.status.code(), Some(0), "{text:?} {told:?}");
        }
        std::fs::read_to_string(&file).unwrap()
    };
    let windows = laid_out(&SLOPPY.replace('\n', "\r\n"));
    assert!(windows.starts_with("// Why.\r\n@id") && !windows.replace("\r\n", "").contains('\n'), "{windows:?}");
    assert_eq!(windows.replace("\r\n", "\n"), laid_out(SLOPPY));
    assert_eq!(laid_out("// Nothing yet.\n"), "// Nothing yet.\n");
    assert_eq!(laid_out("// Nothing yet.\n\n// Nor here.\n"), "// Nothing yet.\n\n// Nor here.\n");
    let marked = format!("\u{feff}{SLOPPY}");
    assert_eq!(laid_out(&marked), laid_out(SLOPPY));
}
