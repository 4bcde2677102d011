//! Values that a fact or an attribute never has.

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem};
use rex_core::Values;
use rex_core::values::{DIRECTORY, EXTENSION, NAME, PATH, PROGRAM};

use super::about::{About, Term};
use super::{Look, leads_elsewhere, wild};
use crate::finding::{Severity, visible};
use crate::rule::Uid;

/// A text that something is compared with.
struct Compared<'e> {
    term: Term<'e>,
    pattern: Vec<Option<char>>,
    /// Whether it is `like` the text, and not equal to it.
    like: bool,
    /// Whether the comparison is true of what is other than the text.
    differs: bool,
}

/// The values that are paths.
const PATHS: [Values; 3] = [Values::Form(&PATH), Values::Form(&PROGRAM), Values::Form(&DIRECTORY)];

/// The values that are names of files, or parts of such names.
const NAMES: [Values; 5] = [PATHS[0], PATHS[1], PATHS[2], Values::Form(&NAME), Values::Form(&EXTENSION)];

/// The text with its bytes that are not UTF-8 spelled as names have them, `\xE9`, if it has one in another case.
pub(super) fn upper_bytes(text: &str) -> Option<String> {
    let mut parts = text.split("\\x");
    let first = parts.next().unwrap_or_default().to_owned();
    let upper = parts.fold(first, |text, part| {
        let spelled = part.split_at_checked(2).map(|(digits, rest)| (digits.to_ascii_uppercase(), rest));
        let byte = |digits: &str| u8::from_str_radix(digits, 16).is_ok_and(|byte| byte >= 0x80 || byte == b'\\');
        match spelled.filter(|(digits, _)| byte(digits)) {
            Some((digits, rest)) => format!("{text}\\x{digits}{rest}"),
            None => format!("{text}\\x{part}"),
        }
    });
    (upper != text).then_some(upper)
}

/// What to tell of a byte that is spelled in lower case.
pub(super) fn lower_bytes(text: &str) -> Option<(String, String)> {
    let upper = upper_bytes(text)?;
    let message = format!("`{}` spells a byte in lower case, which names never do", visible(text));
    let help = format!(
        "did you mean `{}`? whoever means the letters writes the backslash as `\\u{{5c}}`",
        visible(&upper).replace('\\', "\\\\")
    );
    Some((message, help))
}

/// Looks at one comparison.
pub(super) fn check(look: &mut Look<'_>, about: &About, expr: &Expr, holds: Option<bool>) {
    for compared in compared(expr) {
        let values = about.values(compared.term);
        if values.is_empty() {
            continue;
        }
        let holds = holds.map(|holds| holds != compared.differs);
        let severity = look.severity(true, holds);
        if wild::text(look, &compared.term.text(), &compared.pattern, compared.like, &values, severity) {
            continue;
        }
        if values.iter().all(|values| !values.has_like(&compared.pattern)) {
            never(look, about, &compared, &values, severity);
            continue;
        }
        let raw = wild::raw(&compared.pattern);
        if values.iter().all(|values| NAMES.contains(values))
            && let Some((message, help)) =
                lower_bytes(&wild::shown(&compared.pattern)).filter(|_| look.find(&raw).is_some())
        {
            look.add(Some("REX013"), severity, &raw, message, &help);
        }
        if values.iter().all(|values| PATHS.contains(values))
            && let Some((message, help)) = leads_elsewhere(&wild::shown(&compared.pattern))
        {
            look.add(Some("REX017"), Severity::Warning, &raw, message, &help);
        }
    }
    directory(look, expr);
}

