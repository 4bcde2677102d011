//! Parsers for the files of `/proc/PID`, each in the kernel's own format, see `proc(5)`. Unreadable fields are left
//! out.

use std::collections::{BTreeMap, BTreeSet};

use rex_core::process::{Process, ProcessIdentity};
use rex_core::{Timestamp, resource::Unit};

use crate::os::{ProcessLimit, ProcessStatus};

/// The fields of `stat`; see `proc_pid_stat(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    name: String,
    state: char,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    user_ticks: u64,
    system_ticks: u64,
    nice: i64,
    threads: u64,
    pub(crate) started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl ProcessStat {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // The name may contain anything, including parentheses and line breaks.
        let (name, rest) = (text.split_once('(')?.1).rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first of them is the third field in the manual.
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |place: usize| field(place)?.parse::<u64>().ok();
        Some(Self {
            name: name.to_owned(),
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            user_ticks: number(14)?,
            system_ticks: number(15)?,
            nice: field(19)?.parse().ok()?,
            threads: number(20)?,
            started: number(22)?,
            virtual_bytes: number(23)?,
            resident_pages: number(24)?,
        })
    }
}

impl ProcessStat {
    /// Returns `true` if the process has ended and waits to be reaped.
    #[cfg(all(feature = "host", target_os = "linux"))]
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Values that are common to all processes of a machine.
#[derive(Debug, Clone)]
pub(crate) struct MachineClock {
    /// Ticks of the kernel's clock per second.
    pub(crate) ticks: u64,
    /// Size of a page, in bytes.
    pub(crate) page: u64,
    /// Boot time of the machine.
    pub(crate) boot: Timestamp,
}

/// Data about a process from outside its `stat`. Unknown values are `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessContext {
    pub(crate) uid: u32,
    pub(crate) user: Option<String>,
    pub(crate) exe: Option<String>,
    pub(crate) unit: Option<String>,
}

impl MachineClock {
    /// Returns the status of a process from its files.
    pub(crate) fn process(&self, pid: u32, stat: ProcessStat, known: ProcessContext) -> ProcessStatus {
        let ProcessContext { uid, user, exe, unit } = known;
        let identity = ProcessIdentity { name: stat.name, exe, user, unit, started: stat.started };
        let micros = u128::from(stat.started) * 1_000_000 / u128::from(self.ticks.max(1));
        let started = self.boot.as_micros().saturating_add(i64::try_from(micros).unwrap_or(i64::MAX));
        ProcessStatus {
            process: Process::new(pid, identity),
            uid,
            parent: stat.parent,
            state: state(stat.state),
            memory: stat.resident_pages.saturating_mul(self.page),
            virtual_memory: stat.virtual_bytes,
            cpu: seconds(stat.user_ticks.saturating_add(stat.system_ticks), self.ticks),
            cpu_percent: None,
            started: Timestamp::from_micros(started),
            threads: stat.threads,
            nice: stat.nice,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a machine that has not run for millions of years")]
fn seconds(ticks: u64, per_second: u64) -> f64 {
    ticks as f64 / per_second.max(1) as f64
}

fn state(letter: char) -> String {
    match letter {
        'R' => "running",
        'S' => "sleeping",
        'D' => "disk-sleep",
        'T' => "stopped",
        't' => "traced",
        'Z' => "zombie",
        'X' | 'x' => "dead",
        'I' => "idle",
        other => return other.to_string(),
    }
    .to_owned()
}

/// Returns the effective user and the thread group from `status`; see `proc_pid_status(5)`.
pub(crate) fn user_and_group(status: &str) -> Option<(u32, u32)> {
    let field = |name: &str, place| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().nth(place)?.parse().ok()
    };
    Some((field("Uid", 1)?, field("Tgid", 0)?))
}

/// Returns the control group from `cgroup`: that of the unified hierarchy, or the one that systemd keeps in version 1;
/// see `cgroups(7)`.
pub(crate) fn control_group(text: &str) -> Option<String> {
    let of = |wanted: &str| {
        text.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            (controllers == wanted).then(|| path.to_owned())
        })
    };
    // If both exist, systemd uses the first for its units only if it does not use the second.
    of("name=systemd").or_else(|| of(""))
}

/// Returns the unit of a process from its `cgroup`: empty if it belongs to none, `None` if that is unknown.
pub(crate) fn unit(text: &str) -> Option<String> {
    let Some(group) = control_group(text) else { return Some(String::new()) };
    // In another namespace, the path starts above the root of this one.
    if group.split('/').any(|part| part == "..") {
        return None;
    }
    Some(unit_of(&group).unwrap_or_default())
}

