//! `fs::remove_all`

use rex_core::action::fs;
use rex_core::limits::exceeded;
use rex_core::{AbsPath, Action, Code, Error, Grant, Value};

use super::list::named;
use crate::os::EntryKind;
use crate::{Args, Example, Kind, Op, OpSpec, OsError, Param, Returns, Session};

/// Removes a directory with all that is in it.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::remove_all",
        aliases: &[],
        needs: &[fs::List::SPEC, fs::Remove::SPEC],
        params: &[Param::required("path", Kind::Path, "The directory. No part of it is a symbolic link.")],
        returns: Returns { kind: "int", doc: "How many files, links and directories were removed." },
        doc: "Removes a directory with all that is in it.\nAsks for `fs::list` on every directory and for `fs::remove` on every entry before it removes the first: \
              if one is denied, nothing is removed. Links are removed, and never followed.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: Example { args: r#"["/srv/app/logs"]"#, returns: "3" },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let mut plan = Plan { session, found: Vec::new() };
    plan.walk(path)?;
    let mut grants = Vec::with_capacity(plan.found.len());
    for (path, directory) in plan.found {
        grants.push((session.permit(fs::Remove {}, path)?, directory));
    }
    let all = grants.len();
    for (removed, (grant, directory)) in grants.into_iter().enumerate() {
        session.run.budget().check()?;
        remove(session, grant, directory).map_err(|error| {
            // Told as it is: what is gone is gone.
            Error { message: format!("{}; {removed} of {all} were removed before", error.message), ..error }
        })?;
    }
    Ok(Value::count(all as u64))
}

fn remove(session: &Session<'_>, grant: Grant<fs::Remove>, directory: bool) -> Result<(), Error> {
    let path = grant.resource().clone();
    let removed = if directory { session.os.remove_dir(grant) } else { session.os.remove(grant) };
    removed.map_err(|error| crossed(error, &path).about(&path))
}

/// All that is to be removed, what is in a directory before the directory.
struct Plan<'s, 'r> {
    session: &'s Session<'r>,
    found: Vec<(AbsPath, bool)>,
}

impl Plan<'_, '_> {
    fn walk(&mut self, top: AbsPath) -> Result<(), Error> {
        // Directories whose entries are found already, and those that are still to be looked at.
        let mut todo = vec![(top, 0, false)];
        let limits = self.session.limits();
        let mut visited = 0;
        while let Some((dir, depth, listed)) = todo.pop() {
            if listed {
                self.found.push((dir, true));
                continue;
            }
            if depth > limits.tree_depth {
                return Err(exceeded("tree_depth", limits.tree_depth, "levels of directories"));
            }
            let entries = self.list(&dir)?;
            todo.push((dir.clone(), depth, true));
            for entry in entries {
                self.session.run.budget().check()?;
                visited += 1;
                if visited > limits.entries {
                    return Err(exceeded("entries", limits.entries, "entries"));
                }
                let (_, path) = named(&dir, entry.name).map_err(|(_, error)| error)?;
                match entry.kind {
                    EntryKind::Directory => todo.push((path, depth + 1, false)),
                    EntryKind::Unknown => {
                        return Err(Error::new(
                            Code::Io,
                            format!("what `{}` is could not be found out", path.as_str().escape_debug()),
                        ));
                    }
                    _ => self.found.push((path, false)),
                }
            }
        }
        Ok(())
    }

    fn list(&self, dir: &AbsPath) -> Result<Vec<crate::os::DirEntry>, Error> {
        let max = self.session.limits().entries;
        self.session.act(fs::List {}, dir.clone(), |grant| {
            self.session.os.list(grant, max).map_err(|error| crossed(error, dir))
        })
    }
}

/// What lies behind a link is not what was named.
fn crossed(error: OsError, path: &AbsPath) -> OsError {
    match error {
        OsError::Crossed(_) => {
            let message = format!("`{}` is, or lies behind, a symbolic link", path.as_str().escape_debug());
            Error::new(Code::Unsupported, message)
                .with_help("name the directory itself; `fs::remove` removes a link")
                .into()
        }
        other => other,
    }
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