fn never(look: &mut Look<'_>, about: &About, compared: &Compared<'_>, values: &[Values], severity: Severity) {
    let text = wild::shown(&compared.pattern);
    // Of paths, it always was an error.
    let paths = |spec: &&rex_core::ActionSpec| ["Path", "Program"].contains(&spec.resource.name);
    let severity = match compared.term {
        Term::Resource("path" | "name" | "extension") if about.actions.iter().all(paths) => Severity::Error,
        _ => severity,
    };
    let like = if compared.like { " like" } else { "" };
    let message = format!("`{}` is never{like} `{}`", compared.term.text(), visible(&text));
    let mut help: Vec<String> = Vec::new();
    for values in values {
        let said = format!("it is {values}");
        if !help.contains(&said) {
            help.push(said);
        }
    }
    let mut help = help.join(", or ");
    let meant = (!compared.like).then(|| values.iter().find_map(|values| values.meant(&text))).flatten();
    if let Some(meant) = meant {
        help = format!("did you mean `{}`? {help}", visible(&meant));
    }
    look.add(Some("REX013"), severity, &wild::raw(&compared.pattern), message, &help);
}

fn exact(text: &str) -> Vec<Option<char>> {
    text.chars().map(Some).collect()
}

fn texts(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Literal(Literal::String(text)) => vec![text.as_str()],
        Expr::Set(members) => members.iter().flat_map(|member| texts(member)).collect(),
        _ => Vec::new(),
    }
}

/// The texts that an expression compares something with.
fn compared(expr: &Expr) -> Vec<Compared<'_>> {
    let all = |term: &'_ Expr, with: &Expr, differs: bool| -> Vec<(Vec<Option<char>>, bool)> {
        if Term::of(term).is_none() {
            Vec::new()
        } else {
            texts(with).into_iter().map(|text| (exact(text), differs)).collect()
        }
    };
    let (term, found, like) = match expr {
        Expr::Like { expr, pattern } => {
            let pattern = pattern.iter().map(|element| match element {
                PatternElem::Char(c) => Some(*c),
                PatternElem::Wildcard => None,
            });
            (expr, vec![(pattern.collect(), false)], true)
        }
        Expr::BinaryOp { op: op @ (BinaryOp::Eq | BinaryOp::NotEq), left, right } => {
            let differs = *op == BinaryOp::NotEq;
            let term = if Term::of(left).is_some() { left } else { right };
            let with = if Term::of(left).is_some() { right } else { left };
            (term, all(term, with, differs), false)
        }
        // A set of texts contains the term, or the term is a set that contains a text.
        Expr::BinaryOp { op: BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny, left, right } => {
            let term = if Term::of(left).is_some() { left } else { right };
            let with = if Term::of(left).is_some() { right } else { left };
            (term, all(term, with, false), false)
        }
        _ => return Vec::new(),
    };
    let Some(term) = Term::of(term) else { return Vec::new() };
    found.into_iter().map(|(pattern, differs)| Compared { term, pattern, like, differs }).collect()
}

/// Looks for `resource in` a URL that is no directory.
fn directory(look: &mut Look<'_>, expr: &Expr) {
    let (Expr::BinaryOp { op: BinaryOp::In, right, .. } | Expr::Is { in_expr: Some(right), .. }) = expr else { return };
    let uids: Vec<Uid> = match &**right {
        Expr::Literal(Literal::EntityUID(uid)) => vec![crate::rule::literal(uid)],
        Expr::Set(members) => members
            .iter()
            .filter_map(|member| match &**member {
                Expr::Literal(Literal::EntityUID(uid)) => Some(crate::rule::literal(uid)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    uids.iter().for_each(|uid| without_slash(look, uid));
}

/// Tells of a URL without a slash at its end that something is to be in.
pub(super) fn without_slash(look: &mut Look<'_>, uid: &Uid) {
    let last = uid.id.rsplit('/').next().unwrap_or_default();
    // What has an extension is no directory, and what has a query names one answer.
    if &*uid.kind != "net::Url" || last.is_empty() || last.contains(['.', '?']) {
        return;
    }
    let message = format!("nothing but its queries is in `{}`", uid.id.escape_debug());
    let help = format!("a directory of URLs ends with a slash: `net::Url::\"{}/\"`", uid.id.escape_debug());
    look.add(Some("REX013"), Severity::Warning, &format!("{}::\"{}\"", uid.kind, uid.id), message, &help);
}
