//! What several comparisons of one thing leave of it: sets of values, a range, patterns.

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp};

use super::addresses::{Addresses, Written};
use super::constant::Constant;
use super::holds::Holds;
use super::likes::{covers, letters, meet};
use super::relation::Relation;
use crate::rule::{Uid, literal};
use crate::vocabulary::PRINCIPALS;

/// What something can be at all.
#[derive(Debug, Clone, Default)]
pub(super) struct Possible {
    /// Numbers from the first to the second.
    pub(super) range: Option<(i128, i128)>,
    /// These words and nothing else.
    pub(super) words: Option<Vec<&'static str>>,
}

/// What is asked of one thing.
#[derive(Debug, Clone)]
pub(super) struct Constraint<'e> {
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
    /// Of each of these, it is in one.
    inside: Vec<Vec<Uid>>,
    /// Of these, it is in none.
    outside: Vec<Uid>,
    holds: Holds,
    /// The words that it is one of, if they are declared.
    words: Option<Vec<&'static str>>,
    addresses: Addresses,
    /// Whether nothing can be all of it.
    pub(super) void: bool,
}

impl<'e> Constraint<'e> {
    fn new(term: &'e Expr, possible: Possible) -> Self {
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
            holds: Holds::default(),
            words: possible.words,
            addresses: Addresses::all(),
            void: false,
        }
    }

    /// The values that it may have, if they are listed.
    pub(super) fn only(&self) -> Option<&[Constant]> {
        self.only.as_deref()
    }

    /// The patterns that it is like, each of them.
    pub(super) fn likes(&self) -> &[&'e [PatternElem]] {
        &self.likes
    }

    /// The patterns that it is not like, none of them.
    pub(super) fn unlikes(&self) -> &[&'e [PatternElem]] {
        &self.unlikes
    }

    /// What it is in: of each of these, one.
    pub(super) fn inside(&self) -> &[Vec<Uid>] {
        &self.inside
    }

    /// What it is not in.
    pub(super) fn outside(&self) -> &[Uid] {
        &self.outside
    }

    /// The addresses that it may be.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The highest number that it may be.
    pub(super) fn high(&self) -> i128 {
        let number = |value: &Constant| match value {
            Constant::Number(number) => *number,
            _ => i128::MAX,
        };
        let listed = self.only.as_ref().and_then(|only| only.iter().map(number).max());
        listed.map_or(self.high, |listed| listed.min(self.high))
    }

    /// Whether it may have a value.
    pub(super) fn fits(&self, value: &Constant) -> bool {
        let is = match value {
            Constant::Number(number) => (self.low..=self.high).contains(number),
            Constant::Text(text) => {
                let text = letters(text);
                self.likes.iter().all(|pattern| meet(&text, pattern))
                    && !self.unlikes.iter().any(|pattern| meet(&text, pattern))
            }
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
                    Constant::Text(text) => {
                        let text = letters(text);
                        self.likes.iter().all(|pattern| meet(&text, pattern))
                            && !self.unlikes.iter().any(|pattern| meet(&text, pattern))
                    }
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
        // That a word is none of those that there are is told elsewhere; that each of them is left out, here.
        let words = self.only.is_none() && self.likes.is_empty() && !(self.never.is_empty() && self.unlikes.is_empty());
        let words = words
            && self
                .words
                .as_ref()
                .is_some_and(|words| !words.iter().any(|word| self.fits(&Constant::Text((*word).to_owned()))));
        // What is in something is in none of what it is not in, by whatever way.
        let inside = self.inside.iter().any(|uids| uids.iter().all(|uid| self.outside.contains(uid)));
        self.void |= self.only.as_ref().is_some_and(Vec::is_empty)
            || self.low > self.high
            || self.addresses.is_empty()
            || self.holds.void()
            || words
            || inside;
    }

    /// Adds a comparison of the term, that is to hold or not.
    fn add(&mut self, asked: Asked<'e>, holds: bool) {
        match (asked, holds) {
            (Asked::Among(values), true) => self.among(&values),
            (Asked::Among(values), false) => self.never.extend(values),
            (Asked::Below(number), true) => self.high = self.high.min(number - 1),
            (Asked::Below(number), false) => self.low = self.low.max(number),
            (Asked::Above(number), true) => self.low = self.low.max(number + 1),
            (Asked::Above(number), false) => self.high = self.high.min(number),
            (Asked::Like(pattern), true) => {
                self.void |= self.likes.iter().any(|known| !meet(known, pattern))
                    || self.unlikes.iter().any(|known| covers(known, pattern));
                self.likes.push(pattern);
            }
            (Asked::Like(pattern), false) => {
                // Everything is like a wildcard alone.
                self.void |=
                    covers(pattern, &[PatternElem::Wildcard]) || self.likes.iter().any(|known| covers(pattern, known));
                self.unlikes.push(pattern);
            }
            (Asked::Kind(kind), true) => {
                self.void |= self.kind.as_ref().is_some_and(|known| *known != kind) || self.others.contains(&kind);
                self.kind = Some(kind);
            }
            (Asked::Kind(kind), false) => {
                self.void |= self.kind.as_ref() == Some(&kind);
                self.others.push(kind);
            }
            // Nothing is in a principal but itself.
            (Asked::In(uids), holds) if uids.iter().all(|uid| PRINCIPALS.contains(&&*uid.kind)) => {
                self.add(Asked::Among(uids.into_iter().map(Constant::Entity).collect()), holds);
            }
            (Asked::In(uids), true) => self.inside.push(uids),
            (Asked::In(uids), false) => self.outside.extend(uids),
            (Asked::Holds(all), holds) => self.holds.add_all(all, holds),
            (Asked::HoldsAny(any), holds) => self.holds.add_any(any, holds),
            (Asked::Empty, holds) => self.holds.add_empty(holds),
            (Asked::Within(addresses), true) => self.addresses = self.addresses.meet(&addresses),
            (Asked::Within(addresses), false) => self.addresses = self.addresses.without(&addresses),
        }
        self.settle();
    }
}

