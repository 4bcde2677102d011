//! Results for people and for programs.

use std::fmt::Write;

use rex_policy::CoveredClause;
use serde::Serialize;

use super::mutants::MutantResults;
use super::{TestResults, TestedCase, place};
use crate::draw::{count, line, visible};
use crate::exit::Stop;

pub(super) fn human(results: &TestResults, least: Option<u8>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    for tested in results.cases.iter().filter(|tested| !tested.differences.is_empty()) {
        let _ = writeln!(out, "FAILED {} ({})", line(&tested.case.name), line(&place(&tested.case)));
        for difference in &tested.differences {
            let _ = writeln!(out, "  {}", line(difference));
        }
        for help in tested.help.iter().flat_map(|help| help.lines()) {
            let _ = writeln!(out, "  | {}", visible(help));
        }
        out.push('\n');
    }
    uncovered(&mut out, results);
    survived(&mut out, results);
    let (all, failed) = (results.cases.len(), results.failed());
    let ((policies, all_policies), (clauses, all_clauses)) =
        (results.coverage.of_policies(), results.coverage.of_clauses());
    let percent = results.coverage.percent();
    let _ = writeln!(out, "{}: {} passed, {failed} failed", count(all as u64, "case"), all - failed);
    let _ = writeln!(
        out,
        "covered: {policies} of {all_policies} {}, {clauses} of {}, {percent} %{}",
        if all_policies == 1 { "policy" } else { "policies" },
        count(all_clauses as u64, "clause"),
        least.map_or(String::new(), |least| format!(", less than {least} %"))
    );
    if let Some(mutants) = &results.mutants {
        let (all, noticed, survived) = (mutants.all.len(), mutants.noticed(), mutants.survived.len());
        let _ = writeln!(out, "{}: {noticed} noticed, {survived} not noticed", count(all as u64, "mutant"));
    }
    out
}

/// Lists what no case covers.
fn uncovered(out: &mut String, results: &TestResults) {
    let before = out.len();
    for policy in &results.coverage.policies {
        let at = |number: usize| format!("{}:{number}", line(&policy.file));
        if policy.decided == 0 {
            let _ = writeln!(out, "not covered: `{}` ({}) made no decision", line(&policy.id), at(policy.line));
        }
        for clause in policy.clauses.iter().filter(|clause| !clause.is_covered()) {
            let _ = writeln!(out, "not covered: `{}` ({}) {}", line(&clause.text), at(clause.line), missing(clause));
        }
    }
    if out.len() > before {
        out.push('\n');
    }
}

/// Lists the mutants that no case notices.
fn survived(out: &mut String, results: &TestResults) {
    let survived = results.mutants.iter().flat_map(|mutants| &mutants.survived);
    let before = out.len();
    for mutant in survived {
        let place = format!("{}:{}", mutant.file, mutant.line);
        let _ = writeln!(out, "not noticed: `{}` ({}) {}", line(&mutant.policy), line(&place), line(&mutant.change));
    }
    if out.len() > before {
        out.push('\n');
    }
}

fn missing(clause: &CoveredClause) -> &'static str {
    match (clause.held, clause.failed) {
        (0, 0) => "never decided",
        (0, _) => "never decided because it held",
        _ => "never decided because it did not hold",
    }
}

#[derive(Serialize)]
struct TestOutput<'a> {
    passed: usize,
    failed: usize,
    cases: Vec<ShownCase<'a>>,
    coverage: ShownCoverage<'a>,
    /// The mutants; `null` unless they were requested and no case failed.
    mutants: Option<ShownMutants<'a>>,
}

#[derive(Serialize)]
struct ShownMutants<'a> {
    noticed: usize,
    survived: Vec<ShownMutant<'a>>,
}

#[derive(Serialize)]
struct ShownMutant<'a> {
    policy: &'a str,
    file: &'a str,
    line: usize,
    change: &'a str,
}

impl<'a> ShownMutants<'a> {
    fn new(mutants: &'a MutantResults) -> Self {
        let survived = mutants.survived.iter().map(|mutant| ShownMutant {
            policy: &mutant.policy,
            file: &mutant.file,
            line: mutant.line,
            change: &mutant.change,
        });
        Self { noticed: mutants.noticed(), survived: survived.collect() }
    }
}

#[derive(Serialize)]
struct ShownCase<'a> {
    name: &'a str,
    file: &'a str,
    line: usize,
    passed: bool,
    differences: &'a [String],
    help: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownCoverage<'a> {
    percent: usize,
    policies: Vec<ShownPolicy<'a>>,
}

#[derive(Serialize)]
struct ShownPolicy<'a> {
    id: &'a str,
    file: &'a str,
    line: usize,
    decided: u64,
    clauses: Vec<ShownClause<'a>>,
}

#[derive(Serialize)]
struct ShownClause<'a> {
    text: &'a str,
    line: usize,
    held: u64,
    failed: u64,
}

impl<'a> ShownCase<'a> {
    fn new(tested: &'a TestedCase) -> Self {
        Self {
            name: &tested.case.name,
            file: &tested.case.file,
            line: tested.case.line,
            passed: tested.differences.is_empty(),
            differences: &tested.differences,
            help: tested.help.as_deref(),
        }
    }
}

pub(super) fn json(results: &TestResults) -> Result<String, Stop> {
    let policies = results.coverage.policies.iter().map(|policy| ShownPolicy {
        id: &policy.id,
        file: &policy.file,
        line: policy.line,
        decided: policy.decided,
        clauses: policy
            .clauses
            .iter()
            .map(|clause| ShownClause {
                text: &clause.text,
                line: clause.line,
                held: clause.held,
                failed: clause.failed,
            })
            .collect(),
    });
    let shown = TestOutput {
        passed: results.cases.len() - results.failed(),
        failed: results.failed(),
        cases: results.cases.iter().map(ShownCase::new).collect(),
        coverage: ShownCoverage { percent: results.coverage.percent(), policies: policies.collect() },
        mutants: results.mutants.as_ref().map(ShownMutants::new),
    };
    serde_json::to_string(&shown).map_err(|error| Stop::internal(error.to_string()))
}
