//! Conversion of a solver's choices to requests that can exist.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{BinaryOp, Expr, Literal};
use rex_core::request::RequestSpec;
use rex_core::{ActionSpec, Fact, FactKind, Principal, RequestBuf, Subject, Timestamp, Value};

use super::flat::FlatAction;
use super::kinds::{ID, and, binary, is, not, or, truth, variable};
use super::solve::SolverModel;
use super::variables::{ConditionVariables, PRINCIPAL};
use crate::operation::{ANYONE, ExampleRequest, any_value};
use crate::rule::Uid;

/// Returns the requests of a model, one for each act: for each candidate id, the best first.
pub(super) fn requests(
    table: &'static [&'static ActionSpec],
    acts: &[FlatAction<'_>],
    variables: &ConditionVariables,
    model: &SolverModel,
) -> Vec<Vec<ExampleRequest>> {
    let Some(first) = acts.first() else { return Vec::new() };
    let chosen = model.get(ID).and_then(said);
    let ids = first.kind.candidates(chosen.as_deref(), &attributes(first, model));
    let of_id = |id: &String| acts.iter().map(|act| request(table, act, variables, model, id)).collect();
    ids.iter().filter_map(of_id).collect()
}

fn said(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

fn attributes(act: &FlatAction<'_>, model: &SolverModel) -> BTreeMap<String, Value> {
    let declared = act.spec.resource.attributes.iter();
    declared.filter_map(|it| Some((it.name.to_owned(), model.get(&FlatAction::attribute(it.name))?.clone()))).collect()
}

fn request(
    table: &'static [&'static ActionSpec],
    act: &FlatAction<'_>,
    variables: &ConditionVariables,
    model: &SolverModel,
    id: &str,
) -> Option<ExampleRequest> {
    let text = |name: &str| model.get(name).and_then(said);
    let principal = text(PRINCIPAL).unwrap_or_else(|| ANYONE.to_owned());
    let principal = if act.principal == "User" { Principal::user(&principal) } else { Principal::agent(&principal) };
    let tags = match model.get(&act.fact("tags")) {
        Some(Value::List(tags)) => tags.iter().filter_map(said).collect(),
        _ => Vec::new(),
    };
    let now = text(&act.fact("now")).and_then(|text| time(&text)).unwrap_or(Timestamp::from_micros(0));
    let context = act.spec.context.iter().map(|fact| {
        let value = match (fact.kind, model.get(&act.fact(fact.name))) {
            (FactKind::Ip, Some(Value::Text(text))) => Value::Text(address(text)),
            (_, Some(value)) => value.clone(),
            (kind, None) => any_value(kind),
        };
        (fact.name.to_owned(), value)
    });
    let action = act.spec.to_string();
    let written =
        RequestSpec { action: &action, resource: id, attributes: attributes(act, model), context: context.collect() };
    let (kind, name) = (principal.kind().to_owned(), principal.id().to_owned());
    let subject = Subject { principal, script: text(&act.fact("script")).unwrap_or_default(), tags };
    let asked = RequestBuf::new(table, &written, subject, now).ok()?;
    let resource = Uid::new(&act.spec.resource.to_string(), asked.request().resource.id());
    let members = variables.members.iter().filter(|(name, (of_principal, group))| {
        model.get(*name) == Some(&Value::Bool(true)) && (*of_principal || group.kind != resource.kind)
    });
    let members = members.map(|(_, (of_principal, group))| {
        let below = if *of_principal { Uid::new(&kind, &name) } else { resource.clone() };
        (below, group.clone())
    });
    let members = members.collect();
    Some(ExampleRequest { asked, members, told: told(act, variables) })
}

/// Returns the facts and attributes that policies compare.
fn told(act: &FlatAction<'_>, variables: &ConditionVariables) -> BTreeSet<String> {
    let facts = act.spec.context.iter().map(|fact| fact.name).chain(["now", "script", "tags"]);
    let facts = facts.filter(|name| variables.types.contains_key(&act.fact(name)));
    let attributes = act.spec.resource.attributes.iter().map(|attribute| attribute.name);
    let attributes = attributes.filter(|name| variables.types.contains_key(&FlatAction::attribute(name)));
    facts.map(str::to_owned).chain(attributes.map(|name| format!("resource.{name}"))).collect()
}

/// Returns a condition against choosing the same again: what ids like the chosen one imply, or that it does not exist.
pub(super) fn lesson(
    acts: &[FlatAction<'_>],
    variables: &ConditionVariables,
    model: &SolverModel,
    found: &[Vec<ExampleRequest>],
) -> Option<Expr> {
    let id = &*model.get(ID).and_then(said)?;
    let operation = found.iter().flatten().find(|operation| operation.asked.request().resource.id() == id);
    let Some(operation) = operation else { return Some(not(is(ID, id))) };
    let mut says = truth(true);
    let act = acts.first()?;
    operation.asked.request().resource.attributes(&mut |name, fact| {
        let own = FlatAction::attribute(name);
        if act.spec.resource.id_attribute == Some(name) || !variables.types.contains_key(&own) {
            return;
        }
        let (value, part) = match fact {
            Fact::Long(value) => (Literal::Long(value), None),
            Fact::Bool(value) => (Literal::Bool(value), None),
            Fact::String(text) => (Literal::String(text.into()), act.kind.part_is(name, text)),
            Fact::Ip(_) => return,
        };
        let same = binary(BinaryOp::Eq, variable(&own), Expr::Literal(value));
        let mut said = match part {
            Some(part) => both_or_none(part, same),
            None => or(not(is(ID, id)), same),
        };
        // The same holds for the chosen text.
        if let Some(Value::Text(text)) = model.get(&own)
            && let Some(part) = act.kind.part_is(name, text)
        {
            said = and(said, both_or_none(part, is(&own, text)));
        }
        says = and(std::mem::replace(&mut says, truth(true)), said);
    });
    let all = operation.asked.request().resource.id_is_complete();
    (all && says != truth(true)).then_some(says)
}

/// Encodes that an id has a part exactly if an attribute is that text.
fn both_or_none(part: Expr, same: Expr) -> Expr {
    and(or(not(part.clone()), same.clone()), or(not(same), part))
}

/// Parses a time as Cedar prints it: a date, or an offset in milliseconds from 1970.
fn time(text: &str) -> Option<Timestamp> {
    let quoted: Vec<_> = text.split('"').skip(1).step_by(2).collect();
    let millis = quoted.iter().find_map(|part| part.strip_suffix("ms")?.parse::<i64>().ok());
    match millis {
        Some(millis) => Some(Timestamp::from_micros(millis.checked_mul(1_000)?)),
        None => Timestamp::parse(quoted.first().copied().unwrap_or(text)).ok(),
    }
}

/// Returns an address as Cedar prints it, without its prefix length.
fn address(text: &str) -> String {
    let text = text.split('"').nth(1).unwrap_or(text);
    text.split('/').next().unwrap_or(text).to_owned()
}
