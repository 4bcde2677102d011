//! Remedies: permits that would allow what was denied, and the policies that came near.

mod near;
mod permit;

use std::sync::Arc;

use rex_core::process::{Program, WordList};
use rex_core::program::{StartRefusal, withheld};
use rex_core::{AbsPath, Authorize, Decision, DeniedCall, Effect, Fact, Need, NeedWidth, Request, Subject, Timestamp};

use crate::layout::unified;
use crate::policy::Policy;
use crate::trace::PolicyTrace;
use crate::vocabulary::same_type;
use permit::{RemedyDrafts, WantedPermit};

/// Facts about the start of a program that only repeat what `arguments` says.
pub(crate) const SAID_BY_ARGUMENTS: [&str; 10] =
    ["count", "arg1", "arg2", "arg3", "arg4", "arg5", "arg6", "arg7", "arg8", "arg9"];

/// A sample name of something below a directory.
const BELOW: &str = "rex-sample";

/// A change of a file that adds permits for what was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The name of the file.
    pub file: String,
    /// The ids of the new policies.
    pub ids: Vec<String>,
    /// The text that is added to the end of the file.
    pub added: String,
    /// The change as a unified diff, which `patch -p1` and `git apply` take.
    pub diff: String,
    /// Descriptions of what the change allows beyond the request.
    pub beyond: Vec<String>,
}

/// The requests that need a permit, and the obstacles.
#[derive(Default)]
struct GatheredRequests<'a> {
    wanted: Vec<WantedPermit<'a>>,
    /// The forbids, each with what it forbids.
    forbidden: Vec<(Arc<str>, String)>,
    /// `true` if a request could not be decided.
    trouble: bool,
}

impl Policy {
    /// Returns the smallest permit that would allow a denied request, as a change of the file with the nearest policy, or else
    /// of the last file. `None` if the request is not denied, no permit would allow it, or no file was loaded.
    #[must_use]
    pub fn patch(&self, request: &Request<'_>) -> Option<Patch> {
        let mut gathered = GatheredRequests::default();
        if self.outcome(request).effect == Effect::Allow {
            return None;
        }
        self.gather_one(&mut gathered, WantedPermit::of(*request));
        let near = self.trace(request).near.first().map(|near| near.id.clone());
        self.patched(&gathered, near.as_ref())
    }

