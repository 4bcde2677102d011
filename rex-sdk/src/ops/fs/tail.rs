//! `fs::tail`

use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;
use rex_core::action::fs;
use rex_core::bounds::{self, LINE_BYTES};
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Value};

use super::lines::{content, from_end, last};
use super::replace::compile;
use crate::session::MeteredFile;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Time between checks for new data and of the budget.
const POLL: Duration = Duration::from_millis(50);
/// Number of polls without new data before the name is opened again: initially, and at most. Each opening requires a
/// grant.
const REOPEN: (u32, u32) = (2, 20);
/// Number of bytes that are read at a time.
const BLOCK: usize = 64 << 10;
/// Default number of lines.
const LINES: u64 = 10;

/// Reads the last lines of a file, and waits for more.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::tail",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file."),
            Param::option(
                "lines",
                ParamKind::Count,
                Literal::Null,
                "How many of the last lines that are there to return, 10 if not given. With `after`, how many to return at most, all if not given.",
            ),
            Param::option(
                "after",
                ParamKind::Count,
                Literal::Null,
                "Return the lines from this byte on instead of the last ones: what `next` of an earlier call says, or 0 for the start.",
            ),
            Param::option(
                "timeout",
                ParamKind::Duration,
                Literal::Text("0s"),
                "How long to wait for lines that are added.",
            ),
            Param::option(
                "until",
                ParamKind::Text,
                Literal::Null,
                "Wait no longer than for an added line that matches this regular expression; needs `timeout`.",
            )
            .of(ParamForm::Read(|text| compile("fs::tail", text, text).map(drop))),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`lines`: the last ones and then the added ones, as text, what is not UTF-8 replaced; `matched`: whether `until` was met, by the \
                  last of them; `rotated`: whether another file took the name meanwhile, which is read from its start; `shrunk`: whether the \
                  file lost lines meanwhile, after which it is read from its start; `truncated`: whether these are not all lines: the file has others before \
                  them, or after them, or has lost some; `next`: the `after` that goes on from here (a last line without an end is read again with it), \
                  `()` where the file has no places, because it is compressed or not on a disk.",
        },
        doc: "Reads the last lines of a file, and waits for more.\nWhile it waits, it opens the name again now and then, and asks again for that. \
              A file that is compressed by gzip, Zstandard, xz or bzip2 has last lines, but is not waited for. Pages of `after` and `lines` read a large file once.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/logs/app.log", {"lines": 1}]"#,
            returns: r#"{"lines":["2026-03-02T12:00:00Z INFO request path=/ ms=3"],"matched":false,"next":259,"rotated":false,"shrunk":false,"truncated":true}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, timeout, limits) = (args.path("path")?, args.duration("timeout")?, session.limits());
    let (lines, after) = (args.count_option("lines")?, args.count_option("after")?);
    if lines.is_some_and(|lines| lines > limits.entries) {
        return Err(exceeded("entries", limits.entries, "lines"));
    }
    if timeout.as_millis() > limits.wall_ms.into() {
        return Err(exceeded("wall_ms", limits.wall_ms, "milliseconds of wall time"));
    }
    let until = args.text_option("until")?;
    if until.is_some() && timeout.is_zero() {
        return Err(Error::validation("`until` needs `timeout`").with_help("set how long to wait: `timeout: \"5s\"`"));
    }
    let until = until.map(|pattern| compile("fs::tail", pattern, pattern)).transpose()?;
    let file = session.open(path.clone())?;
    let max = lines.unwrap_or(LINES);
    let mut tail = match after {
        Some(_) if file.format().is_some() => {
            let message =
                format!("`{}` is compressed, so it cannot be read from an offset", path.as_str().escape_debug());
            return Err(Error::new(Code::Unsupported, message).with_help("`fs::expand` makes a plain file of it"));
        }
        Some(after) => FollowedFile::from(session, path, file, after, lines)?,
        None if timeout.is_zero() => return last_of(session, file.expanded(), max),
        None => FollowedFile::start(session, path, file.expanded(), max)?,
    };
    let matched = tail.follow(until.as_ref(), Instant::now().checked_add(timeout))?;
    tail.result(matched)
}

