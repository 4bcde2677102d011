//! A policy, taken apart for the index.

mod needs;
mod who;

use std::fmt;
use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};
use cedar_policy::{ActionConstraint, Effect, EntityUid, Expression, Policy, PrincipalConstraint, ResourceConstraint};

pub(crate) use needs::ConditionNeeds;
use needs::needs;
use who::principals;

/// The name of an entity: `fs::Path::"/etc"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uid {
    pub(crate) kind: Box<str>,
    pub(crate) id: Box<str>,
}

impl Uid {
    pub(crate) fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
    pub(crate) fn is(&self, kind: &str, id: &str) -> bool {
        &*self.id == id && &*self.kind == kind
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.kind, rex_core::uid::quoted(&self.id))
    }
}

impl From<&EntityUid> for Uid {
    fn from(uid: &EntityUid) -> Self {
        Self::new(&uid.type_name().to_string(), uid.id().unescaped())
    }
}

/// The part of a policy's head about its principal, or about its resource.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// The type in `is T`.
    pub(crate) kind: Option<Box<str>>,
    /// The entity in `== E` or `in E`.
    pub(crate) entity: Option<Uid>,
    /// `true` for the entity itself (`==`), not what is in it.
    pub(crate) exact: bool,
}

/// The part of a policy's head about its action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HeadActions {
    /// The actions and groups of actions that it names.
    pub(crate) named: Vec<Uid>,
    /// `true` for the action itself (`==`), not what is in it: a group equals none of its actions.
    pub(crate) exact: bool,
}

/// A policy, taken apart.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    /// The id as a list, for decisions that this policy makes alone.
    pub(crate) alone: Arc<[Arc<str>]>,
    pub(crate) permit: bool,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) allows: Option<Arc<str>>,
    pub(crate) principal: Scope,
    /// The actions that it is about; `None` if it is about all.
    pub(crate) actions: Option<HeadActions>,
    pub(crate) resource: Scope,
    pub(crate) condition: Option<Condition>,
}

/// The condition of a policy.
#[derive(Debug)]
pub(crate) struct Condition {
    /// The `when` parts and the negated `unless` parts.
    pub(crate) expression: Expression,
    /// A bound on the resource that holds wherever the condition holds or is an error.
    pub(crate) anchor: Anchor,
    /// All bounds on the resource that hold wherever the condition holds.
    pub(crate) bounds: Vec<Anchor>,
    /// Lists of scopes: wherever the condition holds, the principal matches one of each list.
    pub(crate) principals: Vec<Vec<Scope>>,
    pub(crate) needs: ConditionNeeds,
}

/// A statement of a policy about its resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// Nothing is known.
    #[default]
    Anywhere,
    /// The resource is this one.
    Exactly(Uid),
    /// The resource is in this one.
    Within(Uid),
    /// An attribute of the resource starts with this text.
    Prefix(Box<str>, Box<str>),
    /// An attribute of the resource is this text.
    Value(Box<str>, Box<str>),
    /// The resource is one of these.
    Among(Vec<Uid>),
    /// All anchors of at least one of these lists hold.
    Either(Vec<Vec<Anchor>>),
}

impl Rule {
    /// Takes a policy apart. Its condition is `syntax`, if Cedar can show it.
    pub(crate) fn new(id: Arc<str>, policy: &Policy, syntax: Option<&Expr>) -> Self {
        Self {
            alone: Arc::new([id.clone()]),
            id,
            permit: policy.effect() == Effect::Permit,
            reason: annotation(policy, "reason").map(Arc::from),
            allows: annotation(policy, "allow").map(Arc::from),
            principal: principal_scope(policy.principal_constraint()),
            actions: actions(policy),
            resource: resource_scope(policy.resource_constraint()),
            condition: Condition::new(policy, syntax),
        }
    }

    /// Returns whether its `@allow` has a word.
    #[cfg(feature = "prove")]
    pub(crate) fn lets(&self, word: &str) -> bool {
        lets(self.allows.as_deref(), word)
    }

    /// Returns what the policy looks at beyond its head.
    pub(crate) fn needs(&self) -> ConditionNeeds {
        self.condition.as_ref().map_or_else(ConditionNeeds::default, |condition| condition.needs)
    }
}

