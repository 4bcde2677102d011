//! Untrusted texts, made safe to show.

use std::borrow::Cow;

pub use rex_core::text::is_invisible as is_hidden;

/// Escapes hidden characters, so that a text stays on one line and shows everything.
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
