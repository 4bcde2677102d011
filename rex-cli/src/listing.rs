//! `rex ops`

use std::fmt::Write;

use rex_core::nearest::did_you_mean;
use rex_sdk::docs::markdown;
use rex_sdk::{OPS, OpSpec};
use serde::Serialize;

use crate::args::{ListFormat, OpsArgs};
use crate::exit::{Exit, Stop};
use crate::print;

/// Lists the operations, or explains one.
pub(crate) fn ops(args: &OpsArgs) -> Result<Exit, Stop> {
    let specs: Vec<&OpSpec> = OPS.iter().map(|operation| operation.spec()).collect();
    let chosen: Vec<&OpSpec> = match &args.name {
        None => specs.clone(),
        Some(name) => {
            specs.iter().copied().filter(|spec| spec.name == name || spec.aliases.contains(&&**name)).collect()
        }
    };
    let pure = |name: &str| {
        let called = |signature: &&(&str, &str)| signature.0.split('(').next() == Some(name);
        rex_engine::PURE_FUNCTIONS.iter().find(called)
    };
    if let (Some((signature, doc)), ListFormat::Human) = (args.name.as_deref().and_then(pure), args.format) {
        print(&format!("{signature}\n\n{doc}\n\nA pure function: no policy is asked.\n"))?;
        return Ok(Exit::Success);
    }
    if let (Some(name), true) = (&args.name, chosen.is_empty()) {
        let near: Vec<_> = specs.iter().map(|spec| spec.name).filter(|known| known.contains(name.as_str())).collect();
        let stop = Stop::usage(format!("there is no operation `{name}`"));
        let meant = || {
            let names = specs.iter().flat_map(|spec| [spec.name].into_iter().chain(spec.aliases.iter().copied()));
            did_you_mean(
                name,
                names.chain(rex_engine::PURE_FUNCTIONS.iter().filter_map(|pure| pure.0.split('(').next())),
            )
        };
        let help = match near.is_empty() {
            true => meant().unwrap_or_else(|| "`rex ops` lists them".to_owned()),
            false => format!("there are: {}", near.join(", ")),
        };
        return Err(stop.with_help(help));
    }
    let text = match args.format {
        ListFormat::Json => {
            let rows: Vec<_> = chosen.iter().map(|spec| OperationRow::of(spec)).collect();
            serde_json::to_string_pretty(&rows).map_err(|error| Stop::internal(error.to_string()))?
        }
        ListFormat::Human if args.name.is_none() => list(&chosen),
        ListFormat::Human | ListFormat::Markdown => {
            let operations = chosen.iter().map(|spec| markdown(spec)).collect::<Vec<_>>().join("\n");
            if args.name.is_some() { operations } else { format!("{operations}\n{}", functions()) }
        }
    };
    print(&text)?;
    Ok(Exit::Success)
}

/// Formats the pure functions as a document, module by module.
fn functions() -> String {
    let module = |signature: &str| signature.split("::").next().unwrap_or_default().to_owned();
    let mut text = "# Pure functions\n\nWhat a script can call besides operations. No policy is asked: they reach nothing but their arguments, and `random` its source of \
                    random bytes. \
                    All are bounded in what they may build, and fail with `VALIDATION_EXCEPTION` or `LIMIT_EXCEEDED_EXCEPTION`.\n"
        .to_owned();
    for functions in rex_engine::PURE_FUNCTIONS.chunk_by(|(a, _), (b, _)| module(a) == module(b)) {
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
fn list(specs: &[&OpSpec]) -> String {
    let mut rows: Vec<(String, &str)> =
        specs.iter().map(|spec| (spec.to_string(), spec.doc.lines().next().unwrap_or_default())).collect();
    rows.extend(rex_engine::PURE_FUNCTIONS.iter().map(|(signature, doc)| ((*signature).to_owned(), *doc)));
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