/// One comparison with constants.
enum Asked<'e> {
    Among(Vec<Constant>),
    Below(i128),
    Above(i128),
    Like(&'e [PatternElem]),
    Kind(String),
    Within(Addresses),
    In(Vec<Uid>),
    Holds(Vec<Constant>),
    HoldsAny(Vec<Constant>),
    Empty,
}

/// The entities that something is asked to be in.
pub(super) fn uids(expr: &Expr) -> Option<Vec<Uid>> {
    let one = |expr: &Expr| match expr {
        Expr::Literal(Literal::EntityUID(uid)) => Some(literal(uid)),
        _ => None,
    };
    match expr {
        Expr::Set(members) => members.iter().map(|member| one(member)).collect(),
        _ => one(expr).map(|uid| vec![uid]),
    }
}

/// Takes a question about what a set holds apart.
fn asked_of_set(expr: &Expr) -> Option<(&Expr, Asked<'_>, bool)> {
    let listed = |expr: &Expr| -> Option<Vec<Constant>> {
        let Expr::Set(members) = expr else { return None };
        members.iter().map(|member| Constant::of(member)).collect()
    };
    let (op, left, right) = match expr {
        Expr::UnaryOp { op: UnaryOp::IsEmpty, expr } => return Some((expr, Asked::Empty, false)),
        Expr::BinaryOp { op, left, right } if matches!(**left, Expr::GetAttr { .. }) => (op, left, right),
        _ => return None,
    };
    let asked = match op {
        BinaryOp::Contains => Asked::Holds(vec![Constant::of(right)?]),
        BinaryOp::ContainsAll => Asked::Holds(listed(right)?),
        BinaryOp::ContainsAny => Asked::HoldsAny(listed(right)?),
        _ => return None,
    };
    Some((left, asked, false))
}