/// Returns whether a word is one of those of `@allow`.
pub(crate) fn lets(allows: Option<&str>, word: &str) -> bool {
    allows.is_some_and(|allows| allows.split_ascii_whitespace().any(|known| known == word))
}

/// Returns the actions that the head of a policy is about; `None` if it is about all.
pub(crate) fn actions(policy: &Policy) -> Option<HeadActions> {
    match policy.action_constraint() {
        ActionConstraint::Any => None,
        ActionConstraint::Eq(uid) => Some(HeadActions { named: vec![Uid::from(&uid)], exact: true }),
        ActionConstraint::In(uids) => Some(HeadActions { named: uids.iter().map(Uid::from).collect(), exact: false }),
    }
}

/// Returns the value of a policy's annotation. Cedar's own function parses the key as a name each time, which takes as long as
/// parsing the policy.
pub(crate) fn annotation<'p>(policy: &'p Policy, key: &str) -> Option<&'p str> {
    policy.annotations().find_map(|(name, value)| (name == key).then_some(value))
}

pub(crate) fn principal_scope(constraint: PrincipalConstraint) -> Scope {
    match constraint {
        PrincipalConstraint::Any => Scope::default(),
        PrincipalConstraint::Is(kind) => Scope { kind: Some(kind.to_string().into()), ..Scope::default() },
        PrincipalConstraint::Eq(uid) => Scope { entity: Some(Uid::from(&uid)), exact: true, kind: None },
        PrincipalConstraint::In(uid) => Scope { entity: Some(Uid::from(&uid)), ..Scope::default() },
        PrincipalConstraint::IsIn(kind, uid) => {
            Scope { kind: Some(kind.to_string().into()), entity: Some(Uid::from(&uid)), exact: false }
        }
    }
}

pub(crate) fn resource_scope(constraint: ResourceConstraint) -> Scope {
    principal_scope(match constraint {
        ResourceConstraint::Any => PrincipalConstraint::Any,
        ResourceConstraint::Is(kind) => PrincipalConstraint::Is(kind),
        ResourceConstraint::Eq(uid) => PrincipalConstraint::Eq(uid),
        ResourceConstraint::In(uid) => PrincipalConstraint::In(uid),
        ResourceConstraint::IsIn(kind, uid) => PrincipalConstraint::IsIn(kind, uid),
    })
}

impl Condition {
    fn new(policy: &Policy, syntax: Option<&Expr>) -> Option<Self> {
        // `as_ref` returns types that cedar-policy leaves out of its documentation. It gives the very tree that Cedar
        // evaluates, where the documented `to_pst` and `Expression::from_str` would parse each policy again.
        let tree = policy.as_ref().non_scope_constraints()?.clone();
        let (anchor, bounds, principals, needs) = match syntax {
            Some(syntax) => {
                let (anchor, bounds) = anchors(syntax);
                (anchor, bounds, principals(syntax), needs(syntax))
            }
            None => (Anchor::Anywhere, Vec::new(), Default::default(), ConditionNeeds::ALL),
        };
        Some(Self { expression: Expression::from(tree), anchor, bounds, principals, needs })
    }
}

/// Returns the condition of a policy as a tree; `None` if it has none, or one of a form that this version of Cedar does not show.
pub(crate) fn syntax(policy: &Policy) -> Option<Expr> {
    Expr::try_from(policy.as_ref().non_scope_constraints()?.clone()).ok()
}

/// Calls `visit` with an expression and each part of it.
pub(crate) fn walk(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    match expr {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. }
        | Expr::Is { expr, in_expr: None, .. } => walk(expr, visit),
        Expr::BinaryOp { left, right, .. } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
            walk(left, visit);
            walk(right, visit);
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            [cond, then_expr, else_expr].into_iter().for_each(|part| walk(part, visit));
        }
        Expr::Set(members) => members.iter().for_each(|member| walk(member, visit)),
        Expr::Record(fields) => fields.values().for_each(|field| walk(field, visit)),
        _ => {}
    }
}

