//! `fs::read`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Reads a text file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::read",
        aliases: &["read"],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The file.")],
        returns: ReturnSpec { kind: "text", doc: "All of the file." },
        doc: "Reads a text file.\nOne that is compressed by gzip, Zstandard, xz or bzip2 reads as what is in it. It must be UTF-8, or UTF-16 with its byte order mark, which reads as UTF-8; use `fs::read_bytes` for anything else, and `fs::lines` for a part of a large one.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/version.txt"]"#, returns: r#""1.4.2\n""# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let bytes = session.open(path.clone())?.read_all_expanded()?;
    String::from_utf8(bytes).map(Value::Text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let path = path.as_str().escape_debug();
        Error::new(Code::Unsupported, format!("`{path}` is not UTF-8: the first bad byte is at {at}"))
            .with_help("read it with `fs::read_bytes`")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use rex_core::Limits;

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    #[test]
    fn what_is_not_utf8_is_refused_with_its_place() {
        let world = World::new(MemOs::new().file("/f", b"caf\xe9").file("/a\nb", b"\xe9").file("/empty", ""));
        let error = world.call("fs::read", r#"["/f"]"#).unwrap_err();
        assert_eq!(error.to_string(), "UNSUPPORTED_EXCEPTION: `/f` is not UTF-8: the first bad byte is at 3");
        let error = world.call("fs::read", r#"["/a\nb"]"#).unwrap_err();
        assert_eq!(error.message, r"`/a\nb` is not UTF-8: the first bad byte is at 0");
        assert_eq!(world.returns("fs::read", r#"["/empty"]"#), r#""""#);
    }

    #[test]
    fn a_compressed_log_reads_as_if_it_were_plain() {
        let gzip = |text: &str| {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let log = "INFO one\nERROR two\nINFO three\n";
        let mut damaged = gzip(log);
        damaged.truncate(20);
        let os =
            MemOs::new().file("/l.gz", gzip(log)).file("/damaged", damaged).file("/bomb", gzip(&"x".repeat(5_000)));
        let world = World::limited(os, |_, _| true, Limits { file_bytes: 1_000, ..Limits::default() });
        assert_eq!(world.call("fs::read", r#"["/l.gz"]"#).unwrap(), log.into());
        for from_end in [false, true] {
            let args = format!(r#"["/l.gz", {{"skip": 2, "from_end": {from_end}}}]"#);
            let line = if from_end { "INFO one" } else { "INFO three" };
            assert_eq!(world.returns("fs::lines", &args), format!("[\"{line}\"]"));
        }
        assert_eq!(
            world.returns("fs::count", r#"["/l.gz"]"#),
            r#"{"bytes":30,"complete":true,"lines":3,"why":null,"words":6}"#
        );
        let found = world.call("fs::grep", r#"["/l.gz", "ERROR"]"#).unwrap();
        assert_eq!(found.get("count"), Some(&Value::Int(1)));
        let error = world.call("fs::read", r#"["/damaged"]"#).unwrap_err();
        assert_eq!(error.to_string(), "IO_EXCEPTION: `/damaged`: the compressed data ends too early");
        assert_eq!(world.fails("fs::read", r#"["/bomb"]"#), Code::LimitExceeded);
        assert_eq!(world.fails("fs::lines", r#"["/bomb"]"#), Code::LimitExceeded);
    }

    #[test]
    fn a_link_needs_a_permission_for_its_target() {
        let world = World::ruled(MemOs::example(), |_, path| !path.contains("logs"));
        world.call("fs::read", r#"["current.log"]"#).unwrap_err();
        assert_eq!(world.asked(), ["read /srv/app/current.log", "!read /srv/app/logs/app.log"]);
    }
}
