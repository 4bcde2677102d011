//! `sys::cpu`

use rex_core::action::sys;
use rex_core::{Action, Code, Error, Value};

use super::twice;
use crate::ops::{INTERVAL, INTERVAL_MS};
use crate::os::SystemFile;
use crate::proc::{CpuTimes, cpus, stat};
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Returns the utilization of the processors.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "sys::cpu",
        aliases: &[],
        needs: &[sys::Inspect::SPEC],
        params: &[INTERVAL, INTERVAL_MS],
        returns: ReturnSpec {
            kind: "map",
            doc: "`cpus`: maps of `cpu` (`cpu` for all of them, `cpu0`, ...), `busy_percent`, and the seconds spent in `user`, `nice`, `system`, `idle`, `iowait`, `irq`, `softirq`, `steal`; `context_switches`, `interrupts`, `processes_made`; `running` and `blocked`, the processes that are so now.",
        },
        doc: "Tells what the processors do.",
        errors: &[Code::Unsupported, Code::Io],
        example: CallExample {
            args: r#"[]"#,
            returns: r#"{"blocked":0,"context_switches":9000,"cpus":[{"busy_percent":30.0,"cpu":"cpu","idle":70.0,"iowait":0.0,"irq":0.0,"nice":0.0,"softirq":0.0,"steal":0.0,"system":10.0,"user":20.0},{"busy_percent":30.0,"cpu":"cpu0","idle":70.0,"iowait":0.0,"irq":0.0,"nice":0.0,"softirq":0.0,"steal":0.0,"system":10.0,"user":20.0}],"interrupts":500,"processes_made":4243,"running":1}"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let (before, after) = twice(session, args, SystemFile::Stat)?;
    let (then, now) = (cpus(&before), cpus(&after));
    let entry = |(name, cpu): (String, CpuTimes)| {
        let cpu = cpu.since(then.get(&name).unwrap_or(&CpuTimes::default()));
        let seconds =
            CpuTimes::NAMES.iter().zip(cpu.seconds).map(|(name, seconds)| ((*name).to_owned(), seconds.into()));
        let more = [("busy_percent".to_owned(), cpu.busy_percent().into()), ("cpu".to_owned(), name.into())];
        Value::Map(seconds.chain(more).collect())
    };
    let count = |name| stat(&after, name).map(|now| Value::count(now.saturating_sub(stat(&before, name).unwrap_or(0))));
    let now_is = |name| stat(&after, name).map(Value::count);
    Ok(Value::map([
        ("cpus", Value::List(now.into_iter().map(entry).collect())),
        ("context_switches", count("ctxt").into()),
        ("interrupts", count("intr").into()),
        ("processes_made", count("processes").into()),
        ("running", now_is("procs_running").into()),
        ("blocked", now_is("procs_blocked").into()),
    ]))
}
