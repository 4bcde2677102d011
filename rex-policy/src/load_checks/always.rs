//! Conditions that are true for every request or for none, and parts of conditions that are so in their context.

use std::cell::Cell;

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};
use rex_core::ValueSet;
use rex_core::values::{DIRECTORY, PATH, URL_PATH};

use super::about::{ComparedTerm, PossibleActions, is_joined, parts};
use super::constant::Constant;
use super::constraint::{ConstraintSet, PossibleValues};
use super::known::HeadTerms;
use super::likes::{letters, meet};
use super::wording::{needle, told};
use super::{CheckedPolicy, derived, times};
use crate::finding::Severity;
use crate::rule::{Uid, literal};

/// Maximum number of parts of a policy that are compared with their context.
const HELD: usize = 256;
/// Maximum number of context parts with which a part is compared.
const AROUND: usize = 16;

/// Checks the condition of a policy.
pub(super) fn check(look: &mut CheckedPolicy<'_>, about: &PossibleActions, policy: &Policy, syntax: &Expr) {
    let always = ConstantCheck { head: HeadTerms::new(about, policy), left: Cell::new(HELD) };
    always.all(look, syntax, true, &PartContext { about: about.clone(), asked: Vec::new(), whole: true, known: true });
}

struct ConstantCheck {
    head: HeadTerms,
    /// Number of parts that may still be compared with their context.
    left: Cell<usize>,
}

/// A part of a condition, and the value that it must have.
type RequiredPart<'e> = (&'e Expr, bool);

/// The context of a part of a condition.
#[derive(Clone)]
struct PartContext<'e> {
    /// The requests that the part can be about.
    about: PossibleActions,
    /// Parts that hold wherever this part is evaluated.
    asked: Vec<RequiredPart<'e>>,
    /// True if the policy never applies unless the part holds.
    whole: bool,
    /// True if the context does not contradict itself.
    known: bool,
}

impl<'e> PartContext<'e> {
    /// Returns the context with these conjuncts added.
    fn with(&self, parts: &[RequiredPart<'e>]) -> Self {
        let mut around = self.clone();
        for (part, holds) in parts {
            if *holds && let Some(about) = around.about.narrowed(part) {
                around.about = about;
            }
        }
        around.asked.extend(parts.iter().take(AROUND.saturating_sub(self.asked.len())));
        around
    }

    /// Returns the context of one alternative, of which others may hold.
    fn one(&self) -> Self {
        Self { whole: false, ..self.clone() }
    }

    /// Returns the context of a part that is only checked by itself.
    fn alone(&self) -> Self {
        Self { asked: Vec::new(), whole: false, known: false, ..self.clone() }
    }
}

impl ConstantCheck {
    /// Checks parts joined by `&&`, and returns whether they never hold.
    fn all<'e>(&'e self, look: &mut CheckedPolicy<'_>, expr: &'e Expr, holds: bool, around: &PartContext<'e>) -> bool {
        let mut found = Vec::new();
        parts(expr, holds, true, &mut found);
        let (joined, simple): (Vec<RequiredPart<'e>>, Vec<RequiredPart<'e>>) =
            found.into_iter().partition(|(part, _)| is_made_of_others(part));
        let mut asked = Vec::new();
        let mut never = false;
        for (part, holds) in simple {
            match self.constant(&around.about, part) {
                Some(value) => {
                    same(look, part, value, holds);
                    never |= value != holds;
                }
                None => asked.push((part, holds)),
            }
        }
        let clash = self.clash(around, &asked, around.whole);
        if let Some(clash) = &clash {
            // Parts that must all be false are written with `||`.
            clash.tell(look, &asked, asked.len() == 1 || asked.iter().any(|(_, holds)| *holds), true);
        }
        let besides = clash.is_none() && around.known;
        never |= clash.is_some();
        if besides
            && !around.whole
            && let Some(clash) = self.clash(around, &asked, true)
        {
            clash.tell_part(look);
            never = true;
        }
        if besides && !never {
            self.left_out(look, &asked, around);
        }
        let inner = if never { around.alone() } else { around.with(&asked) };
        for (part, holds) in joined {
            never |= self.joined(look, part, holds, &inner);
        }
        never
    }

