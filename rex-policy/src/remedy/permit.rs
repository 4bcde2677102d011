//! Permits for requests, merged and written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rex_core::action::net;
use rex_core::process::Process;
use rex_core::{Action, ActionSpec, Fact, Need, NeedWidth, Request, Resource, Subject, Timestamp};

use super::SAID_BY_ARGUMENTS;
use crate::annotation::id_of;
use crate::vocabulary::same_type;

/// The network of placeholder addresses: in a plan, names resolve to one.
const NOBODY: &str = "reserved";

/// A request that needs a permit.
#[derive(Clone)]
pub(super) struct WantedPermit<'a> {
    pub(super) request: Request<'a>,
    pub(super) width: NeedWidth,
    unknown: &'a [&'static str],
    pub(super) via: Option<&'a str>,
    operation: Option<&'static str>,
    /// The words of `@allow` without which it is refused.
    pub(super) allow: String,
}

impl<'a> WantedPermit<'a> {
    pub(super) fn of(request: Request<'a>) -> Self {
        Self { request, width: NeedWidth::This, unknown: &[], via: None, operation: None, allow: String::new() }
    }

    pub(super) fn of_need(need: &'a Need, subject: &'a Subject, now: Timestamp, operation: &'static str) -> Self {
        Self {
            width: need.width().clone(),
            unknown: need.unknown(),
            via: need.via(),
            operation: Some(operation),
            ..Self::of(need.request(subject, now))
        }
    }

    fn head(&self) -> PermitHead {
        let uid = |id: &str| format!("{}::{}", self.request.resource.spec(), crate::load_checks::quoted(id));
        let id = self.request.resource.id();
        match &self.width {
            _ if self.is_process() => PermitHead::Any,
            NeedWidth::This => PermitHead::Exactly(BTreeSet::from([uid(id)])),
            NeedWidth::Below => PermitHead::Within(uid(id)),
            NeedWidth::Named { directory, .. } => PermitHead::Within(uid(directory)),
            NeedWidth::Prefix(_) | NeedWidth::Any | NeedWidth::Later(_) => PermitHead::Any,
        }
    }

    fn is_process(&self) -> bool {
        same_type(self.request.resource.spec(), Process::SPEC)
    }

    /// Returns conditions besides the head.
    fn conditions(&self) -> Vec<String> {
        let mut all = Vec::new();
        match &self.width {
            NeedWidth::Named { prefix, suffix, .. } if !(prefix.is_empty() && suffix.is_empty()) => {
                all.push(format!("resource.name like \"{}*{}\"", pattern(prefix), pattern(suffix)));
            }
            NeedWidth::Prefix(prefix) => {
                let name = self.request.resource.spec().id_attribute.unwrap_or("name");
                all.push(format!("resource.{name} like \"{}*\"", pattern(prefix)));
            }
            _ => {}
        }
        all.extend(self.attributes());
        let spec = self.request.action.spec();
        let has_arguments = spec.context.iter().any(|fact| fact.name == "arguments");
        self.request.action.facts(&mut |name, fact| {
            let said = has_arguments && SAID_BY_ARGUMENTS.contains(&name);
            let nobody = name == "network" && fact == Fact::String(NOBODY);
            if said || nobody || is_measure(spec, name) || self.unknown.contains(&name) {
                return;
            }
            all.push(equals(&format!("context.{name}"), fact));
        });
        all
    }

    /// Returns conditions that the id does not imply: the identity of a process, the contents of a program.
    fn attributes(&self) -> Vec<String> {
        let (mut all, mut exe) = (Vec::new(), false);
        let process = self.is_process();
        self.request.resource.attributes(&mut |name, fact| {
            exe |= name == "exe" && fact != Fact::String("");
            let asked = match name {
                "exe" | "user" | "unit" | "name" => process && !self.unknown.contains(&name),
                "sha256" => fact != Fact::String(""),
                _ => false,
            };
            if asked {
                all.push((name, equals(&format!("resource.{name}"), fact)));
            }
        });
        // A process can change its own name, so the name is compared only if the program is unknown.
        all.retain(|(name, _)| *name != "name" || !exe);
        // An attribute of another process may be unknown, and so missing: comparing it then would deny what other permits allow.
        let unsure = |name: &str| ["exe", "user", "unit"].contains(&name).then(|| format!("resource has {name}"));
        all.into_iter().flat_map(|(name, condition)| unsure(name).into_iter().chain([condition])).collect()
    }

