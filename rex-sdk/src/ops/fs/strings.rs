//! `fs::strings`

use std::io::{self, Read};

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use super::checksum::PIECE;
use crate::expand::{DecodedReader, FileDamage};
use crate::os::io_error;
use crate::session::MeteredFile;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Finds the texts in a binary file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::strings",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file."),
            Param::option("min", ParamKind::Count, Literal::Int(4), "How long a text is at the least, in bytes."),
            Param::option(
                "max",
                ParamKind::Count,
                Literal::Null,
                "How many texts to return at most; all, if not given.",
            ),
            Param::option(
                "after",
                ParamKind::Count,
                Literal::Int(0),
                "Look from this offset on: what `next` of an earlier call says.",
            ),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`strings`: a list of maps with `offset`, in bytes, and `text`; `truncated`: whether there are more, and `next`: the `after` that goes on with them; `why`: that the rest of a compressed file is damaged or missing, or `()`.",
        },
        doc: "Finds the texts in a file that is not text.\nA text is a run of printable characters of ASCII, blanks and tabs included, as of `strings`. In a file that \
              is compressed by gzip, Zstandard, xz or bzip2, they are looked for in what is in it; in UTF-16 with its byte order mark, in its text.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/icon.bin", {"min": 3}]"#,
            returns: r#"{"next":null,"strings":[{"offset":1,"text":"PNG"}],"truncated":false,"why":null}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (min, max, limits) = (args.count("min")?, args.count_option("max")?, session.limits());
    if min == 0 {
        return Err(Error::validation("`min` is 0, and a text has at least one character"));
    }
    let too_many = || {
        let error = exceeded("entries", limits.entries, "texts");
        let help = error.help.clone().unwrap_or_default();
        error.with_help(format!("take them in parts, with `max` and `after`; {help}"))
    };
    if max.is_some_and(|max| max > limits.entries) {
        return Err(too_many());
    }
    let after = args.count("after")?;
    let file = session.open(args.path("path")?)?;
    let name = file.id().escape_debug().to_string();
    let mut text: Box<dyn Read + '_> = if after > 0 && file.is_plain() {
        Box::new(OffsetFile { file, place: after })
    } else {
        let mut text = DecodedReader::with_mark(file.decompressed());
        io::copy(&mut (&mut text).take(after), &mut io::sink()).map_err(|error| io_error(error, &name))?;
        Box::new(text)
    };
    let mut found = FoundStrings {
        strings: Vec::new(),
        text: Vec::new(),
        offset: after,
        held: 0,
        min,
        max: max.unwrap_or(limits.entries),
        bytes: limits.file_bytes,
    };
    let mut piece = vec![0; PIECE];
    let (mut truncated, mut why) = (false, None);
    while !truncated {
        let count = match text.read(&mut piece) {
            Ok(count) => count,
            Err(error) => match FileDamage::of(&error) {
                Some(damage) => {
                    found.end()?;
                    (truncated, why) = (true, Some(damage.to_string()));
                    break;
                }
                None => return Err(io_error(error, &name)),
            },
        };
        truncated = match piece.get(..count).unwrap_or_default() {
            [] if found.end()? => true,
            [] => break,
            piece => found.search(piece)?,
        };
    }
    if truncated && why.is_none() && max.is_none() {
        return Err(too_many());
    }
    let next = (truncated && why.is_none()).then(|| Value::count(found.offset - found.text.len() as u64));
    Ok(Value::map([
        ("strings", Value::List(found.strings)),
        ("truncated", truncated.into()),
        ("next", next.unwrap_or_default()),
        ("why", why.into()),
    ]))
}

/// A reader of a file from an offset.
struct OffsetFile<'r> {
    file: MeteredFile<'r>,
    place: u64,
}

impl Read for OffsetFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.place)?;
        self.place += count as u64;
        Ok(count)
    }
}

/// The texts found so far.
struct FoundStrings {
    strings: Vec<Value>,
    /// The current text, which may continue.
    text: Vec<u8>,
    /// Number of bytes searched.
    offset: u64,
    held: u64,
    min: u64,
    max: u64,
    bytes: u64,
}

