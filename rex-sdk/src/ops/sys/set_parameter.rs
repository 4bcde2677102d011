//! `sys::set_parameter`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::parameter::{NAME, named};
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Sets a parameter of the kernel.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::set_parameter",
        aliases: &[],
        needs: &[sys::SetParameter::SPEC],
        params: &[NAME, Param::required("value", ParamKind::Text, "The new value.")],
        returns: ReturnSpec { kind: "nothing", doc: "." },
        doc: "Sets a parameter of the kernel, until the machine is started again.\nWhere the kernel takes only the start of the value, the old one is put back, and this is an error.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["net.ipv4.ip_forward", "1"]"#, returns: r#"null"# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (parameter, value) = (named(args)?, args.text("value")?);
    if value.contains(['\n', '\0']) {
        return Err(Error::validation("the value of a parameter is one line"));
    }
    let grant = session.permit(sys::SetParameter { value: value.to_owned() }, parameter.clone())?;
    session.os.set_parameter(grant, session.run.budget()).map_err(|error| error.into_error(&parameter))?;
    Ok(Value::Null)
}
