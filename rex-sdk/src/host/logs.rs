//! What units have logged: the journal of systemd, read by its own program, which is confined to the journal's files.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use nix::fcntl::OFlag;
use rex_core::action::fs;
use rex_core::resource::Unit;
use rex_core::{AbsPath, Action, Budget, Extent, Place, Reach};

use super::confine::{Bounds, Program};
use super::{resolve, run};
use crate::links::Last;
use crate::os::{LogQuery, OsError, Start};

/// The program, where systemd puts it.
const JOURNALCTL: &str = "/usr/bin/journalctl";
/// What it reads: the journal on disk and in memory, and which machine this is.
const JOURNAL: [&str; 5] = ["/var/log/journal", "/run/log/journal", "/etc/machine-id", "/proc", "/usr/share/zoneinfo"];

/// The records of a unit's log that are meant, oldest first.
pub(super) fn read(unit: &Unit, query: &LogQuery, budget: &Budget) -> Result<Vec<String>, OsError> {
    let path = AbsPath::parse(JOURNALCTL).map_err(|_| OsError::Refused("its path is none"))?;
    let file = match resolve::open(&path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Last::Cross) {
        Err(error) => return Err(OsError::Unavailable(format!("the journal cannot be read: `{JOURNALCTL}`: {error}"))),
        Ok(file) => file,
    };
    let words = arguments(unit, query);
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    let places = Extent::Within(JOURNAL.iter().map(|path| Place::Below((*path).to_owned())).collect());
    let reach = Reach::new(vec![(fs::Read::SPEC, places.clone()), (fs::List::SPEC, places)]);
    let program = Program {
        file: &file,
        arguments: &words,
        environment: &[(OsStr::new("SYSTEMD_COLORS"), OsStr::new("0"))],
        directory: Path::new("/"),
        stdin: Stdio::null(),
        stdout: Stdio::piped(),
        stderr: Stdio::piped(),
        user: None,
        processes: false,
    };
    let running = program.start(&reach, &Bounds::default())?;
    let remaining = budget.remaining();
    let start = Start {
        stdin: None,
        output_bytes: budget.limits().file_bytes,
        timeout_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
    };
    let finished = run::attend(running, &start, Instant::now().checked_add(remaining), budget)?;
    // Without a record that matches a pattern, it says so and ends with 1.
    if finished.status != Some(0) && !(finished.status == Some(1) && finished.stderr.is_empty()) {
        let why = finished.stderr.lines().next().unwrap_or("it does not say why").to_owned();
        return Err(OsError::Unavailable(format!("the journal cannot be read: {why}")));
    }
    if finished.stdout_discarded > 0 {
        return Err(OsError::Refused("there is more of the journal than fits in memory; ask for less"));
    }
    Ok(finished.stdout.lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect())
}

fn arguments(unit: &Unit, query: &LogQuery) -> Vec<String> {
    let fields = "__REALTIME_TIMESTAMP,PRIORITY,MESSAGE,_PID,SYSLOG_IDENTIFIER";
    let mut words: Vec<String> =
        ["journalctl", "--quiet", "--no-pager", "--output=json"].iter().map(|&word| word.to_owned()).collect();
    words.push(format!("--output-fields={fields}"));
    // Each by its option in one word, so that no value can be taken for an option.
    words.push(format!("--unit={}", unit.name()));
    words.push(format!("--lines={}", query.max));
    // Whole seconds, and one more for what begins within one.
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
        let words = arguments(&unit, &query).split_off(5);
        let expected = ["--unit=nginx.service", "--lines=10", "--since=@1", "--until=@3", "--priority=3"];
        assert_eq!(
            words.split_last().unwrap(),
            (&"--grep=--vacuum-size=0".to_owned(), &expected.map(str::to_owned)[..])
        );
    }
}
