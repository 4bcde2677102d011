//! `fs::stat`

use std::io;

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Value};

use super::{EntryMap, describe};
use crate::os::{EntryKind, Metadata};
use crate::{Args, CallExample, Literal, Op, OpSpec, OsError, Param, ParamKind, ReturnSpec, Session};

/// Maximum number of links that one name may cross, as in the kernel.
const MAX_LINKS: usize = rex_core::bounds::LINKS;

/// Returns type, size, times, mode and owner.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::stat",
        aliases: &[],
        needs: &[fs::Stat::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The name."),
            Param::option(
                "follow",
                ParamKind::Bool,
                Literal::Bool(true),
                "Of a symbolic link, tell about what it leads to, with a permission for that.",
            ),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`path` (where it led to), `kind` (`file`, `directory`, `symlink`, `fifo`, `socket`, `device`), `size` in bytes, \
                  `mode` (permission bits) and the same in octal as `mode_text`, `uid`, `gid`, `links`, `allocated` (bytes on disk), `target` (of a symbolic link, its text), and \
                  `modified`, `accessed`, `changed` as RFC 3339, each with `_epoch` in seconds.",
        },
        doc: "Tells kind, size, times, mode and owner.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"["/etc/hosts"]"#,
            returns: r#"{"accessed":"2026-03-02T12:00:00Z","accessed_epoch":1772452800.0,"allocated":20,"changed":"2026-03-02T12:00:00Z","changed_epoch":1772452800.0,"gid":0,"kind":"file","links":1,"mode":420,"mode_text":"0644","modified":"2026-03-02T12:00:00Z","modified_epoch":1772452800.0,"path":"/etc/hosts","size":20,"target":null,"uid":0}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let (at, metadata) = if args.flag("follow")? { follow(session, path)? } else { look(session, path)? };
    let mut entry = EntryMap::from([("path".to_owned(), at.as_str().into())]);
    describe(&mut entry, &metadata);
    Ok(Value::Map(entry))
}

/// Returns the canonical path of a name (its directory without links, and its own name) with its metadata.
pub(super) fn look(session: &Session<'_>, path: AbsPath) -> Result<(AbsPath, Metadata), Error> {
    session.run.budget().check()?;
    session.act(fs::Stat {}, path, |grant| {
        let at = grant.resource().clone();
        session.os.stat(grant).map(|metadata| (at, metadata))
    })
}

/// Returns the path and metadata of a name after all links, each inspected with its own permission.
pub(super) fn follow(session: &Session<'_>, path: AbsPath) -> Result<(AbsPath, Metadata), Error> {
    let mut todo = Vec::new();
    let (mut found, mut links) = (path, 0);
    loop {
        // `..` leaves the directory that the preceding link points to, so the part before it is inspected first.
        let mut up = false;
        let mut canonical = true;
        while let Some(part) = todo.pop() {
            match part {
                LinkComponent::Up if canonical => found = found.parent().unwrap_or(found),
                LinkComponent::Up => {
                    up = true;
                    break;
                }
                LinkComponent::Down(name) => {
                    canonical = false;
                    found = found.entry(name.as_bytes()).map_err(|error| unsupported(&found, &error.to_string()))?;
                }
            }
        }
        let (at, metadata) = look(session, found)?;
        if metadata.kind != EntryKind::Symlink {
            if !up {
                return Ok((at, metadata));
            }
            if metadata.kind != EntryKind::Directory {
                return Err(OsError::from(io::Error::from(io::ErrorKind::NotADirectory)).into_error(&at));
            }
            found = at.parent().unwrap_or(at);
            continue;
        }
        let Some(target) = &metadata.target else {
            return Err(unsupported(&at, "it is a symbolic link whose target is not UTF-8")
                .with_help("the option `follow: false` inspects the link itself"));
        };
        links += 1;
        if links > MAX_LINKS {
            let at = at.as_str().escape_debug();
            return Err(Error::new(Code::Io, format!("`{at}`: too many symbolic links, or they lead in a circle")));
        }
        todo.extend(up.then_some(LinkComponent::Up));
        todo.extend(target.rsplit('/').filter_map(LinkComponent::of));
        found = if target.starts_with('/') { AbsPath::root() } else { at.parent().unwrap_or(at) };
    }
}

/// One component of the target of a link.
enum LinkComponent {
    Up,
    Down(String),
}

impl LinkComponent {
    fn of(text: &str) -> Option<Self> {
        match text {
            "" | "." => None,
            ".." => Some(Self::Up),
            name => Some(Self::Down(name.to_owned())),
        }
    }
}

pub(super) fn unsupported(at: &AbsPath, why: &str) -> Error {
    Error::new(Code::Unsupported, format!("`{}`: {why}", at.as_str().escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    fn links() -> MemOs {
        MemOs::example()
            .file("/a/b/f", "12345")
            .link("/a/up", "b/../../a/b/f")
            .link("/l", "/a/b")
            .link("/a/through", "../l/../b/f")
            .link("/loop", "loop")
            .link("/raw", b"f\xff")
            .link("/lost", "/none")
            .link("/odd", "etc/hosts/../f")
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let world = World::new(links());
        for name in ["/a/up", "/a/through", "/l/f"] {
            let stat = world.call("fs::stat", &format!("[\"{name}\"]")).unwrap();
            assert_eq!((stat.get("path"), stat.get("size")), (Some(&"/a/b/f".into()), Some(&Value::Int(5))), "{name}");
        }
        for (name, code) in
            [("/loop", Code::Io), ("/raw", Code::Unsupported), ("/lost", Code::NotFound), ("/odd", Code::Unsupported)]
        {
            assert_eq!(world.fails("fs::stat", &format!("[\"{name}\"]")), code, "{name}");
            let link = world.call("fs::stat", &format!("[\"{name}\", {{\"follow\": false}}]")).unwrap();
            assert_eq!(link.get("kind"), Some(&"symlink".into()), "{name}");
        }
    }

    #[test]
    fn a_name_of_two_lines_is_told_in_one() {
        let world = World::new(MemOs::new().link("/a\nb", "a\nb"));
        let error = world.call("fs::stat", r#"["/a\nb"]"#).unwrap_err();
        assert_eq!(error.message, r"`/a\nb`: too many symbolic links, or they lead in a circle");
    }

    #[test]
    fn each_step_needs_a_permission_of_its_own() {
        let world = World::ruled(links(), |_, path| path != "/a/b/f");
        assert_eq!(world.fails("fs::stat", r#"["/a/through"]"#), Code::AccessDenied);
        assert_eq!(world.asked(), ["stat /a/through", "stat /l", "stat /a/b", "!stat /a/b/f"]);
        let link = world.call("fs::stat", r#"["/a/through", {"follow": false}]"#).unwrap();
        assert_eq!(link.get("target"), Some(&"../l/../b/f".into()));
    }
}
