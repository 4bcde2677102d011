//! What one fact says of another: the name of a file has its extension, a URL its host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cedar_policy::pst::{Expr, Var};
use rex_core::net::{Network, RemoteHost};
use rex_core::process::{Program, Words};
use rex_core::{AbsPath, ActionSpec, Fact, Resource};

use super::about::{About, Term};
use super::addresses::Addresses;
use super::constraint::{Constant, Constraint, Constraints};
use crate::finding::visible;
use crate::pattern::{Meeting, Pattern, exactly, like, meet, of_attribute};

/// How many alternatives of two comparisons are held against each other.
const PAIRS: usize = 256;
/// How many comparisons are held against each other.
const COMPARED: usize = 16;

/// What the id of a resource says of its attributes.
pub(super) fn of_id(spec: &ActionSpec, id: &str) -> Vec<(&'static str, Constant)> {
    let mut known = Vec::new();
    // Of a program, the id does not say the hash, which whoever starts it may pin.
    let program = spec.resource == Program::SPEC;
    let Ok(resource) = (spec.recall)(id, &BTreeMap::new()) else { return known };
    // Of what is no id of a request, this is not the place to tell.
    if (!resource.id_says_all() && !program) || resource.id() != id {
        return known;
    }
    resource.attributes(&mut |name, fact| {
        let value = match fact {
            Fact::String(text) => Constant::Text(text.to_owned()),
            Fact::Long(number) => Constant::Number(number.into()),
            Fact::Bool(value) => Constant::Bool(value),
            Fact::Ip(_) => return,
        };
        if !(program && name == "sha256") {
            known.push((name, value));
        }
    });
    known
}

/// Something that contradicts the rest of what is asked for: its term, and what the rest says of it.
pub(super) fn contradiction<'e>(about: &About, constraints: &Constraints<'e>) -> Option<(&'e Expr, String)> {
    let asked: Vec<&Constraint<'e>> = constraints.iter().take(COMPARED).collect();
    if asked.len() < 2 || asked.iter().any(|constraint| constraint.void) {
        return None;
    }
    of_context(&asked).or_else(|| of_resource(about, &asked))
}

fn named<'c, 'e>(asked: &[&'c Constraint<'e>], term: Term<'_>) -> Option<&'c Constraint<'e>> {
    asked.iter().find(|constraint| Term::of(constraint.term) == Some(term)).copied()
}

/// The texts that something may be, if they are listed.
fn texts(constraint: &Constraint<'_>) -> Option<Vec<String>> {
    let text = |value: &Constant| match value {
        Constant::Text(text) => Some(text.clone()),
        _ => None,
    };
    constraint.only()?.iter().map(text).collect()
}

/// Facts about the act.
fn of_context<'e>(asked: &[&Constraint<'e>]) -> Option<(&'e Expr, String)> {
    let fact = |name| named(asked, Term::Context(name));
    if let Some(address) = fact("address") {
        if let (Some(one), Some(network)) = (address.addresses().single(), fact("network")) {
            let is = Network::of(one).as_str();
            if !network.fits(&Constant::Text(is.to_owned())) {
                return Some((network.term, format!("`{one}` is part of the network `{is}`")));
            }
        }
        let hosts = ids(asked, RemoteHost::SPEC.id_attribute, &RemoteHost::SPEC.to_string()).unwrap_or_default();
        let hosts: Option<Vec<IpAddr>> = hosts.iter().map(|host| host.parse().ok()).collect();
        if let Some(hosts) = hosts.filter(|hosts| !hosts.is_empty()) {
            let outside = |host: &IpAddr| address.addresses().meet(&Addresses::one(*host)).is_empty();
            if hosts.iter().all(outside) {
                return Some((address.term, "a host that is named by its address has that address".to_owned()));
            }
        }
    }
    if let Some(arguments) = fact("arguments") {
        let words: Option<Vec<Words>> = texts(arguments)?.iter().map(|text| Words::parse(text)).collect();
        let says = |words: &Words, name: &str| -> Option<Constant> {
            if name == "count" {
                return Some(Constant::Number(words.as_slice().len().try_into().ok()?));
            }
            let place: usize = name.strip_prefix("arg")?.parse().ok()?;
            Some(Constant::Text(words.as_slice().get(place.checked_sub(1)?).cloned().unwrap_or_default()))
        };
        for other in asked {
            let Some(Term::Context(name)) = Term::of(other.term) else { continue };
            let misses = |words: &Words| says(words, name).is_some_and(|value| !other.fits(&value));
            if words.as_ref().is_some_and(|words| !words.is_empty() && words.iter().all(misses)) {
                return Some((other.term, "`arguments` are all of them, in their order".to_owned()));
            }
        }
    }
    let count = fact("count")?;
    asked.iter().find_map(|other| {
        let Some(Term::Context(name)) = Term::of(other.term) else { return None };
        let place: i128 = name.strip_prefix("arg")?.parse().ok()?;
        let there = texts(other)?.iter().all(|text| !text.is_empty());
        (there && count.high() < place)
            .then(|| (other.term, format!("with fewer than {place} arguments, `{name}` is empty")))
    })
}

