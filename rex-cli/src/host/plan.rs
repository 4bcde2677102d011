//! `rex plan`, and runs that must follow a plan.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rex_core::action::fs;
use rex_core::{
    AbsPath, Action, ActionSpec, Authorize, Bond, Decision, DeniedCall, Effect, Extent, Journal, Reach, Request,
    Subject, Timestamp,
};
use rex_engine::plan::PlanStep;
use rex_engine::{Builder, CallRecorder, Plan};
use rex_policy::RejectedPolicy;
use rex_sdk::{HostOs, Overlay};
use serde::{Deserialize, Serialize};

use super::changes::FileChange;
use super::report::RunReport;
use super::run::{RunJob, RunPurpose, RunResult, RunStart, execute};
use crate::args::{Color, OutputFormat, PlanCommand};
use crate::draw::{Ink, Paint, line, visible};
use crate::exit::{Exit, Stop};
use crate::replace::{self, FileRights};
use crate::{Decide, load, print};

/// Maximum size of a plan in a report, in bytes, on top of the report of a run.
pub(crate) const MOST_BYTES: u64 = 64 << 20;

/// A plan, and what is shown with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanReport {
    #[serde(flatten)]
    plan: Plan,
    /// The smallest permit for each denial, or other advice.
    remedies: Vec<Option<String>>,
    /// The files that would change.
    changes: Vec<FileChange>,
    /// The actions by which the script read what changes by itself, so that the plan cannot hold it.
    #[serde(default)]
    unheld: Vec<String>,
    /// The smallest addition to the policy that would permit all denied requests; `None` if no permit would.
    permits: Option<String>,
}

/// Maximum number of denied calls that permits are suggested for: nobody reads more.
const CALLS: usize = 2_000;

/// Plans a run, and prints the plan.
pub(crate) fn plan(args: &PlanCommand, color: Color, decide: Decide) -> Result<Exit, Stop> {
    let start = RunStart::new(&args.run, color, decide)?;
    let (ran, _job) = start.go(RunPurpose::Plan { keep_going: args.keep_going }, None)?;
    start.end();
    let told = match &ran {
        RunResult::Rejected(rejected) => return Ok(start.rejected(rejected)),
        RunResult::Told(told, _processes) => told,
    };
    let Some(planned) = &told.plan else { return start.show(told) };
    if let Some(path) = &args.out {
        let cannot = |why: String| Stop::usage(format!("the plan cannot be written to `{}`: {why}", path.display()));
        let json = serde_json::to_vec(told).map_err(|error| cannot(error.to_string()))?;
        replace::file(path, FileRights::New(0o600), |mut file| file.write_all(&json))
            .map_err(|error| cannot(error.to_string()))?;
    }
    if args.run.format == OutputFormat::Human {
        print(&planned.human(Paint::output(color)))?;
    }
    let exit = start.show(told)?;
    Ok(if args.keep_going && !planned.plan.denials.is_empty() { Exit::Denied } else { exit })
}

/// Plans a run again, and returns the plan if the earlier one holds.
pub(crate) fn again(given: &str, start: &RunStart<'_>) -> Result<Result<Plan, RejectedPolicy>, Stop> {
    let promised = PromisedPlan::read(given)?;
    let refuse = |message: String| Stop { exit: Exit::Denied, ..Stop::usage(message) };
    let (ran, _job) = start.go(RunPurpose::Plan { keep_going: false }, None)?;
    let told = match ran {
        RunResult::Rejected(rejected) => return Ok(Err(rejected)),
        RunResult::Told(told, _processes) => told,
    };
    let Some(now) = told.plan else {
        let why = told.error.map_or_else(String::new, |error| format!(": {}", error.message));
        return Err(refuse(format!("the script cannot be planned again{why}")));
    };
    match promised {
        PromisedPlan::Hash(hash) if hash == now.plan.hash => Ok(Ok(now.plan)),
        // The user has read the file, not only the hash: everything in it must match.
        PromisedPlan::Plan(old) if *old == now => Ok(Ok(now.plan)),
        PromisedPlan::Hash(_) => Err(refuse(format!("the plan has changed; it is now `{}`", now.plan.hash))
            .with_help("pass the file that `rex plan --out` writes to see what has changed")),
        PromisedPlan::Plan(old) => {
            let mut differs = old.plan.differs(&now.plan);
            if differs.is_empty() {
                differs.push("details of the report, such as the contents of files before and after".to_owned());
            }
            let differs = differs.join("; ");
            Err(refuse(format!("the plan no longer matches; changed: {differs}"))
                .with_help("run `rex plan` again and review the new plan"))
        }
    }
}

