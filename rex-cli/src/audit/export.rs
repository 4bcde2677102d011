//! `rex audit export`

use std::ops::ControlFlow;

use clap::ValueEnum;
use rex_audit::export::csv::CsvWriter;
use rex_audit::export::ocsf::OcsfEvent;

use super::out::StdoutWriter;
use super::select::{FilterArgs, JournalArgs, each};
use crate::exit::{Exit, Stop};

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    journals: JournalArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Output format
    #[arg(long, value_enum, help_heading = "Options")]
    format: ExportForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportForm {
    /// Events of the Open Cybersecurity Schema Framework 1.3.0, one JSON object on each line
    Ocsf,
    /// A table with one row for each entry; a `'` precedes text that a spreadsheet would read as a formula
    Csv,
}

/// Prints the matching records in a format for other programs.
pub(crate) fn export(args: &ExportArgs) -> Result<Exit, Stop> {
    let filter = args.filter.filter()?;
    let mut out = StdoutWriter::new();
    match args.format {
        ExportForm::Ocsf => {
            each(&args.journals.journals, |_, entry| {
                if !filter.passes(entry) {
                    return ControlFlow::Continue(());
                }
                serde_json::to_vec(&OcsfEvent::new(entry)).map_or(ControlFlow::Continue(()), |event| out.line(&event))
            })?;
        }
        ExportForm::Csv => {
            let failed = |error: std::io::Error| Stop::internal(format!("standard output cannot be written: {error}"));
            let mut csv = CsvWriter::new(out.writer()).map_err(failed)?;
            each(&args.journals.journals, |_, entry| {
                if filter.passes(entry) && csv.add(entry).is_err() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
            // `out` keeps a failed write.
            drop(csv.finish());
        }
    }
    out.finish().map(|()| Exit::Success)
}
