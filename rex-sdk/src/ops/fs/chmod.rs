//! `fs::chmod`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::os::EntryKind;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session, tree};

/// Sets the permission bits of a file or directory.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::chmod",
        aliases: &[],
        needs: &[fs::Chmod::SPEC],
        params: &[
            Param::required("path", ParamKind::Path, "The file or directory."),
            Param::required("mode", ParamKind::Text, "The bits in octal: `0640`.")
                .of(ParamForm::Read(|text| mode(text).map(drop))),
            Param::option(
                "recursive",
                ParamKind::Bool,
                Literal::Bool(false),
                "Change all that is below it too, but no links; asks for `fs::list` on every directory.",
            ),
        ],
        returns: ReturnSpec { kind: "int", doc: "How many files and directories were changed." },
        doc: "Sets the permission bits of a file or directory.\nWith `recursive`, asks for `fs::chmod` on everything before anything is changed.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample { args: r#"["/srv/app/config.yaml", "0640"]"#, returns: r#"1"# },
    },
    call,
};

fn mode(text: &str) -> Result<i64, Error> {
    let mode = i64::from_str_radix(text, 8).ok().filter(|mode| (0..=0o7777).contains(mode) && !text.starts_with('+'));
    mode.ok_or_else(|| {
        Error::validation(format!("`{}` is not a mode", text.escape_debug()))
            .with_help("it is up to four octal digits: `0644`")
    })
}

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (path, mode) = (args.path("path")?, mode(args.text("mode")?)?);
    if !args.flag("recursive")? {
        session.act(fs::Chmod { mode }, path, |grant| session.os.chmod(grant))?;
        return Ok(Value::Int(1));
    }
    // A link has no permission bits, and its target is not below the directory.
    let all = tree::all(session, path)?.into_iter().filter(|(_, kind)| *kind != EntryKind::Symlink);
    let grants = tree::grants(session, &fs::Chmod { mode }, all.map(|(path, _)| path).collect())?;
    tree::each(session, grants, "changed", |_, grant| session.os.chmod(grant)).map(Value::count)
}
