//! Comparisons of `like` patterns with each other.

use cedar_policy::pst::PatternElem;

pub(super) fn letters(text: &str) -> Vec<PatternElem> {
    text.chars().map(PatternElem::Char).collect()
}

/// Returns whether a text can match both patterns.
pub(super) fn meet(one: &[PatternElem], other: &[PatternElem]) -> bool {
    // Positions in the other pattern that can be reached by what was read of the first.
    let mut places = open(other, first(other));
    for element in one {
        let mut next = vec![false; other.len() + 1];
        match element {
            // Any text: every position from the first on.
            PatternElem::Wildcard => {
                let first = places.iter().position(|reached| *reached).unwrap_or(places.len());
                next.iter_mut().skip(first).for_each(|place| *place = true);
            }
            PatternElem::Char(c) => {
                for (at, _) in places.iter().enumerate().filter(|(_, reached)| **reached) {
                    let to = match other.get(at) {
                        Some(PatternElem::Wildcard) => at,
                        Some(PatternElem::Char(same)) if same == c => at + 1,
                        _ => continue,
                    };
                    if let Some(place) = next.get_mut(to) {
                        *place = true;
                    }
                }
            }
        }
        places = open(other, next);
    }
    places.last() == Some(&true)
}

/// Returns whether every text that matches the second pattern matches the first; `false` if a simple check cannot tell.
pub(super) fn covers(wide: &[PatternElem], narrow: &[PatternElem]) -> bool {
    let mut places = open(wide, first(wide));
    for element in narrow {
        let mut next = vec![false; wide.len() + 1];
        for (at, _) in places.iter().enumerate().filter(|(_, reached)| **reached) {
            let to = match (wide.get(at), element) {
                // A wildcard matches any text, including that of another wildcard.
                (Some(PatternElem::Wildcard), _) => at,
                (Some(PatternElem::Char(c)), PatternElem::Char(same)) if c == same => at + 1,
                _ => continue,
            };
            if let Some(place) = next.get_mut(to) {
                *place = true;
            }
        }
        places = open(wide, next);
    }
    places.last() == Some(&true)
}

/// Returns the positions before anything is read.
fn first(pattern: &[PatternElem]) -> Vec<bool> {
    std::iter::once(true).chain(pattern.iter().map(|_| false)).collect()
}

/// Adds positions that are reached without reading, since a wildcard can match nothing.
fn open(pattern: &[PatternElem], mut places: Vec<bool>) -> Vec<bool> {
    for (at, element) in pattern.iter().enumerate() {
        if places.get(at) == Some(&true)
            && *element == PatternElem::Wildcard
            && let Some(next) = places.get_mut(at + 1)
        {
            *next = true;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Vec<PatternElem> {
        text.chars().map(|c| if c == '*' { PatternElem::Wildcard } else { PatternElem::Char(c) }).collect()
    }

    #[test]
    fn patterns_meet_where_a_text_is_like_both() {
        for (one, other, expected) in [
            ("*.key", "*.pem", false),
            ("*.key", "a*", true),
            ("a*", "b*", false),
            ("a*c", "ab*", true),
            ("*", "", true),
            ("a", "a", true),
            ("a", "*b*", false),
            ("*a*", "*b*", true),
            ("/srv/*", "/etc/*", false),
            ("ab*ba", "aba", false),
            ("*aba", "ab*", true),
        ] {
            assert_eq!(meet(&pattern(one), &pattern(other)), expected, "{one} {other}");
            assert_eq!(meet(&pattern(other), &pattern(one)), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_pattern_covers_those_whose_texts_are_all_like_it() {
        for (wide, narrow, expected) in [
            ("*", "*", true),
            ("*", "a*b", true),
            ("/etc/*", "/etc/ssh/*", true),
            ("/etc/ssh/*", "/etc/*", false),
            ("*.log", "*.log", true),
            ("*.log", "a.log", true),
            ("*a*", "*b*a*c", true),
            ("a*", "*a", false),
            ("a", "*", false),
            ("**", "*", true),
        ] {
            assert_eq!(covers(&pattern(wide), &pattern(narrow)), expected, "{wide} {narrow}");
        }
    }
}