/// Returns the unit of a control group: the first part that is not a slice. Parts below it belong to the unit itself,
/// which can name them as it likes.
fn unit_of(group: &str) -> Option<String> {
    let part = group.split('/').find(|part| !part.is_empty() && !part.ends_with(".slice"))?;
    // Names that could be mistaken for files of the kernel have an underscore in front.
    let part = part.strip_prefix('_').unwrap_or(part);
    let known = part.ends_with(".service") || part.ends_with(".scope");
    (known && Unit::parse(part).is_ok_and(|unit| unit.name() == part)).then(|| part.to_owned())
}

/// Returns the limits of a process from `limits`; see `proc_pid_limits(5)`.
pub(crate) fn limits(text: &str) -> Vec<ProcessLimit> {
    let limit = |line: &str| {
        // Two blanks separate the columns; the names contain single ones.
        let mut fields = line.split("  ").map(str::trim).filter(|field| !field.is_empty());
        let name = fields.next()?.to_owned();
        let mut bound = || match fields.next()? {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        };
        Some(ProcessLimit { name, soft: bound()?, hard: bound()? })
    };
    text.lines().skip(1).filter_map(limit).collect()
}

/// Returns the files that a process has mapped, each once, from `maps`; see `proc_pid_maps(5)`.
pub(crate) fn mapped(text: &str) -> BTreeSet<String> {
    let file = |line: &str| {
        // Five fields, blanks for alignment, and a path that may contain blanks; a line break in it is written as
        // `\012`.
        let path = line.splitn(6, ' ').nth(5)?.trim_start();
        path.starts_with('/').then(|| path.replace("\\012", "\n"))
    };
    text.lines().filter_map(file).collect()
}

/// Returns the bytes read from and written to disks, from `io`; see `proc_pid_io(5)`.
pub(crate) fn io(text: &str) -> Option<(u64, u64)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some((field("read_bytes:")?, field("write_bytes:")?))
}

/// Returns the number of bytes passed to write calls, for any target, from `io`.
#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) fn handed(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("wchar:")?.trim().parse().ok())
}

/// Returns the number in `net:[4026531840]`.
pub(crate) fn namespace(link: &str) -> Option<u64> {
    link.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

/// Splits a text whose parts end with NUL bytes: `cmdline`, `environ`.
pub(crate) fn parts(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Returns the namespaces of a process that could be read.
pub(crate) fn namespaces(links: impl Iterator<Item = (String, String)>) -> BTreeMap<String, u64> {
    links.filter_map(|(kind, link)| Some((kind, namespace(&link)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1 2 3 4 150 50 0 0 20 -5 3 0 1000 8192 2 \
                        18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0";

    #[test]
    fn a_name_may_hold_what_parts_names() {
        let machine = MachineClock { ticks: 100, page: 4096, boot: Timestamp::from_micros(5_000_000) };
        let stat = ProcessStat::parse(STAT).unwrap();
        let known = ProcessContext { uid: 33, user: Some("www-data".to_owned()), ..ProcessContext::default() };
        let process = machine.process(4242, stat, known);
        let identity = process.process.identity();
        assert_eq!((&*identity.name, identity.user.as_deref(), process.nice), ("a) b (c", Some("www-data"), -5));
        assert_eq!((process.uid, identity.unknown().collect::<Vec<_>>()), (33, vec!["exe", "unit"]));
        assert_eq!((process.parent, process.threads, process.memory), (1, 3, 8192));
        assert!((process.cpu - 2.0).abs() < 1e-9 && process.started.as_micros() == 15_000_000);
    }

    #[test]
    fn a_unit_is_not_what_is_below_it() {
        for (group, unit) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/rex@a.service/nginx.service", Some("rex@a.service")),
            ("/user.slice/user-1.slice/session-2.scope", Some("session-2.scope")),
            ("/user.slice/user-1.slice/user@1.service/app.slice/x.service", Some("user@1.service")),
            ("/docker/0123", None),
            ("/", None),
        ] {
            assert_eq!(unit_of(group).as_deref(), unit, "{group}");
        }
        let both = "12:pids:/a\n1:name=systemd:/system.slice/b.service\n0::/c\n";
        assert_eq!(control_group(both).as_deref(), Some("/system.slice/b.service"));
        assert_eq!(control_group("0::/x:y\n").as_deref(), Some("/x:y"));
        // From inside another namespace, its position is unknown.
        assert_eq!(unit("0::/../b.service\n"), None);
        for (text, expected) in [("0::/\n", ""), ("12:pids:/a.service\n", ""), (both, "b.service")] {
            assert_eq!(unit(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn limits_have_names_of_several_words() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 unlimited            files     \n";
        let limit = ProcessLimit { name: "Max open files".to_owned(), soft: Some(1024), hard: None };
        assert_eq!(limits(text), [limit]);
        assert_eq!(parts(b"a\0\0b\0"), ["a", "", "b"]);
        assert_eq!((namespace("net:[12]"), namespace("net")), (Some(12), None));
        assert_eq!(io("rchar: 1\nread_bytes: 2\nwrite_bytes: 3\n"), Some((2, 3)));
    }
}
