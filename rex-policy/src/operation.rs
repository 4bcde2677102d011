//! A request in a form for people.

use std::collections::BTreeSet;
use std::fmt;

use rex_core::{Authorize, Decision, Fact, FactKind, Request, RequestBuf, Value};

use crate::members::Members;
use crate::policy::Policy;
use crate::rule::Uid;

/// The id of a principal where any principal would do.
pub(crate) const ANYONE: &str = "anyone";

/// Returns a value for a fact where any value would do.
pub(crate) fn any_value(kind: FactKind) -> Value {
    match kind {
        FactKind::Long => Value::Int(0),
        FactKind::Bool => Value::Bool(false),
        FactKind::String => Value::Text(String::new()),
        FactKind::Ip => Value::Text("192.0.2.1".to_owned()),
    }
}

/// A request as an example of what is allowed, or as a counterexample.
///
/// As text it is `fs::write("/etc/x") by agent "triage"`, followed by the facts that matter and by what the entities file would
/// have to declare.
#[derive(Debug)]
pub struct ExampleRequest {
    /// The request.
    pub asked: RequestBuf,
    /// Memberships that an entities file would have to declare, if there was none: the first of each pair is in the second.
    pub(crate) members: Vec<(Uid, Uid)>,
    /// The facts and attributes that matter: `bytes`, `resource.sha256`.
    pub(crate) told: BTreeSet<String>,
}

impl ExampleRequest {
    /// Returns the memberships that an entities file would have to declare, if there was none: the first of each pair is in the
    /// second, both as policies write them.
    pub fn members(&self) -> impl Iterator<Item = (String, String)> {
        self.members.iter().map(|(below, above)| (below.to_string(), above.to_string()))
    }

    /// Returns the policy's members of groups and classes, with those of this request.
    pub(crate) fn with(&self, policy: &Policy) -> Members {
        policy.members().with(&self.members)
    }

    /// Returns the decision of a policy on the request.
    pub(crate) fn decision(&self, policy: &Policy) -> Decision {
        let request = self.asked.request();
        if self.members.is_empty() {
            return policy.decide(&request);
        }
        let outcome = policy.by_cedar(policy.all(), &request, &self.with(policy));
        outcome.map_or_else(|error| Decision::deny(Some(&error.to_string())), |outcome| outcome.decision())
    }

    /// Returns the facts and attributes of the request that matter, with their values.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, Value)> {
        let Request { subject, action, resource, now } = self.asked.request();
        let mut facts = Vec::new();
        if !resource.id_is_complete() {
            let same = resource.spec().id_attribute;
            resource.attributes(&mut |name, fact| {
                if Some(name) != same && self.told.contains(&format!("resource.{name}")) {
                    facts.push((name, value(fact)));
                }
            });
        }
        let mut more = vec![
            ("now", now.to_string().into()),
            ("script", subject.script.clone().into()),
            ("tags", Value::List(subject.tags.iter().map(|tag| tag.clone().into()).collect())),
        ];
        action.facts(&mut |name, fact| more.push((name, value(fact))));
        more.retain(|(name, _)| self.told.contains(*name));
        facts.extend(more);
        facts
    }
}

fn value(fact: Fact<'_>) -> Value {
    match fact {
        Fact::Long(value) => Value::Int(value),
        Fact::Bool(value) => Value::Bool(value),
        Fact::String(text) => Value::Text(text.to_owned()),
        Fact::Ip(address) => Value::Text(address.to_string()),
    }
}

impl fmt::Display for ExampleRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.asked.request();
        let principal = &request.subject.principal;
        write!(f, "{}(\"{}\")", request.action.spec(), request.resource.id().escape_debug())?;
        write!(f, " by {} \"{}\"", principal.kind().to_lowercase(), principal.id().escape_debug())?;
        for (number, (name, value)) in self.facts().into_iter().enumerate() {
            write!(f, "{} {name} = {value}", if number == 0 { " with" } else { "," })?;
        }
        for (number, (below, above)) in self.members().enumerate() {
            write!(f, "{} {below} is in {above}", if number == 0 { ", where" } else { " and" })?;
        }
        Ok(())
    }
}
