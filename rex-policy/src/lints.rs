//! Advice on policies that load: the one table of lints, each with its code, its explanation and an example.

mod broad;
mod dead;
mod meant;
mod patterns;

use std::fmt;

use crate::finding::{Finding, Severity};
use crate::policy::Policy;
use crate::reach::Survey;
use crate::rule::Rule;

/// One way in which a policy that loads may not be what its owner wants.
#[derive(Clone, Copy)]
pub struct Lint {
    /// What it is called, for good: `REX001`.
    pub code: &'static str,
    /// What it finds, in a few words.
    pub name: &'static str,
    /// How bad it is, if nothing else was said.
    pub severity: Severity,
    /// Why it matters, and what to do.
    pub explanation: &'static str,
    /// A policy in which it is found.
    pub example: &'static str,
    /// The same policy without it.
    pub better: &'static str,
    find: Find,
}

type Find = fn(&Look<'_>, usize, &Rule) -> Vec<Finding>;

/// Every lint, in the order of the codes.
pub const LINTS: &[&Lint] = &[
    &dead::NEVER,
    &dead::SHADOWED,
    &dead::FORBID,
    &broad::EVERYTHING,
    &broad::WRITES_PROGRAM,
    &patterns::SIBLING,
    &patterns::QUERY,
    &patterns::URL,
    &broad::PRINCIPAL,
    &meant::ID,
    &meant::REASON,
];

impl Lint {
    /// The lint of a code, in whatever case it is written.
    #[must_use]
    pub fn of(code: &str) -> Option<&'static Self> {
        LINTS.iter().copied().find(|lint| lint.code.eq_ignore_ascii_case(code))
    }
}

impl fmt::Debug for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lint").field("code", &self.code).field("severity", &self.severity).finish_non_exhaustive()
    }
}

impl PartialEq for Lint {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Lint {}

/// Which lints say something, and how bad it is.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    /// These say nothing.
    pub allow: Vec<&'static Lint>,
    /// What these find is an error; this goes before `allow`.
    pub deny: Vec<&'static Lint>,
}

impl Levels {
    fn of(&self, lint: &'static Lint) -> Option<Severity> {
        if self.deny.contains(&lint) {
            return Some(Severity::Error);
        }
        (!self.allow.contains(&lint)).then_some(lint.severity)
    }
}

impl Policy {
    /// What the lints find: the errors first, then in the order of the policies.
    ///
    /// A policy decides the same whatever is found. Each policy is held against each other, so this is for when policies are
    /// reviewed, and not for when they are loaded.
    #[must_use]
    pub fn lints(&self, levels: &Levels) -> Vec<Finding> {
        let look = Look::new(self);
        let mut findings = Vec::new();
        for (number, rule) in self.rules().iter().enumerate() {
            for lint in LINTS {
                let Some(severity) = levels.of(lint) else { continue };
                findings.extend((lint.find)(&look, number, rule).into_iter().map(|mut finding| {
                    finding.severity = severity;
                    finding.code = Some(lint.code);
                    finding.about(Some(rule.id.clone()))
                }));
            }
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }
}

/// All that lints look at.
struct Look<'p> {
    policy: &'p Policy,
    survey: Survey<'p>,
}

impl<'p> Look<'p> {
    fn new(policy: &'p Policy) -> Self {
        Self { policy, survey: Survey::new(policy, None) }
    }

    /// Something that is found in a policy as a whole: its first line is underlined.
    fn found(&self, number: usize, message: String) -> Vec<Finding> {
        self.policy.finding(number, Severity::Warning, message).into_iter().collect()
    }

    /// Something that is found in a part of a policy. A spelling with escapes is not found, and the policy is underlined.
    fn found_at(&self, number: usize, part: &str, message: String) -> Vec<Finding> {
        let Some(stand) = self.policy.stand(number) else { return Vec::new() };
        match (stand.place(), stand.text().find(part)) {
            (Some((start, _)), Some(offset)) => {
                vec![Finding::new(Severity::Warning, &stand.text, Some((start + offset, part.len())), message)]
            }
            _ => self.found(number, message),
        }
    }
}

/// A finding with what to do about it.
fn with_help(findings: Vec<Finding>, help: &str) -> Vec<Finding> {
    findings.into_iter().map(|finding| finding.with_help(help)).collect()
}
