//! Evaluation by Cedar: of the conditions of candidates, or of everything.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, EvalResult, RestrictedExpression, eval_expression,
};
use rex_core::resource::AnyResource;
use rex_core::{ActionSpec, Decision, Effect, Fact, Request, ResourceSpec, Timestamp};
use smallvec::SmallVec;

use crate::index::Ancestry;
use crate::members::Members;
use crate::rule::{ConditionNeeds, Rule, Uid};

/// The reason why a request could not be decided.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum EvalError {
    /// The type of the principal, which no principal has.
    #[error("`{}` is not a type of principal; the types are `Agent` and `User`", .0.escape_debug())]
    PrincipalType(String),
    /// An action that is not in the table.
    #[error("the policy knows no action `{0}`")]
    UnknownAction(&'static ActionSpec),
    /// An action, and a resource of a type that it does not act on.
    #[error("`{0}` is not an action on a `{1}`")]
    WrongResource(&'static ActionSpec, &'static ResourceSpec),
    /// A name that Cedar does not take as a type.
    #[error("`{}` is not a type", .0.escape_debug())]
    InvalidType(String),
    /// A part of the index that is missing.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// A policy that cannot be evaluated for an example.
    #[cfg(feature = "prove")]
    #[error("policy `{}` is an error there", .0.escape_debug())]
    FailingPolicy(Arc<str>),
    /// An error of Cedar.
    #[error("{0}")]
    Cedar(String),
}

impl EvalError {
    fn cedar(error: impl fmt::Display) -> Self {
        Self::Cedar(error.to_string())
    }
}

/// The memberships beyond those that a request states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownMembers<'a> {
    /// The memberships that the entities file declares.
    pub(crate) members: &'a Members,
    /// The memberships that names imply.
    pub(crate) strangers: &'a NamedAncestors,
}

/// The ancestors of entities that conditions name: the groups of actions, the directories of a path.
#[derive(Debug, Default)]
pub(crate) struct NamedAncestors {
    /// Pairs of an entity and one that it is in.
    pairs: Vec<(EntityUid, EntityUid)>,
}

impl NamedAncestors {
    /// Collects the ancestors of the entities that policies name. These policies look at more than a request's own entities.
    pub(crate) fn new(
        actions: &[&'static ActionSpec],
        policies: impl Iterator<Item = cedar_policy::Policy>,
    ) -> Result<Self, EvalError> {
        let named: HashSet<EntityUid> = policies.flat_map(|policy| policy.entity_literals()).collect();
        let mut pairs = Vec::new();
        for uid in named {
            let (kind, id) = (uid.type_name().to_string(), uid.id().unescaped().to_owned());
            for spec in actions.iter().filter(|spec| kind == format!("{}::Action", spec.namespace) && id == spec.name) {
                for group in spec.groups {
                    pairs.push((uid.clone(), entity_uid(&kind, group)?));
                }
            }
            let Some(spec) = actions.iter().find(|spec| kind == spec.resource.to_string()) else { continue };
            // A resource that cannot be made from its id has no known ancestors.
            let Ok(resource) = (spec.from_record)(&id, &BTreeMap::new()) else { continue };
            let mut below = uid;
            resource.ancestors(&mut |ancestor| {
                let above = EntityUid::from_type_name_and_id(below.type_name().clone(), EntityId::new(ancestor));
                pairs.push((std::mem::replace(&mut below, above.clone()), above));
            });
        }
        Ok(Self { pairs })
    }
}

/// The principal and the action of a request, as Cedar represents them.
#[derive(Debug)]
pub(crate) struct CedarParts {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    resource_type: EntityTypeName,
    /// The principal with its groups, the action with its groups.
    entities: Entities,
    /// The last time that was converted, with its context: Cedar takes longer to parse one than for everything else.
    now: Mutex<Option<(i64, Context)>>,
}

impl CedarParts {
    pub(crate) fn new(kind: &str, id: &str, groups: &[Uid], spec: &ActionSpec) -> Result<Self, EvalError> {
        let principal = entity_uid(kind, id)?;
        let action_type = format!("{}::Action", spec.namespace);
        let action = entity_uid(&action_type, spec.name)?;
        let groups = groups.iter().map(|group| entity_uid(&group.kind, &group.id)).collect::<Result<_, _>>()?;
        let action_groups =
            spec.groups.iter().map(|group| entity_uid(&action_type, group)).collect::<Result<_, _>>()?;
        let entities =
            [Entity::new_no_attrs(principal.clone(), groups), Entity::new_no_attrs(action.clone(), action_groups)];
        let entities = Entities::from_entities(entities, None).map_err(EvalError::cedar)?;
        Ok(Self {
            principal,
            action,
            resource_type: type_name(&spec.resource.to_string())?,
            entities,
            now: Mutex::default(),
        })
    }

    fn resource(&self, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.resource_type.clone(), EntityId::new(id))
    }

    pub(crate) fn request(
        &self,
        request: &Request<'_>,
        needs: ConditionNeeds,
    ) -> Result<cedar_policy::Request, EvalError> {
        let context = self.context(request, needs)?;
        let resource = self.resource(request.resource.id());
        cedar_policy::Request::new(self.principal.clone(), self.action.clone(), resource, context, None)
            .map_err(EvalError::cedar)
    }

