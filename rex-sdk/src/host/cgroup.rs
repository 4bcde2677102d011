//! A control group for a worker, below a group that was delegated to this process: limits for all of its processes
//! together.
//!
//! Only a delegated group is touched: systemd marks it with the attribute `user.delegate` (or `trusted.delegate`) on
//! the group's directory; see "Control Group APIs and Delegation" in systemd's documentation, and the kernel's
//! `Documentation/admin-guide/cgroup-v2.rst` for the files.

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::getpid;

/// The limits for all processes of a group together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupBounds {
    /// Maximum memory, in bytes.
    pub memory: u64,
    /// Maximum number of processes and threads.
    pub processes: u64,
    /// Maximum processor time, in microseconds for each tenth of a second: 100,000 is one processor.
    pub cpu: u64,
}

/// The group, below the delegated one, that this process moves to: a group that passes controllers on holds no process.
const SUPERVISOR: &str = "supervisor";

/// A control group. When this is dropped, its processes are killed, and it is removed.
#[derive(Debug)]
pub struct ControlGroup {
    directory: PathBuf,
    held: Vec<&'static str>,
}

impl ControlGroup {
    /// Creates a group below the one that was delegated to this process, with the bounds whose controllers exist;
    /// `None` if no group was delegated.
    ///
    /// # Errors
    /// If the delegated group cannot be used.
    pub fn create(name: &str, bounds: &GroupBounds) -> io::Result<Option<Self>> {
        match delegated()? {
            Some(own) => Self::below(&own, name, bounds).map(Some),
            None => Ok(None),
        }
    }

    /// Creates a group below a directory that contains this process and no other.
    #[expect(
        clippy::disallowed_methods,
        reason = "the files of control groups are the kernel's own, under fixed names"
    )]
    fn below(own: &Path, name: &str, bounds: &GroupBounds) -> io::Result<Self> {
        let supervisor = own.join(SUPERVISOR);
        std::fs::create_dir(&supervisor).or_else(|error| if supervisor.is_dir() { Ok(()) } else { Err(error) })?;
        std::fs::write(supervisor.join("cgroup.procs"), getpid().to_string())?;
        let directory = own.join(name);
        std::fs::create_dir(&directory)?;
        let mut group = Self { directory, held: Vec::new() };
        let controllers = std::fs::read_to_string(own.join("cgroup.controllers"))?;
        for (controller, file, bound) in [
            ("memory", "memory.max", bounds.memory.to_string()),
            ("pids", "pids.max", bounds.processes.to_string()),
            ("cpu", "cpu.max", format!("{} 100000", bounds.cpu)),
        ] {
            if controllers.split_whitespace().any(|there| there == controller) {
                std::fs::write(own.join("cgroup.subtree_control"), format!("+{controller}"))?;
                let file = group.directory.join(file);
                std::fs::write(&file, &bound)?;
                // Read back to check that it holds; the kernel rounds memory down to pages.
                let held = std::fs::read_to_string(&file)?;
                if held.trim_start().starts_with("max") {
                    return Err(io::Error::other(format!("`{}` does not hold", file.display())));
                }
                group.held.push(controller);
            }
        }
        Ok(group)
    }

    /// Returns the controllers whose bounds hold.
    #[must_use]
    pub fn held(&self) -> &[&'static str] {
        &self.held
    }

    /// Moves a process into it.
    ///
    /// # Errors
    /// If the system does not move it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the files of control groups are the kernel's own, under fixed names"
    )]
    pub fn add(&self, process: u32) -> io::Result<()> {
        std::fs::write(self.directory.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for ControlGroup {
    #[expect(
        clippy::disallowed_methods,
        reason = "the files of control groups are the kernel's own, under fixed names"
    )]
    fn drop(&mut self) {
        let _ = std::fs::write(self.directory.join("cgroup.kill"), "1");
        // A killed process leaves its group a moment later.
        for _ in 0..1_000 {
            match std::fs::remove_dir(&self.directory) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::yield_now(),
                _ => break,
            }
        }
    }
}

/// Returns the group of this process, if it was delegated.
#[expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]
fn delegated() -> io::Result<Option<PathBuf>> {
    let groups = std::fs::read_to_string("/proc/self/cgroup")?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let Some(own) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else { return Ok(None) };
    let Some(mount) = mounts.lines().find_map(mount_point) else { return Ok(None) };
    let own = Path::new(mount).join(own);
    let marked = |directory: &&Path| {
        let mut value = [0; 2];
        let mut one = |name: &str| {
            rustix::fs::getxattr(*directory, name, &mut value).is_ok_and(|length| length == 1 && value[0] == b'1')
        };
        one("user.delegate") || one("trusted.delegate")
    };
    // The second is for a process that an earlier run of the same service moved.
    let parent = own.parent().filter(|_| own.ends_with(SUPERVISOR));
    Ok([Some(&*own), parent].into_iter().flatten().find(marked).map(Path::to_owned))
}

/// Returns the mount point of a version 2 hierarchy, if this line of `mountinfo` is about one.
fn mount_point(line: &str) -> Option<&str> {
    let (mount, kind) = line.split_once(" - ")?;
    kind.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4)).flatten()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a directory that stands for one of the kernel's")]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_where_there_is_a_controller_for_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cgroup.controllers"), "io memory pids\n").unwrap();
        let bounds = GroupBounds { memory: 1 << 28, processes: 32, cpu: 100_000 };
        let group = ControlGroup::below(dir.path(), "rex-1", &bounds).unwrap();
        assert_eq!(group.held(), ["memory", "pids"]);
        group.add(7).unwrap();
        let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((&*text("rex-1/memory.max"), &*text("rex-1/pids.max")), ("268435456", "32"));
        assert_eq!((text("rex-1/cgroup.procs"), text("supervisor/cgroup.procs")), ("7".into(), getpid().to_string()));
        assert_eq!(text("cgroup.subtree_control"), "+pids", "the kernel adds up what is written one after the other");
        assert!(!dir.path().join("rex-1/cpu.max").exists());
    }

    #[test]
    fn the_hierarchy_is_found_among_mounts() {
        let line = "35 28 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(mount_point(line), Some("/sys/fs/cgroup"));
        assert_eq!(mount_point("36 28 0:31 / /proc rw - proc proc rw"), None);
    }
}