/// Returns the most selective of the conjuncts without which the condition is false rather than an error, and the bounds of all
/// conjuncts.
fn anchors(condition: &Expr) -> (Anchor, Vec<Anchor>) {
    let mut conjuncts = Vec::new();
    flatten(condition, &mut conjuncts);
    let (mut best, mut bounds) = (Anchor::Anywhere, Vec::new());
    let mut evaluated = true;
    for conjunct in conjuncts {
        let found = anchor_of(conjunct);
        if evaluated && found.worth() > best.worth() {
            best = found.clone();
        }
        // INVARIANT: Cedar evaluates from left to right. Where this conjunct is an error, the ones after it are not reached, so
        // none of them may keep the policy from being evaluated: the error must be seen.
        evaluated = evaluated && !can_fail(conjunct);
        if found != Anchor::Anywhere {
            bounds.push(found);
        }
    }
    (best, bounds)
}

fn flatten<'a>(expr: &'a Expr, conjuncts: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            flatten(left, conjuncts);
            flatten(right, conjuncts);
        }
        _ => conjuncts.push(expr),
    }
}

impl Anchor {
    /// Returns what the head of a policy says.
    pub(crate) fn of_head(scope: &Scope) -> Self {
        match scope {
            Scope { entity: Some(uid), exact: true, .. } => Self::Exactly(uid.clone()),
            Scope { entity: Some(uid), .. } => Self::Within(uid.clone()),
            Scope { entity: None, .. } => Self::Anywhere,
        }
    }

    /// Returns how selective the anchor is likely to be.
    pub(crate) fn worth(&self) -> usize {
        match self {
            // The index does not search by `Either`, which has many places.
            Self::Anywhere | Self::Either(_) => 0,
            Self::Within(_) => 1,
            Self::Prefix(_, text) | Self::Value(_, text) => 1 + text.len(),
            Self::Among(_) => usize::MAX - 1,
            Self::Exactly(_) => usize::MAX,
        }
    }
}

/// Returns all bounds on the resource that hold wherever an expression holds.
fn bounds(expr: &Expr) -> Vec<Anchor> {
    let mut conjuncts = Vec::new();
    flatten(expr, &mut conjuncts);
    conjuncts.into_iter().map(anchor_of).filter(|anchor| *anchor != Anchor::Anywhere).collect()
}

/// Combines alternatives, of which one holds. If one says nothing, nothing is known.
fn either<const N: usize>(all: [Vec<Anchor>; N]) -> Anchor {
    if all.iter().any(Vec::is_empty) { Anchor::Anywhere } else { Anchor::Either(all.into()) }
}

