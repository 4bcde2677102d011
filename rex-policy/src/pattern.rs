//! Patterns of ids: what an attribute says of the id, and whether a text matches several patterns at once.

use std::collections::{HashSet, VecDeque};

use cedar_policy::pst::PatternElem;
use rex_core::ResourceSpec;

/// An element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PatternLetter {
    /// This character.
    Char(char),
    /// Any text.
    Any,
    /// Any text without a slash.
    Part,
}

pub(crate) type LetterPattern = Vec<PatternLetter>;

/// Returns the pattern of one text.
pub(crate) fn exactly(text: &str) -> LetterPattern {
    text.chars().map(PatternLetter::Char).collect()
}

/// Converts the pattern of a `like`.
pub(crate) fn like(pattern: &[PatternElem]) -> LetterPattern {
    let letter = |element: &PatternElem| match element {
        PatternElem::Char(c) => PatternLetter::Char(*c),
        PatternElem::Wildcard => PatternLetter::Any,
    };
    pattern.iter().map(letter).collect()
}

/// Builds a pattern from a form: `*` matches any text, `?` any text without a slash, and `@` becomes `within`.
fn around(form: &str, within: &[PatternLetter]) -> LetterPattern {
    form.chars()
        .flat_map(|c| match c {
            '*' => vec![PatternLetter::Any],
            '?' => vec![PatternLetter::Part],
            '@' => within.to_vec(),
            c => vec![PatternLetter::Char(c)],
        })
        .collect()
}

/// Returns patterns of which the id matches one if the attribute matches `value`; `None` if nothing follows. They may match more ids.
pub(crate) fn of_attribute(spec: &ResourceSpec, name: &str, value: &[PatternLetter]) -> Option<Vec<LetterPattern>> {
    if spec.id_attribute == Some(name) {
        return Some(vec![value.to_vec()]);
    }
    let can_be_empty = !value.iter().any(|letter| matches!(letter, PatternLetter::Char(_)));
    // These attributes hold no slash.
    let part: LetterPattern =
        value.iter().map(|letter| if *letter == PatternLetter::Any { PatternLetter::Part } else { *letter }).collect();
    let forms = |forms: &[&str], value: &[PatternLetter]| Some(forms.iter().map(|form| around(form, value)).collect());
    match (spec.namespace, spec.name, name) {
        ("fs", "Path", "name") | ("process", "Program", "name") => forms(&["*/@"], &part),
        ("fs", "Path", "extension") | ("service", "Unit", "kind") if !can_be_empty => forms(&["*.@"], &part),
        ("net", "Url", "scheme") => forms(&["@://*"], &part),
        ("net", "Url", "host") => forms(&["?://@/*", "?://@:?/*", "?://[@]/*", "?://[@]:?/*"], &part),
        ("net", "Url", "path") => {
            // The query follows; its mark is a character here, not a wildcard.
            let bare = around("?://?@", value);
            let mut asked = bare.clone();
            asked.extend([PatternLetter::Char('?'), PatternLetter::Any]);
            Some(vec![bare, asked])
        }
        ("net", "Url", "query") if !can_be_empty => {
            let mut pattern = around("?://*", &[]);
            pattern.push(PatternLetter::Char('?'));
            pattern.extend(value);
            Some(vec![pattern])
        }
        _ => None,
    }
}

/// Returns patterns of which the id of everything in a resource matches one; `None` if that is not known.
pub(crate) fn within(spec: &ResourceSpec, id: &str) -> Option<Vec<LetterPattern>> {
    let inside = |before: &str, after: &str| {
        let mut pattern = around(before, &[]);
        pattern.extend(exactly(id));
        pattern.extend(around(after, &[]));
        pattern
    };
    match (spec.namespace, spec.name) {
        _ if !spec.nested => Some(vec![exactly(id)]),
        ("fs", "Path") | ("process", "Program") if id == "/" => Some(vec![around("/*", &[])]),
        ("fs", "Path") | ("process", "Program") => Some(vec![exactly(id), inside("", "/*")]),
        ("net", "Host") => Some(vec![exactly(id), inside("*.", "")]),
        ("net", "Url") if id.ends_with('/') && !id.contains('?') => Some(vec![inside("", "*")]),
        ("net", "Url") if id.contains('?') => Some(vec![exactly(id)]),
        ("net", "Url") => {
            let asked = exactly(id).into_iter().chain([PatternLetter::Char('?'), PatternLetter::Any]);
            Some(vec![exactly(id), asked.collect()])
        }
        _ => None,
    }
}

