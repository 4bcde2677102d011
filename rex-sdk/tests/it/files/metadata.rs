//! Times, permission bits, owners, attributes, length, links; the entries and the size of a directory.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, UNIX_EPOCH};

use super::*;

impl Disk {
    fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.at(name)).unwrap().mode() & 0o7777
    }
}

fn on<const N: usize>(disk: &Disk, verb: &str, args: [&str; N], options: &[(&str, Value)]) -> Result<Value, Error> {
    let mut args: Vec<Value> = args.iter().map(|&arg| arg.into()).collect();
    args.push(Value::Map(options.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()));
    disk.session().call(&format!("fs::{verb}"), args)
}

#[test]
fn a_log_is_cut_under_whoever_writes_it() {
    let disk = Disk::new();
    disk.put("log", "old lines\n");
    let mut writer = fs::OpenOptions::new().append(true).open(disk.at("log")).unwrap();
    on(&disk, "truncate", ["log"], &[]).unwrap();
    std::io::Write::write_all(&mut writer, b"new\n").unwrap();
    assert_eq!(disk.on_disk("log"), "new\n");
    on(&disk, "truncate", ["log"], &[("size", Value::Int(6))]).unwrap();
    assert_eq!(disk.on_disk("log"), "new\n\0\0");
    assert_eq!(code(on(&disk, "truncate", ["none"], &[])), Code::NotFound);
    assert_eq!(code(on(&disk, "truncate", ["log"], &[("size", Value::Int(i64::MAX))])), Code::LimitExceeded);
    disk.link("to", "log");
    disk.asked();
    on(&disk, "truncate", ["to"], &[]).unwrap();
    assert_eq!(disk.asked(), ["write to", "write log"]);
}

#[test]
fn touch_sets_times_or_creates() {
    let disk = Disk::new();
    disk.put("f", "x");
    on(&disk, "touch", ["f"], &[("time", Value::Int(1_600_000_000))]).unwrap();
    assert_eq!(
        fs::metadata(disk.at("f")).unwrap().modified().unwrap(),
        UNIX_EPOCH + Duration::from_secs(1_600_000_000)
    );
    on(&disk, "touch", ["new"], &[]).unwrap();
    assert_eq!(disk.on_disk("new"), "");
    assert_eq!(code(on(&disk, "touch", ["none"], &[("create", Value::Bool(false))])), Code::NotFound);
    // Nothing is created behind a link before its target was requested.
    disk.link("dangling", "behind");
    disk.asked();
    on(&disk, "touch", ["dangling"], &[]).unwrap();
    assert_eq!(disk.asked(), ["touch dangling", "touch behind"]);
    on(&disk, "touch", ["."], &[("time", Value::Int(1_600_000_000))]).unwrap();
}

#[test]
fn permission_bits_are_asked_for_one_by_one() {
    let disk = Disk::ruled(|action, path| !(action == "chmod" && path == "d/sub/secret"));
    disk.put("d/f", "").put("d/sub/secret", "").put("d/sub/other", "").link("d/link", "../outside").put("outside", "");
    let before = disk.mode("outside");
    assert_eq!(on(&disk, "chmod", ["d/f", "0640"], &[]).unwrap(), Value::Int(1));
    assert_eq!(disk.mode("d/f"), 0o640);
    let denied = on(&disk, "chmod", ["d", "0700"], &[("recursive", true.into())]);
    assert_eq!(failure(denied), (Code::AccessDenied, Some(disk.path("d/sub/secret").as_str().to_owned())));
    assert_eq!(disk.mode("d/f"), 0o640, "one was denied, and nothing was done");
    fs::remove_file(disk.at("d/sub/secret")).unwrap();
    assert_eq!(on(&disk, "chmod", ["d", "0700"], &[("recursive", true.into())]).unwrap(), Value::Int(4));
    assert_eq!((disk.mode("d/f"), disk.mode("d/sub"), disk.mode("outside")), (0o700, 0o700, before));
    // For a link at the end, its target is requested.
    disk.asked();
    on(&disk, "chmod", ["d/link", "4711"], &[]).unwrap();
    assert_eq!((disk.mode("outside"), disk.asked()), (0o4711, vec!["chmod d/link".into(), "chmod outside".into()]));
    for mode in ["", "8", "+644", "-1", "10000", "u+x"] {
        assert_eq!(code(on(&disk, "chmod", ["d/f", mode], &[])), Code::Validation, "{mode}");
    }
}

