//! Small edits of a script's text before it is compiled again, and the mapping of its places back to the original.

use std::collections::BTreeMap;

use super::scan::ScriptPlace;

/// The edits of one script: at each place, the number of characters to replace, and their replacement.
#[derive(Debug, Default)]
pub(crate) struct ScriptEdits(BTreeMap<ScriptPlace, (u32, String)>);

impl ScriptEdits {
    /// Replaces `length` characters at a place. The first edit of a place counts.
    pub(crate) fn replace(&mut self, place: ScriptPlace, length: usize, text: impl Into<String>) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.0.entry(place).or_insert_with(|| (length, text.into()));
    }

    /// Returns the replacement at a place of the original.
    pub(crate) fn at(&self, place: ScriptPlace) -> Option<&str> {
        self.0.get(&place).map(|(_, text)| text.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the text with all edits.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut edits = self.0.iter().peekable();
        let (mut changed, mut place, mut leave_out) = (String::with_capacity(text.len() + 64), (1, 1), 0);
        for char in text.chars() {
            if let Some((_, (length, text))) = edits.next_if(|(at, _)| **at == place) {
                changed.push_str(text);
                leave_out = *length;
            }
            place = if char == '\n' { (place.0 + 1, 1) } else { (place.0, place.1 + 1) };
            if leave_out > 0 {
                leave_out -= 1;
            } else {
                changed.push(char);
            }
        }
        changed
    }

    /// Returns the place in the original that a place in the edited text comes from.
    pub(crate) fn original(&self, (line, column): ScriptPlace) -> ScriptPlace {
        let mut shift = 0_i64;
        for (&(_, start), (length, text)) in self.0.range((line, 0)..(line + 1, 0)) {
            let new = i64::try_from(text.chars().count()).unwrap_or(0);
            let from = i64::from(start) + shift;
            if i64::from(column) < from {
                break;
            }
            if i64::from(column) < from + new {
                return (line, start);
            }
            shift += new - i64::from(*length);
        }
        (line, u32::try_from(i64::from(column) - shift).unwrap_or(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back() {
        let mut edits = ScriptEdits::default();
        edits.replace((2, 5), 1, "get(\"k\")");
        edits.replace((2, 1), 4, "fs::read");
        edits.replace((2, 1), 4, "ignored");
        let changed = edits.apply("one\nread.k é x\ny");
        assert_eq!(changed, "one\nfs::readget(\"k\")k é x\ny");
        assert_eq!(edits.original((2, 20)), (2, 9));
        assert_eq!(edits.original((2, 3)), (2, 1));
        assert_eq!(edits.original((1, 2)), (1, 2));
        assert_eq!(edits.original((3, 1)), (3, 1));
    }
}
