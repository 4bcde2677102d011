//! `fs::remove_all`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::os::EntryKind;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session, tree};

/// Removes a directory with everything in it.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::remove_all",
        aliases: &[],
        needs: &[fs::List::SPEC, fs::Remove::SPEC],
        params: &[
            Param::required(
                "path",
                ParamKind::Path,
                "The directory, without a slash at its end. No part of it is a symbolic link.",
            )
            .of(ParamForm::Read(ends_with_a_name)),
            Param::option(
                "one_file_system",
                ParamKind::Bool,
                Literal::Bool(false),
                "Remove nothing where another file system is mounted below; asks for `fs::stat` on each directory.",
            ),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many files, links and directories were removed." },
        doc: "Removes a directory with all that is in it.\nAsks for `fs::list` on every directory and for `fs::remove` on every entry before it removes the first: \
              if one is denied, nothing is removed. Links are removed, and never followed.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/logs"]"#, returns: "3" },
    },
    call,
};

/// Checks that a path ends with a name: with an empty `name`, `"logs/" + name` must not remove all of `logs`.
fn ends_with_a_name(text: &str) -> Result<(), Error> {
    if !matches!(text.rsplit('/').next(), Some("" | "." | "..")) {
        return Ok(());
    }
    let message = format!("`{}` does not end with the name of a directory", text.escape_debug());
    Err(Error::validation(message)
        .with_help("if you mean that directory, leave out the slash at its end; is a part of the path empty?"))
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let all = tree::all(session, args.path("path")?)?;
    if args.flag("one_file_system")? {
        tree::demand_one_file_system(session, &all)?;
    }
    let (paths, kinds): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let grants = tree::grants(session, &fs::Remove {}, paths)?;
    let removed = tree::each(session, grants, "removed", |place, grant| match kinds.get(place) {
        Some(EntryKind::Directory) => session.os.remove_dir(grant),
        _ => session.os.remove(grant),
    })?;
    Ok(Value::count(removed))
}

#[cfg(test)]
mod tests {
    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    fn deep() -> MemOs {
        MemOs::example()
            .file("/d/a/b/f", "")
            .link("/d/a/out", "/srv/app")
            .file("/d/g", "")
            .dir("/d/e")
            .link("/l", "/d")
            .link("/m/l", "/d/a")
    }

    #[test]
    fn all_of_it_goes_and_nothing_else() {
        let world = World::new(deep());
        assert_eq!(world.returns("fs::remove_all", r#"["/d"]"#), "7");
        assert_eq!(world.returns("fs::exists", r#"["/d"]"#), "false");
        assert!(world.os.contents("/srv/app/version.txt").is_some(), "a link is not followed");
        assert_eq!(world.fails("fs::remove_all", r#"["/d"]"#), Code::NotFound);
    }

    #[test]
    fn what_has_no_text_for_a_name_goes_by_its_spelling() {
        let os = || MemOs::new().dir("/d").raw_name("/d", b"caf\xe9").file(r"/d/caf\x5CxE9", "");
        let world = World::new(os());
        assert_eq!(world.returns("fs::remove_all", r#"["/d"]"#), "3");
        let asked = world.asked();
        assert!(
            asked.contains(&r"remove /d/caf\xE9".to_owned()) && asked.contains(&r"remove /d/caf\x5CxE9".to_owned()),
            "{asked:?}"
        );
        let ruled = World::ruled(os(), |action, path| action != "remove" || path != r"/d/caf\xE9");
        assert_eq!(ruled.fails("fs::remove_all", r#"["/d"]"#), Code::AccessDenied);
    }

    #[test]
    fn where_one_is_denied_nothing_goes() {
        for denied in ["/d/a/b/f", "/d/a/out", "/d/e", "/d"] {
            let world = World::new(deep());
            let before = world.returns("fs::find", r#"["/d"]"#);
            let ruled = World::ruled(
                deep(),
                match denied {
                    "/d/a/b/f" => |action, path| action != "remove" || path != "/d/a/b/f",
                    "/d/a/out" => |action, path| action != "remove" || path != "/d/a/out",
                    "/d/e" => |action, path| action != "list" || path != "/d/e",
                    _ => |action, path| action != "remove" || path != "/d",
                },
            );
            assert_eq!(ruled.fails("fs::remove_all", r#"["/d"]"#), Code::AccessDenied, "{denied}");
            assert_eq!(ruled.os.contents("/d/a/b/f").as_deref(), Some(&b""[..]));
            assert_eq!(World::new(ruled.os).returns("fs::find", r#"["/d"]"#), before, "{denied}");
        }
    }

    #[test]
    fn what_is_mounted_below_is_not_removed_unasked() {
        let world = World::new(deep().file("/d/m/f", "").mounted("/d/m", 7));
        let before = world.returns("fs::find", r#"["/d"]"#);
        let error = world.call("fs::remove_all", r#"["/d", {"one_file_system": true}]"#).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            (Code::Unsupported, "`/d/m` is on another file system; nothing was removed")
        );
        assert_eq!(world.returns("fs::find", r#"["/d"]"#), before);
        assert_eq!(world.returns("fs::remove_all", r#"["/d/m", {"one_file_system": true}]"#), "2");
        assert_eq!(world.returns("fs::remove_all", r#"["/d", {"one_file_system": true}]"#), "7");
    }

    #[test]
    fn links_and_files_are_refused() {
        let world = World::new(deep());
        for name in ["/l", "/m/l/b", "/d/g"] {
            assert_eq!(world.fails("fs::remove_all", &format!("[\"{name}\"]")), Code::Unsupported, "{name}");
        }
        assert!(world.os.contents("/d/a/b/f").is_some());
        let limits = rex_core::Limits { tree_depth: 1, ..rex_core::Limits::default() };
        assert_eq!(
            World::limited(deep(), |_, _| true, limits).fails("fs::remove_all", r#"["/d"]"#),
            Code::LimitExceeded
        );
    }
}
