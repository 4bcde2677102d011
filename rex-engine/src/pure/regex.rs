//! Regular expressions: the syntax of the crate `regex`, in bounded time.

use regex_automata::util::captures::Captures;
use regex_automata::util::interpolate;
use regex_automata::{Match, PatternID};
use rex_sdk::known_groups;
use rhai::{Array, Dynamic, Map};

use super::foreign;
use super::search::{PatternMatches, RegexPattern};
use super::{CallBudget, ENTRIES, PureResult, TEXT_BYTES, VALUE_BYTES, exceeded, int};

functions! { "regex";
    /// `true` if the pattern occurs in the text.
    is_match(text: &str, pattern: &str) -> "bool" = is_match;
    /// The first match, or `()`: `text`, `start` and `end` in characters, `groups` (the whole match is number 0, a group that took no part `()`), `named`.
    find(text: &str, pattern: &str) -> "map or ()" = find;
    /// Every match, each as `find` returns it.
    find_all(text: &str, pattern: &str) -> "list of maps" = find_all;
    /// The text with every match replaced; in the replacement `$1`, `${1}` and `${name}` are groups and `$$` is a dollar sign.
    replace_all(text: &str, pattern: &str, replacement: &str) -> "text" = replace_all;
    /// The parts of the text between the matches.
    split(text: &str, pattern: &str) -> "list of text" = split;
    /// A pattern that matches the text itself.
    escape(text: &str) -> "text" = escape;
}

/// Returns the error in a literal pattern of a script: it is invalid, or means something else in another language.
pub(crate) fn wrong(text: &str) -> Option<rex_core::Error> {
    RegexPattern::new(text).err().or_else(|| foreign::pattern(text))
}

fn is_match(text: &str, pattern: &str) -> PureResult<bool> {
    let pattern = RegexPattern::new(pattern)?;
    Ok(PatternMatches::new(&pattern, text).next()?.is_some())
}

fn find(text: &str, pattern: &str) -> PureResult<Dynamic> {
    Ok(found(text, pattern, 1)?.pop().unwrap_or(Dynamic::UNIT))
}

fn find_all(text: &str, pattern: &str) -> PureResult<Array> {
    found(text, pattern, usize::MAX)
}

/// Returns the matches, at most `wanted`.
fn found(text: &str, pattern: &str, wanted: usize) -> PureResult<Array> {
    let pattern = RegexPattern::new(pattern)?;
    let mut matches = PatternMatches::new(&pattern, text);
    let mut groups = pattern.engine.create_captures();
    let (budget, mut characters, mut array) =
        (CallBudget::new(VALUE_BYTES), CharacterCounter { text, byte: 0, count: 0 }, Array::new());
    while array.len() < wanted {
        let Some(found) = matches.next()? else { break };
        count_entry(array.len())?;
        matches.groups(found, &mut groups)?;
        array.push(describe(text, found, &groups, &mut characters, &budget)?.into());
    }
    Ok(array)
}

fn describe(
    text: &str,
    found: Match,
    groups: &Captures,
    characters: &mut CharacterCounter<'_>,
    budget: &CallBudget,
) -> PureResult<Map> {
    /// Bytes that a map of five entries takes, with its two containers.
    const MATCH_BYTES: usize = 600;
    const GROUP_BYTES: usize = 100;
    budget.take(MATCH_BYTES)?;
    let (mut list, mut named) = (Array::new(), Map::new());
    for (index, group) in groups.iter().enumerate() {
        budget.take(GROUP_BYTES + group.map_or(0, |span| span.len()))?;
        let value = group.and_then(|span| text.get(span.range())).map_or(Dynamic::UNIT, Into::into);
        if let Some(name) = groups.group_info().to_name(found.pattern(), index) {
            named.insert(name.into(), value.clone());
        }
        list.push(value);
    }
    Ok(Map::from([
        ("text".into(), list.first().cloned().unwrap_or_default()),
        ("start".into(), characters.until(found.start()).into()),
        ("end".into(), characters.until(found.end()).into()),
        ("groups".into(), list.into()),
        ("named".into(), named.into()),
    ]))
}

/// A counter of characters up to increasing offsets, which passes the text once for all of them.
struct CharacterCounter<'a> {
    text: &'a str,
    byte: usize,
    count: usize,
}

impl CharacterCounter<'_> {
    fn until(&mut self, byte: usize) -> i64 {
        self.count += self.text.get(self.byte..byte).map_or(0, |passed| passed.chars().count());
        self.byte = byte;
        int(self.count)
    }
}

fn replace_all(text: &str, pattern: &str, replacement: &str) -> PureResult<String> {
    let pattern = RegexPattern::new(pattern)?;
    let mut matches = PatternMatches::new(&pattern, text);
    let mut groups = pattern.engine.create_captures();
    let has_groups = replacement.contains('$');
    if has_groups {
        let info = groups.group_info();
        known_groups(replacement, info.group_len(PatternID::ZERO), &|name| info.to_index(PatternID::ZERO, name))?;
    }
    let (budget, mut output, mut copied) = (CallBudget::new(TEXT_BYTES), String::new(), 0);
    while let Some(found) = matches.next()? {
        if has_groups {
            matches.groups(found, &mut groups)?;
        }
        let between = text.get(copied..found.start()).unwrap_or_default();
        budget.take(between.len().saturating_add(replacement.len()))?;
        output.push_str(between);
        copied = found.end();
        let append = |index: usize, output: &mut String| {
            let group = groups.get_group(index).and_then(|span| text.get(span.range())).unwrap_or_default();
            // One replacement can hold a group many times, so each occurrence is counted.
            if budget.take(group.len()).is_ok() {
                output.push_str(group);
            }
        };
        let index = |name: &str| groups.group_info().to_index(found.pattern(), name);
        interpolate::string(replacement, append, index, &mut output);
    }
    let rest = text.get(copied..).unwrap_or_default();
    budget.take(rest.len())?;
    output.push_str(rest);
    Ok(output)
}

