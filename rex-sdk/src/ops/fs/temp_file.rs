//! `fs::temp_file`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::os::WriteOptions;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Creates a file with a new name.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::temp_file",
        aliases: &[],
        needs: &[fs::Write::SPEC],
        params: &[
            Param::required("directory", ParamKind::Path, "Where it is created, `/tmp` for instance."),
            Param::option("contents", ParamKind::Data, Literal::Text(""), "What it holds."),
            Param::option("prefix", ParamKind::Text, Literal::Text("rex-"), "What its name begins with."),
            Param::option(
                "suffix",
                ParamKind::Text,
                Literal::Text(""),
                "What its name ends with, `.txt` for instance.",
            ),
        ],
        returns: ReturnSpec { kind: "text", doc: "Its path." },
        doc: "Creates a file of a name that nothing had, which only the owner may read and write.\nThe name holds the id of the run, so that what is left behind tells where it comes from. It is not removed at the end.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app", {"suffix": ".txt"}]"#, returns: r#""/srv/app/rex-test-0.txt""# },
    },
    call,
};

/// Maximum number of names to try.
const TRIES: u64 = 16;

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (directory, contents) = (args.path("directory")?, args.data("contents")?);
    let (prefix, suffix) = (args.text("prefix")?, args.text("suffix")?);
    let id = session.run.id();
    let action = fs::Write { bytes: i64::try_from(contents.len()).unwrap_or(i64::MAX) };
    let new = WriteOptions { new: true, private: true, like: None };
    let first = session.run.decisions();
    for number in first..first.saturating_add(TRIES) {
        let name = format!("{prefix}{id}-{number}{suffix}");
        let path = directory.join(&name).map_err(|error| Error::validation(format!("no name for a file: {error}")))?;
        let written = session.act(action.clone(), path, |grant| {
            let path = grant.resource().clone();
            session.put(grant, contents, new).map(|_| path)
        });
        match written {
            Ok(path) => return Ok(path.as_str().into()),
            Err(error) if error.code == Code::AlreadyExists => {}
            Err(error) => return Err(super::into_missing(error)),
        }
    }
    Err(Error::new(Code::AlreadyExists, format!("all {TRIES} names that were tried exist")))
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use crate::MemOs;

    #[test]
    fn what_has_the_name_is_left_alone() {
        let os = MemOs::new().file("/tmp/rex-test-0", "old").file("/tmp/rex-test-1", "old");
        let world = World::new(os);
        assert_eq!(world.returns("fs::temp_file", r#"["/tmp", {"contents": "new"}]"#), r#""/tmp/rex-test-2""#);
        assert_eq!(world.os.contents("/tmp/rex-test-0").unwrap(), b"old");
        assert_eq!(world.os.contents("/tmp/rex-test-2").unwrap(), b"new");
        assert_eq!(world.returns("fs::temp_file", r#"["/tmp"]"#), r#""/tmp/rex-test-3""#);
        assert!(world.returns("fs::stat", r#"["/tmp/rex-test-3"]"#).contains("600"));
    }

    #[test]
    fn no_name_leads_elsewhere() {
        let world = World::new(MemOs::example());
        for option in ["prefix", "suffix"] {
            let args = format!(r#"["/srv/app", {{"{option}": "/../x"}}]"#);
            assert_eq!(world.fails("fs::temp_file", &args), Code::Validation);
        }
    }
}
