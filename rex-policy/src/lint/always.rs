//! Conditions that are true of every request, or of none.

use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};
use rex_core::Values;

use super::about::{About, Term, is_joined, parts};
use super::constraint::{Constant, Constraints};
use super::{Look, derived, times, wild};
use crate::finding::Severity;
use crate::rule::{Uid, principal_scope, resource_scope};

/// Something that the head of a policy says: what it is, and its value.
type Known = (Expr, Constant);

/// Looks at the condition of a policy.
pub(super) fn check(look: &mut Look<'_>, about: &About, policy: &Policy, syntax: &Expr) {
    let head = head(about, policy);
    let always = Always { about, head: &head };
    always.group(look, syntax, true, true);
}

/// What the head says of principal and resource.
fn head(about: &About, policy: &Policy) -> Vec<Known> {
    let mut known = Vec::new();
    let principal = principal_scope(policy.principal_constraint());
    if let Some(uid) = principal.entity.filter(|_| principal.exact) {
        known.push((Expr::Var(Var::Principal), Constant::Entity(uid)));
    }
    let resource = resource_scope(policy.resource_constraint());
    if let Some(uid) = resource.entity.filter(|_| resource.exact) {
        known.extend(attributes(about, &uid));
        known.push((Expr::Var(Var::Resource), Constant::Entity(uid)));
    }
    known
}

/// What the id of a resource says of its attributes.
fn attributes(about: &About, uid: &Uid) -> Vec<Known> {
    let spec = about.actions.iter().find(|spec| spec.resource.to_string() == *uid.kind);
    let said = spec.map(|spec| derived::of_id(spec, &uid.id)).unwrap_or_default();
    let attribute = |name: &str| Expr::GetAttr { expr: Arc::new(Expr::Var(Var::Resource)), attr: name.into() };
    said.into_iter().map(|(name, value)| (attribute(name), value)).collect()
}

struct Always<'a> {
    about: &'a About,
    head: &'a [Known],
}

