//! `sys::parameters`

use std::collections::BTreeMap;

use rex_core::action::sys;
use rex_core::machine::KernelParameter;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::skipped::why;
use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Reads all parameters of the kernel with a common prefix.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::parameters",
        aliases: &[],
        needs: &[sys::Inspect::SPEC, sys::GetParameter::SPEC],
        params: &[Param::required("prefix", ParamKind::Text, "How the names begin: `net.ipv4.`.")],
        returns: ReturnSpec {
            kind: "map",
            doc: "`values`: the values by their names; `skipped`: maps of `name`, `code`, `message` and `why` (`denied`, `no permission`, ...), of those that could not be read; `complete`: false if there are any.",
        },
        doc: "Reads all parameters of the kernel whose names begin alike.\nAsks for `sys::get_parameter` on each; if that is denied for all of them, this is denied.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"["net."]"#,
            returns: r#"{"complete":true,"skipped":[],"values":{"net.ipv4.ip_forward":"0"}}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let prefix = args.text("prefix")?;
    let grant = session.permit(sys::Inspect {}, Host)?;
    let names = session.os.parameters(grant, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    let (mut values, mut skipped, mut denied) = (BTreeMap::new(), Vec::new(), None);
    for name in names.into_iter().filter(|name| name.starts_with(prefix)) {
        session.run.budget().check()?;
        match read(session, &name) {
            Ok(value) => drop(values.insert(name, value)),
            Err(error) if matches!(error.code, Code::LimitExceeded | Code::Cancelled | Code::JournalFailed) => {
                return Err(error);
            }
            Err(error) => {
                skipped.push(Value::map([
                    ("name", name.into()),
                    ("code", error.code.as_str().into()),
                    ("message", error.message.as_str().into()),
                    ("why", why(&error).into()),
                ]));
                denied = denied.or(Some(error).filter(|error| error.code == Code::AccessDenied));
            }
        }
    }
    match denied {
        Some(error) if values.is_empty() => Err(error),
        _ => Ok(Value::map([
            ("values", Value::Map(values)),
            ("complete", skipped.is_empty().into()),
            ("skipped", skipped.into()),
        ])),
    }
}

fn read(session: &Session<'_>, name: &str) -> Result<Value, Error> {
    let parameter = KernelParameter::parse(name).map_err(|error| Error::validation(error.to_string()))?;
    let grant = session.permit(sys::GetParameter {}, parameter.clone())?;
    let value = session.os.parameter(grant, session.run.budget()).map_err(|error| error.into_error(&parameter))?;
    Ok(value.trim_end_matches('\n').into())
}
