//! Durations and sizes as people write them: `90s`, `1h30m`, `10M`, `64MB`. One grammar for options of operations and of the
//! command line.

use std::fmt;
use std::time::Duration;

use crate::Timestamp;

/// Examples of durations, for messages and documentation.
pub const DURATIONS: &str = "`500ms`, `30s`, `15m`, `12h`, `7d`, `2w` or several, as in `1h30m`";

/// Examples of sizes, for messages and documentation. As in coreutils, a letter alone counts by 1024.
pub const SIZES: &str =
    "`512B`, `64K`, `10M`, `1G` (by 1024, also `KiB`, `MiB`, `GiB`) or `64kB`, `10MB`, `1GB` (by 1000)";

/// Units of time and their length in nanoseconds.
const TIMES: &[(&[&str], u128)] = &[
    (&["ms", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "second", "seconds"], 1_000_000_000),
    (&["m", "min", "minute", "minutes"], 60_000_000_000),
    (&["h", "hour", "hours"], 3_600_000_000_000),
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["w", "week", "weeks"], 604_800_000_000_000),
];

/// Units of size and their length in bytes.
const BYTES: &[(&[&str], u128)] = &[
    (&["B", "bytes"], 1),
    (&["k", "K", "Ki", "KiB"], 1 << 10),
    (&["M", "Mi", "MiB"], 1 << 20),
    (&["G", "Gi", "GiB"], 1 << 30),
    (&["T", "Ti", "TiB"], 1 << 40),
    (&["P", "Pi", "PiB"], 1 << 50),
    (&["kB", "KB"], 1_000),
    (&["MB"], 1_000_000),
    (&["GB"], 1_000_000_000),
    (&["TB"], 1_000_000_000_000),
    (&["PB"], 1_000_000_000_000_000),
];

/// The reason why a text is not a duration, a size or a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuantityError {
    /// A missing number.
    NoNumber,
    /// A number without a unit.
    NoUnit,
    /// An unknown unit.
    Unit(String),
    /// A value that is too large.
    TooMuch,
    /// A text that is neither a point in time nor a duration before now.
    NoMoment,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber => write!(f, "it does not start with a number"),
            Self::NoUnit => write!(f, "it has no unit"),
            Self::Unit(unit) => write!(f, "`{}` is not one of the units", unit.escape_debug()),
            Self::TooMuch => write!(f, "it is too large"),
            Self::NoMoment => write!(f, "it is neither a time in UTC nor a time before now"),
        }
    }
}

impl std::error::Error for QuantityError {}

/// Parses a duration: numbers with units of time, added up. A day has 24 hours.
///
/// # Errors
/// If the text is not a duration; a number without a unit is not.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let mut rest = text.trim();
    let mut nanos = 0_u128;
    loop {
        let (part, after) = amount(rest, TIMES)?;
        nanos = nanos.checked_add(part).ok_or(QuantityError::TooMuch)?;
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    let seconds = u64::try_from(nanos / 1_000_000_000).map_err(|_| QuantityError::TooMuch)?;
    let below = u32::try_from(nanos % 1_000_000_000).map_err(|_| QuantityError::TooMuch)?;
    Ok(Duration::new(seconds, below))
}

/// Parses a size: a number with a unit, in bytes, rounded down.
///
/// # Errors
/// If the text is not a size; a number without a unit is not.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    match amount(text.trim(), BYTES)? {
        (bytes, "") => u64::try_from(bytes).map_err(|_| QuantityError::TooMuch),
        (_, rest) => Err(QuantityError::Unit(rest.trim().to_owned())),
    }
}

/// Examples of points in time, for messages and documentation.
pub const MOMENTS: &str = "`-1h`, `1h ago` or `2026-11-23T12:42:29Z`";

/// Parses a point in time: RFC 3339 in UTC, or a duration before now.
///
/// # Errors
/// If the text is neither. A duration must be marked as before now, with `-` or `ago`.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, QuantityError> {
    let text = text.trim();
    let before = text.strip_prefix('-').or_else(|| text.strip_suffix("ago"));
    match before {
        Some(before) => {
            let micros = i64::try_from(duration(before)?.as_micros()).map_err(|_| QuantityError::TooMuch)?;
            now.as_micros().checked_sub(micros).map(Timestamp::from_micros).ok_or(QuantityError::TooMuch)
        }
        None => Timestamp::parse(text).map_err(|_| QuantityError::NoMoment),
    }
}

