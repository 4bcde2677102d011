//! The machine, as `/proc` and a few system calls tell it.
#![expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]

use std::collections::BTreeMap;
use std::io;

use nix::sys::statvfs::statvfs;
use rex_core::Grant;
use rex_core::action::sys;

use super::HostOs;
use crate::os::{Load, Memory, Mount, OsError, System};

impl System for HostOs {
    fn disk(&self, _: Grant<sys::Disk>) -> Result<Vec<Mount>, OsError> {
        // Names that are not UTF-8 are shown as well as they can be.
        let table = String::from_utf8_lossy(&std::fs::read("/proc/self/mountinfo")?).into_owned();
        // Of several mounts on one directory the last is the one that is seen.
        let mut mounts: BTreeMap<String, (String, String)> = table.lines().filter_map(mount_line).collect();
        // Asking for the space of what is mounted on demand would mount it.
        mounts.retain(|_, (kind, _)| kind != "autofs");
        Ok(mounts.into_iter().filter_map(|(target, (kind, source))| space(target, kind, source)).collect())
    }

    fn memory(&self, _: Grant<sys::Inspect>) -> Result<Memory, OsError> {
        let text = std::fs::read_to_string("/proc/meminfo")?;
        let bytes = |name: &str| -> Result<u64, OsError> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kib.map(|kib| kib.saturating_mul(1024)).ok_or_else(|| unclear("/proc/meminfo"))
        };
        Ok(Memory {
            total: bytes("MemTotal")?,
            available: bytes("MemAvailable")?,
            free: bytes("MemFree")?,
            swap_total: bytes("SwapTotal")?,
            swap_free: bytes("SwapFree")?,
        })
    }

    fn load(&self, _: Grant<sys::Inspect>) -> Result<Load, OsError> {
        let numbers = |path: &'static str| -> Result<Vec<f64>, OsError> {
            let text = std::fs::read_to_string(path)?;
            Ok(text.split_whitespace().map_while(|word| word.parse().ok()).collect())
        };
        match (&*numbers("/proc/loadavg")?, &*numbers("/proc/uptime")?) {
            (&[one, five, fifteen, ..], &[uptime, ..]) => Ok(Load { average: [one, five, fifteen], uptime }),
            _ => Err(unclear("/proc/loadavg")),
        }
    }

    fn hostname(&self, _: Grant<sys::Inspect>) -> Result<String, OsError> {
        let name = nix::unistd::gethostname().map_err(io::Error::from)?;
        Ok(name.to_string_lossy().into_owned())
    }

    fn cpus(&self, _: Grant<sys::Inspect>) -> Result<u64, OsError> {
        Ok(std::thread::available_parallelism()?.get() as u64)
    }
}

fn unclear(path: &str) -> OsError {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{path}` is not as expected")).into()
}

/// Mount point, type and source of a line of `/proc/self/mountinfo`; see `proc_pid_mountinfo(5)`.
fn mount_line(line: &str) -> Option<(String, (String, String))> {
    let (left, right) = line.split_once(" - ")?;
    let target = left.split(' ').nth(4)?;
    let mut right = right.split(' ');
    Some((unescape(target), (right.next()?.to_owned(), unescape(right.next()?))))
}

/// Blanks, tabs, newlines, hashes and backslashes are written as `\040` and the like.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// The space of a mounted file system; `None` if it has none (`proc`), or is out of reach.
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

    #[test]
    fn a_line_of_the_mount_table() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mount = mount_line(line).unwrap();
        assert_eq!(mount, ("/mnt 2".to_owned(), ("ext3".to_owned(), "/dev/root".to_owned())));
        assert_eq!(mount_line("nonsense"), None);
    }
}
