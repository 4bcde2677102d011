//! What Cedar's validator cannot know: names that no request ever has, classes that nobody declared.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, Var};

use crate::compile::File;
use crate::finding::{Finding, Severity};
use crate::members::{Members, check_id};
use crate::rule::{Uid, literal, of_resource, syntax, walk};
use crate::vocabulary::{GROUP, Vocabulary, canonical};

/// What policies are checked against.
pub(crate) struct Lint<'a> {
    /// The types of what has members only if the entities file says so.
    named_by_owner: HashSet<String>,
    /// Whether `path` is that of a path wherever it is, and `name` and `extension` too.
    has_paths: bool,
    has_names: bool,
    /// The types whose resources are in others of their type.
    nested: HashSet<String>,
    members: &'a Members,
}

impl<'a> Lint<'a> {
    pub(crate) fn new(vocabulary: &Vocabulary, members: &'a Members) -> Self {
        let resources = vocabulary.resources();
        let classes = resources
            .iter()
            .filter_map(|resource| resource.class.map(|class| format!("{}::{class}", resource.namespace)));
        let named_by_owner = classes.chain([GROUP.to_owned()]).collect();
        // Elsewhere, an attribute of that name may be anything.
        let only_of = |kinds: &[&str], names: &[&str]| {
            resources.iter().all(|resource| {
                kinds.contains(&&*resource.to_string())
                    || resource.attributes.iter().all(|attribute| !names.contains(&attribute.name))
            })
        };
        let nested = resources.iter().filter(|resource| resource.nested).map(ToString::to_string).collect();
        Self {
            named_by_owner,
            has_paths: only_of(&["fs::Path"], &["path"]),
            has_names: only_of(&["fs::Path", "service::Unit"], &["name", "extension"]),
            nested,
            members,
        }
    }

    /// Looks at the entities and paths that a policy names.
    pub(crate) fn policy(&self, file: &File, number: usize, id: &Arc<str>, policy: &Policy) -> Vec<Finding> {
        let statement = file.place(number);
        let mut findings = Vec::new();
        for uid in policy.entity_literals() {
            let uid = Uid::from(&uid);
            let place = find(file, statement, &format!("{}::\"{}\"", uid.kind, uid.id)).or(statement);
            findings.extend(check_id(&file.text, || place, &uid));
            if self.named_by_owner.contains(&*uid.kind) && !self.members.names(&uid) {
                let message = format!("nothing is in `{}::\"{}\"`", uid.kind, uid.id.escape_debug());
                findings.push(
                    Finding::new(Severity::Warning, &file.text, place, message).with_help(
                        "what the entities file does not put in it is not in it, so this applies to nothing",
                    ),
                );
            }
        }
        if let Some(syntax) = syntax(policy) {
            walk(&syntax, &mut |expr| {
                if let Some((what, text, help)) = self.hopeless(expr) {
                    let place = find(file, statement, &format!("\"{text}\"")).or(statement);
                    let message = format!("no {what} is ever like `{}`", text.escape_debug());
                    findings.push(Finding::new(Severity::Error, &file.text, place, message).with_help(help));
                }
                if let Some(uid) = self.unplaced(expr) {
                    let place = find(file, statement, &format!("{}::\"{}\"", uid.kind, uid.id)).or(statement);
                    let message = format!("whether `{}` itself is in something is not known", uid.id.escape_debug());
                    findings.push(
                        Finding::new(Severity::Error, &file.text, place, message).with_help(
                            "only the resource of a request is in what is above it: ask `resource in ..`, or compare `resource.path`",
                        ),
                    );
                }
            });
        }
        findings.into_iter().map(|finding| finding.about(Some(id.clone()))).collect()
    }

    /// What an expression compares with a text, if it is never like that text. A `forbid` would protect nothing, and an
    /// exception from a `permit` would except nothing.
    fn hopeless(&self, expr: &Expr) -> Option<(&'static str, String, &'static str)> {
        let (attribute, pattern) = match expr {
            Expr::Like { expr, pattern } => (expr, pattern.clone()),
            Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => match (&**left, &**right) {
                (_, Expr::Literal(Literal::String(text))) => (left, text.chars().map(PatternElem::Char).collect()),
                (Expr::Literal(Literal::String(text)), _) => (right, text.chars().map(PatternElem::Char).collect()),
                _ => return None,
            },
            _ => return None,
        };
        let attribute = of_resource(attribute)?;
        // A NUL is in no path, so it can stand for the wildcard.
        let text = |wildcard| -> String {
            let chars = pattern.iter().map(|element| match element {
                PatternElem::Char(c) => *c,
                PatternElem::Wildcard => wildcard,
            });
            chars.collect()
        };
        let exact = !pattern.contains(&PatternElem::Wildcard);
        let plain = text('\0');
        let (what, help) = match &*attribute {
            "path"
                if self.has_paths
                    && exact
                    && canonical("fs::Path", &plain).ok().flatten().as_deref() != Some(&*plain) =>
            {
                ("path", PATHS)
            }
            "path" if self.has_paths && hopeless_pattern(&plain) => ("path", PATHS),
            "name" if self.has_names && plain.contains('/') => {
                ("name", "a name is the last part of a path, without a slash")
            }
            "extension" if self.has_names && plain.contains(['/', '.']) => {
                ("extension", "an extension is what follows the last dot, without it")
            }
            _ => return None,
        };
        Some((what, text('*'), help))
    }

    /// The resource that an expression finds in something, or not, if it is not the one of the request: only that one is in
    /// what is above it.
    fn unplaced(&self, expr: &Expr) -> Option<Uid> {
        let (left, right) = match expr {
            Expr::BinaryOp { op: BinaryOp::In, left, right } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
                (left, right)
            }
            _ => return None,
        };
        let Expr::Literal(Literal::EntityUID(uid)) = &**left else { return None };
        let uid = literal(uid);
        // What is in which class is the owner's to say, of any resource.
        let nests = |expr: &Expr| match expr {
            Expr::Var(Var::Resource) => true,
            Expr::Literal(Literal::EntityUID(right)) => literal(right).kind == uid.kind,
            _ => false,
        };
        let found = nests(right.as_ref())
            || matches!(&**right, Expr::Set(members) if members.iter().any(|member| nests(member)));
        (found && self.nested.contains(&*uid.kind)).then_some(uid)
    }
}

const PATHS: &str = "paths are absolute, without `.`, `..`, `//` and a slash at the end";

/// Whether no path is like a pattern whose wildcards are NULs.
fn hopeless_pattern(text: &str) -> bool {
    !text.starts_with(['/', '\0'])
        || ["//", "/./", "/../"].iter().any(|never| text.contains(never))
        || ["/", "/.", "/.."].iter().any(|never| text.ends_with(never) && text != "/")
}

/// Where a policy says something. A spelling with escapes is not found, and the whole policy is underlined.
fn find(file: &File, statement: Option<(usize, usize)>, needle: &str) -> Option<(usize, usize)> {
    let (start, length) = statement?;
    let offset = file.text.text.get(start..start + length)?.find(needle)?;
    Some((start + offset, needle.len()))
}