fn anchor_of(conjunct: &Expr) -> Anchor {
    match conjunct {
        Expr::BinaryOp { op: BinaryOp::Eq, left, right } => match (&**left, &**right) {
            (Expr::Var(Var::Resource), Expr::Literal(Literal::EntityUID(uid)))
            | (Expr::Literal(Literal::EntityUID(uid)), Expr::Var(Var::Resource)) => Anchor::Exactly(literal(uid)),
            (attribute, Expr::Literal(Literal::String(text))) | (Expr::Literal(Literal::String(text)), attribute) => {
                of_resource(attribute).map_or(Anchor::Anywhere, |name| Anchor::Value(name, text.as_str().into()))
            }
            _ => Anchor::Anywhere,
        },
        Expr::BinaryOp { op: BinaryOp::In, left, right } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
            match (&**left, &**right) {
                (Expr::Var(Var::Resource), Expr::Literal(Literal::EntityUID(uid))) => Anchor::Within(literal(uid)),
                (Expr::Var(Var::Resource), Expr::Set(members)) => {
                    let uids = members.iter().map(|member| match &**member {
                        Expr::Literal(Literal::EntityUID(uid)) => Some(vec![Anchor::Within(literal(uid))]),
                        _ => None,
                    });
                    uids.collect::<Option<_>>().map_or(Anchor::Anywhere, Anchor::Either)
                }
                _ => Anchor::Anywhere,
            }
        }
        // If it holds, one operand holds. If an operand is an error, so is the whole, or the other operand holds.
        Expr::BinaryOp { op: BinaryOp::Or, left, right } => either([bounds(left), bounds(right)]),
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            either([[bounds(cond), bounds(then_expr)].concat(), bounds(else_expr)])
        }
        // A double negation, as Cedar reads `unless { !a }`.
        Expr::UnaryOp { op: UnaryOp::Not, expr } => match &**expr {
            Expr::UnaryOp { op: UnaryOp::Not, expr } => either([bounds(expr)]),
            _ => Anchor::Anywhere,
        },
        Expr::Literal(Literal::Bool(false)) => Anchor::Either(Vec::new()),
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match (&**left, &**right) {
            (Expr::Set(members), attribute) if of_resource(attribute).is_some() => {
                let name = of_resource(attribute).unwrap_or_default();
                let texts = members.iter().map(|member| match &**member {
                    Expr::Literal(Literal::String(text)) => {
                        Some(vec![Anchor::Value(name.clone(), text.as_str().into())])
                    }
                    _ => None,
                });
                texts.collect::<Option<_>>().map_or(Anchor::Anywhere, Anchor::Either)
            }
            (Expr::Set(members), Expr::Var(Var::Resource)) => {
                let uids = members.iter().map(|member| match &**member {
                    Expr::Literal(Literal::EntityUID(uid)) => Some(literal(uid)),
                    _ => None,
                });
                uids.collect::<Option<_>>().map_or(Anchor::Anywhere, Anchor::Among)
            }
            _ => Anchor::Anywhere,
        },
        Expr::Like { expr, pattern } => of_resource(expr).map_or(Anchor::Anywhere, |name| {
            let literal = pattern.iter().map_while(|element| match element {
                PatternElem::Char(c) => Some(*c),
                PatternElem::Wildcard => None,
            });
            let literal = literal.collect::<String>().into();
            if pattern.contains(&PatternElem::Wildcard) {
                Anchor::Prefix(name, literal)
            } else {
                Anchor::Value(name, literal)
            }
        }),
        _ => Anchor::Anywhere,
    }
}

/// Returns the attribute, if the expression is one of the resource.
pub(crate) fn of_resource(expr: &Expr) -> Option<Box<str>> {
    match expr {
        Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Resource) => Some(attr.as_str().into()),
        _ => None,
    }
}

pub(crate) fn literal(uid: &pst::EntityUID) -> Uid {
    let parts = uid.ty.0.namespace.iter().chain([&uid.ty.0.id]);
    Uid::new(&parts.map(AsRef::as_ref).collect::<Vec<&str>>().join("::"), uid.eid.as_str())
}

/// Returns whether the evaluation of an expression that validates strictly can be an error; `true` when in doubt.
pub(crate) fn can_fail(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Var(_) => false,
        // The schema requires all attributes that it declares, but only the request's own entities have any.
        Expr::GetAttr { expr, .. } => !matches!(**expr, Expr::Var(Var::Resource | Var::Context)),
        Expr::Like { expr, .. } => can_fail(expr),
        Expr::Is { expr, in_expr, .. } => can_fail(expr) || in_expr.as_ref().is_some_and(|expr| can_fail(expr)),
        // The validator has parsed this text.
        Expr::UnaryOp { op: UnaryOp::Datetime | UnaryOp::Duration, expr } => {
            !matches!(**expr, Expr::Literal(Literal::String(_)))
        }
        Expr::UnaryOp { op: UnaryOp::Not | UnaryOp::IsEmpty, expr } => can_fail(expr),
        Expr::BinaryOp { op, left, right } => {
            let total = matches!(
                op,
                BinaryOp::Eq
                    | BinaryOp::NotEq
                    | BinaryOp::Less
                    | BinaryOp::LessEq
                    | BinaryOp::Greater
                    | BinaryOp::GreaterEq
                    | BinaryOp::And
                    | BinaryOp::Or
                    | BinaryOp::In
                    | BinaryOp::Contains
                    | BinaryOp::ContainsAll
                    | BinaryOp::ContainsAny
            );
            !total || can_fail(left) || can_fail(right)
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => can_fail(cond) || can_fail(then_expr) || can_fail(else_expr),
        Expr::Set(members) => members.iter().any(|member| can_fail(member)),
        _ => true,
    }
}
