//! `fs::count`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::checksum::pieces;
use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Counts the lines, words and bytes of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::count",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", Kind::Path, "The file.")],
        returns: Returns {
            kind: "map",
            doc: "`lines`, of which the last need not end with a newline; `words`, which are what blanks, tabs and the ends of lines part; `bytes`.",
        },
        doc: "Counts the lines, words and bytes of a file.\nThe file is read piece by piece, however large it is. Of one that is compressed by gzip or Zstandard, what is in it is counted.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/version.txt"]"#, returns: r#"{"bytes":6,"lines":1,"words":1}"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let mut file = session.open(args.path("path")?)?.expanded();
    let (mut lines, mut words, mut bytes) = (0_u64, 0_u64, 0_u64);
    let (mut within_line, mut within_word) = (false, false);
    pieces(&mut file, |piece| {
        bytes += piece.len() as u64;
        for &byte in piece {
            let blank = byte.is_ascii_whitespace() || byte == b'\x0b';
            words += u64::from(!blank && !within_word);
            within_word = !blank;
            lines += u64::from(byte == b'\n');
            within_line = byte != b'\n';
        }
    })?;
    lines += u64::from(within_line);
    Ok(Value::map([("lines", Value::count(lines)), ("words", Value::count(words)), ("bytes", Value::count(bytes))]))
}

#[cfg(test)]
mod tests {
    use super::super::checksum::PIECE;
    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn lines_and_words_go_on_from_piece_to_piece() {
        let across = format!("{}word and\nmore", " ".repeat(PIECE - 2));
        let os = MemOs::new()
            .file("/empty", "")
            .file("/lines", "\n\n")
            .file("/across", &across)
            .file("/odd", b" \xff\x0b\xff\r\n");
        let world = World::new(os);
        for (name, expected) in [
            ("/empty", r#"{"bytes":0,"lines":0,"words":0}"#.to_owned()),
            ("/lines", r#"{"bytes":2,"lines":2,"words":0}"#.to_owned()),
            ("/across", format!(r#"{{"bytes":{},"lines":2,"words":3}}"#, across.len())),
            ("/odd", r#"{"bytes":6,"lines":1,"words":2}"#.to_owned()),
        ] {
            assert_eq!(world.returns("fs::count", &format!("[\"{name}\"]")), expected, "{name}");
        }
    }
}
