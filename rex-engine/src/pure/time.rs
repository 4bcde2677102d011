//! Dates and durations, in UTC and with fixed offsets. An instant is its epoch: whole seconds since 1970, as INT, so
//! that two of them compare and subtract as numbers. Fractions of a second are rounded down.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, SpanRelativeTo, Timestamp};
use rhai::{Dynamic, Map};

use super::{PureResult, fail, fail_with, quote};

functions! { "time";
    /// The epoch of an RFC 3339 time, `2026-01-31T12:00:00Z` or with an offset such as `+02:00`.
    parse(text: &str) -> "int" = |text: &str| read(text).map(seconds);
    /// The epoch of a time in a format of strptime; without an offset in it the time is UTC.
    parse(text: &str, format: &str) -> "int" = |text: &str, format: &str| read_as(text, format).map(seconds);
    /// Milliseconds since 1970 of an RFC 3339 time.
    parse_millis(text: &str) -> "int" = |text: &str| read(text).map(|time| floor(time, 1_000_000));
    /// The epoch as an RFC 3339 time in UTC.
    format(epoch: i64) -> "text" = |epoch: i64| instant(epoch).map(|time| time.to_string());
    /// The epoch in a format of strftime, in UTC.
    format(epoch: i64, format: &str) -> "text" = write_as;
    /// The epoch after a duration, which is text such as `1d 2h` or `-90m`, or a map with `years`, `months`, `weeks`, `days`, `hours`, `minutes`, `seconds`.
    add(epoch: i64, duration: Dynamic) -> "int" = add;
    /// The map of `year`, `month`, `day`, `hour`, `minute`, `second`, `weekday` (Monday is 1) and `day_of_year`, in UTC.
    parts(epoch: i64) -> "map" = parts;
    /// The epoch at which its `minute`, `hour`, `day`, `week` (from Monday), `month` or `year` began, in UTC.
    truncate(epoch: i64, unit: &str) -> "int" = truncate;
    /// The seconds of a duration such as `1d 2h`; a day has 24 hours.
    seconds(duration: &str) -> "int" = duration_seconds;
    /// Seconds as people write them: `1d 2h 5m 3s`.
    human(seconds: i64) -> "text" = |seconds: i64| Ok(human(seconds));
}

/// Maximum length of a time, a duration or a format, in bytes.
const TEXT_BYTES: usize = 256;

const RFC_3339: &str = "write it as 2026-01-31T12:00:00Z, or give its format: time::parse(text, \"%Y-%m-%d %H:%M:%S\")";
const DURATION: &str = "write it as 1d 2h 30m, with units y, mo, w, d, h, m, s";

fn bounded(text: &str) -> PureResult<&str> {
    if text.len() > TEXT_BYTES {
        return Err(fail(format!("{} is longer than {TEXT_BYTES} bytes", quote(text))));
    }
    Ok(text)
}

fn read(text: &str) -> PureResult<Timestamp> {
    bounded(text)?.parse().map_err(|_| fail_with(format!("{} is not an RFC 3339 time", quote(text)), RFC_3339))
}

fn read_as(text: &str, format: &str) -> PureResult<Timestamp> {
    no_mixed_signs(format)?;
    let mismatch = |error: jiff::Error| {
        fail_with(format!("{} is not a time in the format {}", quote(text), quote(format)), error.to_string())
    };
    let parsed = strtime::parse(bounded(format)?, bounded(text)?).map_err(mismatch)?;
    if parsed.timestamp().is_none() && parsed.offset().is_none() {
        if parsed.iana_time_zone().is_some() {
            let help = "without a database of time zones only offsets are known: %z, %:z";
            return Err(fail_with(format!("the format {} has a time zone but no offset", quote(format)), help));
        }
        let time = parsed.to_datetime().map_err(mismatch)?;
        return Offset::UTC.to_timestamp(time).map_err(mismatch);
    }
    parsed.to_timestamp().map_err(mismatch)
}

/// Checks that a format has no month among the hours, and no minute among the days.
fn no_mixed_signs(format: &str) -> PureResult<()> {
    const MIXED: [(&str, &str); 5] =
        [("%H:%m", "%H:%M"), ("%H%m", "%H%M"), ("%Y-%M", "%Y-%m"), ("%M-%d", "%m-%d"), ("%m-%D", "%m-%d")];
    match MIXED.iter().find(|(mixed, _)| format.contains(mixed)) {
        Some((mixed, meant)) => {
            let help =
                format!("`{meant}` is meant: `%m` is the month, `%M` the minute, `%d` the day, `%D` the whole date");
            Err(fail_with(format!("{} is not a format: it has `{mixed}`", quote(format)), help))
        }
        None => Ok(()),
    }
}

