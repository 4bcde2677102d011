//! `sys::groups`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use super::users::{marked, records};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the groups of users.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::groups",
        aliases: &[],
        needs: &[sys::Accounts::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps: `name`, `gid`, `members`. One with something that is not UTF-8, which is replaced, has `lossy: true`; one that is not a whole record has `error`, and `()` for what is missing.",
        },
        doc: "Lists the groups of users, as the machine itself keeps them: those of a directory service are not among them.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"[{"gid":0,"members":[],"name":"root"},{"gid":4,"members":["alice"],"name":"adm"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Accounts {}, Host)?;
    let text = session.os.accounts(grant, true, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    let entry = |(number, line): (usize, &str)| match *line.split(':').collect::<Vec<_>>() {
        [name, _, gid, members] => {
            let gid = gid.parse::<u32>().ok();
            let members = members.split(',').filter(|member| !member.is_empty());
            let entries = [
                ("name", name.into()),
                ("gid", gid.map(Value::count).into()),
                ("members", Value::List(members.map(Value::from).collect())),
            ];
            marked(entries, line, number, gid.is_some())
        }
        _ => marked(["name", "gid", "members"].map(|key| (key, Value::Null)), line, number, false),
    };
    Ok(Value::List(records(&text).map(entry).collect()))
}
