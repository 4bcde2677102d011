//! `fs::create_dir`

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Value};

use super::{into_missing, stat};
use crate::os::EntryKind;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Creates a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::create_dir",
        aliases: &[],
        needs: &[fs::CreateDir::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The directory."),
            Param::option(
                "parents",
                ParamKind::Bool,
                Literal::Bool(false),
                "Create the missing ones above it too, each with a permission of its own. A directory that exists is taken as it is; asks for `fs::stat` on it.",
            ),
        ],
        returns: ReturnSpec { kind: "nothing", doc: "" },
        doc: "Creates a directory.",
        errors: &[Code::NotFound, Code::AlreadyExists, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/cache"]"#, returns: "null" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    if args.flag("parents")? {
        create_with_parents(session, path)?;
    } else {
        create(session, path).map_err(into_missing)?;
    }
    Ok(Value::Null)
}

fn create(session: &Session<'_>, path: AbsPath) -> Result<(), Error> {
    session.act(fs::CreateDir {}, path, |grant| session.os.create_dir(grant, None))
}

/// Creates a directory: goes up until a parent exists or can be created, then down again.
fn create_with_parents(session: &Session<'_>, path: AbsPath) -> Result<(), Error> {
    let mut missing = Vec::new();
    let mut next = Some(path.clone());
    while let Some(dir) = next.take() {
        session.run.budget().check()?;
        match create(session, dir.clone()) {
            Ok(()) => {}
            Err(error) if error.code == Code::NotFound && !dir.is_root() => {
                next = dir.parent();
                missing.push(dir);
            }
            Err(error) if error.code == Code::AlreadyExists => {
                // Creating something below an existing name shows whether it is a directory.
                if dir == path && stat::follow(session, dir)?.1.kind != EntryKind::Directory {
                    return Err(error.with_help("it is not a directory"));
                }
            }
            Err(error) => return Err(error),
        }
    }
    while let Some(dir) = missing.pop() {
        session.run.budget().check()?;
        match create(session, dir) {
            // Another process created it in the meantime, which is fine.
            Err(error) if error.code == Code::AlreadyExists => {}
            done => done?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    const PARENTS: &str = r#"{"parents": true}"#;

    #[test]
    fn parents_are_created_each_with_its_own_permission() {
        let world = World::new(MemOs::example());
        assert_eq!(world.fails("fs::create_dir", r#"["a/b/c"]"#), Code::NotFound);
        world.asked();
        assert_eq!(world.returns("fs::create_dir", &format!(r#"["a/b/c", {PARENTS}]"#)), "null");
        let dirs = ["a/b/c", "a/b", "a", "a/b", "a/b/c"].map(|dir| format!("create_dir /srv/app/{dir}"));
        assert_eq!(world.asked(), dirs);
        // A second call accepts the existing directory.
        assert_eq!(world.returns("fs::create_dir", &format!(r#"["a/b/c", {PARENTS}]"#)), "null");
        assert_eq!(world.asked(), ["create_dir /srv/app/a/b/c", "stat /srv/app/a/b/c"]);
        assert_eq!(world.fails("fs::create_dir", r#"["a"]"#), Code::AlreadyExists);
    }

    #[test]
    fn nothing_is_created_before_a_parent_is_denied() {
        let world = World::ruled(MemOs::example(), |_, path| path != "/srv/app/a/b");
        assert_eq!(world.fails("fs::create_dir", &format!(r#"["a/b/c", {PARENTS}]"#)), Code::AccessDenied);
        assert_eq!(world.returns("fs::exists", r#"["a"]"#), "false");
    }

    #[test]
    fn what_is_no_directory_is_not_taken_for_one() {
        let os = MemOs::example().link("/lost", "/none/d").link("/logs", "/srv/app/logs");
        let world = World::new(os);
        for (name, code) in [
            ("version.txt", Code::AlreadyExists),
            ("version.txt/a/b", Code::Unsupported),
            ("/lost", Code::NotFound),
            ("/lost/a", Code::NotFound),
            ("/", Code::AlreadyExists),
        ] {
            match world.call("fs::create_dir", &format!(r#"["{name}", {PARENTS}]"#)) {
                Ok(_) => assert_eq!(name, "/"),
                Err(error) => assert_eq!(error.code, code, "{name}"),
            }
        }
        assert_eq!(world.returns("fs::create_dir", &format!(r#"["/logs", {PARENTS}]"#)), "null");
    }
}
