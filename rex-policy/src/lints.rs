//! Lints for policies that load: the one table, each with its code, explanation and example.

mod broad;
mod dead;
mod expired;
mod loaded;
mod meant;
mod needed;
mod patterns;
mod places;
mod principals;
mod usable;

use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::fmt;

use rex_core::{AbsPath, ActionSpec, Timestamp};

use crate::finding::{Finding, Severity};
use crate::policy::Policy;
use crate::reach::Survey;
use crate::rule::{Rule, annotation};

/// A check for one way in which a policy that loads may not be what its owner wants.
#[derive(Clone, Copy)]
pub struct Lint {
    /// The code, which never changes: `REX001`.
    pub code: &'static str,
    /// A short description of what it finds.
    pub name: &'static str,
    /// The default severity.
    pub severity: Severity,
    /// The explanation: why it matters, and what to do.
    pub explanation: &'static str,
    /// A policy in which it finds something.
    pub example: &'static str,
    /// The same policy, corrected.
    pub better: &'static str,
    find: FindFn,
}

type FindFn = fn(&LintContext<'_>, usize, &Rule) -> Vec<Finding>;

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
    &loaded::WILD,
    &loaded::VALUE,
    &loaded::ALWAYS,
    &loaded::NUMBER,
    &usable::UNUSABLE,
    &loaded::ALIAS,
    &loaded::HIDDEN,
    &expired::EXPIRED,
];

/// Returns the lints whose codes a text names, with blanks or commas between, and the words that are no code.
pub(crate) fn named(text: &str) -> (Vec<&'static Lint>, Vec<&str>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for word in text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()) {
        match Lint::of(word) {
            Some(lint) => known.push(lint),
            None => unknown.push(word),
        }
    }
    (known, unknown)
}

