//! `sys::env`

use rex_core::action::sys;
use rex_core::machine::EnvVariable;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Reads a variable of the environment that Rex runs in.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::env",
        aliases: &[],
        needs: &[sys::GetVariable::SPEC],
        params: &[Param::required("name", ParamKind::Text, "Its name: `LANG`.")],
        returns: ReturnSpec { kind: "text", doc: "Its value." },
        doc: "Reads a variable of the environment that Rex runs in.\nSecrets live there, so this has an action of its own.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["LANG"]"#, returns: r#""C.UTF-8""# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let variable = EnvVariable::parse(args.text("name")?).map_err(|error| Error::validation(error.to_string()))?;
    let grant = session.permit(sys::GetVariable {}, variable.clone())?;
    let value = session.os.variable(grant, session.run.budget()).map_err(|error| error.into_error(&variable))?;
    let missing = || Error::new(Code::NotFound, format!("there is no variable `{}`", variable.name()));
    value.map(Value::Text).ok_or_else(missing)
}
