//! The reach of the permits for an action that an operation needs in addition to another.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rex_core::action::net;
use rex_core::{Action, ActionSpec, Extent, ReachPlace};

use super::LintContext;
use super::places::{PermitReach, ScopeKey, key};
use crate::load_checks::{KnownFact, rules_out};
use crate::rule::{Rule, Scope, syntax};

/// Maximum number of different ports.
const PORTS: usize = 16;

/// The reach of needed actions, by action and by port of the connection.
#[derive(Debug, Default)]
pub(super) struct NeededActions(RefCell<HashMap<ActionKey, Rc<NeededReach>>>);

/// The namespace and the name of an action, and the port.
type ActionKey = (&'static str, &'static str, Option<u16>);

/// The places where an action is permitted, and where it is forbidden without a condition.
#[derive(Debug)]
pub(super) struct NeededReach {
    permitted: PermitReach,
    forbidden: HashMap<ScopeKey, Extent>,
}

impl NeededActions {
    /// Returns the reach of an action, for connections to one port if there is one. `None` if the policies do not know the action.
    pub(super) fn of(&self, look: &LintContext<'_>, spec: &ActionSpec, port: Option<u16>) -> Option<Rc<NeededReach>> {
        let act = look.survey.acts.iter().find(|act| act.spec == spec)?;
        let key = |port| (act.spec.namespace, act.spec.name, port);
        let mut known = self.0.borrow_mut();
        let port = port.filter(|_| known.len() < PORTS || known.contains_key(&key(port)));
        let needed = known.entry(key(port)).or_insert_with(|| Rc::new(NeededReach::new(look, act.spec, port)));
        Some(needed.clone())
    }
}

impl NeededReach {
    fn new(look: &LintContext<'_>, spec: &'static ActionSpec, port: Option<u16>) -> Self {
        let mut needed = Self { permitted: PermitReach::default(), forbidden: HashMap::new() };
        let Some(act) = look.survey.acts.iter().find(|act| act.spec == spec) else { return needed };
        let text = |name| (name, KnownFact::Text(""));
        let facts = match port {
            Some(port) => vec![("port", KnownFact::Number(port.into()))],
            // A connection resolves addresses by this machine's servers.
            None if *spec == *net::Resolve::SPEC => vec![text("record"), text("server")],
            None => Vec::new(),
        };
        let is_possible = |number: usize| {
            let condition = look.policy.cedar(number).filter(|_| !facts.is_empty()).and_then(syntax);
            condition.is_none_or(|condition| !rules_out(&condition, &facts))
        };
        needed.permitted = PermitReach::new(look, act, &is_possible);
        for rule in look.policy.rules().iter().filter(|rule| !rule.permit && rule.condition.is_none()) {
            needed.forbidden.entry(self::key(&rule.principal)).or_default().add(&look.survey.extent(rule, act));
        }
        needed
    }

    /// Returns whether it may be permitted to the principal of a rule, for a host if known.
    pub(super) fn is_given(&self, look: &LintContext<'_>, rule: &Rule, host: Option<&str>) -> bool {
        let forbids = |scope: &Scope| {
            self.forbidden.get(&key(scope)).is_some_and(|extent| match (extent, host) {
                (Extent::Anything, _) => true,
                (Extent::Within(_), host) => host.is_some_and(|host| holds(extent, host)),
            })
        };
        let permitted = self.permitted.of(look, &rule.principal).into_iter().any(|reached| {
            look.compare();
            host.is_none_or(|host| holds(reached, host))
        });
        permitted && !forbids(&Scope::default()) && !forbids(&rule.principal)
    }
}

/// Returns whether a host lies in some places.
fn holds(extent: &Extent, host: &str) -> bool {
    let Extent::Within(places) = extent else { return true };
    places.iter().any(|place| match place {
        ReachPlace::Exactly(id) => id == host,
        ReachPlace::Below(id) => id == host || host.strip_suffix(&**id).is_some_and(|rest| rest.ends_with('.')),
        ReachPlace::Prefix(start) => host.starts_with(&**start),
    })
}
