//! Values that a fact or an attribute never has.

use cedar_policy::pst::{BinaryOp, Expr, Literal};
use rex_core::action::process;
use rex_core::process::Program;
use rex_core::values::{DIRECTORY, EXTENSION, NAME, PATH, PROGRAM, URL, URL_PATH};
use rex_core::{Action, Resource, ValueSet};

use super::about::{ComparedTerm, PossibleActions};
use super::alias::leads_elsewhere;
use super::compared::{ComparedConstant, ComparedWith, compared};
use super::{CheckedPolicy, walk, wildcards};
use crate::finding::{Severity, visible};
use crate::rule::Uid;

/// Values that are paths.
const PATHS: [ValueSet; 3] = [ValueSet::Form(&PATH), ValueSet::Form(&PROGRAM), ValueSet::Form(&DIRECTORY)];

/// Values that are names of files, or parts of such names.
const NAMES: [ValueSet; 5] = [PATHS[0], PATHS[1], PATHS[2], ValueSet::Form(&NAME), ValueSet::Form(&EXTENSION)];

/// Returns the text with its escaped bytes in upper case, `\xE9`, as names spell them; `None` if they already are.
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

/// Returns message and help for a lower-case byte.
pub(super) fn lower_bytes(text: &str) -> Option<(String, String)> {
    let upper = upper_bytes(text)?;
    let message = format!("`{}` spells a byte in lower case, which names never do", visible(text));
    let help = format!(
        "did you mean `{}`? whoever means the letters writes the backslash as `\\u{{5c}}`",
        visible(&upper).replace('\\', "\\\\")
    );
    Some((message, help))
}

/// Checks one comparison.
pub(super) fn check(look: &mut CheckedPolicy<'_>, about: &PossibleActions, expr: &Expr, holds: Option<bool>) {
    for compared in compared(expr) {
        let all: Vec<_> = compared.terms.iter().map(|term| about.values(*term)).collect();
        if all.iter().any(Vec::is_empty) {
            continue;
        }
        let (Some(term), values) = (compared.terms.first(), all.concat()) else { continue };
        let severity = look.severity(true, holds.map(|holds| holds != compared.differs));
        if !compared.differs && holds != Some(false) {
            own_user(look, about, &compared);
        }
        match &compared.with {
            ComparedWith::Text(text) => of_text(look, about, (*term, text, false), &values, severity),
            ComparedWith::Pattern(pattern) => of_text(look, about, (*term, pattern, true), &values, severity),
            // A comparison with a single number is reported elsewhere, as never true.
            ComparedWith::Number(number)
                if compared.one_of && !values.iter().any(|values| values.has_number(*number)) =>
            {
                let message = format!("`{}` is never `{number}`", term.text());
                look.add(Some("REX013"), severity, &number.to_string(), message, &they_are(&values));
            }
            ComparedWith::Number(_) => {}
        }
    }
    directory(look, expr);
}

/// Checks a `forbid` of programs that run as `root`: a program started without a user runs as that of Rex, which often is `root`.
fn own_user(look: &mut CheckedPolicy<'_>, about: &PossibleActions, compared: &ComparedConstant<'_>) {
    let is_of_user = |compared: &ComparedConstant<'_>, name: &str| {
        let is_name = |text: &[Option<char>]| text.iter().copied().eq(name.chars().map(Some));
        compared.terms == [ComparedTerm::Context("user")]
            && matches!(&compared.with, ComparedWith::Text(text) if is_name(text))
    };
    if look.permit || !is_of_user(compared, "root") || !about.actions.contains(&process::Run::SPEC) {
        return;
    }
    let mut names_own = false;
    if let Some(syntax) = look.syntax {
        walk(syntax, &mut |expr| names_own |= self::compared(expr).iter().any(|compared| is_of_user(compared, "")));
    }
    if !names_own {
        let message = "`context.user` is empty where a program gets the rights of the user that Rex runs as, also if that is `root`";
        let help = "where Rex runs as `root`, `[\"\", \"root\"].contains(context.user)` asks for both";
        look.add(Some("REX013"), Severity::Warning, "\"root\"", message.to_owned(), help);
    }
}

