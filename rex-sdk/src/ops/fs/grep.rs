//! `fs::grep`

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use grep_matcher::LineTerminator;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkMatch};
use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use super::EntryMap;
use super::lines::content;
use crate::readable::{ReadObservations, ReadableText};
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Maximum length of a pattern, in bytes. Parsing takes many times its size.
const PATTERN_BYTES: usize = rex_core::bounds::PATTERN_BYTES;
/// Maximum size of a compiled pattern, in bytes: the maximum cost of a byte of the file grows with it.
const COMPILED_BYTES: usize = 512 << 10;
/// Maximum size of the search cache for a pattern, in bytes.
const CACHE_BYTES: usize = 10 << 20;
/// Maximum length of a line, in bytes. One line is searched without checking the clock.
const LINE_BYTES: u64 = 1 << 20;
/// Size of a buffer beyond the lines in it, in bytes.
const SLACK: u64 = 128 << 10;
/// Maximum number of characters of a pattern in a message.
const SHOWN: usize = 200;

/// Finds the lines of a file that match a pattern.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::grep",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file."),
            Param::required("pattern", ParamKind::Text, "A regular expression in the syntax of Rust's `regex` crate.")
                .of(ParamForm::Pattern("fixed", false)),
            Param::option("fixed", ParamKind::Bool, Literal::Bool(false), "Take the pattern as plain text."),
            Param::option(
                "ignore_case",
                ParamKind::Bool,
                Literal::Bool(false),
                "Take upper and lower case as the same.",
            ),
            Param::option("invert", ParamKind::Bool, Literal::Bool(false), "Find the lines that do not match."),
            Param::option("count", ParamKind::Bool, Literal::Bool(false), "Count only: `matches` is `()`."),
            Param::option("before", ParamKind::Count, Literal::Int(0), "How many lines to show before each match."),
            Param::option("after", ParamKind::Count, Literal::Int(0), "How many lines to show after each match."),
            Param::option("max", ParamKind::Count, Literal::Null, "Stop after so many matches, without reading on."),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`count` of the matches; `matches`: a list of maps with `line` (its number, from 1), `text`, and with context lines the lists \
                  `before` and `after`; `complete`: false if not all was searched, and `why` then says so (it is `()` otherwise): `max` stopped it, the rest of a compressed file \
                  is damaged or missing, or of the lines whose numbers are in `cut`, which are too long, only the start was searched; `binary`: \
                  true if what was searched holds a NUL byte. A match with something that is not UTF-8, which is replaced in its texts, \
                  has `lossy: true`.",
        },
        doc: "Finds the lines of a file that match a pattern.\nA line stands in the result once: lines between two matches that are near each other come \
              `after` the first. A file that is not text is searched like any other, to its end. In one \
              that is compressed by gzip, Zstandard, xz or bzip2, what is in it is searched. UTF-16 with its byte order mark is searched as text, and a mark is no part of the first line.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/logs/app.log", "ERROR|WARN", {"max": 1}]"#,
            returns: r#"{"binary":false,"complete":false,"count":1,"cut":[],"matches":[{"line":3,"text":"2026-03-02T11:59:10Z WARN slow request path=/report ms=1840"}],"why":"`max` stopped it"}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let limits = session.limits();
    let lines = |name: &str| -> Result<usize, Error> {
        let count = args.count(name)?;
        if count > limits.entries {
            return Err(exceeded("entries", limits.entries, "lines of context"));
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    };
    let count_only = args.flag("count")?;
    let (before, after) = if count_only { (0, 0) } else { (lines("before")?, lines("after")?) };
    let line_bytes = limits.file_bytes.min(LINE_BYTES);
    let invert = args.flag("invert")?;
    // Lines before a match are held together with it.
    let held = line_bytes
        .saturating_mul(u64::try_from(before).unwrap_or(u64::MAX).saturating_add(2))
        .min(limits.file_bytes.max(line_bytes));
    let mut searcher = SearcherBuilder::new()
        .invert_match(invert)
        // A line that was cut cannot count as not matching: cut lines are known by their numbers.
        .line_number(!count_only || invert)
        .before_context(before)
        .after_context(after)
        // Detection would end the search at a NUL byte, and also drop the lines of the block before it.
        .binary_detection(BinaryDetection::none())
        // Other encodings were decoded before.
        .bom_sniffing(false)
        .line_terminator(LineTerminator::crlf())
        .heap_limit(usize::try_from(held.saturating_add(SLACK)).ok())
        .build();
    let seen = Rc::<RefCell<ReadObservations>>::default();
    let mut hits = GrepHits {
        count_only,
        max: args.count_option("max")?.unwrap_or(u64::MAX),
        entries: limits.entries,
        bytes: limits.file_bytes,
        context: before > 0 || after > 0,
        after,
        invert,
        seen: seen.clone(),
        ..GrepHits::default()
    };
    let mut file = session.open(args.path("path")?).map_err(|error| match error.code {
        Code::Unsupported => error.with_help("this searches one file; `fs::find` lists the files of a directory"),
        _ => error,
    })?;
    let matcher = matcher(args)?;
    file = file.expanded();
    let mut readable = ReadableText::new(&mut file, line_bytes, seen);
    if hits.max > 0
        && let Err(error) = searcher.search_reader(&matcher, &mut readable, &mut hits)
    {
        // Only these words of the searcher show that a line outgrew its buffer.
        return Err(match error.to_string().starts_with("configured allocation limit") {
            true => {
                let message = format!("the lines to show before a match take more than {held} bytes");
                Error::new(Code::LimitExceeded, message).with_help("show fewer with the option `before`")
            }
            false => file.error(error),
        });
    }
    Ok(hits.result())
}

