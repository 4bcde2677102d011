//! `rex audit verify`

use std::fmt::Write;
use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::{Path, PathBuf};

use rex_audit::{FileStart, JournalPlace, JournalVerdict, LineHash, PublicKey, Verifier};
use serde::Serialize;

use crate::args::OutputFormat;
use crate::draw::{self, count};
use crate::exit::{Exit, Stop};
use crate::print;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes:
  0    the journal is intact
  1    the journal was changed
  2    usage, or a journal or key that cannot be read")]
pub(crate) struct VerifyArgs {
    /// Journal; rotated files beside it are included (repeatable, oldest first)
    #[arg(required = true)]
    pub(crate) journals: Vec<PathBuf>,
    /// Public key that must have signed the journal, if several then any of them (repeatable)
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// Hash of a line that must be in the journal: the head that an earlier check printed
    #[arg(long, value_name = "HASH")]
    pub(crate) head: Option<String>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    pub(crate) format: OutputFormat,
}

/// Verifies a journal.
pub(crate) fn verify(args: &VerifyArgs) -> Result<Exit, Stop> {
    let keys = args.keys.iter().map(|path| key(path)).collect::<Result<Vec<_>, Stop>>()?;
    let mut verifier = Verifier::new().with_keys(keys);
    if let Some(head) = &args.head {
        let hash = LineHash::parse(head).ok_or_else(|| Stop::usage(format!("`{head}` is not the hash of a line")))?;
        verifier = verifier.expecting(hash);
    }
    // Opened before the older ones are read: a run may rotate it meanwhile, and then its name is another file's.
    let mut first = args.journals.first().map(|path| open(path)).transpose()?;
    let before = first.as_mut().map_or_else(Vec::new, |file| files_before(file, &args.journals));
    for (number, path) in before.iter().rev().chain(&args.journals).enumerate() {
        let file = first.take_if(|_| number == before.len()).map_or_else(|| open(path), Ok)?;
        let unreadable = |error| unreadable(path, &error);
        verifier.file(&path.display().to_string(), BufReader::with_capacity(256 << 10, file)).map_err(unreadable)?;
    }
    let verdict = verifier.finish();
    print(&match args.format {
        OutputFormat::Json => {
            serde_json::to_string(&VerifyOutput::new(&verdict)).map_err(|error| Stop::internal(error.to_string()))?
        }
        OutputFormat::Human => draw::visible(&human(&verdict, !args.keys.is_empty())),
    })?;
    Ok(if verdict.is_intact() { Exit::Success } else { Exit::Script })
}

fn open(path: &Path) -> Result<File, Stop> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::usage(format!("the journal `{}` cannot be read: {error}", path.display()))
}

/// Returns the files that the first of these journals, which is open, continues, as far as they exist, the newest first.
fn files_before(file: &mut File, journals: &[PathBuf]) -> Vec<PathBuf> {
    const MOST: usize = 100_000;
    let mut before = Vec::<PathBuf>::new();
    let mut start = FileStart::read(BufReader::new(&*file));
    // It is read from its start again.
    if file.rewind().is_err() {
        return before;
    }
    while let Some(name) = start.ok().flatten().and_then(|start| start.continues).filter(|_| before.len() < MOST) {
        let Some(named) = journals.first().map(|path| path.with_file_name(name)) else { break };
        // Where one is gone and an older one is there, that one shows the gap.
        let Some(next) = Some(named.clone()).filter(|file| file.is_file()).or_else(|| older(&named)) else { break };
        // A file that continues itself or a newer one is reported as changed, not followed.
        if journals.contains(&next) || before.contains(&next) {
            break;
        }
        start = File::open(&next).and_then(|file| FileStart::read(BufReader::new(file)));
        before.push(next);
    }
    before
}

/// Finds the newest file of a rotated journal that is older than this one: `journal.000001` for `journal.000003`.
fn older(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (stem, number) = name.rsplit_once('.')?;
    let number: u64 = number.parse().ok()?;
    let others =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).read_dir().ok()?;
    let numbered = |other: std::fs::DirEntry| {
        let name = other.file_name().into_string().ok()?;
        let (other_stem, digits) = name.rsplit_once('.')?;
        let other: u64 = digits.parse().ok().filter(|other| other_stem == stem && *other < number)?;
        Some((other, name))
    };
    let (_, newest) = others.filter_map(|other| numbered(other.ok()?)).max()?;
    Some(path.with_file_name(newest))
}