    /// Returns the permits for everything that denied calls need, as [`patch`](Self::patch) does for one request.
    #[must_use]
    pub fn patch_calls(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> Option<Patch> {
        let gathered = self.gather(subject, now, calls);
        let first = gathered.wanted.first()?;
        let near = self.trace(&first.request).near.first().map(|near| near.id.clone());
        self.patched(&gathered, near.as_ref())
    }

    fn patched(&self, gathered: &GatheredRequests<'_>, near: Option<&Arc<str>>) -> Option<Patch> {
        if gathered.wanted.is_empty() || !gathered.forbidden.is_empty() || gathered.trouble {
            return None;
        }
        let number = near.and_then(|id| self.ids().position(|known| known == id));
        let stand = self.stand(number.unwrap_or_else(|| self.len().saturating_sub(1)))?;
        let (file, old) = (stand.text.name.to_string(), &*stand.text.text);
        let drafts = RemedyDrafts::of(&gathered.wanted);
        let (text, ids) = drafts.text(&mut |id| self.is_taken(id));
        let gap = if old.is_empty() || old.ends_with('\n') { "\n" } else { "\n\n" };
        let added = format!("{gap}{text}\n");
        let new = format!("{old}{added}");
        let diff = unified(&file, old, &new);
        Some(Patch { file, ids, added, diff, beyond: drafts.beyond(&gathered.wanted) })
    }

    fn is_taken(&self, id: &str) -> bool {
        self.ids().any(|known| **known == *id)
    }

    /// Lists why the start of a program is still refused though a decision allows it: words that `@allow` does not have.
    #[must_use]
    pub fn withheld(&self, request: &Request<'_>, decision: &Decision) -> Vec<StartRefusal> {
        if decision.effect == Effect::Deny {
            return Vec::new();
        }
        let mut withheld = self.withholdable(request);
        withheld.retain(|withheld| !decision.lets_go(&withheld.word));
        withheld
    }

    /// Decides a request as a run does: a program that is not started is denied, with the reason.
    #[must_use]
    pub fn outcome(&self, request: &Request<'_>) -> Decision {
        let decision = self.decide(request);
        match self.withheld(request, &decision).first() {
            Some(withheld) => {
                let reason = format!("the program is not started: {}", withheld.why);
                Decision { policies: decision.policies, ..Decision::deny(Some(&reason)) }
            }
            None => decision,
        }
    }

    /// Lists everything that `@allow` must have for the start of a program.
    fn withholdable(&self, request: &Request<'_>) -> Vec<StartRefusal> {
        starts(request).map_or_else(Vec::new, |(path, environment)| {
            withheld(&path, &environment, Some(&self.reach(Some(&request.subject.principal))))
        })
    }

    /// Returns the remedy of a denied request: the smallest permit that would allow it, ready to paste, with the policies that
    /// came near; or advice if no permit can help.
    pub(crate) fn advice(&self, request: &Request<'_>, decision: &Decision) -> String {
        let mut gathered = GatheredRequests::default();
        self.gather_decided(&mut gathered, WantedPermit::of(*request), decision);
        self.told(&gathered)
    }

    /// Returns the remedy of calls that were denied something.
    pub(crate) fn advice_on(&self, subject: &Subject, now: Timestamp, calls: &[DeniedCall]) -> String {
        self.told(&self.gather(subject, now, calls))
    }

    fn told(&self, gathered: &GatheredRequests<'_>) -> String {
        if gathered.wanted.is_empty() {
            let mut names: Vec<_> =
                gathered.forbidden.iter().map(|(id, _)| format!("`{}`", id.escape_debug())).collect();
            names.dedup();
            if names.is_empty() {
                return "the request could not be evaluated: fix the error above, then retry (a permit does not help)"
                    .to_owned();
            }
            let forbids = if names.len() == 1 { "forbids" } else { "forbid" };
            return format!(
                "no permit can override it: {} {forbids} this; narrow it there, or do without",
                names.join(" and ")
            );
        }
        let forbidden = gathered
            .forbidden
            .iter()
            .map(|(id, what)| format!("// no permit can override `{}`, which forbids {what}\n", id.escape_debug()));
        let mut comments: Vec<_> = self.near(&gathered.wanted).into_iter().chain(forbidden).collect();
        comments.dedup();
        let drafts = RemedyDrafts::of(&gathered.wanted);
        comments.extend(drafts.remarks());
        let (text, _) = drafts.text(&mut |id| self.is_taken(id));
        comments.concat() + &text
    }

    /// Collects the requests of calls that need a permit.
    fn gather<'a>(&self, subject: &'a Subject, now: Timestamp, calls: &'a [DeniedCall]) -> GatheredRequests<'a> {
        let mut gathered = GatheredRequests::default();
        for call in calls {
            let wanted = |need: &'a Need| WantedPermit::of_need(need, subject, now, call.operation);
            for need in call.needs.iter().filter(|need| !matches!(need.width(), NeedWidth::Later(_))) {
                let hits: Vec<_> = call.denied.iter().filter(|denied| need.covers(denied)).collect();
                match &hits[..] {
                    [] if self.meets(need, subject, now) => {}
                    // More is known of the denied request than of the need.
                    [hit] if !need.unknown().is_empty() && matches!(need.width(), NeedWidth::This | NeedWidth::Any) => {
                        self.gather_one(&mut gathered, wanted(hit));
                    }
                    _ => self.gather_one(&mut gathered, wanted(need)),
                }
                // A `forbid` may hold what lies below, and not the directory.
                for hit in hits {
                    self.gather_forbidden(&mut gathered, &wanted(hit));
                }
            }
            for denied in &call.denied {
                if !call.needs.iter().any(|need| need.covers(denied)) {
                    self.gather_one(&mut gathered, wanted(denied));
                }
            }
        }
        gathered
    }

    /// Returns whether a need is met, including what lies below.
    fn meets(&self, need: &Need, subject: &Subject, now: Timestamp) -> bool {
        let request = need.request(subject, now);
        let allowed = |request: &Request<'_>| self.decide(request).effect == Effect::Allow;
        // A permit that requires unknown facts may be met once they are known.
        let open = |text: &str| need.unknown().iter().any(|name| text.contains(name));
        let may = |(_, near): &(usize, PolicyTrace)| near.unmet().all(|part| open(&part.text));
        if !need.unknown().is_empty() && self.nearly(&request, 0).is_ok_and(|near| near.iter().any(may)) {
            return true;
        }
        if *need.width() != NeedWidth::Below || !allowed(&request) {
            return allowed(&request);
        }
        let below = format!("{}/{BELOW}/{BELOW}", request.resource.id().trim_end_matches('/'));
        let below = (need.spec().from_record)(&below, &std::collections::BTreeMap::new());
        below.is_ok_and(|below| allowed(&Request { resource: &*below, ..request }))
    }

    fn gather_one<'a>(&self, gathered: &mut GatheredRequests<'a>, wanted: WantedPermit<'a>) {
        let decision = self.decide(&wanted.request);
        self.gather_decided(gathered, wanted, &decision);
    }

