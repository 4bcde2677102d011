//! Wildcards, variables and the like that are letters.

use cedar_policy::pst::Expr;
use rex_core::ValueSet;
use rex_core::values::{COMMAND_LINE, ENVIRONMENT, QUERY, SERVER, TAG, URL, URL_PATH, XATTR, XATTR_OR_ALL};

use super::placeholder::{has_arguments, is_padded};
use super::{CheckedPolicy, placeholder};
use crate::finding::Severity;
use crate::rule::Uid;

/// A sign in a text that has a meaning elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WildcardSign {
    Star,
    Stars,
    Question,
    Class,
    Braces,
    Variable,
    Tilde,
    Regex,
    Placeholder,
    Blank,
    Arguments,
}

/// The signs that count as a mistake in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignSet {
    /// All signs.
    All,
    /// Wildcards, `${name}` and `<name>`; other signs are letters in such a text.
    Stars,
    /// Wildcards, variables, placeholders, and blanks at the ends.
    Names,
    /// All signs, and arguments after a program.
    Programs,
}

/// Returns whether a text may have a sign that has a meaning elsewhere.
fn may_hold(text: &str) -> bool {
    let open = text.contains(['*', '?', '[', '{', '$', '~', '^', '\\', '+', '<', '%']);
    open || is_padded(text) || has_arguments(text) || placeholder::is_open(text)
}

/// Writes a text in quotes as policies do, with escapes for letters that look like wildcards or variables.
pub(crate) fn quoted(text: &str) -> String {
    let is_odd = |taken| sign(&letters(text), taken).is_some();
    let odd = may_hold(text) && [SignSet::Programs, SignSet::Names].into_iter().any(is_odd);
    if odd { format!("\"{}\"", escaped(text)) } else { rex_core::uid::quoted(text).to_string() }
}

/// Writes a pattern of these texts in the same way, with wildcards between them.
pub(crate) fn quoted_pattern(parts: &[&str]) -> String {
    let shown = parts.iter().map(|part| letters(part)).collect::<Vec<_>>().join(&None);
    // In a pattern, a star has its own escape.
    let odd = parts.iter().any(|part| may_hold(part)) && sign(&shown, SignSet::All).is_some();
    let part = |part: &&str| {
        let letters = |text: &str| if odd { escaped(text) } else { text.escape_debug().to_string() };
        part.split('*').map(letters).collect::<Vec<_>>().join("\\*")
    };
    format!("\"{}\"", parts.iter().map(part).collect::<Vec<_>>().join("*"))
}

/// Escapes letters that look like wildcards or variables, without adding quotes.
fn escaped(text: &str) -> String {
    let blanks = is_padded(text) || has_arguments(text);
    let first = placeholder::is_open(text);
    text.chars().enumerate().fold(String::with_capacity(text.len()), |text, (at, c)| match c {
        '*' | '?' | '[' | '{' | '$' | '~' | '^' | '+' | '<' | '%' => format!("{text}{}", c.escape_unicode()),
        c if (blanks && c == ' ') || (first && at == 0) => format!("{text}{}", c.escape_unicode()),
        '\'' => text + "'",
        c => format!("{text}{}", c.escape_debug()),
    })
}

