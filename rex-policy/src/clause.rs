//! The clauses of a condition: its parts, each with its place in the source, and which of them decide.

use cedar_policy::Expression;
use cedar_policy_core::ast::{Expr, ExprKind, Literal, UnaryOp};

/// A place in a file: start and length, in bytes.
pub(crate) type ByteSpan = (usize, usize);

/// A condition, split into its parts.
#[derive(Debug)]
pub(crate) struct ClauseTree {
    /// The parts that must all hold, in the order of evaluation.
    pub(crate) conjuncts: Vec<Conjunct>,
    /// The parts that cannot be split any further, in the same order.
    pub(crate) clauses: Vec<Clause>,
}

/// A part of a condition that must hold.
#[derive(Debug)]
pub(crate) struct Conjunct {
    node: ClauseNode,
    pub(crate) place: Option<ByteSpan>,
}

/// A part of a condition that is not itself an `&&`, `||`, `!` or `if`.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) expression: Expression,
    pub(crate) place: Option<ByteSpan>,
}

#[derive(Debug)]
enum ClauseNode {
    Clause(usize),
    Constant(bool),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    If(Box<[Self; 3]>),
}

/// A condition without one of its parts.
#[derive(Debug)]
pub(crate) struct DroppedConjunct {
    /// The place of the part.
    pub(crate) place: Option<ByteSpan>,
    /// Clauses of the part, each with the value that it is forced to.
    pub(crate) forced: Vec<(usize, bool)>,
}

/// The value of a clause; `None` if it is an error.
pub(crate) type ClauseTruth = Option<bool>;

/// The value of a condition, and clauses that suffice for it, each with its value.
#[cfg(feature = "prove")]
type SufficientClauses = (bool, Vec<(usize, bool)>);

impl ClauseTree {
    /// Splits a condition.
    pub(crate) fn new(condition: &Expr) -> Self {
        let mut clauses = Self { conjuncts: Vec::new(), clauses: Vec::new() };
        clauses.conjuncts(condition);
        clauses
    }

    fn conjuncts(&mut self, expr: &Expr) {
        match expr.expr_kind() {
            ExprKind::And { left, right } if !is_in(expr, left) => {
                self.conjuncts(left);
                self.conjuncts(right);
            }
            _ => {
                let conjunct = Conjunct { node: self.node(expr), place: place(expr) };
                self.conjuncts.push(conjunct);
            }
        }
    }

