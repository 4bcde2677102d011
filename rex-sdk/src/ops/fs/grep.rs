//! `fs::grep`

use std::io;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{
    BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkContextKind, SinkFinish, SinkMatch,
};
use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use super::Entry;
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Size of a compiled pattern, in bytes.
const PATTERN_BYTES: usize = 10 << 20;

/// Finds the lines of a file that match a pattern.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::grep",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file."),
            Param::required("pattern", Kind::Text, "A regular expression in the syntax of Rust's `regex` crate."),
            Param::option("fixed", Kind::Bool, Literal::Bool(false), "Take the pattern as plain text."),
            Param::option("ignore_case", Kind::Bool, Literal::Bool(false), "Take upper and lower case as the same."),
            Param::option("invert", Kind::Bool, Literal::Bool(false), "Find the lines that do not match."),
            Param::option("count", Kind::Bool, Literal::Bool(false), "Count only: `matches` stays empty."),
            Param::option("before", Kind::Count, Literal::Int(0), "How many lines to show before each match."),
            Param::option("after", Kind::Count, Literal::Int(0), "How many lines to show after each match."),
            Param::option("max", Kind::Count, Literal::Null, "Stop after so many matches, without reading on."),
        ],
        returns: Returns {
            kind: "map",
            doc: "`count` of the matches; `matches`: a list of maps with `line` (its number, from 1), `text`, and with context lines the lists \
                  `before` and `after`; `complete`: false if `max` stopped it; `binary`: true if the file holds a NUL byte, at which the \
                  search ends. What is not UTF-8 is replaced in `text`.",
        },
        doc: "Finds the lines of a file that match a pattern.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"["/srv/app/logs/app.log", "ERROR|WARN", {"max": 1}]"#,
            returns: r#"{"binary":false,"complete":false,"count":1,"matches":[{"line":3,"text":"2026-03-02T11:59:10Z WARN slow request path=/report ms=1840"}]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let matcher = matcher(args)?;
    let limits = session.limits();
    let lines = |name: &str| -> Result<usize, Error> {
        let count = args.count(name)?;
        if count > limits.entries {
            return Err(exceeded("entries", limits.entries, "lines of context"));
        }
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    };
    let heap = usize::try_from(limits.file_bytes).unwrap_or(usize::MAX);
    let mut searcher = SearcherBuilder::new()
        .invert_match(args.flag("invert")?)
        .before_context(lines("before")?)
        .after_context(lines("after")?)
        .binary_detection(BinaryDetection::quit(0))
        .heap_limit(Some(heap))
        .build();
    let mut hits = Hits {
        count_only: args.flag("count")?,
        max: args.count_option("max")?.unwrap_or(u64::MAX),
        entries: limits.entries,
        bytes: limits.file_bytes,
        context: lines("before")? > 0 || lines("after")? > 0,
        ..Hits::default()
    };
    let mut file = session.open(args.path("path")?)?;
    if hits.max > 0
        && let Err(error) = searcher.search_reader(&matcher, &mut file, &mut hits)
    {
        return Err(file.error(error));
    }
    Ok(hits.result())
}

fn matcher(args: &Args) -> Result<RegexMatcher, Error> {
    let pattern = args.text("pattern")?;
    RegexMatcherBuilder::new()
        .fixed_strings(args.flag("fixed")?)
        .case_insensitive(args.flag("ignore_case")?)
        .line_terminator(Some(b'\n'))
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build(pattern)
        .map_err(|error| Error::validation(format!("`{}` is not a pattern: {error}", pattern.escape_debug())))
}

/// What was found so far.
#[derive(Default)]
struct Hits {
    count: u64,
    matches: Vec<Entry>,
    pending: Vec<Value>,
    binary: bool,
    stopped: bool,
    held: u64,
    count_only: bool,
    context: bool,
    max: u64,
    entries: u64,
    bytes: u64,
}

impl Hits {
    fn text(&mut self, line: &[u8]) -> io::Result<Value> {
        self.held += line.len() as u64;
        if self.held > self.bytes {
            return Err(io::Error::other(exceeded("file_bytes", self.bytes, "bytes of matches in memory")));
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(String::from_utf8_lossy(line).into_owned().into())
    }

    fn result(self) -> Value {
        Value::map([
            ("count", Value::count(self.count)),
            ("matches", Value::List(self.matches.into_iter().map(Value::Map).collect())),
            ("complete", (!self.stopped && self.max > 0).into()),
            ("binary", self.binary.into()),
        ])
    }
}

impl Sink for Hits {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        if self.count >= self.max {
            self.stopped = true;
            return Ok(false);
        }
        self.count += 1;
        if !self.count_only {
            if self.count > self.entries {
                return Err(io::Error::other(exceeded("entries", self.entries, "matches")));
            }
            let mut entry = Entry::from([
                ("line".to_owned(), found.line_number().map(Value::count).unwrap_or_default()),
                ("text".to_owned(), self.text(found.bytes())?),
            ]);
            if self.context {
                entry.insert("before".to_owned(), std::mem::take(&mut self.pending).into());
                entry.insert("after".to_owned(), Value::List(Vec::new()));
            }
            self.matches.push(entry);
        }
        // Without lines to show after it, the last match is where reading ends.
        self.stopped = self.count >= self.max;
        Ok(!self.stopped || (self.context && !self.count_only))
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        if self.count_only {
            return Ok(true);
        }
        let text = self.text(context.bytes())?;
        if *context.kind() == SinkContextKind::Before {
            self.pending.push(text);
        } else if let Some(Value::List(after)) = self.matches.last_mut().and_then(|entry| entry.get_mut("after")) {
            after.push(text);
        }
        Ok(true)
    }

    fn finish(&mut self, _: &Searcher, finish: &SinkFinish) -> io::Result<()> {
        self.binary = finish.binary_byte_offset().is_some();
        Ok(())
    }
}
