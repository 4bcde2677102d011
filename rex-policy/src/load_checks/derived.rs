//! Facts that imply others: the name of a file implies its extension, a URL its host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cedar_policy::pst::{Expr, PatternElem, Var};
use rex_core::net::{NETWORKS, Network, RemoteHost};
use rex_core::process::{Process, Program, WordList};
use rex_core::{ActionSpec, Fact, Resource};

use super::about::{ComparedTerm, PossibleActions, letter};
use super::addresses::AddressSet;
use super::constant::Constant;
use super::constraint::{ConstraintSet, TermConstraint};
use super::placed;
use crate::finding::visible;

/// Maximum number of comparisons checked together.
pub(super) const COMPARED: usize = 16;

/// Returns the attributes that the id of a resource implies.
pub(super) fn of_id(spec: &ActionSpec, id: &str) -> Vec<(&'static str, Constant)> {
    let mut known = Vec::new();
    // The id of a process is its number, and implies nothing else.
    if spec.resource == Process::SPEC {
        known.extend(id.parse().ok().map(|pid| ("pid", Constant::Number(pid))));
        return known;
    }
    // The id of a program does not imply its hash, which a caller may pin.
    let program = spec.resource == Program::SPEC;
    let Ok(resource) = (spec.from_record)(id, &BTreeMap::new()) else { return known };
    // Ids that no request has are reported elsewhere.
    if (!resource.id_is_complete() && !program) || resource.id() != id {
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

/// Finds a term that contradicts the other constraints, and what they imply about it.
pub(super) fn contradiction<'e>(
    about: &PossibleActions,
    constraints: &ConstraintSet<'e>,
) -> Option<(&'e Expr, String)> {
    let asked: Vec<&TermConstraint<'e>> = constraints.iter().take(COMPARED).collect();
    if asked.iter().any(|constraint| constraint.void) {
        return None;
    }
    of_context(&asked).or_else(|| placed::of_resource(about, &asked))
}

pub(super) fn named<'c, 'e>(
    asked: &[&'c TermConstraint<'e>],
    term: ComparedTerm<'_>,
) -> Option<&'c TermConstraint<'e>> {
    asked.iter().find(|constraint| ComparedTerm::of(constraint.term) == Some(term)).copied()
}

/// Returns the texts that a term may have, if they are listed.
pub(super) fn texts(constraint: &TermConstraint<'_>) -> Option<Vec<String>> {
    let text = |value: &Constant| match value {
        Constant::Text(text) => Some(text.clone()),
        _ => None,
    };
    constraint.only()?.iter().map(text).collect()
}

/// Finds a contradiction between facts.
fn of_context<'e>(asked: &[&TermConstraint<'e>]) -> Option<(&'e Expr, String)> {
    let fact = |name| named(asked, ComparedTerm::Context(name));
    let hosts = hosts(asked);
    if let (Some(address), Some(hosts)) = (fact("address"), &hosts)
        && *address.addresses() != AddressSet::all()
        && address.addresses().meet(hosts).is_empty()
    {
        return Some((address.term, "a host that is named by its address has that address".to_owned()));
    }
    if let Some(network) = fact("network") {
        let asked = fact("address").map_or_else(AddressSet::all, |address| address.addresses().clone());
        let addresses = hosts.map_or_else(|| asked.clone(), |hosts| asked.meet(&hosts));
        if let Some(why) = elsewhere(&addresses, network) {
            return Some((network.term, why));
        }
    }
    if let Some(found) = fact("arguments").and_then(|arguments| of_arguments(asked, arguments)) {
        return Some(found);
    }
    let count = fact("count")?;
    asked.iter().find_map(|other| {
        let Some(ComparedTerm::Context(name)) = ComparedTerm::of(other.term) else { return None };
        let place: i128 = name.strip_prefix("arg")?.parse().ok()?;
        (count.high() < place && !other.fits(&Constant::Text(String::new())))
            .then(|| (other.term, format!("with fewer than {place} arguments, `{name}` is empty")))
    })
}