    fn context(&self, request: &Request<'_>, needs: ConditionNeeds) -> Result<Context, EvalError> {
        let mut pairs = Vec::new();
        if needs.facts {
            request.action.facts(&mut |name, fact| pairs.push((name.to_owned(), expression(fact))));
        }
        if needs.subject {
            let script = RestrictedExpression::new_string(request.subject.script.clone());
            let tags = request.subject.tags.iter().cloned().map(RestrictedExpression::new_string);
            pairs.push(("script".to_owned(), script));
            pairs.push(("tags".to_owned(), RestrictedExpression::new_set(tags)));
        }
        match (needs.now, pairs.is_empty()) {
            (false, true) => Ok(Context::empty()),
            (true, true) => self.time(request.now),
            (now, false) => {
                if now {
                    pairs.push(("now".to_owned(), RestrictedExpression::new_datetime(datetime(request.now))));
                }
                Context::from_pairs(pairs).map_err(EvalError::cedar)
            }
        }
    }

    /// Returns a context with the time only.
    fn time(&self, now: Timestamp) -> Result<Context, EvalError> {
        let mut last = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((millis, context)) = &*last
            && *millis == now.as_millis()
        {
            return Ok(context.clone());
        }
        let pair = ("now".to_owned(), RestrictedExpression::new_datetime(datetime(now)));
        let context = Context::from_pairs([pair]).map_err(EvalError::cedar)?;
        *last = Some((now.as_millis(), context.clone()));
        Ok(context)
    }

    /// Returns the request and the entities that conditions look at, as Cedar represents them.
    pub(crate) fn asked(
        &self,
        request: &Request<'_>,
        lineage: &Ancestry<'_>,
        needs: ConditionNeeds,
        known: KnownMembers<'_>,
    ) -> Result<(cedar_policy::Request, Entities), EvalError> {
        let entities =
            if needs.strangers { self.all_entities(request, known)? } else { self.entities(request, lineage, needs)? };
        Ok((self.request(request, needs)?, entities))
    }

    fn entities(
        &self,
        request: &Request<'_>,
        lineage: &Ancestry<'_>,
        needs: ConditionNeeds,
    ) -> Result<Entities, EvalError> {
        let attributes = if needs.attributes { attributes(request.resource) } else { HashMap::new() };
        let uid = self.resource(lineage.id);
        if !needs.parents {
            if attributes.is_empty() {
                return Ok(Entities::empty());
            }
            let entity = Entity::new(uid, attributes, HashSet::new()).map_err(EvalError::cedar)?;
            // Adding to an empty store is twice as fast as making one.
            return Entities::empty().add_entities([entity], None).map_err(EvalError::cedar);
        }
        let mut parents: HashSet<_> = lineage.ancestors.iter().map(|id| self.resource(id)).collect();
        for class in &lineage.classes {
            parents.insert(entity_uid(&class.kind, &class.id)?);
        }
        let entity = Entity::new(uid, attributes, parents).map_err(EvalError::cedar)?;
        self.entities.clone().add_entities([entity], None).map_err(EvalError::cedar)
    }

    /// Returns every entity that a condition can look at, each with what it is directly in.
    pub(crate) fn all_entities(&self, request: &Request<'_>, known: KnownMembers<'_>) -> Result<Entities, EvalError> {
        let mut store = BTreeMap::<EntityUid, (HashMap<_, _>, HashSet<EntityUid>)>::new();
        for (below, above) in &known.strangers.pairs {
            store.entry(below.clone()).or_default().1.insert(above.clone());
        }
        for ((kind, id), parents) in &known.members.declared {
            let (_, above) = store.entry(entity_uid(kind, id)?).or_default();
            for parent in parents {
                above.insert(entity_uid(&parent.kind, &parent.id)?);
            }
        }
        let mut below = self.resource(request.resource.id());
        store.entry(below.clone()).or_default().0 = attributes(request.resource);
        request.resource.ancestors(&mut |ancestor| {
            let ancestor = self.resource(ancestor);
            store.entry(below.clone()).or_default().1.insert(ancestor.clone());
            below = ancestor;
        });
        let principal = store.remove(&self.principal);
        let store_lacks_action = !store.contains_key(&self.action);
        let mut entities = vec![Entity::new_no_attrs(self.principal.clone(), principal.unwrap_or_default().1)];
        for (uid, (attributes, parents)) in store {
            entities.push(Entity::new(uid, attributes, parents).map_err(EvalError::cedar)?);
        }
        let action = self.entities.get(&self.action).filter(|_| store_lacks_action).cloned();
        Entities::from_entities(entities.into_iter().chain(action), None).map_err(EvalError::cedar)
    }

    pub(crate) fn full_request(&self, request: &Request<'_>) -> Result<cedar_policy::Request, EvalError> {
        self.request(request, ConditionNeeds::ALL)
    }
}

