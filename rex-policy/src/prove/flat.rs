//! Encoding of policies about one action as conditions on a flat record of facts: no entities, no hierarchy.
//!
//! The identity of a principal or resource is the text of its id, and so is its place. So a solver cannot choose a path in two places, or
//! the attributes of another path.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};
use rex_core::ActionSpec;

use super::kinds::{ID, IdForm, and, binary, is, not, or, truth, variable};
use super::variables::{ConditionVariables, PRINCIPAL, Untranslatable, cedar_type, in_reach_of_clocks};
use crate::index::action_meets;
use crate::policy::Policy;
use crate::rule::{self, Rule, Scope, Uid};
use crate::vocabulary::{GROUP, PRINCIPALS};

/// One action by one type of principal, as a policy sees it.
#[derive(Debug, Clone)]
pub(super) struct FlatAction<'p> {
    pub(super) spec: &'static ActionSpec,
    pub(super) principal: &'static str,
    /// The start of the names of its facts, so that two acts do not share them.
    pub(super) prefix: &'static str,
    pub(super) kind: IdForm,
    resource: String,
    pub(super) policy: &'p Policy,
    /// The word that the `@allow` of a permit must have for it to count.
    word: Option<&'p str>,
}

/// The policies of a set: whether each permits, and when it applies.
pub(super) type FlatPolicies = Vec<(bool, Expr)>;

/// An entity in a comparison.
enum ComparedEntity {
    Principal,
    Action,
    Resource,
    Named(Uid),
}

fn thing(expr: &Expr) -> Option<ComparedEntity> {
    match expr {
        Expr::Var(Var::Principal) => Some(ComparedEntity::Principal),
        Expr::Var(Var::Action) => Some(ComparedEntity::Action),
        Expr::Var(Var::Resource) => Some(ComparedEntity::Resource),
        Expr::Literal(Literal::EntityUID(uid)) => Some(ComparedEntity::Named(rule::literal(uid))),
        _ => None,
    }
}

fn things(expr: &Expr) -> Option<Vec<ComparedEntity>> {
    match expr {
        Expr::Set(members) => members.iter().map(|member| thing(member)).collect(),
        other => thing(other).map(|one| vec![one]),
    }
}

impl<'p> FlatAction<'p> {
    pub(super) fn new(
        policy: &'p Policy,
        spec: &'static ActionSpec,
        principal: &'static str,
        prefix: &'static str,
    ) -> Self {
        let (kind, resource) = (IdForm::of(spec.resource), spec.resource.to_string());
        Self { spec, principal, prefix, kind, resource, policy, word: None }
    }

    /// Returns the act with only the permits whose `@allow` has this word.
    pub(super) fn letting(self, word: Option<&'p str>) -> Self {
        Self { word, ..self }
    }

