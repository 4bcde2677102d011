//! Constants in a policy.

use cedar_policy::pst::{Expr, Literal, UnaryOp};

use crate::rule::{Uid, literal};

/// A constant in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Constant {
    Bool(bool),
    Text(String),
    Entity(Uid),
    /// A number; a point in time or a duration in milliseconds.
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

/// Parses a text such as `2026-12-31` or `2026-12-31T22:00:00.000+0100` to milliseconds since 1970.
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

/// Parses a text such as `1d2h30m` or `-5s` to milliseconds.
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
}