    fn node(&mut self, expr: &Expr) -> ClauseNode {
        match expr.expr_kind() {
            ExprKind::Lit(Literal::Bool(value)) => ClauseNode::Constant(*value),
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } if !one_word(expr, arg) => {
                ClauseNode::Not(Box::new(self.node(arg)))
            }
            ExprKind::And { left, right } if !is_in(expr, left) => {
                ClauseNode::And(Box::new(self.node(left)), Box::new(self.node(right)))
            }
            ExprKind::Or { left, right } => ClauseNode::Or(Box::new(self.node(left)), Box::new(self.node(right))),
            ExprKind::If { test_expr, then_expr, else_expr } => {
                ClauseNode::If(Box::new([self.node(test_expr), self.node(then_expr), self.node(else_expr)]))
            }
            _ => {
                self.clauses.push(Clause { expression: Expression::from(expr.clone()), place: place(expr) });
                ClauseNode::Clause(self.clauses.len() - 1)
            }
        }
    }

    /// Evaluates the condition; `None` if it is an error. Calls `is` for each clause that is reached, in Cedar's order.
    pub(crate) fn holds(&self, is: &mut dyn FnMut(usize) -> ClauseTruth) -> ClauseTruth {
        for conjunct in &self.conjuncts {
            if !conjunct.node.holds(is)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Returns the value of the condition and clauses that suffice for it, each with its value; `None` if it is an error.
    #[cfg(feature = "prove")]
    pub(crate) fn because(&self, values: &[ClauseTruth]) -> Option<SufficientClauses> {
        let mut all = Vec::new();
        for conjunct in &self.conjuncts {
            match conjunct.node.because(values)? {
                (true, reasons) => all.extend(reasons),
                failed => return Some(failed),
            }
        }
        Some((true, all))
    }

    /// Returns the condition without each of its parts: a part dropped from an `&&` is always true, one dropped from an `||` never.
    pub(crate) fn dropped(&self) -> Vec<DroppedConjunct> {
        let mut all = Vec::new();
        for conjunct in &self.conjuncts {
            let before = all.len();
            conjunct.node.dropped(true, &mut |clause, forced| {
                let place = self.clauses.get(clause).and_then(|clause| clause.place);
                all.push(DroppedConjunct { place, forced: vec![(clause, forced)] });
            });
            if all.len() > before + 1 && self.conjuncts.len() > 1 {
                all.push(DroppedConjunct { place: conjunct.place, forced: conjunct.node.forced(true) });
            }
        }
        all
    }

    /// Returns values of clauses for which the condition holds, whatever the others are.
    pub(crate) fn fulfilled(&self) -> Vec<(usize, bool)> {
        self.conjuncts.iter().flat_map(|conjunct| conjunct.node.forced(true)).collect()
    }

    /// Returns which clauses decided: those that were reached, and whose opposite value would turn the condition.
    pub(crate) fn deciding(&self, values: &[ClauseTruth]) -> Vec<bool> {
        let of = |clause: usize| values.get(clause).copied().flatten();
        let mut reached = vec![false; values.len()];
        let came_out = self.holds(&mut |clause| {
            if let Some(reached) = reached.get_mut(clause) {
                *reached = true;
            }
            of(clause)
        });
        let Some(came_out) = came_out else { return vec![false; values.len()] };
        let decided = |(clause, reached): (usize, &bool)| {
            let otherwise = || self.holds(&mut |other| of(other).map(|value| value != (other == clause)));
            *reached && otherwise() == Some(!came_out)
        };
        reached.iter().enumerate().map(decided).collect()
    }
}

impl Conjunct {
    /// Evaluates the conjunct for values of clauses; `None` if it is an error.
    pub(crate) fn holds(&self, values: &[ClauseTruth]) -> ClauseTruth {
        self.node.holds(&mut |clause| values.get(clause).copied().flatten())
    }
}

impl ClauseNode {
    /// Calls `found` with each clause and the value that drops it; `neutral` is the value that drops this node.
    fn dropped(&self, neutral: bool, found: &mut dyn FnMut(usize, bool)) {
        match self {
            Self::Clause(clause) => found(*clause, neutral),
            Self::Constant(_) => {}
            Self::Not(node) => node.dropped(!neutral, found),
            Self::And(left, right) => [left, right].into_iter().for_each(|part| part.dropped(true, found)),
            Self::Or(left, right) => [left, right].into_iter().for_each(|part| part.dropped(false, found)),
            Self::If(parts) => {
                let [test, then, otherwise] = &**parts;
                test.dropped(true, found);
                test.dropped(false, found);
                then.dropped(neutral, found);
                otherwise.dropped(neutral, found);
            }
        }
    }

    /// Returns values of clauses that force this node to `value`, whatever the others are.
    fn forced(&self, value: bool) -> Vec<(usize, bool)> {
        let both = |left: &Self, right: &Self| [left.forced(value), right.forced(value)].concat();
        match self {
            Self::Clause(clause) => vec![(*clause, value)],
            Self::Constant(_) => Vec::new(),
            Self::Not(node) => node.forced(!value),
            Self::And(left, right) if value => both(left, right),
            Self::Or(left, right) if !value => both(left, right),
            Self::And(one, other) | Self::Or(one, other) => {
                // A constant cannot be forced.
                if matches!(**one, Self::Constant(_)) { other.forced(value) } else { one.forced(value) }
            }
            Self::If(parts) => {
                let [test, then, _] = &**parts;
                [test.forced(true), then.forced(value)].concat()
            }
        }
    }

    fn holds(&self, is: &mut dyn FnMut(usize) -> ClauseTruth) -> ClauseTruth {
        match self {
            Self::Clause(clause) => is(*clause),
            Self::Constant(value) => Some(*value),
            Self::Not(node) => node.holds(is).map(|value| !value),
            Self::And(left, right) => {
                if left.holds(is)? {
                    right.holds(is)
                } else {
                    Some(false)
                }
            }
            Self::Or(left, right) => {
                if left.holds(is)? {
                    Some(true)
                } else {
                    right.holds(is)
                }
            }
            Self::If(parts) => {
                let [test, then, otherwise] = &**parts;
                if test.holds(is)? { then.holds(is) } else { otherwise.holds(is) }
            }
        }
    }

    #[cfg(feature = "prove")]
    fn because(&self, values: &[ClauseTruth]) -> Option<SufficientClauses> {
        let both = |(_, mut first): SufficientClauses, (came_out, second): SufficientClauses| {
            first.extend(second);
            (came_out, first)
        };
        Some(match self {
            Self::Clause(clause) => {
                let value = values.get(*clause).copied().flatten()?;
                (value, vec![(*clause, value)])
            }
            Self::Constant(value) => (*value, Vec::new()),
            Self::Not(node) => {
                let (value, reasons) = node.because(values)?;
                (!value, reasons)
            }
            Self::And(left, right) | Self::Or(left, right) => {
                let settles = matches!(self, Self::Or(..));
                let left = left.because(values)?;
                if left.0 == settles {
                    return Some(left);
                }
                let right = right.because(values)?;
                if right.0 == settles { right } else { both(left, right) }
            }
            Self::If(parts) => {
                let [test, then, otherwise] = &**parts;
                let test = test.because(values)?;
                let then = if test.0 { then } else { otherwise };
                both(test, then.because(values)?)
            }
        })
    }
}

/// Returns whether an expression and a part of it have the same place: Cedar reads `a != b` as `!(a == b)`.
fn one_word(expr: &Expr, part: &Expr) -> bool {
    expr.source_loc().is_some() && place(expr) == place(part)
}

/// Returns whether a conjunction is an `a is T in b`, which Cedar reads as `a is T && a in b`.
fn is_in(expr: &Expr, left: &Expr) -> bool {
    matches!(left.expr_kind(), ExprKind::Is { .. }) && one_word(expr, left)
}

fn place(expr: &Expr) -> Option<ByteSpan> {
    expr.source_loc().map(|loc| (loc.start(), loc.end().saturating_sub(loc.start())))
}

#[cfg(test)]
mod tests {
    use cedar_policy::PolicySet;
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "permit (principal, action, resource) ";

    fn clauses(conditions: &str) -> (String, ClauseTree) {
        let text = format!("{HEAD}{conditions};");
        let set: PolicySet = text.parse().unwrap();
        let policy = set.policies().next().unwrap();
        let clauses = ClauseTree::new(policy.as_ref().non_scope_constraints().unwrap());
        (text, clauses)
    }

    fn texts(text: &str, places: impl Iterator<Item = Option<ByteSpan>>) -> Vec<String> {
        places
            .map(|place| place.map(|(start, length)| text.get(start..start + length).unwrap().to_owned()).unwrap())
            .collect()
    }

    #[test]
    fn clauses_are_what_stands_in_the_source() {
        let (text, taken) = clauses(
            "when { context.a != 1 && (context.b > 2 || !context.c) && true } \
             unless { resource is fs::Path in fs::Path::\"/x\" } \
             when { if context.d then context.e like \"*\" else false }",
        );
        assert_eq!(
            texts(&text, taken.clauses.iter().map(|clause| clause.place)),
            [
                "context.a != 1",
                "context.b > 2",
                "context.c",
                "resource is fs::Path in fs::Path::\"/x\"",
                "context.d",
                "context.e like \"*\""
            ]
        );
        assert_eq!(
            texts(&text, taken.conjuncts.iter().map(|conjunct| conjunct.place)),
            [
                "context.a != 1",
                "context.b > 2 || !context.c",
                "true",
                "unless { resource is fs::Path in fs::Path::\"/x\" }",
                "if context.d then context.e like \"*\" else false"
            ]
        );
    }

    fn decided(conditions: &str, values: &[ClauseTruth]) -> Vec<bool> {
        clauses(conditions).1.deciding(values)
    }

    #[test]
    fn a_clause_that_made_no_difference_did_not_decide() {
        const AND: &str = "when { context.a && context.b }";
        const OR: &str = "when { context.a || context.b }";
        let (t, f, error) = (Some(true), Some(false), None);
        assert_eq!(decided(AND, &[t, t]), [true, true]);
        assert_eq!(decided(AND, &[t, f]), [false, true]);
        assert_eq!(decided(AND, &[f, t]), [true, false], "the second was not looked at");
        assert_eq!(decided(AND, &[f, f]), [false, false], "neither alone");
        assert_eq!(decided(AND, &[t, error]), [false, false]);
        assert_eq!(decided(AND, &[f, error]), [false, false]);
        assert_eq!(decided(OR, &[t, f]), [true, false]);
        assert_eq!(decided(OR, &[f, f]), [true, true]);
        assert_eq!(decided("unless { context.a } unless { context.b }", &[f, t]), [false, true]);
        assert_eq!(decided("when { if context.a then context.b else context.c }", &[t, t, f]), [true, true, false]);
    }

    proptest! {
        /// Checks that turning a clause that decided turns the condition, and that a clause that was not reached never decided.
        #[test]
        fn what_decides_turns_the_condition(shape in 0..6_usize, values in prop::collection::vec(any::<Option<bool>>(), 4)) {
            let shape = [
                "when { context.a && context.b && context.c && context.d }",
                "when { context.a || (context.b && !context.c) || context.d }",
                "when { !(context.a && context.b) } unless { context.c || context.d }",
                "when { if context.a || context.b then context.c else context.d }",
                "unless { context.a } when { context.b || (if context.c then false else context.d) }",
                "when { (context.a || context.b) && (context.c || context.d) }",
            ][shape];
            let taken = clauses(shape).1;
            let came_out = taken.holds(&mut |clause| values[clause]);
            #[cfg(feature = "prove")]
            {
                let because = taken.because(&values);
                prop_assert_eq!(because.as_ref().map(|(came_out, _)| *came_out), came_out, "{}", shape);
                // The named clauses suffice, whatever the others are.
                let named = |clause| because.iter().flat_map(|(_, reasons)| reasons).find(|(known, _)| *known == clause);
                for others in [false, true] {
                    let is = taken.holds(&mut |clause| named(clause).map_or(Some(others), |(_, value)| Some(*value)));
                    prop_assert!(came_out.is_none() || is == came_out, "{}", shape);
                }
            }
            for (clause, decided) in taken.deciding(&values).into_iter().enumerate() {
                let mut turned = values.clone();
                turned[clause] = turned[clause].map(|value| !value);
                let otherwise = taken.holds(&mut |clause| turned[clause]);
                prop_assert_eq!(decided, came_out.is_some() && otherwise.is_some() && came_out != otherwise, "{}", shape);
            }
        }
    }
}
