//! `rex policy learn`

mod proof;

use std::path::{Path, PathBuf};

use rex_audit::{JournalPlace, RecordedRequest, Replay, ReplayChange};
use rex_core::{ACTIONS, Authorize, Decision, Effect, Request};
use rex_policy::{Breadth, LearnedPermit, LearnedPolicy, Learner, Policy, PolicyLimits, SourceText, Vocabulary};
use serde::Serialize;

use self::proof::ExactComparison;
use crate::args::{Color, OutputFormat, PolicyArgs};
use crate::exit::{Exit, Stop};
use crate::patience::PatienceArgs;
use crate::recorded::{JournalProblems, ShownUnreadable, TrustArgs};
use crate::replay::requests;
use crate::{check, complain, diff, draw, load, print, recorded};

/// The name of the learned policy in messages.
const NAME: &str = "learned.cedar";

/// Maximum length of the exact policy for a proof, in bytes: the more it lists, the longer a proof takes.
const PROVED_BYTES: usize = 64 << 10;
/// Maximum number of different requests for a proof: the exact policy of more is longer for sure.
const PROVED: usize = 4_000;
/// Maximum number of redacted places to name.
const NAMED: usize = 10;

pub(crate) const HELP: &str =
    "Each permit names one principal, and the recorded actions and facts. `--breadth` sets how far Rex generalizes the resources:

  exact      not at all: the permits list each resource
  siblings   two files in a directory with the same extension, or with names that differ only in digits: to all files directly
             in it that match; two URLs that differ only in their query: to any query; two instances of a unit: to all instances
  directory  two files in a directory: to the directory and everything below it

At every breadth, Rex generalizes names that `fs::temp_file` makes to those of other runs. With `siblings`, it generalizes more than 32
files of a directory that have nothing else in common to everything directly in it. Principals of one type that did the same share a permit.

Rex never generalizes to `/`, and to a directory directly in `/` only as `siblings` does. It does not generalize into the scope of a kept
forbid, nor to keys and passwords: `/etc/ssl/private`, `/etc/ssh`, `.ssh`, `*.pem`, `*.key`, and similar names. It permits programs only
with the recorded arguments.

Rex writes no policy if a journal was changed, has unreadable lines, or has a run without an end. It does not learn a request that the
journal redacted because it looked like a secret.

The policy goes to standard output, and a report of what it allows to standard error. For the report, Rex decides every recorded request
again. If this `rex` was built with proofs and cvc5 is installed, it also compares the policy, by proof, with one that allows only the
recorded resources.

Exit codes:
  0    the policy allows everything recorded
  1    it does not: a kept forbid or a name that no policy may contain prevents it, a request is redacted, or there were too many requests
  2    usage, or an input that cannot be read
  3    the kept or the learned policy is rejected
  6    a journal was changed, has unreadable lines, or has a run without an end";

#[derive(Debug, clap::Args)]
pub(crate) struct LearnArgs {
    /// Journal that `rex run --journal` wrote; Rex reads it twice
    #[arg(required = true, value_name = "JOURNAL")]
    journals: Vec<PathBuf>,
    /// Places to permit besides the recorded resources
    #[arg(long, value_enum, default_value_t = Generalize::Siblings)]
    breadth: Generalize,
    /// Also permit what was denied
    #[arg(long)]
    include_denied: bool,
    /// Policy whose forbids are kept: a file, or a folder with `*.cedar` files (repeatable)
    #[arg(long = "policy", value_name = "FILE_OR_DIR")]
    policies: Vec<PathBuf>,
    /// Cedar entities as JSON: groups of principals, classes of resources
    #[arg(long, value_name = "FILE", requires = "policies")]
    entities: Option<PathBuf>,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Generalize {
    /// Not at all
    Exact,
    /// To similar files in the same directory
    Siblings,
    /// To the whole directory
    Directory,
}

impl From<Generalize> for Breadth {
    fn from(wide: Generalize) -> Self {
        match wide {
            Generalize::Exact => Self::Exact,
            Generalize::Siblings => Self::Siblings,
            Generalize::Directory => Self::Directory,
        }
    }
}

impl LearnArgs {
    fn takes(&self, recorded: &RecordedRequest) -> bool {
        self.include_denied || recorded.effect == Effect::Allow
    }

