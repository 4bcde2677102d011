//! Facts with which requests are tried: those of the outcome, or else those that the policy compares.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};
use rex_core::resource::AnyResource;
use rex_core::{ActionSpec, Timestamp, Value};

use super::corpus::{RiskPattern, RiskValue};
use crate::compared::{ComparedValues, near};
use crate::operation::any_value;
use crate::policy::Policy;
use crate::rule::{self, walk};

/// Maximum number of combinations for one policy and one resource.
const COMBINATIONS: usize = 256;
/// The time of a request if no policy compares it, in microseconds: any time will do.
const SOME_TIME: i64 = 1_800_000_000_000_000;

/// The values with which a policy compares facts and attributes.
#[derive(Debug, Clone, Default)]
pub(super) struct VariantWords {
    compared: ComparedValues,
    tags: BTreeSet<String>,
}

/// The values for one request.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestVariant {
    pub(super) context: BTreeMap<String, Value>,
    pub(super) attributes: BTreeMap<String, Value>,
    pub(super) script: String,
    pub(super) tags: Vec<String>,
    pub(super) now: Timestamp,
}

impl VariantWords {
    /// Collects the values in the condition of a policy.
    pub(super) fn of(policy: &Policy, number: usize) -> Self {
        let mut words = Self::default();
        if let Some(condition) = policy.cedar(number).and_then(rule::syntax) {
            walk(&condition, &mut |expr| words.take(expr));
        }
        words
    }

    /// Adds the values of other policies at the end.
    pub(super) fn with(&self, others: &[&Self]) -> Self {
        let mut all = self.clone();
        for other in others {
            all.compared.append(&other.compared);
            all.tags.extend(other.tags.iter().cloned());
        }
        all
    }

    fn take(&mut self, expr: &Expr) {
        match expr {
            Expr::Like { expr, pattern } => self.compared.add_like(expr, pattern, "x"),
            Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match &**left {
                Expr::Set(members) => {
                    let values: Vec<_> = members.iter().flat_map(|member| near(member)).collect();
                    self.compared.add(right, values);
                }
                _ => self.tags(left, right),
            },
            Expr::BinaryOp { op: BinaryOp::ContainsAll | BinaryOp::ContainsAny, left, right } => {
                if let Expr::Set(members) = &**right {
                    members.iter().for_each(|member| self.tags(left, member));
                }
            }
            Expr::BinaryOp { left, right, .. } => self.compared.add_sides(left, right),
            Expr::GetAttr { .. } => self.compared.add(expr, [Value::Bool(true), Value::Bool(false)]),
            _ => {}
        }
    }

