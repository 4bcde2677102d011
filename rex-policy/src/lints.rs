//! Advice on policies that load: the one table of lints, each with its code, its explanation and an example.

mod broad;
mod dead;
mod expired;
mod loaded;
mod meant;
mod needed;
mod patterns;
mod places;
mod usable;
mod whom;

use std::cell::{Cell, OnceCell};
use std::collections::HashSet;
use std::fmt;

use rex_core::{AbsPath, ActionSpec, Timestamp};

use crate::finding::{Finding, Severity};
use crate::policy::Policy;
use crate::reach::Survey;
use crate::rule::{Rule, annotation};

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
    &loaded::WILD,
    &loaded::VALUE,
    &loaded::ALWAYS,
    &loaded::NUMBER,
    &usable::UNUSABLE,
    &loaded::ALIAS,
    &loaded::HIDDEN,
    &expired::EXPIRED,
];

/// The lints whose codes a text names, with blanks or commas between, and the words of it that are no code.
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
    /// What these find is an error; this goes before `allow`, and before what a policy says by `@lint`.
    pub deny: Vec<&'static Lint>,
    /// The operations that scripts can call, each with the actions that it asks for, so that a permit is found that no operation can use.
    pub operations: Vec<(&'static str, &'static [&'static ActionSpec])>,
    /// Tells whether a program is started only if the permit has `@allow("interpreter")`.
    pub interpreter: Option<fn(&AbsPath) -> bool>,
    /// What time it is, so that a permit is found that has expired.
    pub now: Option<Timestamp>,
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
    /// What the lints find: the errors first, then in the order of the policies. Of the [`warnings`](Self::warnings), those with a code are
    /// among it.
    ///
    /// A policy decides the same whatever is found. The policies are held against each other, so this is for when policies are
    /// reviewed, and not for when they are loaded.
    #[must_use]
    pub fn lints(&self, levels: &Levels) -> Vec<Finding> {
        let look = Look::new(self, levels);
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

    /// What was found while the policies were loaded and has a code, as the levels want it.
    fn coded(&self, levels: &Levels) -> Vec<Finding> {
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

/// Leaves out what a policy asks for in vain where it is told that the policy never matches, and says why there.
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

/// All that lints look at.
struct Look<'p> {
    policy: &'p Policy,
    levels: &'p Levels,
    survey: Survey<'p>,
    /// What the policies say, found by what they say it of; made when a lint asks for it.
    shapes: OnceCell<dead::Shapes>,
    permits: OnceCell<places::Permits>,
    programs: OnceCell<broad::Programs>,
    whom: OnceCell<whom::Whom<'p>>,
    needed: needed::Needs,
    /// How often two policies were held against each other.
    compared: Cell<usize>,
}

impl<'p> Look<'p> {
    fn new(policy: &'p Policy, levels: &'p Levels) -> Self {
        Self {
            policy,
            levels,
            survey: Survey::new(policy, None),
            shapes: OnceCell::new(),
            permits: OnceCell::new(),
            programs: OnceCell::new(),
            whom: OnceCell::new(),
            needed: needed::Needs::default(),
            compared: Cell::new(0),
        }
    }

    /// Counts that two policies are held against each other.
    fn compare(&self) {
        self.compared.set(self.compared.get() + 1);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PolicyLimits, Source, Vocabulary};

    /// How often policies are held against each other: of agents that each read, write and run something of their own, or, where the
    /// numbers leave it, of one agent that does.
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
        let sources = [Source::new("many.cedar", text)];
        let policy = Policy::compile(&Vocabulary::rex(), &sources, None, &PolicyLimits::default()).unwrap();
        let levels = Levels::default();
        let look = Look::new(&policy, &levels);
        for (number, rule) in policy.rules().iter().enumerate() {
            LINTS.iter().for_each(|lint| drop((lint.find)(&look, number, rule)));
        }
        look.compared.get()
    }

    /// With ten times the policies, ten times the comparisons, and not a hundred times.
    #[test]
    fn each_policy_is_held_against_few_others() {
        for (few, many) in [((40, 5), (400, 5)), ((1, 200), (1, 2_000))] {
            let (few, many) = (compared(few.0, few.1), compared(many.0, many.1));
            assert!(few > 0 && many <= 12 * few, "{few} comparisons became {many}");
        }
    }
}
