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
    /// In which form
    #[arg(long, value_enum, help_heading = "Options")]
    format: ExportForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportForm {
    /// Events of the Open Cybersecurity Schema Framework 1.3.0, one JSON object each line
    Ocsf,
    /// A table with a row for each entry; what a spreadsheet would take for a formula has a `'` before it
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
