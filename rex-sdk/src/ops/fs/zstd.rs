//! `fs::zstd`

use rex_core::action::fs;
use rex_core::{Action, Code};

use super::gzip;
use crate::expand::Format;
use crate::{Example, Kind, Literal, Op, OpSpec, Param, Returns};

/// Compresses a file by Zstandard.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::zstd",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The file. It stays."),
            Param::required("to", Kind::Path, "The compressed one."),
            Param::option("new", Kind::Bool, Literal::Bool(false), "Fail if the compressed one exists."),
        ],
        returns: Returns { kind: "int", doc: "How many bytes were written." },
        doc: "Compresses a file by Zstandard.\nIts mode is that of the file, see `fs::copy`. What comes out is larger than what `fs::gzip` makes of the same file, and faster to expand. The compressed file appears all at once, and is held in memory until then.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/config.yaml", "/tmp/config.yaml.zst"]"#, returns: "24" },
    },
    call: |session, args| gzip::call(session, args, Format::Zstandard),
};
