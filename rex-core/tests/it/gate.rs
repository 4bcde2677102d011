use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::expect;
use rex_core::action::fs;
use rex_core::{
    AbsPath, Authorize, Bond, Call, Code, Decision, DeniedCall, Effect, Error, Journal, JournalError, JsonLines,
    Limits, MemoryJournal, Principal, Record, Request, Run, Subject, Timestamp,
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
    let call = Call { operation: "fs::append", line: Some(3) };
    let gate = run.gate(call);
    let grant = gate.permit(fs::Append { bytes: 7 }, path()).unwrap();
    assert_eq!((gate.call(), grant.action(), grant.resource()), (call, &fs::Append { bytes: 7 }, &path()));
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

/// Within a call there is advice on all of the call, when it ends: none is made of each request.
#[test]
fn a_denial_within_a_call_is_quick() {
    let run = run(Effect::Deny, Arc::new(MemoryJournal::new(9)));
    let gate = run.gate(Call { operation: "fs::find", line: None });
    assert_eq!(gate.permit(fs::Read {}, path()).unwrap_err().help, None);
    assert_eq!(run.take_denials().len(), 1);
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

/// A policy that permits everything, with this `@allow`.
struct Lets(Option<&'static str>);

impl Authorize for Lets {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision { allows: self.0.map(Arc::from), ..Decision::allow(&["all"]) }
    }
}

#[test]
fn a_grant_allows_whole_words_alone() {
    let grant = |words| {
        let subject = Subject::new(Principal::agent("triage"));
        let journal = Arc::new(MemoryJournal::new(9));
        let run = Run::new("run-1", subject, Arc::new(Lets(words)), journal, Limits::default());
        run.gate(Call::default()).permit(fs::Read {}, path()).unwrap()
    };
    let two = grant(Some("a-shell-x  interpreter"));
    for word in ["a-shell-x", "interpreter"] {
        assert!(two.allows(word), "{word}");
    }
    for word in ["", " ", "shell", "a-shell", "shell-x", "a-shell-x  interpreter", "interpreters", "Interpreter"] {
        assert!(!two.allows(word), "{word:?}");
    }
    for none in [None, Some(""), Some(" ")] {
        assert!(!grant(none).allows("") && !grant(none).allows("a"), "{none:?}");
    }
}

#[test]
fn a_run_records_its_begin_and_its_end() {
    let lines = Shared::default();
    let mut subject = Subject::new(Principal::user("ada"));
    (subject.script, subject.tags) = ("abc".to_owned(), vec!["ticket=7".to_owned()]);
    let journal = Arc::new(JsonLines::new(lines.clone()));
    let run = Run::new("run-2", subject.clone(), Arc::new(Only(Effect::Allow)), journal, Limits::default())
        .with_clock(Arc::new(|| Timestamp::from_micros(0)));
    run.begin().unwrap();
    run.end(Some(Code::Cancelled), Duration::from_micros(7)).unwrap();
    expect![[r#"
        {"time":"1970-01-01T00:00:00Z","run":"run-2","sequence":1,"principal":"User::\"ada\"","operation":"","line":null,"event":"start","script":"abc","tags":["ticket=7"],"policy":null}
        {"time":"1970-01-01T00:00:00Z","run":"run-2","sequence":2,"principal":"User::\"ada\"","operation":"","line":null,"event":"end","result":"CANCELLED_EXCEPTION","duration_us":7}
    "#]]
    .assert_eq(&String::from_utf8(lines.0.lock().unwrap().clone()).unwrap());
    assert_eq!((&**run.id(), run.subject(), run.now()), ("run-2", &subject, Timestamp::from_micros(0)));
}

#[test]
fn a_run_that_cannot_be_recorded_does_not_begin() {
    let run = run(Effect::Allow, Arc::new(Full(Mutex::new(0))));
    for recorded in [run.begin(), run.end(None, Duration::ZERO)] {
        assert_eq!(recorded.unwrap_err().code, Code::JournalFailed);
    }
    assert!(run.gate(Call::default()).permit(fs::Read {}, path()).is_err());
}

#[test]
fn a_run_is_held_to_its_limits_and_told_to_stop() {
    static LIVE: AtomicI64 = AtomicI64::new(11);
    let run = || {
        let limits = Limits { memory_bytes: 10, ..Limits::default() };
        let subject = Subject::new(Principal::agent("triage"));
        Run::new("run-1", subject, Arc::new(Only(Effect::Allow)), Arc::new(MemoryJournal::new(9)), limits)
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = run().with_cancel(stop.clone());
    stopped.budget().check().unwrap();
    stop.store(true, Ordering::Relaxed);
    assert_eq!(stopped.budget().check().unwrap_err().code, Code::Cancelled);
    assert_eq!(run().with_memory(&LIVE).budget().check().unwrap_err().code, Code::LimitExceeded);
    assert_eq!((run().limits().memory_bytes, run().bond().is_none()), (10, true));
}

#[test]
fn the_first_denied_requests_of_a_call_are_kept_until_they_are_taken() {
    let run = run(Effect::Deny, Arc::new(MemoryJournal::new(9)));
    for number in 0..70 {
        let file = AbsPath::parse(&format!("/{number}")).unwrap();
        assert!(run.gate(Call::default()).permit(fs::Read {}, file).is_err());
    }
    assert_eq!((run.decisions(), run.denied()), (70, 70));
    let kept = run.take_denials();
    let kept: Vec<_> = kept.iter().map(|need| need.resource().id()).collect();
    assert_eq!((kept.len(), kept[0], kept[63]), (64, "/0", "/63"));
    assert!(run.take_denials().is_empty());
    drop(run.gate(Call::default()).permit(fs::Read {}, path()));
    assert_eq!(run.take_denials().len(), 1);
}

/// A journal that counts how often it was told to pass on what it holds back.
#[derive(Default)]
struct HoldingJournal(AtomicI64);

impl Journal for HoldingJournal {
    fn write(&self, _: Record) -> Result<(), JournalError> {
        Ok(())
    }
    fn settle(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_run_makes_its_journal_pass_on_what_it_holds_back() {
    let journal = Arc::new(HoldingJournal::default());
    let run = run(Effect::Allow, journal.clone());
    run.settle();
    assert_eq!(journal.0.load(Ordering::Relaxed), 1);
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
    for number in 1..=3 {
        assert_eq!(run.gate(Call::default()).permit(fs::Stat {}, path()).unwrap().sequence(), number);
    }
    let (kept, dropped) = some.take();
    assert_eq!((kept.len(), dropped), (2, 1));
    assert_eq!(all.take().0.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2, 3]);
}

/// A policy whose remedy repeats its input and counts, and a promise of nothing.
#[derive(Default)]
struct Telling(AtomicI64);

impl Authorize for Telling {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision::deny(None)
    }
    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Some(format!("{count}: {} at {now}: {}", subject.principal, calls[0].operation))
    }
    fn bond(&self) -> Option<&dyn Bond> {
        Some(self)
    }
}

impl Bond for Telling {
    fn called(&self, _: &'static str, _: &str) {}
}

#[test]
fn a_run_hands_on_what_its_policy_says() {
    let subject = Subject::new(Principal::agent("triage"));
    let run =
        Run::new("run-1", subject, Arc::new(Telling::default()), Arc::new(MemoryJournal::new(9)), Limits::default())
            .with_clock(Arc::new(|| Timestamp::from_micros(0)));
    let remedies = |key: u16, operation| {
        let (key, mut digest) = (key.to_le_bytes(), [0; 32]);
        digest[..2].copy_from_slice(&key);
        run.remedies(digest, || DeniedCall { operation, denied: Vec::new(), needs: Vec::new() }).unwrap()
    };
    assert_eq!(remedies(0, "fs::read"), "1: Agent::\"triage\" at 1970-01-01T00:00:00Z: fs::read");
    assert_eq!(remedies(0, "fs::read"), remedies(0, "fs::read"));
    assert_eq!(remedies(1, "fs::list"), "2: Agent::\"triage\" at 1970-01-01T00:00:00Z: fs::list");
    // Of many, the first is forgotten, and asked for again.
    for key in 2..300 {
        remedies(key, "fs::list");
    }
    assert!(remedies(0, "fs::read").starts_with("301: "));
    // And those that came since are still remembered.
    assert!(remedies(299, "fs::list").starts_with("300: "));
    let bond = run.bond().unwrap();
    assert_eq!((bond.writes("/x", ""), bond.left()), (Ok(()), None));
}

#[test]
fn principals_have_one_spelling() {
    assert_eq!(Principal::parse(r#" Agent::"triage" "#).unwrap(), Principal::agent("triage"));
    assert_eq!((Principal::agent("triage").kind(), Principal::agent("triage").id()), ("Agent", "triage"));
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
    // Without its quotes, a principal may be ambiguous, or invalid.
    for text in [
        "triage",
        "Agent::",
        "Agent::a\"b",
        "Agent::\"a",
        "Agent::a::b",
        "Agent::'a'",
        "Agent::'a",
        "Agent::a'",
        "Agent:::a",
        "Agent:: a",
        "Agent::a\tb",
        "1::a",
        "Agent::a\\",
        "Agent:a",
        "Agent::a ",
    ] {
        let typed = Principal::typed(text);
        assert_eq!(typed.is_err(), text != "Agent::a ", "{text}");
    }
    let error = Principal::typed("tri\nage").unwrap_err();
    assert_eq!(error.to_string(), "`tri\\nage` is not a principal; one looks like `Agent::\"triage\"`");
    let help = |text: &str| Principal::typed(text).unwrap_err().help();
    assert_eq!(help("1::a"), r#"in a shell, put single quotes around it: 'Agent::"1::a"'"#);
    assert_eq!(help("Agent::"), help("triage"));
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
                // The spelling of older journals.
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
