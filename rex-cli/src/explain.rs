//! `rex explain`

use std::fmt::Write;

use rex_core::nearest::did_you_mean;
use rex_core::{Code, process};
use rex_policy::{LINTS, Lint, Severity};
use serde::Serialize;

use crate::args::ListFormat;
use crate::exit::{Exit, Stop};
use crate::print;

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// Code of a lint or an error, annotation, or page: `REX001`, `NOT_FOUND_EXCEPTION`, `@allow`, `policies`, `language`, `limits`,
    /// `errors` (default: a list of all lints)
    #[arg(value_name = "NAME", value_parser = topic)]
    topic: Option<Topic>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ListFormat::Human)]
    format: ListFormat,
}

/// A topic that can be explained.
#[derive(Debug, Clone, Copy)]
enum Topic {
    Lint(&'static Lint),
    Error(Code),
    Annotation(&'static str, &'static str),
    /// A page of the documentation: its name and its text.
    Page(&'static str, &'static str),
}

/// Pages of the documentation that are small enough to be read in a terminal.
const PAGES: &[(&str, &str)] = &[
    ("policies", include_str!("../../docs/policies.md")),
    ("language", include_str!("../../docs/language.md")),
    ("limits", include_str!("../../docs/limits.md")),
    ("errors", include_str!("../../docs/errors.md")),
];

/// The annotations of policies, each with its meaning.
const ANNOTATIONS: &[(&str, &str)] = &[
    (
        "id",
        "The name of the policy in decisions, denials and journals: `@id(\"read-logs\")`. Each policy needs a unique name.",
    ),
    ("reason", "Why the policy is there: `@reason(\"log triage reads\")`. A denial by a `forbid` shows it."),
    (
        "allow",
        "What a permit of `process::run` also allows, as words separated by spaces: `@allow(\"interpreter env:TZ\")`.",
    ),
    (
        "lint",
        "The lints to suppress for this policy: `@lint(\"REX003\")`, separated by commas or spaces. It suppresses warnings, never errors.",
    ),
    ("prove", "In files of properties: the claim to prove, `@prove(\"no-error\")`; see `rex policy prove`."),
];

/// Finds the topic of a name.
fn topic(name: &str) -> Result<Topic, String> {
    if let Some(lint) = Lint::of(name) {
        return Ok(Topic::Lint(lint));
    }
    let code = Code::ALL.iter().find(|code| {
        let short = code.as_str().trim_end_matches("_EXCEPTION");
        [code.as_str(), short].into_iter().any(|known| known.eq_ignore_ascii_case(name))
    });
    if let Some(code) = code {
        return Ok(Topic::Error(*code));
    }
    let bare = name.trim_start_matches('@');
    if let Some((name, meaning)) = ANNOTATIONS.iter().find(|(known, _)| *known == bare) {
        return Ok(Topic::Annotation(name, meaning));
    }
    if let Some((name, text)) = PAGES.iter().find(|(known, _)| *known == name) {
        return Ok(Topic::Page(name, text));
    }
    let names = LINTS.iter().map(|lint| lint.code).chain(Code::ALL.iter().map(|code| code.as_str()));
    let names = names.chain(ANNOTATIONS.iter().map(|(name, _)| *name));
    let near = did_you_mean(bare, names).map_or_else(String::new, |near| format!("; {near}"));
    Err(format!(
        "unknown lint, error or annotation `{name}`; `rex explain` lists the lints, and `docs/errors.md` the errors{near}"
    ))
}

/// Explains a lint, an error or an annotation, or lists all lints.
pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, Stop> {
    let one = match args.topic {
        Some(Topic::Lint(lint)) => Some(lint),
        Some(Topic::Error(code)) => return other(args.format, "error", code.as_str(), &error(code)),
        Some(Topic::Annotation(name, meaning)) => {
            return other(args.format, "annotation", &format!("@{name}"), &annotation(name, meaning));
        }
        Some(Topic::Page(name, text)) if args.format == ListFormat::Json => {
            return other(args.format, "page", name, text);
        }
        Some(Topic::Page(_, text)) => return print(text).map(|()| Exit::Success),
        None => None,
    };
    let lints: Vec<&Lint> = one.map_or_else(|| LINTS.to_vec(), |lint| vec![lint]);
    let text = match args.format {
        ListFormat::Json => json(&lints)?,
        ListFormat::Markdown => lints.iter().fold(HEAD.to_owned(), |text, lint| text + &markdown(lint)),
        ListFormat::Human => match one {
            Some(lint) => human(lint),
            None => lints.iter().fold(String::new(), |text, lint| text + &listed(lint)),
        },
    };
    print(&text)?;
    Ok(Exit::Success)
}

/// Prints the meaning of a topic other than a lint.
fn other(format: ListFormat, kind: &str, name: &str, meaning: &str) -> Result<Exit, Stop> {
    let text = match format {
        ListFormat::Json => {
            let explained = serde_json::json!([{ "code": name, "kind": kind, "explanation": meaning.trim_end() }]);
            explained.to_string()
        }
        ListFormat::Markdown => format!("## `{name}`\n\n{meaning}"),
        ListFormat::Human => format!("{name} ({kind})\n\n{meaning}"),
    };
    print(&text)?;
    Ok(Exit::Success)
}

fn error(code: Code) -> String {
    let caught = match code {
        _ if code.is_fatal() => "The run ends; the script cannot catch it.",
        Code::LimitExceeded => "A script can catch a limit of one operation; a limit of the run ends the run.",
        _ => "A script can catch it: `try { .. } catch (e) { if e.code == \"CODE\" { .. } }`.",
    };
    let advice = match code {
        Code::AccessDenied => {
            "\nThe error names the action, the resource and the policy; its help is a permit that would allow it. `rex policy ask` explains more."
        }
        Code::LimitExceeded => "\n`docs/limits.md` lists the limits; `--limit NAME=VALUE` sets one.",
        _ => "",
    };
    format!("{}\n{}{advice}\n", code.doc(), caught.replace("CODE", code.as_str()))
}

fn annotation(name: &str, meaning: &str) -> String {
    let mut text = format!("{meaning}\n");
    if name == "allow" {
        for (word, meaning) in process::ALLOWED {
            // Writing to a string does not fail.
            let _ = write!(text, "\n  {word:<12} {meaning}");
        }
        text.push('\n');
    }
    text
}

const HEAD: &str = "# Lints

What `rex policy check` finds in policies that load. `--allow CODE` silences one, `--deny CODE` makes it an error; where there is an
error, it ends with 3. `@lint(\"CODE\")` on a policy silences the warnings of a lint about that policy. `rex explain CODE` prints what stands here.
What a policy is refused for when it is loaded cannot be allowed.
";

/// Returns the name of a severity.
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
struct ExplainOutput<'a> {
    code: &'a str,
    name: &'a str,
    severity: &'a str,
    explanation: &'a str,
    example: &'a str,
    better: &'a str,
}

fn json(lints: &[&Lint]) -> Result<String, Stop> {
    let explained = |lint: &&Lint| ExplainOutput {
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
