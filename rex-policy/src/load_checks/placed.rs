//! Contradictions between the id of a resource, the resources that it is in, and its attributes.

use cedar_policy::pst::Expr;
use rex_core::net::Url;
use rex_core::process::Program;
use rex_core::{AbsPath, ActionSpec, Resource};

use super::about::{ComparedTerm, PossibleActions, letter};
use super::constant::Constant;
use super::constraint::TermConstraint;
use super::derived::{COMPARED, entity, ids, named, of_id, texts};
use crate::finding::visible;
use crate::pattern::{LetterPattern, apart, covers, exactly, exists, like, of_attribute, within};
use crate::rule::Uid;

/// Maximum number of pairs of alternatives that are checked against each other.
const PAIRS: usize = 256;

/// A term that contradicts the rest, and what the rest implies about it.
type PatternConflict<'e> = (&'e Expr, String);

/// Finds a contradiction between attributes for each type that the resource can have.
pub(super) fn of_resource<'e>(about: &PossibleActions, asked: &[&TermConstraint<'e>]) -> Option<PatternConflict<'e>> {
    let of_attributes = asked
        .iter()
        .filter(|constraint| matches!(ComparedTerm::of(constraint.term), Some(ComparedTerm::Resource(_))))
        .count();
    let of_entity = entity(asked).map_or(0, |entity| {
        entity.inside().len() + usize::from(!entity.outside().is_empty()) + usize::from(entity.only().is_some())
    });
    if of_attributes + of_entity < 2 {
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

fn of_type<'e>(spec: &ActionSpec, asked: &[&TermConstraint<'e>]) -> Option<PatternConflict<'e>> {
    let resource = spec.resource;
    if let Some(ids) = ids(asked, resource.id_attribute, &resource.to_string()) {
        return of_ids(spec, asked, &ids, None);
    }
    // A name implies the extension, and nothing else.
    if let (Some(name), true) = (named(asked, ComparedTerm::Resource("name")), resource == AbsPath::SPEC)
        && let Some(names) = texts(name)
    {
        let ids: Vec<String> = names.iter().map(|name| format!("/{name}")).collect();
        if let Some(found) = of_ids(spec, asked, &ids, Some("extension")) {
            return Some(found);
        }
    }
    of_patterns(spec, asked)
}

/// Finds a contradiction if none of these ids meets all constraints, or the one on the attribute `alone`.
fn of_ids<'e>(
    spec: &ActionSpec,
    asked: &[&TermConstraint<'e>],
    ids: &[String],
    alone: Option<&str>,
) -> Option<PatternConflict<'e>> {
    let mut found = None;
    for id in ids {
        let says = of_id(spec, id);
        // An invalid id is reported elsewhere.
        if says.is_empty() {
            return None;
        }
        let says = says.iter().filter(|(name, _)| alone.is_none_or(|alone| alone == *name));
        let missed = says.into_iter().find_map(|(name, value)| {
            let constraint = named(asked, ComparedTerm::Resource(name))?;
            (!constraint.fits(value)).then(|| (constraint.term, because(name, id, value)))
        });
        let missed = missed.or_else(|| if alone.is_none() { misplaced(spec, asked, id) } else { None });
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

/// Finds an entity that an id must be in but is not, or must not be in but is.
fn misplaced<'e>(spec: &ActionSpec, asked: &[&TermConstraint<'e>], id: &str) -> Option<PatternConflict<'e>> {
    let entity = entity(asked)?;
    let kind = spec.resource.to_string();
    // Only the entities file knows members of classes.
    let known = |uids: &&Vec<Uid>| uids.iter().all(|uid| *uid.kind == *kind);
    let is_in = |uid: &Uid| *uid.kind == *kind && lies_in(spec, id, &uid.id);
    let missing = entity.inside().iter().filter(known).find(|uids| !uids.iter().any(is_in));
    let missing = missing.and_then(|uids| uids.first()).map(|uid| format!("`{}` is not in `{uid}`", visible(id)));
    let why = missing.or_else(|| {
        let uid = entity.outside().iter().find(|uid| is_in(uid))?;
        Some(format!("`{}` is in `{uid}`", visible(id)))
    })?;
    Some((entity.term, why))
}

/// Returns whether an id equals another of its type or lies in it.
fn lies_in(spec: &ActionSpec, id: &str, above: &str) -> bool {
    let mut found = id == above;
    if let (false, Ok(resource)) = (found, (spec.from_record)(id, &Default::default())) {
        resource.ancestors(&mut |ancestor| found |= ancestor == above);
    }
    found
}

/// The patterns of the id that a constraint implies.
struct ConstraintPatterns<'c, 'e> {
    constraint: &'c TermConstraint<'e>,
    /// The attribute; `None` for a constraint on what the resource is in.
    name: Option<&'c str>,
    patterns: Vec<LetterPattern>,
    /// Its name in messages.
    told: String,
}

