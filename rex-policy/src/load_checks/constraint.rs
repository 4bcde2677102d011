//! The values that several comparisons of one term leave: sets of values, a range, patterns.

use cedar_policy::pst::{Expr, PatternElem};

use super::addresses::AddressSet;
use super::comparison::{ConstantComparison, asked, uids};
use super::constant::Constant;
use super::holds::MemberConditions;
use super::likes::{covers, letters, meet};
use super::relation::TermRelation;
use crate::rule::Uid;
use crate::vocabulary::PRINCIPALS;

/// The possible values of a term.
#[derive(Debug, Clone, Default)]
pub(super) struct PossibleValues {
    /// Numbers from the first to the second, inclusive.
    pub(super) range: Option<(i128, i128)>,
    /// Only these words.
    pub(super) words: Option<Vec<&'static str>>,
}

/// All comparisons of one term, combined.
#[derive(Debug, Clone)]
pub(super) struct TermConstraint<'e> {
    pub(super) term: &'e Expr,
    /// The values that it may have, if they are listed.
    only: Option<Vec<Constant>>,
    never: Vec<Constant>,
    low: i128,
    high: i128,
    likes: Vec<&'e [PatternElem]>,
    unlikes: Vec<&'e [PatternElem]>,
    kind: Option<String>,
    others: Vec<String>,
    /// It is in one entity of each list.
    inside: Vec<Vec<Uid>>,
    /// It is in none of these.
    outside: Vec<Uid>,
    holds: MemberConditions,
    /// The words that it can be, if they are declared.
    words: Option<Vec<&'static str>>,
    addresses: AddressSet,
    /// True if no value meets all comparisons.
    pub(super) void: bool,
}

impl<'e> TermConstraint<'e> {
    fn new(term: &'e Expr, possible: PossibleValues) -> Self {
        let (low, high) = possible.range.unwrap_or((i128::MIN, i128::MAX));
        Self {
            term,
            only: None,
            never: Vec::new(),
            low,
            high,
            likes: Vec::new(),
            unlikes: Vec::new(),
            kind: None,
            others: Vec::new(),
            inside: Vec::new(),
            outside: Vec::new(),
            holds: MemberConditions::default(),
            words: possible.words,
            addresses: AddressSet::all(),
            void: false,
        }
    }

    /// Returns the values that it may have, if they are listed.
    pub(super) fn only(&self) -> Option<&[Constant]> {
        self.only.as_deref()
    }

    /// Returns the patterns that it must all match.
    pub(super) fn likes(&self) -> &[&'e [PatternElem]] {
        &self.likes
    }

    /// Returns the patterns of which it must match none.
    pub(super) fn unlikes(&self) -> &[&'e [PatternElem]] {
        &self.unlikes
    }

    /// Returns lists of entities; it is in one of each.
    pub(super) fn inside(&self) -> &[Vec<Uid>] {
        &self.inside
    }

    /// Returns what it is not in.
    pub(super) fn outside(&self) -> &[Uid] {
        &self.outside
    }

    /// Returns the addresses that it may be.
    pub(super) fn addresses(&self) -> &AddressSet {
        &self.addresses
    }

    /// Returns the highest number that it may be.
    pub(super) fn high(&self) -> i128 {
        let number = |value: &Constant| match value {
            Constant::Number(number) => *number,
            _ => i128::MAX,
        };
        let listed = self.only.as_ref().and_then(|only| only.iter().map(number).max());
        listed.map_or(self.high, |listed| listed.min(self.high))
    }

    /// Returns whether it may have a value.
    pub(super) fn fits(&self, value: &Constant) -> bool {
        let is = match value {
            Constant::Number(number) => (self.low..=self.high).contains(number),
            Constant::Text(text) => is_like(text, &self.likes, &self.unlikes),
            Constant::Entity(_) | Constant::Bool(_) => true,
        };
        is && !self.never.contains(value) && self.only.as_ref().is_none_or(|only| only.contains(value))
    }

    pub(super) fn among(&mut self, values: &[Constant]) {
        let left = match &self.only {
            None => values.to_vec(),
            Some(only) => only.iter().filter(|value| values.contains(value)).cloned().collect(),
        };
        self.only = Some(left);
        self.settle();
    }

    fn settle(&mut self) {
        if let Some(only) = &mut self.only {
            only.retain(|value| {
                let fits = match value {
                    Constant::Number(number) => (self.low..=self.high).contains(number),
                    Constant::Text(text) => is_like(text, &self.likes, &self.unlikes),
                    Constant::Entity(uid) => {
                        self.kind.as_ref().is_none_or(|kind| *kind == *uid.kind)
                            && !self.others.iter().any(|other| *other == *uid.kind)
                            && !self.outside.contains(uid)
                    }
                    Constant::Bool(_) => true,
                };
                fits && !self.never.contains(value)
            });
        }
        // An undeclared word is reported elsewhere; this checks whether all declared words are excluded.
        let words = self.only.is_none() && self.likes.is_empty() && !(self.never.is_empty() && self.unlikes.is_empty());
        let words = words
            && self
                .words
                .as_ref()
                .is_some_and(|words| !words.iter().any(|word| self.fits(&Constant::Text((*word).to_owned()))));
        // Being in one of these contradicts being in none of them.
        let inside = self.inside.iter().any(|uids| uids.iter().all(|uid| self.outside.contains(uid)));
        self.void |= self.only.as_ref().is_some_and(Vec::is_empty)
            || self.low > self.high
            || self.addresses.is_empty()
            || self.holds.void()
            || words
            || inside;
    }