impl Lint {
    /// Returns the lint with a code, in upper or lower case.
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

/// The levels of the lints, and data that some of them need.
#[derive(Debug, Clone, Default)]
pub struct LintLevels {
    /// Lints that are silent.
    pub allow: Vec<&'static Lint>,
    /// Lints whose findings are errors; this overrides `allow`, and `@lint` in a policy.
    pub deny: Vec<&'static Lint>,
    /// The operations that scripts can call, each with its actions, to find permits that no operation can use.
    pub operations: Vec<(&'static str, &'static [&'static ActionSpec])>,
    /// A function that returns whether a program starts only if the permit has `@allow("interpreter")`.
    pub interpreter: Option<fn(&AbsPath) -> bool>,
    /// The current time, to find permits that have expired.
    pub now: Option<Timestamp>,
}

impl LintLevels {
    fn of(&self, lint: &'static Lint) -> Option<Severity> {
        if self.deny.contains(&lint) {
            return Some(Severity::Error);
        }
        (!self.allow.contains(&lint)).then_some(lint.severity)
    }
}

impl Policy {
    /// Returns the findings of the lints. Errors come first; among equals, the [`warnings`](Self::warnings) that have a code,
    /// then the others in the order of the policies.
    ///
    /// Findings do not change decisions. The lints compare policies with each other, so they are for reviews, and not for loading.
    #[must_use]
    pub fn lints(&self, levels: &LintLevels) -> Vec<Finding> {
        let look = LintContext::new(self, levels);
        let mut findings = self.coded(levels);
        let known: HashSet<_> = findings.iter().map(|finding| (finding.code, finding.policy.clone())).collect();
        for (number, rule) in self.rules().iter().enumerate() {
            let said = self.cedar(number).and_then(|policy| annotation(policy, "lint"));
            let (silenced, _) = said.map(named).unwrap_or_default();
            for lint in LINTS {
                let Some(severity) = levels.of(lint) else { continue };
                if (severity == Severity::Warning && silenced.contains(lint))
                    || known.contains(&(Some(lint.code), Some(rule.id.clone())))
                {
                    continue;
                }
                findings.extend((lint.find)(&look, number, rule).into_iter().map(|mut finding| {
                    finding.severity = severity;
                    finding.code = Some(lint.code);
                    finding.about(Some(rule.id.clone()))
                }));
            }
        }
        told_once(&mut findings);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    /// Returns the findings of loading that have a code, with the severities of `levels`.
    fn coded(&self, levels: &LintLevels) -> Vec<Finding> {
        let of = |finding: &Finding| {
            let lint = Lint::of(finding.code?)?;
            let mut finding = finding.clone();
            if levels.deny.contains(&lint) {
                finding.severity = Severity::Error;
            } else if levels.allow.contains(&lint) {
                return None;
            }
            Some(finding)
        };
        self.warnings().iter().filter_map(of).collect()
    }
}

/// Removes the finding that a condition is constant from a policy that never matches, and adds it there as help.
fn told_once(findings: &mut Vec<Finding>) {
    let of = |findings: &[Finding], code| -> Vec<Finding> {
        findings.iter().filter(|finding| finding.code == Some(code)).cloned().collect()
    };
    let vain = of(findings, loaded::ALWAYS.code);
    for never in findings.iter_mut().filter(|finding| finding.code == Some(dead::NEVER.code)) {
        if let Some(why) = vain.iter().find(|why| why.policy.is_some() && why.policy == never.policy) {
            never.help = Some(format!("{}: {}", why.message, why.help.as_deref().unwrap_or_default()));
        }
    }
    let never: HashSet<_> = of(findings, dead::NEVER.code).into_iter().map(|finding| finding.policy).collect();
    findings.retain(|finding| finding.code != Some(loaded::ALWAYS.code) || !never.contains(&finding.policy));
}

/// Everything that lints look at.
struct LintContext<'p> {
    policy: &'p Policy,
    levels: &'p LintLevels,
    survey: Survey<'p>,
    /// The policies, indexed by what they say; built on first use.
    shapes: OnceCell<dead::PolicyShapes>,
    permits: OnceCell<places::PermitReaches>,
    programs: OnceCell<broad::RunnablePrograms>,
    whom: OnceCell<principals::NamedPrincipals<'p>>,
    needed: needed::NeededActions,
    /// Number of times that two policies were compared.
    compared: Cell<usize>,
}

impl<'p> LintContext<'p> {
    fn new(policy: &'p Policy, levels: &'p LintLevels) -> Self {
        Self {
            policy,
            levels,
            survey: Survey::new(policy, None),
            shapes: OnceCell::new(),
            permits: OnceCell::new(),
            programs: OnceCell::new(),
            whom: OnceCell::new(),
            needed: needed::NeededActions::default(),
            compared: Cell::new(0),
        }
    }

    /// Counts a comparison of two policies.
    fn compare(&self) {
        self.compared.set(self.compared.get() + 1);
    }

    /// Returns a finding about a policy as a whole; its first line is underlined.
    fn found(&self, number: usize, message: String) -> Vec<Finding> {
        self.policy.finding(number, Severity::Warning, message).into_iter().collect()
    }

    /// Returns a finding about a part of a policy. A spelling with escapes is not found; then the first line is underlined.
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

/// Adds advice to findings.
fn with_help(findings: Vec<Finding>, help: &str) -> Vec<Finding> {
    findings.into_iter().map(|finding| finding.with_help(help)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PolicyLimits, SourceText, Vocabulary};

    /// Returns the number of comparisons of policies: of `agents` that each read, write and run something of their own, with
    /// `each` policies per agent.
    fn compared(agents: usize, each: usize) -> usize {
        let mut text = String::new();
        for number in 0..agents * each {
            let agent = format!("Agent::\"a{}\"", number % agents);
            text += &match number % 5 {
                0 => format!(
                    "permit (principal == {agent}, action == fs::Action::\"write\", resource in fs::Path::\"/srv/{number}\");\n"
                ),
                1 => format!(
                    "permit (principal == {agent}, action == process::Action::\"run\", resource == process::Program::\"/usr/bin/p{number}\");\n"
                ),
                2 => format!(
                    "forbid (principal == {agent}, action == fs::Action::\"read\", resource in fs::Path::\"/etc/{number}\");\n"
                ),
                3 => format!(
                    "permit (principal == {agent}, action == fs::Action::\"read\", resource in fs::Path::\"/var\") when {{ resource.name == \"{number}\" }};\n"
                ),
                _ => format!(
                    "forbid (principal, action, resource in fs::Path::\"/opt/{number}\") when {{ context.tags.contains(\"n={number}\") }};\n"
                ),
            };
        }
        let sources = [SourceText::new("many.cedar", text)];
        let policy = Policy::compile(&Vocabulary::rex(), &sources, None, &PolicyLimits::default()).unwrap();
        let levels = LintLevels::default();
        let look = LintContext::new(&policy, &levels);
        for (number, rule) in policy.rules().iter().enumerate() {
            LINTS.iter().for_each(|lint| drop((lint.find)(&look, number, rule)));
        }
        look.compared.get()
    }

    /// Checks that ten times the policies take about ten times the comparisons, and not a hundred times.
    #[test]
    fn each_policy_is_held_against_few_others() {
        for (few, many) in [((40, 5), (400, 5)), ((1, 200), (1, 2_000))] {
            let (few, many) = (compared(few.0, few.1), compared(many.0, many.1));
            assert!(few > 0 && many <= 12 * few, "{few} comparisons became {many}");
        }
    }
}