/// The answer to the question whether a text matches all of some patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommonMatch {
    /// This text does, and no shorter one.
    Text(String),
    /// No text does.
    Nothing,
    /// No answer: the search would take too long.
    Unknown,
}

/// Maximum number of states that a search visits.
const STATES: usize = 4096;
/// Maximum length of a pattern: its positions are bits of a number.
const LONGEST: usize = 127;

/// The state of a check for paths without empty names, `.` and `..`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PathState {
    Free,
    Start,
    Root,
    Slash,
    Name,
    Dot,
    Dots,
}

impl PathState {
    fn step(self, c: char) -> Option<Self> {
        match (self, c) {
            (Self::Free, _) => Some(Self::Free),
            (_, '\0') => None,
            (Self::Start, '/') => Some(Self::Root),
            (Self::Name, '/') => Some(Self::Slash),
            (Self::Start, _) | (_, '/') => None,
            (Self::Root | Self::Slash, '.') => Some(Self::Dot),
            (Self::Dot, '.') => Some(Self::Dots),
            _ => Some(Self::Name),
        }
    }

    fn ends(self) -> bool {
        matches!(self, Self::Free | Self::Root | Self::Name)
    }
}

/// Calls `visit` with each position of a set, from the first.
fn each(mut places: u128, mut visit: impl FnMut(usize)) {
    while places != 0 {
        visit(places.trailing_zeros() as usize);
        places &= places - 1;
    }
}

/// Adds the positions that are reached without reading: a wildcard matches the empty text, too.
fn open(pattern: &[PatternLetter], mut places: u128) -> u128 {
    let mut left = places;
    while left != 0 {
        let at = left.trailing_zeros() as usize;
        left &= left - 1;
        if pattern.get(at).is_some_and(|letter| !matches!(letter, PatternLetter::Char(_))) {
            let next = 1 << (at + 1);
            left |= next & !places;
            places |= next;
        }
    }
    places
}

fn step(pattern: &[PatternLetter], places: u128, c: char) -> u128 {
    let mut next = 0;
    each(places, |at| match pattern.get(at) {
        Some(PatternLetter::Char(same)) if *same == c => next |= 1 << (at + 1),
        Some(PatternLetter::Any) => next |= 1 << at,
        Some(PatternLetter::Part) if c != '/' => next |= 1 << at,
        _ => {}
    });
    open(pattern, next)
}

/// Finds a text that matches all patterns; with `paths`, a normalized path.
pub(crate) fn meet(patterns: &[&[PatternLetter]], paths: bool) -> CommonMatch {
    if patterns.iter().any(|pattern| pattern.len() > LONGEST) {
        return CommonMatch::Unknown;
    }
    let start: Vec<u128> = patterns.iter().map(|pattern| open(pattern, 1)).collect();
    let first = (start, if paths { PathState::Start } else { PathState::Free });
    let mut queue = VecDeque::from([(first.clone(), String::new())]);
    let mut seen = HashSet::from([first]);
    while let Some(((places, shape), text)) = queue.pop_front() {
        let ends = |(pattern, places): (&&[PatternLetter], &u128)| places & (1 << pattern.len()) != 0;
        if shape.ends() && patterns.iter().zip(&places).all(ends) {
            return CommonMatch::Text(text);
        }
        for c in following(patterns, &places, paths) {
            let Some(shape) = shape.step(c) else { continue };
            let next: Vec<u128> =
                patterns.iter().zip(&places).map(|(pattern, places)| step(pattern, *places, c)).collect();
            if next.contains(&0) {
                continue;
            }
            let next = (next, shape);
            if seen.insert(next.clone()) {
                if seen.len() > STATES {
                    return CommonMatch::Unknown;
                }
                queue.push_back((next, format!("{text}{c}")));
            }
        }
    }
    CommonMatch::Nothing
}

