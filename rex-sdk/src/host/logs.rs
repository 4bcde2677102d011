//! Logs of units: systemd's journal, read by its own program, which is confined to the journal's files.

use std::io;

use rex_core::Budget;
use rex_core::resource::Unit;

use super::tool;
use crate::os::{ALL_UNITS, LogQuery, OsError};

/// The path where systemd installs the program.
const JOURNALCTL: &str = "/usr/bin/journalctl";
/// The paths that it reads: the journal on disk and in memory, the machine's id, `/proc`, and time zones.
const JOURNAL: [&str; 5] = ["/var/log/journal", "/run/log/journal", "/etc/machine-id", "/proc", "/usr/share/zoneinfo"];

/// Returns records of a unit's log, or of the whole journal. `find` checks that the unit exists. The journal may still
/// have a unit that the manager has forgotten, or the manager may be missing.
pub(super) fn of(
    unit: &Unit,
    find: impl FnOnce() -> Result<(), OsError>,
    query: &LogQuery,
    budget: &Budget,
) -> Result<Vec<String>, OsError> {
    if unit.name() == ALL_UNITS {
        return read(None, query, budget);
    }
    let missing = match find() {
        Ok(()) => return read(Some(unit), query, budget),
        Err(error @ OsError::Unavailable(_)) => error,
        Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound => error.into(),
        Err(error) => return Err(error),
    };
    match read(Some(unit), &LogQuery { max: 1, ..LogQuery::default() }, budget) {
        Err(OsError::Stopped(error)) => Err(error.into()),
        Err(_) => Err(missing),
        Ok(records) if records.is_empty() => Err(missing),
        Ok(_) => read(Some(unit), query, budget),
    }
}

/// Returns the selected records of a unit's log, or of the whole journal, oldest first.
fn read(unit: Option<&Unit>, query: &LogQuery, budget: &Budget) -> Result<Vec<String>, OsError> {
    let words = arguments(unit, query);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match tool::output(JOURNALCTL, &words, &JOURNAL, budget) {
        Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            Err(OsError::Unavailable(format!("the journal cannot be read: there is no `{JOURNALCTL}`")))
        }
        other => Ok(other?.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect()),
    }
}

fn arguments(unit: Option<&Unit>, query: &LogQuery) -> Vec<String> {
    let fields = "__REALTIME_TIMESTAMP,PRIORITY,MESSAGE,_PID,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,UNIT,_TRANSPORT";
    let mut words: Vec<String> =
        ["--quiet", "--no-pager", "--all", "--output=json"].iter().map(|&word| word.to_owned()).collect();
    words.push(format!("--output-fields={fields}"));
    // With `--all`, fields of any length are complete; without it, long ones appear to be missing.
    // Each option is one word with its value, so that no value can be taken for an option.
    words.extend(unit.map(|unit| format!("--unit={}", unit.name())));
    words.push(format!("--lines={}", query.max));
    // In whole seconds; one more at the end, for what begins within a second.
    words.extend(query.since.map(|time| format!("--since=@{}", time.as_secs())));
    words.extend(query.until.map(|time| format!("--until=@{}", time.as_secs().saturating_add(1))));
    words.extend(query.priority.map(|priority| format!("--priority={priority}")));
    words.extend(query.pattern.as_ref().map(|pattern| format!("--grep={pattern}")));
    words
}

#[cfg(test)]
mod tests {
    use rex_core::Timestamp;

    use super::*;

    #[test]
    fn a_value_is_never_an_option() {
        let unit = Unit::parse("nginx").unwrap();
        let query = LogQuery {
            since: Some(Timestamp::from_micros(1_500_000)),
            until: Some(Timestamp::from_micros(2_500_000)),
            priority: Some(3),
            pattern: Some("--vacuum-size=0".to_owned()),
            max: 10,
        };
        let words = arguments(Some(&unit), &query).split_off(5);
        let expected = ["--unit=nginx.service", "--lines=10", "--since=@1", "--until=@3", "--priority=3"];
        assert_eq!(
            words.split_last().unwrap(),
            (&"--grep=--vacuum-size=0".to_owned(), &expected.map(str::to_owned)[..])
        );
    }
}
