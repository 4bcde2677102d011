//! Policies that have expired.

use super::{Lint, LintContext, with_help};
use crate::finding::Finding;
use crate::finding::Severity;
use crate::load_checks::expired;
use crate::rule::{Rule, syntax};

pub(super) const EXPIRED: Lint = Lint {
    code: "REX019",
    name: "a policy has expired",
    severity: Severity::Warning,
    explanation: "Its condition holds before a time that is over, so it permits or forbids nothing any more and never will. Remove it, or write when it ends now. \
                  Where `rex` does not know the time, nothing is found.",
    example: include_str!("examples/rex019.cedar"),
    better: include_str!("examples/rex019-better.cedar"),
    find: has_expired,
};

fn has_expired(look: &LintContext<'_>, number: usize, rule: &Rule) -> Vec<Finding> {
    let Some(now) = look.levels.now.filter(|_| rule.condition.is_some()) else { return Vec::new() };
    let Some(condition) = look.policy.cedar(number).and_then(syntax) else { return Vec::new() };
    let Some((needle, said)) = expired(&condition, now.as_millis().into()) else { return Vec::new() };
    let said = if said.is_empty() { "its condition".to_owned() } else { said };
    let today = now.to_string();
    let today = today.split('T').next().unwrap_or_default();
    let effect = if rule.permit { "permit" } else { "forbid" };
    let message = format!("this {effect} has expired: {said} never holds again, as today is {today}");
    with_help(look.found_at(number, &needle, message), "remove it, or write a time that is still to come")
}
