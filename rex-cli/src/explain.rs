//! `rex explain`

use std::fmt::Write;

use rex_policy::{LINTS, Lint, Severity};
use serde::Serialize;

use crate::args::ListFormat;
use crate::check::lint;
use crate::exit::{Exit, Stop};
use crate::print;

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The code of a lint, such as `REX001`; all by default
    #[arg(value_parser = lint)]
    code: Option<&'static Lint>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ListFormat::Human)]
    format: ListFormat,
}

/// Explains a lint, or lists all.
pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, Stop> {
    let lints: Vec<&Lint> = args.code.map_or_else(|| LINTS.to_vec(), |lint| vec![lint]);
    let text = match args.format {
        ListFormat::Json => json(&lints)?,
        ListFormat::Markdown => lints.iter().fold(HEAD.to_owned(), |text, lint| text + &markdown(lint)),
        ListFormat::Human => match args.code {
            Some(lint) => human(lint),
            None => lints.iter().fold(String::new(), |text, lint| text + &listed(lint)),
        },
    };
    print(&text)?;
    Ok(Exit::Success)
}

const HEAD: &str = "# Lints

What `rex policy check` finds in policies that load. `--allow CODE` silences one, `--deny CODE` makes it an error; where there is an
error, it ends with 3. `rex explain CODE` prints what stands here. What a policy is refused for has no code: it cannot be allowed.
";

/// How bad what a lint finds is.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn listed(lint: &Lint) -> String {
    format!("{}  {:<7}  {}\n", lint.code, severity(lint.severity), lint.name)
}

fn human(lint: &Lint) -> String {
    let mut out = format!("{} ({}): {}\n\n{}\n", lint.code, severity(lint.severity), lint.name, lint.explanation);
    for (title, policy) in [("Found in", lint.example), ("Not in", lint.better)] {
        // Writing to a string does not fail.
        let _ = write!(out, "\n{title}:\n\n    {}\n", policy.trim_end().replace('\n', "\n    "));
    }
    out
}

fn markdown(lint: &Lint) -> String {
    format!(
        "\n## {}: {}\n\nBy default {} {}. {}\n\n```cedar\n{}```\n\nNot found in:\n\n```cedar\n{}```\n",
        lint.code,
        lint.name,
        if lint.severity == Severity::Error { "an" } else { "a" },
        severity(lint.severity),
        lint.explanation,
        lint.example,
        lint.better
    )
}

#[derive(Serialize)]
struct Explained<'a> {
    code: &'a str,
    name: &'a str,
    severity: &'a str,
    explanation: &'a str,
    example: &'a str,
    better: &'a str,
}

fn json(lints: &[&Lint]) -> Result<String, Stop> {
    let explained = |lint: &&Lint| Explained {
        code: lint.code,
        name: lint.name,
        severity: severity(lint.severity),
        explanation: lint.explanation,
        example: lint.example,
        better: lint.better,
    };
    let explained: Vec<_> = lints.iter().map(explained).collect();
    serde_json::to_string(&explained).map_err(|error| Stop::internal(error.to_string()))
}
