//! One policy, taken apart for the index.

use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Clause, EntityOrSlot, Expr, Literal, PatternElem, UnaryOp, Var};
use cedar_policy::{Expression, Policy};

/// The name of an entity: `fs::Path::"/etc"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

impl From<&pst::EntityUID> for Uid {
    fn from(uid: &pst::EntityUID) -> Self {
        Self { kind: type_name(&uid.ty), id: uid.eid.as_str().into() }
    }
}

fn type_name(name: &pst::EntityType) -> Box<str> {
    let parts = name.0.namespace.iter().chain([&name.0.id]);
    parts.map(AsRef::as_ref).collect::<Vec<&str>>().join("::").into()
}

/// What a policy's head says about its principal, or about its resource.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// `is T`.
    pub(crate) kind: Option<Box<str>>,
    /// `== E` or `in E`.
    pub(crate) entity: Option<Uid>,
    /// Whether the entity itself is meant, not what is in it.
    pub(crate) exact: bool,
}

/// One policy.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) permit: bool,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) principal: Scope,
    /// The actions and groups of actions that it is about; `None` if it is about all.
    pub(crate) actions: Option<Vec<Uid>>,
    pub(crate) resource: Scope,
    pub(crate) condition: Option<Condition>,
}

/// What a policy demands beyond its head.
#[derive(Debug)]
pub(crate) struct Condition {
    /// `when` and not `unless`.
    pub(crate) expression: Expression,
    /// What holds of the resource wherever the condition holds.
    pub(crate) anchor: Anchor,
    pub(crate) needs: Needs,
}

/// What holds of the resource wherever a condition holds, and without which it is false rather than an error.
#[derive(Debug, Clone, Default)]
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
}

/// What the evaluation of a condition looks at. What none looks at is not built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Attributes of the resource.
    pub(crate) attributes: bool,
    /// What the principal, action or resource is in.
    pub(crate) parents: bool,
    /// What other entities are in.
    pub(crate) strangers: bool,
    /// Facts about the act.
    pub(crate) facts: bool,
    /// The time.
    pub(crate) now: bool,
    /// The script or the tags.
    pub(crate) subject: bool,
}

impl Needs {
    pub(crate) const ALL: Self =
        Self { attributes: true, parents: true, strangers: true, facts: true, now: true, subject: true };

    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            attributes: self.attributes || other.attributes,
            parents: self.parents || other.parents,
            strangers: self.strangers || other.strangers,
            facts: self.facts || other.facts,
            now: self.now || other.now,
            subject: self.subject || other.subject,
        }
    }
}

impl Rule {
    /// Takes a policy apart. Its syntax tree and its condition are the ones that Cedar parsed; nothing is printed and
    /// read again.
    pub(crate) fn new(id: Arc<str>, policy: &Policy) -> Result<Self, pst::PstConstructionError> {
        // `as_ref` leads to types that cedar-policy leaves out of its documentation. It saves parsing each policy a second
        // time, which is what the documented `to_pst` does.
        let tree = policy.as_ref();
        let condition = tree.non_scope_constraints().cloned().map(Expression::from);
        let pst::Policy::Static(syntax) = pst::Policy::try_from(tree.clone())? else {
            // INVARIANT: templates were refused before, so there is nothing that could be linked.
            return Err(pst::Name::unqualified("").err().unwrap_or_else(|| pst::SlotId::Principal.unexpected()));
        };
        let syntax = syntax.body();
        let condition = condition.map(|expression| {
            let (anchor, needs) = analyse(syntax.clauses());
            Condition { expression, anchor, needs }
        });
        Ok(Self {
            id,
            permit: syntax.effect == pst::Effect::Permit,
            reason: policy.annotation("reason").map(Arc::from),
            principal: principal_scope(&syntax.principal),
            actions: actions(&syntax.action),
            resource: resource_scope(&syntax.resource),
            condition,
        })
    }
}
