//! An index of policies by a text that a value must start with.

/// A radix tree. Finding the texts that a value starts with takes as long as the value agrees with any of them, however many
/// there are.
#[derive(Debug)]
pub(crate) struct PrefixTree {
    /// The nodes; the first is the root.
    nodes: Vec<PrefixNode>,
}

#[derive(Debug, Default)]
struct PrefixNode {
    /// The text between the node above and this one.
    label: Box<[u8]>,
    /// The policies whose text ends here.
    rules: Vec<u32>,
    /// The nodes below, by the first byte of their labels, in order.
    below: Vec<(u8, usize)>,
}

impl Default for PrefixTree {
    fn default() -> Self {
        Self { nodes: vec![PrefixNode::default()] }
    }
}

impl PrefixTree {
    /// Adds a policy under its text.
    pub(crate) fn insert(&mut self, text: &str, rule: u32) {
        let mut rest = text.as_bytes();
        let mut at = 0;
        while let Some((&first, _)) = rest.split_first() {
            let Some(node) = self.nodes.get(at) else { return };
            match node.below.binary_search_by_key(&first, |(byte, _)| *byte) {
                Err(place) => {
                    let leaf = PrefixNode { label: rest.into(), ..PrefixNode::default() };
                    at = self.add(at, place, first, leaf);
                    rest = &[];
                }
                Ok(place) => {
                    let below = node.below.get(place).map_or(0, |(_, below)| *below);
                    let label = self.nodes.get(below).map_or(&[][..], |node| &node.label);
                    let common = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
                    if common < label.len() {
                        self.split(below, common);
                    }
                    at = below;
                    rest = rest.get(common..).unwrap_or_default();
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.rules.push(rule);
        }
    }

    fn add(&mut self, above: usize, place: usize, first: u8, node: PrefixNode) -> usize {
        let number = self.nodes.len();
        self.nodes.push(node);
        if let Some(above) = self.nodes.get_mut(above) {
            above.below.insert(place, (first, number));
        }
        number
    }

    /// Cuts the label of a node in two; its content moves below the cut.
    fn split(&mut self, number: usize, at: usize) {
        let moved = self.nodes.len();
        let Some(node) = self.nodes.get_mut(number) else { return };
        let (Some(head), Some(tail)) = (node.label.get(..at), node.label.get(at..)) else { return };
        let Some(&first) = tail.first() else { return };
        let (head, tail) = (head.into(), tail.into());
        let upper = PrefixNode { label: head, rules: Vec::new(), below: vec![(first, moved)] };
        let mut lower = std::mem::replace(node, upper);
        lower.label = tail;
        self.nodes.push(lower);
    }

    /// Adds the policies whose text `value` starts with to `found`.
    pub(crate) fn find(&self, value: &str, found: &mut impl Extend<u32>) {
        let mut rest = value.as_bytes();
        let mut next = self.nodes.first();
        while let Some(node) = next {
            found.extend(node.rules.iter().copied());
            next = rest.first().and_then(|first| {
                let place = node.below.binary_search_by_key(first, |(byte, _)| *byte).ok()?;
                let below = self.nodes.get(node.below.get(place)?.1)?;
                rest = rest.strip_prefix(&*below.label)?;
                Some(below)
            });
        }
    }

    /// Returns every policy.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> {
        self.nodes.iter().flat_map(|node| node.rules.iter().copied())
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
                prefixes.insert(text, number);
            }
            let mut found = Vec::new();
            prefixes.find(&value, &mut found);
            found.sort_unstable();
            let expected = (0..).zip(&texts).filter(|(_, text)| value.starts_with(&**text)).map(|(number, _)| number);
            prop_assert_eq!(found, expected.collect::<Vec<u32>>());
            prop_assert_eq!(prefixes.all().count(), texts.len());
        }
    }
}