/// Finds the first sign that counts in a text, and the part that it is. A wildcard of `like` is `None`.
fn sign(pattern: &[Option<char>], taken: SignSet) -> Option<(WildcardSign, String)> {
    let text: String = pattern.iter().map(|c| c.unwrap_or('\0')).collect();
    if pattern.contains(&Some('*')) {
        return Some((WildcardSign::Star, if text.contains("**") { "**" } else { "*" }.to_owned()));
    }
    if text.contains("\0\0") {
        return Some((WildcardSign::Stars, "**".to_owned()));
    }
    let filled_in = |part: String| (WildcardSign::Placeholder, part);
    let exact = !pattern.contains(&None);
    let padded = || (exact && is_padded(&text)).then(|| (WildcardSign::Blank, " ".to_owned()));
    match taken {
        SignSet::Stars => {
            let meant = |name: &String| name.starts_with("${");
            let variable = variable(&text).filter(meant).map(|name| (WildcardSign::Variable, name));
            return variable.or_else(|| placeholder::in_angles(&text).map(filled_in));
        }
        SignSet::Names => {
            let variable = variable(&text).map(|name| (WildcardSign::Variable, name));
            let open = || placeholder::is_open(&text).then(|| text.clone());
            return variable.or_else(|| placeholder::in_name(&text).or_else(open).map(filled_in)).or_else(padded);
        }
        SignSet::Programs if has_arguments(&text) => return Some((WildcardSign::Arguments, shown(pattern))),
        SignSet::All | SignSet::Programs => {}
    }
    let part = |open: char, close: char| {
        let start = text.find(open)?;
        let length = text.get(start..)?.find(close)?;
        text.get(start..=start + length).filter(|part| part.len() > 2).map(|part| part.replace('\0', "*"))
    };
    let backslash = ["\\d", "\\w", "\\s", "\\.", ".+", "[^"].into_iter().find(|part| text.contains(part));
    let anchor =
        || (text.len() > 1).then(|| text.starts_with('^').then_some("^").or(text.ends_with('$').then_some("$")))?;
    let home = text.split('/').find(|part| *part == "~" || (part.starts_with('~') && text.starts_with('~')));
    variable(&text)
        .map(|name| (WildcardSign::Variable, name))
        .or(home.map(|home| (WildcardSign::Tilde, home.replace('\0', "*"))))
        .or(backslash.or_else(anchor).map(|part| (WildcardSign::Regex, part.to_owned())))
        .or(text.contains('?').then(|| (WildcardSign::Question, "?".to_owned())))
        .or(part('[', ']').map(|part| (WildcardSign::Class, part)))
        .or(part('{', '}')
            .filter(|part| part.contains(',') || part.contains("..") || part.contains("{{"))
            .map(|part| (WildcardSign::Braces, part)))
        .or_else(|| placeholder::in_text(&text).map(filled_in))
        .or_else(padded)
}

/// Returns a variable as a shell or a template writes it: `$HOME`, `${user}`, `{{name}}`.
fn variable(text: &str) -> Option<String> {
    for (at, _) in text.match_indices('$') {
        let rest = text.get(at + 1..).unwrap_or_default();
        if let Some(name) = rest.strip_prefix(['{', '(']).and_then(|rest| rest.split(['}', ')']).next()) {
            return Some(text.get(at..at + name.len() + 3).unwrap_or(text).to_owned());
        }
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let upper = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if upper && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_') {
            return Some(format!("${name}"));
        }
    }
    text.contains("{{").then(|| text.split("{{").nth(1)?.split("}}").next().map(|name| format!("{{{{{name}}}}}")))?
}

/// Returns the pattern as people read it.
pub(super) fn shown(pattern: &[Option<char>]) -> String {
    pattern.iter().map(|c| c.unwrap_or('*')).collect()
}

/// Returns the pattern in quotes as in a policy, with an escape only for a literal star.
pub(super) fn raw(pattern: &[Option<char>]) -> String {
    let wild = pattern.contains(&None);
    let text: String = pattern
        .iter()
        .map(|c| match c {
            None => "*".to_owned(),
            Some('*') if wild => "\\*".to_owned(),
            Some(c @ ('\\' | '"')) => format!("\\{c}"),
            Some(c) => c.to_string(),
        })
        .collect();
    format!("\"{text}\"")
}

/// Returns what to write instead of a sign.
fn help(sign: WildcardSign, like: &str) -> String {
    match sign {
        WildcardSign::Star => format!(
            "a pattern goes by `like`: `{like}`; a name that really has the sign is written with an escape, `\\u{{2a}}`"
        ),
        WildcardSign::Stars => "one `*` matches any text, slashes included".to_owned(),
        WildcardSign::Question | WildcardSign::Class | WildcardSign::Regex => {
            format!(
                "the one wildcard is `*`, in `like`: `{like}`; a name that really has the sign is written with an escape, `\\u{{3f}}`"
            )
        }
        WildcardSign::Braces => "write a comparison for each, with `||` between".to_owned(),
        WildcardSign::Variable => {
            "a policy has no variables: write the value, or let the entities file name the members of a class".to_owned()
        }
        WildcardSign::Tilde => "`~` is not expanded: write the whole path of the home directory".to_owned(),
        WildcardSign::Placeholder => {
            "write the name that is meant; a name that really has the sign is written with an escape, `\\u{3c}`".to_owned()
        }
        WildcardSign::Blank => "leave it out; a name that really has it is written with an escape, `\\u{20}`".to_owned(),
        WildcardSign::Arguments => {
            "name the program alone, and ask for its arguments: `context.arguments == \"..\"`; a blank that the name really has is \
             written with an escape, `\\u{20}`"
                .to_owned()
        }
    }
}

