//! Groups, classes and groups of actions used where only one of their members can match.

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};

use super::{CheckedPolicy, LoadChecker, values};
use crate::finding::Severity;
use crate::rule::{Scope, Uid, actions, literal, principal_scope, resource_scope};
use crate::vocabulary::{GROUP, PRINCIPALS};

impl LoadChecker<'_> {
    /// Checks the principal, action and resource of the head.
    pub(super) fn misplaced_in_head(&self, look: &mut CheckedPolicy<'_>, policy: &Policy) {
        let principal = principal_scope(policy.principal_constraint());
        let resource = resource_scope(policy.resource_constraint());
        if let Some(uid) = resource.entity.as_ref().filter(|_| !resource.exact) {
            values::without_slash(look, uid);
        }
        for (var, scope) in [(Var::Principal, principal), (Var::Resource, resource)] {
            if let Scope { entity: Some(uid), exact: true, .. } = &scope {
                self.equal(look, &var, uid, Some(true));
            }
            if let Some(kind) = &scope.kind {
                self.typed(look, &var, kind, Some(true));
            }
        }
        if let Some(actions) = actions(policy).filter(|actions| actions.exact) {
            actions.named.iter().for_each(|uid| self.equal(look, &Var::Action, uid, Some(true)));
        }
    }

    /// Checks one comparison of a condition.
    pub(super) fn misplaced(&self, look: &mut CheckedPolicy<'_>, expr: &Expr, holds: Option<bool>) {
        let entity = |expr: &Expr| match expr {
            Expr::Literal(Literal::EntityUID(uid)) => Some(literal(uid)),
            _ => None,
        };
        match expr {
            Expr::BinaryOp { op: op @ (BinaryOp::Eq | BinaryOp::NotEq), left, right } => {
                let holds = holds.map(|holds| holds == (*op == BinaryOp::Eq));
                match (&**left, &**right) {
                    (Expr::Var(var), other) | (other, Expr::Var(var)) => {
                        entity(other).iter().for_each(|uid| self.equal(look, var, uid, holds));
                    }
                    _ => {}
                }
            }
            Expr::BinaryOp { op: BinaryOp::Contains, left, right } => {
                if let (Expr::Set(members), Expr::Var(var)) = (&**left, &**right) {
                    members
                        .iter()
                        .filter_map(|member| entity(member))
                        .for_each(|uid| self.equal(look, var, &uid, holds));
                }
            }
            Expr::Is { expr, entity_type, .. } => {
                if let Expr::Var(var) = &**expr {
                    self.typed(look, var, &entity_type.0.to_string(), holds);
                }
            }
            _ => {}
        }
    }

    /// Checks the entity that a part of a request must equal.
    fn equal(&self, look: &mut CheckedPolicy<'_>, var: &Var, uid: &Uid, holds: Option<bool>) {
        let (part, what) = match var {
            Var::Principal if self.is_other(&uid.kind) => ("principal", self.principal(&uid.kind)),
            Var::Resource if self.is_class(&uid.kind) => ("resource", "a class".to_owned()),
            Var::Action if self.is_group_of_actions(uid) => ("action", "a group of actions".to_owned()),
            _ => return,
        };
        let message = format!("`{}` is {what}, which no {part} is", uid.id.escape_debug());
        let help = match &*uid.kind {
            GROUP => format!("ask for what is in it: `principal in {uid}`"),
            _ if part == "principal" => "principals are `Agent::\"..\"` and `User::\"..\"`".to_owned(),
            _ => format!("ask for what is in it: `{part} in {uid}`"),
        };
        let severity = look.severity(true, holds);
        look.add(Some("REX001"), severity, &format!("{}::\"{}\"", uid.kind, uid.id), message, &help);
    }

    fn principal(&self, kind: &str) -> String {
        if kind == GROUP { "a group".to_owned() } else { format!("a `{kind}`") }
    }

    /// Checks the type that a part of a request must have.
    fn typed(&self, look: &mut CheckedPolicy<'_>, var: &Var, kind: &str, holds: Option<bool>) {
        let (part, help) = match var {
            Var::Principal if self.is_other(kind) => ("principal", "principals are of the types `Agent` and `User`"),
            Var::Resource if self.is_class(kind) || kind == GROUP || PRINCIPALS.contains(&kind) => {
                ("resource", "ask for what is in a class: `resource in fs::Class::\"..\"`")
            }
            _ => return,
        };
        let severity: Severity = look.severity(true, holds);
        look.add(Some("REX001"), severity, &format!("is {kind}"), format!("no {part} is a `{kind}`"), help);
    }

    /// Returns whether a type is declared, but not one of principals. The validator reports undeclared types.
    fn is_other(&self, kind: &str) -> bool {
        let resource = || self.vocabulary.resources().iter().any(|resource| resource.is_named(kind));
        !PRINCIPALS.contains(&kind) && (self.named_by_owner.contains(kind) || resource())
    }

    fn is_class(&self, kind: &str) -> bool {
        self.named_by_owner.contains(kind) && kind != GROUP
    }

    fn is_group_of_actions(&self, uid: &Uid) -> bool {
        let space = uid.kind.strip_suffix("::Action");
        let of = |group: &str| {
            self.vocabulary.actions().iter().any(|spec| Some(spec.namespace) == space && spec.groups.contains(&group))
        };
        of(&uid.id)
    }
}
