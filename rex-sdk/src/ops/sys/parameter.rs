//! `sys::parameter`

use rex_core::action::sys;
use rex_core::machine::KernelParameter;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Reads a parameter of the kernel.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::parameter",
        aliases: &[],
        needs: &[sys::GetParameter::SPEC],
        params: &[NAME],
        returns: ReturnSpec { kind: "text", doc: "Its value, without the line break at its end." },
        doc: "Reads a parameter of the kernel.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io],
        example: CallExample { args: r#"["net.ipv4.ip_forward"]"#, returns: r#""0""# },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let parameter = named(args)?;
    let grant = session.permit(sys::GetParameter {}, parameter.clone())?;
    let value = session.os.parameter(grant, session.run.budget()).map_err(|error| error.into_error(&parameter))?;
    Ok(value.trim_end_matches('\n').into())
}

/// Returns the parameter that a call names.
pub(crate) fn named(args: &Args) -> Result<KernelParameter, Error> {
    KernelParameter::parse(args.text("name")?).map_err(|error| Error::validation(error.to_string()))
}

/// The parameter for the name of a kernel parameter.
pub(super) const NAME: Param = Param::required("name", ParamKind::Text, "Its name: `net.ipv4.ip_forward`.");
