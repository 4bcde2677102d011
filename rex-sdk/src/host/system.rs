//! The machine, as `/proc` and a few system calls describe it.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the files of `/proc` are the kernel's own words, under fixed names"
)]

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::kill;
use nix::sys::statvfs::statvfs;
use nix::unistd::{Pid, fchdir};
use rex_core::action::sys;
use rex_core::machine::KernelParameter;
use rex_core::{AbsPath, Budget, Code, Error, Grant};

use super::{accounts, resolve, tool};
use crate::links::FinalLink;
use crate::os::{Mount, OsError, System, SystemFile};
use crate::proc::unescape;

/// The machine that this process runs on.
pub(super) struct LocalSystem;

impl System for LocalSystem {
    fn disk(&self, _: Grant<sys::Disk>, _: &Budget) -> Result<Vec<Mount>, OsError> {
        let table = table()?;
        // Of several mounts on one directory, only the last is visible.
        let mut mounts: BTreeMap<String, (String, String)> = table.lines().filter_map(mount_line).collect();
        // Asking for the space of an automount would mount it.
        mounts.retain(|_, (kind, _)| kind != "autofs");
        Ok(mounts.into_iter().filter_map(|(target, (kind, source))| space(target, kind, source)).collect())
    }
    fn mounts(&self, _: Grant<sys::Disk>, _: &Budget) -> Result<String, OsError> {
        table()
    }
    fn inspect(&self, _: Grant<sys::Inspect>, files: Vec<SystemFile>, _: &Budget) -> Result<Vec<String>, OsError> {
        let text = |file: SystemFile| Ok(String::from_utf8_lossy(&std::fs::read(file.path())?).into_owned());
        files.into_iter().map(text).collect()
    }
    fn cpus(&self, _: Grant<sys::Inspect>, _: &Budget) -> Result<u64, OsError> {
        Ok(std::thread::available_parallelism()?.get() as u64)
    }
    fn block_devices(
        &self,
        _: Grant<sys::Inspect>,
        budget: &Budget,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, OsError> {
        const TOLD: [&str; 6] = ["size", "ro", "removable", "queue/rotational", "device/model", "dev"];
        let mut devices = BTreeMap::new();
        for entry in std::fs::read_dir("/sys/block")? {
            budget.check()?;
            let entry = entry?;
            let told = |file: &str| Some((file.to_owned(), std::fs::read_to_string(entry.path().join(file)).ok()?));
            let mut files: BTreeMap<_, _> = TOLD.iter().filter_map(|file| told(file)).collect();
            for part in std::fs::read_dir(entry.path())?.flatten() {
                if let Ok(size) = std::fs::read_to_string(part.path().join("size"))
                    && part.path().join("partition").exists()
                {
                    files.insert(format!("partition/{}", part.file_name().to_string_lossy()), size);
                }
            }
            devices.insert(entry.file_name().to_string_lossy().into_owned(), files);
        }
        Ok(devices)
    }
    fn control_group(
        &self,
        _: Grant<sys::Inspect>,
        group: AbsPath,
        _: &Budget,
    ) -> Result<BTreeMap<String, String>, OsError> {
        const HIERARCHY: &str = "/sys/fs/cgroup";
        let path = |file: &str| {
            AbsPath::parse(&format!("{HIERARCHY}{}/{file}", group.as_str().trim_end_matches('/')))
                .map_err(|_| OsError::Refused("its path is invalid"))
        };
        let read = |file: &str| -> Result<String, OsError> {
            let mut file =
                File::from(resolve::open(&path(file)?, OFlag::O_RDONLY | OFlag::O_CLOEXEC, FinalLink::Cross)?);
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(text)
        };
        if !Path::new(HIERARCHY).join("cgroup.controllers").exists() {
            return Err(OsError::Refused("this machine has no control groups of version 2 where they belong"));
        }
        // Every group but the root has this file, so a missing group is detected.
        let mut files = BTreeMap::from([("cgroup.events".to_owned(), String::new())]);
        if group.as_str() != "/" {
            files.insert("cgroup.events".to_owned(), read("cgroup.events")?);
        }
        for file in GROUP_FILES {
            // Which of them exist depends on the controllers.
            files.extend(read(file).ok().map(|text| ((*file).to_owned(), text)));
        }
        Ok(files)
    }
    fn packages(&self, _: Grant<sys::Inspect>, budget: &Budget) -> Result<String, OsError> {
        let dpkg = ["-W", "-f=${Package}\\t${Version}\\t${Architecture}\\t${db:Status-Status}\\n"];
        let rpm = ["-qa", "--queryformat=%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\tinstalled\\n"];
        match tool::output("/usr/bin/dpkg-query", &dpkg, &["/var/lib/dpkg", "/etc/dpkg"], budget) {
            Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                match tool::output("/usr/bin/rpm", &rpm, &["/var/lib/rpm", "/usr/lib/sysimage/rpm"], budget) {
                    Err(OsError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                        Err(OsError::Refused("this machine has neither dpkg nor rpm"))
                    }
                    other => other,
                }
            }
            other => other,
        }
    }
    fn parameters(&self, _: Grant<sys::Inspect>, budget: &Budget) -> Result<Vec<String>, OsError> {
        let mut names = Vec::new();
        let mut todo = vec![(Path::new(PARAMETERS).to_owned(), String::new())];
        while let Some((directory, name)) = todo.pop() {
            budget.check()?;
            // A directory that may not be listed adds no names.
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let part = entry.file_name().to_string_lossy().replace('.', "/");
                let name = if name.is_empty() { part } else { format!("{name}.{part}") };
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => todo.push((entry.path(), name)),
                    Ok(kind) if kind.is_file() => names.push(name),
                    _ => {}
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }
    fn kernel_log(&self, _: Grant<sys::KernelLog>, max: u64, budget: &Budget) -> Result<Vec<String>, OsError> {
        /// Maximum length of a record, in bytes.
        const RECORD: usize = 8 << 10;
        let mut log = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open("/dev/kmsg")?;
        let mut records = VecDeque::new();
        let mut record = vec![0; RECORD];
        loop {
            budget.check()?;
            match log.read(&mut record) {
                Ok(count) => {
                    if records.len() as u64 >= max {
                        records.pop_front();
                    }
                    let text = record.get(..count).unwrap_or_default();
                    records.push_back(String::from_utf8_lossy(text).into_owned());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The record was overwritten meanwhile; the next one is available.
                Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(if max == 0 { Vec::new() } else { records.into() })
    }
    fn accounts(&self, _: Grant<sys::Accounts>, groups: bool, _: &Budget) -> Result<String, OsError> {
        let bytes = std::fs::read(if groups { "/etc/group" } else { "/etc/passwd" })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
    fn account(&self, _: Grant<sys::Accounts>, name: String, group: bool, _: &Budget) -> Result<Option<u32>, OsError> {
        accounts::number_of(&name, group)
    }
    fn sessions(&self, _: Grant<sys::Sessions>, _: &Budget) -> Result<Vec<u8>, OsError> {
        match std::fs::read("/run/utmp") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(OsError::Refused("this machine keeps no record of who is logged in"))
            }
            // Records of processes that have ended are left out, as not every record is cleared on logout.
            other => {
                Ok(crate::proc::current_sessions(&other?, |pid| kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)))
            }
        }
    }
    fn parameter(&self, grant: Grant<sys::GetParameter>, _: &Budget) -> Result<String, OsError> {
        read_parameter(grant.resource())
    }
    fn set_parameter(&self, grant: Grant<sys::SetParameter>, _: &Budget) -> Result<(), OsError> {
        let (resource, value) = (grant.resource(), &grant.action().value);
        let before = read_parameter(resource).ok();
        let put = |value: &str| -> Result<bool, OsError> {
            // In one piece: the kernel takes each write as a value.
            let value = format!("{}\n", value.trim_end_matches('\n'));
            Ok(parameter(resource, OFlag::O_WRONLY)?.write(value.as_bytes())? == value.len())
        };
        if put(value)? {
            return Ok(());
        }
        // The value that was set is not the one that was decided on.
        let name = resource.name().escape_debug();
        let back = before.is_some_and(|before| put(&before).unwrap_or(false));
        let now = match (back, read_parameter(resource)) {
            (true, _) => "its old value was put back".to_owned(),
            (false, Ok(now)) => format!("it is `{}` now", now.trim_end().escape_debug()),
            (false, Err(_)) => "its current value cannot be read".to_owned(),
        };
        let message = format!("the kernel accepts only the start of this value for `{name}`: {now}");
        Err(Error::new(Code::Io, message).with_help("write the value alone, without a comment").into())
    }
    fn variable(&self, grant: Grant<sys::GetVariable>, _: &Budget) -> Result<Option<String>, OsError> {
        Ok(std::env::var_os(grant.resource().name()).map(|value| value.to_string_lossy().into_owned()))
    }
    fn unmount(&self, grant: Grant<sys::Unmount>, _: &Budget) -> Result<(), OsError> {
        unmount(grant.resource(), || {})
    }
}

/// Unmounts what is mounted at a path: by the last part of the name, in its directory, which is opened without crossing
/// a link. So later changes to the other parts have no effect; in tests, `then` makes one.
fn unmount(path: &AbsPath, then: impl FnOnce()) -> Result<(), OsError> {
    // Fails if the path is missing, and reports the name behind a link at its end.
    drop(resolve::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, FinalLink::Cross)?);
    let Some((parent, name)) = resolve::open_parent(path, FinalLink::Cross)? else {
        return Err(OsError::Refused("the root of all files stays mounted"));
    };
    then();
    // The kernel unmounts only by name. A relative name starts at the working directory, which is the thread's own
    // after `unshare`.
    let unmount = || {
        unshare(CloneFlags::CLONE_FS)?;
        fchdir(&parent)?;
        rustix::mount::unmount(name, rustix::mount::UnmountFlags::NOFOLLOW)
            .map_err(|error| Errno::from_raw(error.raw_os_error()))
    };
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("rex-unmount".to_owned()).spawn_scoped(scope, unmount)?;
        thread.join().map_err(|_| io::Error::other("the thread that unmounts broke off"))
    })?;
    done.map_err(resolve::system)
}