/// Returns what is wrong with a pattern: the last line of the message, as the lines before it show the pattern.
pub(super) fn why(error: &dyn std::fmt::Display) -> String {
    let error = error.to_string();
    let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ").trim_end_matches('.');
    why.replacen("Compiled regex exceeds", "compiled, it exceeds the", 1)
}

/// Returns as much of a pattern as a message shows.
pub(super) fn shown(pattern: &str) -> String {
    pattern.chars().take(SHOWN).collect::<String>().escape_debug().to_string()
}

fn matcher(args: &Args) -> Result<RegexMatcher, Error> {
    let pattern = args.text("pattern")?;
    if pattern.len() > PATTERN_BYTES {
        return Err(Error::validation(format!("a pattern of {} bytes is longer than {PATTERN_BYTES}", pattern.len())));
    }
    RegexMatcherBuilder::new()
        .fixed_strings(args.flag("fixed")?)
        .case_insensitive(args.flag("ignore_case")?)
        .multi_line(true)
        .crlf(true)
        .size_limit(COMPILED_BYTES)
        .dfa_size_limit(CACHE_BYTES)
        .build(pattern)
        .map_err(|error| Error::validation(format!("`{}` is not a pattern: {}", shown(pattern), why(&error))))
}

/// The matches found so far.
#[derive(Default)]
struct GrepHits {
    count: u64,
    matches: Vec<EntryMap>,
    /// Lines before the next match.
    pending: Vec<GrepLine>,
    stopped: bool,
    held: u64,
    lines: u64,
    count_only: bool,
    context: bool,
    after: usize,
    invert: bool,
    /// Observations made while reading.
    seen: Rc<RefCell<ReadObservations>>,
    max: u64,
    entries: u64,
    bytes: u64,
}

/// The text of a line, and `true` if something in it was replaced.
type GrepLine = (Value, bool);

impl GrepHits {
    fn line(&mut self, line: &[u8]) -> io::Result<GrepLine> {
        self.lines += 1;
        if self.lines > self.entries {
            return Err(io::Error::other(exceeded("entries", self.entries, "lines")));
        }
        self.held += line.len() as u64;
        if self.held > self.bytes {
            return Err(io::Error::other(exceeded("file_bytes", self.bytes, "bytes of matches in memory")));
        }
        let text = String::from_utf8_lossy(content(line));
        let lossy = matches!(text, Cow::Owned(_));
        Ok((text.into_owned().into(), lossy))
    }

