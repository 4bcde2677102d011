//! `fs::list`

use std::borrow::Cow;

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Code, Error, Value};

use super::{EntryMap, as_listed, describe, skipped};
use crate::os::DirEntry;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Lists a directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::list",
        aliases: &[],
        needs: &[fs::List::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The directory."),
            Param::option(
                "stat",
                ParamKind::Bool,
                Literal::Bool(false),
                "Tell size, times, mode and owner of each entry too; asks for `fs::stat` on each.",
            ),
        ],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, in the order of their names: `name`, `path`, `kind`, and with `stat` what `fs::stat` tells. \
                  An entry that could not be looked at has `error` (a map with `path`, `code`, `message`) instead. A name that \
                  is not UTF-8 is also `name_bytes`; in `name` and `path`, `\\xHH` stands for a byte of it that is none.",
        },
        doc: "Lists a directory.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/srv/app/logs"]"#,
            returns: r#"[{"kind":"file","name":"app.log","path":"/srv/app/logs/app.log"},{"kind":"file","name":"old.log","path":"/srv/app/logs/old.log"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let stat = args.flag("stat")?;
    let (dir, entries) = session
        .act(fs::List {}, args.path("path")?, |grant| {
            let dir = grant.resource().clone();
            session.os.list(grant, session.limits().entries).map(|entries| (dir, entries))
        })
        .map_err(in_parts)?;
    let mut listed = Vec::with_capacity(entries.len());
    for entry in entries {
        session.run.budget().check()?;
        listed.push(Value::Map(describe_entry(session, &dir, entry, stat)?));
    }
    Ok(Value::List(listed))
}

/// Adds advice to the error of a long list: an incomplete list could not say so.
fn in_parts(error: Error) -> Error {
    match (error.code, &error.help) {
        (Code::LimitExceeded, Some(help)) => {
            let help = format!("`fs::find` with `depth: 1`, `max` and `after` takes a directory in parts; {help}");
            error.with_help(help)
        }
        _ => error,
    }
}

fn describe_entry(session: &Session<'_>, dir: &AbsPath, entry: DirEntry, stat: bool) -> Result<EntryMap, Error> {
    let mut map = EntryMap::from([("kind".to_owned(), entry.kind.as_str().into())]);
    let (name, path) = match named(dir, entry.name) {
        Ok(named) => named,
        Err((bytes, error)) => {
            map.insert("error".to_owned(), skipped(dir.as_str(), &error));
            map.insert("name_bytes".to_owned(), Value::Bytes(bytes));
            return Ok(map);
        }
    };
    if let Cow::Owned(bytes) = path.name_bytes() {
        map.insert("name_bytes".to_owned(), Value::Bytes(bytes));
    }
    map.insert("name".to_owned(), name.into());
    map.insert("path".to_owned(), path.as_str().into());
    if stat {
        match session.act(fs::Stat {}, path.clone(), |grant| as_listed(session.os.stat(grant))) {
            Ok(metadata) => describe(&mut map, &metadata),
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => drop(map.insert("error".to_owned(), skipped(path.as_str(), &error))),
        }
    }
    Ok(map)
}

/// Returns the name and the path of an entry, or its bytes and the reason why they are not a path.
pub(crate) fn named(dir: &AbsPath, name: Vec<u8>) -> Result<(String, AbsPath), (Vec<u8>, Error)> {
    match dir.entry(&name) {
        Ok(path) => Ok((path.name().to_owned(), path)),
        Err(error) => {
            let message = format!("the name `{}` is not a valid path: {error}", name.escape_ascii());
            Err((name, Error::new(Code::Unsupported, message)))
        }
    }
}

#[cfg(test)]
mod tests {
    use rex_core::Code;

    use super::super::testing::World;
    use super::*;
    use crate::MemOs;

    fn error(entry: &Value) -> &str {
        match entry.get("error").and_then(|error| error.get("code")) {
            Some(Value::Text(code)) => code,
            _ => "",
        }
    }

    #[test]
    fn what_may_not_be_looked_at_is_listed_with_the_reason() {
        let world = World::ruled(MemOs::example(), |_, path| path != "/srv/app/logs/old.log" && path != "/etc");
        let Ok(Value::List(entries)) = world.call("fs::list", r#"["logs", {"stat": true}]"#) else { panic!() };
        assert_eq!(entries.iter().map(error).collect::<Vec<_>>(), ["", Code::AccessDenied.as_str()]);
        assert_eq!((entries[0].get("size"), entries[1].get("size")), (Some(&Value::Int(259)), None));
        assert_eq!(world.fails("fs::list", r#"["/etc"]"#), Code::AccessDenied);
    }

    #[test]
    fn a_name_that_is_no_text_comes_as_bytes_too_and_can_be_removed() {
        let world = World::new(MemOs::new().dir("/d").raw_name("/d", b"\xff\n").file("/d/a\nb", ""));
        let Ok(Value::List(entries)) = world.call("fs::list", r#"["/d"]"#) else { panic!() };
        assert_eq!(entries[0].get("name"), Some(&"a\nb".into()));
        assert_eq!(entries[1].get("name_bytes"), Some(&Value::Bytes(b"\xff\n".to_vec())));
        assert_eq!((entries[1].get("path"), error(&entries[1])), (Some(&"/d/\\xFF\n".into()), ""));
        let Ok(Value::List(entries)) = world.call("fs::list", r#"["/d", {"stat": true}]"#) else { panic!() };
        assert_eq!(entries[1].get("size"), Some(&Value::Int(0)));
        let base = AbsPath::root();
        Session::new(&world.run, &world.os, &base)
            .call("fs::remove", vec![Value::Bytes(b"/d/\xff\n".to_vec())])
            .unwrap();
        assert_eq!(world.returns("fs::remove_all", r#"["/d"]"#), "2");
    }

    #[test]
    fn through_a_link_the_entries_have_their_own_paths() {
        let world = World::new(MemOs::example().link("/l", "/srv/app/logs"));
        let Ok(Value::List(entries)) = world.call("fs::list", r#"["/l"]"#) else { panic!() };
        assert_eq!(entries[0].get("path"), Some(&"/srv/app/logs/app.log".into()));
        assert_eq!(world.asked(), ["list /l", "list /srv/app/logs"]);
    }
}