/// An earlier plan that a run must follow.
enum PromisedPlan {
    Hash(String),
    Plan(Box<PlanReport>),
}

#[derive(Deserialize)]
struct PlanFile {
    plan: PlanReport,
}

impl PromisedPlan {
    fn read(given: &str) -> Result<Self, Stop> {
        if given.len() == 64 && given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self::Hash(given.to_ascii_lowercase()));
        }
        let help = "`--plan` takes the hash of a plan, or the file that `rex plan --out` writes";
        let source = load::file(Path::new(given)).map_err(|stop| stop.with_help(help))?;
        let file: PlanFile = serde_json::from_str(&source.text)
            .map_err(|error| Stop::usage(format!("`{given}` is not a plan: {error}")).with_help(help))?;
        Ok(Self::Plan(Box::new(file.plan)))
    }
}

/// Plans a run: runs the script on an overlay over this system.
pub(crate) fn told(
    job: &RunJob,
    (policy, reach): (Arc<dyn Authorize>, Reach),
    os: HostOs,
    keep_going: bool,
    journal: Option<Arc<dyn Journal>>,
    more: impl FnOnce(Builder) -> Builder,
) -> Result<RunReport, Stop> {
    let os = Overlay::new(os, job.limits).with_programs(reach);
    let os = Arc::new(if keep_going { os.going_on() } else { os });
    let noted =
        Arc::new(DenialRecorder { policy: policy.clone(), denials: Mutex::default(), calls: CallRecorder::default() });
    let report = execute(job, noted.clone(), os.clone(), journal, more)?;
    let told = RunReport::new(&report)?;
    let subject = &job.subject;
    let json = |value: serde_json::Result<String>| value.map_err(|error| Stop::internal(error.to_string()));
    let given = [
        ("script", subject.script.clone()),
        ("arguments", format!("{} {}", json(serde_json::to_string(&job.args))?, job.base.as_str())),
        ("subject", format!("{} {}", json(serde_json::to_string(&subject.tags))?, subject.principal)),
        ("policy", policy.digest().map_or_else(String::new, |digest| digest.to_string())),
    ];
    let plan = match Plan::new(&report, &os.effects(), os.reads(), &noted.calls.all(), &given) {
        Ok(plan) => plan,
        Err(error) => {
            let failed = RunReport::failed(&job.run_id, error.code, error.message, told.stats);
            let failed = RunReport { output: told.output, ..failed };
            return Ok(error.help.iter().fold(failed, |failed, help| failed.with_help(help)));
        }
    };
    let may_read = |path: &AbsPath| {
        let request = Request { subject, action: &fs::Read {}, resource: path, now: Timestamp::now() };
        policy.decide(&request).effect == Effect::Allow
    };
    let changes = FileChange::all(&os.changed(&may_read));
    let RecordedDenials { remedies, calls } = std::mem::take(&mut *noted.denials());
    let permits = policy.remedies(subject, Timestamp::now(), &calls).filter(|text| {
        // If no permit can help, the advice of each denial says so.
        !calls.is_empty() && text.lines().any(|line| line == "permit (")
    });
    Ok(RunReport { plan: Some(PlanReport { plan, remedies, changes, unheld: os.unheld(), permits }), ..told })
}

/// Returns the reach of a plan: all reads, and reads of what effects would meet. So the kernel prevents every change.
pub(crate) fn reach(reach: &Reach) -> Reach {
    const LOOKS: [&ActionSpec; 4] = [fs::Read::SPEC, fs::List::SPEC, fs::Stat::SPEC, fs::GetXattr::SPEC];
    let mut extents: Vec<(&ActionSpec, Extent)> = LOOKS.map(|spec| (spec, Extent::default())).to_vec();
    for (spec, extent) in reach.iter() {
        match extents.iter().position(|(known, _)| *known == spec) {
            Some(at) => extents.iter_mut().skip(at).take(1).for_each(|(_, known)| known.add(extent)),
            None if !spec.has_effect() => extents.push((spec, extent.clone())),
            None if spec.namespace == "fs" => {
                extents.iter_mut().take(LOOKS.len()).for_each(|(_, known)| known.add(extent))
            }
            None => {}
        }
    }
    Reach::new(extents)
}

/// A policy that notes its denials, and the calls that asked it.
struct DenialRecorder {
    policy: Arc<dyn Authorize>,
    denials: Mutex<RecordedDenials>,
    calls: CallRecorder,
}

#[derive(Default)]
struct RecordedDenials {
    remedies: Vec<Option<String>>,
    /// The calls that were denied something, with all their needs.
    calls: Vec<DeniedCall>,
}

