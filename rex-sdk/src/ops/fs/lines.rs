//! `fs::lines`

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

pub(super) use crate::lines::content;
use crate::session::MeteredFile;
use crate::spec::OpAnswer;
use crate::{Args, CallExample, FileLines, Literal, OpSpec, Operation, Param, ParamKind, ReturnSpec, Session};

/// Number of bytes that are read at a time.
const BLOCK: usize = 64 << 10;

/// Reads the lines of a text file.
pub static OP: ReadLines = ReadLines;

/// The operation `fs::lines`, which scripts use as a stream.
#[derive(Debug)]
pub struct ReadLines;

static SPEC: OpSpec = OpSpec {
    name: "fs::lines",
    aliases: &[],
    needs: &[fs::Read::SPEC],
    params: &[
        Param::required("path", ParamKind::Path, "The file."),
        Param::option(
            "skip",
            ParamKind::Count,
            Literal::Int(0),
            "How many lines to leave out, from the end that is read from.",
        ),
        Param::option(
            "max",
            ParamKind::Count,
            Literal::Null,
            "How many lines to return at most; without it, all of them.",
        ),
        Param::option(
            "from_end",
            ParamKind::Bool,
            Literal::Bool(false),
            "Count from the last line instead of the first.",
        ),
        Param::option("lossy", ParamKind::Bool, Literal::Bool(false), "Replace what is not UTF-8 instead of failing."),
    ],
    returns: ReturnSpec { kind: "list", doc: "Of the lines as text, in the order of the file, without their ends." },
    doc: "Reads the lines of a text file, all of them or some from either end.\nA script that goes through them with `for`, `filter`, `map` or `len` reads the \
          file while it does so, with the memory of one line, so this suits large logs; any other use has them all in memory. \
          Of a file that grows, they end where it ended when it was opened. `fs::lines(path, #{max: 20, from_end: true})` are the last 20. \
          One that is compressed by gzip, Zstandard, xz or bzip2 reads as what is in it; its last lines are found by reading all of it.",
    errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
    example: CallExample {
        args: r#"["/srv/app/logs/app.log", {"from_end": true, "max": 1}]"#,
        returns: r#"["2026-03-02T12:00:00Z INFO request path=/ ms=3"]"#,
    },
};

impl Operation for ReadLines {
    fn spec(&self) -> &OpSpec {
        &SPEC
    }

    fn call(&self, session: &Session<'_>, args: &Args) -> Result<Value, Error> {
        match self.answer(session, args)? {
            OpAnswer::Value(value) => Ok(value),
            OpAnswer::Lines(lines) => lines.collect(session.run).map(Value::List),
        }
    }

    fn answer(&self, session: &Session<'_>, args: &Args) -> Result<OpAnswer, Error> {
        let path = args.path("path")?;
        let (skip, max) = (args.count("skip")?, args.count_option("max")?.unwrap_or(u64::MAX));
        let lossy = args.flag("lossy")?;
        let file = session.open(path.clone())?;
        if !args.flag("from_end")? {
            return Ok(OpAnswer::Lines(FileLines::new(file, SPEC.name)?.lossy(lossy).range(skip, max)));
        }
        let text = |line: Vec<u8>| match String::from_utf8(line) {
            Ok(text) => Ok(Value::Text(text)),
            Err(error) if lossy => Ok(String::from_utf8_lossy(error.as_bytes()).into_owned().into()),
            Err(_) => {
                let message = format!("`{}` has a line that is not UTF-8", path.as_str().escape_debug());
                Err(Error::new(Code::Unsupported, message)
                    .with_help("read it with the option `lossy`, or with `fs::read_bytes`"))
            }
        };
        let lines = from_end(session, file.expanded(), skip, max)?;
        lines.into_iter().map(text).collect::<Result<_, _>>().map(|lines| OpAnswer::Value(Value::List(lines)))
    }
}

/// Returns the last lines of a file, plain or compressed.
pub(super) fn from_end(
    session: &Session<'_>,
    file: MeteredFile<'_>,
    skip: u64,
    max: u64,
) -> Result<Vec<Vec<u8>>, Error> {
    match file.size() {
        // The end of a file of unknown size, such as those of `/proc`, is found by reading it.
        0 => Ok(last_of(&file.read_all()?, skip, max)),
        size => last(session, &file, size, skip, max),
    }
}

