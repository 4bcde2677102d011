//! What several comparisons of one thing leave of it: sets of values, a range, patterns.

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp};

use super::addresses::{Addresses, Written};
use crate::rule::{Uid, literal};

/// A value that is written in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Constant {
    Bool(bool),
    Text(String),
    Entity(Uid),
    /// A number, or a point in time or a length of time in milliseconds.
    Number(i128),
}

impl Constant {
    pub(super) fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Literal(Literal::Bool(value)) => Some(Self::Bool(*value)),
            Expr::Literal(Literal::String(text)) => Some(Self::Text(text.to_string())),
            Expr::Literal(Literal::EntityUID(uid)) => Some(Self::Entity(literal(uid))),
            Expr::Literal(Literal::Long(number)) => Some(Self::Number((*number).into())),
            Expr::UnaryOp { op, expr } => match (op, &**expr) {
                (UnaryOp::Datetime, Expr::Literal(Literal::String(text))) => datetime(text).map(Self::Number),
                (UnaryOp::Duration, Expr::Literal(Literal::String(text))) => duration(text).map(Self::Number),
                (UnaryOp::Neg, expr) => match Self::of(expr)? {
                    Self::Number(number) => Some(Self::Number(-number)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }
}

/// The milliseconds of a text such as `2026-12-31` or `2026-12-31T22:00:00.000+0100`.
fn datetime(text: &str) -> Option<i128> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let Some(time) = time else { return midnight(date) };
    let (clock, offset) = match (time.strip_suffix('Z'), time.rfind(['+', '-'])) {
        (Some(clock), _) => (clock, 0),
        (None, Some(at)) => {
            let (clock, offset) = time.split_at_checked(at)?;
            let minutes = |from: usize| offset.get(from..from + 2)?.parse::<i128>().ok();
            let length = (minutes(1)? * 60 + minutes(3)?) * 60_000;
            (clock, if offset.starts_with('-') { -length } else { length })
        }
        (None, None) => return None,
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':').map(|part| part.parse::<i128>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(midnight(date)? + ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction.parse::<i128>().ok()? - offset)
}

fn midnight(date: &str) -> Option<i128> {
    let time = rex_core::Timestamp::parse(&format!("{date}T00:00:00Z")).ok()?;
    Some(time.as_millis().into())
}

/// The milliseconds of a text such as `1d2h30m` or `-5s`.
fn duration(text: &str) -> Option<i128> {
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut sum = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i128 = rest.get(..end)?.parse().ok()?;
        let unit = rest.get(end..)?;
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let each = match unit.get(..length)? {
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        sum += number.checked_mul(each)?;
        rest = unit.get(length..)?;
    }
    Some(if negative { -sum } else { sum })
}

/// What is asked of one thing.
#[derive(Debug)]
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
    addresses: Addresses,
    /// Whether nothing can be all of it.
    pub(super) void: bool,
}

impl<'e> Constraint<'e> {
    pub(super) fn new(term: &'e Expr, range: Option<(i128, i128)>) -> Self {
        let (low, high) = range.unwrap_or((i128::MIN, i128::MAX));
        let addresses = Addresses::all();
        let (likes, unlikes) = (Vec::new(), Vec::new());
        Self { term, only: None, never: Vec::new(), low, high, likes, unlikes, kind: None, addresses, void: false }
    }

    /// The values that it may have, if they are listed.
    pub(super) fn only(&self) -> Option<&[Constant]> {
        self.only.as_deref()
    }

    /// The patterns that it is like, each of them.
    pub(super) fn likes(&self) -> &[&'e [PatternElem]] {
        &self.likes
    }

    /// The addresses that it may be.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The highest number that it may be.
    pub(super) fn high(&self) -> i128 {
        self.high
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
                    Constant::Text(text) => self.likes.iter().all(|pattern| meet(&letters(text), pattern)),
                    Constant::Entity(uid) => self.kind.as_ref().is_none_or(|kind| *kind == *uid.kind),
                    Constant::Bool(_) => true,
                };
                fits && !self.never.contains(value)
            });
        }
        self.void |= self.only.as_ref().is_some_and(Vec::is_empty) || self.low > self.high || self.addresses.is_empty();
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
                self.void |= self.likes.iter().any(|known| !meet(known, pattern));
                self.likes.push(pattern);
            }
            (Asked::Like(pattern), false) => {
                self.unlikes.push(pattern);
                // What is like it is no longer among the values.
                if let Some(only) = &mut self.only {
                    only.retain(|value| !matches!(value, Constant::Text(text) if meet(&letters(text), pattern)));
                }
            }
            (Asked::Kind(kind), true) => {
                self.void |= self.kind.as_ref().is_some_and(|known| *known != kind);
                self.kind = Some(kind);
            }
            (Asked::Kind(kind), false) => self.void |= self.kind.as_ref() == Some(&kind),
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
    if let Some(asked) = asked_of_address(expr) {
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
#[derive(Debug, Default)]
pub(super) struct Constraints<'e>(Vec<Constraint<'e>>);

