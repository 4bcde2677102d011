//! The time limit of a solver.

use std::fmt;
use std::time::Duration;

/// Maximum time limit.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The options of a command that asks a solver.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct PatienceArgs {
    /// Time limit of the solver for one question: `500ms`, `5s`, `2m`
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = SolverPatience::parse)]
    pub(crate) timeout: SolverPatience,
}

/// The time limit of a solver for one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SolverPatience(pub(crate) Duration);

impl SolverPatience {
    /// Parses `500ms`, `5s`, `2m` or `1h`.
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "" if !number.is_empty() => {
                return Err(format!("it needs a unit: `{number}s` is seconds, `{number}ms` is milliseconds"));
            }
            _ => return Err("expected a time such as `500ms`, `5s`, `2m` or `1h`".to_owned()),
        };
        let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
        let time = millis.map(Duration::from_millis).filter(|time| !time.is_zero() && *time <= LONGEST);
        time.map(Self).ok_or_else(|| "expected a time from `1ms` to `24h`".to_owned())
    }

    /// Returns advice for when a solver could not decide something.
    pub(crate) fn advice(self) -> String {
        let more = Self(self.0.saturating_mul(10).min(LONGEST));
        format!(
            "undecided means not proved; `--timeout {more}` gives the solver more time for each question than {self}"
        )
    }
}

impl fmt::Display for SolverPatience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1_000) { write!(f, "{}s", millis / 1_000) } else { write!(f, "{millis}ms") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        for (text, millis) in [("1ms", 1), ("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("24h", 86_400_000)] {
            assert_eq!(SolverPatience::parse(text), Ok(SolverPatience(Duration::from_millis(millis))), "{text}");
        }
        for text in
            ["", "5", "s", "0s", "0ms", "25h", "-1s", "1.5s", "5 s", "5S", "5sec", "99999999999999999999s", "٥s"]
        {
            assert!(SolverPatience::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            SolverPatience::parse("5"),
            Err("it needs a unit: `5s` is seconds, `5ms` is milliseconds".to_owned())
        );
        assert_eq!(SolverPatience(Duration::from_millis(1_500)).to_string(), "1500ms");
        assert_eq!(SolverPatience(Duration::from_secs(120)).to_string(), "120s");
    }
}