fn write_as(epoch: i64, format: &str) -> PureResult<String> {
    no_mixed_signs(format)?;
    if !bounded(format)?.contains('%') {
        let help = "a format has signs such as `%Y-%m-%d %H:%M:%S`, as strftime takes them";
        return Err(fail_with(format!("{} is not a format", quote(format)), help));
    }
    strtime::format(format, instant(epoch)?)
        .map_err(|error| fail_with(format!("{} is not a format", quote(format)), error.to_string()))
}

/// Returns the error in a format, if it has one.
pub(super) fn wrong(format: &str) -> Option<rex_core::Error> {
    write_as(0, format).err()
}

fn instant(epoch: i64) -> PureResult<Timestamp> {
    Timestamp::from_second(epoch).map_err(|_| {
        let help = "an epoch is in seconds, and its year between -9999 and 9999";
        fail_with(format!("`{epoch}` is not an epoch"), help)
    })
}

fn seconds(time: Timestamp) -> i64 {
    floor(time, 1_000_000_000)
}

fn floor(time: Timestamp, nanoseconds: i128) -> i64 {
    // INVARIANT: jiff's years end at 9999, so that even milliseconds fit.
    i64::try_from(time.as_nanosecond().div_euclid(nanoseconds)).unwrap_or(i64::MAX)
}

fn civil(epoch: i64) -> PureResult<DateTime> {
    Ok(Offset::UTC.to_datetime(instant(epoch)?))
}

fn add(epoch: i64, duration: Dynamic) -> PureResult<i64> {
    let spans = if let Ok(text) = duration.as_immutable_string_ref() {
        vec![span(&text)?]
    } else if let Ok(map) = duration.as_map_ref() {
        spans(&map)?
    } else {
        return Err(fail_with("a duration is text or a map", DURATION));
    };
    let start = instant(epoch)?.to_zoned_datetime(TimeZone::UTC);
    let sum = spans.into_iter().try_fold(start, |sum, span| sum.checked_add(span));
    let sum = sum.map_err(|_| fail("the sum is beyond the years that can be expressed"))?;
    Ok(seconds(sum.timestamp()))
}

fn span(text: &str) -> PureResult<Span> {
    bounded(text)?.parse().map_err(|_| fail_with(format!("{} is not a duration", quote(text)), DURATION))
}

