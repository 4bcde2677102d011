//! Paths that are links on nearly every host.

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem};

use super::{CheckedPolicy, about};
use crate::finding::Severity;
use crate::rule::{Uid, literal, walk};

/// Directories that exist only for their old names, and the directories to which they lead.
const ALIASES: &[(&str, &str)] = &[
    ("/bin", "/usr/bin"),
    ("/sbin", "/usr/sbin"),
    ("/lib", "/usr/lib"),
    ("/lib32", "/usr/lib32"),
    ("/lib64", "/usr/lib64"),
    ("/libx32", "/usr/libx32"),
    ("/var/run", "/run"),
    ("/var/lock", "/run/lock"),
    ("/dev/fd", "/proc/self/fd"),
];

/// A path below a link of nearly every host, or a pattern that starts there.
pub(super) struct AliasedPath {
    alias: &'static str,
    real: String,
}

/// Returns the target of a path below such a link.
pub(super) fn leads_elsewhere(path: &str) -> Option<AliasedPath> {
    let below = |(alias, _): &&(&str, &str)| {
        path.strip_prefix(*alias).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (alias, target) = ALIASES.iter().find(below)?;
    Some(AliasedPath { alias, real: path.replacen(alias, target, 1) })
}

/// Checks an id.
pub(super) fn id(look: &mut CheckedPolicy<'_>, uid: &Uid) {
    if ["fs::Path", "process::Program"].contains(&&*uid.kind)
        && let Some(elsewhere) = leads_elsewhere(&uid.id)
    {
        elsewhere.tell(look, &format!("{}::\"{}\"", uid.kind, uid.id), &uid.id);
    }
}

impl AliasedPath {
    /// Reports a path, unless its target is another one of the same alternatives.
    pub(super) fn tell(&self, look: &mut CheckedPolicy<'_>, needle: &str, path: &str) {
        if look.syntax.is_some_and(|syntax| self.is_beside(syntax, path)) {
            return;
        }
        let Self { alias, real } = self;
        let message = format!("`{alias}` is a link on most hosts, and a request never has the name of a link");
        let help = format!("did you mean `{real}`? `rex doctor --policy` tells where it leads on this host");
        look.add(Some("REX017"), Severity::Warning, needle, message, &help);
    }

    fn is_beside(&self, syntax: &Expr, path: &str) -> bool {
        let is_real = |other: &String| {
            let rest = self.real.strip_prefix(other.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut found = false;
        walk(syntax, &mut |expr| {
            let several = matches!(expr, Expr::Set(_) | Expr::BinaryOp { op: BinaryOp::Or, .. });
            if several && !found {
                let named = named(expr);
                found = named.iter().any(|other| other == path) && named.iter().any(is_real);
            }
        });
        found
    }
}

/// Returns all texts and ids in an expression.
fn named(expr: &Expr) -> Vec<String> {
    let mut named = Vec::new();
    walk(expr, &mut |expr| match expr {
        Expr::Literal(Literal::String(text)) => named.push(text.to_string()),
        Expr::Literal(Literal::EntityUID(uid)) => named.push(literal(uid).id.into()),
        Expr::Like { pattern, .. } => {
            let letter = |element: &PatternElem| about::letter(element).unwrap_or('*');
            named.push(pattern.iter().map(letter).collect());
        }
        _ => {}
    });
    named
}