    /// Checks parts joined by `||` or by `if`, and returns whether they never hold.
    fn joined<'e>(
        &'e self,
        look: &mut CheckedPolicy<'_>,
        expr: &'e Expr,
        holds: bool,
        around: &PartContext<'e>,
    ) -> bool {
        if let (Expr::IfThenElse { cond, then_expr, else_expr }, false) = (expr, is_joined(expr)) {
            self.all(look, cond, true, &around.alone());
            let branch = |look: &mut CheckedPolicy<'_>, branch: &'e Expr, came_out: bool| {
                // With a literal, `if` is another way to write `&&` and `||`.
                if let Expr::Literal(Literal::Bool(value)) = branch {
                    return *value != holds;
                }
                let mut asked = Vec::new();
                parts(cond, came_out, true, &mut asked);
                asked.retain(|(part, _)| !is_made_of_others(part));
                self.all(look, branch, holds, &around.one().with(&asked))
            };
            let then = branch(look, then_expr, true);
            return branch(look, else_expr, false) && then;
        }
        let mut found = Vec::new();
        parts(expr, holds, false, &mut found);
        let simple =
            |(part, _): &RequiredPart<'e>| !is_made_of_others(part) && self.constant(&around.about, part).is_none();
        // If they contradict each other, an alternative always holds.
        let asked: Vec<RequiredPart<'e>> =
            found.iter().copied().filter(simple).map(|(part, holds)| (part, !holds)).collect();
        if let Some(clash) = self.clash(around, &asked, false) {
            clash.tell(look, &asked, !holds, false);
        } else if !holds && around.known {
            self.clash(around, &asked, true).inspect(|clash| clash.tell_left_out(look));
        }
        let one = around.one();
        let mut never = true;
        for (part, holds) in found {
            // The opposite of a type check that guards an attribute says nothing.
            let guard = !holds && around.about.settles(part) == Some(true);
            never &= guard || self.all(look, part, holds, &one);
        }
        if never && around.whole {
            let message = "none of these alternatives is ever true with what else the policy says".to_owned();
            let severity = look.severity(true, Some(true));
            let place = asked.first().map_or_else(String::new, |(part, _)| needle(part));
            look.add(Some("REX014"), severity, &place, message, "so this never applies: fix the condition");
        }
        never
    }

    /// Looks for exceptions that never match.
    fn left_out<'e>(&'e self, look: &mut CheckedPolicy<'_>, asked: &[RequiredPart<'e>], around: &PartContext<'e>) {
        let rest: Vec<RequiredPart<'e>> = asked.iter().copied().filter(|(_, holds)| *holds).collect();
        let around = around.with(&rest);
        for (part, _) in asked.iter().filter(|(_, holds)| !*holds) {
            self.clash(&around, &[(part, true)], true).inspect(|clash| clash.tell_left_out(look));
        }
    }

    /// Returns the value of a comparison if it is the same for each request.
    fn constant(&self, about: &PossibleActions, expr: &Expr) -> Option<bool> {
        match expr {
            Expr::Literal(Literal::Bool(value)) => return Some(*value),
            Expr::BinaryOp { op, left, right } => {
                if left == right && !matches!(**left, Expr::Literal(_)) && Constant::of(left).is_none() {
                    return match op {
                        BinaryOp::Eq | BinaryOp::LessEq | BinaryOp::GreaterEq | BinaryOp::In => Some(true),
                        BinaryOp::NotEq | BinaryOp::Less | BinaryOp::Greater => Some(false),
                        _ => None,
                    };
                }
                if let (Some(left), Some(right)) = (Constant::of(left), Constant::of(right)) {
                    return compare(*op, &left, &right);
                }
                if *op == BinaryOp::In && is_root(about, left, right) {
                    return Some(true);
                }
                if let (BinaryOp::Contains, Expr::Set(members), Some(value)) = (op, &**left, Constant::of(right)) {
                    let members: Vec<_> = members.iter().map(|member| Constant::of(member)).collect::<Option<_>>()?;
                    return Some(members.contains(&value));
                }
            }
            Expr::Like { expr, pattern } => match (&**expr, &pattern[..]) {
                (Expr::Literal(Literal::String(text)), pattern) => return Some(meet(&letters(text), pattern)),
                (term, [PatternElem::Char('/'), PatternElem::Wildcard]) if starts_with_slash(about, term) => {
                    return Some(true);
                }
                _ => {}
            },
            Expr::HasAttr { expr, attrs } => {
                if let [name] = &attrs.iter().collect::<Vec<_>>()[..] {
                    return about.has(expr, name);
                }
            }
            _ => {}
        }
        // Check by the values that the fact can have.
        let void = |holds| ConstraintSet::default().add(expr, holds, &|term| possible(about, term));
        match (void(true), void(false)) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }

    /// Looks for comparisons that contradict each other or, with `besides`, their context.
    fn clash<'e>(
        &'e self,
        around: &PartContext<'e>,
        asked: &[RequiredPart<'e>],
        besides: bool,
    ) -> Option<ConditionClash<'e>> {
        if besides {
            self.left.set(self.left.get().checked_sub(1)?);
        }
        let mut constraints = if besides { self.head.constraints() } else { ConstraintSet::default() };
        let numbers = |term: &Expr| possible(&around.about, term);
        let outer = around.asked.iter().filter(|_| besides);
        for (part, holds) in outer {
            constraints.add(part, *holds, &numbers);
        }
        let mut about = around.about.clone();
        for (part, holds) in asked {
            if constraints.add(part, *holds, &numbers) || (besides && about.settles(part) == Some(!holds)) {
                return Some(ConditionClash { part, holds: *holds, why: None });
            }
            if *holds {
                about = about.narrowed(part).unwrap_or(about);
            }
        }
        let (term, why) = derived::contradiction(&about, &constraints)?;
        let of_term = asked.iter().rfind(|(part, _)| super::comparison::term(part) == Some(term));
        // The contradicting part may be in the context.
        let (part, holds) = of_term.or_else(|| asked.last().filter(|_| besides))?;
        Some(ConditionClash { part, holds: *holds, why: Some(why) })
    }
}