/// Finds two constraints whose patterns no id can match together.
fn of_patterns<'e>(spec: &ActionSpec, asked: &[&TermConstraint<'e>]) -> Option<PatternConflict<'e>> {
    let paths = [AbsPath::SPEC, Program::SPEC].contains(&spec.resource);
    let mut said = said(spec, asked);
    // Impossible patterns are reported elsewhere.
    said.retain(|one| one.name.is_none() || one.patterns.iter().any(|pattern| exists(pattern, paths)));
    for (place, one) in said.iter().enumerate() {
        for before in said.iter().take(place).filter(|before| before.name != one.name || one.name.is_none()) {
            let few = before.patterns.len() * one.patterns.len() <= PAIRS;
            if few && before.patterns.iter().all(|left| one.patterns.iter().all(|right| apart(left, right, paths))) {
                return Some((one.constraint.term, nothing(before, one)));
            }
        }
    }
    port(spec, asked).or_else(|| excluded(spec, asked, &said))
}

/// Finds a port that contradicts the server in a URL pattern.
fn port<'e>(spec: &ActionSpec, asked: &[&TermConstraint<'e>]) -> Option<PatternConflict<'e>> {
    let (url, port) = (named(asked, ComparedTerm::Resource("url"))?, named(asked, ComparedTerm::Resource("port"))?);
    if spec.resource != Url::SPEC {
        return None;
    }
    url.likes().iter().find_map(|pattern| {
        let start: String = pattern.iter().map_while(letter).collect();
        let (scheme, rest) = start.split_once("://")?;
        let (server, _) = rest.split_once('/')?;
        let server = Url::parse(&format!("{scheme}://{server}/")).ok()?;
        let number = Constant::Number(server.port().into());
        (!port.fits(&number)).then(|| (port.term, because("port", Resource::id(&server), &number)))
    })
}

fn nothing(before: &ConstraintPatterns<'_, '_>, one: &ConstraintPatterns<'_, '_>) -> String {
    match (before.name, one.name) {
        (None, None) => format!("nothing is both in {} and in {}", before.told, one.told),
        (None, Some(_)) => format!("no resource in {} has such a {}", before.told, one.told),
        (Some(_), None) => format!("no resource in {} has such a {}", one.told, before.told),
        (Some(_), Some(_)) => format!("no resource has such a {} and such a {}", before.told, one.told),
    }
}

fn said<'c, 'e>(spec: &ActionSpec, asked: &[&'c TermConstraint<'e>]) -> Vec<ConstraintPatterns<'c, 'e>> {
    let mut said = Vec::new();
    for constraint in asked {
        let Some(ComparedTerm::Resource(name)) = ComparedTerm::of(constraint.term) else { continue };
        let listed = texts(constraint).map(|texts| texts.iter().map(|text| exactly(text)).collect::<Vec<_>>());
        let likes = constraint.likes().iter().take(COMPARED).map(|pattern| vec![like(pattern)]);
        for values in listed.into_iter().chain(likes) {
            let lifted = values.iter().take(PAIRS).map(|value| of_attribute(spec.resource, name, value));
            if let Some(patterns) = lifted.collect::<Option<Vec<_>>>()
                && values.len() <= PAIRS
            {
                said.push(ConstraintPatterns {
                    constraint,
                    name: Some(name),
                    patterns: patterns.concat(),
                    told: format!("`{name}`"),
                });
            }
        }
    }
    let Some(entity) = entity(asked) else { return said };
    let mut places = Vec::new();
    for uids in entity.inside().iter().take(COMPARED).filter(|uids| uids.len() <= PAIRS) {
        let patterns = |uid: &Uid| (*uid.kind == *spec.resource.to_string()).then(|| within(spec.resource, &uid.id))?;
        if let Some(patterns) = uids.iter().map(patterns).collect::<Option<Vec<_>>>() {
            let told = uids.first().map_or_else(String::new, |uid| format!("`{uid}`"));
            places.push(ConstraintPatterns { constraint: entity, name: None, patterns: patterns.concat(), told });
        }
    }
    // Findings name the later one, so places come first.
    places.into_iter().chain(said).collect()
}

/// Finds a constraint whose matches are all excluded.
fn excluded<'e>(
    spec: &ActionSpec,
    asked: &[&TermConstraint<'e>],
    said: &[ConstraintPatterns<'_, 'e>],
) -> Option<PatternConflict<'e>> {
    let kind = spec.resource.to_string();
    let id = spec.resource.id_attribute.and_then(|name| named(asked, ComparedTerm::Resource(name)));
    let unlikes = id.into_iter().flat_map(|id| id.unlikes().iter().map(move |pattern| (id.term, vec![like(pattern)])));
    let places = entity(asked).into_iter().flat_map(|entity| {
        let of_kind = entity.outside().iter().filter(|uid| *uid.kind == *kind).take(COMPARED);
        of_kind.filter_map(|uid| Some((entity.term, within(spec.resource, &uid.id)?)))
    });
    for (term, out) in unlikes.take(COMPARED).chain(places) {
        for one in said.iter().filter(|one| one.patterns.len() * out.len() <= PAIRS) {
            if one.patterns.iter().all(|pattern| out.iter().any(|out| covers(out, pattern))) {
                let what = if one.name.is_none() {
                    format!("what is in {}", one.told)
                } else {
                    format!("what has such a {}", one.told)
                };
                return Some((term, format!("{what} is left out completely")));
            }
        }
    }
    None
}