    /// Returns the act as another policy sees it.
    pub(super) fn seen_by<'q>(&self, policy: &'q Policy) -> FlatAction<'q> {
        FlatAction::new(policy, self.spec, self.principal, self.prefix)
    }

    /// Returns the name of the variable for a fact about the action.
    pub(super) fn fact(&self, name: &str) -> String {
        format!("{}fact_{name}", self.prefix)
    }

    /// Returns the name of the variable for an attribute of the resource.
    pub(super) fn attribute(name: &str) -> String {
        format!("attribute_{name}")
    }

    /// Encodes the policies that may apply. `wider` leaves out a `forbid` that cannot be encoded, so that more is allowed.
    pub(super) fn side(&self, variables: &mut ConditionVariables, wider: bool) -> Result<FlatPolicies, Untranslatable> {
        let mut side = Vec::new();
        for (number, rule) in self.policy.rules().iter().enumerate() {
            if rule.permit && self.word.is_some_and(|word| !rule.lets(word)) {
                continue;
            }
            match self.rule(variables, number, rule) {
                Ok(Expr::Literal(Literal::Bool(false))) => {}
                Ok(applies) => side.push((rule.permit, applies)),
                Err(_) if wider && !rule.permit => {}
                Err(untold) => return Err(untold),
            }
        }
        Ok(side)
    }

    /// Encodes when a policy applies.
    pub(super) fn rule(
        &self,
        variables: &mut ConditionVariables,
        number: usize,
        rule: &Rule,
    ) -> Result<Expr, Untranslatable> {
        if !action_meets(rule.actions.as_ref(), self.spec) {
            return Ok(truth(false));
        }
        let untold = |why: Untranslatable| {
            format!("policy `{}` cannot be encoded for the solver: {why}", rule.id.escape_debug())
        };
        let head = self.principal_is(variables, rule).map_err(untold)?;
        let head = and(head, self.resource_is(variables, rule).map_err(untold)?);
        if head == truth(false) || rule.condition.is_none() {
            return Ok(head);
        }
        let condition = self.policy.cedar(number).and_then(rule::syntax);
        let condition = condition.ok_or_else(|| untold("its condition has an unknown shape".to_owned()))?;
        Ok(and(head, self.expr(variables, &condition).map_err(untold)?))
    }

    /// Encodes that the principal matches a head.
    pub(super) fn principal_is(&self, variables: &mut ConditionVariables, rule: &Rule) -> Result<Expr, Untranslatable> {
        self.scope(variables, &rule.principal, &ComparedEntity::Principal)
    }

    /// Encodes that the resource matches a head.
    pub(super) fn resource_is(&self, variables: &mut ConditionVariables, rule: &Rule) -> Result<Expr, Untranslatable> {
        self.scope(variables, &rule.resource, &ComparedEntity::Resource)
    }

    fn scope(
        &self,
        variables: &mut ConditionVariables,
        scope: &Scope,
        of: &ComparedEntity,
    ) -> Result<Expr, Untranslatable> {
        let kind = if matches!(of, ComparedEntity::Principal) { self.principal } else { &self.resource };
        let typed = truth(scope.kind.as_ref().is_none_or(|wanted| **wanted == *kind));
        let Some(uid) = &scope.entity else { return Ok(typed) };
        let named = ComparedEntity::Named(uid.clone());
        let entity = if scope.exact { self.same(variables, of, &named) } else { self.within(variables, of, &named) };
        Ok(and(typed, entity?))
    }

    /// Encodes an expression of a condition.
    pub(super) fn expr(&self, variables: &mut ConditionVariables, expr: &Expr) -> Result<Expr, Untranslatable> {
        match expr {
            Expr::Literal(Literal::EntityUID(_)) | Expr::Var(_) | Expr::Slot(_) | Expr::Unknown { .. } => Err(no(expr)),
            Expr::Literal(_) => Ok(expr.clone()),
            Expr::UnaryOp { op: UnaryOp::Not, expr } => Ok(not(self.expr(variables, expr)?)),
            Expr::UnaryOp { op, expr } => Ok(Expr::UnaryOp { op: *op, expr: Arc::new(self.expr(variables, expr)?) }),
            Expr::BinaryOp { op, left, right } => self.binary(variables, expr, (*op, left, right)),
            Expr::GetAttr { expr: of, attr } => self.attribute_of(variables, of, attr),
            Expr::HasAttr { expr: of, attrs } => self.has(of, attrs.iter().map(|name| &**name)).ok_or_else(|| no(expr)),
            Expr::Like { expr: of, pattern } => self.like(variables, of, pattern),
            Expr::Is { expr: of, entity_type, in_expr } => {
                let kind = match thing(of).ok_or_else(|| no(expr))? {
                    ComparedEntity::Principal => self.principal.to_owned(),
                    ComparedEntity::Action => format!("{}::Action", self.spec.namespace),
                    ComparedEntity::Resource => self.resource.clone(),
                    ComparedEntity::Named(uid) => uid.kind.into(),
                };
                match (kind == entity_type.to_string(), in_expr) {
                    (true, Some(above)) => self.binary(variables, expr, (BinaryOp::In, of, above)),
                    (same, _) => Ok(truth(same)),
                }
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => match self.expr(variables, cond)? {
                Expr::Literal(Literal::Bool(true)) => self.expr(variables, then_expr),
                Expr::Literal(Literal::Bool(false)) => self.expr(variables, else_expr),
                cond => Ok(Expr::IfThenElse {
                    cond: Arc::new(cond),
                    then_expr: Arc::new(self.expr(variables, then_expr)?),
                    else_expr: Arc::new(self.expr(variables, else_expr)?),
                }),
            },
            Expr::Set(members) => {
                let members = members.iter().map(|member| self.expr(variables, member).map(Arc::new));
                Ok(Expr::Set(members.collect::<Result<_, _>>()?))
            }
            _ => Err(no(expr)),
        }
    }

    fn binary(
        &self,
        variables: &mut ConditionVariables,
        whole: &Expr,
        (op, left, right): (BinaryOp, &Expr, &Expr),
    ) -> Result<Expr, Untranslatable> {
        match op {
            // An operand that is never evaluated may be about another type.
            BinaryOp::And => match self.expr(variables, left)? {
                no @ Expr::Literal(Literal::Bool(false)) => Ok(no),
                left => Ok(and(left, self.expr(variables, right)?)),
            },
            BinaryOp::Or => match self.expr(variables, left)? {
                yes @ Expr::Literal(Literal::Bool(true)) => Ok(yes),
                left => Ok(or(left, self.expr(variables, right)?)),
            },
            BinaryOp::Eq | BinaryOp::NotEq => {
                let same = match (thing(left), thing(right)) {
                    (Some(left), Some(right)) => self.same(variables, &left, &right)?,
                    _ => match self.part_is(left, right).or_else(|| self.part_is(right, left)) {
                        Some(told) => {
                            variables.use_of(ID.to_owned(), "String");
                            told
                        }
                        None => {
                            self.follow_from_text(variables, left, right);
                            self.follow_from_text(variables, right, left);
                            binary(BinaryOp::Eq, self.expr(variables, left)?, self.expr(variables, right)?)
                        }
                    },
                };
                Ok(if op == BinaryOp::Eq { same } else { not(same) })
            }
            BinaryOp::In => {
                let below = thing(left).ok_or_else(|| no(whole))?;
                let mut any = truth(false);
                for above in things(right).ok_or_else(|| no(whole))? {
                    any = or(any, self.within(variables, &below, &above)?);
                }
                Ok(any)
            }
            BinaryOp::Contains if thing(right).is_some() => {
                let (members, one) = (things(left).ok_or_else(|| no(whole))?, thing(right).ok_or_else(|| no(whole))?);
                let mut any = truth(false);
                for member in members {
                    any = or(any, self.same(variables, &member, &one)?);
                }
                Ok(any)
            }
            // Encode each text as a part of the id if possible.
            BinaryOp::Contains if self.part_of_id(right).is_some() => match left {
                Expr::Set(members) => members.iter().try_fold(truth(false), |any, member| {
                    Ok(or(any, self.binary(variables, whole, (BinaryOp::Eq, right, member))?))
                }),
                _ => Ok(binary(op, self.expr(variables, left)?, self.expr(variables, right)?)),
            },
            BinaryOp::GetTag | BinaryOp::HasTag => Err(no(whole)),
            _ => Ok(binary(op, self.expr(variables, left)?, self.expr(variables, right)?)),
        }
    }

    /// Encodes that two entities are equal.
    fn same(
        &self,
        variables: &mut ConditionVariables,
        one: &ComparedEntity,
        other: &ComparedEntity,
    ) -> Result<Expr, Untranslatable> {
        let mut text = |name: &str, uid: &Uid| {
            variables.use_of(name.to_owned(), "String");
            is(name, &uid.id)
        };
        Ok(match (one, other) {
            (ComparedEntity::Principal, ComparedEntity::Named(uid))
            | (ComparedEntity::Named(uid), ComparedEntity::Principal) => {
                if *uid.kind == *self.principal {
                    text(PRINCIPAL, uid)
                } else {
                    truth(false)
                }
            }
            (ComparedEntity::Resource, ComparedEntity::Named(uid))
            | (ComparedEntity::Named(uid), ComparedEntity::Resource) => {
                if *uid.kind == *self.resource {
                    text(ID, uid)
                } else {
                    truth(false)
                }
            }
            (ComparedEntity::Action, ComparedEntity::Named(uid))
            | (ComparedEntity::Named(uid), ComparedEntity::Action) => {
                truth(uid.kind.strip_suffix("::Action") == Some(self.spec.namespace) && *uid.id == *self.spec.name)
            }
            (ComparedEntity::Named(one), ComparedEntity::Named(other)) => truth(one == other),
            (ComparedEntity::Principal, ComparedEntity::Principal)
            | (ComparedEntity::Action, ComparedEntity::Action)
            | (ComparedEntity::Resource, ComparedEntity::Resource) => truth(true),
            // They are of different types.
            _ => truth(false),
        })
    }

    /// Encodes that an entity is another or lies in it.
    fn within(
        &self,
        variables: &mut ConditionVariables,
        below: &ComparedEntity,
        above: &ComparedEntity,
    ) -> Result<Expr, Untranslatable> {
        match (below, above) {
            (ComparedEntity::Action, ComparedEntity::Named(uid)) => {
                let actions = rule::HeadActions { named: vec![uid.clone()], exact: false };
                Ok(truth(action_meets(Some(&actions), self.spec)))
            }
            (ComparedEntity::Principal, ComparedEntity::Named(group)) if *group.kind == *GROUP => {
                Ok(self.member(variables, group, (true, self.principal), &|id| Some(is(PRINCIPAL, id))))
            }
            (ComparedEntity::Resource, ComparedEntity::Named(uid)) if *uid.kind == *self.resource => {
                variables.use_of(ID.to_owned(), "String");
                let Some(told) = self.kind.within(self.spec.resource, &uid.id) else {
                    return Ok(or(is(ID, &uid.id), variables.free(uid, false)));
                };
                let shared = self.kind.shared(&uid.id).into_iter().map(|(name, value)| {
                    let name = Self::attribute(name);
                    let same = binary(BinaryOp::Eq, variable(&name), Expr::Literal(value));
                    (name, or(not(told.clone()), same))
                });
                variables.if_used.extend(shared);
                Ok(told)
            }
            (ComparedEntity::Resource, ComparedEntity::Named(class)) if self.is_class(class) => {
                let told = |id: &str| self.kind.within(self.spec.resource, id);
                Ok(self.member(variables, class, (false, &self.resource), &told))
            }
            (ComparedEntity::Named(one), ComparedEntity::Named(other)) if one != other => self.declared(one, other),
            _ => self.same(variables, below, above),
        }
    }

    fn is_class(&self, uid: &Uid) -> bool {
        let class = self.spec.resource.class;
        uid.kind.split_once("::") == class.map(|class| (self.spec.resource.namespace, class))
    }

    /// Encodes a declared membership, or a free variable if nothing is declared.
    fn member(
        &self,
        variables: &mut ConditionVariables,
        group: &Uid,
        (of_principal, kind): (bool, &str),
        is_one: &dyn Fn(&str) -> Option<Expr>,
    ) -> Expr {
        let members = self.policy.members();
        if members.declared.is_empty() {
            return variables.free(group, of_principal);
        }
        let name = if of_principal { PRINCIPAL } else { ID };
        let ids = members.below(kind).remove(group).unwrap_or_default();
        let told = ids.into_iter().try_fold(truth(false), |any, id| Some(or(any, is_one(id)?)));
        variables.use_of(name.to_owned(), "String");
        told.unwrap_or_else(|| variables.free(group, of_principal))
    }

    /// Returns whether one entity is declared to be in another.
    fn declared(&self, one: &Uid, other: &Uid) -> Result<Expr, Untranslatable> {
        let members = self.policy.members();
        let unrelated = PRINCIPALS.contains(&&*one.kind) || *one.kind == *GROUP;
        if members.declared.is_empty() || !unrelated {
            return Err(format!("`{one} in {other}` does not say it of the request"));
        }
        let above = members.above(&one.kind).and_then(|above| above.get(&one.id));
        Ok(truth(above.is_some_and(|above| above.contains(other))))
    }

    fn attribute_of(&self, variables: &mut ConditionVariables, of: &Expr, name: &str) -> Result<Expr, Untranslatable> {
        let unknown = || format!("`{name}` is not a known attribute here");
        match of {
            Expr::Var(Var::Context) => {
                let kind = match name {
                    "now" => "datetime",
                    "script" => "String",
                    "tags" => "Set<String>",
                    _ => cedar_type(self.spec.context.iter().find(|fact| fact.name == name).ok_or_else(unknown)?.kind),
                };
                let variable = variables.use_of(self.fact(name), kind);
                if name == "now" {
                    variables.learn(in_reach_of_clocks(&variable));
                }
                Ok(variable)
            }
            Expr::Var(Var::Resource) if self.spec.resource.id_attribute == Some(name) => {
                Ok(variables.use_of(ID.to_owned(), "String"))
            }
            Expr::Var(Var::Resource) => {
                let declared = self.spec.resource.attributes.iter().find(|attribute| attribute.name == name);
                let kind = cedar_type(declared.ok_or_else(unknown)?.kind);
                let own = Self::attribute(name);
                variables.known.extend(self.kind.part(name, &own));
                Ok(variables.use_of(own, kind))
            }
            _ => Err(format!("`{name}` is an attribute of something outside the request")),
        }
    }

    /// Returns whether an attribute exists; all declared ones do.
    fn has<'n>(&self, of: &Expr, mut names: impl Iterator<Item = &'n str>) -> Option<Expr> {
        let (name, None) = (names.next()?, names.next()) else { return None };
        let there = match of {
            Expr::Var(Var::Context) => {
                ["now", "script", "tags"].contains(&name) || self.spec.context.iter().any(|fact| fact.name == name)
            }
            Expr::Var(Var::Resource) => self.spec.resource.attributes.iter().any(|attribute| attribute.name == name),
            Expr::Var(Var::Principal) => false,
            _ => return None,
        };
        Some(truth(there))
    }

    /// Returns the name of an attribute that may be a part of the id, which says more than a variable.
    fn part_of_id(&self, expr: &Expr) -> Option<Box<str>> {
        rule::of_resource(expr).filter(|name| self.spec.resource.id_attribute != Some(name))
    }

    fn part_is(&self, of: &Expr, text: &Expr) -> Option<Expr> {
        let Expr::Literal(Literal::String(text)) = text else { return None };
        self.kind.part_is(&self.part_of_id(of)?, text)
    }

    fn follow_from_text(&self, variables: &mut ConditionVariables, of: &Expr, text: &Expr) {
        if let (Some(name), Expr::Literal(Literal::String(text))) = (self.part_of_id(of), text) {
            let pattern: Vec<_> = text.chars().map(PatternElem::Char).collect();
            self.follow(variables, &name, is(&Self::attribute(&name), text), &pattern);
        }
    }

    fn follow(&self, variables: &mut ConditionVariables, name: &str, said: Expr, pattern: &[PatternElem]) {
        if let Some(follows) = self.kind.follows(name, pattern) {
            variables.use_of(ID.to_owned(), "String");
            variables.learn(or(not(said), follows));
        }
    }

    fn like(
        &self,
        variables: &mut ConditionVariables,
        of: &Expr,
        pattern: &[PatternElem],
    ) -> Result<Expr, Untranslatable> {
        let attribute = self.part_of_id(of);
        if let Some(told) = attribute.as_ref().and_then(|name| self.kind.part_like(name, pattern)) {
            variables.use_of(ID.to_owned(), "String");
            return Ok(told);
        }
        let like = Expr::Like { expr: Arc::new(self.expr(variables, of)?), pattern: pattern.to_vec() };
        if let Some(name) = attribute {
            self.follow(variables, &name, like.clone(), pattern);
        }
        Ok(like)
    }
}

fn no(expr: &Expr) -> Untranslatable {
    format!("`{expr}` is a comparison that Rex does not encode")
}
