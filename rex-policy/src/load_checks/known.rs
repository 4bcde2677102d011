//! Facts that the head of a policy implies for each request it matches.

use std::sync::Arc;

use cedar_policy::pst::{Expr, Var};
use cedar_policy::{ActionConstraint, Policy};
use rex_core::Resource;
use rex_core::net::Url;

use super::about::PossibleActions;
use super::constant::Constant;
use super::constraint::ConstraintSet;
use super::derived;
use crate::rule::{Scope, Uid, principal_scope, resource_scope};

/// A statement about one term.
enum TermStatement {
    /// It is one of these.
    Among(Vec<Constant>),
    /// It is in this.
    In(Uid),
    /// It is of this type.
    Kind(Box<str>),
}

/// The terms that the head of a policy is about, each with a statement.
pub(super) struct HeadTerms(Vec<(Expr, TermStatement)>);

impl HeadTerms {
    pub(super) fn new(about: &PossibleActions, policy: &Policy) -> Self {
        let mut head = Self(Vec::new());
        head.scope(Var::Principal, principal_scope(policy.principal_constraint()));
        let resource = resource_scope(policy.resource_constraint());
        if let Some(uid) = &resource.entity {
            head.0.extend(attributes(about, uid, resource.exact));
        }
        head.scope(Var::Resource, resource);
        if !matches!(policy.action_constraint(), ActionConstraint::Any) {
            let action = |spec: &&rex_core::ActionSpec| {
                Constant::Entity(Uid::new(&format!("{}::Action", spec.namespace), spec.name))
            };
            head.0.push((Expr::Var(Var::Action), TermStatement::Among(about.actions.iter().map(action).collect())));
        }
        head
    }

    fn scope(&mut self, var: Var, scope: Scope) {
        let var = Expr::Var(var);
        if let Some(kind) = scope.kind {
            self.0.push((var.clone(), TermStatement::Kind(kind)));
        }
        if let Some(uid) = scope.entity {
            let said =
                if scope.exact { TermStatement::Among(vec![Constant::Entity(uid)]) } else { TermStatement::In(uid) };
            self.0.push((var, said));
        }
    }

    /// Returns the statements as constraints.
    pub(super) fn constraints(&self) -> ConstraintSet<'_> {
        let mut constraints = ConstraintSet::default();
        for (term, said) in &self.0 {
            match said {
                TermStatement::Among(values) => constraints.known(term, values),
                TermStatement::In(uid) => constraints.known_in(term, uid.clone()),
                TermStatement::Kind(kind) => constraints.known_kind(term, kind),
            }
        }
        constraints
    }
}

/// Returns the attributes that the id of a resource implies, for itself or for what is in it.
fn attributes(about: &PossibleActions, uid: &Uid, exact: bool) -> Vec<(Expr, TermStatement)> {
    let url = *uid.kind == *Url::SPEC.to_string();
    if !exact && !url {
        return Vec::new();
    }
    let spec = about.actions.iter().find(|spec| spec.resource.is_named(&uid.kind));
    let said = spec.map(|spec| derived::of_id(spec, &uid.id)).unwrap_or_default();
    // Everything in a URL is on the same server.
    let shared =
        |name: &str| exact || (*uid.kind == *Url::SPEC.to_string() && ["scheme", "host", "port"].contains(&name));
    let attribute = |name: &str| Expr::GetAttr { expr: Arc::new(Expr::Var(Var::Resource)), attr: name.into() };
    let said = said.into_iter().filter(|(name, _)| shared(name));
    said.map(|(name, value)| (attribute(name), TermStatement::Among(vec![value]))).collect()
}
