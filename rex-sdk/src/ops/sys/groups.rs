//! `sys::groups`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Op, OpSpec, Returns, Session};

/// Lists the groups of users.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::groups",
        aliases: &[],
        needs: &[sys::Accounts::SPEC],
        params: &[],
        returns: Returns { kind: "list", doc: "Of maps: `name`, `gid`, `members`." },
        doc: "Lists the groups of users, as the machine itself keeps them: those of a directory service are not among them.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example {
            args: r#"[]"#,
            returns: r#"[{"gid":0,"members":[],"name":"root"},{"gid":4,"members":["alice"],"name":"adm"}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Accounts {}, Host)?;
    let text = session.os.accounts(grant, true, session.run.budget()).map_err(|error| error.about(&Host))?;
    let entry = |line: &str| match *line.split(':').collect::<Vec<_>>() {
        [name, _, gid, members] => {
            let members = members.split(',').filter(|member| !member.is_empty());
            Some(Value::map([
                ("name", name.into()),
                ("gid", gid.parse::<i64>().ok()?.into()),
                ("members", Value::List(members.map(Value::from).collect())),
            ]))
        }
        _ => None,
    };
    Ok(Value::List(text.lines().filter_map(entry).collect()))
}
