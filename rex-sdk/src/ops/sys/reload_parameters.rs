//! `sys::reload_parameters`

use std::collections::BTreeMap;

use rex_core::action::{fs, sys};
use rex_core::machine::KernelParameter;
use rex_core::{Action, Code, Error, Value};

use crate::{Args, CallExample, Op, OpSpec, Param, ParamKind, ReturnSpec, Session};

/// Sets the parameters of the kernel that a file lists.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::reload_parameters",
        aliases: &[],
        needs: &[fs::Read::SPEC, sys::SetParameter::SPEC],
        params: &[Param::required("path", ParamKind::Path, "A file in the form of `sysctl.conf(5)`.")],
        returns: ReturnSpec {
            kind: "map",
            doc: "`values`: the values that were set, by the names of the parameters; `skipped`: maps of `name`, `code` and \
                  `message`, of those that could not be set.",
        },
        doc: "Sets the parameters of the kernel that a file lists, as `sysctl --load` does.\n\
              Asks for each parameter before the first is set; if one is denied, none is set. Of a name that is there twice, the last \
              value counts. Names with wildcards are skipped. A value of which the kernel takes only the start is skipped, and the old one put back.",
        errors: &[Code::NotFound, Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["/etc/sysctl.conf"]"#,
            returns: r#"{"skipped":[],"values":{"net.ipv4.ip_forward":"1"}}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let text = session.open(args.path("path")?)?.read_all()?;
    let text = String::from_utf8_lossy(&text);
    let (mut settings, mut skipped) = (Vec::<(KernelParameter, &str)>::new(), Vec::new());
    for (name, value) in text.lines().filter_map(setting) {
        match KernelParameter::parse(name) {
            Ok(parameter) => {
                settings.retain(|(earlier, _)| *earlier != parameter);
                settings.push((parameter, value));
            }
            Err(error) => skipped.push(told(name, &Error::validation(error.to_string()))),
        }
    }
    let ask = |(parameter, value): &(KernelParameter, &str)| {
        (sys::SetParameter { value: (*value).to_owned() }, parameter.clone())
    };
    let grants = session.permit_all(settings.iter().map(ask))?;
    let mut values = BTreeMap::new();
    for ((parameter, value), grant) in settings.into_iter().zip(grants) {
        match session.os.set_parameter(grant, session.run.budget()).map_err(|error| error.into_error(&parameter)) {
            Ok(()) => drop(values.insert(parameter.name().to_owned(), value.into())),
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => skipped.push(told(parameter.name(), &error)),
        }
    }
    Ok(Value::map([("values", Value::Map(values)), ("skipped", skipped.into())]))
}

/// Returns the name and the value on a line.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    Some((name.trim().trim_start_matches('-'), value.trim()))
}

fn told(name: &str, error: &Error) -> Value {
    Value::map([
        ("name", name.into()),
        ("code", error.code.as_str().into()),
        ("message", error.message.as_str().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemOs;
    use crate::ops::fs::testing::World;

    const FILE: &str = "# once\nnet/ipv4/ip_forward=1\n-no.such = 3\nkernel.*=1\n\nnonsense\n; kernel.hostname = no\n\
                        kernel.hostname = first\nkernel.hostname=  last \n";

    #[test]
    fn the_last_value_counts_and_what_cannot_be_set_is_told() {
        let world = World::new(MemOs::example().file("/f.conf", FILE));
        assert_eq!(
            world.returns("sys::reload_parameters", r#"["/f.conf"]"#),
            r#"{"skipped":[{"code":"VALIDATION_EXCEPTION","message":"`kernel.*` is not the name of a parameter of the kernel","name":"kernel.*"},{"code":"NOT_FOUND_EXCEPTION","message":"`no.such` does not exist","name":"no.such"}],"values":{"kernel.hostname":"last","net.ipv4.ip_forward":"1"}}"#
        );
        assert_eq!(world.returns("sys::parameter", r#"["kernel.hostname"]"#), r#""last""#);
    }

    #[test]
    fn one_that_is_denied_leaves_all_as_they_are() {
        let os = MemOs::example().file("/f.conf", FILE);
        let world = World::ruled(os, |action, id| action != "set_parameter" || id != "kernel.hostname");
        assert_eq!(world.fails("sys::reload_parameters", r#"["/f.conf"]"#), Code::AccessDenied);
        let world = World::new(world.os);
        assert_eq!(world.returns("sys::parameter", r#"["net.ipv4.ip_forward"]"#), r#""0""#);
    }
}
