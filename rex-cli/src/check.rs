//! `rex check`

use std::sync::Arc;

use rex_engine::Engine;
use rex_policy::{Finding, Rejected, Severity, Source};
use rex_sdk::MemOs;
use serde::Serialize;

use crate::args::{CheckArgs, Color, Format};
use crate::exit::{Exit, Stop};
use crate::told::Wrong;
use crate::{draw, load, print};

/// Validates policies, and a script if there is one.
pub(crate) fn check(args: &CheckArgs, color: Color) -> Result<Exit, Stop> {
    let script = args.script.as_deref().map(|path| load::script(Some(path), None)).transpose()?;
    let policy = match load::policy(&args.policy)? {
        Ok(policy) => policy,
        Err(found) => return Ok(rejected(&found, args.format, color)),
    };
    let (policies, warnings) = (policy.len(), policy.warnings().to_vec());
    let failure = match &script {
        // Compiling reaches no system, so any will do.
        Some(script) => {
            let engine = Engine::builder(Arc::new(MemOs::new())).build();
            let failure = engine.map_err(|error| Stop::internal(error.to_string()))?.check(&script.text).err();
            failure.as_ref().map(Wrong::new).transpose()?
        }
        None => None,
    };
    if args.format == Format::Json {
        print(&json(policies, &warnings, failure.as_ref())?)?;
    } else {
        for warning in &warnings {
            draw::finding(color, warning);
        }
        if let (Some(failure), Some(script)) = (&failure, &script) {
            draw::failure(color, failure, script);
        } else {
            print(&summary(policies, script.as_ref()))?;
        }
    }
    Ok(failure.map_or(Exit::Success, |failure| failure.exit(0)))
}

fn summary(policies: usize, script: Option<&Source>) -> String {
    let plural = if policies == 1 { "policy" } else { "policies" };
    let script = script.map_or(String::new(), |script| format!(", `{}` compiles", script.name));
    format!("{policies} {plural}, all valid{script}")
}

/// Shows why policies are rejected.
pub(crate) fn rejected(rejected: &Rejected, format: Format, color: Color) -> Exit {
    if format == Format::Json {
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
struct Found<'a> {
    policies: usize,
    findings: Vec<FoundOne<'a>>,
    script: Option<&'a Wrong>,
}

#[derive(Serialize)]
struct FoundOne<'a> {
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    file: &'a str,
    line: usize,
    column: usize,
}

fn json(policies: usize, findings: &[Finding], script: Option<&Wrong>) -> Result<String, Stop> {
    let findings = findings
        .iter()
        .map(|finding| FoundOne {
            severity: if finding.severity == Severity::Error { "error" } else { "warning" },
            message: &finding.message,
            help: finding.help.as_deref(),
            file: finding.source_name(),
            line: finding.line,
            column: finding.column,
        })
        .collect();
    serde_json::to_string(&Found { policies, findings, script }).map_err(|error| Stop::internal(error.to_string()))
}
