//! An index that finds the policies that can apply to a request without looking at the others.

use foldhash::HashMap;
use rex_core::resource::AnyResource;
use rex_core::{ActionSpec, Fact};
use smallvec::SmallVec;

use crate::evaluate::EvalError;
use crate::members::MemberAncestors;
use crate::prefixes::PrefixTree;
use crate::rule::{Anchor, HeadActions, Rule, Scope, Uid};
use crate::rule_set::{RuleId, RuleSet};

/// The policies that can apply to a request, in order.
pub(crate) type Candidates<'r> = SmallVec<[(RuleId, &'r Rule); 8]>;

/// A resource with everything that it is in.
#[derive(Debug)]
pub(crate) struct Ancestry<'r> {
    pub(crate) kind: &'r str,
    pub(crate) id: &'r str,
    pub(crate) ancestors: SmallVec<[&'r str; 12]>,
    pub(crate) classes: Vec<&'r Uid>,
}

impl<'r> Ancestry<'r> {
    /// Collects what a resource is in: its ancestors, and the classes of it and of its ancestors.
    pub(crate) fn new(kind: &'r str, resource: &'r dyn AnyResource, above: Option<&'r MemberAncestors>) -> Self {
        let mut lineage = Self { kind, id: resource.id(), ancestors: SmallVec::new(), classes: Vec::new() };
        resource.ancestors(&mut |ancestor| lineage.ancestors.push(ancestor));
        if let Some(above) = above {
            for id in std::iter::once(lineage.id).chain(lineage.ancestors.iter().copied()) {
                for class in above.get(id).into_iter().flatten() {
                    if !lineage.classes.contains(&class) {
                        lineage.classes.push(class);
                    }
                }
            }
        }
        lineage
    }

    fn is_in(&self, uid: &Uid) -> bool {
        if *uid.kind == *self.kind {
            *uid.id == *self.id || self.ancestors.contains(&&*uid.id)
        } else {
            self.classes.contains(&uid)
        }
    }

    /// Returns whether the head of a policy matches the resource.
    pub(crate) fn meets(&self, scope: &Scope) -> bool {
        scope.kind.as_ref().is_none_or(|kind| **kind == *self.kind)
            && scope.entity.as_ref().is_none_or(
                |uid| {
                    if scope.exact { uid.is(self.kind, self.id) } else { self.is_in(uid) }
                },
            )
    }
}

/// Returns whether the head of a policy matches a principal.
pub(crate) fn principal_meets(scope: &Scope, kind: &str, id: &str, groups: &[Uid]) -> bool {
    scope.kind.as_ref().is_none_or(|wanted| **wanted == *kind)
        && scope.entity.as_ref().is_none_or(|uid| uid.is(kind, id) || (!scope.exact && groups.contains(uid)))
}

/// Returns whether the head of a policy matches an action. Groups of actions are not nested.
pub(crate) fn action_meets(actions: Option<&HeadActions>, spec: &ActionSpec) -> bool {
    actions.is_none_or(|actions| {
        actions.named.iter().any(|uid| {
            uid.kind.strip_suffix("::Action") == Some(spec.namespace)
                && (*uid.id == *spec.name || (!actions.exact && spec.groups.contains(&&*uid.id)))
        })
    })
}

/// The policies about one action, by what they say of the resource. A resource finds each of them at most once.
#[derive(Debug, Default)]
pub(crate) struct Index {
    anywhere: Vec<RuleId>,
    exactly: HashMap<Box<str>, Vec<RuleId>>,
    within: HashMap<Box<str>, Vec<RuleId>>,
    /// The lengths of the ids in `within`, one bit each, so that most ancestors need no lookup.
    lengths: u128,
    within_class: HashMap<Uid, Vec<RuleId>>,
    prefixes: Vec<(Box<str>, PrefixTree)>,
}

