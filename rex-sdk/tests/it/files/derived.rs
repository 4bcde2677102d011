//! Files that are made from a file are never more readable than that file.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rex_core::Value;
use rex_sdk::os::FileAccess;

use super::*;

const MAKE: [(&str, &str); 6] = [
    ("fs::copy", "f"),
    ("fs::gzip", "f"),
    ("fs::zstd", "f"),
    ("fs::expand", "f.gz"),
    ("fs::tar_create", "d"),
    ("fs::tar_extract", "d.tar"),
];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Creates a file, and archives of it, with this mode.
fn sources(mode: u32, owner: Option<u32>) -> Disk {
    let disk = Disk::new();
    disk.put("f", "secret").put("d/inner", "secret");
    disk.session().call("fs::gzip", vec!["f".into(), "f.gz".into()]).unwrap();
    disk.session().call("fs::tar_create", vec!["d".into(), "d.tar".into()]).unwrap();
    for name in ["f", "f.gz", "d/inner", "d.tar"] {
        set(&disk.at(name), mode);
        chown(disk.at(name), owner, owner).unwrap();
    }
    set(&disk.at("d"), 0o755);
    disk
}

#[test]
fn whatever_is_made_of_a_file_has_no_bit_that_the_file_has_not() {
    for mode_of in [0o600, 0o640, 0o400, 0o755, 0o644, 0o604] {
        let disk = sources(mode_of, None);
        for (operation, from) in MAKE {
            for old in [None, Some(0o644), Some(0o666), Some(0o600)] {
                let made = if operation == "fs::tar_extract" { "to/inner" } else { "to" };
                if let Some(old) = old {
                    disk.put(made, "old");
                    set(&disk.at(made), old);
                }
                let mut args = vec![Value::from(from), "to".into()];
                if operation == "fs::tar_extract" {
                    args.push(Value::map([("overwrite", true.into())]));
                }
                disk.session().call(operation, args).unwrap();
                let now = mode(&disk.at(made));
                // Its owner could read it, and may change what is extracted.
                assert_eq!(now & !mode_of & 0o477, 0, "{operation} {mode_of:o} over {old:?}: {now:o}");
                assert_eq!(now & 0o400, 0o400, "{operation} {mode_of:o} over {old:?}: {now:o}");
                let _ = fs::remove_file(disk.at("to")).or_else(|_| fs::remove_dir_all(disk.at("to")));
            }
        }
    }
}

#[test]
fn another_owner_gets_nobody_into_what_was_the_owners() {
    if !nix::unistd::geteuid().is_root() {
        println!("left out: only root can give files away");
        return;
    }
    for (mode_of, most) in [(0o640, 0o600), (0o644, 0o644), (0o660, 0o600), (0o755, 0o755)] {
        let disk = sources(mode_of, Some(33));
        for (operation, from) in MAKE {
            disk.session().call(operation, vec![from.into(), "to".into()]).unwrap();
            let made = if operation == "fs::tar_extract" { "to/inner" } else { "to" };
            assert_eq!(mode(&disk.at(made)) & !most, 0, "{operation} {mode_of:o}");
            let _ = fs::remove_file(disk.at("to")).or_else(|_| fs::remove_dir_all(disk.at("to")));
        }
    }
}

#[test]
fn an_executable_stays_one_and_an_archive_keeps_modes() {
    let disk = Disk::new();
    disk.put("d/tool", "#!").put("d/key", "k").put("d/private/f", "f");
    set(&disk.at("d/tool"), 0o755);
    set(&disk.at("d/key"), 0o600);
    set(&disk.at("d/private"), 0o700);
    disk.session().call("fs::tar_create", vec!["d".into(), "a.tar".into()]).unwrap();
    assert_eq!(mode(&disk.at("a.tar")) & 0o177, 0, "somebody could read a key");
    disk.session().call("fs::tar_extract", vec!["a.tar".into(), "to".into()]).unwrap();
    disk.session().call("fs::copy", vec!["d/tool".into(), "copy".into()]).unwrap();
    for (name, expected) in [("to/tool", 0o700), ("to/key", 0o600), ("to/private", 0o700), ("copy", 0o700)] {
        assert_eq!(mode(&disk.at(name)) & 0o700, expected, "{name}");
    }
    assert_eq!(mode(&disk.at("to/private")) & 0o77, 0);
}

/// Contents that inspect the file to which they are written.
struct Looking<'d>(&'d Path, Vec<u32>);

impl Read for Looking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1.extend(fs::read_dir(self.0)?.map(|entry| entry.unwrap().metadata().unwrap().mode() & 0o777));
        if self.1.len() > 1 {
            return Ok(0);
        }
        buffer[0] = b'x';
        Ok(1)
    }
}

#[test]
fn there_is_no_moment_at_which_others_could_read_it() {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    for like in [FileAccess { mode: 0o600, uid, gid }, FileAccess { mode: 0o640, uid, gid: gid + 1 }] {
        let disk = Disk::new();
        fs::create_dir(disk.at("d")).unwrap();
        // As permissive as a directory and an umask can be.
        set(&disk.at("d"), 0o2777);
        let directory = disk.at("d");
        let mut contents = Looking(&directory, Vec::new());
        let options = WriteOptions { like: Some(like), ..WriteOptions::default() };
        disk.os.write(disk.grant(act::Write { bytes: 9 }, "d/f"), &mut contents, options).unwrap();
        assert!(contents.1.len() > 1 && contents.1.iter().all(|mode| mode & 0o77 == 0), "{:?}", contents.1);
        disk.os.create_dir(disk.grant(act::CreateDir {}, "d/sub"), Some(like)).unwrap();
        assert_eq!(mode(&disk.at("d/sub")) & 0o777, 0o700);
    }
}
