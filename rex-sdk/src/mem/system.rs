//! A machine in memory.

use rex_core::Grant;
use rex_core::action::sys;

use super::MemOs;
use crate::os::{Load, Memory, Mount, OsError, System};

const GIB: u64 = 1 << 30;

impl System for MemOs {
    fn disk(&self, _: Grant<sys::Disk>) -> Result<Vec<Mount>, OsError> {
        self.count();
        let mount = |target: &str, source: &str, kind: &str, total: u64, available: u64| Mount {
            target: target.to_owned(),
            source: source.to_owned(),
            kind: kind.to_owned(),
            total,
            free: available,
            available,
            inodes: 1000,
            inodes_free: 900,
        };
        Ok(vec![mount("/", "/dev/vda1", "ext4", 100 * GIB, 25 * GIB), mount("/run", "tmpfs", "tmpfs", GIB, GIB)])
    }
    fn memory(&self, _: Grant<sys::Inspect>) -> Result<Memory, OsError> {
        self.count();
        Ok(Memory { total: 8 * GIB, available: 6 * GIB, free: 5 * GIB, swap_total: GIB, swap_free: GIB })
    }
    fn load(&self, _: Grant<sys::Inspect>) -> Result<Load, OsError> {
        self.count();
        Ok(Load { average: [0.5, 0.25, 0.125], uptime: 86_400.5 })
    }
    fn hostname(&self, _: Grant<sys::Inspect>) -> Result<String, OsError> {
        self.count();
        Ok("example".to_owned())
    }
    fn cpus(&self, _: Grant<sys::Inspect>) -> Result<u64, OsError> {
        self.count();
        Ok(4)
    }
}
