use proptest::prelude::*;
use rex_audit::{
    Chain, JournalAddition, JournalFinding, JournalTail, JournalVerdict, LineHash, LineProblem, Mark, MarkWriter,
    PublicKey, SigningKey, Verifier,
};

const WRITER: MarkWriter<'static> = MarkWriter { run: "a", principal: "Agent::\"x\"" };

/// Writes the lines of runs that take turns: `turns` has the run of each line.
fn journal(turns: &[usize]) -> Vec<String> {
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    let mut written = [0; 3];
    for &turn in turns {
        written[turn] += 1;
        let event = if written[turn] == 1 { "start" } else { "decision" };
        addition.line(&record(["a", "b", "c"][turn], written[turn], event)).unwrap();
    }
    lines(&addition.bytes)
}

fn record(run: &str, sequence: u64, event: &str) -> Vec<u8> {
    format!(
        "{{\"time\":\"t\",\"run\":\"{run}\",\"sequence\":{sequence},\"event\":\"{event}\",\"x\":\"{}\"}}",
        sequence * 7
    )
    .into_bytes()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

fn text(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

fn verify(files: &[&[u8]]) -> JournalVerdict {
    let mut verifier = Verifier::new();
    for (number, bytes) in files.iter().enumerate() {
        verifier.file(&number.to_string(), *bytes).unwrap();
    }
    verifier.finish()
}

/// Returns the findings, as `line kind`.
fn found(verdict: &JournalVerdict) -> Vec<String> {
    let told = |finding: &JournalFinding| format!("{} {}", finding.place.line, finding.what.kind());
    verdict.findings.iter().map(told).collect()
}

#[track_caller]
fn check(change: impl FnOnce(&mut Vec<String>), expected: &[&str]) -> JournalVerdict {
    let mut lines = journal(&[0, 1, 0, 0, 1, 1, 0]);
    change(&mut lines);
    let verdict = verify(&[&text(&lines)]);
    assert_eq!(found(&verdict), expected, "{verdict:#?}");
    verdict
}

#[test]
fn what_was_written_is_intact() {
    let verdict = check(|_| (), &[]);
    assert_eq!((verdict.lines, verdict.runs, verdict.unended), (7, 2, 2));
    assert_eq!(verdict.first_unended, ["b", "a"]);
    assert!(verify(&[b""]).is_intact());
}

#[test]
fn each_change_is_told_with_its_place() {
    let edited = check(|lines| lines[2] = lines[2].replace("\"14\"", "\"15\""), &["3 edited"]);
    assert_eq!((edited.findings[0].run.as_deref(), edited.findings[0].sequence), (Some("a"), Some(2)));
    let mut removed = check(|lines| drop(lines.remove(2)), &["3 removed"]);
    assert_eq!(removed.findings.remove(0).sequence, Some(3));
    // The next line is of another run: the gap shows later.
    check(|lines| drop(lines.remove(3)), &["3 edited", "6 gap"]);
    check(|lines| drop(lines.drain(1..3)), &["2 removed", "3 gap"]);
    check(|lines| drop(lines.remove(0)), &["1 removed", "2 gap"]);
    check(|lines| lines.insert(3, lines[2].clone()), &["4 inserted"]);
    check(|lines| drop(lines.splice(3..3, [lines[0].clone(), lines[1].clone()])), &["4 inserted"]);
    check(|lines| lines.swap(2, 3), &["3 moved"]);
    let mut rotated = journal(&[0, 1, 0]);
    rotated.rotate_left(1);
    assert_eq!(found(&verify(&[&text(&rotated)]))[0], "1 moved");
    // The lines between lost their neighbors, too.
    check(|lines| lines.swap(1, 5), &["2 moved", "3 moved", "5 gap"]);
    check(|lines| lines.insert(4, "{}".to_owned()), &["5 unreadable"]);
    check(|lines| lines.insert(4, String::new()), &["5 unreadable"]);
    check(|lines| lines[4] = lines[4].replace("\"sequence\"", "sequence"), &["5 unreadable"]);
    check(|lines| lines[4].truncate(20), &["5 unreadable"]);
}

#[test]
fn how_much_was_changed_is_told() {
    let inserted = |change: &dyn Fn(&mut Vec<String>), expected: &[&str]| -> Vec<u64> {
        let told = check(|lines| change(lines), expected).findings.into_iter();
        told.filter_map(|told| if let LineProblem::Inserted { lines } = told.what { Some(lines) } else { None })
            .collect()
    };
    // Copies of two adjacent lines, and of two lines that are apart.
    assert_eq!(inserted(&|lines| drop(lines.splice(3..3, [lines[0].clone(), lines[1].clone()])), &["4 inserted"]), [2]);
    let apart = |lines: &mut Vec<String>| {
        lines.insert(5, lines[0].clone());
        lines.insert(3, lines[1].clone());
    };
    assert_eq!(inserted(&apart, &["4 inserted", "7 inserted"]), [1, 1]);
    // Lines of a made-up run, linked to the third line.
    let forged = |lines: &mut Vec<String>| {
        let (mut chain, mut out) = (Chain::after(LineHash::of(lines[2].as_bytes())), Vec::new());
        for (sequence, event) in [(1, "start"), (2, "decision"), (3, "end")] {
            chain.link(&record("z", sequence, event), &mut out).unwrap();
        }
        drop(lines.splice(3..3, self::lines(&out)));
    };
    assert_eq!(inserted(&forged, &["4 inserted"]), [3]);
    let moved = check(|lines| lines.swap(2, 3), &["3 moved"]);
    assert!(matches!(&moved.findings[0].what, LineProblem::Moved { after } if after.line == 4), "{moved:#?}");
}

/// Adds lines that fit the chain, as anyone who can append to the file can, and that no run of Rex writes.
#[test]
fn a_run_that_rex_cannot_have_written_is_told() {
    let added = |more: &[(&str, u64, &str)]| {
        let mut lines = journal(&[0, 1, 0]);
        let (mut chain, mut out) = (Chain::after(LineHash::of(lines[2].as_bytes())), Vec::new());
        for &(run, sequence, event) in more {
            chain.link(&record(run, sequence, event), &mut out).unwrap();
        }
        lines.extend(self::lines(&out));
        found(&verify(&[&text(&lines)]))
    };
    assert_eq!(added(&[("a", 3, "end"), ("z", 1, "start"), ("z", 2, "end")]), [""; 0]);
    assert_eq!(added(&[("z", 1, "decision"), ("z", 2, "end")]), ["4 unstarted"]);
    assert_eq!(added(&[("z", 1, "end")]), ["4 unstarted"]);
    assert_eq!(added(&[("z", 2, "start")]), ["4 gap"]);
    assert_eq!(added(&[("a", 3, "end"), ("a", 4, "decision")]), ["5 after_end"]);
    assert_eq!(added(&[("a", 3, "end"), ("a", 1, "decision")]), ["5 after_end"]);
    assert_eq!(added(&[("a", 3, "end"), ("a", 4, "end")]), ["5 after_end"]);
    assert_eq!(added(&[("a", 3, "note")]), ["4 unknown"]);
    assert_eq!(added(&[("", 0, "approved")]), ["4 unknown"]);
}

/// Checks that findings are bounded, and that the others are counted.
#[test]
fn no_journal_makes_a_verdict_without_end() {
    let mut torn = Vec::new();
    for _ in 0..120 {
        torn.extend(b"{\"time");
        after(&mut torn, 1);
    }
    let verdict = verify(&[&torn]);
    assert_eq!((verdict.torn.len(), verdict.more_torn), (100, 20));
    let written = journal(&[0; 600]);
    let broken: Vec<_> =
        written.iter().enumerate().filter(|(at, _)| at % 4 != 1).map(|(_, line)| line.clone()).collect();
    let verdict = verify(&[&text(&broken)]);
    assert_eq!((verdict.findings.len(), verdict.more), (100, 50));
    assert_eq!(verdict.head, LineHash::of(written[599].as_bytes()));
}

#[test]
fn what_is_no_journal_is_told() {
    assert_eq!(found(&verify(&[b"garbage\n"])), ["1 unreadable"]);
    let long = "x".repeat(9 << 20);
    let mut verifier = Verifier::new();
    assert!(verifier.file("j", long.as_bytes()).is_err(), "it is not a journal");
    // It is longer than any record, so it is not an unfinished one.
    for end in ["", "\n"] {
        assert_eq!(found(&verify(&[format!("{{{long}{end}").as_bytes()])), ["1 unreadable"], "{end:?}");
        check(|lines| lines.push(format!("{{{long}{end}")), &["8 unreadable"]);
    }
}

#[test]
fn a_line_that_is_too_long_does_not_hide_what_comes_after_it() {
    let long = "x".repeat(9 << 20);
    check(|lines| lines.insert(4, long.clone()), &["5 unreadable"]);
    check(
        |lines| {
            lines[5] = lines[5].replace("\"21\"", "\"22\"");
            lines.insert(4, long.clone());
        },
        &["5 unreadable", "7 edited"],
    );
}

#[test]
fn a_number_that_is_missing_is_told_though_the_chain_holds() {
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    for (run, sequence, event) in [("a", 1, "start"), ("a", 3, "decision"), ("a", 4, "end"), ("b", 2, "start")] {
        addition.line(&record(run, sequence, event)).unwrap();
    }
    let verdict = verify(&[&addition.bytes]);
    assert_eq!(found(&verdict), ["2 gap", "4 gap"]);
    assert_eq!((verdict.runs, verdict.unended), (2, 1));
}

/// Checks that numbers start at 1 in a run, and that an unknown event is found whatever its number.
#[test]
fn no_line_of_a_run_has_the_number_0() {
    for (event, expected) in [
        ("start", &["2 gap"][..]),
        ("decision", &["2 gap"]),
        ("outcome", &["2 gap"]),
        ("end", &["2 gap"]),
        ("note", &["2 unknown"]),
    ] {
        let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
        for (sequence, event) in [(1, "start"), (0, event)] {
            addition.line(&record("a", sequence, event)).unwrap();
        }
        assert_eq!(found(&verify(&[&addition.bytes])), expected, "{event}");
    }
}

/// Appends a line after what a killed writer left behind.
fn after(bytes: &mut Vec<u8>, sequence: u64) {
    let tail = JournalTail::read(&mut std::io::Cursor::new(&*bytes)).unwrap();
    let mut addition = JournalAddition::after(tail, WRITER);
    addition.line(&record("d", sequence, if sequence == 1 { "start" } else { "decision" })).unwrap();
    bytes.extend(&addition.bytes);
    assert_eq!(JournalTail::read(&mut std::io::Cursor::new(&*bytes)).unwrap(), addition.tail);
}

#[test]
fn what_a_killed_writer_left_spoils_nothing() {
    let whole = text(&journal(&[0, 0, 0]));
    for cut in 0..=whole.len() {
        let mut bytes = whole[..cut].to_vec();
        let torn = usize::from(!bytes.is_empty() && ![b'\n', b'}'].contains(&bytes[cut - 1]));
        let verdict = verify(&[&bytes]);
        assert_eq!((found(&verdict), verdict.torn.len()), (vec![], torn), "{cut}");
        after(&mut bytes, 1);
        let verdict = verify(&[&bytes]);
        assert_eq!((found(&verdict), verdict.torn.len()), (vec![], torn), "{cut}");
        // The writer of the mark is killed, too.
        let start = bytes.len();
        after(&mut bytes, 2);
        bytes.truncate(start + 30);
        after(&mut bytes, 2);
        let verdict = verify(&[&bytes]);
        assert_eq!((found(&verdict), verdict.torn.len()), (vec![], torn + 1), "{cut}");
    }
}

#[test]
fn a_piece_that_was_changed_is_no_unfinished_line() {
    let mut bytes = text(&journal(&[0, 0]));
    bytes.extend(b"{\"time");
    after(&mut bytes, 1);
    let lines = lines(&bytes);
    for (change, expected) in
        [(vec![0, 1, 3, 4], "3 misplaced"), (vec![0, 1, 2, 4], "3 unreadable"), (vec![0, 2, 1, 3, 4], "2 unreadable")]
    {
        let changed: Vec<_> = change.iter().map(|&line| lines[line].clone()).collect();
        assert_eq!(found(&verify(&[&text(&changed)]))[0], expected, "{change:?}");
    }
    let mut changed = lines;
    changed[2] = changed[2].replace("time", "tame");
    assert_eq!(found(&verify(&[&text(&changed)])), ["3 unreadable"]);
}

/// Checks that a mark excuses nothing but the start of a line: the next run marks whatever it finds at the end.
#[test]
fn whole_lines_are_no_unfinished_ones() {
    let made_up = String::from_utf8(record("z", 1, "start")).unwrap();
    for (piece, expected) in [
        ("{\"time\":\"2026".to_owned(), ""),
        ("{\"time\":\"2026\0\0\0".to_owned(), ""),
        ("{".to_owned(), ""),
        (made_up.clone(), "3 unreadable"),
        (format!("{made_up}\n"), "3 unreadable"),
        (format!("{made_up}\n{made_up}\n{{\"ti"), "3 unreadable"),
        (format!("{{\"ti\n{made_up}"), "3 unreadable"),
        ("x\n".repeat(9), "3 unreadable"),
        ("xyz".to_owned(), "3 unreadable"),
    ] {
        let mut bytes = text(&journal(&[0, 0]));
        bytes.extend(piece.as_bytes());
        let before = verify(&[&bytes]);
        after(&mut bytes, 1);
        let verdict = verify(&[&bytes]);
        assert_eq!(found(&verdict).concat(), expected, "{piece}");
        assert_eq!(
            (before.is_intact(), verdict.torn.len()),
            (expected.is_empty(), usize::from(expected.is_empty())),
            "{piece}"
        );
    }
}

#[test]
fn an_unfinished_line_is_one_line_without_an_end() {
    check(|lines| lines.push("{\"ti".to_owned()), &["8 unreadable"]);
    let whole = text(&journal(&[0, 0]));
    let with = |end: &[u8]| verify(&[&[&whole[..], end].concat()]);
    assert!(with(b"{\"ti").is_intact());
    assert_eq!(found(&with(b"{\"ti\n{\"ti")), ["3 unreadable"]);
}

#[test]
fn a_journal_may_begin_with_a_checkpoint_and_not_in_its_middle() {
    let key = SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap();
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    addition.checkpoint(&key, WRITER);
    addition.line(&record("a", 1, "start")).unwrap();
    addition.checkpoint(&key, WRITER);
    assert!(verify(&[&addition.bytes]).is_intact());
    let cut = text(&lines(&addition.bytes)[2..]);
    assert_eq!(found(&verify(&[&cut])), ["1 removed"]);
}

#[test]
fn runs_that_end_together_may_be_signed_one_after_the_other() {
    let key = SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap();
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    addition.line(&record("first", 1, "start")).unwrap();
    addition.line(&record("first", 2, "end")).unwrap();
    addition.checkpoint(&key, MarkWriter { run: "first", ..WRITER });
    for (sequence, event) in [(1, "start"), (2, "end")] {
        for run in ["a", "b", "c"] {
            addition.line(&record(run, sequence, event)).unwrap();
        }
    }
    for run in ["b", "a", "c"] {
        addition.checkpoint(&key, MarkWriter { run, ..WRITER });
    }
    let mut verifier = Verifier::new().with_keys(vec![key.public()]);
    verifier.file("j", &*addition.bytes).unwrap();
    assert_eq!(found(&verifier.finish()), [""; 0]);
}

#[test]
fn files_go_on_where_others_end() {
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    addition.line(&record("a", 1, "start")).unwrap();
    let mut next = JournalAddition::after(addition.tail, WRITER);
    next.mark(&Mark::Continued { file: "j.1".to_owned() }, WRITER);
    next.line(&record("a", 2, "end")).unwrap();
    let (one, two) = (&addition.bytes[..], &next.bytes[..]);
    let both = verify(&[one, two]);
    assert!(both.is_intact());
    assert_eq!((both.files, both.lines, both.runs, both.unended, both.unsigned), (2, 3, 1, 0, 3));
    assert_eq!((both.head, both.continues), (next.tail.head, None));
    // A file that names another one must also be linked to it.
    let mut other = JournalAddition::after(JournalTail::EMPTY, WRITER);
    other.line(&record("b", 1, "start")).unwrap();
    assert_eq!(found(&verify(&[&other.bytes, two]))[0], "1 not_continued");
    let alone = verify(&[two]);
    assert!(alone.is_intact());
    assert_eq!(alone.continues.as_deref(), Some("j.1"));
    assert_eq!(found(&verify(&[two, one])), ["1 not_continued"]);
    assert_eq!(found(&verify(&[one, one]))[0], "1 not_continued");
    let cut = text(&lines(two)[1..]);
    assert_eq!(found(&verify(&[&cut]))[0], "1 removed");
    assert_eq!(found(&verify(&[one, &cut]))[0], "1 not_continued");
    let longer = [one, two].concat();
    assert_eq!(found(&verify(&[&longer])), ["2 misplaced"]);
}

#[test]
fn what_is_signed_is_told_and_nobody_else_signs() {
    let [key, other] = [(); 2].map(|()| SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap());
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    addition.line(&record("a", 1, "start")).unwrap();
    addition.checkpoint(&key, WRITER);
    addition.line(&record("a", 2, "end")).unwrap();
    let verify = |bytes: &[u8], keys: Vec<PublicKey>| {
        let mut verifier = Verifier::new().with_keys(keys);
        verifier.file("j", bytes).unwrap();
        verifier.finish()
    };
    let verdict = verify(&addition.bytes, vec![other.public(), key.public()]);
    assert_eq!(found(&verdict), ["3 unsigned_run"]);
    assert_eq!((verdict.signed.unwrap().line, verdict.unsigned, verdict.checkpoints), (2, 1, 1));
    assert_eq!(found(&verify(&addition.bytes, vec![other.public()])), ["3 unsigned"]);
    assert_eq!(found(&verify(b"", vec![other.public()])), ["0 unsigned"]);
    // A rewrite of everything, without the key: the old signature is of another head.
    let mut anew = JournalAddition::after(JournalTail::EMPTY, WRITER);
    anew.line(&record("b", 1, "start")).unwrap();
    let signed = &lines(&addition.bytes)[1];
    anew.line(format!("{}}}", signed.split_once(",\"prev\"").unwrap().0).as_bytes()).unwrap();
    assert_eq!(found(&verify(&anew.bytes, vec![])), [""; 0]);
    assert_eq!(found(&verify(&anew.bytes, vec![key.public()])), ["2 forged", "2 unsigned"]);
}

#[test]
fn a_run_that_nobody_signed_is_told_though_a_later_one_is_signed() {
    let key = SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap();
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    let mut run = |name: &'static str, signed: bool| {
        for (sequence, event) in [(1, "start"), (2, "decision"), (3, "end")] {
            addition.line(&record(name, sequence, event)).unwrap();
        }
        if signed {
            addition.checkpoint(&key, MarkWriter { run: name, ..WRITER });
        }
        addition.bytes.clone()
    };
    // Runs before the first signature are not reported: there was no key yet.
    run("old", false);
    run("a", true);
    run("forged", false);
    let bytes = run("b", true);
    let mut verifier = Verifier::new().with_keys(vec![key.public()]);
    verifier.file("j", &*bytes).unwrap();
    let verdict = verifier.finish();
    assert_eq!(found(&verdict), ["10 unsigned_run"]);
    assert_eq!((verdict.findings[0].run.as_deref(), verdict.signed.unwrap().line), (Some("forged"), 14));
    // Without a key, signatures are not checked.
    assert!(verify(&[&bytes]).is_intact());
}

#[test]
fn a_run_that_is_there_twice_is_told() {
    let mut addition = JournalAddition::after(JournalTail::EMPTY, WRITER);
    for run in ["a", "b", "a"] {
        for (sequence, event) in [(1, "start"), (2, "decision"), (3, "end")] {
            addition.line(&record(run, sequence, event)).unwrap();
        }
    }
    let verdict = verify(&[&addition.bytes]);
    assert_eq!((found(&verdict), verdict.findings[0].run.as_deref()), (vec!["7 repeated".to_owned()], Some("a")));
}

#[test]
fn a_line_that_is_known_from_elsewhere_must_be_there() {
    let lines = journal(&[0, 1, 0]);
    let look = |lines: &[String], hash| {
        let mut verifier = Verifier::new().expecting(hash);
        verifier.file("j", &*text(lines)).unwrap();
        found(&verifier.finish())
    };
    let head = LineHash::of(lines[2].as_bytes());
    assert_eq!(look(&lines, head), [""; 0]);
    assert_eq!(look(&lines[..2], head), ["2 missing"], "the tail was cut");
}

#[test]
fn what_has_no_lines_is_refused_within_bounds() {
    let mut verifier = Verifier::new();
    assert!(verifier.file("zero", std::io::BufReader::new(std::io::repeat(0))).is_err());
}

#[derive(Debug, Clone)]
enum Change {
    Edit(prop::sample::Index, u8),
    Remove,
    Copy(prop::sample::Index),
    Swap(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<prop::sample::Index>(), 0x20..0x7f_u8).prop_map(|(at, byte)| Change::Edit(at, byte)),
        Just(Change::Remove),
        any::<prop::sample::Index>().prop_map(Change::Copy),
        any::<prop::sample::Index>().prop_map(Change::Swap),
    ]
}

