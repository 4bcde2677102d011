//! `fs::chown`

use rex_core::action::{fs, sys};
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamKind, ReturnSpec, Session, tree};

/// Sets the owner and the group of a file or directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::chown",
        aliases: &[],
        needs: &[fs::Chown::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file or directory."),
            Param::option(
                "owner",
                ParamKind::Text,
                Literal::Null,
                "The user, by number, or by name, which asks for `sys::accounts`.",
            ),
            Param::option("group", ParamKind::Text, Literal::Null, "The group, in the same way."),
            Param::option(
                "recursive",
                ParamKind::Bool,
                Literal::Bool(false),
                "Change all that is below it too; asks for `fs::list` on every directory.",
            ),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many files, links and directories were changed." },
        doc: "Sets the owner and the group of a file or directory; of a symbolic link, those of the link.\nWith `recursive`, asks for `fs::chown` on everything before anything is changed.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/config.yaml", {"owner": "33"}]"#, returns: r#"1"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let path = args.path("path")?;
    let uid = number(session, args.text_option("owner")?, false)?;
    let gid = number(session, args.text_option("group")?, true)?;
    if (uid, gid) == (-1, -1) {
        return Err(Error::validation("`fs::chown` expects `owner`, `group` or both, got neither"));
    }
    let action = fs::Chown { uid, gid };
    if !args.flag("recursive")? {
        session.act(action, path, |grant| session.os.chown(grant))?;
        return Ok(Value::Int(1));
    }
    let all = tree::all(session, path)?.into_iter().map(|(path, _)| path).collect();
    let grants = tree::grants(session, &action, all)?;
    tree::each(session, grants, "changed", |_, grant| session.os.chown(grant)).map(Value::count)
}

/// Returns the id of a user or a group that is named by id or by name; -1 for `None`.
fn number(session: &Session<'_>, given: Option<&str>, group: bool) -> Result<i64, Error> {
    let Some(given) = given else { return Ok(-1) };
    if let Ok(number) = given.parse::<u32>() {
        return Ok(number.into());
    }
    let grant = session.permit(sys::Accounts {}, Host)?;
    let number = session.os.account(grant, given.to_owned(), group, session.run.budget());
    number.map_err(|error| error.into_error(&Host))?.map(i64::from).ok_or_else(|| {
        let what = if group { "group" } else { "user" };
        Error::validation(format!("there is no {what} `{}`", given.escape_debug()))
    })
}
