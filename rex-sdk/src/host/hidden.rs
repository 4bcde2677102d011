//! Detection of processes that `/proc` does not show, because of how it is mounted; see `hidepid` in `proc(5)`.
#![expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getegid, getgroups};

/// The capability that sees all processes; see `linux/capability.h`.
const CAP_SYS_PTRACE: u32 = 19;

/// Checks whether processes may be hidden; with `only`, whether that process runs and is hidden.
pub(super) fn others(only: Option<u32>) -> bool {
    let hides = || {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let groups = getgroups().unwrap_or_default();
        let groups: Vec<u32> = groups.into_iter().chain([getegid()]).map(|group| group.as_raw()).collect();
        hides(&read("mountinfo"), &read("status"), &groups)
    };
    let Some(pid) = only else { return hides() };
    let exists = || {
        let number = i32::try_from(pid).ok().filter(|number| *number > 0);
        number.is_some_and(|number| kill(Pid::from_raw(number), None) == Err(Errno::EPERM))
    };
    !std::path::Path::new("/proc").join(pid.to_string()).exists() && exists() && hides()
}

/// Checks whether mounts hide processes from a process with this status and these groups.
fn hides(mounts: &str, status: &str, groups: &[u32]) -> bool {
    let options = mounts.lines().rev().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let (target, kind) = (left.split(' ').nth(4)?, right.split(' ').next()?);
        (target == "/proc" && kind == "proc").then(|| right.rsplit(' ').next())?
    });
    // If the mounts cannot be read, processes may be hidden.
    let Some(options) = options else { return mounts.is_empty() };
    let option = |name: &str| options.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
    let Some(how) = option("hidepid").filter(|how| !["0", "off"].contains(how)) else { return false };
    let rights = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    if rights.is_some_and(|rights| rights >> CAP_SYS_PTRACE & 1 == 1) {
        return false;
    }
    // This group sees all processes, unless only the capability counts.
    let group = option("gid").map_or(Some(0), |group| group.parse().ok());
    ["4", "ptraceable"].contains(&how) || !group.is_some_and(|group| groups.contains(&group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_see_others() {
        let mount = |options: &str| {
            format!("1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / /proc rw shared:1 - proc proc {options}\n")
        };
        let (none, ptrace) = ("CapEff:\t0000000000000000\n", "CapEff:\t0000000000080000\n");
        for (options, status, groups, hidden) in [
            ("rw", none, &[100][..], false),
            ("rw,hidepid=off", none, &[100], false),
            ("rw,hidepid=2", none, &[100], true),
            ("rw,gid=7,hidepid=invisible", none, &[100], true),
            ("rw,gid=7,hidepid=invisible", none, &[100, 7], false),
            ("rw,hidepid=1", none, &[0], false),
            ("rw,hidepid=ptraceable", none, &[0], true),
            ("rw,hidepid=2", ptrace, &[100], false),
        ] {
            assert_eq!(hides(&mount(options), status, groups), hidden, "{options} {status} {groups:?}");
        }
        assert!(hides("", none, &[0]) && !others(Some(0)));
    }
}
