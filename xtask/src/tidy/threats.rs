//! The threat model: each row names a test, and the test exists.

use super::Findings;
use crate::read;

/// The file of the table.
pub(super) const TABLE: &str = "docs/threat-model.md";
/// Minimum number of rows of the table: one for each known attack.
pub(super) const ROWS: usize = 33;
/// The start of the test column in a row without a test; the reason that the attack is impossible follows.
const NONE: &str = "none: ";

pub(super) fn check(text: &str, findings: &mut Findings) {
    check_with(text, &|file| read(file).ok(), findings);
}

fn check_with(text: &str, read: &dyn Fn(&str) -> Option<String>, findings: &mut Findings) {
    let mut seen = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, _, tests] = cells.as_slice() else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        seen.push(number);
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        let why = tests.strip_prefix(NONE).unwrap_or_default().trim();
        if names.is_empty() && why.is_empty() {
            findings.error(format!("{TABLE}: row {number} names no test"));
        }
        for name in names {
            if let Err(why) = exists(name, read) {
                findings.error(format!("{TABLE}: row {number}: `{name}`: {why}"));
            }
        }
    }
    for missing in (1..=ROWS).filter(|row| !seen.contains(row)) {
        findings.error(format!("{TABLE}: there is no row {missing}"));
    }
}

/// Checks that a test such as `rex-sdk/tests/it/race.rs::name` exists: its file is there, and contains `fn name(`.
fn exists(name: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<(), &'static str> {
    let (file, function) = name.split_once(".rs::").ok_or("it is not of the form `path/to/file.rs::test`")?;
    let text = read(&format!("{file}.rs")).ok_or("there is no such file")?;
    if text.contains(&format!("fn {function}(")) { Ok(()) } else { Err("the file has no such test") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_tests_are_found() {
        let read = |file: &str| (file == "a/race.rs").then(|| "#[test]\nfn swapped() {}".to_owned());
        let mut table = String::from("| # | attack | what Rex does | test |\n|---|---|---|---|\n");
        for row in 6..=ROWS {
            table.push_str(&format!("| {row} | x | y | `a/race.rs::swapped` |\n"));
        }
        table.push_str(
            "| 1 | x | y | `a/race.rs::gone` |\n| 2 | x | y | |\n| 3 | x | y | none: |\n\
             | 5 | x | y | none: nothing is redacted |\n",
        );
        let mut findings = Findings::default();
        check_with(&table, &read, &mut findings);
        let errors: Vec<_> = findings.errors.iter().map(|error| error.trim_start_matches(TABLE)).collect();
        assert_eq!(
            errors,
            [
                ": row 1: `a/race.rs::gone`: the file has no such test",
                ": row 2 names no test",
                ": row 3 names no test",
                ": there is no row 4"
            ]
        );
    }
}
