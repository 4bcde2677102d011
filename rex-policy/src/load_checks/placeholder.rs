//! Placeholders to fill in, `<name>`, `{name}`, `%s`, `TODO`, and text that does not belong to a name.

/// Returns whether the whole text is a placeholder.
pub(super) fn is_open(text: &str) -> bool {
    ["TODO", "FIXME", "XXX", "TBD", "CHANGEME", "CHANGE_ME", "CHANGE-ME", "REPLACE_ME", "REPLACEME"].contains(&text)
}

/// Returns the placeholder in the name of a principal.
pub(super) fn in_name(text: &str) -> Option<String> {
    in_text(text).or_else(|| between(text, '{', '}'))
}

/// Returns the placeholder in another text. Names of files may have braces, as those of routes do.
pub(super) fn in_text(text: &str) -> Option<String> {
    in_angles(text).or_else(|| format(text))
}

/// Finds `<name>`.
pub(super) fn in_angles(text: &str) -> Option<String> {
    between(text, '<', '>')
}

/// Returns a word between two signs, with the signs.
fn between(text: &str, open: char, close: char) -> Option<String> {
    text.match_indices(open).find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let part = rest.get(..=rest.find(close)?)?;
        let word = part.trim_matches([open, close]);
        let legal = |c: char| c.is_alphanumeric() || "_-. ".contains(c);
        (word.starts_with(char::is_alphabetic) && word.chars().all(legal)).then(|| part.to_owned())
    })
}

/// Finds `%s`, as in `printf` and service managers.
fn format(text: &str) -> Option<String> {
    text.match_indices('%').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let letter = rest.chars().next().filter(|letter| "sduihn".contains(*letter))?;
        let ends = !rest.get(1..)?.starts_with(char::is_alphanumeric);
        ends.then(|| format!("%{letter}"))
    })
}

/// Returns whether a text starts or ends with a blank.
pub(super) fn is_padded(text: &str) -> bool {
    text.trim() != text
}

/// Returns whether a text is a program with its arguments: an option follows a blank, or the directory is one whose programs have no blanks
/// in their names.
pub(super) fn has_arguments(text: &str) -> bool {
    let Some((program, rest)) = text.split_once(' ') else { return false };
    let directory = program.rsplit_once('/').map(|(directory, _)| directory);
    let known = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    directory.is_some_and(|directory| {
        text.starts_with('/') && (known.contains(&directory) || rest.starts_with('-')) && !rest.trim().is_empty()
    })
}