fn split(text: &str, pattern: &str) -> PureResult<Array> {
    const PART_BYTES: usize = 100;
    let pattern = RegexPattern::new(pattern)?;
    let mut matches = PatternMatches::new(&pattern, text);
    let (budget, mut parts, mut start) = (CallBudget::new(VALUE_BYTES), Array::new(), 0);
    while let Some(found) = matches.next()? {
        count_entry(parts.len())?;
        let part = text.get(start..found.start()).unwrap_or_default();
        budget.take(PART_BYTES + part.len())?;
        parts.push(part.into());
        start = found.end();
    }
    let rest = text.get(start..).unwrap_or_default();
    budget.take(PART_BYTES + rest.len())?;
    parts.push(rest.into());
    Ok(parts)
}

fn escape(text: &str) -> PureResult<String> {
    // At most a backslash before each byte.
    CallBudget::new(TEXT_BYTES).take(text.len().saturating_mul(2))?;
    Ok(regex::escape(text))
}

fn count_entry(count: usize) -> PureResult<()> {
    if count < ENTRIES {
        return Ok(());
    }
    Err(exceeded(format!("there are more than {ENTRIES} matches"), "search in parts of the text"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails, run_with, thrown};

    const LIMIT: &str = "LIMIT_EXCEEDED_EXCEPTION: the result would take more than 67108864 bytes";

    #[test]
    fn finds() {
        check(r#"regex::is_match("a1", `\d`)"#, "true");
        check(r#"regex::is_match("a", `\d`)"#, "false");
        check(r#"regex::find("a", `\d`)"#, "");
        check(
            r#"regex::find("é x=12", `(?P<key>\w)=(\d+)(!)?`)"#,
            r#"#{"end": 6, "groups": ["x=12", "x", "12", ()], "named": #{"key": "x"}, "start": 2, "text": "x=12"}"#,
        );
        check(r#"regex::find("x", `(?<a>y)?x`).named"#, r#"#{"a": ()}"#);
        check(
            r#"regex::find_all("é1 日22", `\d+`).map(|m| [m.text, m.start, m.end])"#,
            r#"[["1", 1, 2], ["22", 4, 6]]"#,
        );
        check(r#"let t = "é日x"; let m = regex::find(t, "x"); t.sub_string(m.start, m.end - m.start)"#, "x");
        check(r#"regex::find_all("ab", "").map(|m| m.start)"#, "[0, 1, 2]");
    }

    #[test]
    fn replaces_splits_and_escapes() {
        check(r#"regex::replace_all("a=1, b=2", `(?<k>\w)=(\d)`, "$2=${k}$$")"#, "1=a$, 2=b$");
        check(r#"regex::replace_all("aé", "", "-")"#, "-a-é-");
        check(r#"regex::replace_all("aaa", "a", "b")"#, "bbb");
        check(r#"regex::split("a, b,c", `,\s*`)"#, r#"["a", "b", "c"]"#);
        check(r#"regex::split("", ",")"#, r#"[""]"#);
        check(r#"regex::split(",a,", ",")"#, r#"["", "a", ""]"#);
        check(r#"regex::escape("1.5*")"#, r"1\.5\*");
    }

    #[test]
    fn refuses_what_is_not_a_pattern() {
        check_fails(r#"regex::find("", "(")"#, "VALIDATION_EXCEPTION: `(` is not a pattern: unclosed group");
        check_fails(
            r#"regex::is_match("", `(a)\1`)"#,
            r"VALIDATION_EXCEPTION: `(a)\1` is not a pattern: backreferences are not supported",
        );
        check_fails(
            r#"regex::is_match("", "a{1000}{1000}")"#,
            "LIMIT_EXCEEDED_EXCEPTION: the pattern is too large or too complex",
        );
    }

    #[test]
    fn results_are_limited() {
        let text = "a".repeat(200_000);
        let entries = "LIMIT_EXCEEDED_EXCEPTION: there are more than 100000 matches";
        assert_eq!(thrown(run_with(&text, r#"regex::find_all(text, "")"#)), entries);
        assert_eq!(thrown(run_with(&text, r#"regex::split(text, "a")"#)), entries);
        assert_eq!(run_with(&text, r#"regex::find(text, "").end"#).unwrap().as_int(), Ok(0));
        let megabyte = "a".repeat(1 << 20);
        assert_eq!(thrown(run_with(&megabyte, r#"regex::replace_all(text, "a", text)"#)), LIMIT);
        let many = format!(r#"regex::replace_all(text, "a+", "{}")"#, "$0".repeat(1000));
        assert_eq!(thrown(run_with(&megabyte, &many)), LIMIT);
        let nested = format!("regex::find(text, `{}a+{}`)", "(".repeat(150), ")".repeat(150));
        assert_eq!(thrown(run_with(&megabyte, &nested)), LIMIT.replace("67108864", "134217728"));
    }

    #[test]
    fn bombs_are_thrown_as_a_limit() {
        assert_eq!(
            thrown(run_with(&"ab".repeat(500_000), "regex::find(text, `((.|.|.|.|.|.|.|.){1,500})*`)")),
            "LIMIT_EXCEEDED_EXCEPTION: the pattern takes too long on a text of this length",
        );
    }
}
