//! `fs::expand`

use std::io::{self, Read};

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use super::copy::{like, open, write};
use crate::expand::READ;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Expands a compressed file into another one.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::expand",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The compressed file. It stays."),
            Param::required("to", ParamKind::Path, "The expanded one."),
            Param::option("new", ParamKind::Bool, Literal::Bool(false), "Fail if the expanded one exists."),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many bytes were written." },
        doc: "Writes what is in a compressed file to another.\nWhether it is compressed by gzip, Zstandard, xz or bzip2 is told by its contents. It is read twice, first for the \
              size of what is in it. The expanded file appears all at once; of a damaged file, nothing does. Its mode is that of the compressed file, see `fs::copy`.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/opt/tool/notes.txt.gz", "/tmp/notes.txt"]"#, returns: "6" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, to) = (args.path("path")?, args.path("to")?);
    let file = open(session, path, &to)?;
    let options = like(&file, args)?;
    if file.format().is_none() {
        let path = file.path().as_str().escape_debug();
        return Err(Error::new(Code::Unsupported, format!("`{path}` is not compressed by {READ}")));
    }
    let max = session.limits().written_bytes.saturating_sub(session.run.budget().bytes_written());
    let measured = io::copy(&mut file.contents().take(max.saturating_add(1)), &mut io::sink());
    let bytes = measured.map_err(|error| file.error(error))?;
    if bytes > max {
        return Err(exceeded("written_bytes", session.limits().written_bytes, "bytes written"));
    }
    write(session, file.path(), to, (bytes, &mut file.contents()), options)
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;
    use crate::compress::compress;
    use crate::expand::CompressionFormat;

    #[test]
    fn a_bomb_is_told_before_anything_is_written() {
        let limits = Limits { written_bytes: 1 << 20, ..Limits::default() };
        for format in [CompressionFormat::Gzip, CompressionFormat::Zstandard] {
            let bomb = compress(format, io::repeat(0).take(64 << 20), u64::MAX).unwrap();
            let world = World::limited(MemOs::new().file("/bomb", bomb).dir("/tmp"), |_, _| true, limits);
            let error = world.call("fs::expand", r#"["/bomb", "/tmp/f"]"#).unwrap_err();
            assert!(error.code == Code::LimitExceeded && !error.is_fatal(), "{error}");
            assert_eq!((world.os.contents("/tmp/f"), world.asked()), (None, vec!["read /bomb".to_owned()]));
            // Little more was expanded than may be written.
            assert!(world.run.budget().bytes_read() < 2 << 20);
        }
    }

    #[test]
    fn what_is_damaged_or_not_compressed_is_not_expanded() {
        let mut damaged = compress(CompressionFormat::Gzip, &b"some text"[..], u64::MAX).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        let os = MemOs::new().file("/damaged", damaged).file("/plain", "plain").file("/to", "old");
        let world = World::new(os);
        assert_eq!(world.fails("fs::expand", r#"["/damaged", "/to"]"#), Code::Io);
        assert_eq!(world.fails("fs::expand", r#"["/plain", "/to"]"#), Code::Unsupported);
        assert_eq!(world.os.contents("/to").unwrap(), b"old");
    }
}
