//! Characters of untrusted texts.

/// Returns whether a character takes no space, moves what is shown, or changes the direction of the text: a control character, one that
/// is default-ignorable in Unicode (`Default_Ignorable_Code_Point` of DerivedCoreProperties), a filler, or a mark of direction.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::is_invisible;

    #[test]
    fn what_is_not_seen_is_told_from_what_is() {
        for c in [
            '\n',
            '\u{1b}',
            '\u{ad}',
            '\u{200b}',
            '\u{202e}',
            '\u{206a}',
            '\u{3164}',
            '\u{feff}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            assert!(is_invisible(c), "{}", c.escape_unicode());
        }
        for c in ['a', ' ', 'é', '日', '🎉', '\u{fffd}', '\u{3000}', 'ا'] {
            assert!(!is_invisible(c), "{}", c.escape_unicode());
        }
    }
}
