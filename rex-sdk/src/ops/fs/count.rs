//! `fs::count`

use std::io::{self, Read};

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::checksum::PIECE;
use crate::expand::{DecodedReader, FileDamage};
use crate::session::MeteredFile;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Counts the lines, words and bytes of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::count",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The file.")],
        returns: ReturnSpec {
            kind: "map",
            doc: "`lines`, of which the last need not end with a newline; `words`, which are what blanks, tabs and the ends of lines part; `bytes`; `complete`: \
                  false if the rest of a compressed file is damaged or missing, and `why` then says so (it is `()` otherwise).",
        },
        doc: "Counts the lines, words and bytes of a file.\nThe file is read piece by piece, however large it is. Of one that is compressed by gzip, Zstandard, xz or bzip2, what is in it is counted. Lines and words of UTF-16 with its byte order mark are those of its text.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/version.txt"]"#,
            returns: r#"{"bytes":6,"complete":true,"lines":1,"why":null,"words":1}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let file = session.open(args.path("path")?)?.decompressed();
    let mut text = DecodedReader::new(CountedFile { file, bytes: 0 });
    let mut counts = TextCounts::default();
    let mut piece = vec![0; PIECE];
    let why = loop {
        match text.read(&mut piece) {
            Ok(0) => break None,
            Ok(count) => counts.add(piece.get(..count).unwrap_or_default()),
            Err(error) => match FileDamage::of(&error) {
                Some(damage) => break Some(damage.to_string()),
                None => return Err(text.inner().file.error(error)),
            },
        }
    };
    Ok(Value::map([
        ("lines", Value::count(counts.lines + u64::from(counts.within_line))),
        ("words", Value::count(counts.words)),
        ("bytes", Value::count(text.inner().bytes)),
        ("complete", why.is_none().into()),
        ("why", why.into()),
    ]))
}

/// A file whose bytes are counted before they are decoded as text.
struct CountedFile<'r> {
    file: MeteredFile<'r>,
    bytes: u64,
}

impl Read for CountedFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

#[derive(Default)]
struct TextCounts {
    lines: u64,
    words: u64,
    within_line: bool,
    within_word: bool,
}

impl TextCounts {
    fn add(&mut self, piece: &[u8]) {
        for &byte in piece {
            let blank = byte.is_ascii_whitespace() || byte == b'\x0b';
            self.words += u64::from(!blank && !self.within_word);
            self.within_word = !blank;
            self.lines += u64::from(byte == b'\n');
            self.within_line = byte != b'\n';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;
    use crate::compress::compress;
    use crate::expand::CompressionFormat;

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
            ("/empty", r#"{"bytes":0,"complete":true,"lines":0,"why":null,"words":0}"#.to_owned()),
            ("/lines", r#"{"bytes":2,"complete":true,"lines":2,"why":null,"words":0}"#.to_owned()),
            ("/across", format!(r#"{{"bytes":{},"complete":true,"lines":2,"why":null,"words":3}}"#, across.len())),
            ("/odd", r#"{"bytes":6,"complete":true,"lines":1,"why":null,"words":2}"#.to_owned()),
        ] {
            assert_eq!(world.returns("fs::count", &format!("[\"{name}\"]")), expected, "{name}");
        }
    }

    #[test]
    fn what_is_readable_is_counted_and_wide_text_is_text() {
        let log: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        let packed = compress(CompressionFormat::Gzip, log.as_bytes(), u64::MAX).unwrap();
        let wide: Vec<u8> = "\u{feff}one two\r\nthree".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let size = wide.len();
        let os = MemOs::new()
            .file("/cut.gz", &packed[..packed.len() / 2])
            .file("/wide", wide)
            .file("/f.7z", b"7z\xbc\xaf\x27\x1c\0\x04");
        let world = World::new(os);
        let cut = world.call("fs::count", r#"["/cut.gz"]"#).unwrap();
        assert_eq!(
            (cut.get("complete"), cut.get("why")),
            (Some(&false.into()), Some(&"the compressed data ends too early".into()))
        );
        assert!(matches!(cut.get("lines"), Some(Value::Int(5_000..20_000))), "{cut}");
        let expected = format!(r#"{{"bytes":{size},"complete":true,"lines":2,"why":null,"words":3}}"#);
        assert_eq!(world.returns("fs::count", r#"["/wide"]"#), expected);
        let error = world.call("fs::count", r#"["/f.7z"]"#).unwrap_err();
        assert_eq!(error.to_string(), "UNSUPPORTED_EXCEPTION: `/f.7z` is compressed by 7z, which Rex does not read");
    }
}
