//! `process::signal_all`

use rex_core::action::process;
use rex_core::{Action, Code, Error, Value};

use super::{FILTERS, all, brief, meant, signal_name};
use crate::os::ProcessStatus;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Sends a signal to all matching processes.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "process::signal_all",
        aliases: &[],
        needs: &[process::List::SPEC, process::Signal::SPEC],
        params: &[
            Param::required("signal", ParamKind::Text, "Its name: `TERM`, `HUP`, `KILL`, ...")
                .of(ParamForm::Read(|text| signal_name(text).map(drop))),
            FILTERS[0],
            FILTERS[1],
            FILTERS[2],
            FILTERS[3],
            Param::option(
                "dry_run",
                ParamKind::Bool,
                Literal::Bool(false),
                "Ask for each, send nothing, and tell what would be hit.",
            ),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`processes`: maps of `pid`, `name`, `user` and `unit`, of those that got it; `failed`: maps of `pid`, `name` and `code`, of those that did not; `complete`: false if there may be others that are meant: Rex does not see them, or could not find out what they are.",
        },
        doc: "Sends a signal to all processes of some kind.\nAt least one of `name`, `exe`, `user`, `unit` is given. Asks for `process::signal` on each before the first is signalled: if one is denied, none is.",
        errors: &[Code::Unsupported, Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"["HUP", {"user": "www-data"}]"#,
            returns: r#"{"complete":true,"failed":[],"processes":[{"name":"nginx","pid":4243,"unit":"nginx.service","user":"www-data"}]}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let signal = signal_name(args.text("signal")?)?;
    let filters = FILTERS.iter().map(|filter| args.text_option(filter.name)).collect::<Result<Vec<_>, _>>()?;
    if filters.iter().all(Option::is_none) {
        return Err(Error::validation("`process::signal_all` expects at least one filter, got none")
            .with_help("the filters are: name, exe, user, unit"));
    }
    let meant = meant(args, all(session, None)?)?;
    let complete = meant.others.is_none();
    let ask = |status: ProcessStatus| (process::Signal { signal: signal.clone() }, status.process);
    let grants = session.permit_all(meant.found.into_iter().map(ask))?;
    let (mut hit, mut failed) = (Vec::new(), Vec::new());
    let dry_run = args.flag("dry_run")?;
    for grant in grants {
        let process = grant.resource().clone();
        let sent = if dry_run { Ok(()) } else { session.os.signal(grant, session.run.budget()) };
        match sent.map_err(|error| error.into_error(&process)) {
            Ok(()) => hit.push(Value::Map(brief(&process))),
            Err(error) if matches!(error.code, Code::NotFound | Code::Io | Code::Unsupported) => {
                failed.push(Value::map([
                    ("pid", Value::count(process.pid())),
                    ("name", process.identity().name.as_str().into()),
                    ("code", error.code.as_str().into()),
                ]));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Value::map([("complete", complete.into()), ("processes", hit.into()), ("failed", failed.into())]))
}
