//! Deceptive characters: invisible ones, and letters that look like others.

use rex_core::text::is_invisible;
use unicode_security::MixedScript;

use crate::finding::{Finding, Severity, SharedText, visible};

/// Checks a file of policies in its written form, so that escapes, which everybody sees, pass.
pub(crate) fn file(text: &SharedText) -> Vec<Finding> {
    if text.text.is_ascii() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for part in split(&text.text) {
        let Some(written) = text.text.get(part.start..part.end) else { continue };
        if written.is_ascii() {
            continue;
        }
        let Some((at, length, what)) = suspicious(written, part.kind != SourcePartKind::Comment) else { continue };
        let severity = match part.kind {
            SourcePartKind::Comment => Severity::Warning,
            SourcePartKind::Id | SourcePartKind::Text | SourcePartKind::Outside => Severity::Error,
        };
        let place = Some((part.start + at, length));
        let message = format!("{} {what}", part.kind.word());
        let mut finding = Finding::new(severity, text, place, visible(&message))
            .with_help("write the intended letter; what is really in a name is written as an escape, `\\u{200b}`");
        finding.code = Some("REX018");
        findings.push(finding);
    }
    findings
}

/// Describes the first deceptive part of a text that is written without escapes.
pub(crate) fn in_text(text: &str) -> Option<String> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    // JSON can write these only as an escape.
    let written: String = text.chars().map(|c| if c < ' ' { ' ' } else { c }).collect();
    suspicious(&written, true).map(|(_, _, what)| visible(&what))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SourcePartKind {
    Id,
    Text,
    Comment,
    Outside,
}

impl SourcePartKind {
    fn word(self) -> &'static str {
        match self {
            Self::Id => "this id holds",
            Self::Text => "this text holds",
            Self::Comment => "this comment holds",
            Self::Outside => "this policy holds",
        }
    }
}

struct SourcePart {
    start: usize,
    end: usize,
    kind: SourcePartKind,
}

/// Splits a text into strings, comments, and what is between.
fn split(text: &str) -> Vec<SourcePart> {
    let mut parts = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut start = 0;
    while let Some((at, c)) = chars.next() {
        let comment = c == '/' && chars.peek().is_some_and(|(_, next)| *next == '/');
        if c != '"' && !comment {
            continue;
        }
        parts.push(SourcePart { start, end: at, kind: SourcePartKind::Outside });
        if comment {
            while chars.next_if(|(_, c)| *c != '\n').is_some() {}
        } else {
            while let Some((_, c)) = chars.next() {
                match c {
                    '\\' => drop(chars.next()),
                    '"' => break,
                    _ => {}
                }
            }
        }
        let end = chars.peek().map_or(text.len(), |(at, _)| *at);
        let id = text.get(..at).is_some_and(|before| before.trim_end().ends_with("::"));
        parts.push(SourcePart {
            start: at,
            end,
            kind: if comment {
                SourcePartKind::Comment
            } else if id {
                SourcePartKind::Id
            } else {
                SourcePartKind::Text
            },
        });
        start = end;
    }
    parts.push(SourcePart { start, end: text.len(), kind: SourcePartKind::Outside });
    parts
}

/// Finds the first deceptive part of a text: its place, its length, and a description.
fn suspicious(text: &str, letters: bool) -> Option<(usize, usize, String)> {
    let hidden = text.char_indices().find_map(|(at, c)| {
        let what = if is_invisible(c) && !matches!(c, '\n' | '\t' | '\r') {
            "an invisible character"
        } else if c != ' ' && c.is_whitespace() && !matches!(c, '\n' | '\t' | '\r') {
            "a space character other than U+0020"
        } else if let Some(ascii) = looks_like(c).filter(|_| letters) {
            return Some((at, c.len_utf8(), format!("a character that looks like `{ascii}`: U+{:04X}", u32::from(c))));
        } else {
            return None;
        };
        Some((at, c.len_utf8(), format!("{what}: U+{:04X}", u32::from(c))))
    });
    if hidden.is_some() || !letters {
        return hidden;
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| is_disguised(*c)) {
        let shown: String = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect();
        return Some((at, c.len_utf8(), format!("a letter that looks like `{shown}`: U+{:04X}", u32::from(c))));
    }
    let mixed = words(text).find_map(|(at, word)| {
        if word.is_single_script() {
            return None;
        }
        // Many languages mix alphabets, but nobody mixes two that look the same.
        let other = word.chars().find(|c| !c.is_ascii() && ascii(*c).is_some())?;
        let what =
            format!("a letter of another alphabet than the rest of the word `{word}`: U+{:04X}", u32::from(other));
        Some((at, word.len(), what))
    });
    mixed.or_else(|| {
        // In a text with other words of its alphabet, a word that could be ASCII is normal.
        let mut all = words(text).map(|(at, word)| Some((at, word, in_ascii(word)?)));
        let (at, word, shown) = all.next()??;
        let what =
            format!("a word of another alphabet that looks like `{shown}`: U+{:04X}", u32::from(word.chars().next()?));
        all.all(|word| word.is_some()).then_some((at, word.len(), what))
    })
}