    fn gather_decided<'a>(
        &self,
        gathered: &mut GatheredRequests<'a>,
        mut wanted: WantedPermit<'a>,
        decision: &Decision,
    ) {
        match (decision.effect, &*decision.policies, &decision.reason) {
            (Effect::Deny, [], Some(_)) => gathered.trouble = true,
            (Effect::Deny, [_, ..], _) => self.gather_forbidden(gathered, &wanted),
            (..) => {
                let mut words: Vec<_> =
                    self.withholdable(&wanted.request).into_iter().map(|withheld| withheld.word).collect();
                words.dedup();
                wanted.allow = words.join(" ");
                gathered.wanted.push(wanted);
            }
        }
    }

    fn gather_forbidden(&self, gathered: &mut GatheredRequests<'_>, wanted: &WantedPermit<'_>) {
        let decision = self.decide(&wanted.request);
        if decision.effect == Effect::Allow {
            return;
        }
        let request = &wanted.request;
        for id in &*decision.policies {
            let what = format!("`{}` on `{}`", request.action.spec(), request.resource.id().escape_debug());
            if gathered.forbidden.len() < near::MOST && !gathered.forbidden.contains(&(id.clone(), what.clone())) {
                gathered.forbidden.push((id.clone(), what));
            }
        }
    }
}

/// Returns the words of `@allow` that a request needs whatever else is permitted; empty if it needs no word.
pub(crate) fn needed_words(request: &Request<'_>) -> Vec<String> {
    let withheld = starts(request).map(|(path, environment)| withheld(&path, &environment, None));
    let mut words: Vec<_> = withheld.into_iter().flatten().map(|withheld| withheld.word).collect();
    words.dedup();
    words
}

/// Returns the program that a request starts, and its environment; `None` if it starts none.
fn starts(request: &Request<'_>) -> Option<(AbsPath, WordList)> {
    let spec = request.action.spec();
    if spec.name != "run" || !same_type(spec.resource, <Program as rex_core::Resource>::SPEC) {
        return None;
    }
    let path = AbsPath::parse(request.resource.id()).ok()?;
    let mut environment = WordList::default();
    request.action.facts(&mut |name, fact| {
        if let ("environment", Fact::String(text)) = (name, fact) {
            environment = WordList::parse(text).unwrap_or_default();
        }
    });
    Some((path, environment))
}