    /// Adds a line after the last match; returns `true` to continue.
    fn after_match(&mut self, line: &[u8]) -> io::Result<bool> {
        let (text, lossy) = self.line(line)?;
        let Some(entry) = self.matches.last_mut() else { return Ok(true) };
        if lossy {
            entry.insert("lossy".to_owned(), true.into());
        }
        let Some(Value::List(after)) = entry.get_mut("after") else { return Ok(true) };
        after.push(text);
        Ok(!self.stopped || after.len() < self.after)
    }

    fn result(self) -> Value {
        let seen = self.seen.take();
        let why = match (&*seen.cut, seen.damage) {
            _ if self.stopped || self.max == 0 => Some("`max` stopped it".to_owned()),
            (_, Some(damage)) => Some(damage),
            ([], None) => None,
            ([line, ..], None) => Some(format!("of line {line}, which is too long, only the start was searched")),
        };
        Value::map([
            ("count", Value::count(self.count)),
            (
                "matches",
                match self.count_only {
                    true => Value::Null,
                    false => Value::List(self.matches.into_iter().map(Value::Map).collect()),
                },
            ),
            ("complete", why.is_none().into()),
            ("why", why.into()),
            ("cut", Value::List(seen.cut.into_iter().map(Value::count).collect())),
            ("binary", seen.binary.into()),
        ])
    }
}

