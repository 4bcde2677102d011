//! `fs::stat`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use super::{Entry, describe};
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// How many links one name may lead through, as in the kernel.
const MAX_LINKS: usize = 40;

/// Tells kind, size, times, mode and owner.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::stat",
        aliases: &[],
        needs: &[fs::Stat::SPEC],
        params: &[
            Param::required("path", Kind::Path, "The name."),
            Param::option(
                "follow",
                Kind::Bool,
                Literal::Bool(true),
                "Of a symbolic link, tell about what it leads to, with a permission for that.",
            ),
        ],
        returns: Returns {
            kind: "map",
            doc: "`path` (where it led to), `kind` (`file`, `directory`, `symlink`, `fifo`, `socket`, `device`), `size` in bytes, \
                  `mode` (permission bits), `uid`, `gid`, `links`, `target` (of a symbolic link), and `modified`, `accessed`, \
                  `changed` as RFC 3339, each with `_epoch` in seconds.",
        },
        doc: "Tells kind, size, times, mode and owner.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example {
            args: r#"["/etc/hosts"]"#,
            returns: r#"{"accessed":"2026-03-02T12:00:00Z","accessed_epoch":1772452800.0,"changed":"2026-03-02T12:00:00Z","changed_epoch":1772452800.0,"gid":0,"kind":"file","links":1,"mode":420,"modified":"2026-03-02T12:00:00Z","modified_epoch":1772452800.0,"path":"/etc/hosts","size":20,"target":null,"uid":0}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (mut path, follow) = (args.path("path")?, args.flag("follow")?);
    for _ in 0..MAX_LINKS {
        let (at, metadata) = session.act(fs::Stat {}, path, |grant| {
            let at = grant.resource().clone();
            session.os.stat(grant).map(|metadata| (at, metadata))
        })?;
        match (&metadata.target, at.parent()) {
            (Some(target), Some(parent)) if follow => {
                path = parent
                    .resolve(target)
                    .map_err(|error| Error::new(Code::Unsupported, format!("`{at}`: {error}")))?;
            }
            _ => {
                let mut entry = Entry::from([
                    ("path".to_owned(), at.as_str().into()),
                    ("target".to_owned(), metadata.target.clone().into()),
                ]);
                describe(&mut entry, &metadata);
                return Ok(Value::Map(entry));
            }
        }
    }
    Err(Error::new(Code::Io, "the name leads through too many symbolic links"))
}
