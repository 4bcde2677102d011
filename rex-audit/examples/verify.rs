//! A measurement of the time and the peak memory that it takes to verify a journal.
//!
//! `cargo run --release -p rex-audit --example verify -- journal.jsonl`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it is a program that reads a file, and says what it found"
)]

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;
use std::time::Instant;

use rex_audit::Verifier;

fn main() -> ExitCode {
    let start = Instant::now();
    let mut verifier = Verifier::new();
    for name in std::env::args().skip(1) {
        let file = File::open(&name).map(|file| BufReader::with_capacity(256 << 10, file));
        if let Err(error) = file.and_then(|file| verifier.file(&name, file)) {
            eprintln!("`{name}` cannot be read: {error}");
            return ExitCode::from(2);
        }
    }
    let verdict = verifier.finish();
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    let state = if verdict.is_intact() { "intact" } else { "changed" };
    println!("{state}: {} lines in {:?}, at most {most}", verdict.lines, start.elapsed());
    if verdict.is_intact() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
