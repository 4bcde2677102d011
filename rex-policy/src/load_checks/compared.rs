//! The two sides of comparisons, also within sets and records.

use cedar_policy::pst::{BinaryOp, Expr, Literal};

use super::about::{ComparedTerm, letter};

/// A text or a number that something is compared with.
pub(super) struct ComparedConstant<'e> {
    /// Terms that may be equal to it: one term, or the members of a set.
    pub(super) terms: Vec<ComparedTerm<'e>>,
    pub(super) with: ComparedWith,
    /// True if it is one of several values, of which others may be equal.
    pub(super) one_of: bool,
    /// True if the comparison holds for terms that differ from the value.
    pub(super) differs: bool,
}

/// The value that a term is compared with.
pub(super) enum ComparedWith {
    /// A text, as a pattern without wildcards.
    Text(Vec<Option<char>>),
    /// A pattern of `like`, whose wildcards are `None`.
    Pattern(Vec<Option<char>>),
    Number(i64),
}

/// Returns the texts and numbers that an expression compares something with.
pub(super) fn compared(expr: &Expr) -> Vec<ComparedConstant<'_>> {
    let mut found = Vec::new();
    match expr {
        Expr::Like { expr, pattern } => {
            let with = ComparedWith::Pattern(pattern.iter().map(letter).collect());
            let term = ComparedTerm::of(expr).map(|term| ComparedConstant {
                terms: vec![term],
                with,
                one_of: false,
                differs: false,
            });
            found.extend(term);
        }
        Expr::BinaryOp { op: op @ (BinaryOp::Eq | BinaryOp::NotEq), left, right } => {
            equal(left, right, &mut found);
            found.iter_mut().for_each(|compared| compared.differs = *op == BinaryOp::NotEq);
        }
        // A set of texts contains the term, or the term is a set that contains a text.
        Expr::BinaryOp { op: BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny, left, right } => {
            members(left, right, &mut found);
        }
        _ => {}
    }
    found
}

/// Collects the comparisons that follow if two values must be equal.
fn equal<'e>(left: &'e Expr, right: &'e Expr, found: &mut Vec<ComparedConstant<'e>>) {
    match (left, right) {
        (Expr::Record(ours), Expr::Record(theirs)) => {
            for (name, ours) in ours.iter() {
                theirs.get(name).into_iter().for_each(|theirs| equal(ours, theirs, found));
            }
        }
        (Expr::IfThenElse { then_expr, else_expr, .. }, other)
        | (other, Expr::IfThenElse { then_expr, else_expr, .. }) => {
            equal(then_expr, other, found);
            equal(else_expr, other, found);
        }
        (left, right) => members(left, right, found),
    }
}

/// Collects the comparisons between the values of two sides. Each side is a value or a set of values.
fn members<'e>(left: &'e Expr, right: &'e Expr, found: &mut Vec<ComparedConstant<'e>>) {
    for (terms, values) in [(left, right), (right, left)] {
        let Some(terms) = all(terms).iter().map(|term| ComparedTerm::of(term)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let values = all(values);
        for value in &values {
            let with = match value {
                Expr::Literal(Literal::String(text)) => ComparedWith::Text(text.chars().map(Some).collect()),
                Expr::Literal(Literal::Long(number)) => ComparedWith::Number(*number),
                _ => continue,
            };
            found.push(ComparedConstant { terms: terms.clone(), with, one_of: values.len() > 1, differs: false });
        }
    }
}

fn all(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Set(members) => members.iter().map(|member| &**member).collect(),
        one => vec![one],
    }
}