type TimeUnit = (&'static str, fn(Span, i64) -> Result<Span, jiff::Error>);

/// The units of a duration, in the order in which they are added.
const UNITS: [TimeUnit; 7] = [
    ("years", |span, count| span.try_years(count)),
    ("months", |span, count| span.try_months(count)),
    ("weeks", |span, count| span.try_weeks(count)),
    ("days", |span, count| span.try_days(count)),
    ("hours", |span, count| span.try_hours(count)),
    ("minutes", |span, count| span.try_minutes(count)),
    ("seconds", |span, count| span.try_seconds(count)),
];

/// Returns one span for each unit: a span has one sign for all its units.
fn spans(map: &Map) -> PureResult<Vec<Span>> {
    if let Some(key) = map.keys().find(|key| UNITS.iter().all(|(unit, _)| unit != key)) {
        let help = format!("the units are: {}", UNITS.map(|(unit, _)| unit).join(", "));
        return Err(fail_with(format!("a duration has no {}", quote(key)), help));
    }
    let span = |&(unit, span): &TimeUnit| {
        let count = map.get(unit)?.as_int().map_err(|_| fail(format!("`{unit}` of a duration is not an integer")));
        let large = |_| fail(format!("`{unit}` of a duration is too large"));
        Some(count.and_then(|count| span(Span::new(), count).map_err(large)))
    };
    UNITS.iter().filter_map(span).collect()
}

fn duration_seconds(text: &str) -> PureResult<i64> {
    span(text)?.to_duration(SpanRelativeTo::days_are_24_hours()).map(|duration| duration.as_secs()).map_err(|_| {
        let help = "months and years differ in length; time::add(epoch, duration) takes them";
        fail_with(format!("{} has no fixed length", quote(text)), help)
    })
}

fn parts(epoch: i64) -> PureResult<Map> {
    let time = civil(epoch)?;
    let parts: [(&str, i64); 8] = [
        ("year", time.year().into()),
        ("month", time.month().into()),
        ("day", time.day().into()),
        ("hour", time.hour().into()),
        ("minute", time.minute().into()),
        ("second", time.second().into()),
        ("weekday", time.weekday().to_monday_one_offset().into()),
        ("day_of_year", time.day_of_year().into()),
    ];
    Ok(parts.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn truncate(epoch: i64, unit: &str) -> PureResult<i64> {
    let time = civil(epoch)?;
    // INVARIANT: `civil` refused epochs near the ends of INT, so nothing below wraps.
    let day = epoch - epoch.rem_euclid(DAY);
    Ok(match unit {
        "minute" => epoch - epoch.rem_euclid(MINUTE),
        "hour" => epoch - epoch.rem_euclid(HOUR),
        "day" => day,
        "week" => day - DAY * i64::from(time.weekday().to_monday_zero_offset()),
        "month" => day - DAY * (i64::from(time.day()) - 1),
        "year" => day - DAY * (i64::from(time.day_of_year()) - 1),
        _ => {
            let help = "the units are: minute, hour, day, week, month, year";
            return Err(fail_with(format!("there is no unit {}", quote(unit)), help));
        }
    })
}

fn human(seconds: i64) -> String {
    let mut rest = seconds.unsigned_abs();
    let mut text = if seconds < 0 { "-".to_owned() } else { String::new() };
    let mut parts = 0;
    for (unit, length) in [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)] {
        let length = length.unsigned_abs();
        let count = rest / length;
        rest %= length;
        if count > 0 || (unit == "s" && parts == 0) {
            let space = if parts > 0 { " " } else { "" };
            text.push_str(&format!("{space}{count}{unit}"));
            parts += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails, run, run_with, thrown};

    #[test]
    fn parses() {
        check(r#"time::parse("1970-01-01T00:00:01Z")"#, "1");
        check(r#"time::parse("2026-01-31T14:00:00+02:00") == time::parse("2026-01-31 12:00:00z")"#, "true");
        check(r#"time::parse("1969-12-31T23:59:59.5Z")"#, "-1");
        check(r#"time::parse("1970-01-01T00:00:01.999Z")"#, "1");
        check(r#"time::parse_millis("1970-01-01T00:00:01.9995Z")"#, "1999");
        check(
            r#"time::format(time::parse("10/Oct/2000:13:55:36 -0700", "%d/%b/%Y:%H:%M:%S %z"))"#,
            "2000-10-10T20:55:36Z",
        );
        check(r#"time::format(time::parse("2024-05-01 10:12:33", "%Y-%m-%d %H:%M:%S"))"#, "2024-05-01T10:12:33Z");
        check(r#"time::format(time::parse("2024-05-01", "%F"))"#, "2024-05-01T00:00:00Z");
        check(r#"time::parse("1700000000", "%s")"#, "1700000000");
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        check_fails(
            r#"time::parse("2024-05-01 10:12:33")"#,
            "VALIDATION_EXCEPTION: `2024-05-01 10:12:33` is not an RFC 3339 time",
        );
        check_fails(
            r#"time::parse("Oct 10 13:55:36", "%b %d %T")"#,
            "VALIDATION_EXCEPTION: `Oct 10 13:55:36` is not a time in the format `%b %d %T`",
        );
        check_fails(
            r#"time::parse("2024-05-01 10:12 Europe/Berlin", "%F %H:%M %Q")"#,
            "VALIDATION_EXCEPTION: the format `%F %H:%M %Q` has a time zone but no offset",
        );
        for text in ["", "now", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "99999-01-01T00:00:00Z", "\0"] {
            assert!(thrown(run_with(text, "time::parse(text)")).contains("is not an RFC 3339 time"), "{text}");
        }
        let long = "2".repeat(300);
        for script in ["time::parse(text)", "time::parse(``, text)", "time::format(0, text)", "time::add(0, text)"] {
            assert!(thrown(run_with(&long, script)).contains("is longer than 256 bytes"), "{script}");
        }
    }

    #[test]
    fn formats() {
        check("time::format(0)", "1970-01-01T00:00:00Z");
        check("time::format(-1)", "1969-12-31T23:59:59Z");
        check(r#"time::format(86400, "%a %d %b %Y %H:%M %z %Z %j")"#, "Fri 02 Jan 1970 00:00 +0000 UTC 002");
        check_fails(r#"time::format(0, "YYYY-MM-DD")"#, "VALIDATION_EXCEPTION: `YYYY-MM-DD` is not a format");
        check_fails(r#"time::format(0, "%!")"#, "VALIDATION_EXCEPTION: `%!` is not a format");
        check_fails(r#"time::format(0, "%")"#, "VALIDATION_EXCEPTION: `%` is not a format");
        assert!(run(r#"time::format(0, "%255Y%255N")"#).map_or(0, |text| text.to_string().len()) < 1_000);
    }

    #[test]
    fn adds() {
        check(r#"time::add(0, "1d 2h")"#, "93600");
        check(r#"time::add(0, "-90m")"#, "-5400");
        check(r#"time::add(0, "1h 30m ago")"#, "-5400");
        check("time::add(0, #{days: 1, hours: -1, seconds: 5})", "82805");
        check(r#"time::format(time::add(time::parse("2024-01-31T10:00:00Z"), "1mo"))"#, "2024-02-29T10:00:00Z");
        check(r#"time::format(time::add(time::parse("2024-02-29T10:00:00Z"), #{years: 1}))"#, "2025-02-28T10:00:00Z");
        check_fails("time::add(0, #{fortnights: 1})", "VALIDATION_EXCEPTION: a duration has no `fortnights`");
        check_fails("time::add(0, #{days: 1.5})", "VALIDATION_EXCEPTION: `days` of a duration is not an integer");
        check_fails(r#"time::add(0, "soon")"#, "VALIDATION_EXCEPTION: `soon` is not a duration");
        check_fails("time::add(0, 5)", "VALIDATION_EXCEPTION: a duration is text or a map");
    }

    #[test]
    fn durations() {
        check(r#"time::seconds("1d 2h 5m 3s")"#, "93903");
        check(r#"time::seconds("1w")"#, "604800");
        check(r#"time::seconds("90 minutes")"#, "5400");
        check_fails(r#"time::seconds("1mo")"#, "VALIDATION_EXCEPTION: `1mo` has no fixed length");
        for (seconds, text) in [(0, "0s"), (7500, "2h 5m"), (86400, "1d"), (-61, "-1m 1s"), (93903, "1d 2h 5m 3s")] {
            check(&format!("time::human({seconds})"), text);
            check(&format!("time::seconds(time::human({seconds}))"), &seconds.to_string());
        }
        check("time::human(-9223372036854775807 - 1)", "-106751991167300d 15h 30m 8s");
    }

    #[test]
    fn takes_apart_and_truncates() {
        let time = r#"let t = time::parse("2024-02-29T13:14:15Z");"#;
        check(
            &format!("{time} time::parts(t)"),
            r#"#{"day": 29, "day_of_year": 60, "hour": 13, "minute": 14, "month": 2, "second": 15, "weekday": 4, "year": 2024}"#,
        );
        for (unit, expected) in [
            ("minute", "2024-02-29T13:14:00Z"),
            ("hour", "2024-02-29T13:00:00Z"),
            ("day", "2024-02-29T00:00:00Z"),
            ("week", "2024-02-26T00:00:00Z"),
            ("month", "2024-02-01T00:00:00Z"),
            ("year", "2024-01-01T00:00:00Z"),
        ] {
            check(&format!("{time} time::format(time::truncate(t, `{unit}`))"), expected);
        }
        check("time::truncate(-1, `day`)", "-86400");
        check_fails("time::truncate(0, `eon`)", "VALIDATION_EXCEPTION: there is no unit `eon`");
    }

    #[test]
    fn extremes_are_errors() {
        for epoch in ["9223372036854775807", "(-9223372036854775807 - 1)", "253402300800", "1700000000000"] {
            let calls = ["format({})", "parts({})", "truncate({}, `week`)", "add({}, `1d`)", "format({}, `%Y`)"];
            for call in calls {
                let error = thrown(run(&format!("time::{}", call.replace("{}", epoch))));
                assert!(error.ends_with("is not an epoch"), "{error}");
            }
        }
        for unit in ["years", "months", "weeks", "days", "hours", "minutes", "seconds"] {
            for count in ["9223372036854775807", "(-9223372036854775807 - 1)"] {
                let error = thrown(run(&format!("time::add(0, #{{{unit}: {count}}})")));
                assert!(error.ends_with("of a duration is too large"), "{error}");
            }
        }
        assert!(thrown(run("time::add(0, `9000y`)")).contains("the sum is beyond"));
        assert!(run("time::truncate(-377705023201, `year`)").is_ok());
        let error = thrown(run("time::add(0, `99999999999999999999999d`)"));
        assert!(error.ends_with("is not a duration"), "{error}");
    }
}
