//! `fs::gzip`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::copy::{like, open, write};
use crate::compress::compress;
use crate::expand::CompressionFormat;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Compresses a file by gzip.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::gzip",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file. It stays."),
            Param::required("to", ParamKind::Path, "The compressed one."),
            Param::option("new", ParamKind::Bool, Literal::Bool(false), "Fail if the compressed one exists."),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many bytes were written." },
        doc: "Compresses a file by gzip.\nIts mode is that of the file, see `fs::copy`. The compressed file appears all at once, and is held in memory until then.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/config.yaml", "/tmp/config.yaml.gz"]"#, returns: "31" },
    },
    call: |session, args| call(session, args, CompressionFormat::Gzip),
};

pub(super) fn call(session: &Session<'_>, args: &Args, format: CompressionFormat) -> Result<Value, Error> {
    let (path, to) = (args.path("path")?, args.path("to")?);
    let mut file = open(session, path, &to)?;
    let options = like(&file, args)?;
    let compressed = compress(format, &mut file, session.limits().file_bytes).map_err(|error| file.error(error))?;
    write(session, file.path(), to, (compressed.len() as u64, &mut compressed.as_slice()), options)
}

#[cfg(test)]
mod tests {
    use rex_core::Limits;

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn there_and_back_again() {
        let text = "INFO one\n".repeat(50_000);
        for operation in ["fs::gzip", "fs::zstd"] {
            let world = World::new(MemOs::new().file("/f", &text).file("/empty", "").file("/old", "old"));
            for name in ["f", "empty"] {
                world.call(operation, &format!(r#"["/{name}", "/packed"]"#)).unwrap();
                assert_eq!(world.fails(operation, r#"["/f", "/packed", {"new": true}]"#), Code::AlreadyExists);
                world.call("fs::expand", r#"["/packed", "/old"]"#).unwrap();
                assert_eq!(world.os.contents("/old"), world.os.contents(&format!("/{name}")));
            }
            assert_eq!(world.fails(operation, r#"["/f", "/f"]"#), Code::Validation);
        }
    }

    #[test]
    fn both_names_need_a_permission_and_what_comes_out_is_bounded() {
        let noise: Vec<u8> = (0_u32..4_000).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let limits = Limits { file_bytes: 1_000, ..Limits::default() };
        let os = MemOs::new().file("/noise", noise).file("/f", "x".repeat(4_000)).file("/secret", "x");
        let world = World::limited(os, |_, path| path != "/secret", limits);
        for operation in ["fs::gzip", "fs::zstd"] {
            assert_eq!(world.fails(operation, r#"["/secret", "/to"]"#), Code::AccessDenied);
            assert_eq!(world.fails(operation, r#"["/f", "/secret"]"#), Code::AccessDenied);
            assert_eq!(world.fails(operation, r#"["/noise", "/to"]"#), Code::LimitExceeded);
            assert_eq!(world.os.contents("/to"), None);
            world.call(operation, r#"["/f", "/packed"]"#).unwrap();
        }
        assert_eq!(world.os.contents("/secret").unwrap(), b"x");
    }
}