    fn is_misleading(&self) -> bool {
        let misleading = |text: &str| text.contains(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        let mut found = misleading(self.request.resource.id()) || misleading(self.request.subject.principal.id());
        self.request.action.facts(&mut |_, fact| found |= matches!(fact, Fact::String(text) if misleading(text)));
        found
    }
}

/// Returns whether a fact always changes: a number of bytes, or the address of a name.
pub(super) fn is_measure(spec: &ActionSpec, name: &str) -> bool {
    name == "bytes" || (name == "address" && *spec == *net::Connect::SPEC)
}

fn equals(what: &str, fact: Fact<'_>) -> String {
    match fact {
        Fact::Long(value) => format!("{what} == {value}"),
        Fact::Bool(value) => format!("{what} == {value}"),
        Fact::String(value) => format!("{what} == {}", crate::load_checks::quoted(value)),
        Fact::Ip(value) => format!("{what} == ip(\"{value}\")"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

fn pattern(text: &str) -> String {
    text.escape_debug().to_string().replace('*', "\\*")
}

/// The resource in the head of a permit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum PermitHead {
    Any,
    Exactly(BTreeSet<String>),
    Within(String),
}

/// The parts in which permits must agree to be merged for several actions.
type PermitShape = (String, &'static str, PermitHead, Vec<String>, String);

/// Permits before they have ids.
pub(super) struct RemedyDrafts {
    drafts: Vec<RemedyDraft>,
    /// Resources that no policy can name.
    misleading: Vec<String>,
    /// True if some process is unknown.
    unknown: bool,
}

struct RemedyDraft {
    principal: String,
    person: String,
    actions: Vec<&'static ActionSpec>,
    head: PermitHead,
    when: Vec<String>,
    allow: String,
    operations: BTreeSet<&'static str>,
}

impl RemedyDrafts {
    pub(super) fn of(wanted: &[WantedPermit<'_>]) -> Self {
        let mut shapes: BTreeMap<PermitShape, RemedyDraft> = BTreeMap::new();
        let (mut misleading, mut order, mut unknown) = (Vec::new(), Vec::new(), false);
        for wanted in wanted {
            if wanted.is_misleading() {
                misleading.push(wanted.request.resource.id().escape_debug().to_string());
                continue;
            }
            unknown |= wanted.is_process() && wanted.unknown.contains(&"exe");
            let (spec, principal) = (wanted.request.action.spec(), &wanted.request.subject.principal);
            let (head, when) = (wanted.head(), wanted.conditions());
            let shape = (principal.to_string(), spec.namespace, head.clone(), when.clone(), wanted.allow.clone());
            let draft = shapes.entry(shape.clone()).or_insert_with(|| {
                order.push(shape);
                let (principal, person) = (principal.to_string(), principal.id().to_owned());
                let allow = wanted.allow.clone();
                RemedyDraft { principal, person, actions: Vec::new(), head, when, allow, operations: BTreeSet::new() }
            });
            if !draft.actions.contains(&spec) {
                draft.actions.push(spec);
            }
            draft.operations.extend(wanted.operation);
        }
        let drafts = order.iter().filter_map(|shape| shapes.remove(shape)).collect();
        let mut all = Self { drafts, misleading, unknown };
        all.drop_covered();
        all.merge();
        all
    }

    /// Drops actions that a permit for a whole directory already permits.
    fn drop_covered(&mut self) {
        let wide: Vec<_> = self
            .drafts
            .iter()
            .filter(|draft| draft.when.is_empty() && draft.allow.is_empty())
            .filter_map(|draft| match &draft.head {
                PermitHead::Within(uid) => Some((draft.principal.clone(), uid.clone(), draft.actions.clone())),
                _ => None,
            })
            .collect();
        for draft in &mut self.drafts {
            let RemedyDraft { principal, head, actions, .. } = draft;
            for (same, above, permitted) in wide.iter().filter(|(same, ..)| same == principal) {
                let _ = same;
                let holds = |uid: &String| {
                    let trunk = above.strip_suffix('"').unwrap_or(above).trim_end_matches('/');
                    uid == above || uid.strip_prefix(trunk).is_some_and(|rest| rest.starts_with('/'))
                };
                let covered = match &*head {
                    PermitHead::Exactly(uids) => uids.iter().all(holds),
                    PermitHead::Within(uid) => uid != above && holds(uid),
                    PermitHead::Any => false,
                };
                if covered {
                    actions.retain(|action| !permitted.contains(action));
                }
            }
        }
        self.drafts.retain(|draft| !draft.actions.is_empty());
    }

    /// Merges permits that differ only in the resource.
    fn merge(&mut self) {
        let mut merged: Vec<RemedyDraft> = Vec::new();
        for draft in std::mem::take(&mut self.drafts) {
            let same = merged.iter_mut().find(|other| {
                other.principal == draft.principal
                    && other.actions == draft.actions
                    && other.when == draft.when
                    && other.allow == draft.allow
                    && matches!((&other.head, &draft.head), (PermitHead::Exactly(_), PermitHead::Exactly(_)))
            });
            match (same, draft.head.clone()) {
                (Some(RemedyDraft { head: PermitHead::Exactly(uids), operations, .. }), PermitHead::Exactly(more)) => {
                    uids.extend(more);
                    operations.extend(draft.operations);
                }
                _ => merged.push(draft),
            }
        }
        self.drafts = merged;
    }

    /// Returns comments that a reader of the permits needs.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(id) = self.misleading.first() {
            all.push(format!("// no policy can name `{id}`: it holds characters that change the direction of text\n"));
        }
        if self.unknown {
            all.push(
                "// the process is unknown until `process::list` is permitted: narrow it by `resource.exe`, `user` and `unit`\n"
                    .to_owned(),
            );
        }
        for draft in self.drafts.iter().filter(|draft| !draft.allow.is_empty()) {
            all.push(format!("// `@allow({})`: without it, the program is not started\n", quoted(&draft.allow)));
        }
        all
    }

    /// Describes what they permit besides the requests.
    pub(super) fn beyond(&self, wanted: &[WantedPermit<'_>]) -> Vec<String> {
        let mut all = Vec::new();
        for wanted in wanted {
            let spec = wanted.request.action.spec();
            match &wanted.width {
                NeedWidth::Below => all.push(format!("all below `{}`", wanted.request.resource.id().escape_debug())),
                NeedWidth::Named { directory, prefix, suffix } => {
                    all.push(format!("files `{prefix}*{suffix}` in `{}`", directory.escape_debug()));
                }
                _ => {}
            }
            if wanted.is_process() {
                let same = if wanted.unknown.contains(&"exe") {
                    "other processes"
                } else {
                    "other processes of the same program, user and unit"
                };
                all.push(same.to_owned());
            }
            for fact in spec.context.iter().filter(|fact| is_measure(spec, fact.name)) {
                all.push(format!("any number of `{}`", fact.name).replace("number of `address`", "`address`"));
            }
        }
        all.push("any time, any script and any tags".to_owned());
        let mut seen = BTreeSet::new();
        all.retain(|words| seen.insert(words.clone()));
        all
    }

    /// Writes the permits, and returns their ids. `is_taken` reports ids that are in use.
    pub(super) fn text(&self, is_taken: &mut dyn FnMut(&str) -> bool) -> (String, Vec<String>) {
        let (mut texts, mut ids) = (Vec::new(), Vec::<String>::new());
        for draft in &self.drafts {
            let name = draft.id();
            let numbered = (2_u64..).map(|number| format!("{name}-{number}"));
            let mut all = std::iter::once(name.clone()).chain(numbered);
            let id = all.find(|id| !is_taken(id) && !ids.contains(id)).unwrap_or_default();
            texts.push(draft.text(&id));
            ids.push(id);
        }
        (texts.join("\n\n"), ids)
    }
}

impl RemedyDraft {
    fn text(&self, id: &str) -> String {
        let mut text = format!("@id({})\n@reason({})\n", quoted(id), quoted(&self.reason()));
        // Writing to a string does not fail.
        if !self.allow.is_empty() {
            let _ = writeln!(text, "@allow({})", quoted(&self.allow));
        }
        let names: Vec<_> =
            self.actions.iter().map(|spec| format!("{}::Action::{:?}", spec.namespace, spec.name)).collect();
        let action = match &names[..] {
            [one] => format!("action == {one}"),
            _ => format!("action in [{}]", names.join(", ")),
        };
        let mut when = self.when.clone();
        let resource = match &self.head {
            PermitHead::Any => "resource".to_owned(),
            PermitHead::Within(uid) => format!("resource in {uid}"),
            PermitHead::Exactly(uids) => match uids.iter().collect::<Vec<_>>()[..] {
                [one] => format!("resource == {one}"),
                ref all => {
                    let all: Vec<_> = all.iter().map(|uid| uid.as_str()).collect();
                    when.insert(0, format!("[{}].contains(resource)", all.join(", ")));
                    "resource".to_owned()
                }
            },
        };
        let _ = write!(text, "permit (\n  principal == {},\n  {action},\n  {resource}\n)", self.principal);
        if !when.is_empty() {
            let _ = write!(text, " when {{\n  {}\n}}", when.join(" &&\n  "));
        }
        text + ";"
    }

    fn reason(&self) -> String {
        if self.operations.is_empty() {
            let actions: Vec<_> = self.actions.iter().map(ToString::to_string).collect();
            return format!("needed for {}", actions.join(" and "));
        }
        let all: Vec<_> = self.operations.iter().copied().collect();
        format!("needed by {}", all.join(", "))
    }

    /// Returns an id that says who may do what to what.
    fn id(&self) -> String {
        let verbs: Vec<_> = self.actions.iter().map(|spec| spec.name).collect();
        let verbs = if verbs.len() > 2 { "use".to_owned() } else { verbs.join(" ") };
        let place = match &self.head {
            PermitHead::Within(uid) => uid,
            PermitHead::Exactly(uids) if uids.len() == 1 => uids.first().map_or("", |uid| uid),
            PermitHead::Any | PermitHead::Exactly(_) => "",
        };
        let place = place.split_once("::\"").map_or("", |(_, id)| id.trim_end_matches(['/', '"']));
        let place = place.rsplit('/').next().unwrap_or_default();
        let namespace = self.actions.first().map_or("", |spec| spec.namespace);
        id_of(&format!("{} {namespace} {verbs} {place}", self.person))
    }
}
