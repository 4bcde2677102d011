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
    /// Show one run from start to end
    Show(show::ShowArgs),
    /// List matching entries
    Query(query::QueryArgs),
    /// List the last entries, and follow new ones
    Tail(tail::TailArgs),
    /// Show statistics: decisions and denials over time, slow operations and scripts, resources
    Stats(stats::StatsArgs),
    /// Write an HTML report: timeline, denials, resources, and each run with the lines of its script
    Report(report::ReportArgs),
    /// Print matching entries in a format for other programs
    Export(export::ExportArgs),
    /// Check that a journal was not changed, and report each change
    Verify(verify::VerifyArgs),
    /// Generate a key to sign checkpoints
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