    fn keep(&self) -> Option<PolicyArgs> {
        let some = !self.policies.is_empty();
        some.then(|| PolicyArgs { policies: self.policies.clone(), entities: self.entities.clone() })
    }
}

/// Prints the learned policy, and reports what it allows.
pub(crate) fn learn(args: &LearnArgs, color: Color) -> Result<Exit, Stop> {
    if args.journals.iter().any(|path| path == Path::new("-")) {
        return Err(Stop::usage("`rex policy learn` reads a journal twice, so it cannot read standard input")
            .with_help("save the journal to a file first"));
    }
    let keep = match args.keep().map(|keep| load::policy(&keep)).transpose()? {
        Some(Err(found)) => return Ok(check::rejected(&found, args.format, color)),
        Some(Ok(policy)) => Some(policy),
        None => None,
    };
    let seen = see(args, keep.as_ref())?;
    let LearnedRequests { learned, exact, redacted, unreadable } = seen;
    let nothing = learned.requests == 0 && learned.unnamed.is_empty() && redacted.is_empty();
    if let Some(stop) = unreadable.distrusted(args.trust).filter(|_| !(nothing && unreadable.is_of_no_journal())) {
        complain(unreadable.human().trim_start_matches('\n'));
        return Err(stop);
    }
    if nothing {
        let stop = Stop::usage("the journals contain no request to learn from");
        return Err(match args.include_denied {
            true => stop.with_help("`rex run --journal FILE` writes a journal"),
            false => stop.with_help("`--include-denied` also learns from denied requests"),
        });
    }
    let entities = args.entities.as_deref().map(load::file).transpose()?;
    let compile = |text: &str| {
        let source = SourceText { name: NAME.to_owned(), text: text.to_owned() };
        Policy::compile(&Vocabulary::rex(), &[source], entities.as_ref(), &PolicyLimits::default())
    };
    let policy = match compile(&learned.text) {
        Ok(policy) => policy,
        Err(found) => return Ok(check::rejected(&found, args.format, color)),
    };
    let replay = again(args, &policy)?;
    let exact = exact.filter(|text| text.len() <= PROVED_BYTES).and_then(|text| compile(&text).ok());
    let proof = exact
        .map(|exact| diff::first(&exact, &policy, args.patience.timeout))
        .transpose()?
        .flatten()
        .map(ExactComparison::new);
    let told = LearnReport {
        learned: &learned,
        replay: &replay,
        proof: proof.as_ref(),
        redacted: &redacted,
        unreadable: &unreadable,
    };
    if args.format == OutputFormat::Json {
        print(&told.json()?)?;
    } else {
        print(&learned.text)?;
        complain(&told.human());
    }
    let all = replay.count(ReplayChange::Denied) == 0 && redacted.is_empty() && learned.left_out == 0;
    Ok(if all && learned.unnamed.is_empty() { Exit::Success } else { Exit::Found })
}

/// The learned policy, and the requests that were not learned.
struct LearnedRequests {
    learned: LearnedPolicy,
    /// The exact policy, which allows only the resources that were seen; `None` if nothing can be proved with it.
    exact: Option<String>,
    redacted: Vec<JournalPlace>,
    unreadable: JournalProblems,
}

fn see(args: &LearnArgs, keep: Option<&Policy>) -> Result<LearnedRequests, Stop> {
    let mut learner = Learner::new(args.breadth.into(), keep);
    let mut exact = diff::can_prove().then(|| Learner::new(Breadth::Exact, keep));
    let mut redacted = Vec::new();
    let unreadable = recorded::each(ACTIONS, &args.journals, args.trust, |recorded| {
        if !args.takes(&recorded) {
            return Ok(());
        }
        if recorded.redacted {
            redacted.push(recorded.place);
            return Ok(());
        }
        let request = recorded.asked.request();
        // The learner counts the requests that it has no room for.
        let _ = learner.see(&request, &recorded.place);
        if let Some(seen) = &mut exact {
            let _ = seen.see(&request, &recorded.place);
            // Proofs about more requests take too long.
            exact = exact.take().filter(|seen| seen.different() <= PROVED);
        }
        Ok(())
    })?;
    Ok(LearnedRequests { learned: learner.learn(), exact: exact.map(|exact| exact.learn().text), redacted, unreadable })
}

/// Replays the recorded requests under the learned policy, as if those that it was learned from had been allowed.
fn again(args: &LearnArgs, policy: &Policy) -> Result<Replay, Stop> {
    let mut replay = Replay::default();
    recorded::each(ACTIONS, &args.journals, args.trust, |recorded| {
        let effect = if args.takes(&recorded) { Effect::Allow } else { Effect::Deny };
        if !recorded.redacted {
            replay.add(&RecordedRequest { effect, ..recorded }, &AsRun(policy));
        }
        Ok(())
    })?;
    Ok(replay)
}

/// A policy that decides as a run does: it denies a program that is not started.
struct AsRun<'p>(&'p Policy);

