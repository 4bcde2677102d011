//! Texts of strangers, as they may be shown.

use std::borrow::Cow;

/// Whether a character would move what is shown, turn its order around, or not be seen.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text that stays in its line, and shows all that is in it.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return text.into();
    }
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if is_hidden(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
            out
        })
        .into()
}
