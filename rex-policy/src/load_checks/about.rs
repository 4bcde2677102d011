//! The requests that a part of a policy can be about, and the walk over its truth values.

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};
use rex_core::{ActionSpec, FactKind, ValueSet};

use super::LoadChecker;
use super::comparison::uids;
use crate::rule::{Uid, actions, resource_scope};
use crate::schema::ambient_values;

/// Attributes of a process that may be unknown.
pub(super) const UNSURE: [&str; 3] = ["exe", "user", "unit"];

/// The actions that a request can have at a part of a policy, by the head and the preceding conditions.
#[derive(Debug, Clone)]
pub(super) struct PossibleActions {
    pub(super) actions: Vec<&'static ActionSpec>,
}

/// A fact or an attribute that a policy compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComparedTerm<'e> {
    /// An attribute of the resource.
    Resource(&'e str),
    /// A fact of the context.
    Context(&'e str),
}

impl<'e> ComparedTerm<'e> {
    pub(super) fn of(expr: &'e Expr) -> Option<Self> {
        let Expr::GetAttr { expr, attr } = expr else { return None };
        match &**expr {
            Expr::Var(Var::Resource) => Some(Self::Resource(attr.as_str())),
            Expr::Var(Var::Context) => Some(Self::Context(attr.as_str())),
            Expr::Record(fields) => Self::of(fields.get(attr.as_str())?),
            _ => None,
        }
    }

    /// Returns the text in a policy.
    pub(super) fn text(self) -> String {
        match self {
            Self::Resource(name) => format!("resource.{name}"),
            Self::Context(name) => format!("context.{name}"),
        }
    }
}

/// Returns whether an id names an action, or a group that it is in.
fn names(uid: &Uid, spec: &ActionSpec) -> bool {
    uid.kind.strip_suffix("::Action") == Some(spec.namespace)
        && (&*uid.id == spec.name || spec.groups.contains(&&*uid.id))
}

/// Returns whether the resource of an action has a type, or can be in a class of that type.
fn is_on(spec: &ActionSpec, kind: &str) -> bool {
    let resource = spec.resource;
    let named =
        |name: &str| kind.strip_prefix(resource.namespace).and_then(|rest| rest.strip_prefix("::")) == Some(name);
    named(resource.name) || resource.class.is_some_and(named)
}

/// A condition on the action or on the type of the resource.
struct ScopeCondition {
    /// The actions, if it names some.
    actions: Option<Vec<Uid>>,
    /// The types, if it names some.
    kinds: Option<Vec<Box<str>>>,
    /// True if the part has no other condition.
    whole: bool,
}

impl ScopeCondition {
    fn takes(&self, spec: &ActionSpec) -> bool {
        self.actions.as_ref().is_none_or(|uids| uids.iter().any(|uid| names(uid, spec)))
            && self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| is_on(spec, kind)))
    }
}

/// Returns the condition of a part on the action or on the type of the resource.
fn meant(part: &Expr) -> Option<ScopeCondition> {
    let kinds = |uids: Vec<Uid>| uids.into_iter().map(|uid| uid.kind).collect();
    let (var, named) = match part {
        Expr::Is { expr, entity_type, in_expr } if **expr == Expr::Var(Var::Resource) => {
            let kinds = Some(vec![entity_type.0.to_string().into()]);
            return Some(ScopeCondition { actions: None, kinds, whole: in_expr.is_none() });
        }
        Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::In, left, right } => (left, uids(right)?),
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } if matches!(**left, Expr::Set(_)) => {
            (right, uids(left)?)
        }
        _ => return None,
    };
    match &**var {
        Expr::Var(Var::Action) => Some(ScopeCondition { actions: Some(named), kinds: None, whole: true }),
        Expr::Var(Var::Resource) => Some(ScopeCondition { actions: None, kinds: Some(kinds(named)), whole: false }),
        _ => None,
    }
}

