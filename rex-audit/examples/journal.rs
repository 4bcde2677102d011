//! A generator of sample journals: writes N lines (1000 by default) as `rex run` would, to standard output.
//!
//! `cargo run --release -p rex-audit --example journal -- 1000000 > journal.jsonl`; with `linked` after the number, the lines are
//! chained.
#![expect(clippy::print_stderr, reason = "it says what it takes")]

use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rex_audit::{Chain, LineHash};
use rex_core::action::{Action, ActionSpec, fs, service};
use rex_core::journal::Event;
use rex_core::{Call, Code, Effect, Record, Timestamp, Value};

/// Number of calls in each run.
const CALLS: u64 = 40;

fn main() -> ExitCode {
    let lines = match std::env::args().nth(1).map(|count| count.parse()) {
        None => 1_000,
        Some(Ok(lines)) => lines,
        Some(Err(error)) => {
            eprintln!("usage: journal [LINES]: {error}");
            return ExitCode::from(2);
        }
    };
    let chain = std::env::args().nth(2).is_some_and(|word| word == "linked").then(|| Chain::after(LineHash::NONE));
    match write(lines, chain, BufWriter::new(std::io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("standard output cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(lines: u64, mut chain: Option<Chain>, mut out: impl Write) -> std::io::Result<()> {
    let mut made = Made { state: 0x9e37_79b9_7f4a_7c15, micros: 1_795_392_000_000_000 };
    let mut left = lines;
    for run in 0.. {
        for record in made.run(run) {
            if left == 0 {
                return out.flush();
            }
            let mut line = serde_json::to_vec(&record)?;
            if let Some(chain) = &mut chain {
                let body = std::mem::take(&mut line);
                chain.link(&body, &mut line).map_err(std::io::Error::other)?;
            } else {
                line.push(b'\n');
            }
            out.write_all(&line)?;
            left -= 1;
        }
    }
    Ok(())
}

/// A deterministic source of numbers, and the current time in the journal.
struct Made {
    state: u64,
    micros: i64,
}

impl Made {
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % end.max(1)
    }

    fn run(&mut self, number: u64) -> Vec<Record> {
        // The first digits differ as much as those of a random id.
        let run = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let run: Arc<str> = format!("{run:016x}{:016x}", self.below(u64::MAX)).into();
        let principal: Arc<str> = format!("Agent::\"agent-{}\"", self.below(12)).into();
        let mut records = Vec::new();
        let mut add = |time: i64, call: Call, event: Event| {
            let sequence = records.len() as u64 + 1;
            let time = Timestamp::from_micros(time);
            records.push(Record { time, run: run.clone(), sequence, principal: principal.clone(), call, event });
        };
        let nothing = Call { operation: "", line: None };
        let script = format!("{:04x}", 0x1f3b * (1 + self.below(50)) % 0xffff).repeat(16);
        let policy = Some("ab".repeat(32).into());
        add(self.micros, nothing, Event::Start { script, tags: vec![format!("ticket=OPS-{number}")], policy });
        let began = self.micros;
        for line in 1..=CALLS {
            let denied = self.below(50) == 0;
            let (operation, action) = self.called();
            let call = Call { operation, line: u32::try_from(line).ok() };
            self.micros += i64::try_from(self.below(200_000)).unwrap_or(0);
            add(self.micros, call, self.decided(action, denied));
            let spread = 1 << self.below(18);
            let duration = 20 + self.below(spread);
            self.micros += i64::try_from(duration).unwrap_or(0);
            let result = denied.then_some(Code::AccessDenied);
            add(
                self.micros,
                call,
                Event::Outcome { result, bytes: self.below(9_000), duration: Duration::from_micros(duration) },
            );
        }
        let result = (self.below(9) == 0).then_some(Code::AccessDenied);
        let took = Duration::from_micros(u64::try_from(self.micros - began).unwrap_or(0));
        add(self.micros, nothing, Event::End { result, duration: took });
        records
    }

    fn called(&mut self) -> (&'static str, &'static ActionSpec) {
        match self.below(5) {
            0 => ("fs::read", fs::Read::SPEC),
            1 => ("fs::grep", fs::Read::SPEC),
            2 => ("fs::append", fs::Append::SPEC),
            3 => ("fs::stat", fs::Stat::SPEC),
            _ => ("service::restart", service::Restart::SPEC),
        }
    }

    fn decided(&mut self, action: &'static ActionSpec, denied: bool) -> Event {
        let resource = match action.namespace {
            "service" => format!("app-{}.service", self.below(20)),
            _ => format!("/var/log/app-{}/{}.log", self.below(40), self.below(2_000)),
        };
        let context = if action.name == "append" { vec![("bytes", Value::Int(80))] } else { Vec::new() };
        let (policies, reason): (Arc<[Arc<str>]>, _) = match (denied, self.below(4)) {
            (false, _) => (["logs".into()].into(), None),
            (true, 0) => ([].into(), None),
            (true, n) => ([format!("no-{n}").into()].into(), Some("configuration changes go through review".into())),
        };
        let effect = if denied { Effect::Deny } else { Effect::Allow };
        Event::Decision { action, resource, attributes: Vec::new(), context, effect, policies, reason }
    }
}