/// Parses a number with its unit at the start of a text; returns their product and the rest.
fn amount<'t>(text: &'t str, units: &[(&[&str], u128)]) -> Result<(u128, &'t str), QuantityError> {
    let (number, rest) = span(text, |c| c.is_ascii_digit() || c == '.');
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // More digits change nothing, and would not fit.
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') || fraction.len() > 12 {
        return Err(QuantityError::NoNumber);
    }
    let (unit, rest) = span(rest.trim_start(), |c| !c.is_ascii_digit() && !c.is_whitespace() && c != '.');
    if unit.is_empty() {
        return Err(QuantityError::NoUnit);
    }
    let one = units.iter().find(|(names, _)| names.contains(&unit)).map(|(_, one)| *one);
    let one = one.ok_or_else(|| QuantityError::Unit(unit.to_owned()))?;
    let scale = fraction.bytes().fold(1_u128, |scale, _| scale * 10);
    let digits = |digits: &str| digits.parse::<u128>().map_err(|_| QuantityError::TooMuch);
    let whole = digits(whole)?.checked_mul(one);
    let below = digits(fraction)?.checked_mul(one).map(|below| below / scale);
    whole
        .zip(below)
        .and_then(|(whole, below)| whole.checked_add(below))
        .map(|all| (all, rest))
        .ok_or(QuantityError::TooMuch)
}

/// Splits off the characters at the start that match.
fn span(text: &str, is_such: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_such(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Formats a number of milliseconds as a duration that [`duration`] parses.
#[must_use]
pub fn show_millis(millis: u64) -> String {
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}

/// Formats a number of bytes as a size that [`size`] parses, exactly.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = units.iter().find(|(_, power)| bytes > 0 && bytes.is_multiple_of(1 << power));
    fits.map_or_else(|| format!("{bytes}B"), |(unit, power)| format!("{}{unit}", bytes >> power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("0.5s", 500),
            ("90m", 5_400_000),
            ("1h30m", 5_400_000),
            ("1h 30m 5 s", 5_405_000),
            ("7d", 604_800_000),
            (" 2w ", 1_209_600_000),
            ("1 hour", 3_600_000),
            ("1.5 days", 129_600_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, why) in [
            ("", QuantityError::NoNumber),
            ("soon", QuantityError::NoNumber),
            ("-5s", QuantityError::NoNumber),
            ("1.s", QuantityError::NoNumber),
            ("1.2.3s", QuantityError::NoNumber),
            ("5s and", QuantityError::NoNumber),
            ("5", QuantityError::NoUnit),
            ("1h30", QuantityError::NoUnit),
            ("5M", QuantityError::Unit("M".to_owned())),
            ("5 months", QuantityError::Unit("months".to_owned())),
            ("5MB", QuantityError::Unit("MB".to_owned())),
            ("1e3s", QuantityError::Unit("e".to_owned())),
            ("99999999999999999999w", QuantityError::TooMuch),
            ("9999999999999999999999999999999999999999s", QuantityError::TooMuch),
        ] {
            assert_eq!(duration(text), Err(why), "{text}");
        }
    }

    #[test]
    fn sizes_of_1000_and_of_1024() {
        for (text, bytes) in [
            ("512B", 512),
            ("64K", 64 << 10),
            ("64k", 64 << 10),
            ("10M", 10 << 20),
            ("1.5 GiB", 3 << 29),
            ("1G", 1 << 30),
            ("64kB", 64_000),
            ("64KB", 64_000),
            ("64MB", 64_000_000),
            ("1GB", 1_000_000_000),
            ("0B", 0),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, why) in [
            ("", QuantityError::NoNumber),
            ("M", QuantityError::NoNumber),
            ("-1M", QuantityError::NoNumber),
            ("10", QuantityError::NoUnit),
            ("10m", QuantityError::Unit("m".to_owned())),
            ("10mb", QuantityError::Unit("mb".to_owned())),
            ("5s", QuantityError::Unit("s".to_owned())),
            ("1M2K", QuantityError::Unit("2K".to_owned())),
            ("99999P", QuantityError::TooMuch),
        ] {
            assert_eq!(size(text), Err(why), "{text}");
        }
    }

    #[test]
    fn moments() {
        let now = Timestamp::from_micros(10_000_000_000);
        for (text, seconds) in
            [("-1h", 6_400), ("1h ago", 6_400), ("1h30m ago", 4_600), ("-0s", 10_000), ("1970-01-01T00:00:05Z", 5)]
        {
            assert_eq!(moment(text, now).map(Timestamp::as_secs), Ok(seconds), "{text}");
        }
        for (text, why) in [
            ("", QuantityError::NoMoment),
            ("1h", QuantityError::NoMoment),
            ("yesterday", QuantityError::NoMoment),
            ("2026-11-23", QuantityError::NoMoment),
            ("-1", QuantityError::NoUnit),
            ("-1x", QuantityError::Unit("x".to_owned())),
            ("-9999999999999w", QuantityError::TooMuch),
        ] {
            assert_eq!(moment(text, now), Err(why), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read() {
        for number in [0, 1, 999, 1_000, 1_024, 30_000, 1 << 20, 256 << 20, 3 << 30, u64::MAX] {
            assert_eq!(size(&show_bytes(number)), Ok(number));
            assert_eq!(duration(&show_millis(number)), Ok(Duration::from_millis(number)));
        }
    }
}
