//! A control group that was delegated, as by systemd: a real one, if the kernel has version 2.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A group that only this test uses, removed at its end.
struct Delegated(PathBuf);

impl Delegated {
    fn new() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let mount = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            words.next().filter(|_| words.next() == Some("cgroup2"))
        })?;
        let group = Path::new(mount).join(format!("rex-test-{}", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        let group = Self(group);
        // Python can set extended attributes; coreutils cannot.
        let mark = "import os, sys; os.setxattr(sys.argv[1], 'user.delegate', b'1')";
        let marked = Command::new("python3").args(["-c", mark]).arg(&group.0).status();
        marked.is_ok_and(|status| status.success()).then_some(group)
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for directory in [self.0.join("supervisor"), self.0.clone()] {
            drop(std::fs::remove_dir(directory));
        }
    }
}

#[test]
fn a_worker_has_a_group_of_its_own_where_one_was_delegated() {
    let Some(group) = Delegated::new() else {
        println!("left out: no control group of version 2 can be made here");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.cedar");
    std::fs::write(&policy, "permit (principal, action, resource == sys::Host::\"local\");").unwrap();
    // In the group, as a service is started in its own.
    let run = r#"echo $$ > "$1/cgroup.procs" && exec "$0" run --format=json --policy "$2" -e 'sys::cpus()'"#;
    for _ in 0..2 {
        let output = Command::new("sh")
            .args(["-c", run, env!("CARGO_BIN_EXE_rex")])
            .arg(&group.0)
            .arg(&policy)
            .output()
            .unwrap();
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert!(report["confinement"]["group"].is_array() && report["status"] == "SUCCESS", "{report}");
        let entries = std::fs::read_dir(&group.0).unwrap().map(|entry| entry.unwrap().path());
        let groups: Vec<_> = entries.filter(|path| path.is_dir()).collect();
        assert_eq!(groups, [group.0.join("supervisor")], "{report}");
    }
}
