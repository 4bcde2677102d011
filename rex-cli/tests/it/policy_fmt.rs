//! Policies in one layout.

use std::path::Path;
use std::process::{Command, Output};

use rex_policy::{Source, formatted};

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
    assert_eq!(fmt(dir.path(), &[]).stdout, b"laid out ./a.cedar\n");
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

/// What is laid out stays as it is, and every policy here can be.
#[test]
fn a_layout_is_laid_out() {
    let mut count = 0;
    crate::escapes::walk(&root().join("examples"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "cedar") {
            let text = std::fs::read_to_string(path).unwrap();
            let once = formatted(&Source::new("a", text)).unwrap();
            assert_eq!(formatted(&Source::new("a", once.clone())).unwrap(), once, "{}", path.display());
            count += 1;
        }
    });
    assert!(count > 5, "{count}");
}