/// Finds a contradiction between all arguments of a program, one of them, and their number.
fn of_arguments<'e>(asked: &[&TermConstraint<'e>], arguments: &TermConstraint<'e>) -> Option<(&'e Expr, String)> {
    let others = || {
        asked.iter().filter_map(|other| match ComparedTerm::of(other.term) {
            Some(ComparedTerm::Context(name)) => Some((name, *other)),
            _ => None,
        })
    };
    if let Some(texts) = texts(arguments) {
        let words: Option<Vec<WordList>> = texts.iter().map(|text| WordList::parse(text)).collect();
        let words = words.filter(|words| !words.is_empty())?;
        let says = |words: &WordList, name: &str| -> Option<Constant> {
            if name == "count" {
                return Some(Constant::Number(words.as_slice().len().try_into().ok()?));
            }
            let place: usize = name.strip_prefix("arg")?.parse().ok()?;
            Some(Constant::Text(words.as_slice().get(place.checked_sub(1)?).cloned().unwrap_or_default()))
        };
        let missed = |(name, other): &(&str, &TermConstraint<'e>)| {
            words.iter().all(|words| says(words, name).is_some_and(|value| !other.fits(&value)))
        };
        let (_, other) = others().find(missed)?;
        return Some((other.term, "`arguments` are all of them, in their order".to_owned()));
    }
    let first: Vec<Vec<String>> = arguments.likes().iter().filter_map(|pattern| first_words(pattern)).collect();
    let some = !arguments.fits(&Constant::Text(String::new()));
    let least = first.iter().map(|words| words.len() + 1).max().unwrap_or(usize::from(some));
    others().find_map(|(name, other)| {
        if name == "count" {
            let few = other.high() < i128::try_from(least).ok()?;
            return few.then(|| (other.term, format!("there are at least {least} of such `arguments`")));
        }
        let place: usize = name.strip_prefix("arg")?.parse().ok()?;
        let word = first.iter().find_map(|words| words.get(place.checked_sub(1)?))?;
        let is = Constant::Text(word.clone());
        (!other.fits(&is)).then(|| (other.term, format!("`{name}` of such `arguments` is `{}`", visible(word))))
    })
}

/// Returns the complete arguments before at least one more in a pattern; `None` if one of them could be quoted.
fn first_words(pattern: &[PatternElem]) -> Option<Vec<String>> {
    let start: String = pattern.iter().map_while(letter).collect();
    if start.is_empty() || start.contains(['\'', '\\']) {
        return None;
    }
    let (complete, _) = start.rsplit_once(' ').unwrap_or_default();
    Some(complete.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// Names the networks of addresses, if the constraint excludes all of them.
fn elsewhere(addresses: &AddressSet, network: &TermConstraint<'_>) -> Option<String> {
    if *addresses == AddressSet::all() {
        return None;
    }
    let possible: Vec<&str> = match addresses.single() {
        Some(one) => vec![Network::of(one).as_str()],
        None => NETWORKS.iter().copied().filter(|word| addresses.may_be_in(word)).collect(),
    };
    let fits = |word: &&str| network.fits(&Constant::Text((*word).to_owned()));
    if possible.iter().any(fits) {
        return None;
    }
    let what = addresses.single().map_or_else(|| "such an address".to_owned(), |one| format!("`{one}`"));
    Some(format!("{what} is part of the network `{}`", possible.join("` or `")))
}

/// Returns the addresses of hosts named by address.
fn hosts(asked: &[&TermConstraint<'_>]) -> Option<AddressSet> {
    let kind = RemoteHost::SPEC.to_string();
    // An address holds only itself.
    let inside = || -> Option<Vec<String>> {
        let uids = entity(asked)?.inside().first()?;
        uids.iter().map(|uid| (*uid.kind == *kind).then(|| uid.id.to_string())).collect()
    };
    let hosts = ids(asked, RemoteHost::SPEC.id_attribute, &kind).or_else(inside)?;
    let hosts: Vec<IpAddr> = hosts.iter().map(|host| host.parse().ok()).collect::<Option<_>>()?;
    (!hosts.is_empty()).then(|| AddressSet::union(hosts.into_iter().map(AddressSet::one)))
}

/// Returns the constraint on the resource itself.
pub(super) fn entity<'c, 'e>(asked: &[&'c TermConstraint<'e>]) -> Option<&'c TermConstraint<'e>> {
    asked.iter().find(|constraint| *constraint.term == Expr::Var(Var::Resource)).copied()
}

/// Returns the ids that the resource may have, if they are listed.
pub(super) fn ids(asked: &[&TermConstraint<'_>], id_attribute: Option<&str>, kind: &str) -> Option<Vec<String>> {
    if let Some(only) = entity(asked).and_then(|constraint| constraint.only()) {
        let of_kind = only.iter().filter_map(|value| match value {
            Constant::Entity(uid) if &*uid.kind == kind => Some(uid.id.to_string()),
            _ => None,
        });
        return Some(of_kind.collect());
    }
    texts(named(asked, ComparedTerm::Resource(id_attribute?))?)
}
