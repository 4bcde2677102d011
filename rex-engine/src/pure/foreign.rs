//! Patterns that mean something else in another language, or were meant as plain text.

use rex_core::Error;

use super::quote;

/// Words in brackets that logs begin with; no pattern means one of them as a class of letters.
const LEVELS: &[&str] = &[
    "alert",
    "crit",
    "critical",
    "debug",
    "emerg",
    "emergency",
    "err",
    "error",
    "fail",
    "failed",
    "fatal",
    "info",
    "notice",
    "panic",
    "severe",
    "trace",
    "warn",
    "warning",
];

/// Returns the error for a pattern that is written for `grep`, JavaScript or a search for plain text.
pub(super) fn pattern(text: &str) -> Option<Error> {
    let is_level = |word: &str| LEVELS.contains(&word.to_lowercase().as_str());
    let word = |text: &str, from_end: bool| {
        let part = |char: char| !char.is_alphanumeric();
        let word = if from_end { text.rsplit(part).next() } else { text.split(part).next() };
        word.is_some_and(is_level)
    };
    // Between other words, the sign may be that of a table.
    let beside = |at: usize, length: usize| {
        word(text.get(..at).unwrap_or_default(), true) || word(text.get(at + length..).unwrap_or_default(), false)
    };
    if text.match_indices(r"\|").any(|(at, sign)| beside(at, sign.len())) {
        let message = format!("`\\|` in the pattern {} is the character `|`", quote(text));
        return Some(Error::validation(message).with_help("one or the other is `a|b`; the character is also `[|]`"));
    }
    let slashed = text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    if let Some((inner, flags)) = slashed
        && !flags.is_empty()
        && !inner.contains('/')
        && flags.chars().all(|flag| "gimsuy".contains(flag))
    {
        let message = format!("the pattern {} looks for its slashes, too", quote(text));
        let flags = flags.replace(['g', 'y'], "");
        let flags = if flags.is_empty() { flags } else { format!("(?{flags})") };
        return Some(Error::validation(message).with_help(format!("it is written `{flags}{inner}`")));
    }
    let classes = text.split('[').skip(1).filter_map(|rest| rest.split_once(']').map(|(class, _)| class));
    let level = classes.into_iter().find(|class| is_level(class))?;
    if text.contains(&format!("\\[{level}")) {
        return None;
    }
    let message = format!("`[{level}]` in the pattern {} is any one of these letters", quote(text));
    Some(
        Error::validation(message)
            .with_help(format!("the word in brackets is `\\[{level}\\]`, in a script `\"\\\\[{level}\\\\]\"`")),
    )
}
