//! `sys::users`

use std::collections::BTreeMap;

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the users of the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::users",
        aliases: &[],
        needs: &[sys::Accounts::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `name`, `uid`, `gid`, `comment`, `home`, `shell`. One with something that is not UTF-8, which is replaced, has `lossy: true`; one that is not a whole record has `error`, and `()` for what is missing.",
        },
        doc: "Lists the users of the machine, as the machine itself keeps them: those of a directory service are not among them.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"comment":"root","gid":0,"home":"/root","name":"root","shell":"/bin/bash","uid":0}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Accounts {}, Host)?;
    let text = session.os.accounts(grant, false, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    let entry = |(number, line): (usize, &str)| match *line.split(':').collect::<Vec<_>>() {
        [name, _, uid, gid, comment, home, shell] => {
            let (uid, gid) = (uid.parse::<u32>().ok(), gid.parse::<u32>().ok());
            let entries = [
                ("name", name.into()),
                ("uid", uid.map(Value::count).into()),
                ("gid", gid.map(Value::count).into()),
                ("comment", comment.into()),
                ("home", home.into()),
                ("shell", shell.into()),
            ];
            marked(entries, line, number, uid.and(gid).is_some())
        }
        _ => marked(
            ["name", "uid", "gid", "comment", "home", "shell"].map(|key| (key, Value::Null)),
            line,
            number,
            false,
        ),
    };
    Ok(Value::List(records(&text).map(entry).collect()))
}

/// Returns the records of an account file with their line numbers. Lines with a leading plus or minus refer to other
/// sources and are skipped.
pub(super) fn records(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with(['#', '+', '-']))
}

/// Returns a record, with a mark if a part of it could not be read.
pub(super) fn marked<const N: usize>(entries: [(&str, Value); N], line: &str, number: usize, whole: bool) -> Value {
    let mut entries: BTreeMap<_, _> = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    if line.contains(char::REPLACEMENT_CHARACTER) {
        entries.insert("lossy".to_owned(), true.into());
    }
    if !whole {
        entries.insert("error".to_owned(), format!("line {number} is not a whole record").into());
    }
    Value::Map(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemOs;
    use crate::ops::fs::testing::World;

    #[test]
    fn one_bad_record_does_not_take_the_others_away() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n\n+::::::\nlat:x:7:7:caf\u{fffd}:/:/bin/sh\nbad:x\nodd:x:-1:8::/:\n";
        let world = World::new(MemOs::new().with_accounts(users, "root:x:0:\nbad\n"));
        let Value::List(told) = world.call("sys::users", "[]").unwrap() else { panic!("no list") };
        let marks: Vec<_> = told.iter().map(|user| [user.get("uid"), user.get("lossy"), user.get("error")]).collect();
        let error = |line: &str| Value::from(format!("line {line} is not a whole record"));
        assert_eq!(
            marks,
            [
                [Some(&Value::Int(0)), None, None],
                [Some(&Value::Int(7)), Some(&true.into()), None],
                [Some(&Value::Null), None, Some(&error("5"))],
                [Some(&Value::Null), None, Some(&error("6"))],
            ]
        );
        assert_eq!(
            world.returns("sys::groups", "[]"),
            r#"[{"gid":0,"members":[],"name":"root"},{"error":"line 2 is not a whole record","gid":null,"members":null,"name":null}]"#
        );
    }
}
