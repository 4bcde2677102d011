//! The words that fields of results can have, if they are a closed set: a comparison with another word never holds.

use crate::OpSpec;

/// Types of a directory entry.
pub(crate) const KINDS: &[&str] = &["file", "directory", "symlink", "fifo", "socket", "device", "unknown"];

/// Values of `ActiveState` of a unit; see `org.freedesktop.systemd1(5)`.
pub(crate) const UNIT_STATES: &[&str] =
    &["active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing"];

/// Values of `LoadState` of a unit; see `org.freedesktop.systemd1(5)`.
const LOAD_STATES: &[&str] = &["stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked"];

/// The states of a process, except for those of later kernels, which are a letter; see `proc_pid_stat(5)`.
pub(crate) const PROCESS_STATES: &[&str] =
    &["running", "sleeping", "disk-sleep", "stopped", "traced", "zombie", "dead", "idle"];

/// The priorities of log records, the most urgent first; see `syslog(3)`.
pub(crate) const PRIORITIES: &[&str] = &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// The states of a socket by their numbers in `linux/net/tcp_states.h`, and the state of a Unix socket without a peer.
pub(crate) const SOCKET_STATES: &[&str] = &[
    "unknown",
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "unconnected",
];

impl OpSpec {
    /// Returns the words that a field of the result can have; `None` if there is no such list.
    #[must_use]
    pub fn words(&self, field: &str) -> Option<&'static [&'static str]> {
        match (self.namespace(), self.verb(), field) {
            ("fs", "find" | "list" | "walk" | "stat", "kind") => Some(KINDS),
            ("service", _, "active") => Some(UNIT_STATES),
            ("service", _, "load") => Some(LOAD_STATES),
            ("service", "logs", "priority") => Some(PRIORITIES),
            ("process", "list" | "get" | "top", "state") => Some(PROCESS_STATES),
            ("net", "sockets", "state") => Some(SOCKET_STATES),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OPS;
    use crate::os::EntryKind;

    #[test]
    fn the_words_of_each_example_are_among_them() {
        fn check(spec: &OpSpec, value: &serde_json::Value, found: &mut usize) {
            match value {
                serde_json::Value::Array(all) => all.iter().for_each(|one| check(spec, one, found)),
                serde_json::Value::Object(all) => {
                    for (field, value) in all {
                        check(spec, value, found);
                        if let (Some(words), Some(word)) = (spec.words(field), value.as_str()) {
                            assert!(words.contains(&word), "{}: {field}: {word}", spec.name);
                            *found += 1;
                        }
                    }
                }
                _ => {}
            }
        }
        let mut found = 0;
        for spec in OPS.iter().map(|operation| operation.spec()) {
            check(spec, &serde_json::from_str(spec.example.returns).unwrap(), &mut found);
        }
        assert!(found >= 20, "{found}");
    }

    #[test]
    fn each_kind_of_entry_has_its_word() {
        use EntryKind::{Device, Directory, Fifo, File, Socket, Symlink, Unknown};
        let all = [File, Directory, Symlink, Fifo, Socket, Device, Unknown].map(EntryKind::as_str);
        assert_eq!(KINDS, all);
    }
}