fn type_name(name: &str) -> Result<EntityTypeName, EvalError> {
    name.parse().map_err(|_| EvalError::InvalidType(name.to_owned()))
}

fn entity_uid(kind: &str, id: &str) -> Result<EntityUid, EvalError> {
    Ok(EntityUid::from_type_name_and_id(type_name(kind)?, EntityId::new(id)))
}

fn expression(fact: Fact<'_>) -> RestrictedExpression {
    match fact {
        Fact::Long(value) => RestrictedExpression::new_long(value),
        Fact::Bool(value) => RestrictedExpression::new_bool(value),
        Fact::String(value) => RestrictedExpression::new_string(value.to_owned()),
        Fact::Ip(value) => RestrictedExpression::new_ip(value.to_string()),
    }
}

fn attributes(resource: &dyn AnyResource) -> HashMap<String, RestrictedExpression> {
    let mut attributes = HashMap::new();
    resource.attributes(&mut |name, fact| drop(attributes.insert(name.to_owned(), expression(fact))));
    attributes
}

/// Formats a time for Cedar's `datetime`, to the millisecond.
fn datetime(time: Timestamp) -> String {
    let seconds = Timestamp::from_micros(time.as_secs().saturating_mul(1_000_000)).to_string();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), time.as_millis().rem_euclid(1_000))
}

/// Explains why a policy could not be evaluated: names the attribute that is unknown, or else repeats Cedar's error.
pub(crate) fn failure(resource: &dyn AnyResource, error: String) -> String {
    let mut unknown: Vec<_> = resource.spec().attributes.iter().map(|attribute| attribute.name).collect();
    resource.attributes(&mut |known, _| unknown.retain(|name| *name != known));
    let asked = unknown.into_iter().find(|name| error.contains(&format!("`{name}`")));
    asked.map_or(error, |name| {
        format!("`{name}` of `{}::\"{}\"` is unknown", resource.spec(), resource.id().escape_debug())
    })
}

/// The result of evaluating policies.
#[derive(Debug, Default)]
pub(crate) struct EvalOutcome<'p> {
    pub(crate) permits: SmallVec<[&'p Rule; 4]>,
    pub(crate) forbids: SmallVec<[&'p Rule; 4]>,
    /// The policies whose evaluation is an error, each with the error.
    pub(crate) errors: Vec<(&'p Rule, String)>,
}

impl<'p> EvalOutcome<'p> {
    /// Evaluates policies whose heads match.
    pub(crate) fn of(
        candidates: impl Iterator<Item = &'p Rule> + Clone,
        needs: ConditionNeeds,
        parties: &CedarParts,
        request: &Request<'_>,
        lineage: &Ancestry<'_>,
        known: KnownMembers<'_>,
    ) -> Result<Self, EvalError> {
        let mut outcome = Self::default();
        let mut asked = None;
        for rule in candidates {
            let holds = match &rule.condition {
                None => Ok(true),
                Some(condition) => {
                    let resource = request.resource;
                    let (request, entities) = match &mut asked {
                        Some(asked) => asked,
                        none => none.insert(parties.asked(request, lineage, needs, known)?),
                    };
                    match eval_expression(request, entities, &condition.expression) {
                        Ok(EvalResult::Bool(holds)) => Ok(holds),
                        Ok(_) => Err("the condition is not a Boolean".to_owned()),
                        Err(error) => Err(failure(resource, error.to_string())),
                    }
                }
            };
            outcome.add(rule, holds);
        }
        Ok(outcome)
    }

    pub(crate) fn add(&mut self, rule: &'p Rule, holds: Result<bool, String>) {
        match holds {
            Ok(false) => {}
            Ok(true) if rule.permit => self.permits.push(rule),
            Ok(true) => self.forbids.push(rule),
            Err(error) => self.errors.push((rule, error)),
        }
    }

    /// Returns the decision: a `forbid` beats an error, an error beats a `permit`.
    pub(crate) fn decision(&self) -> Decision {
        match (&*self.forbids, self.errors.first(), &*self.permits) {
            ([_, ..], _, _) => {
                let reason = self.forbids.iter().find_map(|rule| rule.reason.clone());
                Decision { effect: Effect::Deny, policies: ids(&self.forbids), reason, allows: None }
            }
            ([], Some((rule, error)), _) => {
                Decision::deny(Some(&format!("policy `{}` cannot be evaluated: {error}", rule.id.escape_debug())))
            }
            ([], None, [_, ..]) => Decision {
                effect: Effect::Allow,
                policies: ids(&self.permits),
                reason: None,
                allows: allows(&self.permits),
            },
            ([], None, []) => Decision::deny(None),
        }
    }
}

/// Joins the words of the permits' `@allow`.
fn allows(permits: &[&Rule]) -> Option<Arc<str>> {
    let mut words = permits.iter().filter_map(|rule| rule.allows.clone());
    let first = words.next()?;
    Some(words.fold(first, |all, more| format!("{all} {more}").into()))
}

fn ids(rules: &[&Rule]) -> Arc<[Arc<str>]> {
    if let [rule] = rules {
        return rule.alone.clone();
    }
    rules.iter().map(|rule| rule.id.clone()).collect()
}