impl<'e> Constraints<'e> {
    /// Adds what is known of something without being asked.
    pub(super) fn known(&mut self, term: &'e Expr, value: Constant) {
        self.of(term, &|_| None).among(&[value]);
    }

    /// What is asked of each thing.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Constraint<'e>> {
        self.0.iter()
    }

    fn of(&mut self, term: &'e Expr, range: &dyn Fn(&Expr) -> Option<(i128, i128)>) -> &mut Constraint<'e> {
        let at = self.0.iter().position(|known| known.term == term).unwrap_or(self.0.len());
        if at == self.0.len() {
            self.0.push(Constraint::new(term, range(term)));
        }
        // INVARIANT: it was pushed if it was not there.
        #[expect(clippy::indexing_slicing, reason = "the place was found or made")]
        &mut self.0[at]
    }

    /// Adds a comparison; `true` if nothing can be all of what is asked now.
    pub(super) fn add(&mut self, expr: &'e Expr, holds: bool, range: &dyn Fn(&Expr) -> Option<(i128, i128)>) -> bool {
        let Some((term, asked, turned)) = asked(expr) else { return false };
        let constraint = self.of(term, range);
        let void = constraint.void;
        constraint.add(asked, holds != turned);
        constraint.void && !void
    }
}

fn letters(text: &str) -> Vec<PatternElem> {
    text.chars().map(PatternElem::Char).collect()
}

/// Whether a text can be like both patterns.
fn meet(one: &[PatternElem], other: &[PatternElem]) -> bool {
    // The places in the other pattern that can be reached with what was read of the first.
    let open = |mut places: Vec<bool>| {
        for at in 0..other.len() {
            if places.get(at) == Some(&true)
                && other.get(at) == Some(&PatternElem::Wildcard)
                && let Some(next) = places.get_mut(at + 1)
            {
                *next = true;
            }
        }
        places
    };
    let mut places = vec![false; other.len() + 1];
    if let Some(first) = places.first_mut() {
        *first = true;
    }
    places = open(places);
    for element in one {
        let mut next = vec![false; other.len() + 1];
        match element {
            // Any text: every place from the first on.
            PatternElem::Wildcard => {
                let first = places.iter().position(|reached| *reached).unwrap_or(places.len());
                next.iter_mut().skip(first).for_each(|place| *place = true);
            }
            PatternElem::Char(c) => {
                for (at, _) in places.iter().enumerate().filter(|(_, reached)| **reached) {
                    let to = match other.get(at) {
                        Some(PatternElem::Wildcard) => at,
                        Some(PatternElem::Char(same)) if same == c => at + 1,
                        _ => continue,
                    };
                    if let Some(place) = next.get_mut(to) {
                        *place = true;
                    }
                }
            }
        }
        places = open(next);
    }
    places.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers() {
        assert_eq!(datetime("1970-01-02"), Some(86_400_000));
        assert_eq!(datetime("1970-01-01T00:00:01Z"), Some(1_000));
        assert_eq!(datetime("1970-01-01T01:00:00.005+0100"), Some(5));
        assert_eq!(datetime("1969-12-31T23:00:00-0100"), Some(0));
        assert_eq!(duration("1d2h3m4s5ms"), Some(86_400_000 + 7_200_000 + 180_000 + 4_000 + 5));
        assert_eq!((duration("-5s"), duration("5"), duration("x")), (Some(-5_000), None, None));
    }

    #[test]
    fn patterns_meet_where_a_text_is_like_both() {
        let pattern = |text: &str| -> Vec<PatternElem> {
            text.chars().map(|c| if c == '*' { PatternElem::Wildcard } else { PatternElem::Char(c) }).collect()
        };
        for (one, other, expected) in [
            ("*.key", "*.pem", false),
            ("*.key", "a*", true),
            ("a*", "b*", false),
            ("a*c", "ab*", true),
            ("*", "", true),
            ("a", "a", true),
            ("a", "*b*", false),
            ("*a*", "*b*", true),
            ("/srv/*", "/etc/*", false),
            ("ab*ba", "aba", false),
            ("*aba", "ab*", true),
        ] {
            assert_eq!(meet(&pattern(one), &pattern(other)), expected, "{one} {other}");
            assert_eq!(meet(&pattern(other), &pattern(one)), expected, "{other} {one}");
        }
    }
}