/// Returns whether a resource must be in the root, which holds all that the policy is about.
fn is_root(about: &PossibleActions, left: &Expr, right: &Expr) -> bool {
    let root = |uid: Uid| &*uid.id == "/" && ["fs::Path", "process::Program"].contains(&&*uid.kind);
    let (Expr::Var(Var::Resource), Expr::Literal(Literal::EntityUID(uid))) = (left, right) else { return false };
    let uid = literal(uid);
    !about.actions.is_empty() && about.actions.iter().all(|spec| spec.resource.is_named(&uid.kind)) && root(uid)
}

/// Returns whether each value of a term starts with a slash.
fn starts_with_slash(about: &PossibleActions, term: &Expr) -> bool {
    let values = ComparedTerm::of(term).map(|term| about.values(term)).unwrap_or_default();
    let absolute = [ValueSet::Form(&PATH), ValueSet::Form(&DIRECTORY), ValueSet::Form(&URL_PATH)];
    !values.is_empty() && values.iter().all(|values| absolute.contains(values))
}

/// Returns whether a part is made of others, and so is not a comparison.
fn is_made_of_others(expr: &Expr) -> bool {
    is_joined(expr) || matches!(expr, Expr::IfThenElse { .. })
}

/// Reports a comparison that has the same value for each request.
fn same(look: &mut CheckedPolicy<'_>, expr: &Expr, value: bool, holds: bool) {
    // A policy with `like "*"` or with the root allows anything on purpose, unless it is about a part of a name.
    let is_any = match expr {
        Expr::Like { expr, pattern } => {
            let is_part = matches!(ComparedTerm::of(expr), Some(ComparedTerm::Resource(name)) if !["path", "url"].contains(&name));
            !is_part || pattern.iter().any(|element| *element != PatternElem::Wildcard)
        }
        expr => matches!(expr, Expr::BinaryOp { op: BinaryOp::In, .. }),
    };
    if value && holds && is_any {
        return;
    }
    let word = if value { "always" } else { "never" };
    let message = format!("{} is {word} true", told(expr));
    let severity = if value != holds { look.severity(true, Some(true)) } else { Severity::Warning };
    look.add(Some("REX014"), severity, &needle(expr), message, "leave it out, or fix it");
}

/// Returns the values that a term can have.
fn possible(about: &PossibleActions, term: &Expr) -> PossibleValues {
    let values = ComparedTerm::of(term).map(|term| about.values(term)).unwrap_or_default();
    let words = values.iter().map(|values| match values {
        ValueSet::Words(words) => Some(*words),
        _ => None,
    });
    let words: Option<Vec<_>> = words.collect();
    let words = words.filter(|words| !words.is_empty()).map(|words| words.concat());
    PossibleValues { range: range(about, term), words }
}

