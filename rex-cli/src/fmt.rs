//! `rex policy fmt`

use std::io::Write;
use std::path::PathBuf;

use rex_policy::formatted;
use serde::Serialize;

use crate::args::{Color, OutputFormat};
use crate::exit::{Exit, Stop};
use crate::replace::{self, FileRights};
use crate::{check, draw, load, print};

#[derive(Debug, clap::Args)]
pub(crate) struct FmtArgs {
    /// Policy files, or folders with `*.cedar` files
    #[arg(value_name = "FILE_OR_DIR", required = true)]
    policies: Vec<PathBuf>,
    /// Change nothing; print what would change, and exit with code 1 if anything would
    #[arg(long)]
    check: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

/// Formats policies. Changes nothing unless all of them can be parsed.
pub(crate) fn fmt(args: &FmtArgs, color: Color) -> Result<Exit, Stop> {
    let paths = load::policy_files(&args.policies)?;
    let (mut changes, mut files) = (Vec::new(), Vec::new());
    for path in &paths {
        let source = load::file(path)?;
        let text = match formatted(&source) {
            Ok(text) => text,
            Err(rejected) => return Ok(check::rejected(&rejected, args.format, color)),
        };
        let changed = text != source.text;
        files.push(FmtFile { name: source.name.clone(), changed });
        if changed {
            changes.push((path, source, text));
        }
    }
    for (path, source, text) in &changes {
        if !args.check {
            replace::file(path, FileRights::Kept, |mut file| file.write_all(text.as_bytes()))
                .map_err(|error| Stop::usage(format!("`{}` cannot be written: {error}", path.display())))?;
        }
        if args.format == OutputFormat::Human {
            let laid_out = || format!("formatted {}", draw::line(&source.name));
            print(&if args.check { draw::visible(source.diff(text).trim_end()) } else { laid_out() })?;
        }
    }
    if args.format == OutputFormat::Json {
        let said = serde_json::to_string(&FmtOutput { files });
        print(&said.map_err(|error| Stop::internal(error.to_string()))?)?;
    }
    Ok(if args.check && !changes.is_empty() { Exit::Script } else { Exit::Success })
}

#[derive(Serialize)]
struct FmtOutput {
    files: Vec<FmtFile>,
}

#[derive(Serialize)]
struct FmtFile {
    name: String,
    /// `true` if the file was not formatted; it is now, or with `--check` would be.
    changed: bool,
}
