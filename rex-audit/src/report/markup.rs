//! Texts in a page.

use std::fmt::{self, Display, Write};

use crate::text::is_hidden;

/// A text for a page, also for an attribute: nothing in it is markup, and nothing hides or reorders what is around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MarkupText<'a>(pub(super) &'a str);

impl Display for MarkupText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_char(' ')?,
                c if is_hidden(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_is_text() {
        let text = MarkupText("</script><img src=x onerror='alert(\"1\")'>&lt;\n\u{202e}\0").to_string();
        assert_eq!(
            text,
            "&lt;/script&gt;&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt;&amp;lt;\\n\\u{202e}\\u{0}"
        );
    }

    proptest! {
        #[test]
        fn no_text_is_markup(text in "\\PC*|[<>&\"'a-z\\x00-\\x1f]*") {
            let shown = MarkupText(&text).to_string();
            prop_assert!(!shown.contains(['<', '>', '"', '\'', '\n', '\0']), "{}", shown);
            let rest = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().fold(shown, |rest, known| rest.replace(known, ""));
            prop_assert!(!rest.contains('&'), "{}", rest);
        }
    }
}