impl Always<'_> {
    /// Looks at what is joined by `&&` and by `||`, and at the parts of it.
    fn group(&self, look: &mut Look<'_>, expr: &Expr, holds: bool, top: bool) {
        for all in [true, false] {
            let mut found = Vec::new();
            parts(expr, holds, all, &mut found);
            if found.len() < 2 {
                continue;
            }
            let simple: Vec<_> = found.iter().copied().filter(|(part, _)| self.constant(part).is_none()).collect();
            // All of an alternative are false at once, or never.
            let asked: Vec<_> = simple.iter().map(|(part, holds)| (*part, *holds == all)).collect();
            self.contradiction(look, &asked, all, top && all);
            found.into_iter().for_each(|(part, holds)| self.group(look, part, holds, false));
            return;
        }
        match expr {
            Expr::UnaryOp { op: UnaryOp::Not, expr } => self.group(look, expr, !holds, top),
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.part(look, cond, true, false);
                for part in [then_expr, else_expr] {
                    self.group(look, part, holds, false);
                }
            }
            _ => self.part(look, expr, holds, top),
        }
    }

    /// Looks at one comparison.
    fn part(&self, look: &mut Look<'_>, expr: &Expr, holds: bool, top: bool) {
        if let Some(value) = self.constant(expr) {
            let text = told(expr);
            let word = if value { "always" } else { "never" };
            let message = format!("{text} is {word} true");
            let never = value != holds;
            let severity = if never { look.severity(true, Some(true)) } else { Severity::Warning };
            look.add(Some("REX014"), severity, &needle(expr), message, "leave it out, or ask for what was meant");
        } else if is_joined(expr) {
            self.group(look, expr, holds, false);
        } else if top {
            self.contradiction(look, &[(expr, holds)], true, true);
        }
    }

    /// Whether a comparison comes out the same for each request.
    fn constant(&self, expr: &Expr) -> Option<bool> {
        match expr {
            Expr::Literal(Literal::Bool(value)) => return Some(*value),
            Expr::BinaryOp { op, left, right } => {
                if left == right && !matches!(**left, Expr::Literal(_)) && Constant::of(left).is_none() {
                    return match op {
                        BinaryOp::Eq | BinaryOp::LessEq | BinaryOp::GreaterEq => Some(true),
                        BinaryOp::NotEq | BinaryOp::Less | BinaryOp::Greater => Some(false),
                        _ => None,
                    };
                }
                if let (Some(left), Some(right)) = (Constant::of(left), Constant::of(right)) {
                    return compare(*op, &left, &right);
                }
            }
            _ => {}
        }
        // By what the fact can be at all.
        let void = |holds| Constraints::default().add(expr, holds, &|term| self.range(term));
        match (void(true), void(false)) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }

    /// The numbers that something can be.
    fn range(&self, term: &Expr) -> Option<times::Range> {
        times::range(term, &|term| {
            let term = Term::of(term)?;
            if term == Term::Context("now") {
                return Some((0, i64::MAX.into()));
            }
            let values = self.about.values(term);
            let ranges = values.iter().map(|values| match values {
                Values::Range(low, high) => Some((i128::from(*low), i128::from(*high))),
                _ => None,
            });
            let ranges: Vec<_> = ranges.collect::<Option<_>>()?;
            Some((ranges.iter().map(|range| range.0).min()?, ranges.iter().map(|range| range.1).max()?))
        })
    }

    /// Looks for comparisons that do not go together. Of an alternative, `asked` is that none of it holds.
    fn contradiction(&self, look: &mut Look<'_>, asked: &[(&Expr, bool)], all: bool, with_head: bool) {
        let mut constraints = Constraints::default();
        for (term, value) in self.head.iter().filter(|_| with_head) {
            constraints.known(term, value.clone());
        }
        for (expr, holds) in asked {
            if constraints.add(expr, *holds, &|term| self.range(term)) {
                self.contradicts(look, (expr, None), asked, all);
                return;
            }
        }
        let mut about = self.about.clone();
        for (expr, _) in asked.iter().filter(|(_, holds)| *holds) {
            about = about.narrowed(expr).unwrap_or(about);
        }
        if let Some((term, why)) = derived::contradiction(&about, &constraints) {
            let expr = asked.iter().map(|(expr, _)| *expr).rfind(|expr| super::constraint::term(expr) == Some(term));
            if let Some(expr) = expr {
                self.contradicts(look, (expr, Some(why)), asked, all);
            }
        }
    }

    /// Tells of a comparison that does not go together with others; `why` is what these say of it, if that is of something else.
    fn contradicts(
        &self,
        look: &mut Look<'_>,
        (expr, why): (&Expr, Option<String>),
        asked: &[(&Expr, bool)],
        all: bool,
    ) {
        let (word, severity) = if all {
            ("nothing is all of this at once", look.severity(true, Some(true)))
        } else {
            ("everything is one of these", look.severity(false, Some(true)))
        };
        let message = match (all, asked.len() == 1) {
            (true, true) => format!("{} is never true with what the head says", told(expr)),
            _ if why.is_some() => format!("{word}: {} goes against the rest", told(expr)),
            _ => format!("{word}: {} goes against what stands before it", told(expr)),
        };
        let time = asked.iter().any(|(expr, _)| is_time(expr));
        let help = match (all, time) {
            (true, true) if why.is_none() => {
                "the time cannot be after the later and before the earlier; over midnight, write `||`"
            }
            (true, _) => "so this is never true: where one of several is meant, write `||`, or `[..].contains(..)`",
            (false, _) => "so this is always true: where none of several is meant, write `&&`",
        };
        let help = why.map_or_else(|| help.to_owned(), |why| format!("{why}: {help}"));
        look.add(Some("REX014"), severity, &needle(expr), message, &help);
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

/// A comparison in few words.
pub(super) fn told(expr: &Expr) -> String {
    let side = |expr: &Expr| match expr {
        Expr::Literal(Literal::String(text)) => format!("\"{}\"", text.escape_debug()),
        Expr::Literal(Literal::Bool(value)) => value.to_string(),
        Expr::Literal(Literal::Long(number)) => number.to_string(),
        Expr::Literal(Literal::EntityUID(uid)) => crate::rule::literal(uid).to_string(),
        Expr::Var(var) => format!("{var:?}").to_lowercase(),
        Expr::UnaryOp { op: op @ (UnaryOp::Datetime | UnaryOp::Duration | UnaryOp::Ip), expr } => match &**expr {
            Expr::Literal(Literal::String(text)) => {
                format!("{}(\"{}\")", format!("{op:?}").to_lowercase(), text.escape_debug())
            }
            _ => "..".to_owned(),
        },
        Expr::UnaryOp { op: UnaryOp::ToTime, expr } if Term::of(expr).is_some() => "context.now.toTime()".to_owned(),
        _ => Term::of(expr).map_or_else(|| "..".to_owned(), Term::text),
    };
    let text = match expr {
        Expr::BinaryOp { op: BinaryOp::Contains, right, .. } => format!("[..].contains({})", side(right)),
        Expr::BinaryOp { op: BinaryOp::IsInRange, left, right } => {
            format!("{}.isInRange({})", side(left), side(right))
        }
        Expr::UnaryOp { op, expr } if method(*op).is_some() => {
            format!("{}.{}()", side(expr), method(*op).unwrap_or_default())
        }
        Expr::BinaryOp { op, left, right } => format!("{} {} {}", side(left), sign(*op), side(right)),
        Expr::Like { expr, pattern } => {
            let chars: Vec<_> = pattern.iter().map(letter).collect();
            format!("{} like \"{}\"", side(expr), wild::shown(&chars).escape_debug())
        }
        Expr::Is { expr, entity_type, .. } => format!("{} is {}", side(expr), entity_type.0),
        _ => side(expr),
    };
    format!("`{text}`")
}

/// The name of a method that addresses have.
fn method(op: UnaryOp) -> Option<&'static str> {
    match op {
        UnaryOp::IsIPv4 => Some("isIpv4"),
        UnaryOp::IsIPV6 => Some("isIpv6"),
        UnaryOp::IsLoopback => Some("isLoopback"),
        UnaryOp::IsMulticast => Some("isMulticast"),
        _ => None,
    }
}

