//! `fs::read`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Kind, Op, OpSpec, Param, Returns, Session};

/// Reads a text file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::read",
        aliases: &["read"],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", Kind::Path, "The file.")],
        returns: Returns { kind: "text", doc: "All of the file." },
        doc: "Reads a text file.\nIt must be UTF-8; use `fs::read_bytes` for anything else, and `fs::lines` for a part of a large one.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/version.txt"]"#, returns: r#""1.4.2\n""# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let bytes = session.open(path.clone())?.read_all()?;
    String::from_utf8(bytes).map(Value::Text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let path = path.as_str().escape_debug();
        Error::new(Code::Unsupported, format!("`{path}` is not UTF-8: the first bad byte is at {at}"))
            .with_help("read it with `fs::read_bytes`")
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
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
    fn a_link_needs_a_permission_for_its_target() {
        let world = World::ruled(MemOs::example(), |_, path| !path.contains("logs"));
        world.call("fs::read", r#"["current.log"]"#).unwrap_err();
        assert_eq!(world.asked(), ["read /srv/app/current.log", "!read /srv/app/logs/app.log"]);
    }
}