/// Describes what a sign means where it is written.
fn meaning(sign: WildcardSign, place: &str) -> String {
    match sign {
        WildcardSign::Star => format!("is not a wildcard in {place}, which is compared letter by letter"),
        WildcardSign::Stars => "does not leave out a directory: the slash beside it is asked for".to_owned(),
        WildcardSign::Question | WildcardSign::Class | WildcardSign::Braces | WildcardSign::Regex => {
            format!("is not a pattern in {place}: it is compared letter by letter")
        }
        WildcardSign::Variable => format!("is not a variable in {place}: it is compared letter by letter"),
        WildcardSign::Tilde => format!("is not a home directory in {place}: it is compared letter by letter"),
        WildcardSign::Placeholder => format!("is not filled in: in {place}, it is compared letter by letter"),
        WildcardSign::Blank => format!("at its start or end is a letter in {place}"),
        WildcardSign::Arguments => format!("is the name of one file in {place}, blanks and all"),
    }
}

/// Writes the comparison for a pattern, with a star for whatever `like` does not know.
fn like(term: &str, pattern: &[Option<char>]) -> String {
    let (mut text, mut skip) = (String::new(), None);
    for c in pattern.iter().map(|c| c.unwrap_or('*')) {
        match (skip, c) {
            (Some(end), c) if c == end => skip = None,
            (Some(_), _) | (None, '^' | '$') => {}
            (None, '[') => (skip, text) = (Some(']'), text + "*"),
            (None, '{') => (skip, text) = (Some('}'), text + "*"),
            (None, '?') => text.push('*'),
            (None, c) => text.push(c),
        }
    }
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    format!("{term} like \"{text}\"")
}

/// Checks a text that something is compared with, and returns whether it reported a finding.
pub(super) fn text(
    look: &mut CheckedPolicy<'_>,
    (term, is_program): (&str, bool),
    pattern: &[Option<char>],
    is_like: bool,
    values: &[ValueSet],
    severity: Severity,
) -> bool {
    if !may_hold(&shown(pattern).replace('*', if pattern.contains(&Some('*')) { "*" } else { "" }))
        && !pattern.windows(2).any(|two| two == [None, None])
    {
        return false;
    }
    let taken = |values: &ValueSet| match values {
        ValueSet::Form(form) if [&COMMAND_LINE, &ENVIRONMENT, &QUERY].contains(form) => None,
        ValueSet::Form(form) if [&SERVER, &URL, &URL_PATH, &TAG, &XATTR, &XATTR_OR_ALL].contains(form) => {
            Some(SignSet::Stars)
        }
        ValueSet::Form(_) | ValueSet::Words(_) => Some(SignSet::All),
        ValueSet::Any | ValueSet::Range(..) => None,
    };
    let Some(taken) = values.iter().map(taken).collect::<Option<Vec<_>>>() else { return false };
    let taken = match is_program {
        _ if taken.contains(&SignSet::Stars) => SignSet::Stars,
        true => SignSet::Programs,
        false => SignSet::All,
    };
    let Some((sign, part)) = sign(pattern, taken) else { return false };
    let raw = raw(pattern);
    // A sign with an escape, or a star with one in a pattern, means the letter.
    if look.find(&raw).is_none() || (is_like && sign == WildcardSign::Star) {
        return false;
    }
    let place = if is_like { "`like`" } else { "`==`" };
    if sign == WildcardSign::Stars {
        let text = shown(pattern);
        let (severity, message) = match text.contains("**/") || text.contains("/**/") {
            true => (severity, format!("`**` in `{}` {}", text.escape_debug(), meaning(sign, place))),
            false => (Severity::Warning, format!("`**` in `{}` is the same as `*`", text.escape_debug())),
        };
        let help = format!("{}: `{}`", help(sign, ""), like(term, &collapsed(pattern)));
        look.add(Some("REX012"), severity, &raw, message, &help);
        return true;
    }
    let message = message(&part, &shown(pattern), meaning(sign, place));
    look.add(Some("REX012"), severity, &raw, message, &help(sign, &like(term, pattern)));
    true
}

fn message(part: &str, text: &str, meaning: String) -> String {
    let (part, text) = (part.escape_debug(), text.escape_debug());
    if part.to_string() == text.to_string() {
        format!("`{text}` {meaning}")
    } else {
        format!("`{part}` in `{text}` {meaning}")
    }
}

/// Returns the pattern with a star for `**/`.
fn collapsed(pattern: &[Option<char>]) -> Vec<Option<char>> {
    let mut text = shown(pattern);
    while text.contains("**/") {
        text = text.replace("**/*", "*").replace("**/", "*");
    }
    text.chars().map(|c| (c != '*').then_some(c)).collect()
}

fn letters(id: &str) -> Vec<Option<char>> {
    id.chars().map(Some).collect()
}

