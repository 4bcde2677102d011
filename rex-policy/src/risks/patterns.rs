//! Ids that both an outcome and a policy are about: texts that match the patterns of both.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};
use rex_core::process::Program;
use rex_core::{AbsPath, ActionSpec, Extent, ReachPlace, Resource, ResourceSpec};

use super::is_like;
use crate::index::action_meets;
use crate::pattern::{CommonMatch, LetterPattern, PatternLetter, exactly, like, meet, of_attribute, within};
use crate::policy::Policy;
use crate::rule::{self, Rule, literal, of_resource, walk};

/// Maximum number of combined patterns for one policy.
const COMBINED: usize = 64;

/// The patterns of ids that permits imply, by action.
#[derive(Debug, Default)]
pub(super) struct ImpliedPatterns(RefCell<HashMap<ActionName, Rc<Vec<PatternGroup>>>>);

/// The namespace and the name of an action.
type ActionName = (&'static str, &'static str);

/// Patterns that an id must all match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct PatternGroup {
    patterns: Vec<LetterPattern>,
    /// Each pattern with `x` for its wildcards.
    typical: Vec<String>,
    /// True if one of them limits the place of a resource, and not only its name.
    placed: bool,
}

impl PatternGroup {
    /// Returns whether the policy is about the same ids as a glob.
    fn is_about(&self, glob: &str) -> bool {
        (self.placed && is_anchored(glob)) || self.typical.iter().any(|typical| names(typical, glob))
    }
}

impl ImpliedPatterns {
    /// Returns ids that a permit may be about and that match a glob of an outcome.
    pub(super) fn ids(
        &self,
        policy: &Policy,
        (spec, extent): (&'static ActionSpec, Option<&Extent>),
        globs: &[&str],
    ) -> BTreeSet<String> {
        let groups =
            self.0.borrow_mut().entry((spec.namespace, spec.name)).or_insert_with(|| of_permits(policy, spec)).clone();
        let places = of_places(spec.resource, extent);
        let paths = [AbsPath::SPEC, Program::SPEC].contains(&spec.resource);
        let mut found = BTreeSet::new();
        for glob in globs {
            let patterns = of_glob(glob);
            let near = groups.iter().filter(|group| group.is_about(glob));
            let places = places.iter().filter(|_| is_anchored(glob)).map(std::slice::from_ref);
            for group in near.map(|group| &group.patterns[..]).chain(places) {
                for pattern in &patterns {
                    let all: Vec<&[PatternLetter]> =
                        group.iter().chain([pattern]).map(|pattern| &pattern[..]).collect();
                    if let CommonMatch::Text(id) = meet(&all, paths) {
                        found.insert(id);
                    }
                }
            }
        }
        found
    }
}

/// Returns patterns for the places that permits reach with all below them.
fn of_places(spec: &ResourceSpec, extent: Option<&Extent>) -> Vec<LetterPattern> {
    let Some(Extent::Within(places)) = extent else { return Vec::new() };
    let below = places.iter().filter_map(|place| match place {
        ReachPlace::Below(id) => within(spec, id),
        ReachPlace::Exactly(_) | ReachPlace::Prefix(_) => None,
    });
    below.flatten().filter(|pattern| pattern.contains(&PatternLetter::Any)).collect()
}

fn of_permits(policy: &Policy, spec: &'static ActionSpec) -> Rc<Vec<PatternGroup>> {
    let permits = policy.rules().iter().enumerate();
    let permits = permits.filter(|(_, rule)| rule.permit && action_meets(rule.actions.as_ref(), spec));
    let groups: BTreeSet<PatternGroup> =
        permits.flat_map(|(number, rule)| of_permit(policy, number, rule, spec.resource)).collect();
    Rc::new(groups.into_iter().collect())
}

fn of_permit(policy: &Policy, number: usize, rule: &Rule, spec: &ResourceSpec) -> Vec<PatternGroup> {
    let Some(condition) = policy.cedar(number).and_then(rule::syntax) else { return Vec::new() };
    let kind = spec.to_string();
    let head = match &rule.resource.entity {
        Some(uid) if *uid.kind == *kind && !rule.resource.exact => within(spec, &uid.id),
        // A single resource is found without a pattern, and the members of a class are unknown here.
        _ => None,
    };
    let heads: Vec<Vec<LetterPattern>> =
        head.map_or_else(|| vec![Vec::new()], |head| head.into_iter().map(|one| vec![one]).collect());
    let mut groups = Vec::new();
    let mut add = |patterns: &[LetterPattern]| {
        for head in &heads {
            if groups.len() < COMBINED {
                let typical = patterns.iter().map(|pattern| typical(pattern)).collect();
                let patterns = [head, patterns].concat();
                let placed = patterns.iter().any(|pattern| matches!(pattern.first(), Some(PatternLetter::Char(_))));
                groups.push(PatternGroup { patterns, typical, placed });
            }
        }
    };
    let mut conjuncts = Vec::new();
    flatten(&condition, &mut conjuncts);
    let mut together: Vec<Vec<LetterPattern>> = vec![Vec::new()];
    for said in conjuncts.into_iter().filter_map(|conjunct| said(spec, conjunct)) {
        let longer = together
            .iter()
            .flat_map(|before| said.iter().map(move |one| [&before[..], std::slice::from_ref(one)].concat()));
        together = longer.take(COMBINED).collect();
    }
    together.iter().filter(|patterns| patterns.len() > 1).for_each(|patterns| add(patterns));
    walk(&condition, &mut |expr| {
        said(spec, expr).into_iter().flatten().for_each(|pattern| add(&[pattern]));
    });
    groups
}

fn flatten<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match expr {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            flatten(left, out);
            flatten(right, out);
        }
        _ => out.push(expr),
    }
}