/// Returns the range of a term.
fn range(about: &PossibleActions, term: &Expr) -> Option<times::NumberRange> {
    times::range(term, &|term| {
        let term = ComparedTerm::of(term)?;
        if term == ComparedTerm::Context("now") {
            return Some((0, i64::MAX.into()));
        }
        let values = about.values(term);
        let ranges = values.iter().map(|values| match values {
            ValueSet::Range(low, high) => Some((i128::from(*low), i128::from(*high))),
            _ => None,
        });
        let ranges: Vec<_> = ranges.collect::<Option<_>>()?;
        Some((ranges.iter().map(|range| range.0).min()?, ranges.iter().map(|range| range.1).max()?))
    })
}

/// A comparison that contradicts others; `why` is what these imply, if they are about another term.
struct ConditionClash<'e> {
    part: &'e Expr,
    /// True if it must hold.
    holds: bool,
    why: Option<String>,
}

impl ConditionClash<'_> {
    /// Reports comparisons that contradict each other: written with `&&` if `all`, otherwise with `||`, and each the opposite of what is
    /// written. If `never`, the policy never applies.
    fn tell(&self, look: &mut CheckedPolicy<'_>, asked: &[RequiredPart<'_>], all: bool, never: bool) {
        let severity = look.severity(never, Some(true));
        let word = if all { "nothing is all of this at once" } else { "everything is one of these" };
        let message = match asked.len() {
            1 if never => format!("{} is {} true with what the head says", told(self.part), self.word()),
            _ if self.why.is_some() => format!("{word}: {} goes against the rest", told(self.part)),
            _ => format!("{word}: {} goes against what stands before it", told(self.part)),
        };
        let time = asked.iter().any(|(expr, _)| is_time(expr));
        let help = match (all, time) {
            (true, true) if self.why.is_none() => {
                "the time cannot be after the later and before the earlier; over midnight, write `||`"
            }
            (true, _) => "so this is never true: where one of several is meant, write `||`, or `[..].contains(..)`",
            (false, _) => "so this is always true: where none of several is meant, write `&&`",
        };
        self.add(look, severity, message, help);
    }

    /// Reports a part that never holds, while others may.
    fn tell_part(&self, look: &mut CheckedPolicy<'_>) {
        // An exception that only repeats what the policy asks for changes nothing.
        if !self.holds {
            return;
        }
        let message = format!("{} is never true with what else the policy says", told(self.part));
        let help = "so this alternative never applies: leave it out, or fix it";
        self.add(look, Severity::Warning, message, help);
    }

    /// Reports an exception that never matches.
    fn tell_left_out(&self, look: &mut CheckedPolicy<'_>) {
        let message =
            format!("{} is never true with what else the policy says, so it leaves out nothing", told(self.part));
        self.add(look, Severity::Warning, message, "leave it out, or fix it");
    }

    /// Returns how often it is true.
    fn word(&self) -> &'static str {
        if self.holds { "never" } else { "always" }
    }

    fn add(&self, look: &mut CheckedPolicy<'_>, severity: Severity, message: String, help: &str) {
        let help = self.why.as_ref().map_or_else(|| help.to_owned(), |why| format!("{why}: {help}"));
        look.add(Some("REX014"), severity, &needle(self.part), message, &help);
    }
}

fn is_time(expr: &Expr) -> bool {
    let time = |expr: &Expr| matches!(expr, Expr::UnaryOp { op: UnaryOp::Datetime | UnaryOp::Duration, .. });
    matches!(expr, Expr::BinaryOp { left, right, .. } if time(left) || time(right))
}

fn compare(op: BinaryOp, left: &Constant, right: &Constant) -> Option<bool> {
    let order = match (left, right) {
        (Constant::Number(left), Constant::Number(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match op {
        BinaryOp::Eq => Some(left == right),
        BinaryOp::NotEq => Some(left != right),
        BinaryOp::Less => order.map(std::cmp::Ordering::is_lt),
        BinaryOp::LessEq => order.map(std::cmp::Ordering::is_le),
        BinaryOp::Greater => order.map(std::cmp::Ordering::is_gt),
        BinaryOp::GreaterEq => order.map(std::cmp::Ordering::is_ge),
        _ => None,
    }
}