/// Returns whether no text matches both patterns; with `paths`, no normalized path. Most cases need no search.
pub(crate) fn apart(one: &[PatternLetter], other: &[PatternLetter], paths: bool) -> bool {
    if differ(one.iter(), other.iter()) || differ(one.iter().rev(), other.iter().rev()) {
        return true;
    }
    // A pattern without wildcards matches one text, which matches the other or not.
    for (text, pattern) in [(one, other), (other, one)] {
        if pattern.len() <= LONGEST && text.iter().all(|letter| matches!(letter, PatternLetter::Char(_))) {
            let text = filled(text);
            return !(is_like(&text, pattern) && (!paths || is_path(&text)));
        }
    }
    let both = |text: &str| is_like(text, one) && is_like(text, other) && (!paths || is_path(text));
    let joined = |first: &[PatternLetter], second: &[PatternLetter]| {
        let wild =
            |letter: Option<&PatternLetter>| letter.is_some_and(|letter| !matches!(letter, PatternLetter::Char(_)));
        let first = if wild(first.last()) { first.split_last().map_or(first, |(_, rest)| rest) } else { first };
        let second = if wild(second.first()) { second.split_first().map_or(second, |(_, rest)| rest) } else { second };
        let (start, end) = (filled(first), filled(second));
        ["", "x", "x/x"].iter().any(|between| both(&format!("{start}{between}{end}")))
    };
    let found = both(&filled(one)) || both(&filled(other)) || joined(one, other) || joined(other, one);
    !found && meet(&[one, other], paths) == CommonMatch::Nothing
}

/// Returns whether the starts of two patterns rule out a text that matches both.
fn differ<'l>(
    mut one: impl Iterator<Item = &'l PatternLetter>,
    mut other: impl Iterator<Item = &'l PatternLetter>,
) -> bool {
    loop {
        match (one.next(), other.next()) {
            (Some(PatternLetter::Char(c)), Some(PatternLetter::Char(d))) if c == d => {}
            (Some(PatternLetter::Char(_)), Some(PatternLetter::Char(_)) | None)
            | (None, Some(PatternLetter::Char(_))) => return true,
            _ => return false,
        }
    }
}

/// Returns a text that matches a pattern, with `x` for each wildcard.
fn filled(pattern: &[PatternLetter]) -> String {
    let char = |letter: &PatternLetter| match letter {
        PatternLetter::Char(c) => *c,
        PatternLetter::Any | PatternLetter::Part => 'x',
    };
    pattern.iter().map(char).collect()
}

/// Returns whether a text matches a pattern of at most `LONGEST` elements.
fn is_like(text: &str, pattern: &[PatternLetter]) -> bool {
    pattern.len() <= LONGEST
        && text.chars().fold(open(pattern, 1), |places, c| step(pattern, places, c)) & (1 << pattern.len()) != 0
}

fn is_path(text: &str) -> bool {
    text.chars().try_fold(PathState::Start, PathState::step).is_some_and(PathState::ends)
}

/// Returns whether a text matches a pattern; with `paths`, a normalized path. `true` if that would take too long to find out.
pub(crate) fn exists(pattern: &[PatternLetter], paths: bool) -> bool {
    !paths
        || is_path(&filled(pattern))
        || is_path(&format!("/{}", filled(pattern))) && matches!(pattern.first(), Some(PatternLetter::Any))
        || meet(&[pattern], paths) != CommonMatch::Nothing
}

/// Returns whether each text that matches `narrow` matches `wide`; `false` where that takes more than a look.
pub(crate) fn covers(wide: &[PatternLetter], narrow: &[PatternLetter]) -> bool {
    if wide.len() > LONGEST {
        return false;
    }
    let step = |places: u128, letter: &PatternLetter| {
        let mut next = 0;
        each(places, |at| match (wide.get(at), letter) {
            (Some(PatternLetter::Any), _) | (Some(PatternLetter::Part), PatternLetter::Part) => next |= 1 << at,
            (Some(PatternLetter::Part), PatternLetter::Char(c)) if *c != '/' => next |= 1 << at,
            (Some(PatternLetter::Char(c)), PatternLetter::Char(same)) if c == same => next |= 1 << (at + 1),
            _ => {}
        });
        open(wide, next)
    };
    narrow.iter().fold(open(wide, 1), step) & (1 << wide.len()) != 0
}