/// Returns the last lines of a file as it is now.
fn last_of(session: &Session<'_>, file: MeteredFile<'_>, max: u64) -> Result<Value, Error> {
    let size = file.size();
    let ended = size == 0 || ends_with_line(&file, size)?;
    // One line more shows whether there are others before them.
    let mut lines = from_end(session, file, 0, max.saturating_add(1))?;
    let open = if ended { 0 } else { lines.last().map_or(0, |line| line.len() as u64) };
    let truncated = keep_last(&mut lines, max);
    let next = (size > 0 || lines.is_empty()).then(|| size.saturating_sub(open));
    Ok(result(lines.into_iter().map(text).collect(), (false, false, false), truncated, next))
}

/// Returns `true` if the last line of a file has a line end.
fn ends_with_line(file: &MeteredFile<'_>, size: u64) -> Result<bool, Error> {
    let mut end = [b'\n'];
    file.read_at(&mut end, size - 1).map_err(|error| file.error(error))?;
    Ok(end == *b"\n")
}

/// Keeps the last `max` lines; returns `true` if there were more.
fn keep_last(lines: &mut Vec<Vec<u8>>, max: u64) -> bool {
    let more = lines.len().saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
    lines.drain(..more);
    more > 0
}

fn result(
    lines: Vec<String>,
    (matched, rotated, shrunk): (bool, bool, bool),
    truncated: bool,
    next: Option<u64>,
) -> Value {
    Value::map([
        ("lines", Value::List(lines.into_iter().map(Value::Text).collect())),
        ("matched", matched.into()),
        ("rotated", rotated.into()),
        ("shrunk", shrunk.into()),
        ("truncated", truncated.into()),
        ("next", next.map(Value::count).into()),
    ])
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A file that is followed.
struct FollowedFile<'s, 'r> {
    session: &'s Session<'r>,
    path: AbsPath,
    file: MeteredFile<'r>,
    /// Number of bytes read.
    offset: u64,
    /// Offset of the end of the last returned line.
    told: u64,
    lines: Vec<String>,
    /// Maximum number of returned lines.
    most: u64,
    /// A line without an end so far.
    rest: Vec<u8>,
    held: u64,
    /// `true` if the file ever had a size; files of `/proc` have none.
    sized: bool,
    rotated: bool,
    shrunk: bool,
    /// `true` if there are lines before the first one.
    earlier: bool,
}

impl<'s, 'r> FollowedFile<'s, 'r> {
    /// Starts with the last lines of the file as it is now.
    fn start(session: &'s Session<'r>, path: AbsPath, file: MeteredFile<'r>, max: u64) -> Result<Self, Error> {
        let size = file.state()?.size;
        let ended = size == 0 || ends_with_line(&file, size)?;
        // One line more shows whether there are others before them, and another one may be a line without an end.
        let mut lines = last(session, &file, size, 0, max.saturating_add(2))?;
        let rest = if ended { Vec::new() } else { lines.pop().unwrap_or_default() };
        let whole = if ended { max } else { max.saturating_sub(1) };
        let earlier = keep_last(&mut lines, whole);
        let mut tail = Self::new(session, path, file, size);
        tail.told = size.saturating_sub(rest.len() as u64);
        tail.held = lines.iter().map(|line| line.len() as u64).sum();
        tail.lines = lines.into_iter().map(text).collect();
        (tail.rest, tail.earlier) = (rest, earlier);
        Ok(tail)
    }

    /// Starts at an offset, or at 0 if the file has become shorter than that.
    fn from(
        session: &'s Session<'r>,
        path: AbsPath,
        file: MeteredFile<'r>,
        after: u64,
        most: Option<u64>,
    ) -> Result<Self, Error> {
        let size = file.state()?.size;
        let shrunk = size > 0 && size < after;
        let mut tail = Self::new(session, path, file, if shrunk { 0 } else { after });
        tail.sized = size > 0;
        (tail.shrunk, tail.most) = (shrunk, most.unwrap_or(u64::MAX));
        Ok(tail)
    }

    fn new(session: &'s Session<'r>, path: AbsPath, file: MeteredFile<'r>, offset: u64) -> Self {
        Self {
            session,
            path,
            file,
            offset,
            told: offset,
            lines: Vec::new(),
            most: u64::MAX,
            rest: Vec::new(),
            held: 0,
            sized: offset > 0,
            rotated: false,
            shrunk: false,
            earlier: false,
        }
    }

    fn full(&self) -> bool {
        self.lines.len() as u64 >= self.most
    }

    fn result(mut self, matched: bool) -> Result<Value, Error> {
        let size = self.file.state()?.size;
        if !matched && !self.full() {
            self.end_line()?;
        }
        let later = (matched || self.full()) && self.told < size;
        let truncated = self.earlier || self.shrunk || later;
        let next = (self.sized || (self.told == 0 && self.lines.is_empty())).then_some(self.told);
        Ok(result(self.lines, (matched, self.rotated, self.shrunk), truncated, next))
    }

    /// Reads new lines until a line matches or the time is over; returns `true` if one matched.
    fn follow(&mut self, until: Option<&Regex>, deadline: Option<Instant>) -> Result<bool, Error> {
        let (mut idle, mut reopen) = (0, REOPEN.0);
        loop {
            let before = self.offset;
            if self.read_on(until)? {
                return Ok(true);
            }
            if self.full() {
                return Ok(false);
            }
            if self.offset != before {
                (idle, reopen) = (0, REOPEN.0);
            }
            let size = self.file.state()?.size;
            self.sized |= size > 0;
            if self.sized && size < self.offset {
                self.shrunk = true;
                self.restart()?;
                continue;
            }
            let left = deadline.map_or(POLL, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            self.session.run.budget().check()?;
            thread::sleep(POLL.min(left));
            idle += 1;
            if idle >= reopen {
                (idle, reopen) = (0, REOPEN.1.min(reopen * 2));
                if self.reopen(until)? {
                    return Ok(true);
                }
            }
        }
    }

    /// Opens the name again and switches to its file; returns `true` if the old file still had a match.
    fn reopen(&mut self, until: Option<&Regex>) -> Result<bool, Error> {
        let file = match self.session.open(self.path.clone()) {
            Ok(file) => file,
            // The file was removed, and no other one has its name yet.
            Err(error) if error.code == Code::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let rotated = file.state()?.id != self.file.state()?.id;
        // New lines of the old file come before those of the new one.
        if rotated && self.read_on(until)? {
            return Ok(true);
        }
        self.file = file;
        if rotated {
            self.rotated = true;
            self.restart()?;
        }
        Ok(false)
    }

    fn restart(&mut self) -> Result<(), Error> {
        (self.offset, self.told) = (0, 0);
        self.end_line()
    }

    /// Takes a line without an end as a whole line.
    fn end_line(&mut self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let line = std::mem::take(&mut self.rest);
        self.add(text(line))
    }

    fn add(&mut self, line: String) -> Result<(), Error> {
        let limits = self.session.limits();
        self.held += line.len() as u64;
        if self.lines.len() as u64 >= limits.entries {
            let error = exceeded("entries", limits.entries, "lines");
            let help = error.help.clone().unwrap_or_default();
            return Err(error.with_help(format!("take them in parts, with `after` and `lines`; {help}")));
        }
        if self.held > limits.file_bytes {
            return Err(exceeded("file_bytes", limits.file_bytes, "bytes of lines in memory"));
        }
        self.lines.push(line);
        Ok(())
    }

    /// Reads the available lines up to one that matches; returns `true` if one matched.
    fn read_on(&mut self, until: Option<&Regex>) -> Result<bool, Error> {
        let mut block = vec![0; BLOCK];
        while !self.full() {
            let count = self.file.read_at(&mut block, self.offset).map_err(|error| self.file.error(error))?;
            if count == 0 {
                return Ok(false);
            }
            let mut place = self.offset;
            self.offset += count as u64;
            for piece in block.get(..count).unwrap_or_default().split_inclusive(|&byte| byte == b'\n') {
                place += piece.len() as u64;
                self.rest.extend_from_slice(piece);
                if self.rest.len() > LINE_BYTES {
                    let instead = "`fs::read` and `fs::read_bytes` take files without lines";
                    return Err(bounds::exceeded("line_bytes", "bytes of a line", instead));
                }
                if !piece.ends_with(b"\n") {
                    continue;
                }
                let line = text(content(&std::mem::take(&mut self.rest)).to_vec());
                let matches = until.is_some_and(|pattern| pattern.is_match(&line));
                self.add(line)?;
                self.told = place;
                if matches {
                    return Ok(true);
                }
                if self.full() {
                    break;
                }
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    /// Waits for lines in `/f` while these operations run, each after the file was opened again.
    #[track_caller]
    fn waits(options: &str, meanwhile: &[(&str, &str)], expected: &str) {
        let world = World::new(MemOs::new().file("/f", "1\n2\n3"));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| world.returns("fs::tail", &format!(r#"["/f", {options}]"#)));
            let mut calls = 0;
            for (operation, args) in meanwhile {
                while world.os.calls() <= calls {
                    thread::yield_now();
                }
                world.call(operation, args).unwrap();
                calls = world.os.calls();
            }
            assert_eq!(waiting.join().unwrap(), expected);
        });
    }

    #[test]
    fn the_last_lines_are_there_at_once() {
        let world = World::new(MemOs::new().file("/f", b"1\r\n2\ncaf\xe9").file("/empty", ""));
        for (args, lines) in [
            (r#"["/f", {"lines": 2}]"#, r#"["2","caf�"]"#),
            (r#"["/f"]"#, r#"["1","2","caf�"]"#),
            (r#"["/f", {"lines": 0}]"#, "[]"),
            (r#"["/empty"]"#, "[]"),
        ] {
            let value = world.call("fs::tail", args).unwrap();
            assert_eq!(value.get("lines").map(ToString::to_string).as_deref(), Some(lines), "{args}");
            let all = lines.matches(',').count() == 2 || args.contains("empty");
            assert_eq!(value.get("truncated"), Some(&(!all).into()), "{args}");
            let next = if args.contains("empty") { Value::Int(0) } else { Value::Int(5) };
            assert_eq!(value.get("next"), Some(&next), "{args}");
        }
    }

    #[test]
    fn added_lines_are_waited_for_up_to_one_that_matches() {
        let meanwhile = [("fs::append", r#"["/f", "3\nmore\nread"]"#), ("fs::append", r#"["/f", "y 5\nlater\n"]"#)];
        let expected = r#"{"lines":["2","33","more","ready 5"],"matched":true,"next":20,"rotated":false,"shrunk":false,"truncated":true}"#;
        waits(r#"{"lines": 2, "until": "^ready \\d", "timeout": 20}"#, &meanwhile, expected);
        // Lines that were there before do not count.
        let expected = r#"{"lines":["31"],"matched":true,"next":7,"rotated":false,"shrunk":false,"truncated":true}"#;
        waits(r#"{"lines": 0, "until": "1", "timeout": 20}"#, &[("fs::append", r#"["/f", "1\nlater"]"#)], expected);
    }

    #[test]
    fn another_file_of_the_name_is_read_from_its_start() {
        let meanwhile = [("fs::rename", r#"["/f", "/f.1"]"#), ("fs::write", r#"["/f", "new\nready\n"]"#)];
        let expected =
            r#"{"lines":["3","new","ready"],"matched":true,"next":10,"rotated":true,"shrunk":false,"truncated":true}"#;
        waits(r#"{"lines": 1, "until": "ready", "timeout": 20}"#, &meanwhile, expected);
    }

    #[test]
    fn a_large_file_is_read_once_in_pages() {
        let text: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
        let world = World::new(MemOs::new().file("/f", format!("{text}end")));
        let (mut after, mut all, mut pages) = (0, Vec::new(), 0);
        loop {
            let page = world.call("fs::tail", &format!(r#"["/f", {{"after": {after}, "lines": 9000}}]"#)).unwrap();
            let (Some(Value::List(lines)), Some(Value::Int(next))) = (page.get("lines"), page.get("next")) else {
                panic!("{page}")
            };
            all.extend(lines.iter().map(ToString::to_string));
            (after, pages) = (*next, pages + 1);
            if page.get("truncated") == Some(&false.into()) {
                break;
            }
        }
        assert_eq!((all.len(), pages, all.last().map(String::as_str)), (100_001, 12, Some("\"end\"")));
        // At most the rest of a block is read twice.
        let read = world.run.budget().bytes_read();
        assert!(read <= text.len() as u64 + 13 * (BLOCK as u64 + 8), "{read}");
        // No line is missed, and a line without an end is returned again once it has one.
        assert_eq!(after, i64::try_from(text.len()).unwrap());
        world.call("fs::append", r#"["/f", " of it\nnew\n"]"#).unwrap();
        let page = world.call("fs::tail", &format!(r#"["/f", {{"after": {after}}}]"#)).unwrap();
        assert_eq!(page.get("lines").map(ToString::to_string).as_deref(), Some(r#"["end of it","new"]"#));
        let shrunk = world.call("fs::tail", r#"["/f", {"after": 99999999, "lines": 1}]"#).unwrap();
        assert_eq!(shrunk.get("lines").map(ToString::to_string).as_deref(), Some(r#"["line 0"]"#));
        assert_eq!((shrunk.get("shrunk"), shrunk.get("truncated")), (Some(&true.into()), Some(&true.into())));
    }

    #[test]
    fn opening_the_name_again_needs_a_permission_again() {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let world = World::ruled(MemOs::new().file("/f", "1\n"), |_, _| ASKED.fetch_add(1, Relaxed) < 2);
        assert_eq!(world.fails("fs::tail", r#"["/f", {"until": "x", "timeout": 20}]"#), Code::AccessDenied);
        assert_eq!(world.asked(), ["read /f", "read /f", "!read /f"]);
    }

    #[test]
    fn waiting_is_bounded_and_needs_a_time() {
        let world = World::new(MemOs::example());
        for (options, code) in [
            (r#"{"until": "x"}"#, Code::Validation),
            (r#"{"until": "(", "timeout": 1}"#, Code::Validation),
            (r#"{"timeout": 31}"#, Code::LimitExceeded),
            (r#"{"timeout": 9223372036854775807}"#, Code::Validation),
            (r#"{"timeout": "31s"}"#, Code::LimitExceeded),
            (r#"{"timeout": "31"}"#, Code::Validation),
            (r#"{"lines": 100001}"#, Code::LimitExceeded),
        ] {
            assert_eq!(world.fails("fs::tail", &format!(r#"["/etc/hosts", {options}]"#)), code, "{options}");
        }
        let expected = r#"{"lines":["127.0.0.1 localhost"],"matched":false,"next":20,"rotated":false,"shrunk":false,"truncated":false}"#;
        assert_eq!(world.returns("fs::tail", r#"["/etc/hosts", {"timeout": "1ms"}]"#), expected);
    }
}
