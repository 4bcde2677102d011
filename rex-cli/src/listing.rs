//! `rex ops`

use std::fmt::Write;

use rex_core::nearest::did_you_mean;
use rex_sdk::docs::markdown;
use rex_sdk::{OPS, OpSpec};
use serde::Serialize;

use crate::args::{ListFormat, OpsArgs};
use crate::exit::{Exit, Stop};
use crate::print;

/// A pure function: its signature and its documentation.
type Function = (&'static str, &'static str);

/// Lists the operations, those of a namespace, or explains one.
pub(crate) fn ops(args: &OpsArgs) -> Result<Exit, Stop> {
    let name = args.name.as_deref();
    let called = |signature: &str| name == signature.split('(').next();
    if let (Some((signature, doc)), ListFormat::Human) =
        (rex_engine::PURE_FUNCTIONS.iter().find(|(signature, _)| called(signature)), args.format)
    {
        return print(&format!("{signature}\n\n{doc}\n\nA pure function: it needs no permit.\n"))
            .map(|()| Exit::Success);
    }
    let all = || OPS.iter().map(|operation| operation.spec());
    let is_within = |known: &str| {
        name.is_none_or(|name| known.split_once("::").is_some_and(|(space, _)| space == name.trim_end_matches(':')))
    };
    let exact: Vec<&OpSpec> =
        all().filter(|spec| name.is_some_and(|name| spec.name == name || spec.aliases.contains(&name))).collect();
    let is_one = !exact.is_empty();
    let chosen = if is_one { exact } else { all().filter(|spec| is_within(spec.name)).collect() };
    let functions = rex_engine::PURE_FUNCTIONS.iter().filter(|(signature, _)| !is_one && is_within(signature));
    let functions: Vec<Function> = functions.copied().collect();
    if let (Some(name), true, true) = (name, chosen.is_empty(), functions.is_empty()) {
        return Err(unknown(name));
    }
    let text = match args.format {
        ListFormat::Json => {
            let rows: Vec<_> = chosen.iter().map(|spec| OperationRow::of(spec)).collect();
            serde_json::to_string_pretty(&rows).map_err(|error| Stop::internal(error.to_string()))?
        }
        ListFormat::Human if !is_one => list(&chosen, &functions),
        ListFormat::Human | ListFormat::Markdown => {
            let operations = chosen.iter().map(|spec| markdown(spec)).collect::<Vec<_>>().join("\n");
            if functions.is_empty() { operations } else { format!("{operations}\n{}", document(&functions)) }
        }
    };
    print(&text).map(|()| Exit::Success)
}

/// Returns the error for a name that is neither an operation nor a namespace.
fn unknown(name: &str) -> Stop {
    let near: Vec<_> = OPS.iter().map(|op| op.spec().name).filter(|known| known.contains(name)).collect();
    let stop = Stop::usage(format!("unknown operation `{name}`"));
    if !near.is_empty() {
        return stop.with_help(format!("matching operations: {}", near.join(", ")));
    }
    let names = OPS.iter().flat_map(|op| [op.spec().name].into_iter().chain(op.spec().aliases.iter().copied()));
    let functions = rex_engine::PURE_FUNCTIONS.iter().filter_map(|(signature, _)| signature.split('(').next());
    stop.with_help(
        did_you_mean(name, names.chain(functions)).unwrap_or_else(|| "`rex ops` lists all operations".to_owned()),
    )
}

/// Formats pure functions as a document, module by module.
fn document(functions: &[Function]) -> String {
    let module = |signature: &str| signature.split("::").next().unwrap_or_default().to_owned();
    let mut text = "# Pure functions\n\nWhat a script can call besides operations. No policy is asked: they reach nothing but their arguments, and `random` its source of \
                    random bytes. \
                    All are bounded in what they may build, and fail with `VALIDATION_EXCEPTION` or `LIMIT_EXCEEDED_EXCEPTION`.\n"
        .to_owned();
    for functions in functions.chunk_by(|(a, _), (b, _)| module(a) == module(b)) {
        let name = functions.first().map(|(signature, _)| module(signature)).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n## `{name}`\n\n| | |\n|---|---|");
        for (signature, doc) in functions {
            let _ = writeln!(text, "| `{}` | {} |", signature.replace('|', "\\|"), doc.replace('|', "\\|"));
        }
    }
    text
}

/// Formats each operation and each pure function as one line.
fn list(specs: &[&OpSpec], functions: &[Function]) -> String {
    let mut rows: Vec<(String, &str)> =
        specs.iter().map(|spec| (spec.to_string(), spec.doc.lines().next().unwrap_or_default())).collect();
    rows.extend(functions.iter().map(|(signature, doc)| ((*signature).to_owned(), *doc)));
    // The longest signatures are not aligned, so that the others stay readable.
    let width = rows.iter().map(|(call, _)| call.len()).filter(|&length| length <= 44).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (call, doc)| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{call:width$}  {doc}");
        text
    })
}

#[derive(Serialize)]
struct OperationRow<'a> {
    name: &'a str,
    call: String,
    aliases: &'a [&'a str],
    needs: Vec<String>,
    params: Vec<ParamRow<'a>>,
    returns: ReturnsRow<'a>,
    doc: &'a str,
    errors: Vec<&'a str>,
    example: ExampleRow<'a>,
}

#[derive(Serialize)]
struct ParamRow<'a> {
    name: &'a str,
    kind: &'a str,
    required: bool,
    default: Option<rex_core::Value>,
    doc: &'a str,
}

#[derive(Serialize)]
struct ReturnsRow<'a> {
    kind: &'a str,
    doc: &'a str,
}

#[derive(Serialize)]
struct ExampleRow<'a> {
    args: &'a str,
    returns: &'a str,
}

impl<'a> OperationRow<'a> {
    fn of(spec: &'a OpSpec) -> Self {
        Self {
            name: spec.name,
            call: spec.to_string(),
            aliases: spec.aliases,
            needs: spec.needs.iter().map(ToString::to_string).collect(),
            params: spec
                .params
                .iter()
                .map(|param| ParamRow {
                    name: param.name,
                    kind: param.kind.as_str(),
                    required: param.default.is_none(),
                    default: param.default.map(Into::into),
                    doc: param.doc,
                })
                .collect(),
            returns: ReturnsRow { kind: spec.returns.kind, doc: spec.returns.doc },
            doc: spec.doc,
            errors: spec.errors.iter().map(|code| code.as_str()).collect(),
            example: ExampleRow { args: spec.example.args, returns: spec.example.returns },
        }
    }
}