/// Returns the patterns of the id of which one matches if a comparison holds.
fn said(spec: &ResourceSpec, expr: &Expr) -> Option<Vec<LetterPattern>> {
    let text = |expr: &Expr| match expr {
        Expr::Literal(Literal::String(text)) => Some(exactly(text)),
        _ => None,
    };
    if let Expr::BinaryOp { op: BinaryOp::In, left, right } | Expr::Is { expr: left, in_expr: Some(right), .. } = expr {
        let (Expr::Var(Var::Resource), Expr::Literal(Literal::EntityUID(uid))) = (&**left, &**right) else {
            return None;
        };
        let uid = literal(uid);
        return (*uid.kind == *spec.to_string()).then(|| within(spec, &uid.id)).flatten();
    }
    let (name, values) = match expr {
        Expr::Like { expr, pattern } => (of_resource(expr)?, vec![like(pattern)]),
        Expr::BinaryOp { op: BinaryOp::Eq, left, right } => match (of_resource(left), of_resource(right)) {
            (Some(name), None) => (name, vec![text(right)?]),
            (None, Some(name)) => (name, vec![text(left)?]),
            _ => return None,
        },
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match &**left {
            Expr::Set(members) => {
                (of_resource(right)?, members.iter().map(|member| text(member)).collect::<Option<Vec<_>>>()?)
            }
            _ => return None,
        },
        _ => return None,
    };
    let lifted: Option<Vec<_>> = values.iter().map(|value| of_attribute(spec, &name, value)).collect();
    lifted.map(|patterns| patterns.concat())
}

fn typical(pattern: &[PatternLetter]) -> String {
    pattern.iter().map(|letter| if let PatternLetter::Char(c) = letter { *c } else { 'x' }).collect()
}

/// Returns whether a glob limits the place, and not only the name: to a directory, or two names deep.
fn is_anchored(glob: &str) -> bool {
    let (start, rest) = glob.split_at(glob.find('*').unwrap_or(glob.len()));
    let deep = !glob.starts_with('/') || start.split('/').filter(|part| !part.is_empty()).count() > 1;
    let all = !rest.chars().any(|c| c != '*' && c != '/');
    !start.trim_start_matches('/').is_empty() && (deep || all)
}

/// Returns whether a policy names what a glob does: a `.key` is worth reporting for `/srv/*.key`, but not for `/srv/*`.
fn names(typical: &str, glob: &str) -> bool {
    let last = |text: &'_ str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let named = |part: &str| part.chars().any(|c| c != '*' && c != '.');
    let whole =
        glob.split('/').skip_while(|part| !part.contains('*')).find(|part| !part.contains('*') && !part.is_empty());
    !glob.chars().any(|c| c != '*' && c != '/')
        || (named(&last(glob)) && is_like(&last(glob), &last(typical)))
        || whole.is_some_and(|whole| typical.split('/').any(|part| part == whole))
}

/// Returns the patterns of a glob: `*` is a part between slashes, `**` any number of them, including zero.
fn of_glob(glob: &str) -> Vec<LetterPattern> {
    let Some(c) = glob.chars().next() else { return vec![Vec::new()] };
    let after = |letters: &[PatternLetter], rest: &str| -> Vec<LetterPattern> {
        of_glob(rest).into_iter().map(|rest| [letters, &rest[..]].concat()).collect()
    };
    if let Some(rest) = glob.strip_prefix("**/") {
        return [after(&[PatternLetter::Any, PatternLetter::Char('/')], rest), of_glob(rest)].concat();
    }
    match (glob.strip_prefix("**"), glob.strip_prefix('*'), glob.strip_prefix('\\')) {
        (Some(rest), ..) => after(&[PatternLetter::Any], rest),
        (None, Some(rest), _) => after(&[PatternLetter::Part], rest),
        (None, None, Some(escaped)) => {
            let next = escaped.chars().next().unwrap_or(c);
            after(&[PatternLetter::Char(next)], escaped.get(next.len_utf8()..).unwrap_or_default())
        }
        _ => after(&[PatternLetter::Char(c)], glob.get(c.len_utf8()..).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_patterns() {
        for (glob, id, is) in [
            ("/etc/**/shadow", "/etc/shadow", true),
            ("/etc/**/shadow", "/etc/tcb/root/shadow", true),
            ("/etc/cron*/*", "/etc/cron.d/x/y", false),
            ("**/*.key", "/a.key", true),
            ("http://\\[fd00:ec2::254]/**", "http://[fd00:ec2::254]/a/b", true),
        ] {
            let found =
                of_glob(glob).iter().any(|pattern| meet(&[pattern, &exactly(id)], false) != CommonMatch::Nothing);
            assert_eq!((found, is_like(glob, id)), (is, is), "{glob} {id}");
        }
    }

    #[test]
    fn a_policy_is_about_what_it_names() {
        for (typical, glob, is) in [
            ("/srv/x", "**/*.key", false),
            ("/srv/x.key", "**/*.key", true),
            ("/srv/x.log", "**/.ssh/id_*", false),
            ("/home/x/.ssh/x", "**/.ssh/id_*", true),
            ("/srv/x", "/etc/ssl/private/**", false),
            ("/opt/x/bin/tool", "/**", true),
            ("/opt/x/bin/sh", "/**/sh", true),
            ("/opt/x/run.sh", "/**/sh", false),
            ("/etc/app/x", "/etc/*/shadow", false),
            ("/etc/x/shadow", "/etc/*/shadow", true),
            ("APP_x", "*SECRET*", false),
            ("x_KEY", "*_KEY", true),
        ] {
            assert_eq!(names(typical, glob), is, "{typical} {glob}");
        }
    }
}