/// Takes a comparison of an address apart. What is no address of a request is told elsewhere, and makes no set of addresses.
fn asked_of_address(expr: &Expr) -> Option<(&Expr, Asked<'_>, bool)> {
    let one = |expr: &Expr| {
        let (_, written) = Written::of(expr).filter(|(_, written)| written.is_of_a_request())?;
        Some(Addresses::one(written.canonical()))
    };
    match expr {
        Expr::UnaryOp { op, expr } => Some((expr, Asked::Within(Addresses::of_method(*op)?), false)),
        Expr::BinaryOp { op: BinaryOp::IsInRange, left, right } => {
            Some((left, Asked::Within(Written::of(right)?.1.within()), false))
        }
        Expr::BinaryOp { op: op @ (BinaryOp::Eq | BinaryOp::NotEq), left, right } => {
            let (term, address) = one(right).map(|address| (left, address)).or_else(|| Some((right, one(left)?)))?;
            Some((term, Asked::Within(address), *op == BinaryOp::NotEq))
        }
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match &**left {
            Expr::Set(members) => {
                let all = members.iter().map(|member| one(member)).collect::<Option<Vec<_>>>()?;
                (!all.is_empty()).then(|| (&**right, Asked::Within(Addresses::union(all)), false))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Takes a comparison of something with constants apart; `bool` says whether it is the other way around.
fn asked(expr: &Expr) -> Option<(&Expr, Asked<'_>, bool)> {
    if let Some(asked) = asked_of_address(expr).or_else(|| asked_of_set(expr)) {
        return Some(asked);
    }
    match expr {
        Expr::Like { expr, pattern } => Some((expr, Asked::Like(pattern), false)),
        Expr::Is { expr, entity_type, in_expr: None } => Some((expr, Asked::Kind(entity_type.0.to_string()), false)),
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => match &**left {
            Expr::Set(members) => {
                let values = members.iter().map(|member| Constant::of(member)).collect::<Option<Vec<_>>>()?;
                Some((right, Asked::Among(values), false))
            }
            _ => None,
        },
        Expr::BinaryOp { op: BinaryOp::In, left, right } if matches!(**left, Expr::Var(_)) => {
            Some((left, Asked::In(uids(right)?), false))
        }
        Expr::BinaryOp { op, left, right } => {
            let (term, constant, turned) = match (Constant::of(left), Constant::of(right)) {
                (None, Some(constant)) => (left, constant, false),
                (Some(constant), None) => (right, constant, true),
                _ => return None,
            };
            if matches!(op, BinaryOp::Eq | BinaryOp::NotEq) {
                return Some((term, Asked::Among(vec![constant]), *op == BinaryOp::NotEq));
            }
            let Constant::Number(number) = constant else { return None };
            let below = match op {
                BinaryOp::Less | BinaryOp::GreaterEq => !turned,
                BinaryOp::Greater | BinaryOp::LessEq => turned,
                _ => return None,
            };
            let negated = matches!(op, BinaryOp::LessEq | BinaryOp::GreaterEq);
            // `x <= 5` is not `x > 5`; `5 <= x` is not `x < 5`.
            Some((term, if below { Asked::Below(number) } else { Asked::Above(number) }, negated))
        }
        Expr::GetAttr { .. } => Some((expr, Asked::Among(vec![Constant::Bool(true)]), false)),
        _ => None,
    }
}

/// What a comparison is about.
pub(super) fn term(expr: &Expr) -> Option<&Expr> {
    asked(expr).map(|(term, ..)| term)
}

/// All that is asked of different things at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Constraints<'e> {
    of: Vec<Constraint<'e>>,
    /// What is asked besides, each with whether it is to hold.
    besides: Vec<(Relation<'e>, bool)>,
}

/// What each thing can be at all.
type Ranges<'r> = dyn Fn(&Expr) -> Possible + 'r;

impl<'e> Constraints<'e> {
    /// Adds what is known of something without being asked.
    pub(super) fn known(&mut self, term: &'e Expr, values: &[Constant]) {
        self.of(term, &|_| Possible::default()).among(values);
    }

    /// Adds what something is known to be in.
    pub(super) fn known_in(&mut self, term: &'e Expr, uid: Uid) {
        self.of(term, &|_| Possible::default()).add(Asked::In(vec![uid]), true);
    }

    /// Adds the type that something is known to have.
    pub(super) fn known_kind(&mut self, term: &'e Expr, kind: &str) {
        self.of(term, &|_| Possible::default()).add(Asked::Kind(kind.to_owned()), true);
    }

    /// What is asked of each thing.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Constraint<'e>> {
        self.of.iter()
    }

    fn of(&mut self, term: &'e Expr, range: &Ranges<'_>) -> &mut Constraint<'e> {
        let at = self.of.iter().position(|known| known.term == term).unwrap_or(self.of.len());
        if at == self.of.len() {
            self.of.push(Constraint::new(term, range(term)));
        }
        // INVARIANT: it was pushed if it was not there.
        #[expect(clippy::indexing_slicing, reason = "the place was found or made")]
        &mut self.of[at]
    }

    /// Adds a comparison; `true` if nothing can be all of what is asked now.
    pub(super) fn add(&mut self, expr: &'e Expr, holds: bool, range: &Ranges<'_>) -> bool {
        // Both hold, or one of the two does not.
        if let (Expr::Is { expr: term, entity_type, in_expr: Some(within) }, true) = (expr, holds)
            && let Some(uids) = uids(within)
        {
            let constraint = self.of(term, range);
            let void = constraint.void;
            constraint.add(Asked::Kind(entity_type.0.to_string()), true);
            constraint.add(Asked::In(uids), true);
            return constraint.void && !void;
        }
        let Some((term, asked, turned)) = asked(expr) else {
            let (relation, turned) = Relation::of(expr);
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
