//! What Cedar's validator cannot know: names that no request ever has, classes that nobody declared.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem};

use crate::compile::File;
use crate::finding::{Finding, Severity};
use crate::members::{Members, check_id};
use crate::rule::{Uid, of_resource, syntax, walk};
use crate::vocabulary::{GROUP, Vocabulary, canonical};

/// What policies are checked against.
pub(crate) struct Lint<'a> {
    /// The types of what has members only if the entities file says so.
    named_by_owner: HashSet<String>,
    /// The attributes that hold an absolute, normalised path.
    paths: Vec<&'static str>,
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
        let all_paths = resources.iter().all(|resource| {
            resource.to_string() == "fs::Path" || resource.attributes.iter().all(|attribute| attribute.name != "path")
        });
        let paths = if all_paths { vec!["path"] } else { Vec::new() };
        Self { named_by_owner, paths, members }
    }

    /// Looks at the entities and paths that a policy names.
    pub(crate) fn policy(&self, file: &File, number: usize, id: &Arc<str>, policy: &Policy) -> Vec<Finding> {
        let statement = file.place(number);
        let mut findings = Vec::new();
        for uid in policy.entity_literals() {
            let uid = Uid::from(&uid);
            let place = find(file, statement, &format!("{}::\"{}\"", uid.kind, uid.id)).or(statement);
            findings.extend(check_id(&file.text, place, &uid));
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
                if let Some(text) = self.hopeless(expr) {
                    let place = find(file, statement, &format!("\"{text}\"")).or(statement);
                    let message = format!("no path is ever like `{}`", text.escape_debug());
                    findings.push(
                        Finding::new(Severity::Error, &file.text, place, message)
                            .with_help("paths are absolute, without `.`, `..`, `//` and a slash at the end"),
                    );
                }
            });
        }
        findings.into_iter().map(|finding| finding.about(Some(id.clone()))).collect()
    }

    /// The text that an expression compares a path with, if no path can be like it. A `forbid` would protect nothing,
    /// and an exception from a `permit` would except nothing.
    fn hopeless(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Like { expr, pattern } if self.is_path(expr) => {
                let text: String = pattern
                    .iter()
                    .map(|element| match element {
                        PatternElem::Char(c) => *c,
                        PatternElem::Wildcard => '*',
                    })
                    .collect();
                hopeless_pattern(pattern).then_some(text)
            }
            Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => match (&**left, &**right) {
                (path, Expr::Literal(Literal::String(text))) | (Expr::Literal(Literal::String(text)), path) => {
                    let normal = canonical("fs::Path", text).ok().flatten();
                    (self.is_path(path) && normal.as_deref() != Some(text)).then(|| text.to_string())
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn is_path(&self, expr: &Expr) -> bool {
        of_resource(expr).is_some_and(|name| self.paths.contains(&&*name))
    }
}

fn hopeless_pattern(pattern: &[PatternElem]) -> bool {
    // A NUL is in no path, so it can stand for the wildcard.
    let text = pattern.iter().map(|element| match element {
        PatternElem::Char(c) => *c,
        PatternElem::Wildcard => '\0',
    });
    let text: String = text.collect();
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