/// The directory of the kernel parameters.
const PARAMETERS: &str = "/proc/sys";
/// The files of a control group about what it uses and may use; see the kernel's `cgroup-v2.rst`.
const GROUP_FILES: &[&str] = &[
    "memory.current",
    "memory.max",
    "memory.high",
    "memory.peak",
    "memory.swap.current",
    "memory.events",
    "cpu.stat",
    "cpu.max",
    "pids.current",
    "pids.max",
    "io.stat",
];

/// Returns the value of a parameter, with U+FFFD for what is not UTF-8.
fn read_parameter(name: &KernelParameter) -> Result<String, OsError> {
    let mut bytes = Vec::new();
    parameter(name, OFlag::O_RDONLY)?.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parameter(parameter: &KernelParameter, flags: OFlag) -> Result<File, OsError> {
    let parts: Vec<_> = parameter.parts().collect();
    let path = AbsPath::parse(&format!("{PARAMETERS}/{}", parts.join("/")));
    let path = path.map_err(|_| OsError::Refused("its name is invalid"))?;
    match resolve::open(&path, flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, FinalLink::Cross) {
        Ok(file) if super::open::is_directory(&file) => Err(OsError::Refused("it holds other parameters")),
        Ok(file) => Ok(File::from(file)),
        // No parameter is reached through a link.
        Err(OsError::Crossed(_)) => Err(OsError::Refused("its name leads through a link")),
        Err(error) => Err(error),
    }
}

/// Returns the mount table. Names that are not UTF-8 are shown as well as possible.
fn table() -> Result<String, OsError> {
    Ok(String::from_utf8_lossy(&std::fs::read("/proc/self/mountinfo")?).into_owned())
}

/// Parses mount point, type and source from a line of `/proc/self/mountinfo`; see `proc_pid_mountinfo(5)`.
fn mount_line(line: &str) -> Option<(String, (String, String))> {
    let (left, right) = line.split_once(" - ")?;
    let target = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    Some((unescape(target), (right.next()?.to_owned(), unescape(right.next()?))))
}

/// Returns the space of a mounted file system; `None` if it has none (`proc`) or cannot be reached.
fn space(target: String, kind: String, source: String) -> Option<Mount> {
    let stat = statvfs(target.as_str()).ok().filter(|stat| stat.blocks() > 0)?;
    let unit = stat.fragment_size();
    Some(Mount {
        total: stat.blocks().saturating_mul(unit),
        free: stat.blocks_free().saturating_mul(unit),
        available: stat.blocks_available().saturating_mul(unit),
        inodes: stat.files(),
        inodes_free: stat.files_free(),
        target,
        source,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Swaps the directory that was decided on for another one, between the check of the name and the act.
    #[test]
    fn what_is_unmounted_is_what_was_decided_on() {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        use nix::mount::{MsFlags, mount};

        let world = tempfile::tempdir().unwrap();
        let at = |name: &str| std::fs::canonicalize(world.path()).unwrap().join(name);
        for name in ["u/dir/m", "other/m"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("other"), at("u/link")).unwrap();
        let (dir, link) = (at("u/dir"), at("u/link"));
        let swap = || renameat2(AT_FDCWD, &dir, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
        let mounts = || std::fs::read_to_string("/proc/thread-self/mounts").unwrap();
        let tried = std::thread::scope(|scope| {
            let within = || {
                if unshare(CloneFlags::CLONE_NEWNS).is_err() {
                    return false;
                }
                let none = None::<&str>;
                mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
                let put = |name: &str, what: &str| {
                    mount(Some(what), &at(name), Some("tmpfs"), MsFlags::empty(), none).unwrap();
                };
                let path = AbsPath::parse(at("u/dir/m").to_str().unwrap()).unwrap();
                put("other/m", "rex-protected");
                // Nothing is mounted in the directory that was decided on, so nothing is unmounted.
                assert!(unmount(&path, swap).is_err());
                assert!(mounts().contains("rex-protected"));
                swap();
                put("u/dir/m", "rex-permitted");
                unmount(&path, swap).unwrap();
                assert!(mounts().contains("rex-protected") && !mounts().contains("rex-permitted"));
                // The unmounting thread left the working directory of this one alone.
                assert_eq!(std::fs::read_link("/proc/thread-self/cwd").unwrap(), std::env::current_dir().unwrap());
                true
            };
            scope.spawn(within).join().unwrap()
        });
        if !tried {
            println!("left out: only root unmounts");
        }
    }

    #[test]
    fn a_line_of_the_mount_table() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = mount_line(line).unwrap();
        assert_eq!(mount, ("/mnt 2".to_owned(), ("ext3".to_owned(), "/dev/root".to_owned())));
        assert_eq!(mount_line("nonsense"), None);
    }
}
