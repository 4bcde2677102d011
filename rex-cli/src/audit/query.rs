//! `rex audit query`

use std::ops::ControlFlow;

use super::out::StdoutWriter;
use super::row::row;
use super::select::{FilterArgs, JournalArgs, each};
use crate::args::{Color, OutputFormat};
use crate::draw::Paint;
use crate::exit::{Exit, Stop};

#[derive(Debug, clap::Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    journals: JournalArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// How to print the entries: JSON prints each line of the journal unchanged
    #[arg(long, value_enum, default_value_t = OutputFormat::Human, help_heading = "Options")]
    format: OutputFormat,
}

/// Lists the matching records.
pub(crate) fn query(args: &QueryArgs, color: Color) -> Result<Exit, Stop> {
    let filter = args.filter.filter()?;
    let (mut out, paint) = (StdoutWriter::new(), Paint::output(color));
    each(&args.journals.journals, |line, entry| {
        if !filter.passes(entry) {
            return ControlFlow::Continue(());
        }
        match args.format {
            OutputFormat::Json => out.line(line.bytes),
            OutputFormat::Human => out.line(row(entry, paint).as_bytes()),
        }
    })?;
    out.finish().map(|()| Exit::Success)
}
