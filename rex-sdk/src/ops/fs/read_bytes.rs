//! `fs::read_bytes`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Reads a file as bytes.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::read_bytes",
        aliases: &[],
        needs: &[fs::Read::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The file.")],
        returns: ReturnSpec { kind: "bytes", doc: "All of the file." },
        doc: "Reads a file as bytes.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/icon.bin"]"#, returns: "[137,80,78,71,255,0]" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    session.open(args.path("path")?)?.read_all().map(Value::Bytes)
}

#[cfg(test)]
mod tests {
    use rex_core::{Code, Limits};

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn bytes_come_as_they_are_up_to_the_limit() {
        let limits = Limits { file_bytes: 4, ..Limits::default() };
        let os = MemOs::new().file("/four", [0, 10, 255, 13]).file("/five", "12345").file("/secret", "");
        let world = World::limited(os, |_, path| path != "/secret", limits);
        assert_eq!(world.returns("fs::read_bytes", r#"["/four"]"#), "[0,10,255,13]");
        assert_eq!(world.fails("fs::read_bytes", r#"["/five"]"#), Code::LimitExceeded);
        assert_eq!(world.fails("fs::read_bytes", r#"["/secret"]"#), Code::AccessDenied);
    }
}
