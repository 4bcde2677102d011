//! `fs::tail`

use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;
use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Value};

use super::lines::{content, from_end, last};
use super::replace::compile;
use crate::session::Metered;
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// How often whoever waits looks for more, and whether the run may go on.
const POLL: Duration = Duration::from_millis(50);
/// After how many looks that found nothing the name is opened again, at first and at the most. Each asks for a permission.
const REOPEN: (u32, u32) = (2, 20);
/// How much is read at a time, in bytes.
const BLOCK: usize = 64 << 10;
/// Length of a line that is waited for, in bytes. One line is searched in one go, without a look at the clock.
const LINE_BYTES: usize = 1 << 20;

/// Reads the last lines of a file, and waits for more.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::tail",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file."),
            Param::option("lines", Kind::Count, Literal::Int(10), "How many of the lines that are there to return."),
            Param::option(
                "timeout",
                Kind::Count,
                Literal::Int(0),
                "How many seconds to wait for lines that are added.",
            ),
            Param::option(
                "until",
                Kind::Text,
                Literal::Null,
                "Wait no longer than for an added line that matches this regular expression; needs `timeout`.",
            ),
        ],
        returns: Returns {
            kind: "map",
            doc: "`lines`: the last ones and then the added ones, as text, what is not UTF-8 replaced; `matched`: whether `until` was met, by the \
                  last of them; `rotated`: whether another file took the name meanwhile, which is read from its start; `truncated`: whether the \
                  file lost lines meanwhile, after which it is read from its start.",
        },
        doc: "Reads the last lines of a file, and waits for more.\nWhile it waits, it opens the name again now and then, and asks again for that. \
              A file that is compressed by gzip, Zstandard, xz or bzip2 has last lines, but is not waited for.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"["/srv/app/logs/app.log", {"lines": 1}]"#,
            returns: r#"{"lines":["2026-03-02T12:00:00Z INFO request path=/ ms=3"],"matched":false,"rotated":false,"truncated":false}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, max, seconds) = (args.path("path")?, args.count("lines")?, args.count("timeout")?);
    let limits = session.limits();
    if max > limits.entries {
        return Err(exceeded("entries", limits.entries, "lines"));
    }
    if seconds.saturating_mul(1_000) > limits.wall_ms {
        return Err(exceeded("wall_ms", limits.wall_ms, "milliseconds of wall time"));
    }
    let until = args.text_option("until")?;
    if until.is_some() && seconds == 0 {
        return Err(Error::validation("`until` waits, and there is no time to wait")
            .with_help("say in `timeout` how many seconds it may take"));
    }
    let file = session.open(path.clone())?.expanded();
    if seconds == 0 {
        let lines = from_end(session, file, 0, max)?.into_iter().map(text).collect();
        return Ok(result(lines, false, false, false));
    }
    let until = until.map(|pattern| compile("fs::tail", pattern, pattern)).transpose()?;
    let mut tail = Tail::start(session, path, file, max)?;
    let matched = tail.follow(until.as_ref(), Instant::now().checked_add(Duration::from_secs(seconds)))?;
    tail.end_line()?;
    Ok(result(tail.lines, matched, tail.rotated, tail.truncated))
}

