//! `rex audit tail`

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rex_audit::{Entry, EntryFilter, JournalLine};

use super::follow::{FollowReader, StdoutConsumer};
use super::out::StdoutWriter;
use super::row::row;
use super::select::{FilterArgs, UnreadableCount, cannot_be_read};
use crate::args::{Color, OutputFormat};
use crate::draw::Paint;
use crate::exit::{Exit, Stop};

#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// The journal
    journal: PathBuf,
    /// Wait for new entries, even after the file is truncated or replaced
    #[arg(short, long)]
    follow: bool,
    /// Number of entries to print first
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    lines: usize,
    #[command(flatten)]
    filter: FilterArgs,
    /// How to print the entries: JSON prints each line of the journal unchanged
    #[arg(long, value_enum, default_value_t = OutputFormat::Human, help_heading = "Options")]
    format: OutputFormat,
}

/// Lists the last records, and with `--follow` those that are added.
pub(crate) fn tail(args: &TailArgs, color: Color) -> Result<Exit, Stop> {
    let filter = args.filter.filter()?;
    let show = |line: &JournalLine<'_>, entry: &Entry<'_>| match args.format {
        OutputFormat::Json => line.bytes.to_vec(),
        OutputFormat::Human => row(entry, Paint::output(color)).into_bytes(),
    };
    let path = &*args.journal;
    let bad = |error: std::io::Error| cannot_be_read(path, &error);
    let mut file = File::open(path).map_err(bad)?;
    let mut out = StdoutWriter::new();
    // Records up to here are in the past; those after it are followed.
    let size = file.seek(SeekFrom::End(0)).map_err(bad)?;
    let start = if filter == EntryFilter::default() { before(&mut file, size, args.lines).map_err(bad)? } else { 0 };
    file.seek(SeekFrom::Start(start)).map_err(bad)?;
    let mut last = VecDeque::new();
    let mut whole = start;
    let mut unreadable = UnreadableCount::default();
    let past = BufReader::with_capacity(1 << 18, (&mut file).take(size - start));
    let read = rex_audit::each(past, |line| {
        if matches!(line.entry, Err(rex_audit::UnreadableLine::Torn(_))) && args.follow {
            // A writer has not finished the line yet.
            return ControlFlow::Break(());
        }
        whole = start + line.offset + line.bytes.len() as u64 + 1;
        if let Some(shown) = passing((path, start), &filter, &line, &mut unreadable, show) {
            last.push_back(shown);
            if last.len() > args.lines {
                last.pop_front();
            }
        }
        ControlFlow::Continue(())
    });
    read.map_err(bad)?;
    if last.iter().any(|line| out.line(line).is_break()) || out.flush().is_break() || !args.follow {
        unreadable.finish();
        return out.finish().map(|()| Exit::Success);
    }
    let from = whole.min(size);
    let follow = FollowReader::new(path, file, from, StdoutConsumer::new()).map_err(bad)?;
    // The reader returns only what has been written, so that each line is shown when it comes.
    let read = rex_audit::each(BufReader::new(follow), |line| {
        match passing((path, from), &filter, &line, &mut unreadable, show) {
            Some(shown) => {
                out.line(&shown)?;
                out.flush()
            }
            None => ControlFlow::Continue(()),
        }
    });
    read.map_err(bad)?;
    unreadable.finish();
    out.finish().map(|()| Exit::Success)
}

fn passing<T>(
    (path, from): (&Path, u64),
    filter: &EntryFilter,
    line: &JournalLine<'_>,
    unreadable: &mut UnreadableCount,
    show: impl Fn(&JournalLine<'_>, &Entry<'_>) -> T,
) -> Option<T> {
    match &line.entry {
        Ok(entry) => filter.passes(entry).then(|| show(line, entry)),
        Err(why) => {
            // The line number is unknown if reading began in the middle.
            unreadable.tell(path, format_args!("byte {}", from + line.offset), why);
            None
        }
    }
}

/// Returns the offset of the last lines, searching from the end: twice as many and 10 more, since lines about the journal itself are
/// between the records.
fn before(file: &mut File, size: u64, lines: usize) -> std::io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let (mut wanted, mut end) = (lines.saturating_mul(2).saturating_add(10), size);
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.by_ref().take(end - start).read_to_end(&mut block)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            if wanted == 0 {
                return Ok(start + at as u64 + 1);
            }
            wanted -= 1;
        }
        end = start;
    }
    Ok(0)
}