/// Checks a text, or a pattern of `like`, that something is compared with.
fn of_text(
    look: &mut CheckedPolicy<'_>,
    about: &PossibleActions,
    (term, pattern, like): (ComparedTerm<'_>, &[Option<char>], bool),
    values: &[ValueSet],
    severity: Severity,
) {
    let is_program =
        term == ComparedTerm::Resource("path") && about.actions.iter().all(|spec| spec.resource == Program::SPEC);
    if wildcards::text(look, (&term.text(), is_program), pattern, like, values, severity) {
        return;
    }
    if values.iter().all(|values| !values.has_like(pattern)) {
        never(look, about, (term, pattern, like), values, severity);
        return;
    }
    let (raw, shown) = (wildcards::raw(pattern), wildcards::shown(pattern));
    let all_are = |known: &[ValueSet]| values.iter().all(|values| known.contains(values));
    if all_are(&NAMES)
        && let Some((message, help)) = lower_bytes(&shown).filter(|_| look.find(&raw).is_some())
    {
        look.add(Some("REX013"), severity, &raw, message, &help);
    }
    if all_are(&PATHS)
        && let Some(elsewhere) = leads_elsewhere(&shown)
    {
        elsewhere.tell(look, &raw, &shown);
    }
}

fn never(
    look: &mut CheckedPolicy<'_>,
    about: &PossibleActions,
    (term, pattern, like): (ComparedTerm<'_>, &[Option<char>], bool),
    values: &[ValueSet],
    severity: Severity,
) {
    let text = wildcards::shown(pattern);
    // For paths, this always was an error.
    let paths = |spec: &&rex_core::ActionSpec| ["Path", "Program"].contains(&spec.resource.name);
    let severity = match term {
        ComparedTerm::Resource("path" | "name" | "extension") if about.actions.iter().all(paths) => Severity::Error,
        _ => severity,
    };
    let message = format!("`{}` is never{} `{}`", term.text(), if like { " like" } else { "" }, visible(&text));
    // A URL may contain a star.
    let meant = |values: &&ValueSet| !like || [ValueSet::Form(&URL), ValueSet::Form(&URL_PATH)].contains(values);
    let meant = values.iter().filter(meant).find_map(|values| values.meant(&text));
    let help = match meant {
        Some(meant) => format!("did you mean `{}`? {}", visible(&meant), they_are(values)),
        None => they_are(values),
    };
    look.add(Some("REX013"), severity, &wildcards::raw(pattern), message, &help);
}

/// Describes the values that something has.
fn they_are(values: &[ValueSet]) -> String {
    let mut help: Vec<String> = Vec::new();
    for values in values {
        let said = format!("it is {values}");
        if !help.contains(&said) {
            help.push(said);
        }
    }
    help.join(", or ")
}

/// Looks for `resource in` with a URL that is not a directory.
fn directory(look: &mut CheckedPolicy<'_>, expr: &Expr) {
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

/// Reports a URL without a final slash that resources must be in.
pub(super) fn without_slash(look: &mut CheckedPolicy<'_>, uid: &Uid) {
    let last = uid.id.rsplit('/').next().unwrap_or_default();
    // A URL with an extension is not a directory, and one with a query names a single response.
    if &*uid.kind != "net::Url" || last.is_empty() || last.contains(['.', '?']) || look.asks_for("query") {
        return;
    }
    let message = format!("nothing but its queries is in `{}`", uid.id.escape_debug());
    let help = format!("a directory of URLs ends with a slash: `net::Url::\"{}/\"`", uid.id.escape_debug());
    look.add(Some("REX013"), Severity::Warning, &format!("{}::\"{}\"", uid.kind, uid.id), message, &help);
}