fn result(lines: Vec<String>, matched: bool, rotated: bool, truncated: bool) -> Value {
    Value::map([
        ("lines", Value::List(lines.into_iter().map(Value::Text).collect())),
        ("matched", matched.into()),
        ("rotated", rotated.into()),
        ("truncated", truncated.into()),
    ])
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A file that is waited for.
struct Tail<'s, 'r> {
    session: &'s Session<'r>,
    path: AbsPath,
    file: Metered<'r>,
    /// How much of the file was read.
    offset: u64,
    lines: Vec<String>,
    /// A line whose end is not there yet.
    rest: Vec<u8>,
    held: u64,
    /// Whether the file ever said how large it is; those of `/proc` do not.
    sized: bool,
    rotated: bool,
    truncated: bool,
}

impl<'s, 'r> Tail<'s, 'r> {
    fn start(session: &'s Session<'r>, path: AbsPath, file: Metered<'r>, max: u64) -> Result<Self, Error> {
        let size = file.state()?.size;
        let mut lines = last(session, &file, size, 0, max.max(1))?;
        let mut end = [b'\n'];
        if size > 0 {
            file.read_at(&mut end, size - 1).map_err(|error| file.error(error))?;
        }
        let rest = if end == *b"\n" { Vec::new() } else { lines.pop().unwrap_or_default() };
        if max == 0 {
            lines.clear();
        }
        let held = lines.iter().map(|line| line.len() as u64).sum();
        let lines = lines.into_iter().map(text).collect();
        let (sized, rotated, truncated) = (size > 0, false, false);
        Ok(Self { session, path, file, offset: size, lines, rest, held, sized, rotated, truncated })
    }

    /// Takes what is added until a line matches or the time is over, and says whether one did.
    fn follow(&mut self, until: Option<&Regex>, deadline: Option<Instant>) -> Result<bool, Error> {
        let (mut idle, mut reopen) = (0, REOPEN.0);
        loop {
            let before = self.offset;
            if self.read_on(until)? {
                return Ok(true);
            }
            if self.offset != before {
                (idle, reopen) = (0, REOPEN.0);
            }
            let size = self.file.state()?.size;
            self.sized |= size > 0;
            if self.sized && size < self.offset {
                self.truncated = true;
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

    /// Looks which file has the name by now.
    fn reopen(&mut self, until: Option<&Regex>) -> Result<bool, Error> {
        let file = match self.session.open(self.path.clone()) {
            Ok(file) => file,
            // Taken away, and nothing in its place yet.
            Err(error) if error.code == Code::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let rotated = file.state()?.id != self.file.state()?.id;
        // What came into the old one up to now comes before what is in the new one.
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
        self.offset = 0;
        self.end_line()
    }

    /// Takes a line that has no end as one.
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
            return Err(exceeded("entries", limits.entries, "lines"));
        }
        if self.held > limits.file_bytes {
            return Err(exceeded("file_bytes", limits.file_bytes, "bytes of lines in memory"));
        }
        self.lines.push(line);
        Ok(())
    }

    /// Takes the lines that are there by now up to one that matches, and says whether one did.
    fn read_on(&mut self, until: Option<&Regex>) -> Result<bool, Error> {
        let mut block = vec![0; BLOCK];
        loop {
            let count = self.file.read_at(&mut block, self.offset).map_err(|error| self.file.error(error))?;
            if count == 0 {
                return Ok(false);
            }
            self.offset += count as u64;
            for piece in block.get(..count).unwrap_or_default().split_inclusive(|&byte| byte == b'\n') {
                self.rest.extend_from_slice(piece);
                if self.rest.len() > LINE_BYTES {
                    let message = format!("a line is longer than {LINE_BYTES} bytes");
                    return Err(Error::new(Code::LimitExceeded, message));
                }
                if !piece.ends_with(b"\n") {
                    continue;
                }
                let line = text(content(&std::mem::take(&mut self.rest)).to_vec());
                let matches = until.is_some_and(|pattern| pattern.is_match(&line));
                self.add(line)?;
                if matches {
                    return Ok(true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    /// Waits for something in `/f`, while these things are done, each after the file was opened again.
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
            let expected = format!(r#"{{"lines":{lines},"matched":false,"rotated":false,"truncated":false}}"#);
            assert_eq!(world.returns("fs::tail", args), expected, "{args}");
        }
    }

    #[test]
    fn added_lines_are_waited_for_up_to_one_that_matches() {
        let meanwhile = [("fs::append", r#"["/f", "3\nmore\nread"]"#), ("fs::append", r#"["/f", "y 5\nlater\n"]"#)];
        let expected = r#"{"lines":["2","33","more","ready 5"],"matched":true,"rotated":false,"truncated":false}"#;
        waits(r#"{"lines": 2, "until": "^ready \\d", "timeout": 20}"#, &meanwhile, expected);
        // What was there before is not waited for.
        let expected = r#"{"lines":["31"],"matched":true,"rotated":false,"truncated":false}"#;
        waits(r#"{"lines": 0, "until": "1", "timeout": 20}"#, &[("fs::append", r#"["/f", "1\nlater"]"#)], expected);
    }

    #[test]
    fn another_file_of_the_name_is_read_from_its_start() {
        let meanwhile = [("fs::rename", r#"["/f", "/f.1"]"#), ("fs::write", r#"["/f", "new\nready\n"]"#)];
        let expected = r#"{"lines":["3","new","ready"],"matched":true,"rotated":true,"truncated":false}"#;
        waits(r#"{"lines": 1, "until": "ready", "timeout": 20}"#, &meanwhile, expected);
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
            (r#"{"timeout": 9223372036854775807}"#, Code::LimitExceeded),
            (r#"{"lines": 100001}"#, Code::LimitExceeded),
        ] {
            assert_eq!(world.fails("fs::tail", &format!(r#"["/etc/hosts", {options}]"#)), code, "{options}");
        }
        let expected = r#"{"lines":["127.0.0.1 localhost"],"matched":false,"rotated":false,"truncated":false}"#;
        assert_eq!(world.returns("fs::tail", r#"["/etc/hosts", {"timeout": 1}]"#), expected);
    }
}
