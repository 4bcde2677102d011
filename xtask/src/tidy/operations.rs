//! Operations that are not listed, and ids that are written twice.

use super::Findings;
use super::sources::{before_tests, is_test};
use crate::{Stop, read};

const LIST: &str = "rex-sdk/src/ops/mod.rs";
const FOLDER: &str = "rex-sdk/src/ops/";
const ACTIONS: &str = "rex-core/src/action.rs";

pub(super) fn check(files: &[String], findings: &mut Findings) -> Result<(), Stop> {
    unlisted(files, &read(LIST)?, findings);
    let table = read(ACTIONS)?;
    for action in rex_core::ACTIONS {
        let same = rex_core::ACTIONS.iter().filter(|other| other.name == action.name).count();
        let declared = table.matches(&format!("= \"{}\" on ", action.name)).count();
        if declared != same {
            findings.error(format!("{ACTIONS}: `{action}` is declared {declared} times among {same} of that name"));
        }
    }
    let test = |name: &String| is_test(name) || ["fuzz/", "xtask/"].iter().any(|folder| name.starts_with(folder));
    for name in files.iter().filter(|name| !test(name)) {
        twice(name, &read(name)?, findings);
    }
    Ok(())
}

/// Reports a file of an operation that is not in the list, so that the operation does not exist.
fn unlisted(files: &[String], list: &str, findings: &mut Findings) {
    for name in files {
        let Some((space, verb)) = name.strip_prefix(FOLDER).and_then(|rest| rest.split_once('/')) else { continue };
        let verb = verb.trim_end_matches(".rs");
        if verb != "mod" && !verb.contains('/') && !list.contains(&format!("{space}::{verb}::OP")) {
            findings.error(format!("{name}: the operation is not in `OPS`; add `&{space}::{verb}::OP` to {LIST}"));
        }
    }
}

/// Reports ids outside of the tables: an action as policies write it, an operation outside of its own file.
fn twice(name: &str, text: &str, findings: &mut Findings) {
    let lines: Vec<_> = before_tests(text).filter(|line| !line.trim_start().starts_with("//")).collect();
    for action in rex_core::ACTIONS {
        for quote in ["\"", "\\\""] {
            let uid = format!("{}::Action::{quote}{}{quote}", action.namespace, action.name);
            if lines.iter().any(|line| line.contains(&uid)) {
                findings.error(format!("{name}: `{uid}` is written out; take it from the table of actions"));
            }
        }
    }
    for operation in rex_sdk::OPS {
        let spec = operation.spec();
        let home = format!("{FOLDER}{}/{}.rs", spec.namespace(), spec.verb());
        if name != home && lines.iter().any(|line| line.contains(&format!("\"{}\"", spec.name))) {
            findings.error(format!("{name}: `{}` is written out; its place is {home}", spec.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_line_is_found() {
        let files = ["read", "stat", "mod"].map(|verb| format!("{FOLDER}fs/{verb}.rs"));
        let mut findings = Findings::default();
        unlisted(&files, "&[&fs::read::OP]", &mut findings);
        assert_eq!(findings.errors.len(), 1, "{findings:?}");
        assert!(findings.errors.iter().all(|error| error.contains("fs::stat::OP")));
    }

    #[test]
    fn an_id_that_is_written_again_is_found() {
        let found = |text| {
            let mut findings = Findings::default();
            twice("rex-engine/src/bind.rs", text, &mut findings);
            findings.errors.len()
        };
        assert_eq!(found("if op == \"fs::read\" {"), 1);
        assert_eq!(found("let uid = \"fs::Action::\\\"read\\\"\";"), 1);
        assert_eq!(found("/// `\"fs::read\"`\nlet help = \"use fs::read_bytes\";"), 0);
    }

    #[test]
    fn the_tree_is_found() {
        assert!(super::super::rust_files(&crate::root()).iter().any(|name| name == ACTIONS));
    }
}