impl DenialRecorder {
    fn denials(&self) -> MutexGuard<'_, RecordedDenials> {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authorize for DenialRecorder {
    fn decide(&self, request: &Request<'_>) -> Decision {
        self.policy.decide(request)
    }

    fn denied(&self, request: &Request<'_>, decision: &Decision) {
        let remedy = self.policy.remedy(request, decision);
        self.denials().remedies.push(remedy);
        self.policy.denied(request, decision);
    }

    fn remedy(&self, request: &Request<'_>, decision: &Decision) -> Option<String> {
        self.policy.remedy(request, decision)
    }

    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        let mut denials = self.denials();
        let room = CALLS.saturating_sub(denials.calls.len());
        denials.calls.extend(calls.iter().take(room).cloned());
        drop(denials);
        self.policy.remedies(subject, now, calls)
    }

    fn digest(&self) -> Option<Arc<str>> {
        self.policy.digest()
    }

    fn bond(&self) -> Option<&dyn Bond> {
        Some(&self.calls)
    }
}

impl PlanReport {
    fn human(&self, paint: Paint) -> String {
        let Self { plan, changes, unheld, permits, .. } = self;
        let mut out = String::new();
        if !plan.steps.is_empty() {
            heading(&mut out, paint, "planned operations, in order:");
        }
        for (number, step) in plan.steps.iter().enumerate() {
            let _ = writeln!(out, "{:>4}. {}", number + 1, told_step(step, paint));
        }
        if !changes.is_empty() {
            heading(&mut out, paint, "files that would change:");
        }
        for change in changes {
            out += &told_change(change, paint);
        }
        if !plan.denials.is_empty() {
            heading(&mut out, paint, "denied:");
        }
        for (number, denial) in plan.denials.iter().enumerate() {
            let by = match (&denial.policies[..], &denial.reason) {
                ([], None) => "no permit matches".to_owned(),
                ([], Some(reason)) => reason.clone(),
                (ids, None) => format!("by `{}`", ids.join("`, `")),
                (ids, Some(reason)) => format!("by `{}`: {reason}", ids.join("`, `")),
            };
            let what = format!("{} {}", denial.action, denial.resource);
            let what = paint.ink(Ink::Bad, &line(&what));
            let _ = writeln!(out, "{:>4}. {what}, {}{}", number + 1, line(&by), place(denial.line));
        }
        if out.is_empty() {
            heading(&mut out, paint, "the plan does nothing");
        }
        if !unheld.is_empty() {
            heading(
                &mut out,
                paint,
                "the script reads state that changes by itself, which a plan cannot fix; the run denies any operation that differs from the plan:",
            );
            let _ = writeln!(out, "      {}", line(&unheld.join(", ")));
        }
        if let Some(permits) = permits {
            heading(&mut out, paint, "add this to the policy to permit all of these; the script may then need more:");
            let _ = write!(out, "\n{}", visible(permits));
        }
        let _ = writeln!(out, "\nplan {}", plan.hash);
        out
    }
}

/// Writes a heading, separated from the text before it.
fn heading(out: &mut String, paint: Paint, text: &str) {
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{}", paint.ink(Ink::Strong, text));
}

fn told_step(step: &PlanStep, paint: Paint) -> String {
    let mut what = format!("{} {}", step.action, step.resource);
    let done = step.done.as_ref();
    if let Some(about) = done.map(|done| &done.about).filter(|about| !about.is_empty()) {
        let _ = write!(what, ", {about}");
    }
    let note = match done {
        None => " (the operating system would refuse it)",
        Some(done) if done.assumed => " (result assumed)",
        Some(_) => "",
    };
    let by = format!(", by `{}`", step.policies.join("`, `"));
    format!("{}{}{}{note}", paint.ink(Ink::Good, &line(&what)), line(&by), place(step.line))
}

fn told_change(change: &FileChange, paint: Paint) -> String {
    let path = line(&change.path);
    let mut out = match (&change.before, &change.after) {
        (None, Some(after)) => paint.ink(Ink::Good, &format!("  + {path} ({after})\n")),
        (Some(before), None) => paint.ink(Ink::Bad, &format!("  - {path} ({before})\n")),
        (Some(before), Some(after)) if before != after => format!("  ~ {path} ({before} -> {after})\n"),
        _ => format!("  ~ {path}\n"),
    };
    if let Some(why) = &change.unknown {
        let _ = writeln!(out, "      {why}");
    }
    for text in change.diff.lines() {
        let ink = match text.as_bytes().first() {
            Some(b'+') => Ink::Good,
            Some(b'-') => Ink::Bad,
            _ => Ink::Faint,
        };
        let _ = writeln!(out, "      {}", paint.ink(ink, &line(text)));
    }
    out
}

fn place(line: Option<u32>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}
