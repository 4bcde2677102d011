use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::expect;
use rex_core::action::fs;
use rex_core::{
    AbsPath, Authorize, Call, Code, Decision, Effect, Error, Journal, JournalError, JsonLines, Limits, MemoryJournal,
    Principal, Record, Request, Run, Subject, Timestamp,
};

struct Only(Effect);

impl Authorize for Only {
    fn decide(&self, _: &Request<'_>) -> Decision {
        match self.0 {
            Effect::Allow => Decision::allow(&["all"]),
            Effect::Deny => Decision::deny(None),
        }
    }
    fn remedy(&self, request: &Request<'_>, _: &Decision) -> Option<String> {
        Some(format!("permit {} on {}", request.action.spec(), request.resource_uid()))
    }
}

fn run(effect: Effect, journal: Arc<dyn Journal>) -> Run {
    let subject = Subject::new(Principal::agent("triage"));
    Run::new("run-1", subject, Arc::new(Only(effect)), journal, Limits::default())
        .with_clock(Arc::new(|| Timestamp::from_micros(1_000_000)))
}

fn path() -> AbsPath {
    AbsPath::parse("/etc/hosts").unwrap()
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_journal_line_of_each_kind() {
    let lines = Shared::default();
    let run = run(Effect::Allow, Arc::new(JsonLines::new(lines.clone())));
    let gate = run.gate(Call { operation: "fs::append", line: Some(3) });
    drop(gate.permit(fs::Append { bytes: 7 }, path()).unwrap());
    gate.outcome(Some(Code::NotFound), 7, Duration::from_micros(12)).unwrap();
    gate.outcome(None, 0, Duration::ZERO).unwrap();
    expect![[r#"
        {"time":"1970-01-01T00:00:01Z","run":"run-1","sequence":1,"principal":"Agent::\"triage\"","operation":"fs::append","line":3,"event":"decision","action":"fs::append","resource":"/etc/hosts","context":{"bytes":7},"decision":"ALLOW","policies":["all"],"reason":null}
        {"time":"1970-01-01T00:00:01Z","run":"run-1","sequence":2,"principal":"Agent::\"triage\"","operation":"fs::append","line":3,"event":"outcome","result":"NOT_FOUND_EXCEPTION","bytes":7,"duration_us":12}
        {"time":"1970-01-01T00:00:01Z","run":"run-1","sequence":3,"principal":"Agent::\"triage\"","operation":"fs::append","line":3,"event":"outcome","result":"SUCCESS","bytes":0,"duration_us":0}
    "#]]
    .assert_eq(&String::from_utf8(lines.0.lock().unwrap().clone()).unwrap());
}

#[test]
fn a_denial_says_what_and_how_to_permit_it() {
    let run = run(Effect::Deny, Arc::new(MemoryJournal::new(9)));
    let denial = run.gate(Call::default()).permit(fs::Read {}, path()).unwrap_err();
    let error = Error::from(denial);
    assert_eq!(error.code, Code::AccessDenied);
    assert_eq!(error.message, "`fs::read` on `/etc/hosts` is denied: no permit matched");
    assert_eq!(error.help.as_deref(), Some(r#"permit fs::read on fs::Path::"/etc/hosts""#));
    assert_eq!((run.decisions(), run.denied()), (1, 1));
}

#[test]
fn limits_bind_at_the_gate() {
    let journal = Arc::new(MemoryJournal::new(9));
    let within = |limits| {
        let allows = Arc::new(Only(Effect::Allow));
        Run::new("run-1", Subject::new(Principal::agent("triage")), allows, journal.clone(), limits)
    };
    let refused = |run: &Run, limit: &str| {
        let error = Error::from(run.gate(Call::default()).permit(fs::Read {}, path()).unwrap_err());
        assert!(error.is_fatal() && error.message.contains(limit), "{error}");
    };
    let run = within(Limits { decisions: 1, ..Limits::default() });
    drop(run.gate(Call::default()).permit(fs::Read {}, path()).unwrap());
    refused(&run, "`decisions`");
    assert_eq!((run.decisions(), run.denied(), journal.take().0.len()), (1, 0, 1));
    refused(&within(Limits { wall_ms: 0, ..Limits::default() }), "`wall_ms`");
    refused(&within(Limits::default()).with_cancel(Arc::new(true.into())), "told to stop");
}

/// A journal whose disk is full after some records.
struct Full(Mutex<u64>);

impl Journal for Full {
    fn write(&self, _: Record) -> Result<(), JournalError> {
        let mut left = self.0.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| JournalError("no space left on device".into()))?;
        Ok(())
    }
}

#[test]
fn nothing_is_permitted_once_a_record_is_lost() {
    let run = run(Effect::Allow, Arc::new(Full(Mutex::new(1))));
    let gate = run.gate(Call::default());
    drop(gate.permit(fs::Read {}, path()).unwrap());
    for reason in ["no space left on device", "an earlier record was lost"] {
        let error = Error::from(gate.permit(fs::Read {}, path()).unwrap_err());
        assert_eq!(error.code, Code::JournalFailed);
        assert!(error.is_fatal() && error.message.ends_with(reason), "{error}");
    }
    assert_eq!(gate.outcome(None, 0, Duration::ZERO).unwrap_err().code, Code::JournalFailed);
}

#[test]
fn a_record_tells_the_time_that_was_decided_on() {
    let ticks = Arc::new(AtomicI64::new(0));
    let clock = Arc::new(move || Timestamp::from_micros(ticks.fetch_add(1, Ordering::Relaxed)));
    let journal = Arc::new(MemoryJournal::new(9));
    let run = run(Effect::Allow, journal.clone()).with_clock(clock);
    drop(run.gate(Call::default()).permit(fs::Stat {}, path()).unwrap());
    assert_eq!(journal.take().0.first().map(|record| record.time), Some(Timestamp::from_micros(0)));
    assert_eq!(run.now(), Timestamp::from_micros(1), "the clock was read once");
}

#[test]
fn a_memory_journal_counts_what_it_does_not_keep() {
    let all = Arc::new(MemoryJournal::new(9));
    let some = Arc::new(MemoryJournal::new(2).before(all.clone()));
    let run = run(Effect::Allow, some.clone());
    for _ in 0..3 {
        drop(run.gate(Call::default()).permit(fs::Stat {}, path()).unwrap());
    }
    let (kept, dropped) = some.take();
    assert_eq!((kept.len(), dropped), (2, 1));
    assert_eq!(all.take().0.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn principals_have_one_spelling() {
    assert_eq!(Principal::parse(r#" Agent::"triage" "#).unwrap(), Principal::agent("triage"));
    for text in ["", "Agent", "Agent::triage", r#"Agent::"a"b""#, r#"::"a""#, r#"1::"a""#, "Agent::\"a\nb\""] {
        assert!(Principal::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_principal_is_read_as_it_is_written() {
    for text in [r#"Agent::"o'brien""#, r#"Agent::"o\'brien""#, "Agent::o'brien", " Agent::\"o'brien\" "] {
        assert_eq!(Principal::typed(text).unwrap(), Principal::agent("o'brien"), "{text}");
    }
    assert_eq!(Principal::agent("o'brien").to_string(), r#"Agent::"o'brien""#);
    assert_eq!(Principal::typed("User::Ada Lovelace").unwrap(), Principal::user("Ada Lovelace"));
    // What a shell left of it can be more than one, or none.
    for text in [
        "triage",
        "Agent::",
        "Agent::a\"b",
        "Agent::\"a",
        "Agent::a::b",
        "Agent::'a'",
        "Agent::a\\",
        "Agent:a",
        "Agent::a ",
    ] {
        let typed = Principal::typed(text);
        assert_eq!(typed.is_err(), text != "Agent::a ", "{text}");
    }
    let help = |text: &str| Principal::typed(text).unwrap_err().help();
    assert_eq!(help("Agent::\"a"), r#"in a shell, put single quotes around it: 'Agent::"a"'"#);
    assert_eq!(help("'User::\"o'brien\"'"), r#"in a shell, put single quotes around it: 'User::"o'\''brien"'"#);
    assert_eq!(help("triage"), r#"in a shell, put single quotes around it: 'Agent::"triage"'"#);
}

proptest::proptest! {
    #[test]
    fn a_principal_is_the_same_after_display_and_parse(id in proptest::arbitrary::any::<String>(), more in "['\"\\\\:{}xun0-9a-f]{0,12}") {
        for id in [&id, &more, &format!("{id}{more}"), &format!("{more}\u{202e}\u{301}{id}")] {
            for principal in [Principal::agent(id), Principal::user(id)] {
                let text = principal.to_string();
                proptest::prop_assert_eq!(Principal::parse(&text).unwrap(), principal.clone());
                proptest::prop_assert_eq!(Principal::typed(&text).unwrap(), principal.clone());
                // As journals had it that were written before.
                let older = format!("{}::\"{}\"", principal.kind(), id.escape_debug());
                proptest::prop_assert_eq!(Principal::parse(&older).unwrap(), principal);
            }
        }
    }
}

#[test]
fn a_request_that_is_too_long_is_denied_and_its_record_is_short() {
    let text = |bytes: usize| "é".repeat(bytes / 2);
    for (target, denied) in [(text(1 << 19), false), (text(9 << 20), true)] {
        let journal = Arc::new(MemoryJournal::new(9));
        let run = run(Effect::Allow, journal.clone());
        let granted = run.gate(Call::default()).permit(fs::Symlink { target: target.clone() }, path());
        let line = serde_json::to_string(&journal.take().0[0]).unwrap();
        assert_eq!(granted.is_err(), denied);
        if let Err(denial) = granted {
            assert!(line.len() < 4096 && line.contains("9437184 bytes") && line.contains("DENY"), "{line:.3000}");
            let error = Error::from(denial);
            assert_eq!(error.code, Code::AccessDenied);
            assert!(error.message.contains("request_bytes"), "{}", error.message);
        } else {
            assert!(line.contains(&target));
        }
    }
}

#[test]
fn records_of_several_threads_are_in_the_order_of_their_numbers() {
    let lines = Shared::default();
    let run = run(Effect::Allow, Arc::new(JsonLines::new(lines.clone())));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    drop(run.gate(Call::default()).permit(fs::Read {}, path()).unwrap());
                }
            });
        }
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let numbers =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["sequence"].as_u64());
    assert!(numbers.eq((1..=2_000).map(Some)));
}