fn letter(element: &cedar_policy::pst::PatternElem) -> Option<char> {
    match element {
        cedar_policy::pst::PatternElem::Char(c) => Some(*c),
        cedar_policy::pst::PatternElem::Wildcard => None,
    }
}

fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Eq => "==",
        BinaryOp::NotEq => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEq => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEq => ">=",
        BinaryOp::In => "in",
        _ => "..",
    }
}

/// What stands in the policy for a comparison: its constant.
pub(super) fn needle(expr: &Expr) -> String {
    match expr {
        Expr::Literal(Literal::Bool(value)) => value.to_string(),
        Expr::Literal(Literal::String(text)) => format!("\"{text}\""),
        Expr::Literal(Literal::Long(number)) => number.to_string(),
        Expr::Literal(Literal::EntityUID(uid)) => crate::rule::literal(uid).to_string(),
        Expr::UnaryOp { op, .. } if method(*op).is_some() => {
            method(*op).map(|name| format!("{name}()")).unwrap_or_default()
        }
        Expr::UnaryOp { expr, .. } => needle(expr),
        Expr::BinaryOp { left, right, .. } => match (Constant::of(left), Constant::of(right)) {
            (Some(_), None) => needle(left),
            _ => needle(right),
        },
        Expr::Like { pattern, .. } => wild::raw(&pattern.iter().map(letter).collect::<Vec<_>>()),
        Expr::GetAttr { .. } => Term::of(expr).map_or_else(String::new, Term::text),
        Expr::Set(members) => members.first().map_or_else(String::new, |member| needle(member)),
        _ => String::new(),
    }
}
