//! `fs::truncate`

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Truncates a file, or fills it up with zeros.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::truncate",
        aliases: &[],
        needs: &[fs::Write::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file, which exists."),
            Param::option("size", ParamKind::Size, Literal::Int(0), "Its new size."),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Cuts a file, or fills it up with zeros, to a size.\nWhat it is filled up with counts as written. The file itself is changed and not replaced, so that a program that has it open goes on writing to it: this is for logs.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/logs/app.log"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, size) = (args.path("path")?, args.size("size")?);
    let limit = session.limits().file_bytes;
    if size > limit {
        return Err(exceeded("file_bytes", limit, "bytes of one file"));
    }
    let bytes = i64::try_from(size).unwrap_or(i64::MAX);
    let budget = session.run.budget();
    session.act(fs::Write { bytes }, path, |grant| {
        let room = session.limits().written_bytes.saturating_sub(budget.bytes_written());
        let growth = session.os.resize(grant, room)?;
        Ok(budget.count_written(growth)?)
    })?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use rex_core::{Code, Limits};

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn what_a_file_is_filled_up_with_counts_as_written() {
        let limits = Limits { written_bytes: 100, ..Limits::default() };
        let world = World::limited(MemOs::example(), |_, _| true, limits);
        let size = world.os.contents("/srv/app/version.txt").unwrap().len();
        let to = |size: usize| format!(r#"["version.txt", {{"size": {size}}}]"#);
        assert_eq!(world.returns("fs::truncate", &to(size + 90)), "null");
        assert_eq!(world.returns("fs::truncate", &to(size)), "null");
        assert_eq!(world.run.budget().bytes_written(), 90);
        assert_eq!(world.fails("fs::truncate", &to(size + 11)), Code::LimitExceeded);
        assert_eq!(world.os.contents("/srv/app/version.txt").unwrap().len(), size, "nothing was done");
    }
}
