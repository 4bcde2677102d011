//! Facts and attributes that a learned permit asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rex_core::action::{net, process};
use rex_core::process::Program;
use rex_core::{Action, ActionSpec, Fact, Request, Resource};

use super::Breadth;
use super::generalize::ResourceShape;
use super::text::quoted;
use crate::remedy::SAID_BY_ARGUMENTS;
use crate::vocabulary::same_type;

/// Maximum number of combinations of facts in one permit.
const COMBINATIONS: usize = 16;

/// Facts and attributes that were seen together.
pub(super) type FactDemand = Vec<(DemandTerm, DemandValue)>;
/// All combinations that were seen for a resource.
pub(super) type FactDemands = BTreeSet<FactDemand>;

/// A fact or an attribute in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DemandTerm {
    Context(&'static str),
    Resource(&'static str),
}

/// A value that was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DemandValue {
    Long(i64),
    Bool(bool),
    Text(String),
    Ip(IpAddr),
}

impl DemandValue {
    fn new(fact: Fact<'_>) -> Self {
        match fact {
            Fact::Long(value) => Self::Long(value),
            Fact::Bool(value) => Self::Bool(value),
            Fact::String(text) => Self::Text(text.to_owned()),
            Fact::Ip(address) => Self::Ip(address),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    pub(super) fn is_misleading(&self) -> bool {
        matches!(self, Self::Text(text) if super::misleading(text))
    }

    /// Writes the value for a comparison with the term.
    fn text(&self, with: DemandTerm) -> String {
        match self {
            Self::Long(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            // Lints do not take free text for patterns.
            Self::Text(text) if with.is_free() => quoted(text),
            Self::Text(text) => crate::load_checks::quoted(text),
            Self::Ip(address) => format!("ip(\"{address}\")"),
        }
    }
}

impl DemandTerm {
    fn text(self) -> String {
        match self {
            Self::Context(name) => format!("context.{name}"),
            Self::Resource(name) => format!("resource.{name}"),
        }
    }

    /// Guards a condition on an attribute of a process that may be unknown: comparing it then is an error, which denies what other permits
    /// allow.
    fn guarded(self, condition: String) -> String {
        match self {
            Self::Resource(name @ ("exe" | "user" | "unit")) => format!("resource has {name} && {condition}"),
            _ => condition,
        }
    }

    fn is(self, known: &DemandValue) -> String {
        match known {
            DemandValue::Bool(true) => self.text(),
            DemandValue::Bool(false) => format!("!{}", self.text()),
            other => format!("{} == {}", self.text(), other.text(self)),
        }
    }

    /// Returns whether the text comes from a program or the kernel, and may hold any sign.
    fn is_free(self) -> bool {
        matches!(self, Self::Context("arguments" | "environment" | "target" | "value"))
    }
}

/// Returns what a permit for a request asks for.
pub(super) fn demand(request: &Request<'_>, breadth: Breadth) -> FactDemand {
    let spec = request.action.spec();
    let mut attributes = Vec::new();
    request.resource.attributes(&mut |name, fact| attributes.push((name, DemandValue::new(fact))));
    let unknown = |name: &str| attributes.iter().all(|(known, value)| *known != name || value.is_empty());
    let process = ResourceShape::of(spec) == ResourceShape::Process;
    let asked = |name: &str, value: &DemandValue| match name {
        "name" => process && (breadth == Breadth::Exact || unknown("exe")),
        "exe" => process && (breadth != Breadth::Directory || unknown("unit")),
        "user" | "unit" => process,
        "sha256" => same_type(spec.resource, Program::SPEC) && !value.is_empty(),
        _ => false,
    };
    let asked = attributes.iter().filter(|(name, value)| asked(name, value));
    let mut demand: FactDemand = asked.map(|(name, value)| (DemandTerm::Resource(name), value.clone())).collect();
    request.action.facts(&mut |name, fact| {
        if !is_measure(spec, name) && !is_said(spec, name) {
            demand.push((DemandTerm::Context(name), DemandValue::new(fact)));
        }
    });
    demand
}

/// Returns whether the fact always changes.
fn is_measure(spec: &ActionSpec, name: &str) -> bool {
    name == "bytes" || (name == "address" && *spec == *net::Connect::SPEC)
}

/// Returns whether the arguments imply the fact.
fn is_said(spec: &ActionSpec, name: &str) -> bool {
    *spec == *process::Run::SPEC && SAID_BY_ARGUMENTS.contains(&name)
}

/// Writes conditions that hold for what was seen and for no other combination, each for a part of it; `None` means no condition.
pub(super) fn conditions(demands: &FactDemands) -> Vec<Option<String>> {
    let mut alike: BTreeMap<Vec<DemandTerm>, Vec<&FactDemand>> = BTreeMap::new();
    for demand in demands {
        alike.entry(demand.iter().map(|(term, _)| *term).collect()).or_default().push(demand);
    }
    let mut conditions = Vec::new();
    for (terms, demands) in alike {
        let values =
            |place: usize| demands.iter().filter_map(|demand| demand.get(place)).map(|(_, known)| known).collect();
        let seen: Vec<(DemandTerm, BTreeSet<&DemandValue>)> =
            terms.iter().enumerate().map(|(place, term)| (*term, values(place))).collect();
        // If all combinations of the values were seen, the terms can be written one by one.
        let product = seen.iter().map(|(_, values)| values.len()).try_fold(1_usize, usize::checked_mul);
        if product == Some(demands.len()) {
            let all: Vec<_> = seen.iter().map(|(term, values)| one_of(*term, values)).collect();
            conditions.push((!all.is_empty()).then(|| all.join(" && ")));
        } else {
            conditions.extend(demands.chunks(COMBINATIONS).map(|demands| Some(together(&seen, demands))));
        }
    }
    conditions
}

/// Writes the values that all share, and the combinations of the others.
fn together(seen: &[(DemandTerm, BTreeSet<&DemandValue>)], demands: &[&FactDemand]) -> String {
    let (same, others): (Vec<_>, Vec<_>) = seen.iter().partition(|(_, values)| values.len() == 1);
    let combinations: Vec<_> = demands
        .iter()
        .map(|demand| {
            let varies = |term: &DemandTerm| others.iter().any(|(other, _)| other == term);
            let terms =
                demand.iter().filter(|(term, _)| varies(term)).map(|(term, known)| term.guarded(term.is(known)));
            format!("({})", terms.collect::<Vec<_>>().join(" && "))
        })
        .collect();
    let same = same.iter().map(|(term, values)| one_of(*term, values));
    same.chain([format!("({})", combinations.join(" || "))]).collect::<Vec<_>>().join(" && ")
}

fn one_of(term: DemandTerm, values: &BTreeSet<&DemandValue>) -> String {
    let mut all = values.iter();
    match (all.next(), all.next()) {
        (Some(only), None) => term.guarded(term.is(only)),
        _ => {
            let list: Vec<_> = values.iter().map(|known| known.text(term)).collect();
            term.guarded(format!("[{}].contains({})", list.join(", "), term.text()))
        }
    }
}
