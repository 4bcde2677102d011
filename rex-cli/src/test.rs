//! `rex policy test`

mod junit;
mod mutants;
mod show;
mod world;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rex_core::journal::Event;
use rex_core::{Authorize, Code, Decision, DeniedCall, Effect, Request, Subject, Timestamp};
use rex_engine::{Engine, Failure, Input, Report};
use rex_policy::{Case, CaseQuestion, CaseScript, Coverage, Policy, Vocabulary};

use crate::args::{Color, OutputFormat, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::host::TreeNotices;
use crate::{check, complain, draw, load, print};
use mutants::MutantResults;

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct TestArgs {
    /// Folder with policies (`*.cedar`), tests (`*.test.yaml`), and optionally `entities.json`
    dir: PathBuf,
    /// Test these policies instead of those in the folder (repeatable)
    #[arg(long = "policy", value_name = "FILE_OR_DIR")]
    policies: Vec<PathBuf>,
    /// Use these entities instead of those in the folder
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
    /// Fail if coverage of policies and clauses is lower
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Test mutants: copies of the policies with one change, such as a missing policy or clause, or a reversed effect; fail if no case
    /// notices one
    #[arg(long)]
    mutate: bool,
    /// Also write the results to this file, in JUnit format
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Run the tests again whenever a file in the folder changes
    #[arg(long, conflicts_with_all = ["junit", "min_coverage"])]
    watch: bool,
    /// How to print the results
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

const EXIT_CODES: &str = "Exit codes:
  0  all cases passed
  1  a case failed, coverage is too low, or no case notices a mutant
  2  usage, or an invalid file of cases
  3  the policy is rejected

A policy is covered if it decided a case. A clause of its condition is covered if cases depend on it both when it is true and when it is
false: with the opposite value, the decision or the deciding policies would differ. In `a && b`, a case in which `a` is false does not
cover `b`.";

/// Runs the tests of a policy.
pub(crate) fn test(args: &TestArgs, color: Color) -> Result<Exit, Stop> {
    if !args.watch {
        return once(args, color);
    }
    let mut notices = TreeNotices::new(&args.dir)?;
    loop {
        if let Err(stop) = once(args, color) {
            draw::message(color, &stop.message, stop.help.as_deref());
        }
        complain(&format!("waiting for changes in `{}`", draw::line(&args.dir.display().to_string())));
        notices.wait()?;
    }
}

fn once(args: &TestArgs, color: Color) -> Result<Exit, Stop> {
    let policy = match load::either(&named(args))? {
        Ok(policy) => Arc::new(policy),
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let mut cases = Vec::new();
    let mut taken = true;
    for path in load::files_like(&args.dir, ".test.yaml")? {
        match Case::read(&Vocabulary::rex(), &load::file(&path)?) {
            Ok(more) => cases.extend(more),
            Err(rejected) => {
                taken = false;
                rejected.findings.iter().for_each(|finding| draw::finding(color, finding));
            }
        }
    }
    if !taken {
        return Ok(Exit::Usage);
    }
    if cases.is_empty() {
        let stop = Stop::usage(format!("no test cases in `{}`", args.dir.display()));
        return Err(stop.with_help("put cases in files whose names end in `.test.yaml`"));
    }
    let mut results = TestResults::of(&policy, cases)?;
    // A case that fails anyway cannot notice a mutant.
    if args.mutate && results.failed() == 0 {
        results.mutants = Some(MutantResults::of(&policy, &results.cases)?);
    }
    let noticed = !args.mutate || results.mutants.as_ref().is_some_and(|mutants| mutants.survived.is_empty());
    let enough = args.min_coverage.is_none_or(|least| results.coverage.percent() >= least.into());
    if let Some(path) = &args.junit {
        let failed = |error| Stop::usage(format!("`{}` cannot be written: {error}", path.display()));
        std::fs::write(path, junit::xml(&results)).map_err(failed)?;
    }
    print(&match args.format {
        OutputFormat::Human => show::human(&results, args.min_coverage.filter(|_| !enough)),
        OutputFormat::Json => show::json(&results)?,
    })?;
    Ok(if results.failed() == 0 && enough && noticed { Exit::Success } else { Exit::Found })
}

/// Returns the policies and entities to test.
fn named(args: &TestArgs) -> PolicyArgs {
    let beside = Some(args.dir.join("entities.json")).filter(|path| path.is_file());
    let policies = if args.policies.is_empty() { vec![args.dir.clone()] } else { args.policies.clone() };
    PolicyArgs { policies, entities: args.entities.clone().or(beside) }
}

/// The results of all cases.
struct TestResults {
    cases: Vec<TestedCase>,
    coverage: Coverage,
    /// The results of the mutants, if they were tried.
    mutants: Option<MutantResults>,
    duration: Duration,
}

/// The result of one case.
struct TestedCase {
    case: Case,
    /// The differences from what was expected; empty if the case passed.
    differences: Vec<String>,
    /// Advice about an unexpected result, such as a missing permit.
    help: Option<String>,
    duration: Duration,
}

impl TestResults {
    fn of(policy: &Arc<Policy>, cases: Vec<Case>) -> Result<Self, Stop> {
        let start = Instant::now();
        let observer = Arc::new(Observer { policy: policy.clone(), coverage: Mutex::new(Coverage::new(policy)) });
        let tested = cases.into_iter().map(|case| {
            let start = Instant::now();
            let (differences, help) = match &case.question {
                CaseQuestion::Request(asked) => {
                    observer.decide(&asked.request());
                    // A program that no run would start counts as denied.
                    let decision = observer.policy.outcome(&asked.request());
                    let differences = case.expected.differences(&decision);
                    let unexpected = !differences.is_empty() && decision.effect == Effect::Deny;
                    let help = observer.remedy(&asked.request(), &decision).filter(|_| unexpected);
                    (differences, help)
                }
                CaseQuestion::Script(script) => ran(&case, script, policy, observer.clone())?,
            };
            Ok(TestedCase { case, differences, help, duration: start.elapsed() })
        });
        let cases = tested.collect::<Result<Vec<_>, Stop>>()?;
        let coverage = observer.coverage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Self { cases, coverage, mutants: None, duration: start.elapsed() })
    }

    fn failed(&self) -> usize {
        self.cases.iter().filter(|tested| !tested.differences.is_empty()).count()
    }
}

/// A policy, and the coverage of its decisions.
struct Observer {
    policy: Arc<Policy>,
    coverage: Mutex<Coverage>,
}

impl Authorize for Observer {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let decision = self.policy.decide(request);
        let mut coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner);
        coverage.observe(&self.policy, request, &decision);
        decision
    }

    fn denied(&self, request: &Request<'_>, decision: &Decision) {
        self.policy.denied(request, decision);
    }

    fn remedy(&self, request: &Request<'_>, decision: &Decision) -> Option<String> {
        self.policy.remedy(request, decision)
    }

    fn remedies(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<String> {
        self.policy.remedies(subject, now, calls)
    }
}

/// Runs a script in a world in memory.
fn ran(
    case: &Case,
    script: &CaseScript,
    policy: &Policy,
    authority: Arc<dyn Authorize>,
) -> Result<(Vec<String>, Option<String>), Stop> {
    let reach = policy.reach(Some(&script.principal));
    let world = world::system(&script.world).with_programs(reach);
    let mut builder = Engine::builder(Arc::new(world));
    if let Some(at) = script.at {
        builder = builder.clock(Arc::new(move || at));
    }
    let engine = builder.build().map_err(|error| Stop::internal(error.to_string()))?;
    let mut input = Input::new(script.principal.clone(), authority);
    input.tags.clone_from(&script.tags);
    input.args.clone_from(&script.args);
    let report = engine.run(&script.text, input);
    Ok(match &report.outcome {
        Ok(_) if report.stats.denied > 0 => went_on(case, &report),
        Ok(_) => (case.expected.differences(&Decision::allow(&[])), None),
        Err(failure) => failed(case, failure),
    })
}

/// Judges a script that succeeded despite a denial: it caught the denial, or an operation left something out.
fn went_on(case: &Case, report: &Report) -> (Vec<String>, Option<String>) {
    let mut decision = Decision::deny(None);
    let denied = report.journal.iter().find_map(|record| match &record.event {
        Event::Decision { effect: Effect::Deny, action, resource, policies, reason, .. } => {
            decision.policies = policies.clone();
            decision.reason = reason.clone();
            let line = record.call.line.map_or(String::new(), |line| format!(" in line {line} of the script"));
            Some(format!("`{action}` on `{}`{line}", resource.escape_debug()))
        }
        _ => None,
    });
    let mut differences = case.expected.differences(&decision);
    if let Some(first) = differences.first_mut() {
        let others = match report.stats.denied {
            0 | 1 => String::new(),
            2 => " and 1 other request".to_owned(),
            all => format!(" and {} other requests", all - 1),
        };
        *first +=
            &format!(": {}{others} denied, and the script continued", denied.unwrap_or_else(|| "a request".to_owned()));
    }
    let help = (case.expected.effect == Effect::Allow && !differences.is_empty()).then(|| WENT_ON.to_owned());
    (differences, help)
}

const WENT_ON: &str = "a script counts as allowed only if all its requests are; if a denial is intended, expect `deny`, even if the script catches it";

fn failed(case: &Case, failure: &Failure) -> (Vec<String>, Option<String>) {
    let error = &failure.error;
    let line = failure.line.map_or(String::new(), |line| format!(" in line {line} of the script"));
    match (error.code, &error.denial) {
        (Code::AccessDenied, Some(denial)) => {
            let mut decision = Decision::deny(denial.reason.as_deref());
            decision.policies = denial.policies.clone();
            let mut differences = case.expected.differences(&decision);
            if let Some(first) = differences.first_mut() {
                *first += &format!("{line}: {denial}");
            }
            let help = error.help.clone().filter(|_| !differences.is_empty());
            (differences, help)
        }
        (code, _) => {
            (vec![format!("the script failed{line}: {}: {}", code.as_str(), error.message)], error.help.clone())
        }
    }
}

/// Returns the file and the line of a case.
fn place(case: &Case) -> String {
    format!("{}:{}", Path::new(&*case.file).display(), case.line)
}
