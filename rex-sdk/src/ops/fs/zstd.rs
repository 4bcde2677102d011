//! `fs::zstd`

use rex_core::action::fs;
use rex_core::{Action, Code};

use super::gzip;
use crate::expand::CompressionFormat;
use crate::{CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec};

/// Compresses a file by Zstandard.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::zstd",
        aliases: &[],
        needs: &[fs::Read::SPEC, fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file. It stays."),
            Param::required("to", ParamKind::Path, "The compressed one."),
            Param::option("new", ParamKind::Bool, Literal::Bool(false), "Fail if the compressed one exists."),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many bytes were written." },
        doc: "Compresses a file by Zstandard.\nIts mode is that of the file, see `fs::copy`. What comes out is larger than what `fs::gzip` makes of the same file, and faster to expand. The compressed file appears all at once, and is held in memory until then.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/config.yaml", "/tmp/config.yaml.zst"]"#, returns: "24" },
    },
    call: |session, args| gzip::call(session, args, CompressionFormat::Zstandard),
};