    /// Adds a comparison of the term, which must hold or not.
    fn add(&mut self, asked: ConstantComparison<'e>, holds: bool) {
        match (asked, holds) {
            (ConstantComparison::Among(values), true) => self.among(&values),
            (ConstantComparison::Among(values), false) => self.never.extend(values),
            (ConstantComparison::Below(number), true) => self.high = self.high.min(number - 1),
            (ConstantComparison::Below(number), false) => self.low = self.low.max(number),
            (ConstantComparison::Above(number), true) => self.low = self.low.max(number + 1),
            (ConstantComparison::Above(number), false) => self.high = self.high.min(number),
            (ConstantComparison::Like(pattern), true) => {
                self.void |= self.likes.iter().any(|known| !meet(known, pattern))
                    || self.unlikes.iter().any(|known| covers(known, pattern));
                self.likes.push(pattern);
            }
            (ConstantComparison::Like(pattern), false) => {
                // A lone wildcard matches everything.
                self.void |=
                    covers(pattern, &[PatternElem::Wildcard]) || self.likes.iter().any(|known| covers(pattern, known));
                self.unlikes.push(pattern);
            }
            (ConstantComparison::Kind(kind), true) => {
                self.void |= self.kind.as_ref().is_some_and(|known| *known != kind) || self.others.contains(&kind);
                self.kind = Some(kind);
            }
            (ConstantComparison::Kind(kind), false) => {
                self.void |= self.kind.as_ref() == Some(&kind);
                self.others.push(kind);
            }
            // A principal holds only itself.
            (ConstantComparison::In(uids), holds) if uids.iter().all(|uid| PRINCIPALS.contains(&&*uid.kind)) => {
                self.add(ConstantComparison::Among(uids.into_iter().map(Constant::Entity).collect()), holds);
            }
            (ConstantComparison::In(uids), true) => self.inside.push(uids),
            (ConstantComparison::In(uids), false) => self.outside.extend(uids),
            (ConstantComparison::Holds(all), holds) => self.holds.add_all(all, holds),
            (ConstantComparison::HoldsAny(any), holds) => self.holds.add_any(any, holds),
            (ConstantComparison::Empty, holds) => self.holds.add_empty(holds),
            (ConstantComparison::Within(addresses), true) => self.addresses = self.addresses.meet(&addresses),
            (ConstantComparison::Within(addresses), false) => self.addresses = self.addresses.without(&addresses),
        }
        self.settle();
    }
}

fn is_like(text: &str, likes: &[&[PatternElem]], unlikes: &[&[PatternElem]]) -> bool {
    let text = letters(text);
    likes.iter().all(|pattern| meet(&text, pattern)) && !unlikes.iter().any(|pattern| meet(&text, pattern))
}

/// The constraints on several terms at once.
#[derive(Debug, Clone, Default)]
pub(super) struct ConstraintSet<'e> {
    of: Vec<TermConstraint<'e>>,
    /// Other comparisons, each with whether it must hold.
    besides: Vec<(TermRelation<'e>, bool)>,
}

/// A lookup of possible values.
type ValueLookup<'r> = dyn Fn(&Expr) -> PossibleValues + 'r;

impl<'e> ConstraintSet<'e> {
    /// Adds the values that a term is known to have.
    pub(super) fn known(&mut self, term: &'e Expr, values: &[Constant]) {
        self.of(term, &|_| PossibleValues::default()).among(values);
    }

    /// Adds an entity that a term is known to be in.
    pub(super) fn known_in(&mut self, term: &'e Expr, uid: Uid) {
        self.of(term, &|_| PossibleValues::default()).add(ConstantComparison::In(vec![uid]), true);
    }

    /// Adds the type that something is known to have.
    pub(super) fn known_kind(&mut self, term: &'e Expr, kind: &str) {
        self.of(term, &|_| PossibleValues::default()).add(ConstantComparison::Kind(kind.to_owned()), true);
    }

    /// Returns the constraint on each term.
    pub(super) fn iter(&self) -> impl Iterator<Item = &TermConstraint<'e>> {
        self.of.iter()
    }

    fn of(&mut self, term: &'e Expr, range: &ValueLookup<'_>) -> &mut TermConstraint<'e> {
        let at = self.of.iter().position(|known| known.term == term).unwrap_or(self.of.len());
        if at == self.of.len() {
            self.of.push(TermConstraint::new(term, range(term)));
        }
        // INVARIANT: the constraint was pushed if it was missing.
        #[expect(clippy::indexing_slicing, reason = "the place was found or made")]
        &mut self.of[at]
    }

    /// Adds a comparison; `true` if the constraints become impossible.
    pub(super) fn add(&mut self, expr: &'e Expr, holds: bool, range: &ValueLookup<'_>) -> bool {
        // If it does not hold, either part may be false.
        if let (Expr::Is { expr: term, entity_type, in_expr: Some(within) }, true) = (expr, holds)
            && let Some(uids) = uids(within)
        {
            let constraint = self.of(term, range);
            let void = constraint.void;
            constraint.add(ConstantComparison::Kind(entity_type.0.to_string()), true);
            constraint.add(ConstantComparison::In(uids), true);
            return constraint.void && !void;
        }
        let Some((term, asked, turned)) = asked(expr) else {
            let (relation, turned) = TermRelation::of(expr);
            let void = self.besides.contains(&(relation, holds == turned));
            self.besides.push((relation, holds != turned));
            return void;
        };
        let constraint = self.of(term, range);
        let void = constraint.void;
        constraint.add(asked, holds != turned);
        constraint.void && !void
    }
}