proptest! {
    /// Checks that every change to a line other than the last one is found, and that nothing is found without a change.
    #[test]
    fn no_change_goes_unseen(turns in prop::collection::vec(0..3_usize, 3..60), at: prop::sample::Index, change in change()) {
        let written = journal(&turns);
        prop_assert!(verify(&[&text(&written)]).is_intact());
        let (mut lines, at) = (written.clone(), at.index(written.len() - 1));
        match change {
            Change::Edit(byte, to) => {
                let byte = byte.index(lines[at].len());
                lines[at].replace_range(byte..=byte, &char::from(to).to_string());
            }
            Change::Remove => drop(lines.remove(at)),
            Change::Copy(to) => lines.insert(to.index(written.len()), written[at].clone()),
            Change::Swap(with) => lines.swap(at, with.index(written.len() - 1)),
        }
        let verdict = verify(&[&text(&lines)]);
        prop_assert_eq!(verdict.is_intact(), lines == written, "{:#?}", verdict);
        // The first finding is at the first change, or at the line after it.
        if let Some(first) = verdict.findings.iter().map(|finding| finding.place.line).min() {
            let changed = lines.iter().zip(&written).position(|(is, was)| is != was).unwrap_or(written.len()) as u64 + 1;
            prop_assert!(changed.abs_diff(first) <= 1, "changed {}, told {}: {:#?}", changed, first, verdict);
        }
    }
}

/// Checks that a line without a chain is not taken for an unfinished one, since readers of entries ignore the chain.
#[test]
fn entries_without_a_chain_are_no_torn_line() {
    let forged = r#"{"time":"2026-11-25T03:00:00Z","run":"r","sequence":1,"principal":"Agent::\"a\"","operation":"","line":null,"event":"start"}"#;
    for (text, intact) in [
        (forged.trim_end_matches('}').to_owned(), true),
        (forged.to_owned(), false),
        (format!("{forged}\n{forged}"), false),
        (format!("{forged}\n"), false),
        (format!("{forged}\n{{"), false),
    ] {
        let mut verifier = rex_audit::Verifier::new();
        verifier.file("j", text.as_bytes()).unwrap();
        let verdict = verifier.finish();
        assert_eq!((verdict.is_intact(), verdict.torn.len()), (intact, usize::from(intact)), "{text}");
    }
}
