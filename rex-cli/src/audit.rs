//! `rex audit`: reads the journals of runs.

mod chart;
mod export;
mod follow;
mod keygen;
mod out;
mod query;
mod report;
mod row;
mod select;
mod show;
mod stats;
mod tail;
mod verify;

use clap::Subcommand;

use crate::args::Color;
use crate::exit::{Exit, Stop};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show one run from its beginning to its end
    Show(show::ShowArgs),
    /// List the entries that fit
    Query(query::QueryArgs),
    /// List the last entries, and those that are added
    Tail(tail::TailArgs),
    /// Add up: decisions and denials over time, slow operations and scripts, resources
    Stats(stats::StatsArgs),
    /// Write one page for a browser: timeline, denials, resources, each run down to the line of its script
    Report(report::ReportArgs),
    /// Print the entries that fit in a form that other programs read
    Export(export::ExportArgs),
    /// Check that a journal is as it was written, and say where not
    Verify(verify::VerifyArgs),
    /// Make a key to sign checkpoints with
    Keygen(keygen::KeygenArgs),
}

pub(crate) fn audit(command: &AuditCommand, color: Color) -> Result<Exit, Stop> {
    match command {
        AuditCommand::Show(args) => show::show(args, color),
        AuditCommand::Query(args) => query::query(args, color),
        AuditCommand::Tail(args) => tail::tail(args, color),
        AuditCommand::Stats(args) => stats::stats(args, color),
        AuditCommand::Report(args) => report::report(args),
        AuditCommand::Export(args) => export::export(args),
        AuditCommand::Verify(args) => verify::verify(args),
        AuditCommand::Keygen(args) => keygen::keygen(args),
    }
}
