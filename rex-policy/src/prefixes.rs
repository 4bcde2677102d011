//! An index of policies by a text that a value must start with.

use std::collections::BTreeMap;

use crate::rule_set::RuleId;

/// A radix tree, or a part of one. Finding the texts that a value starts with takes as long as the value agrees with any of them, however many
/// there are.
#[derive(Debug, Default)]
pub(crate) struct PrefixTree {
    /// The text between the tree above and this one; empty for the whole tree.
    label: Box<[u8]>,
    /// The policies whose text ends here.
    rules: Vec<RuleId>,
    /// The trees below, by the first byte of their labels.
    below: BTreeMap<u8, PrefixTree>,
}

impl PrefixTree {
    /// Adds a policy under its text.
    pub(crate) fn insert(&mut self, text: &str, rule: RuleId) {
        self.add(text.as_bytes(), rule);
    }

    fn add(&mut self, text: &[u8], rule: RuleId) {
        let Some(first) = text.first() else { return self.rules.push(rule) };
        let Some(below) = self.below.get_mut(first) else {
            let leaf = Self { label: text.into(), rules: vec![rule], below: BTreeMap::new() };
            self.below.insert(*first, leaf);
            return;
        };
        let common = below.label.iter().zip(text).take_while(|(a, b)| a == b).count();
        let (shared, rest) = text.split_at(common);
        below.split(shared);
        below.add(rest, rule);
    }

    /// Cuts its label after a part that it starts with; its content moves below the cut.
    fn split(&mut self, head: &[u8]) {
        let Some((first, tail)) = self.label.strip_prefix(head).and_then(|tail| Some((*tail.first()?, tail.into())))
        else {
            return;
        };
        let mut lower = std::mem::take(self);
        lower.label = tail;
        self.label = head.into();
        self.below.insert(first, lower);
    }

    /// Adds the policies whose text `value` starts with to `found`.
    pub(crate) fn find(&self, value: &str, found: &mut impl Extend<RuleId>) {
        let (mut tree, mut rest) = (self, value.as_bytes());
        loop {
            found.extend(tree.rules.iter().copied());
            let below = rest.first().and_then(|first| tree.below.get(first));
            // A tree whose label the value does not continue with has no text that the value starts with.
            match below.and_then(|below| Some((below, rest.strip_prefix(&*below.label)?))) {
                Some((below, after)) => (tree, rest) = (below, after),
                None => return,
            }
        }
    }

    /// Returns every policy.
    pub(crate) fn all(&self) -> Vec<RuleId> {
        let below = self.below.values().flat_map(Self::all);
        self.rules.iter().copied().chain(below).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(texts in prop::collection::vec("[abé]{0,5}", 0..20), value in "[abé]{0,7}") {
            let mut prefixes = PrefixTree::default();
            for (number, text) in (0..).zip(&texts) {
                prefixes.insert(text, RuleId::from(number));
            }
            let mut found = Vec::new();
            prefixes.find(&value, &mut found);
            found.sort_unstable();
            let expected = (0..).zip(&texts).filter(|(_, text)| value.starts_with(&**text)).map(|(number, _)| number);
            prop_assert_eq!(found, expected.map(RuleId::from).collect::<Vec<_>>());
            prop_assert_eq!(prefixes.all().len(), texts.len());
        }
    }
}
