//! `rex audit report`

use std::fs::File;
use std::io::BufWriter;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rex_audit::HtmlReport;
use rex_audit::report::ReportScript;
use serde::Serialize;

use super::row::number;
use super::select::{FilterArgs, JournalArgs, each};
use crate::args::OutputFormat;
use crate::exit::{Exit, Stop};
use crate::replace::{self, FileRights};
use crate::{load, print};

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    journals: JournalArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// File to write the page to; an existing page is replaced
    #[arg(long, value_name = "FILE", required = true, help_heading = "Options")]
    html: PathBuf,
    /// Script to show with its runs, which Rex matches by SHA-256 (repeatable)
    #[arg(long = "script", value_name = "FILE", help_heading = "Options")]
    scripts: Vec<PathBuf>,
    /// Number of names in each list
    #[arg(long, value_name = "COUNT", default_value_t = 20, help_heading = "Options")]
    top: usize,
    /// How to print the summary
    #[arg(long, value_enum, default_value_t = OutputFormat::Human, help_heading = "Options")]
    format: OutputFormat,
}

#[derive(Serialize)]
struct WrittenReport<'a> {
    html: &'a Path,
    entries: u64,
    runs: u64,
    denied: u64,
    unreadable: u64,
}

/// Writes the matching records as one page.
pub(crate) fn report(args: &ReportArgs) -> Result<Exit, Stop> {
    let filter = args.filter.filter()?;
    if args.journals.journals.iter().any(|journal| is_same(journal, &args.html)) {
        return Err(Stop::usage(format!("`{}` is a journal; the page would overwrite it", args.html.display())));
    }
    let mut report = HtmlReport::default();
    for path in &args.scripts {
        let script = load::script(Some(path), None)?;
        let sha256 = rex_engine::script_sha256(&script.text);
        report = report.with_script(&sha256, ReportScript { name: script.name, text: script.text });
    }
    let unreadable = each(&args.journals.journals, |_, entry| {
        if filter.passes(entry) {
            report.add(entry);
        }
        ControlFlow::Continue(())
    })?;
    (0..unreadable).for_each(|_| report.unreadable());
    replace::file(&args.html, FileRights::New(0o600), |file: &File| report.write(BufWriter::new(file), args.top))
        .map_err(|error| Stop::usage(format!("the page `{}` cannot be written: {error}", args.html.display())))?;
    let summary = report.summary(0);
    let (entries, runs, denied) = (summary.entries, summary.runs.started, summary.denied);
    print(&match args.format {
        OutputFormat::Json => {
            serde_json::to_string(&WrittenReport { html: &args.html, entries, runs, denied, unreadable })
                .map_err(|error| Stop::internal(error.to_string()))?
        }
        OutputFormat::Human => format!(
            "{}: {} entries, {} runs, {} denied",
            crate::draw::line(&args.html.display().to_string()),
            number(entries),
            number(runs),
            number(denied)
        ),
    })
    .map(|()| Exit::Success)
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}
