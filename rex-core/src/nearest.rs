//! Suggestions for unknown names.

/// Maximum number of characters by which a suggestion differs.
const NEAR: usize = 2;

/// Suggests the nearest name, if one is near enough.
pub fn did_you_mean<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, names).map(|name| format!("did you mean `{name}`?"))
}

/// Returns the first of the nearest names, ignoring case. At most half of the characters of the name may differ.
fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let length = written.chars().count();
    // The namespace before a name does not count.
    let own = written.rsplit("::").next().map_or(0, |name| name.chars().count());
    let near = names.into_iter().filter_map(|name| {
        let lower = name.to_lowercase();
        // The lengths alone differ too much.
        if lower.chars().count().abs_diff(length) > NEAR {
            return None;
        }
        let distance = distance(&written, &lower);
        (distance <= NEAR && 2 * distance <= own).then_some((distance, name))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Returns the number of characters to insert, delete or replace to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (number, a) in from.chars().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to.chars()) {
            let above = *cell;
            let here = (diagonal + usize::from(a != b)).min(above + 1).min(left + 1);
            (diagonal, left, *cell) = (above, here, here);
        }
        if let Some(first) = row.first_mut() {
            *first = number + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_found() {
        let names = ["fs::read", "fs::read_link", "fs::du", "sys::cpu", "sys::cpus", "first", "é"];
        for (written, expected) in [
            ("fs::raed", Some("fs::read")),
            ("fs::READ", Some("fs::read")),
            ("fss::read", Some("fs::read")),
            ("fs::readlink", Some("fs::read_link")),
            ("sys::cpux", Some("sys::cpu")),
            ("frist", Some("first")),
            ("fs::dx", Some("fs::du")),
            ("fs::x", None),
            ("x", None),
            ("", None),
            ("fs::remove", None),
            ("É", Some("é")),
        ] {
            assert_eq!(nearest(written, names), expected, "{written}");
        }
        assert_eq!(nearest("first", []), None);
        assert_eq!(did_you_mean("frist", names).as_deref(), Some("did you mean `first`?"));
        assert_eq!(nearest(&"x".repeat(1 << 20), names), None);
    }

    #[test]
    fn distances() {
        for (from, to, expected) in
            [("", "", 0), ("", "ab", 2), ("ab", "", 2), ("ab", "ba", 2), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(from, to), distance(to, from)), (expected, expected), "{from} {to}");
        }
    }
}
