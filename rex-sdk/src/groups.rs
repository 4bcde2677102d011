//! The groups of a pattern that a replacement names.

use std::cell::RefCell;

use regex_automata::util::interpolate;
use rex_core::Error;

/// Checks that a pattern has every group that a replacement names: `count` groups, including the whole match; `index`
/// returns the number of a named one. `$1x` is the group `1x`.
///
/// # Errors
/// If a group is missing.
pub fn known_groups(replacement: &str, count: usize, index: &dyn Fn(&str) -> Option<usize>) -> Result<(), Error> {
    let unknown = RefCell::new(None);
    let note = |name: String| {
        unknown.borrow_mut().get_or_insert(name);
    };
    let numbered = |index: usize, _: &mut String| {
        if index >= count {
            note(index.to_string());
        }
    };
    let named = |name: &str| {
        let index = index(name);
        if index.is_none() {
            note(name.to_owned());
        }
        index
    };
    interpolate::string(replacement, numbered, named, &mut String::new());
    unknown.into_inner().map_or(Ok(()), |name: String| Err(lacks(&name)))
}

fn lacks(name: &str) -> Error {
    const SHOWN: usize = 60;
    let cut = if name.chars().nth(SHOWN).is_some() { "…" } else { "" };
    let shown: String = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let (digits, rest) = name.split_at(name.bytes().take_while(u8::is_ascii_digit).count());
    let help = if digits.is_empty() || rest.is_empty() {
        "a dollar sign is written as `$$`".to_owned()
    } else {
        format!("`${{{digits}}}{rest}` is group {digits} and what follows it")
    };
    Error::validation(format!("the pattern has no group `{shown}{cut}`")).with_help(help)
}