/// Returns the ASCII text that a word of other letters looks like.
fn in_ascii(word: &str) -> Option<String> {
    word.chars().map(|c| if c.is_ascii() { None } else { ascii(c) }).collect()
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = text.as_ptr().addr();
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_ascii())
        .map(move |word| (word.as_ptr().addr() - start, word))
}

/// Returns the ASCII character that another one looks like, if nobody would write that other one in a name.
fn looks_like(c: char) -> Option<char> {
    if c.is_ascii() || (c.is_alphanumeric() && !is_styled(c)) {
        return None;
    }
    ascii(c)
}

/// Returns whether a Latin letter looks like ASCII letters: a dotless i, a ligature. Letters without an accent that whole languages use are
/// excluded, except the dotless i.
fn is_disguised(c: char) -> bool {
    let latin = matches!(c, '\u{c0}'..='\u{2af}' | '\u{1d00}'..='\u{1dbf}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}'
        | '\u{a720}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}' | '\u{fb00}'..='\u{fb06}');
    let of_languages = matches!(c, '\u{c6}' | '\u{e6}' | '\u{152}' | '\u{153}' | '\u{de}' | '\u{fe}');
    latin && !of_languages && {
        let mut letter = [0; 4];
        let mut shown = unicode_security::skeleton(c.encode_utf8(&mut letter)).peekable();
        shown.peek().is_some() && shown.all(|c| c.is_ascii_alphanumeric())
    }
}

/// Returns the ASCII character that another one looks like.
fn ascii(c: char) -> Option<char> {
    let shown: String = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect();
    let mut shown = shown.chars();
    let ascii = shown.next().filter(char::is_ascii_graphic)?;
    shown.next().is_none().then_some(ascii)
}

/// Returns whether a letter or digit is Latin in another style: full width, mathematical, raised, Roman numerals.
fn is_styled(c: char) -> bool {
    matches!(c, '\u{aa}' | '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{ba}' | '\u{2070}'..='\u{209f}' | '\u{2b0}'..='\u{2b8}'
        | '\u{ff01}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}' | '\u{2100}'..='\u{218f}' | '\u{1fbf0}'..='\u{1fbf9}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_read_as_it_is_is_found() {
        for text in [
            "/etc/pass\u{200b}wd",
            "/etc/pass\u{e0061}wd",
            "/etc/pass\u{ad}wd",
            "/etc/passwd\u{3164}",
            "/etc\u{a0}x",
            "\u{202e}x",
            "\u{feff}x",
            "/etc/p\u{430}sswd",
            "/etc/s\u{4bb}adow",
            "/etc\u{2215}shadow",
            "shop\u{2010}web",
            "a\u{2024}b",
            "\u{ff41}gent",
            "\u{1d41a}gent",
            "n\u{3bf}de",
            "x\u{fe0f}",
            "\u{2003}",
            "a\u{7f}",
            "\u{85}",
            "/etc/f\u{131}le",
            "\u{fb01}le",
            "o\u{fb03}ce",
            "\u{17f}rv",
            "\u{261}roup",
            "/srv/\u{441}\u{43e}\u{440}",
            "\u{430}",
            "\u{3bf}",
            "\u{ff45}\u{ff54}\u{ff43}",
            "admin\u{180e}",
        ] {
            assert!(in_text(text).is_some(), "{}", text.escape_unicode());
        }
        for text in [
            "/srv/\u{434}\u{430}\u{43d}\u{43d}\u{44b}\u{435}/log",
            "/srv/na\u{ef}ve",
            "/srv/\u{65e5}\u{672c}\u{8a9e}",
            "/srv/caf\u{e9} \u{fc}",
            "stra\u{df}e",
            "/a/\u{1f680}",
            "\u{65e5}\u{672c}\u{306e}",
            "10 \u{20ac}",
            "/srv/\u{434}\u{430}\u{43d}\u{43d}\u{44b}\u{435}/\u{430}",
            "/srv/\u{e6}r\u{f8}",
            "/srv/\u{de}\u{f3}r",
            "/srv/\u{142}\u{f3}d\u{17a}",
            "/srv/\u{111}",
        ] {
            assert_eq!(in_text(text), None, "{}", text.escape_unicode());
        }
    }
}