impl Sink for GrepHits {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        if self.stopped {
            // Another match, among the lines after the last requested match.
            return self.after_match(found.bytes());
        }
        if self.invert && found.line_number().is_some_and(|line| self.seen.borrow().cut.contains(&line)) {
            return Ok(true);
        }
        self.count += 1;
        self.stopped = self.count >= self.max;
        if self.count_only {
            return Ok(!self.stopped);
        }
        let (text, mut lossy) = self.line(found.bytes())?;
        let mut entry = EntryMap::from([
            ("line".to_owned(), found.line_number().map(Value::count).unwrap_or_default()),
            ("text".to_owned(), text),
        ]);
        if self.context {
            lossy |= self.pending.iter().any(|(_, lossy)| *lossy);
            let before = self.pending.drain(..).map(|(text, _)| text).collect();
            entry.insert("before".to_owned(), Value::List(before));
            entry.insert("after".to_owned(), Value::List(Vec::new()));
        }
        if lossy {
            entry.insert("lossy".to_owned(), true.into());
        }
        self.matches.push(entry);
        // Reading ends with the last match, or with the lines after it.
        Ok(!self.stopped || self.after > 0)
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        if *context.kind() == SinkContextKind::Before {
            let line = self.line(context.bytes())?;
            self.pending.push(line);
            return Ok(true);
        }
        self.after_match(context.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;
    use crate::compress::compress;
    use crate::expand::CompressionFormat;

    const LOG: &str = "one\ntwo ERROR\nthree\nfour error\nfive\nsix ERROR\nseven";

    #[track_caller]
    fn check(options: &str, expected: &str) {
        let world = World::new(MemOs::new().file("/log", LOG));
        assert_eq!(world.returns("fs::grep", &format!(r#"["/log", "ERROR", {options}]"#)), expected);
    }

    #[test]
    fn lines_around_a_match_stand_once() {
        check(
            r#"{"before": 1, "after": 2}"#,
            r#"{"binary":false,"complete":true,"count":2,"cut":[],"matches":[{"after":["three","four error"],"before":["one"],"line":2,"text":"two ERROR"},{"after":["seven"],"before":["five"],"line":6,"text":"six ERROR"}],"why":null}"#,
        );
    }

    #[test]
    fn inverted_counted_and_in_any_case() {
        check(r#"{"count": true}"#, r#"{"binary":false,"complete":true,"count":2,"cut":[],"matches":null,"why":null}"#);
        check(
            r#"{"ignore_case": true, "count": true}"#,
            r#"{"binary":false,"complete":true,"count":3,"cut":[],"matches":null,"why":null}"#,
        );
        check(
            r#"{"invert": true, "count": true}"#,
            r#"{"binary":false,"complete":true,"count":5,"cut":[],"matches":null,"why":null}"#,
        );
        check(
            r#"{"max": 0}"#,
            r#"{"binary":false,"complete":false,"count":0,"cut":[],"matches":[],"why":"`max` stopped it"}"#,
        );
    }

    #[test]
    fn after_the_last_wanted_match_nothing_is_read() {
        let large = format!("ERROR first\n{}", "quiet\n".repeat(1_000_000));
        let world = World::new(MemOs::new().file("/log", large));
        let value = world.call("fs::grep", r#"["/log", "ERROR", {"max": 1}]"#).unwrap();
        assert_eq!((value.get("count"), value.get("complete")), (Some(&Value::Int(1)), Some(&false.into())));
        assert!(world.run.budget().bytes_read() <= 1 << 17, "{}", world.run.budget().bytes_read());
    }

    #[test]
    fn plain_text_is_no_pattern_and_a_bad_pattern_is_named() {
        let world = World::new(MemOs::new().file("/f", "a.c\nabc\n"));
        let count = |args: &str| world.call("fs::grep", args).unwrap().get("count").cloned();
        assert_eq!(count(r#"["/f", "a.c"]"#), Some(Value::Int(2)));
        assert_eq!(count(r#"["/f", "a.c", {"fixed": true}]"#), Some(Value::Int(1)));
        let error = world.call("fs::grep", r#"["/f", "a("]"#).unwrap_err();
        assert_eq!(error.to_string(), "VALIDATION_EXCEPTION: `a(` is not a pattern: unclosed group");
    }

    #[test]
    fn what_is_not_text_is_searched_and_marked() {
        let world = World::new(MemOs::new().file("/f", b"caf\xe9 x\nnul\0 x\n"));
        assert_eq!(
            world.returns("fs::grep", r#"["/f", "x"]"#),
            r#"{"binary":true,"complete":true,"count":2,"cut":[],"matches":[{"line":1,"lossy":true,"text":"caf� x"},{"line":2,"text":"nul\u0000 x"}],"why":null}"#
        );
    }

    #[test]
    fn line_ends_of_both_kinds_are_ends() {
        let world = World::new(MemOs::new().file("/f", "\u{feff}foo\r\nfoo\n"));
        assert_eq!(world.call("fs::grep", r#"["/f", "foo$"]"#).unwrap().get("count"), Some(&Value::Int(2)));
        assert_eq!(world.call("fs::grep", r#"["/f", "^foo"]"#).unwrap().get("count"), Some(&Value::Int(2)));
    }

    #[test]
    fn lines_after_the_last_wanted_match_are_shown_though_they_match() {
        let world = World::new(MemOs::new().file("/f", "a1\nb\na2\nc\nd\n"));
        let value = world.returns("fs::grep", r#"["/f", "a", {"max": 1, "after": 3}]"#);
        assert!(value.contains(r#""after":["b","a2","c"]"#), "{value}");
    }

    #[test]
    fn patterns_and_context_are_bounded_and_nothing_is_compiled_for_a_denied_caller() {
        let large = format!(r#"["/f", "{}"]"#, "(a)".repeat(10_000));
        let text = MemOs::new().file("/f", format!("x\n{}", "\n".repeat(10_000)));
        assert_eq!(World::ruled(text, |_, _| false).fails("fs::grep", &large), Code::AccessDenied);
        let limits = rex_core::Limits { entries: 1_000, ..rex_core::Limits::default() };
        let text = MemOs::new().file("/f", format!("x\n{}x", "\n".repeat(3_000)));
        let world = World::limited(text, |_, _| true, limits);
        assert_eq!(world.fails("fs::grep", &large), Code::Validation);
        assert_eq!(world.fails("fs::grep", r#"["/f", "x", {"after": 1000}]"#), Code::LimitExceeded);
        assert_eq!(world.fails("fs::grep", r#"["/f", "(?:[a-z ]{1,60}){1,200}[A-Z]{3}"]"#), Code::Validation);
    }

    #[test]
    fn of_a_long_line_the_start_is_searched_and_the_others_are_searched_too() {
        let long = format!("one\n{}y\ntwo y\n{}\n", "x".repeat(3 << 20), "y".repeat((1 << 20) + 1));
        let limits = rex_core::Limits { file_bytes: 8 << 20, ..rex_core::Limits::default() };
        let os = MemOs::new().file("/f", long).file("/endless", vec![b'x'; 3 << 20]);
        let world = World::limited(os, |_, _| true, limits);
        let found = world.call("fs::grep", r#"["/f", "y", {"before": 1}]"#).unwrap();
        let told = |found: &Value| found.get("cut").map(ToString::to_string).unwrap_or_default();
        assert_eq!(
            (found.get("count"), found.get("complete"), &*told(&found)),
            (Some(&Value::Int(2)), Some(&false.into()), "[2,4]")
        );
        assert_eq!(found.get("why"), Some(&"of line 2, which is too long, only the start was searched".into()));
        // A line that was cut may or may not match.
        let found = world.call("fs::grep", r#"["/f", "y", {"invert": true, "count": true}]"#).unwrap();
        assert_eq!((found.get("count"), &*told(&found)), (Some(&Value::Int(1)), "[2,4]"));
        let found = world.call("fs::grep", r#"["/endless", "y"]"#).unwrap();
        assert_eq!((found.get("count"), &*told(&found)), (Some(&Value::Int(0)), "[1]"));
    }

    #[test]
    fn what_is_readable_is_searched_whatever_comes_after_it() {
        let log: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        let packed = compress(CompressionFormat::Gzip, log.as_bytes(), u64::MAX).unwrap();
        let padded = [&compress(CompressionFormat::Gzip, &b"one\n"[..], u64::MAX).unwrap()[..], &[0; 512]].concat();
        let os = MemOs::new()
            .file("/cut", &packed[..packed.len() / 2])
            .file("/padded", padded)
            .file("/f.lz4", b"\x04\x22\x4d\x18 one");
        let world = World::new(os);
        let found = world.call("fs::grep", r#"["/cut", "line 1000$"]"#).unwrap();
        assert_eq!((found.get("count"), found.get("complete")), (Some(&Value::Int(1)), Some(&false.into())));
        assert_eq!(found.get("why"), Some(&"the compressed data ends too early".into()));
        let found = world.call("fs::grep", r#"["/padded", "one"]"#).unwrap();
        assert_eq!((found.get("count"), found.get("complete")), (Some(&Value::Int(1)), Some(&true.into())));
        assert_eq!(world.fails("fs::grep", r#"["/f.lz4", "one"]"#), Code::Unsupported);
    }

    #[test]
    fn wide_text_is_text_and_what_is_none_is_marked() {
        let wide = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}line one\r\nERROR é\r\n".encode_utf16().flat_map(order).collect()
        };
        let os = MemOs::new()
            .file("/le", wide(u16::to_le_bytes))
            .file("/be", wide(u16::to_be_bytes))
            .file("/unmarked", &wide(u16::to_le_bytes)[2..]);
        let world = World::new(os);
        for path in ["/le", "/be"] {
            let found = world.returns("fs::grep", &format!(r#"["{path}", "^ERROR é$"]"#));
            assert_eq!(
                found,
                r#"{"binary":false,"complete":true,"count":1,"cut":[],"matches":[{"line":2,"text":"ERROR é"}],"why":null}"#
            );
        }
        let found = world.call("fs::grep", r#"["/unmarked", "ERROR"]"#).unwrap();
        assert_eq!((found.get("count"), found.get("binary")), (Some(&Value::Int(0)), Some(&true.into())));
    }
}
