//! `fs::xattr`

use rex_core::action::fs;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Reads an extended attribute of a file.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "fs::xattr",
        aliases: &[],
        needs: &[fs::GetXattr::SPEC],
        params: &[Param::required("path", ParamKind::Path, "The file or directory."), NAME],
        returns: ReturnSpec { kind: "text", doc: "Its value, with U+FFFD for what is not UTF-8." },
        doc: "Reads an extended attribute of a file.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["/srv/app/config.yaml", "user.origin"]"#, returns: r#""ansible""# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let name = named(args)?;
    let path = args.path("path")?;
    let value = session.act(fs::GetXattr { name: name.clone() }, path.clone(), |grant| session.os.xattr(grant));
    match value {
        Ok(value) => Ok(String::from_utf8_lossy(&value).into_owned().into()),
        Err(error) if error.code == Code::NotFound => {
            let (path, name) = (path.as_str().escape_debug(), name.escape_debug());
            let message = format!("`{path}` does not exist, or has no attribute `{name}`");
            Err(Error { message, ..error }.with_help("`fs::xattrs` lists the attributes of a file"))
        }
        Err(error) => Err(error),
    }
}

/// Returns the attribute that a call names.
pub(super) fn named(args: &Args) -> Result<String, Error> {
    let name = args.text("name")?;
    if name.is_empty() || name.len() > 255 || name.contains('\0') {
        return Err(Error::validation(format!("`{}` is not the name of an attribute", name.escape_debug())));
    }
    Ok(name.to_owned())
}

/// The parameter for the name of an attribute.
pub(super) const NAME: Param = Param::required("name", ParamKind::Text, "The name with its namespace: `user.origin`.");