/// The ids that the resource may have, if they are listed.
fn ids(asked: &[&Constraint<'_>], id_attribute: Option<&str>, kind: &str) -> Option<Vec<String>> {
    let entity = asked.iter().find(|constraint| *constraint.term == Expr::Var(Var::Resource));
    if let Some(only) = entity.and_then(|constraint| constraint.only()) {
        let of_kind = only.iter().filter_map(|value| match value {
            Constant::Entity(uid) if &*uid.kind == kind => Some(uid.id.to_string()),
            _ => None,
        });
        return Some(of_kind.collect());
    }
    texts(named(asked, Term::Resource(id_attribute?))?)
}

/// Attributes of the resource: a contradiction is one for each type that it can have.
fn of_resource<'e>(about: &About, asked: &[&Constraint<'e>]) -> Option<(&'e Expr, String)> {
    let attributes = asked.iter().filter(|constraint| matches!(Term::of(constraint.term), Some(Term::Resource(_))));
    if attributes.count() == 0 {
        return None;
    }
    let mut specs: Vec<&'static ActionSpec> = Vec::new();
    for spec in &about.actions {
        if !specs.iter().any(|known| known.resource == spec.resource) {
            specs.push(spec);
        }
    }
    let found: Vec<_> = specs.iter().map(|spec| of_type(spec, asked)).collect::<Option<_>>()?;
    found.into_iter().next()
}

fn of_type<'e>(spec: &ActionSpec, asked: &[&Constraint<'e>]) -> Option<(&'e Expr, String)> {
    let resource = spec.resource;
    if let Some(ids) = ids(asked, resource.id_attribute, &resource.to_string()) {
        return of_ids(spec, asked, &ids, None);
    }
    // A name says the extension, and no more.
    if let (Some(name), true) = (named(asked, Term::Resource("name")), resource == AbsPath::SPEC)
        && let Some(names) = texts(name)
    {
        let ids: Vec<String> = names.iter().map(|name| format!("/{name}")).collect();
        if let Some(found) = of_ids(spec, asked, &ids, Some("extension")) {
            return Some(found);
        }
    }
    of_patterns(spec, asked)
}

/// What each of some ids says of an attribute, or of any, where none has all that is asked for.
fn of_ids<'e>(
    spec: &ActionSpec,
    asked: &[&Constraint<'e>],
    ids: &[String],
    alone: Option<&str>,
) -> Option<(&'e Expr, String)> {
    let mut found = None;
    for id in ids {
        let says = of_id(spec, id);
        // What is no id at all is told elsewhere.
        if says.is_empty() {
            return None;
        }
        let says = says.iter().filter(|(name, _)| alone.is_none_or(|alone| alone == *name));
        let missed = says.into_iter().find_map(|(name, value)| {
            let constraint = named(asked, Term::Resource(name))?;
            (!constraint.fits(value)).then(|| (constraint.term, because(name, id, value)))
        });
        found = found.or(Some(missed?));
    }
    found
}

fn because(name: &str, id: &str, value: &Constant) -> String {
    let value = match value {
        Constant::Text(text) => format!("`{}`", visible(text)),
        Constant::Number(number) => format!("`{number}`"),
        Constant::Bool(value) => format!("`{value}`"),
        Constant::Entity(uid) => format!("`{uid}`"),
    };
    format!("`resource.{name}` of `{}` is {}", visible(id), if value == "``" { "empty" } else { &value })
}

/// Patterns of the id that two attributes have to be like, of which no id is like both.
fn of_patterns<'e>(spec: &ActionSpec, asked: &[&Constraint<'e>]) -> Option<(&'e Expr, String)> {
    let mut said: Vec<(&Constraint<'e>, &str, Vec<Pattern>)> = Vec::new();
    for constraint in asked {
        let Some(Term::Resource(name)) = Term::of(constraint.term) else { continue };
        let listed = texts(constraint).map(|texts| texts.iter().map(|text| exactly(text)).collect::<Vec<_>>());
        let likes = constraint.likes().iter().take(COMPARED).map(|pattern| vec![like(pattern)]);
        for values in listed.into_iter().chain(likes) {
            let lifted = values.iter().take(PAIRS).map(|value| of_attribute(spec.resource, name, value));
            if let Some(patterns) = lifted.collect::<Option<Vec<_>>>()
                && values.len() <= PAIRS
            {
                said.push((constraint, name, patterns.concat()));
            }
        }
    }
    let paths = [AbsPath::SPEC, Program::SPEC].contains(&spec.resource);
    // What nothing is like by itself is told elsewhere.
    said.retain(|(.., patterns)| patterns.iter().any(|pattern| meet(&[pattern], paths) != Meeting::Nothing));
    let apart = |one: &[Pattern], other: &[Pattern]| {
        one.len() * other.len() <= PAIRS
            && one.iter().all(|one| other.iter().all(|other| meet(&[one, other], paths) == Meeting::Nothing))
    };
    for (place, (constraint, name, patterns)) in said.iter().enumerate() {
        for (_, before, others) in said.iter().take(place).filter(|(_, before, _)| before != name) {
            if apart(others, patterns) {
                return Some((constraint.term, format!("no resource has such a `{before}` and such a `{name}`")));
            }
        }
    }
    None
}
