//! Unusual names (row 7 of the known attacks).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

#[test]
fn odd_names_are_neither_mangled_nor_refused() {
    let disk = Disk::new();
    let longest = "n".repeat(255);
    let wide = "ä".repeat(127);
    for name in ["two\nlines", "quo\"te'", "glob*?[a]", "\u{7f}\u{1b}[31m", " blank ", "-rf", "a\\b", &longest, &wide] {
        disk.write(name, name.as_bytes()).unwrap();
        disk.append(name, b"!").unwrap();
        assert_eq!(disk.text(name).unwrap(), format!("{name}!"));
        disk.write(name, b"again").unwrap();
        assert_eq!(disk.names("."), [name]);
        assert_eq!(disk.list(".").unwrap(), [DirEntry { name: name.into(), kind: EntryKind::File }]);
        disk.rename(name, "other", WriteOptions::default()).unwrap();
        disk.rename("other", name, WriteOptions { new: true, ..WriteOptions::default() }).unwrap();
        disk.remove(name).unwrap();
        disk.create_dir(name).unwrap();
        disk.remove_dir(name).unwrap();
        assert!(disk.names(".").is_empty());
    }
}

#[test]
fn names_that_are_not_utf8_are_listed_as_they_are() {
    let disk = Disk::new();
    let raw = b"caf\xe9\xff".as_slice();
    fs::write(disk.dir.path().join(OsStr::from_bytes(raw)), "x").unwrap();
    disk.put("z", "");
    let entries = disk.list(".").unwrap();
    assert_eq!(entries.iter().map(|entry| entry.name.as_slice()).collect::<Vec<_>>(), [raw, b"z"]);
    // Only the one spelling of its name reaches the file, and no path that looks like it.
    assert_eq!(code(disk.read(&String::from_utf8_lossy(raw))), Code::NotFound);
    assert_eq!(disk.read(r"caf\xE9\xFF").unwrap(), b"x");
    // A file with that text as its name is another one.
    fs::write(disk.dir.path().join(r"caf\xE9\xFF"), "other").unwrap();
    assert_eq!(disk.read(r"caf\xE9\xFF").unwrap(), b"x");
    assert_eq!(disk.read(r"caf\x5CxE9\x5CxFF").unwrap(), b"other");
}

#[test]
fn names_that_are_not_utf8_are_removed_and_not_made() {
    let disk = Disk::new();
    let raw = disk.dir.path().join(OsStr::from_bytes(b"old\xff"));
    fs::create_dir(&raw).unwrap();
    fs::write(raw.join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    assert_eq!(code(disk.write(r"old\xFF/new\xE9", b"x")), Code::Unsupported);
    assert_eq!(code(disk.append(r"old\xFF/new\xE9", b"x")), Code::Unsupported);
    disk.write(r"old\xFF/new", b"x").unwrap();
    disk.os.remove(disk.grant(act::Remove {}, r"old\xFF/new")).unwrap();
    disk.os.remove(disk.grant(act::Remove {}, r"old\xFF/caf\xE9")).unwrap();
    disk.os.remove_dir(disk.grant(act::Remove {}, r"old\xFF")).unwrap();
    assert!(!raw.exists());
}

#[test]
fn names_that_are_too_long_are_refused() {
    let disk = Disk::new();
    assert!(disk.root.resolve(&"n".repeat(256)).is_err());
    assert!(disk.root.resolve(&"n/".repeat(3_000)).is_err());
    // A link can produce a name that is longer than any valid argument.
    let deep = format!("{}/", "d".repeat(250)).repeat(8);
    fs::create_dir_all(disk.at(&deep)).unwrap();
    disk.link(&format!("{deep}l"), &format!("{deep}{}", "e/".repeat(100)));
    for result in [disk.read(&format!("{deep}l")).map(drop), disk.append(&format!("{deep}l"), b"x")] {
        let error = result.unwrap_err();
        assert!(error.code == Code::Io && error.message.contains("too long"), "{error}");
    }
    // The longest possible name, used as it is.
    let longest = format!("{deep}{}", "f".repeat(255));
    disk.write(&longest, b"x").unwrap();
    disk.append(&longest, b"y").unwrap();
    assert_eq!(disk.text(&longest).unwrap(), "xy");
}

#[test]
fn a_directory_with_more_entries_than_asked_for_says_so() {
    let disk = Disk::new();
    for name in ["c", "a", "b"] {
        disk.put(name, "");
    }
    let list = |max| disk.os.list(disk.grant(act::List {}, "."), max);
    assert_eq!(list(3).unwrap().iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    assert!(matches!(list(2), Err(OsError::TooMany(2))));
    assert_eq!(code(disk.list("a")), Code::Unsupported);
    assert_eq!(code(disk.list("none")), Code::NotFound);
}