impl Authorize for AsRun<'_> {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let decision = self.0.decide(request);
        let outcome = self.0.outcome(request);
        // No policy forbids it, but the permit is not enough.
        if outcome.effect == decision.effect { decision } else { Decision::deny(outcome.reason.as_deref()) }
    }
}

/// The report on a learned policy.
struct LearnReport<'a> {
    learned: &'a LearnedPolicy,
    replay: &'a Replay,
    proof: Option<&'a ExactComparison>,
    redacted: &'a [JournalPlace],
    unreadable: &'a JournalProblems,
}

impl LearnReport<'_> {
    fn human(&self) -> String {
        let Self { learned, replay, proof, .. } = self;
        let permits = if learned.permits.len() == 1 { "permit" } else { "permits" };
        let mut out = format!("{} {permits} from {}: ", learned.permits.len(), requests(learned.requests));
        let missing = replay.count(ReplayChange::Denied) + self.redacted.len() as u64;
        out += &match missing {
            0 => "all recorded requests are allowed\n".to_owned(),
            missing => format!("all recorded requests are allowed except {}\n", requests(missing)),
        };
        out += &self.not_learned();
        out += &self.fleeting();
        out += &denied(replay);
        out += &besides(learned);
        out += &newly_allowed(replay);
        out += &proof.map_or_else(String::new, ExactComparison::human);
        for (place, forbid) in &learned.held {
            out += &format!(
                "not generalized: {}, because it overlaps with the forbid `{}`\n",
                draw::line(place),
                draw::line(forbid)
            );
        }
        for resource in &learned.unnamed {
            out += &format!("left out, because policies may not contain these characters: {}\n", draw::line(resource));
        }
        out + &self.unreadable.human()
    }

    /// Reports paths that differ in the next run, and so are denied then.
    fn fleeting(&self) -> String {
        let paths = &self.learned.fleeting;
        let Some(first) = paths.first() else { return String::new() };
        let others = if paths.len() == 1 { String::new() } else { format!(" and {} more", paths.len() - 1) };
        format!(
            "denied in the next run: {}{others} contains a process number; use `/proc/self`, or permit it for every process with `resource.path like \"/proc/*/..\"`\n",
            draw::line(first)
        )
    }

    /// Reports the requests that were not learned.
    fn not_learned(&self) -> String {
        let mut out = String::new();
        if !self.redacted.is_empty() {
            let count = requests(self.redacted.len() as u64);
            out += &format!("not learned, because the journal redacted it: {count}\n");
            for place in self.redacted.iter().take(NAMED) {
                out += &format!("    {}\n", draw::line(&place.to_string()));
            }
            out += "  write these permits by hand, or change how the script passes secrets\n";
        }
        if self.learned.left_out > 0 {
            let count = requests(self.learned.left_out);
            out += &format!("not learned, because there were too many requests: {count}; learn from fewer journals\n");
        }
        out
    }

    fn json(&self) -> Result<String, Stop> {
        let Self { learned, replay, .. } = self;
        let shown = LearnOutput {
            policy: &learned.text,
            requests: learned.requests,
            still_denied: replay.count(ReplayChange::Denied),
            newly_allowed: replay.count(ReplayChange::Allowed),
            redacted: self.redacted.len() as u64,
            left_out: learned.left_out,
            permits: learned.permits.iter().map(ShownPermit::new).collect(),
            forbids: learned.forbids.iter().map(|id| &**id).collect(),
            held: learned.held.iter().map(|(place, forbid)| ShownHeld { place, forbid }).collect(),
            unnamed: &learned.unnamed,
            fleeting: &learned.fleeting,
            proof: self.proof,
            unread: ShownUnreadable::new(self.unreadable),
        };
        serde_json::to_string(&shown).map_err(|error| Stop::internal(error.to_string()))
    }
}

