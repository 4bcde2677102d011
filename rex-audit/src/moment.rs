//! Points in time, as journals and people write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rex_core::Timestamp;

/// The error for a text that is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time; expected a time such as `2026-11-23T12:00:00Z`, `2026-11-23 12:00` or `2026-11-23`, or an age such as `90m`, `2h` or `7d`"
)]
pub struct NoMoment(pub String);

/// Parses a point in time in RFC 3339, the format of journals.
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp::from_micros(time.as_microsecond()))
}

/// Formats a point in time for people, in UTC and to the millisecond, always with the same width.
#[must_use]
pub fn shown(time: Timestamp) -> String {
    let whole = Timestamp::from_micros(time.as_secs().saturating_mul(1_000_000)).to_string();
    format!("{}.{:03}", whole.trim_end_matches('Z').replace('T', " "), time.as_millis().rem_euclid(1_000))
}

/// Parses a point in time as people write it: RFC 3339, a date with or without a time (in UTC, as in journals), or a duration before
/// `now`: `90m`, `2h`, `7d`.
///
/// # Errors
/// If it has none of these forms.
pub fn written(text: &str, now: Timestamp) -> Result<Timestamp, NoMoment> {
    let bad = || NoMoment(text.to_owned());
    if let Some(time) = rfc3339(text) {
        return Ok(time);
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    if let Ok(civil) = civil {
        let time = TimeZone::UTC.to_timestamp(civil).map_err(|_| bad())?;
        return Ok(Timestamp::from_micros(time.as_microsecond()));
    }
    let seconds = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        _ => None,
    };
    let mut chars = text.chars();
    let unit = chars.next_back().and_then(seconds).ok_or_else(bad)?;
    let count: u32 = chars.as_str().parse().map_err(|_| bad())?;
    let ago = i64::from(count).checked_mul(unit * 1_000_000).ok_or_else(bad)?;
    now.as_micros().checked_sub(ago).map(Timestamp::from_micros).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        let now = rfc3339("2026-11-23T12:00:00.5Z").unwrap();
        for (text, expected) in [
            ("2026-11-23T12:42:29.000001Z", "2026-11-23T12:42:29.000001Z"),
            ("2026-11-23T12:42:29+02:00", "2026-11-23T10:42:29Z"),
            ("2026-11-23 12:42", "2026-11-23T12:42:00Z"),
            ("2026-11-23T12:42:01", "2026-11-23T12:42:01Z"),
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("90m", "2026-11-23T10:30:00.500000Z"),
            ("7d", "2026-11-16T12:00:00.500000Z"),
        ] {
            assert_eq!(written(text, now).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "h", "-1h", "1.5h", "yesterday", "2026-13-01", "4294967296d", "1é"] {
            assert_eq!(written(text, now), Err(NoMoment(text.to_owned())));
        }
    }

    #[test]
    fn journals_are_read_as_they_are_written() {
        for micros in [0, 1, -1, 951_782_400_000_000, 1_795_437_749_000_001] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(rfc3339(&time.to_string()), Some(time));
        }
    }
}
