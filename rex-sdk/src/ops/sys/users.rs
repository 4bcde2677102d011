//! `sys::users`

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, Example, Op, OpSpec, Returns, Session};

/// Lists the users of the machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::users",
        aliases: &[],
        needs: &[sys::Accounts::SPEC],
        params: &[],
        returns: Returns { kind: "list", doc: "Of maps: `name`, `uid`, `gid`, `comment`, `home`, `shell`." },
        doc: "Lists the users of the machine, as the machine itself keeps them: those of a directory service are not among them.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: Example {
            args: r#"[]"#,
            returns: r#"[{"comment":"root","gid":0,"home":"/root","name":"root","shell":"/bin/bash","uid":0}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(sys::Accounts {}, Host)?;
    let text = session.os.accounts(grant, false, session.run.budget()).map_err(|error| error.about(&Host))?;
    let entry = |line: &str| match *line.split(':').collect::<Vec<_>>() {
        [name, _, uid, gid, comment, home, shell] => Some(Value::map([
            ("name", name.into()),
            ("uid", uid.parse::<i64>().ok()?.into()),
            ("gid", gid.parse::<i64>().ok()?.into()),
            ("comment", comment.into()),
            ("home", home.into()),
            ("shell", shell.into()),
        ])),
        _ => None,
    };
    Ok(Value::List(text.lines().filter_map(entry).collect()))
}