/// Returns the characters that make a difference: those that a pattern expects next, and another one.
fn following(patterns: &[&[PatternLetter]], places: &[u128], paths: bool) -> Vec<char> {
    let mut found = if paths { vec!['x', '/'] } else { vec!['x'] };
    for (pattern, places) in patterns.iter().zip(places) {
        for (at, letter) in pattern.iter().enumerate() {
            if let PatternLetter::Char(c) = letter
                && places & (1 << at) != 0
                && !found.contains(c)
            {
                found.push(*c);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rex_core::net::Url;
    use rex_core::resource::{AnyResource, Unit};
    use rex_core::{AbsPath, Fact, Resource};

    use super::*;

    fn pattern(text: &str) -> LetterPattern {
        around(text, &[])
    }

    #[test]
    fn texts_that_are_like_all_are_found() {
        for (one, other, paths, text) in [
            ("/etc/*/shadow", "/etc/?/shadow", true, Some("/etc/x/shadow")),
            ("/etc/*/shadow", "/etc/?shadow?", true, None),
            ("/home/*/.ssh/authorized_keys", "*/.ssh/authorized_keys?", true, Some("/home/x/.ssh/authorized_keys")),
            ("/a/*/b", "/a/*", true, Some("/a/x/b")),
            ("/a*", "*/..", true, None),
            ("*.key", "*/a.log", true, None),
            ("*.key", "*/?.key", true, Some("/.key")),
            ("https://*", "*://a/*", false, Some("https://a/")),
            ("https://*", "http://*", false, None),
            ("*", "*", true, Some("/")),
            ("", "*", false, Some("")),
        ] {
            let found = meet(&[&pattern(one), &pattern(other)], paths);
            let expected = text.map_or(CommonMatch::Nothing, |text| CommonMatch::Text(text.to_owned()));
            assert_eq!(found, expected, "{one} {other}");
        }
        let long = pattern(&"a".repeat(200));
        assert_eq!(meet(&[&long, &long], false), CommonMatch::Unknown);
    }

    #[test]
    fn patterns_are_apart_where_they_do_not_meet() {
        let patterns = ["*", "/*", "/a/*", "/a/b", "*/b", "*/a/?", "*.key", "/a/?.key", "?://a/*", "*x", "/ab*", "a"];
        for paths in [false, true] {
            for (one, other) in patterns.iter().flat_map(|one| patterns.iter().map(move |other| (one, other))) {
                let (one, other) = (pattern(one), pattern(other));
                let met = meet(&[&one, &other], paths);
                assert_eq!(apart(&one, &other, paths), met == CommonMatch::Nothing, "{one:?} {other:?} {met:?}");
                // A pattern that covers another excludes none of its texts.
                if covers(&one, &other) {
                    let left = meet(&[&other], paths);
                    assert!(met == left, "{one:?} {other:?} {met:?} {left:?}");
                }
            }
            assert!(
                patterns
                    .iter()
                    .all(|one| exists(&pattern(one), paths) == (meet(&[&pattern(one)], paths) != CommonMatch::Nothing))
            );
        }
        for (wide, narrow, expected) in [
            ("/a/*", "/a/b", true),
            ("/a/?", "/a/b/c", false),
            ("*/?", "/a/?", true),
            ("/a/?", "/a/*", false),
            ("*", "?", true),
        ] {
            assert_eq!(covers(&pattern(wide), &pattern(narrow)), expected, "{wide} {narrow}");
        }
    }

    /// Checks that ids match what follows from their attributes.
    #[test]
    fn ids_are_like_what_their_attributes_say() {
        let resources: Vec<Box<dyn AnyResource>> = vec![
            Box::new(AbsPath::root()),
            Box::new(AbsPath::parse("/srv/a.tar.gz").unwrap()),
            Box::new(AbsPath::parse("/srv/.key").unwrap()),
            Box::new(Unit::parse("web@1.timer").unwrap()),
            Box::new(Url::parse("https://example.com/v1/x?a=b").unwrap()),
            Box::new(Url::parse("http://[::1]:8080/").unwrap()),
            Box::new(Url::parse("https://[::1]/?q").unwrap()),
        ];
        for resource in &resources {
            resource.attributes(&mut |name, fact| {
                let Fact::String(text) = fact else { return };
                let mut starts: Vec<LetterPattern> = (0..=text.len())
                    .map(|at| [exactly(&text.chars().take(at).collect::<String>()), vec![PatternLetter::Any]].concat())
                    .collect();
                starts.push(exactly(text));
                for value in starts {
                    if let Some(patterns) = of_attribute(resource.spec(), name, &value) {
                        let id = exactly(resource.id());
                        let is = patterns.iter().any(|like| meet(&[like, &id], false) != CommonMatch::Nothing);
                        assert!(is, "{} {name} {value:?}", resource.id());
                    }
                }
            });
            resource.ancestors(&mut |above| {
                if let Some(patterns) = within(resource.spec(), above) {
                    let id = exactly(resource.id());
                    assert!(patterns.iter().any(|like| meet(&[like, &id], false) != CommonMatch::Nothing), "{above}");
                }
            });
        }
        assert!(of_attribute(AbsPath::SPEC, "extension", &[]).is_none());
    }
}