impl PossibleActions {
    pub(super) fn new(lint: &LoadChecker<'_>, policy: &Policy) -> Self {
        let scope = resource_scope(policy.resource_constraint());
        let kinds = scope.kind.as_deref().into_iter().chain(scope.entity.as_ref().map(|uid| &*uid.kind));
        let named = actions(policy);
        let meant = |spec: &&&'static ActionSpec| {
            named.as_ref().is_none_or(|actions| actions.named.iter().any(|uid| names(uid, spec)))
                && kinds.clone().all(|kind| is_on(spec, kind))
        };
        Self { actions: lint.vocabulary.actions().iter().filter(meant).copied().collect() }
    }

    /// Returns the actions for which a conjunct holds; `None` if it is about other things.
    pub(super) fn narrowed(&self, conjunct: &Expr) -> Option<Self> {
        let meant = meant(conjunct)?;
        Some(Self { actions: self.actions.iter().filter(|spec| meant.takes(spec)).copied().collect() })
    }

    /// Returns the value of a condition on action or type if it is the same for each request.
    pub(super) fn settles(&self, part: &Expr) -> Option<bool> {
        let meant = meant(part).filter(|_| !self.actions.is_empty())?;
        match self.actions.iter().filter(|spec| meant.takes(spec)).count() {
            0 => Some(false),
            all if all == self.actions.len() && meant.whole => Some(true),
            _ => None,
        }
    }

    /// Returns whether something has an attribute, if the answer is the same for each request.
    pub(super) fn has(&self, expr: &Expr, name: &str) -> Option<bool> {
        let Expr::Var(var) = expr else { return None };
        let of_resource = |spec: &&ActionSpec| spec.resource.attributes.iter().any(|attribute| attribute.name == name);
        let of_context = |spec: &&ActionSpec| spec.context.iter().any(|fact| fact.name == name);
        let having = match var {
            Var::Principal | Var::Action => 0,
            // An unknown attribute of a process is missing.
            Var::Resource if UNSURE.contains(&name) => return None,
            Var::Resource => self.actions.iter().copied().filter(of_resource).count(),
            Var::Context if ambient_values(name).is_some() => self.actions.len(),
            Var::Context => self.actions.iter().copied().filter(of_context).count(),
        };
        match having {
            _ if self.actions.is_empty() => None,
            0 => Some(false),
            all => (all == self.actions.len()).then_some(true),
        }
    }

    /// Returns whether an expression is a fact or an attribute of a kind.
    pub(super) fn is_of(&self, term: &Expr, kind: FactKind) -> bool {
        let Some(term) = ComparedTerm::of(term) else { return false };
        self.actions.iter().any(|spec| {
            let (declared, name) = match term {
                ComparedTerm::Resource(name) => (spec.resource.attributes, name),
                ComparedTerm::Context(name) => (spec.context, name),
            };
            declared.iter().any(|attribute| attribute.name == name && attribute.kind == kind)
        })
    }

    /// Returns the values that a term can have, one entry for each declaration that may apply; empty if it is not declared.
    pub(super) fn values(&self, term: ComparedTerm<'_>) -> Vec<ValueSet> {
        let mut all: Vec<ValueSet> = Vec::new();
        for spec in &self.actions {
            let (declared, name) = match term {
                ComparedTerm::Resource(name) => (spec.resource.attributes, name),
                ComparedTerm::Context(name) => (spec.context, name),
            };
            let declared = declared.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.values);
            let ambient = || matches!(term, ComparedTerm::Context(_)).then(|| ambient_values(name)).flatten();
            if let Some(values) = declared.or_else(ambient)
                && !all.contains(&values)
            {
                all.push(values);
            }
        }
        all
    }
}

/// Returns the letter of a pattern; `None` for a wildcard.
pub(super) fn letter(element: &PatternElem) -> Option<char> {
    match element {
        PatternElem::Char(c) => Some(*c),
        PatternElem::Wildcard => None,
    }
}