/// Returns the signs that count as a mistake in ids of a type.
fn taken_in(kind: &str) -> SignSet {
    match kind {
        "net::Url" => SignSet::Stars,
        "Agent" | "User" | "Group" => SignSet::Names,
        "process::Program" => SignSet::Programs,
        _ => SignSet::All,
    }
}

/// Returns the attribute that equals the id of a resource.
fn attribute(kind: &str) -> &'static str {
    match kind {
        "fs::Path" | "process::Program" => "resource.path",
        "net::Url" => "resource.url",
        _ => "resource.name",
    }
}

/// Describes what to write instead of an id that looks like a pattern, by its type.
fn instead_of(uid: &Uid, sign: WildcardSign) -> String {
    let id = &*uid.id;
    let all_in =
        id.strip_suffix("/**").or_else(|| id.strip_suffix("/*")).filter(|base| !base.contains(['*', '?', '[', '{']));
    match (&*uid.kind, sign, all_in) {
        ("Agent" | "User" | "Group", WildcardSign::Star, _) => {
            "whoever it is about can be put in a group by the entities file: `principal in Group::\"..\"`".to_owned()
        }
        ("fs::Path" | "process::Program", WildcardSign::Star, Some(base)) => {
            let base = if base.is_empty() { "/" } else { base };
            format!("`resource in {}::\"{base}\"` is that directory and all below it", uid.kind)
        }
        ("net::Url", WildcardSign::Star, Some(base)) => format!("`resource in net::Url::\"{base}/\"` is all below it"),
        ("net::Host", WildcardSign::Star, _) if id.strip_prefix("*.").is_some_and(|rest| !rest.contains('*')) => {
            format!("`resource in net::Host::\"{}\"` is the domain and all below it", id.trim_start_matches("*."))
        }
        (kind, ..) if kind.ends_with("::Class") => "a class is named as the entities file names it".to_owned(),
        (kind, ..) => help(sign, &format!("when {{ {} }}", like(attribute(kind), &letters(id)))),
    }
}

/// Returns the help for a rejected id that looks like a pattern.
pub(super) fn instead(uid: &Uid) -> Option<String> {
    if uid.kind.ends_with("::Action") || &*uid.kind == "process::Process" || !may_hold(&uid.id) {
        return None;
    }
    sign(&letters(&uid.id), taken_in(&uid.kind)).map(|(sign, _)| instead_of(uid, sign))
}

/// Checks an id that is valid by its form.
pub(super) fn id(look: &mut CheckedPolicy<'_>, uid: &Uid, syntax: Option<&Expr>) {
    if uid.kind.ends_with("::Action") || !may_hold(&uid.id) {
        return;
    }
    let Some((sign, part)) = sign(&letters(&uid.id), taken_in(&uid.kind)) else { return };
    // A sign with an escape means the letter.
    let quoted = format!("\"{}\"", uid.id);
    if look.find(&quoted).is_none() {
        return;
    }
    let excepted = syntax.is_some_and(|syntax| is_excepted(syntax, true, uid));
    let severity = look.severity(true, Some(!excepted));
    let message = message(&part, &uid.id, meaning(sign, "an id"));
    look.add(Some("REX012"), severity, &format!("{}::{quoted}", uid.kind), message, &instead_of(uid, sign));
}

/// Returns whether a condition must be false for an entity, so that the policy excludes it.
pub(super) fn is_excepted(expr: &Expr, holds: bool, uid: &Uid) -> bool {
    use cedar_policy::pst::{BinaryOp, Literal, UnaryOp};
    match expr {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => is_excepted(expr, !holds, uid),
        Expr::BinaryOp { op: BinaryOp::NotEq, left, right } => {
            is_excepted(left, !holds, uid) || is_excepted(right, !holds, uid)
        }
        Expr::BinaryOp { left, right, .. } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
            is_excepted(left, holds, uid) || is_excepted(right, holds, uid)
        }
        Expr::Set(members) => members.iter().any(|member| is_excepted(member, holds, uid)),
        Expr::Literal(Literal::EntityUID(named)) => !holds && crate::rule::literal(named) == *uid,
        _ => false,
    }
}

/// Returns message and help for an id of the entities file that is a pattern.
pub(crate) fn in_entities(uid: &Uid) -> Option<(String, String)> {
    if !may_hold(&uid.id) {
        return None;
    }
    let (sign, part) = sign(&letters(&uid.id), taken_in(&uid.kind))?;
    let message = message(&part, &uid.id, meaning(sign, "an id"));
    let help = "name each member, or ask for a pattern in the policy: `when { resource.path like \"..\" }`".to_owned();
    Some((message, help))
}
