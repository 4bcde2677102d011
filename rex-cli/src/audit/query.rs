//! `rex audit query`

use std::ops::ControlFlow;

use super::out::Out;
use super::row::row;
use super::select::{FilterArgs, Journals, each};
use crate::args::{Color, Format};
use crate::draw::Paint;
use crate::exit::{Exit, Stop};

#[derive(Debug, clap::Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    journals: Journals,
    #[command(flatten)]
    filter: FilterArgs,
    /// How to print them: as JSON, each is the line of the journal
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Options")]
    format: Format,
}

/// Lists the matching records.
pub(crate) fn query(args: &QueryArgs, color: Color) -> Result<Exit, Stop> {
    let filter = args.filter.filter()?;
    let (mut out, paint) = (Out::new(), Paint::output(color));
    each(&args.journals.journals, |line, entry| {
        if !filter.passes(entry) {
            return ControlFlow::Continue(());
        }
        match args.format {
            Format::Json => out.line(line.bytes),
            Format::Human => out.line(row(entry, paint).as_bytes()),
        }
    })?;
    out.finish().map(|()| Exit::Success)
}