/// Two parts joined by `&&` or `||`.
struct JoinedParts<'e> {
    /// True for `&&`, false for `||`.
    all: bool,
    parts: [(&'e Expr, bool); 2],
}

/// Splits an expression that is joined by `&&` or `||`, also if that is written with `if` and a constant.
fn joined(expr: &Expr) -> Option<JoinedParts<'_>> {
    let constant = |expr: &Expr| match expr {
        Expr::Literal(Literal::Bool(value)) => Some(*value),
        _ => None,
    };
    match expr {
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            Some(JoinedParts { all: *op == BinaryOp::And, parts: [(left, true), (right, true)] })
        }
        Expr::IfThenElse { cond, then_expr, else_expr } if constant(cond).is_none() => {
            match (constant(then_expr), constant(else_expr)) {
                (None, Some(otherwise)) => {
                    Some(JoinedParts { all: !otherwise, parts: [(cond, !otherwise), (then_expr, true)] })
                }
                (Some(then), None) => Some(JoinedParts { all: !then, parts: [(cond, then), (else_expr, true)] }),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Collects the parts joined by `&&` (if `all`) or by `||`, each with the value that it must have.
pub(super) fn parts<'e>(expr: &'e Expr, holds: bool, all: bool, out: &mut Vec<(&'e Expr, bool)>) {
    if let Expr::UnaryOp { op: UnaryOp::Not, expr } = expr {
        return parts(expr, !holds, all, out);
    }
    if let Some((expr, is)) = compared_with_truth(expr) {
        return parts(expr, holds == is, all, out);
    }
    match joined(expr) {
        Some(joined) if (joined.all == holds) == all => {
            joined.parts.iter().for_each(|(part, is)| parts(part, *is == holds, all, out));
        }
        _ => out.push((expr, holds)),
    }
}

/// Returns whether a part can be split further.
pub(super) fn is_joined(expr: &Expr) -> bool {
    joined(expr).is_some()
        || matches!(expr, Expr::UnaryOp { op: UnaryOp::Not, .. })
        || compared_with_truth(expr).is_some()
}

/// Returns what is compared with `true` or `false`, and the value that it must have: `(a == b) == true` is another way to write `a == b`.
fn compared_with_truth(expr: &Expr) -> Option<(&Expr, bool)> {
    let Expr::BinaryOp { op: op @ (BinaryOp::Eq | BinaryOp::NotEq), left, right } = expr else { return None };
    let (of, value) = match (&**left, &**right) {
        (Expr::Literal(Literal::Bool(_)), Expr::Literal(_)) => return None,
        (Expr::Literal(Literal::Bool(value)), of) | (of, Expr::Literal(Literal::Bool(value))) => (of, *value),
        _ => return None,
    };
    Some((of, value == (*op == BinaryOp::Eq)))
}

type PartVisitor<'v> = dyn FnMut(&PossibleActions, &Expr, Option<bool>) + 'v;

/// Calls `look` with each Boolean part of a condition, the value that it must have for the policy to apply, and its possible requests.
pub(super) fn visit(about: &PossibleActions, expr: &Expr, holds: bool, look: &mut PartVisitor<'_>) {
    for all in [true, false] {
        let mut found = Vec::new();
        parts(expr, holds, all, &mut found);
        if found.len() < 2 {
            continue;
        }
        let mut narrow = about.clone();
        // Alternatives do not narrow each other.
        for (part, holds) in found.iter().filter(|_| all) {
            if *holds && let Some(narrower) = narrow.narrowed(part) {
                narrow = narrower;
            }
        }
        found.into_iter().for_each(|(part, holds)| visit(&narrow, part, holds, look));
        return;
    }
    match expr {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => visit(about, expr, !holds, look),
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            unknown(about, cond, look);
            visit(about, then_expr, holds, look);
            visit(about, else_expr, holds, look);
        }
        _ => {
            look(about, expr, Some(holds));
            inside(expr, &mut |part| unknown(about, part, look));
        }
    }
}

/// Calls `look` with parts whose required value depends on others.
fn unknown(about: &PossibleActions, expr: &Expr, look: &mut PartVisitor<'_>) {
    look(about, expr, None);
    inside(expr, &mut |part| unknown(about, part, look));
}

/// Calls `look` with each direct part of an expression.
fn inside(expr: &Expr, look: &mut dyn FnMut(&Expr)) {
    match expr {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. }
        | Expr::Is { expr, in_expr: None, .. } => look(expr),
        Expr::BinaryOp { left, right, .. } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
            look(left);
            look(right);
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            [cond, then_expr, else_expr].into_iter().for_each(|part| look(part))
        }
        Expr::Set(members) => members.iter().for_each(|member| look(member)),
        Expr::Record(fields) => fields.values().for_each(|field| look(field)),
        _ => {}
    }
}
