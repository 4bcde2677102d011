//! `fs::checksum`

use std::io::Read;

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};
use sha2::{Digest, Sha256};

use crate::session::MeteredFile;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Computes a checksum of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::checksum",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file."),
            Param::option("algorithm", ParamKind::Text, Literal::Text("sha256"), "`sha256` or `blake3`.")
                .of(ParamForm::OneOf(&["sha256", "blake3"])),
        ],
        returns: ReturnSpec { kind: "text", doc: "The checksum in lower-case hexadecimal." },
        doc: "Computes a checksum of a file.\nThe file is read piece by piece, however large it is. SHA-256 is what `sha256sum` prints, BLAKE3 is faster.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/version.txt"]"#,
            returns: r#""b99b4c7cdf236f59bc9f65d963deaecae3b16a7dad87939cacb9057f7664daee""#,
        },
    },
    call,
};

/// Number of bytes that are hashed at a time.
pub(super) const PIECE: usize = 128 << 10;

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let algorithm = args.text("algorithm")?;
    let mut file = session.open(args.path("path")?)?;
    let digest = if algorithm == "blake3" {
        let mut hasher = blake3::Hasher::new();
        pieces(&mut file, |piece| {
            hasher.update(piece);
        })?;
        hasher.finalize().to_hex().to_string()
    } else {
        let mut hasher = Sha256::new();
        pieces(&mut file, |piece| hasher.update(piece))?;
        format!("{:x}", hasher.finalize())
    };
    Ok(Value::Text(digest))
}

/// Calls `visit` with all of a file, piece by piece.
pub(super) fn pieces(file: &mut MeteredFile<'_>, mut visit: impl FnMut(&[u8])) -> Result<(), Error> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => visit(piece.get(..count).unwrap_or_default()),
            Err(error) => return Err(file.error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn large_and_empty_files_have_one_too() {
        let world = World::new(MemOs::new().file("/empty", "").file("/large", vec![b'x'; 3 * PIECE + 1]));
        // The output of `sha256sum` and `b3sum`.
        for (args, sum) in [
            (r#"["/empty"]"#, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (
                r#"["/empty", {"algorithm": "blake3"}]"#,
                "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            ),
            (r#"["/large"]"#, "5c346842f1981b04bfdfd86d8c2e3928d3a93f16d25b791e94f535343f80ed0f"),
        ] {
            assert_eq!(world.returns("fs::checksum", args), format!("\"{sum}\""), "{args}");
        }
        let error = world.call("fs::checksum", r#"["/empty", {"algorithm": "md\n5"}]"#).unwrap_err();
        assert_eq!(error.message, r"`algorithm` of `fs::checksum` expects `sha256`, `blake3`, got `md\n5`");
        assert_eq!(world.run.budget().bytes_read(), 3 * PIECE as u64 + 1);
    }
}
