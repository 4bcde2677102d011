//! What Cedar's validator cannot know: names that no request ever has, classes that nobody declared.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, Var};
use rex_core::{ActionSpec, ResourceSpec, process};

use crate::compile::File;
use crate::finding::{Finding, Severity};
use crate::members::{Members, check_id};
use crate::rule::{Uid, actions, annotation, literal, of_resource, resource_scope, syntax, walk};
use crate::vocabulary::{GROUP, Vocabulary, canonical, same_type};

/// Whether an attribute that is called `path` is that of a path, and `name` and `extension` too; else it may be anything.
#[derive(Clone, Copy)]
struct Known {
    paths: bool,
    names: bool,
}

/// Whether the head of a policy names an action, or a group that it is in.
fn names(uid: &Uid, spec: &ActionSpec) -> bool {
    uid.kind.strip_suffix("::Action") == Some(spec.namespace)
        && (&*uid.id == spec.name || spec.groups.contains(&&*uid.id))
}

/// What policies are checked against.
pub(crate) struct Lint<'a> {
    /// The types of what has members only if the entities file says so.
    named_by_owner: HashSet<String>,
    vocabulary: Vocabulary,
    resources: Vec<&'static ResourceSpec>,
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
        let nested = resources.iter().filter(|resource| resource.nested).map(ToString::to_string).collect();
        Self { named_by_owner, vocabulary: *vocabulary, resources, nested, members }
    }

    /// What the attributes of a policy's resource are known to be, of whatever type the head of the policy lets it be.
    fn known(&self, policy: &Policy) -> Known {
        let scope = resource_scope(policy.resource_constraint());
        let kind = scope.kind.as_deref().or(scope.entity.as_ref().map(|uid| &*uid.kind));
        let actions = actions(policy);
        let meant = |resource: &ResourceSpec| {
            let class = resource.class.map(|class| format!("{}::{class}", resource.namespace));
            let typed = kind.is_none_or(|kind| resource.to_string() == kind || class.as_deref() == Some(kind));
            typed
                && actions.as_ref().is_none_or(|actions| {
                    let named = |spec: &ActionSpec| actions.named.iter().any(|uid| names(uid, spec));
                    self.vocabulary.actions().iter().any(|spec| same_type(spec.resource, resource) && named(spec))
                })
        };
        let only_of = |kinds: &[&str], names: &[&str]| {
            self.resources.iter().filter(|resource| meant(resource)).all(|resource| {
                kinds.contains(&&*resource.to_string())
                    || resource.attributes.iter().all(|attribute| !names.contains(&attribute.name))
            })
        };
        Known {
            paths: only_of(&["fs::Path", "process::Program"], &["path"]),
            names: only_of(&["fs::Path", "process::Program", "service::Unit"], &["name", "extension"]),
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
        for word in annotation(policy, "allow").unwrap_or_default().split_ascii_whitespace() {
            if !process::ALLOWED
                .iter()
                .any(|(known, _)| word == *known || (known.ends_with(':') && word.starts_with(known)))
            {
                let place = find(file, statement, word).or(statement);
                let known: Vec<_> = process::ALLOWED.iter().map(|(known, _)| format!("`{known}`")).collect();
                let message = format!("nothing is let go by `{}`", word.escape_debug());
                let help = format!("`@allow` takes words, with blanks between: {}", known.join(", "));
                findings.push(Finding::new(Severity::Warning, &file.text, place, message).with_help(help));
            }
        }
        if let Some(syntax) = syntax(policy) {
            let known = self.known(policy);
            walk(&syntax, &mut |expr| {
                if let Some((what, text, help)) = hopeless(known, expr) {
                    let place = find(file, statement, &format!("\"{text}\"")).or(statement);
                    let message = format!("no {what} is ever like `{}`", text.escape_debug());
                    findings.push(Finding::new(Severity::Error, &file.text, place, message).with_help(help));
                }
                if let Some(uid) = self.unplaced(expr) {
                    let place = find(file, statement, &format!("{}::\"{}\"", uid.kind, uid.id)).or(statement);
                    let message = format!("`{}` is named here, so it is always in the same", uid.id.escape_debug());
                    findings.push(Finding::new(Severity::Error, &file.text, place, message).with_help(
                        "this says nothing of the request: ask `resource in ..`, or compare `resource.path`",
                    ));
                }
            });
        }
        findings.into_iter().map(|finding| finding.about(Some(id.clone()))).collect()
    }

    /// The resource that an expression finds in something of its own type, or not, if it is not the one of the request: such an expression
    /// is the same for each.
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

/// What an expression compares with a text, if it is never like that text. A `forbid` would protect nothing, and an
/// exception from a `permit` would except nothing.
fn hopeless(known: Known, expr: &Expr) -> Option<(&'static str, String, &'static str)> {
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
        "path" if known.paths && exact && canonical("fs::Path", &plain).ok().flatten().as_deref() != Some(&*plain) => {
            ("path", PATHS)
        }
        "path" if known.paths && hopeless_pattern(&plain) => ("path", PATHS),
        "name" if known.names && plain.contains('/') => ("name", "a name is the last part of a path, without a slash"),
        "extension" if known.names && plain.contains(['/', '.']) => {
            ("extension", "an extension is what follows the last dot, without it")
        }
        _ => return None,
    };
    Some((what, text('*'), help))
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
