//! Doc summaries: that of a function starts with a verb, that of anything else with a noun.

use std::collections::BTreeMap;

use super::Findings;
use super::sources::{before_tests, is_test};
use crate::{Stop, read};

/// First words of a clause, which is no summary.
const CLAUSES: &[&str] =
    &["What", "Whether", "How", "Which", "That", "Where", "When", "Why", "Who", "Whoever", "All that", "So many"];
/// Number of such summaries that each crate may have, which may only fall; 0 for a crate that is not listed.
const LEFT: &[(&str, usize)] = &[];

pub(super) fn check(files: &[String], findings: &mut Findings) -> Result<(), Stop> {
    let mut clauses = BTreeMap::<&str, Vec<String>>::new();
    for name in files {
        let part = name.split('/').next().unwrap_or_default();
        let text = read(name)?;
        let tests_start = if is_test(name) { 0 } else { before_tests(&text).count() };
        clauses.entry(part).or_default().extend(wrong(&text, tests_start).map(|line| format!("{name}:{line}")));
    }
    for (part, places) in clauses {
        let most = LEFT.iter().find(|(known, _)| *known == part).map_or(0, |(_, most)| *most);
        match places.len() {
            count if count > most => findings.error(format!(
                "{part}: {count} doc summaries are a clause or lack a verb, at most {most}: write what the function does (\"Returns ..\") or what the thing is (\"The ..\"): {}",
                places.join(", ")
            )),
            count if count < most => {
                findings.error(format!("{part}: {count} doc summaries are a clause, not {most}: lower the number in LEFT"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Finds the lines, from 1, of summaries that are a clause, and of summaries of functions that do not start with a verb. That of a test
/// may state what holds.
fn wrong(text: &str, tests_start: usize) -> impl Iterator<Item = usize> {
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let doc = |line: &str| line.starts_with("///") || line.starts_with("//!");
    let mut found = Vec::new();
    let mut before = false;
    for (number, line) in lines.iter().enumerate() {
        let first = doc(line) && !before;
        before = doc(line);
        if !first {
            continue;
        }
        let summary = line.get(3..).unwrap_or_default().trim_start();
        // "When to rotate the journal" is a usual help text.
        let ends = |rest: &str| !rest.starts_with(char::is_alphanumeric) && !rest.starts_with(" to ");
        let is_clause = CLAUSES.iter().any(|word| summary.strip_prefix(word).is_some_and(ends));
        let documented = lines.iter().skip(number).find(|line| !doc(line) && !line.starts_with("#["));
        if is_clause
            || (number < tests_start && documented.is_some_and(|line| is_function(line)) && !starts_with_verb(summary))
        {
            found.push(number + 1);
        }
    }
    found.into_iter()
}

fn is_function(line: &str) -> bool {
    let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "unsafe ", "extern \"C\" "];
    let mut rest = line;
    while let Some(shorter) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = shorter;
    }
    rest.starts_with("fn ")
}

/// Returns whether a text starts with a verb in the third person, as far as its ending says.
fn starts_with_verb(summary: &str) -> bool {
    summary
        .split([' ', ',', ';', '.', ':'])
        .next()
        .is_some_and(|word| word.ends_with('s') && word != "This" && word != "Its")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_sentences_of_functions_and_names_of_things() {
        let text = "//! What it is.\n\n/// Whether it is.\n/// What is not a summary.\nstruct A;\n/// When to open it.\nconst B: u8 = 1;\n\
                    /// Returns what it is.\n#[must_use]\npub(crate) const fn c() {}\n/// The number.\npub fn d() {}\n    /// Cheaply opens it.\n    fn e();\n";
        assert_eq!(wrong(text, 10).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(wrong(text, 99).collect::<Vec<_>>(), [1, 3, 11, 13]);
    }
}