/// Reads blocks from the end until they hold enough line ends.
pub(super) fn last(
    session: &Session<'_>,
    file: &MeteredFile<'_>,
    size: u64,
    skip: u64,
    max: u64,
) -> Result<Vec<Vec<u8>>, Error> {
    let limit = session.limits().file_bytes;
    let wanted = skip.saturating_add(max);
    let (mut blocks, mut held, mut ends, mut start) = (Vec::new(), 0, 0, size);
    // One line end more than lines: that of the line before the first.
    while start > 0 && ends <= wanted {
        let length = start.min(BLOCK as u64);
        start -= length;
        let mut block = vec![0; usize::try_from(length).unwrap_or(BLOCK)];
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, start + filled as u64).map_err(|error| file.error(error))? {
                0 => break,
                count => filled += count,
            }
        }
        block.truncate(filled);
        held += filled as u64;
        if held > limit {
            return Err(exceeded("file_bytes", limit, "bytes of lines in memory"));
        }
        ends += block.iter().filter(|&&byte| byte == b'\n').count() as u64;
        blocks.push(block);
    }
    blocks.reverse();
    let text = blocks.concat();
    // The text before the first line end may be part of a line that starts in an unread block.
    let partial =
        if start == 0 { 0 } else { text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |end| end + 1) };
    Ok(last_of(text.get(partial..).unwrap_or_default(), skip, max))
}

fn last_of(text: &[u8], skip: u64, max: u64) -> Vec<Vec<u8>> {
    let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
    let ended = text.split_inclusive(|&byte| byte == b'\n').rev();
    let mut lines: Vec<_> = ended.skip(count(skip)).take(count(max)).map(|line| content(line).to_vec()).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn a_range_from_either_end() {
        let world = World::new(MemOs::new().file("/f", "1\r\n2\n\n4\n5").file("/ended", "1\n2\n").file("/empty", ""));
        for (args, expected) in [
            (r#"["/f"]"#, r#"["1","2","","4","5"]"#),
            (r#"["/f", {"skip": 1, "max": 2}]"#, r#"["2",""]"#),
            (r#"["/f", {"from_end": true, "max": 2}]"#, r#"["4","5"]"#),
            (r#"["/f", {"from_end": true, "skip": 1, "max": 3}]"#, r#"["2","","4"]"#),
            (r#"["/f", {"from_end": true, "skip": 9}]"#, "[]"),
            (r#"["/f", {"skip": 9}]"#, "[]"),
            (r#"["/f", {"max": 0}]"#, "[]"),
            (r#"["/ended", {"from_end": true, "max": 1}]"#, r#"["2"]"#),
            (r#"["/empty"]"#, "[]"),
            (r#"["/empty", {"from_end": true}]"#, "[]"),
        ] {
            assert_eq!(world.returns("fs::lines", args), expected, "{args}");
        }
    }

    #[test]
    fn no_more_is_read_than_is_needed() {
        let text: String = (0..1_000_000).map(|number| format!("{number}\n")).collect();
        for (args, expected) in [
            (r#"["/f", {"max": 2}]"#, r#"["0","1"]"#),
            (r#"["/f", {"max": 2, "from_end": true}]"#, r#"["999998","999999"]"#),
        ] {
            let world = World::new(MemOs::new().file("/f", &text));
            assert_eq!(world.returns("fs::lines", args), expected);
            assert!(world.run.budget().bytes_read() <= 2 * BLOCK as u64, "{}", world.run.budget().bytes_read());
        }
    }

    #[test]
    fn what_is_not_utf8_fails_or_is_replaced() {
        let world = World::new(MemOs::new().file("/f", b"ok\ncaf\xe9\n").file("/a\nb", b"\xe9"));
        let error = world.call("fs::lines", r#"["/a\nb"]"#).unwrap_err();
        assert_eq!(error.message, r"`/a\nb` has a line that is not UTF-8");
        assert_eq!(world.fails("fs::lines", r#"["/f"]"#), Code::Unsupported);
        assert_eq!(world.returns("fs::lines", r#"["/f", {"lossy": true}]"#), r#"["ok","caf�"]"#);
        assert_eq!(world.returns("fs::lines", r#"["/f", {"max": 1}]"#), r#"["ok"]"#);
    }
}