fn key(path: &Path) -> Result<PublicKey, Stop> {
    let bad = |why: String| Stop::usage(format!("the key `{}` cannot be read: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    PublicKey::from_pem(&text).map_err(|error| bad(error.to_string()))
}

#[derive(Serialize)]
struct VerifyOutput<'a> {
    intact: bool,
    files: u64,
    lines: u64,
    runs: u64,
    unended: u64,
    unended_runs: &'a [String],
    torn: Vec<TornPlace<'a>>,
    more_torn: u64,
    checkpoints: u64,
    signed: Option<TornPlace<'a>>,
    unsigned: u64,
    continues: Option<&'a str>,
    head: String,
    findings: Vec<VerifyFinding<'a>>,
    more_findings: u64,
}

#[derive(Serialize)]
struct TornPlace<'a> {
    file: &'a str,
    line: u64,
}

#[derive(Serialize)]
struct VerifyFinding<'a> {
    file: &'a str,
    line: u64,
    run: Option<&'a str>,
    sequence: Option<u64>,
    kind: &'static str,
    message: String,
}

impl<'a> VerifyOutput<'a> {
    fn new(verdict: &'a JournalVerdict) -> Self {
        let findings = verdict.findings.iter().map(|finding| VerifyFinding {
            file: &finding.place.journal,
            line: finding.place.line,
            run: finding.run.as_deref(),
            sequence: finding.sequence,
            kind: finding.what.kind(),
            message: finding.what.to_string(),
        });
        Self {
            intact: verdict.is_intact(),
            files: verdict.files,
            lines: verdict.lines,
            runs: verdict.runs,
            unended: verdict.unended,
            unended_runs: &verdict.first_unended,
            torn: verdict.torn.iter().map(TornPlace::new).collect(),
            more_torn: verdict.more_torn,
            checkpoints: verdict.checkpoints,
            signed: verdict.signed.as_ref().map(TornPlace::new),
            unsigned: verdict.unsigned,
            continues: verdict.continues.as_deref(),
            head: verdict.head.to_string(),
            findings: findings.collect(),
            more_findings: verdict.more,
        }
    }
}

impl<'a> TornPlace<'a> {
    fn new(place: &'a JournalPlace) -> Self {
        Self { file: &place.journal, line: place.line }
    }
}

/// Formats a verdict for people. Writing to a string does not fail.
fn human(verdict: &JournalVerdict, keys: bool) -> String {
    let mut out = String::new();
    for finding in &verdict.findings {
        let _ = write!(out, "{}: {}: {}", finding.place, finding.what.kind(), finding.what);
        let _ = match (&finding.run, finding.sequence) {
            (Some(run), Some(sequence)) => writeln!(out, " (run {run}, number {sequence})"),
            _ => writeln!(out),
        };
    }
    if verdict.more > 0 {
        let _ = writeln!(out, "and {} more", verdict.more);
    }
    let state = if verdict.is_intact() { "intact" } else { "changed" };
    let _ = writeln!(out, "{state}: {}, {}", count(verdict.lines, "line"), count(verdict.runs, "run"));
    for place in &verdict.torn {
        let _ = writeln!(out, "  {place} is incomplete: its writer was killed");
    }
    if verdict.more_torn > 0 {
        let _ = writeln!(out, "  {} more incomplete", count(verdict.more_torn, "line"));
    }
    if verdict.unended > 0 {
        const SHOWN: usize = 5;
        let runs: Vec<_> = verdict.first_unended.iter().take(SHOWN).map(String::as_str).collect();
        let more = if verdict.unended > SHOWN as u64 { ", ..." } else { "" };
        let has = if verdict.unended == 1 { "has" } else { "have" };
        let _ = writeln!(
            out,
            "  {} {has} no end (still running, or killed): {}{more}",
            count(verdict.unended, "run"),
            runs.join(", ")
        );
    }
    if let Some(before) = &verdict.continues {
        let _ = writeln!(out, "  it continues `{before}`, which was not checked");
    }
    let _ = match &verdict.signed {
        Some(place) => writeln!(out, "  signed up to {place}, {} after it", count(verdict.unsigned, "line")),
        None if !keys && verdict.checkpoints > 0 => {
            writeln!(out, "  {} not checked: no key was given", count(verdict.checkpoints, "checkpoint"))
        }
        None => Ok(()),
    };
    let _ = writeln!(out, "  head {}", verdict.head);
    out
}
