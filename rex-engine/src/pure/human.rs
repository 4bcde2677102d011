//! Sizes and durations as people write them.

use jiff::SignedDuration;
use jiff::fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter};

use super::{PureResult, fail_with, quote};

functions! { "human";
    /// A number of bytes with a unit of 1024: `1.5 MiB`.
    bytes(count: i64) -> "text" = |count: i64| Ok(bytes(count));
    /// The number of bytes of a text such as `10M`, `1.5 GiB`, `300kB` or `42`. K, M, G and T are of 1024, kB, MB, GB and TB of 1000.
    parse_bytes(text: &str) -> "int" = parse_bytes;
    /// A number of seconds with units: `2h 3m 4s`.
    duration(seconds: i64) -> "text" = |seconds: i64| Ok(duration(seconds));
    /// The number of seconds of a text such as `90s`, `2h 30m`, `1 hour` or `1d`. A day is of 24 hours.
    parse_duration(text: &str) -> "float" = parse_duration;
}

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

fn bytes(count: i64) -> String {
    let size = count.unsigned_abs();
    let sign = if count < 0 { "-" } else { "" };
    let power = size.checked_ilog2().unwrap_or(0) / 10;
    let unit = UNITS.get(power as usize).unwrap_or(&"B");
    if power == 0 {
        return format!("{sign}{size} {unit}");
    }
    // Tenths, rounded; in 128 bits they do not overflow.
    let (size, one) = (u128::from(size), 1_u128 << (10 * power));
    let tenths = (size * 10 + one / 2) / one;
    format!("{sign}{}.{} {unit}", tenths / 10, tenths % 10)
}

fn parse_bytes(text: &str) -> PureResult<i64> {
    let refuse = || {
        let message = format!("{} is not a number of bytes", quote(text));
        fail_with(message, "a size looks like `42`, `10M`, `1.5 GiB` or `300kB`")
    };
    let trimmed = text.trim();
    let end = trimmed.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at_checked(end).ok_or_else(refuse)?;
    let one: u64 = match unit.trim() {
        "" | "B" => 1,
        "K" | "k" | "KiB" | "Ki" => 1 << 10,
        "M" | "MiB" | "Mi" => 1 << 20,
        "G" | "GiB" | "Gi" => 1 << 30,
        "T" | "TiB" | "Ti" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(refuse()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |digits: &str| digits.parse::<u128>().map_err(|_| refuse());
    if fraction.is_empty() || fraction.len() > 18 {
        return Err(refuse());
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(18));
    let total = digits(whole)?
        .checked_mul(u128::from(one))
        .and_then(|bytes| Some(bytes + digits(fraction).ok()?.checked_mul(u128::from(one))? / scale));
    total.and_then(|total| i64::try_from(total).ok()).ok_or_else(refuse)
}

fn duration(seconds: i64) -> String {
    const PRINTER: SpanPrinter = SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::BetweenUnits);
    PRINTER.duration_to_string(&SignedDuration::from_secs(seconds))
}

fn parse_duration(text: &str) -> PureResult<f64> {
    let refuse =
        || fail_with(format!("{} is not a duration", quote(text)), "a duration looks like `90s`, `2h 30m` or `1d`");
    let span = SpanParser::new().parse_span(text.trim()).map_err(|_| refuse())?;
    // Months and years have no fixed length.
    let relative = jiff::SpanRelativeTo::days_are_24_hours();
    span.total((jiff::Unit::Second, relative)).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails};

    #[test]
    fn sizes_both_ways() {
        for (count, text) in [
            ("0", "0 B"),
            ("1023", "1023 B"),
            ("1024", "1.0 KiB"),
            ("1572864", "1.5 MiB"),
            ("-1024", "-1.0 KiB"),
            ("9223372036854775807", "8.0 EiB"),
        ] {
            check(&format!("human::bytes({count})"), text);
        }
        for (text, count) in [
            ("42", "42"),
            ("10M", "10485760"),
            ("1.5 GiB", "1610612736"),
            ("300kB", "300000"),
            (" 7 B ", "7"),
            ("0.1K", "102"),
        ] {
            check(&format!("human::parse_bytes(\"{text}\")"), count);
        }
        for text in ["", "M", "1 MiBs", "-1", "1.", "1.2.3", "99999999999T", "1e3", "١"] {
            check_fails(
                &format!("human::parse_bytes(\"{text}\")"),
                &format!("VALIDATION_EXCEPTION: `{text}` is not a number of bytes"),
            );
        }
    }

    #[test]
    fn durations_both_ways() {
        for (seconds, text) in [("0", "0s"), ("90", "1m 30s"), ("7384", "2h 3m 4s"), ("-5", "5s ago")] {
            check(&format!("human::duration({seconds})"), text);
        }
        for (text, seconds) in
            [("90s", "90.0"), ("2h 30m", "9000.0"), ("1 hour", "3600.0"), ("1d", "86400.0"), ("250ms", "0.25")]
        {
            check(&format!("human::parse_duration(\"{text}\")"), seconds);
        }
        for text in ["", "soon", "1 month", "5"] {
            check_fails(
                &format!("human::parse_duration(\"{text}\")"),
                &format!("VALIDATION_EXCEPTION: `{text}` is not a duration"),
            );
        }
    }
}
