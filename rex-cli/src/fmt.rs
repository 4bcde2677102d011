//! `rex policy fmt`

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rex_policy::formatted;

use crate::args::{Color, Format};
use crate::exit::{Exit, Stop};
use crate::{check, draw, load, print, replace};

#[derive(Debug, clap::Args)]
pub(crate) struct FmtArgs {
    /// Policy files, or folders whose `*.cedar` files are all taken
    #[arg(value_name = "FILE_OR_DIR", required = true)]
    policies: Vec<PathBuf>,
    /// Change nothing; print what would change, and end with 1 if something would
    #[arg(long)]
    check: bool,
}

/// Lays policies out. Nothing is changed before all of them are understood.
pub(crate) fn fmt(args: &FmtArgs, color: Color) -> Result<Exit, Stop> {
    let paths = load::policy_files(&args.policies)?;
    let mut changes = Vec::new();
    for path in &paths {
        let source = load::file(path)?;
        match formatted(&source) {
            Ok(text) if text == source.text => {}
            Ok(text) => changes.push((path, source, text)),
            Err(rejected) => return Ok(check::rejected(&rejected, Format::Human, color)),
        }
    }
    for (path, source, text) in &changes {
        if args.check {
            print(draw::visible(&source.diff(text)).trim_end())?;
        } else {
            let written = std::fs::metadata(path)
                .and_then(|old| replace::file(path, old.mode() & 0o7777, |mut file| file.write_all(text.as_bytes())));
            written.map_err(|error| Stop::usage(format!("`{}` cannot be written: {error}", path.display())))?;
            print(&format!("laid out {}", draw::line(&source.name)))?;
        }
    }
    Ok(if args.check && !changes.is_empty() { Exit::Script } else { Exit::Success })
}