impl Index {
    /// Indexes those of `candidates` that are about an action.
    ///
    /// # Errors
    /// If a candidate is not a rule of the set.
    pub(crate) fn new(
        rules: &RuleSet,
        candidates: &[RuleId],
        spec: &ActionSpec,
        kind: &str,
    ) -> Result<Self, EvalError> {
        let mut index = Self::default();
        for &number in candidates {
            let rule = rules.rule(number)?;
            let is_of_type = rule.resource.kind.as_ref().is_none_or(|wanted| **wanted == *kind);
            if !(is_of_type && action_meets(rule.actions.as_ref(), spec)) {
                continue;
            }
            match anchor(rule) {
                Anchor::Anywhere | Anchor::Either(_) => index.anywhere.push(number),
                Anchor::Among(uids) => {
                    for uid in uids.into_iter().filter(|uid| *uid.kind == *kind) {
                        let known = index.exactly.entry(uid.id).or_default();
                        if known.last() != Some(&number) {
                            known.push(number);
                        }
                    }
                }
                // An entity of another type equals no resource of the action.
                Anchor::Exactly(uid) if *uid.kind == *kind => index.exactly.entry(uid.id).or_default().push(number),
                Anchor::Exactly(_) => {}
                Anchor::Within(uid) if *uid.kind == *kind => {
                    index.lengths |= length(&uid.id);
                    index.within.entry(uid.id).or_default().push(number);
                }
                Anchor::Within(uid) => index.within_class.entry(uid).or_default().push(number),
                Anchor::Prefix(name, text) | Anchor::Value(name, text) => {
                    match index.prefixes.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, prefixes)) => prefixes.insert(&text, number),
                        None => {
                            let mut prefixes = PrefixTree::default();
                            prefixes.insert(&text, number);
                            index.prefixes.push((name, prefixes));
                        }
                    }
                }
            }
        }
        Ok(index)
    }

    /// Returns the policies whose heads match, in order. Those with a condition may not apply; no other policy can apply or be
    /// an error.
    ///
    /// # Errors
    /// If the index is of another set of rules.
    pub(crate) fn candidates<'r>(
        &self,
        rules: &'r RuleSet,
        lineage: &Ancestry<'_>,
        resource: &dyn AnyResource,
    ) -> Result<Candidates<'r>, EvalError> {
        let mut found = SmallVec::<[RuleId; 8]>::from_slice(&self.anywhere);
        found.extend(self.exactly.get(lineage.id).into_iter().flatten().copied());
        if !self.within.is_empty() {
            let known = |id: &&&str| self.lengths & length(id) != 0;
            for id in std::iter::once(&lineage.id).chain(&lineage.ancestors).filter(known) {
                found.extend(self.within.get(*id).into_iter().flatten().copied());
            }
        }
        for class in &lineage.classes {
            found.extend(self.within_class.get(*class).into_iter().flatten().copied());
        }
        for (name, prefixes) in &self.prefixes {
            let mut missing = true;
            resource.attributes(&mut |attribute, fact| {
                if let (true, Fact::String(value)) = (attribute == &**name, fact) {
                    missing = false;
                    prefixes.find(value, &mut found);
                }
            });
            if missing {
                // Reading an attribute that is missing is an error, which must be seen.
                found.extend(prefixes.all());
            }
        }
        found.sort_unstable();
        let mut candidates = Candidates::new();
        for number in found {
            let rule = rules.rule(number)?;
            if lineage.meets(&rule.resource) {
                candidates.push((number, rule));
            }
        }
        Ok(candidates)
    }

    /// Returns every policy about the action.
    pub(crate) fn all(&self) -> impl Iterator<Item = RuleId> {
        let maps = self.exactly.values().chain(self.within.values()).chain(self.within_class.values());
        let prefixes = self.prefixes.iter().flat_map(|(_, prefixes)| prefixes.all());
        self.anywhere.iter().chain(maps.flatten()).copied().chain(prefixes)
    }
}

/// Returns the bit of a length; lengths from 127 share one.
fn length(text: &str) -> u128 {
    1 << text.len().min(127)
}

/// Returns the more selective of what the head and the condition say of the resource.
fn anchor(rule: &Rule) -> Anchor {
    let head = Anchor::of_head(&rule.resource);
    match rule.condition.as_ref().map(|condition| condition.anchor.clone()) {
        Some(condition) if condition.worth() > head.worth() => condition,
        _ => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::syntax;

    /// Checks that a policy is found by the rarer of what its head and its condition say, and by the head if neither is rarer.
    #[test]
    fn a_policy_is_found_by_the_most_telling_that_it_says() {
        let within = |id| Anchor::Within(Uid::new("fs::Path", id));
        let exactly = |id| Anchor::Exactly(Uid::new("fs::Path", id));
        let prefix = |text: &str| Anchor::Prefix("path".into(), text.into());
        for (head, condition, expected) in [
            ("resource", "true", Anchor::Anywhere),
            ("resource", "resource in fs::Path::\"/b\"", within("/b")),
            ("resource in fs::Path::\"/a\"", "true", within("/a")),
            ("resource in fs::Path::\"/a\"", "resource in fs::Path::\"/b\"", within("/a")),
            ("resource in fs::Path::\"/a\"", "resource.path like \"/b*\"", prefix("/b")),
            ("resource in fs::Path::\"/a\"", "resource == fs::Path::\"/b\"", exactly("/b")),
            ("resource == fs::Path::\"/a\"", "resource.path like \"/b*\"", exactly("/a")),
            ("resource == fs::Path::\"/a\"", "resource == fs::Path::\"/b\"", exactly("/a")),
        ] {
            let text = format!("permit (principal, action, {head}) when {{ {condition} }};");
            let policy = cedar_policy::Policy::parse(None, text).unwrap();
            let rule = Rule::new("p".into(), &policy, syntax(&policy).as_ref());
            assert_eq!(anchor(&rule), expected, "{head} {condition}");
        }
    }
}