impl FoundStrings {
    /// Searches the next piece; returns `true` if there is one text too many.
    fn search(&mut self, piece: &[u8]) -> Result<bool, Error> {
        for &byte in piece {
            if byte == b'\t' || (b' '..=b'~').contains(&byte) {
                self.text.push(byte);
                if self.held + self.text.len() as u64 > self.bytes {
                    return Err(exceeded("file_bytes", self.bytes, "bytes of texts in memory"));
                }
            } else if self.end()? {
                return Ok(true);
            }
            self.offset += 1;
        }
        Ok(false)
    }

    /// Ends a text; returns `true` if it is one too many.
    fn end(&mut self) -> Result<bool, Error> {
        let length = self.text.len() as u64;
        if length < self.min {
            self.text.clear();
            return Ok(false);
        }
        if self.strings.len() as u64 >= self.max {
            return Ok(true);
        }
        self.held += length;
        let text = String::from_utf8_lossy(&self.text).into_owned();
        self.strings.push(Value::map([("offset", Value::count(self.offset - length)), ("text", text.into())]));
        self.text.clear();
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn texts_go_on_from_piece_to_piece_and_have_a_length() {
        let mut across = vec![0; PIECE - 2];
        across.extend(b"text\x7fabc\0\tab d\xc3\xa9last");
        let world = World::new(MemOs::new().file("/f", across).file("/empty", ""));
        world.call("fs::gzip", r#"["/f", "/f.gz"]"#).unwrap();
        let all = format!(
            r#"{{"next":null,"strings":[{{"offset":{},"text":"text"}},{{"offset":{},"text":"\tab d"}},{{"offset":{},"text":"last"}}],"truncated":false,"why":null}}"#,
            PIECE - 2,
            PIECE + 7,
            PIECE + 14
        );
        assert_eq!(world.returns("fs::strings", r#"["/f"]"#), all);
        assert_eq!(world.returns("fs::strings", r#"["/f", {"max": 3}]"#), all);
        assert_eq!(
            world.returns("fs::strings", r#"["/empty", {"max": 0}]"#),
            r#"{"next":null,"strings":[],"truncated":false,"why":null}"#
        );
        for max in 0..3 {
            let value = world.call("fs::strings", &format!(r#"["/f", {{"max": {max}}}]"#)).unwrap();
            assert_eq!(value.get("truncated"), Some(&true.into()), "{max}");
            assert!(matches!(value.get("strings"), Some(Value::List(strings)) if strings.len() == max));
            // The next text comes first, whether the file is read from there or from its start.
            let Some(Value::Int(next)) = value.get("next") else { panic!("{value}") };
            for file in ["/f", "/f.gz"] {
                let rest = world.call("fs::strings", &format!(r#"["{file}", {{"after": {next}}}]"#)).unwrap();
                assert!(matches!(rest.get("strings"), Some(Value::List(strings)) if strings.len() == 3 - max));
                let all = world.call("fs::strings", r#"["/f"]"#).unwrap();
                let (Some(Value::List(rest)), Some(Value::List(all))) = (rest.get("strings"), all.get("strings"))
                else {
                    panic!()
                };
                assert_eq!(rest[..], all[max..], "{file} {max}");
            }
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let limits = Limits { file_bytes: 1_000, entries: 100, ..Limits::default() };
        let os = MemOs::new().file("/long", "x".repeat(1_001)).file("/many", "abcd\0".repeat(300));
        let world = World::limited(os, |_, _| true, limits);
        assert_eq!(world.fails("fs::strings", r#"["/long", {"max": 1}]"#), Code::LimitExceeded);
        assert_eq!(world.fails("fs::strings", r#"["/many"]"#), Code::LimitExceeded);
        assert_eq!(world.fails("fs::strings", r#"["/many", {"min": 0, "max": 1}]"#), Code::Validation);
        let value = world.call("fs::strings", r#"["/many", {"max": 100}]"#).unwrap();
        assert_eq!(value.get("truncated"), Some(&true.into()));
    }
}