    fn tags(&mut self, of: &Expr, tag: &Expr) {
        let tags = matches!(of, Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Context) && attr == "tags");
        if let (true, Expr::Literal(Literal::String(tag))) = (tags, tag) {
            self.tags.insert(tag.to_string());
        }
    }

    /// Returns the combinations to try: of values for the act, else of those that this policy compares.
    pub(super) fn variants(&self, act: &RiskPattern, spec: &ActionSpec) -> Vec<RequestVariant> {
        let given = |name: &str| act.facts.iter().find(|(known, _)| *known == name).map(|(_, values)| values);
        let mut choices: Vec<(VariantPlace, Vec<Value>)> = Vec::new();
        for fact in spec.context {
            let base = any_value(fact.kind);
            let values = match given(fact.name) {
                Some(values) => values.iter().map(|value| value.value()).collect(),
                None => self.asked(&self.compared.facts, fact.name, &base).into_iter().chain([base.clone()]).collect(),
            };
            choices.push((VariantPlace::Context(fact.name), values));
        }
        for attribute in spec.resource.attributes.iter().filter(|it| spec.resource.id_attribute != Some(it.name)) {
            let values: Vec<Value> = match given(attribute.name) {
                Some(values) => values.iter().map(|value| value.value()).collect(),
                None => self.asked(&self.compared.attributes, attribute.name, &any_value(attribute.kind)),
            };
            if !values.is_empty() {
                choices.push((VariantPlace::Attribute(attribute.name), values));
            }
        }
        choices.push((VariantPlace::Script, self.asked(&self.compared.facts, "script", &Value::Text(String::new()))));
        choices.push((VariantPlace::Now, self.asked(&self.compared.facts, "now", &Value::Int(0))));
        let tags: Vec<String> = self.tags.iter().cloned().collect();
        let mut variants = Vec::new();
        for number in 0..COMBINATIONS {
            let Some(variant) = combination(&choices, number, &tags) else { break };
            // All together, none, and each alone, as one policy may require a tag and another its absence.
            let alone = tags.iter().filter(|_| tags.len() > 1).map(|tag| vec![tag.clone()]);
            let none = (!tags.is_empty()).then(Vec::new);
            let others = none.into_iter().chain(alone).map(|tags| RequestVariant { tags, ..variant.clone() });
            let others: Vec<_> = others.collect();
            variants.push(variant);
            variants.extend(others);
        }
        variants
    }

    /// Returns the facts worth reporting: those that the outcome or this policy compares.
    pub(super) fn told(
        &self,
        act: &RiskPattern,
        variant: &RequestVariant,
        resource: &dyn AnyResource,
    ) -> BTreeMap<String, String> {
        let asked = |of: &BTreeMap<String, Vec<Value>>, name: &str| {
            of.contains_key(name) || act.facts.iter().any(|(known, _)| *known == name)
        };
        let mut told = BTreeMap::new();
        for (name, value) in variant.context.iter().filter(|(name, _)| asked(&self.compared.facts, name)) {
            told.insert(format!("context.{name}"), value.to_string());
        }
        // The id already says these.
        if !resource.id_is_complete() {
            for (name, value) in variant.attributes.iter().filter(|(name, _)| asked(&self.compared.attributes, name)) {
                told.insert(format!("resource.{name}"), value.to_string());
            }
        }
        if !variant.tags.is_empty() {
            told.insert("tags".to_owned(), variant.tags.join(", "));
        }
        if !variant.script.is_empty() {
            told.insert("script".to_owned(), variant.script.clone());
        }
        if self.compared.facts.contains_key("now") {
            told.insert("now".to_owned(), variant.now.to_string());
        }
        told
    }

    fn asked(&self, of: &BTreeMap<String, Vec<Value>>, name: &str, like: &Value) -> Vec<Value> {
        let same = |value: &&Value| std::mem::discriminant(*value) == std::mem::discriminant(like);
        of.get(name).into_iter().flatten().filter(same).cloned().collect()
    }
}

/// The value that is chosen.
#[derive(Clone, Copy)]
enum VariantPlace {
    Context(&'static str),
    Attribute(&'static str),
    Script,
    Now,
}

/// Returns the combination with a number; `None` if there are fewer.
fn combination(choices: &[(VariantPlace, Vec<Value>)], number: usize, tags: &[String]) -> Option<RequestVariant> {
    let mut left = number;
    let mut variant =
        RequestVariant { tags: tags.to_vec(), now: Timestamp::from_micros(SOME_TIME), ..RequestVariant::default() };
    for (place, values) in choices.iter().filter(|(_, values)| !values.is_empty()) {
        let value = values.get(left % values.len())?.clone();
        left /= values.len();
        match (place, value) {
            (VariantPlace::Context(name), value) => drop(variant.context.insert((*name).to_owned(), value)),
            (VariantPlace::Attribute(name), value) => drop(variant.attributes.insert((*name).to_owned(), value)),
            (VariantPlace::Script, Value::Text(text)) => variant.script = text,
            (VariantPlace::Now, Value::Int(micros)) => variant.now = Timestamp::from_micros(micros),
            (VariantPlace::Script | VariantPlace::Now, _) => {}
        }
    }
    (left == 0).then_some(variant)
}

impl RiskValue {
    fn value(self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Number(number) => Value::Int(number),
        }
    }
}
