//! A machine in memory.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};

use rex_core::action::sys;
use rex_core::{AbsPath, Budget, Grant};

use super::MemOs;
use crate::os::{Mount, OsError, System, SystemFile};

const GIB: u64 = 1 << 30;

/// Returns the text of a file of the example machine.
fn text(file: SystemFile) -> &'static str {
    match file {
        SystemFile::Memory => {
            "MemTotal:        8388608 kB\nMemFree:         5242880 kB\nMemAvailable:    6291456 kB\n\
             SwapTotal:       1048576 kB\nSwapFree:        1048576 kB\n"
        }
        SystemFile::Load => "0.5 0.25 0.125 1/100 4243\n",
        SystemFile::Uptime => "86400.5 340000.0\n",
        SystemFile::Stat => {
            "cpu  2000 0 1000 7000 0 0 0 0 0 0\ncpu0 2000 0 1000 7000 0 0 0 0 0 0\nintr 500 1 2\nctxt 9000\n\
             btime 1772366400\nprocesses 4243\nprocs_running 1\nprocs_blocked 0\n"
        }
        SystemFile::Vmstat => "nr_free_pages 1310720\npgfault 1000\n",
        SystemFile::Swaps => {
            "Filename\tType\tSize\tUsed\tPriority\n/dev/vda2                               partition\t1048576\t0\t-2\n"
        }
        SystemFile::PressureCpu | SystemFile::PressureMemory | SystemFile::PressureIo => {
            "some avg10=1.50 avg60=0.50 avg300=0.00 total=2000000\n"
        }
        SystemFile::Disks => " 254       0 vda 100 0 2048 50 10 0 1024 20 0 60 70 0 0 0 0 0 0\n",
        SystemFile::Modules => {
            "ext4 1000000 1 - Live 0x0000000000000000\njbd2 200000 1 ext4, Live 0x0000000000000000\n"
        }
        SystemFile::Slab => {
            "slabinfo - version: 2.1\n# name <active_objs> ...\ndentry 900 1000 192 21 1 : tunables 0 0 0 : slabdata 48 48 0\n"
        }
        SystemFile::Entropy => "256\n",
        SystemFile::Hostname => "example\n",
        SystemFile::KernelName => "Linux\n",
        SystemFile::KernelRelease => "6.12.0\n",
        SystemFile::KernelVersion => "1 SMP\n",
        SystemFile::Machine => "x86_64\n",
        SystemFile::OsRelease => "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
        SystemFile::TimeZone => "Etc/UTC\n",
        SystemFile::SharedMemory => {
            "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap\n\
             0 7 600 4096 4242 4243 2 33 33 33 33 0 0 1772452800 4096 0\n"
        }
        SystemFile::Semaphores => {
            "key semid perms nsems uid gid cuid cgid otime ctime\n0 3 600 1 33 33 33 33 0 1772452800\n"
        }
        SystemFile::OwnGroup => "0::/system.slice/rex.service\n",
    }
}

impl System for MemOs {
    fn disk(&self, _: Grant<sys::Disk>, _: &Budget) -> Result<Vec<Mount>, OsError> {
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
    fn mounts(&self, _: Grant<sys::Disk>, _: &Budget) -> Result<String, OsError> {
        self.count();
        Ok("1 0 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n".to_owned())
    }
    fn inspect(&self, _: Grant<sys::Inspect>, files: Vec<SystemFile>, _: &Budget) -> Result<Vec<String>, OsError> {
        self.count();
        Ok(files.into_iter().map(|file| text(file).to_owned()).collect())
    }
    fn cpus(&self, _: Grant<sys::Inspect>, _: &Budget) -> Result<u64, OsError> {
        self.count();
        Ok(4)
    }
    fn block_devices(
        &self,
        _: Grant<sys::Inspect>,
        _: &Budget,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, OsError> {
        self.count();
        let files = [("size", "209715200\n"), ("ro", "0\n"), ("removable", "0\n"), ("queue/rotational", "0\n")];
        let files = files.iter().chain(&[("partition/vda1", "209713152\n")]);
        let files = files.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Ok(BTreeMap::from([("vda".to_owned(), files)]))
    }
    fn control_group(
        &self,
        _: Grant<sys::Inspect>,
        group: AbsPath,
        _: &Budget,
    ) -> Result<BTreeMap<String, String>, OsError> {
        self.count();
        if group.as_str() != "/system.slice/nginx.service" {
            return Err(missing());
        }
        let files = [("memory.current", "1048576\n"), ("memory.max", "max\n"), ("cpu.stat", "usage_usec 1500000\n")];
        Ok(files.map(|(name, text)| (name.to_owned(), text.to_owned())).into())
    }
    fn packages(&self, _: Grant<sys::Inspect>, _: &Budget) -> Result<String, OsError> {
        self.count();
        Ok("nginx\t1.22.1-9\tamd64\tinstalled\nopenssl\t3.0.15-1\tamd64\tinstalled\noldpkg\t1.0-1\tamd64\tconfig-files\n".to_owned())
    }
    fn parameters(&self, _: Grant<sys::Inspect>, _: &Budget) -> Result<Vec<String>, OsError> {
        self.count();
        Ok(["kernel.hostname", "net.ipv4.ip_forward"].map(str::to_owned).into())
    }
    fn kernel_log(&self, _: Grant<sys::KernelLog>, max: u64, _: &Budget) -> Result<Vec<String>, OsError> {
        self.count();
        let records = ["6,1,1000,-;Linux version 6.12.0", "3,2,2000000,-;ext4: I/O error"].map(str::to_owned);
        let left_out = records.len().saturating_sub(usize::try_from(max).unwrap_or(usize::MAX));
        Ok(records.into_iter().skip(left_out).collect())
    }
    fn accounts(&self, _: Grant<sys::Accounts>, groups: bool, _: &Budget) -> Result<String, OsError> {
        self.count();
        let [users, all_groups] = &self.accounts;
        Ok(if groups { all_groups } else { users }.clone())
    }
    fn account(&self, _: Grant<sys::Accounts>, name: String, group: bool, _: &Budget) -> Result<Option<u32>, OsError> {
        self.count();
        let groups = [("root", 0), ("adm", 4)].into_iter().find(|(known, _)| *known == name).map(|(_, number)| number);
        Ok(if group { groups } else { super::processes::number(&name) })
    }
    fn sessions(&self, _: Grant<sys::Sessions>, _: &Budget) -> Result<Vec<u8>, OsError> {
        self.count();
        Ok(Vec::new())
    }
    fn parameter(&self, grant: Grant<sys::GetParameter>, _: &Budget) -> Result<String, OsError> {
        self.count();
        let parameters = self.parameters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        parameters.get(grant.resource().name()).map(|value| format!("{value}\n")).ok_or_else(missing)
    }
    fn set_parameter(&self, grant: Grant<sys::SetParameter>, _: &Budget) -> Result<(), OsError> {
        self.count();
        let mut parameters = self.parameters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = parameters.get_mut(grant.resource().name()).ok_or_else(missing)?;
        known.clone_from(&grant.action().value);
        Ok(())
    }
    fn variable(&self, grant: Grant<sys::GetVariable>, _: &Budget) -> Result<Option<String>, OsError> {
        self.count();
        Ok((grant.resource().name() == "LANG").then(|| "C.UTF-8".to_owned()))
    }
    fn unmount(&self, _: Grant<sys::Unmount>, _: &Budget) -> Result<(), OsError> {
        self.count();
        Ok(())
    }
}

fn missing() -> OsError {
    Error::from(ErrorKind::NotFound).into()
}
