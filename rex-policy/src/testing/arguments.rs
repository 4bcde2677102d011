//! Policies about the arguments of programs, each with its meaning.

use arbitrary::{Result, Unstructured};
use rex_core::action::process::Run;
use rex_core::process::{Program, WordList};
use rex_core::{AbsPath, Action as _, Authorize, Effect, Principal, Request, Subject, Timestamp};

use super::compile;
use crate::SourceText;

/// Reads a condition on the arguments of a program and some starts of it from `data`, and asserts that a permit with it allows exactly what
/// it means. Returns whether a start was allowed.
///
/// # Panics
/// If it allows others or denies one of them, or does not validate.
#[must_use]
pub fn arguments_agree(data: &[u8]) -> bool {
    agree(&mut Unstructured::new(data)).unwrap_or(false)
}

/// The meaning of a condition: whether arguments meet it.
type ArgumentMeaning = Box<dyn Fn(&[String]) -> bool>;

fn agree(input: &mut Unstructured<'_>) -> Result<bool> {
    let (condition, meaning) = condition(input, 3)?;
    let (space, name) = (Run::SPEC.namespace, Run::SPEC.name);
    let text = format!(r#"permit (principal, action == {space}::Action::"{name}", resource) when {{ {condition} }};"#);
    let sources = [SourceText::new("policy", text.as_str())];
    let policy = compile(&sources, &SourceText::new("entities", "[]"));
    assert!(policy.is_some(), "a condition that does not validate: {text}");
    let Some(policy) = policy else { return Ok(false) };
    let subject = Subject::new(Principal::agent("x"));
    let path = AbsPath::parse("/p").map_err(|_| arbitrary::Error::IncorrectFormat)?;
    let mut allowed = false;
    for _ in 0..8 {
        let words = words(input)?;
        let means = meaning(&words);
        let action = Run::new(WordList::new(words.clone()), WordList::default(), &AbsPath::root(), "", false);
        let resource = Program { path: path.clone(), sha256: String::new() };
        let now = Timestamp::from_micros(0);
        let request = Request { subject: &subject, action: &action, resource: &resource, now };
        let allows = policy.decide(&request).effect == Effect::Allow;
        assert_eq!(allows, means, "{text}\n{words:?}");
        allowed |= allows;
    }
    Ok(allowed)
}

/// Generates up to eleven words; those after the ninth are only in the text of all arguments.
fn words(input: &mut Unstructured<'_>) -> Result<Vec<String>> {
    (0..input.int_in_range(0..=11)?).map(|_| word(input)).collect()
}

fn word(input: &mut Unstructured<'_>) -> Result<String> {
    const WORDS: [&str; 14] =
        ["a", "b", "", " ", "'", "\"", "a b", "a'", "' '", "*", "\n", "--out=/etc/x", "-n", "a' 'b"];
    if input.ratio(1, 8)? {
        return Ok(input.arbitrary::<&str>()?.replace('\0', ""));
    }
    Ok((*input.choose(&WORDS)?).to_owned())
}

/// Escapes a text for a string in Cedar.
fn literal(text: &str) -> String {
    let escape = |c: char| match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        c if c.is_control() => format!("\\u{{{:x}}}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn pattern(text: &str) -> String {
    literal(text).replace('*', "\\*")
}

fn condition(input: &mut Unstructured<'_>, depth: u32) -> Result<(String, ArgumentMeaning)> {
    if depth == 0 || input.ratio(1, 2)? {
        return atom(input);
    }
    let (left, first) = condition(input, depth - 1)?;
    if input.ratio(1, 4)? {
        return Ok((format!("!({left})"), Box::new(move |words| !first(words))));
    }
    let (right, second) = condition(input, depth - 1)?;
    Ok(if input.arbitrary()? {
        (format!("({left}) && ({right})"), Box::new(move |words| first(words) && second(words)))
    } else {
        (format!("({left}) || ({right})"), Box::new(move |words| first(words) || second(words)))
    })
}

fn atom(input: &mut Unstructured<'_>) -> Result<(String, ArgumentMeaning)> {
    Ok(match input.int_in_range(0..=4)? {
        0 => {
            let count = input.int_in_range(0..=3_usize)?;
            (format!("context.count == {count}"), Box::new(move |words| words.len() == count))
        }
        1 => {
            let (place, word) = (input.int_in_range(1..=9_usize)?, word(input)?);
            let text = format!("context.arg{place} == \"{}\"", literal(&word));
            (text, Box::new(move |words| words.get(place - 1).map_or("", String::as_str) == word))
        }
        2 => {
            let (place, word) = (input.int_in_range(1..=9_usize)?, word(input)?);
            let text = format!("context.arg{place} like \"{}*\"", pattern(&word));
            (text, Box::new(move |words| words.get(place - 1).map_or("", String::as_str).starts_with(&word)))
        }
        3 => {
            let all = words(input)?;
            let text = format!("context.arguments == \"{}\"", literal(WordList::new(all.clone()).as_str()));
            (text, Box::new(move |words| words == all))
        }
        _ => {
            let mut first = words(input)?;
            first.push(word(input)?);
            let text = format!("context.arguments like \"{} *\"", pattern(WordList::new(first.clone()).as_str()));
            (text, Box::new(move |words| words.len() > first.len() && words.starts_with(&first)))
        }
    })
}
