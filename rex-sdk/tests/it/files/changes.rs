//! Renames and removals (row 5 of the known attacks).

use super::*;

#[test]
fn what_was_swapped_in_under_the_name_is_left_alone() {
    let disk = Disk::new();
    disk.put("f", "mine").put("other", "not mine");
    let taken = disk.os.take(disk.grant(act::Rename {}, "f")).unwrap();
    for swap in ["other", "link", "nothing"] {
        match swap {
            "other" => {
                fs::rename(disk.at("f"), disk.at("kept")).and_then(|()| fs::rename(disk.at("other"), disk.at("f")))
            }
            "link" => fs::remove_file(disk.at("f")).and_then(|()| std::os::unix::fs::symlink("kept", disk.at("f"))),
            _ => fs::remove_file(disk.at("f")),
        }
        .unwrap();
        let result = taken.rename(disk.grant(act::Write { bytes: 100 }, "new"), WriteOptions::default());
        assert!(matches!(result, Err(OsError::Changed)), "{swap}: {result:?}");
        assert!(!disk.at("new").exists(), "{swap}");
    }
    assert_eq!(disk.on_disk("kept"), "mine");
}

#[test]
fn a_rename_needs_both_names() {
    let disk = Disk::ruled(|action, path| match path {
        "from" => true,
        "keep" => action != "rename",
        "to" => action == "write",
        _ => false,
    });
    disk.put("from", "from").put("keep", "keep").put("to", "old").put("locked", "locked");
    assert_eq!(failure(disk.rename("keep", "to", WriteOptions::default())).1.unwrap(), disk.path("keep").as_str());
    assert_eq!(
        failure(disk.rename("from", "locked", WriteOptions::default())).1.unwrap(),
        disk.path("locked").as_str()
    );
    assert_eq!(
        code(disk.rename("from", "to", WriteOptions { new: true, ..WriteOptions::default() })),
        Code::AlreadyExists
    );
    assert_eq!(disk.names("."), ["from", "keep", "locked", "to"]);
    disk.rename("from", "to", WriteOptions::default()).unwrap();
    assert_eq!(
        (disk.names("."), disk.on_disk("to")),
        (vec!["keep".into(), "locked".into(), "to".into()], "from".into())
    );
}

#[test]
fn a_rename_to_the_same_name_keeps_the_file() {
    let disk = Disk::new();
    disk.put("f", "text");
    disk.rename("f", "f", WriteOptions::default()).unwrap();
    assert_eq!(disk.on_disk("f"), "text");
}

#[test]
fn a_rename_gives_no_more_bytes_than_were_granted() {
    let disk = Disk::new();
    disk.put("f", "12345");
    let taken = disk.os.take(disk.grant(act::Rename {}, "f")).unwrap();
    disk.append("f", b"678").unwrap();
    let result = taken.rename(disk.grant(act::Write { bytes: 5 }, "g"), WriteOptions::default());
    assert!(matches!(result, Err(OsError::TooMuch(5))), "{result:?}");
    assert_eq!(disk.names("."), ["f"]);
}

#[test]
fn a_rename_to_another_file_system_says_what_to_do() {
    let disk = Disk::new();
    disk.put("f", "text");
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let to = other.path().join("f").to_str().unwrap().to_owned();
    if std::os::unix::fs::MetadataExt::dev(&fs::metadata(other.path()).unwrap())
        != std::os::unix::fs::MetadataExt::dev(&fs::metadata(disk.dir.path()).unwrap())
    {
        let error = disk.rename("f", &to, WriteOptions::default()).unwrap_err();
        assert_eq!(error.code, Code::Unsupported);
        assert!(error.message.contains("copy the file there"), "{error}");
    }
    assert_eq!(disk.on_disk("f"), "text");
}

#[test]
fn directories_are_removed_only_when_they_are_empty() {
    let disk = Disk::new();
    disk.put("d/f", "x");
    assert_eq!(code(disk.remove_dir("d")), Code::Io);
    assert_eq!(code(disk.remove_dir("d/f")), Code::Unsupported);
    assert_eq!(code(disk.remove("d")), Code::Unsupported);
    assert_eq!(code(disk.create_dir("d")), Code::AlreadyExists);
    assert_eq!(code(disk.create_dir("none/d")), Code::NotFound);
    disk.remove("d/f").unwrap();
    disk.remove_dir("d").unwrap();
    assert!(disk.names(".").is_empty());
    assert_eq!(code(disk.remove("d")), Code::NotFound);
    for result in [disk.remove("/"), disk.remove_dir("/"), disk.create_dir("/"), disk.append("/", b"x")] {
        assert!(result.is_err());
    }
}