#[test]
fn owners_are_set_by_number_or_name() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let disk = Disk::new();
    disk.put("f", "").link("link", "f");
    let owner = |name: &str| {
        let found = fs::symlink_metadata(disk.at(name)).unwrap();
        (found.uid(), found.gid())
    };
    on(&disk, "chown", ["f"], &[("owner", "4711".into())]).unwrap();
    assert_eq!(owner("f"), (4711, 0));
    on(&disk, "chown", ["link"], &[("group", "12".into())]).unwrap();
    assert_eq!((owner("f"), owner("link")), ((4711, 0), (0, 12)));
    let unknown = on(&disk, "chown", ["f"], &[("owner", "no\nbody".into())]).unwrap_err();
    assert_eq!((unknown.code, &*unknown.message), (Code::Validation, r"there is no user `no\nbody`"));
    let nobody = on(&disk, "chown", ["f"], &[("owner", "root".into())]);
    assert_eq!((nobody.unwrap(), owner("f").0), (Value::Int(1), 0));
    assert_eq!(code(on(&disk, "chown", ["f"], &[])), Code::Validation);
}

#[test]
fn links_are_made_under_new_names() {
    let disk = Disk::new();
    disk.put("f", "text").put("taken", "");
    on(&disk, "symlink", ["soft", "f"], &[]).unwrap();
    assert_eq!(fs::read_link(disk.at("soft")).unwrap().to_str(), Some("f"));
    assert_eq!(code(on(&disk, "symlink", ["taken", "f"], &[])), Code::AlreadyExists);
    assert_eq!(code(on(&disk, "symlink", ["x", ""], &[])), Code::Validation);
    disk.asked();
    on(&disk, "hard_link", ["f", "hard"], &[]).unwrap();
    assert_eq!(disk.asked(), ["hard_link f", "write hard"]);
    assert_eq!(fs::metadata(disk.at("hard")).unwrap().nlink(), 2);
    assert_eq!(code(on(&disk, "hard_link", ["f", "taken"], &[])), Code::AlreadyExists);
    // A link is not followed, and only files get a second name.
    assert_eq!(code(on(&disk, "hard_link", ["soft", "h"], &[])), Code::Unsupported);
    let strict = Disk::optioned(|_, _| true, HostOptions { deny_hard_links: true, ..HostOptions::default() });
    strict.put("f", "");
    assert_eq!(code(on(&strict, "hard_link", ["f", "second"], &[])), Code::Unsupported);
    assert_eq!(strict.names("."), ["f"]);
}

#[test]
fn what_was_swapped_in_gets_no_second_name() {
    let disk = Disk::new();
    disk.put("f", "mine").put("other", "not mine");
    let held = disk.os.hold(disk.grant(act::HardLink {}, "f")).unwrap();
    fs::rename(disk.at("other"), disk.at("f")).unwrap();
    let result = held.link(disk.grant(act::Write { bytes: 100 }, "new"));
    assert!(matches!(result, Err(OsError::Changed)), "{result:?}");
    assert_eq!(disk.names("."), ["f"]);
}

