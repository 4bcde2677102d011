//! `rex policy check`

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use rex_core::Timestamp;
use rex_engine::Engine;
use rex_policy::{Finding, Lint, LintLevels, RejectedPolicy, Severity, SourceText};
use rex_sdk::MemOs;
use serde::Serialize;

use crate::args::{Color, OutputFormat, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::failure::FailureReport;
use crate::{draw, load, print, sarif};

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Policy files, or folders with `*.cedar` files at any depth (default: REX_POLICY, then `rex.toml`)
    #[arg(value_name = "FILE_OR_DIR")]
    pub(crate) policies: Vec<PathBuf>,
    /// Cedar entities as JSON: groups of principals, classes of resources (default: REX_ENTITIES, then those of `rex.toml`)
    #[arg(long, value_name = "FILE")]
    pub(crate) entities: Option<PathBuf>,
    /// Script to compile; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// Lint to turn off (repeatable)
    #[arg(long, value_name = "CODE", value_parser = lint)]
    allow: Vec<&'static Lint>,
    /// Lint to report as an error (repeatable)
    #[arg(long, value_name = "CODE", value_parser = lint)]
    deny: Vec<&'static Lint>,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    format: CheckFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// For people
    Human,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
}

/// Finds a lint by its code.
pub(crate) fn lint(code: &str) -> Result<&'static Lint, String> {
    Lint::of(code).ok_or_else(|| format!("unknown lint `{code}`; `rex explain` lists all lints"))
}

/// Validates policies, runs the lints, and compiles a script if there is one.
pub(crate) fn check(args: &CheckArgs, color: Color) -> Result<Exit, Stop> {
    let script = args.script.as_deref().map(|path| load::script(Some(path), None)).transpose()?;
    let policies = PolicyArgs { policies: args.policies.clone(), entities: args.entities.clone() };
    let (policies, findings) = match load::either(&policies)? {
        Ok(policy) => {
            let operations = rex_sdk::OPS.iter().map(|operation| (operation.spec().name, operation.spec().needs));
            let levels = LintLevels {
                allow: args.allow.clone(),
                deny: args.deny.clone(),
                operations: operations.collect(),
                interpreter: Some(rex_core::program::is_interpreter),
                now: Some(Timestamp::now()),
            };
            let mut findings = policy.lints(&levels);
            // The lints include the warnings that have a code.
            findings.extend(policy.warnings().iter().filter(|finding| finding.code.is_none()).cloned());
            (policy.len(), findings)
        }
        Err(RejectedPolicy { findings }) => (0, findings),
    };
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    let (failure, warnings) = match &script {
        Some(script) if !refused => looked_through(script)?,
        _ => (None, Vec::new()),
    };
    match args.format {
        CheckFormat::Json => print(&json(policies, &findings, failure.as_ref())?)?,
        CheckFormat::Sarif => print(&sarif::document(&findings)?)?,
        CheckFormat::Human => findings.iter().for_each(|finding| draw::finding(color, finding)),
    }
    if let (Some(failure), Some(script), true) = (&failure, &script, args.format != CheckFormat::Json) {
        draw::failure(color, failure, script);
    }
    if let (Some(script), true) = (&script, args.format != CheckFormat::Json) {
        warnings.iter().for_each(|warning| draw::warning(color, warning, script));
    }
    if refused {
        return Ok(Exit::Policy);
    }
    if args.format == CheckFormat::Human && failure.is_none() {
        print(&summary(policies, script.as_ref()))?;
    }
    Ok(failure.map_or(Exit::Success, |failure| failure.exit(0)))
}

/// Checks a script; returns its errors and its warnings.
fn looked_through(script: &SourceText) -> Result<(Option<FailureReport>, Vec<FailureReport>), Stop> {
    // Compiling makes no system call, so any `Os` will do.
    let engine = Engine::builder(Arc::new(MemOs::new())).build().map_err(|error| Stop::internal(error.to_string()))?;
    match engine.check(&script.text) {
        Ok(warnings) => Ok((None, warnings.iter().map(FailureReport::new).collect::<Result<_, _>>()?)),
        Err(failure) => Ok((Some(FailureReport::new(&failure)?), Vec::new())),
    }
}

fn summary(policies: usize, script: Option<&SourceText>) -> String {
    let plural = if policies == 1 { "policy" } else { "policies" };
    let script = script.map_or(String::new(), |script| format!(", `{}` compiles", script.name));
    format!("{policies} {plural}, all valid{script}")
}

/// Prints why policies are rejected.
pub(crate) fn rejected(rejected: &RejectedPolicy, format: OutputFormat, color: Color) -> Exit {
    if format == OutputFormat::Json {
        match json(0, &rejected.findings, None) {
            Ok(text) => drop(print(&text)),
            Err(stop) => draw::message(color, &stop.message, None),
        }
    } else {
        for finding in &rejected.findings {
            draw::finding(color, finding);
        }
    }
    Exit::Policy
}

#[derive(Serialize)]
struct CheckOutput<'a> {
    policies: usize,
    findings: Vec<ShownFinding<'a>>,
    script: Option<&'a FailureReport>,
}

/// A finding in a policy, in the promised JSON format.
#[derive(Serialize)]
pub(crate) struct ShownFinding<'a> {
    code: Option<&'a str>,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    file: &'a str,
    line: usize,
    column: usize,
}

impl<'a> ShownFinding<'a> {
    pub(crate) fn new(finding: &'a Finding) -> Self {
        Self {
            code: finding.code,
            severity: if finding.severity == Severity::Error { "error" } else { "warning" },
            message: &finding.message,
            help: finding.help.as_deref(),
            file: finding.source_name(),
            line: finding.line,
            column: finding.column,
        }
    }
}

fn json(policies: usize, findings: &[Finding], script: Option<&FailureReport>) -> Result<String, Stop> {
    let findings = findings.iter().map(ShownFinding::new).collect();
    serde_json::to_string(&CheckOutput { policies, findings, script })
        .map_err(|error| Stop::internal(error.to_string()))
}