fn denied(replay: &Replay) -> String {
    let mut out = String::new();
    for (difference, concerned) in replay.of(ReplayChange::Denied) {
        let by = match &difference.after[..] {
            [] => difference.reason.clone().unwrap_or_else(|| "no permit matches".to_owned()),
            ids => format!("`{}` forbids it", ids.join("`, `")),
        };
        let (action, place) = (draw::line(&difference.action), draw::line(&concerned.first.to_string()));
        out += &format!("- {action}: {}, first {place}: {}\n", requests(concerned.requests), draw::line(&by));
        for resource in &concerned.resources {
            out += &format!("    {}\n", draw::line(resource));
        }
    }
    out
}

fn besides(learned: &LearnedPolicy) -> String {
    let beyond: Vec<_> = learned.permits.iter().filter_map(|permit| Some((permit, permit.beyond.as_ref()?))).collect();
    let mut out = if beyond.is_empty() { "nothing else is allowed\n" } else { "also allowed:\n" }.to_owned();
    for (permit, beyond) in beyond {
        let actions = permit.actions.join(", ");
        out += &format!("+ {} {}: {}\n", draw::line(&permit.principal), draw::line(&actions), draw::line(beyond));
    }
    out
}

fn newly_allowed(replay: &Replay) -> String {
    let mut out = String::new();
    if replay.count(ReplayChange::Allowed) > 0 {
        let now = requests(replay.count(ReplayChange::Allowed));
        out += &format!("newly allowed, although denied when recorded: {now}\n");
        for (_, concerned) in replay.of(ReplayChange::Allowed) {
            for resource in &concerned.resources {
                out += &format!("    {}\n", draw::line(resource));
            }
        }
    }
    out
}

#[derive(Serialize)]
struct LearnOutput<'a> {
    policy: &'a str,
    requests: u64,
    still_denied: u64,
    newly_allowed: u64,
    /// Number of requests that are not learned because the journal holds only a part of them.
    redacted: u64,
    /// Number of requests that are not learned because there was no room for them.
    left_out: u64,
    permits: Vec<ShownPermit<'a>>,
    forbids: Vec<&'a str>,
    held: Vec<ShownHeld<'a>>,
    unnamed: &'a [String],
    /// Paths that name a process by its number, which differs in another run.
    fleeting: &'a [String],
    /// The proof, or `null`.
    proof: Option<&'a ExactComparison>,
    unread: ShownUnreadable<'a>,
}

#[derive(Serialize)]
struct ShownPermit<'a> {
    id: &'a str,
    principal: &'a str,
    actions: &'a [String],
    requests: u64,
    resources: u64,
    places: &'a [String],
    beyond: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownHeld<'a> {
    place: &'a str,
    forbid: &'a str,
}

impl<'a> ShownPermit<'a> {
    fn new(permit: &'a LearnedPermit) -> Self {
        Self {
            id: &permit.id,
            principal: &permit.principal,
            actions: &permit.actions,
            requests: permit.requests,
            resources: permit.resources,
            places: &permit.places,
            beyond: permit.beyond.as_deref(),
        }
    }
}