#[test]
fn attributes_are_decided_by_name() {
    let disk = Disk::new();
    disk.put("f", "");
    let set = on(&disk, "set_xattr", ["f", "user.origin"], &[("value", "here".into())]);
    if set.as_ref().is_err_and(|error| error.message.contains("does not support this attribute")) {
        return;
    }
    set.unwrap();
    assert_eq!(on(&disk, "xattr", ["f", "user.origin"], &[]).unwrap(), "here".into());
    assert_eq!(on(&disk, "xattrs", ["f"], &[]).unwrap().to_string(), r#"["user.origin"]"#);
    on(&disk, "set_xattr", ["f", "user.origin"], &[]).unwrap();
    assert_eq!(code(on(&disk, "xattr", ["f", "user.origin"], &[])), Code::NotFound);
    assert_eq!(code(on(&disk, "xattr", ["f", ""], &[])), Code::Validation);
}

/// Checks attributes that grant access, such as an access control list.
#[test]
fn an_attribute_that_is_a_permission_is_asked_for_as_one() {
    let disk = Disk::ruled(|action, _| action != "chmod");
    disk.put("f", "");
    let before = disk.mode("f");
    let list = "\u{2}\0\0\0\u{1}\0\u{6}\0\0\0\0\0\u{4}\0\u{6}\0\0\0\0\0\u{20}\0\u{6}\0\0\0\0\0";
    for name in ["system.posix_acl_access", "system.posix_acl_default", "security.capability", "trusted.x"] {
        disk.asked();
        let set = on(&disk, "set_xattr", ["f", name], &[("value", list.into())]);
        assert_eq!((code(set), disk.asked().len()), (Code::AccessDenied, 2), "{name}");
        assert_eq!(code(on(&disk, "set_xattr", ["f", name], &[])), Code::AccessDenied, "{name}");
    }
    assert_eq!(disk.mode("f"), before);
    // A caller that reaches the system with only one grant fails too.
    let name = "system.posix_acl_access".to_owned();
    let grant = disk.grant(act::SetXattr { name }, "f");
    assert!(matches!(disk.os.set_xattr(grant, None, Some(list.as_bytes())), Err(OsError::Refused(_))));
    assert_eq!(disk.mode("f"), before);
}

#[test]
fn what_lies_below_is_counted_once() {
    let disk = Disk::ruled(|_, path| !path.starts_with("d/closed"));
    disk.put("d/a/one", vec![b'x'; 10_000]).put("d/a/b/two", "12").put("d/closed/three", "123").link("d/out", "/etc");
    fs::hard_link(disk.at("d/a/one"), disk.at("d/a/b/again")).unwrap();
    let du = on(&disk, "du", ["d"], &[("depth", Value::Int(2))]).unwrap();
    let text = |key: &str| du.get(key).unwrap().to_string();
    // The link itself is a file of 4 bytes.
    assert_eq!((&*text("size"), &*text("files"), &*text("directories")), ("10006", "3", "2"), "{du}");
    assert_eq!(text("complete"), "false");
    assert!(text("skipped").contains("d/closed") && !text("skipped").contains("three"), "{du}");
    let Some(Value::List(largest)) = du.get("largest") else { panic!("{du}") };
    let paths: Vec<_> = largest.iter().map(|entry| entry.get("path").unwrap().to_string()).collect();
    assert_eq!(paths.len(), 2, "{du}");
    assert!(paths[0].ends_with("/d/a\"") && paths[1].ends_with("/d/a/b\""), "{du}");

    let walk = on(&disk, "walk", ["d"], &[("depth", Value::Int(1))]).unwrap();
    let Some(Value::List(entries)) = walk.get("entries") else { panic!("{walk}") };
    assert_eq!(entries.len(), 2, "{walk}");
    let some = on(&disk, "walk", ["d"], &[("max", Value::Int(1))]).unwrap();
    assert_eq!(some.get("complete"), Some(&false.into()));
    let limited = World::limited(
        HostOs::default(),
        disk.root.clone(),
        Box::new(|_, _| true),
        Limits { entries: 3, ..Limits::default() },
    );
    let all = limited.session().call("fs::du", vec!["d".into()]).unwrap();
    assert_eq!((all.get("size"), all.get("complete")), (Some(&Value::Int(10_009)), Some(&true.into())), "{all}");
    let some = limited.session().call("fs::walk", vec!["d".into()]).unwrap();
    assert_eq!((some.get("truncated"), some.get("complete")), (Some(&true.into()), Some(&false.into())), "{some}");
}

#[test]
fn an_entry_is_looked_at_where_it_was_listed() {
    let disk = Disk::new();
    disk.put("d/f", "1").put("e/f", "22");
    let directory = disk.os.directory(disk.grant(act::List {}, "d"), 10).unwrap();
    fs::rename(disk.at("d"), disk.at("moved")).unwrap();
    fs::rename(disk.at("e"), disk.at("d")).unwrap();
    assert_eq!(directory.stat(disk.grant(act::Stat {}, "d/f")).unwrap().size, 1);
    for elsewhere in ["d", "d/f/g", "e/f", "f"] {
        let result = directory.stat(disk.grant(act::Stat {}, elsewhere));
        assert!(matches!(result, Err(OsError::Changed)), "{elsewhere}");
    }
}
