//! Names that cross symbolic links, or are aliases of others (rows 2 and 3 of the known attacks).

use super::*;

/// Creates a disk with `open` permitted and `closed` denied.
fn open_only() -> Disk {
    let disk = Disk::ruled(|_, path| path == "open" || path.starts_with("open/"));
    disk.put("open/f", "public").put("closed/f", "secret").put("closed/deep/g", "secret");
    disk
}

fn denied(disk: &Disk, target: &str) -> (Code, Option<String>) {
    (Code::AccessDenied, Some(disk.path(target).to_string()))
}

#[test]
fn a_link_never_lends_its_name_to_its_target() {
    let disk = open_only();
    disk.link("open/final", "../closed/f")
        .link("open/absolute", disk.path("closed/f").as_str())
        .link("open/middle", "../closed")
        .link("open/chain1", "chain2")
        .link("open/chain2", "chain3/g")
        .link("open/chain3", "middle/deep")
        .link("open/inside", "f");
    for (name, target) in [
        ("open/final", "closed/f"),
        ("open/absolute", "closed/f"),
        ("open/middle/f", "closed/f"),
        ("open/middle/none", "closed/none"),
        ("open/chain1", "closed/deep/g"),
    ] {
        assert_eq!(failure(disk.read(name)), denied(&disk, target), "{name}");
        assert_eq!(failure(disk.write(name, b"x")), denied(&disk, target), "{name}");
        assert_eq!(failure(disk.append(name, b"x")), denied(&disk, target), "{name}");
    }
    for name in ["open/middle/f", "open/chain3/g"] {
        assert_eq!(code(disk.stat(name)), Code::AccessDenied, "{name}");
        assert_eq!(code(disk.remove(name)), Code::AccessDenied, "{name}");
        assert_eq!(code(disk.rename(name, "open/new", WriteOptions::default())), Code::AccessDenied, "{name}");
        assert_eq!(code(disk.rename("open/f", name, WriteOptions::default())), Code::AccessDenied, "{name}");
    }
    assert_eq!(failure(disk.list("open/middle")), denied(&disk, "closed"));
    assert_eq!(failure(disk.create_dir("open/middle/new")), denied(&disk, "closed/new"));
    assert_eq!(failure(disk.remove_dir("open/chain3/new")), denied(&disk, "closed/deep/new"));
    assert_eq!((disk.on_disk("closed/f"), disk.on_disk("open/f")), ("secret".into(), "public".into()));
    assert_eq!(disk.names("closed"), ["deep", "f"]);

    disk.asked();
    assert_eq!(disk.text("open/inside").unwrap(), "public");
    assert_eq!(disk.asked(), ["read open/inside", "read open/f"]);
}

#[test]
fn writes_through_a_permitted_link_reach_the_target_and_keep_the_link() {
    let disk = open_only();
    disk.link("open/l", "f");
    disk.write("open/l", b"new").unwrap();
    disk.append("open/l", b"er").unwrap();
    assert_eq!(disk.on_disk("open/f"), "newer");
    let link = disk.stat("open/l").unwrap();
    assert_eq!((link.kind, link.target.as_deref()), (EntryKind::Symlink, Some("f")));
    assert_eq!(
        code(disk.write_as("open/l", b"x", WriteOptions { new: true, ..WriteOptions::default() })),
        Code::AlreadyExists
    );
    assert_eq!(code(disk.rename("open/l", "open/m", WriteOptions::default())), Code::Unsupported);
    assert_eq!(code(disk.rename("open/f", "open/l", WriteOptions::default())), Code::Unsupported);
    assert_eq!(code(disk.create_dir("open/l")), Code::AlreadyExists);
    disk.remove("open/l").unwrap();
    assert_eq!(disk.names("open"), ["f"]);
}

#[test]
fn a_dangling_link_creates_nothing_before_its_target_is_permitted() {
    let disk = open_only();
    disk.link("open/dangling", "../closed/new").link("open/fine", "made");
    assert_eq!(failure(disk.read("open/dangling")), denied(&disk, "closed/new"));
    assert_eq!(failure(disk.write("open/dangling", b"x")), denied(&disk, "closed/new"));
    assert_eq!(failure(disk.append("open/dangling", b"x")), denied(&disk, "closed/new"));
    assert_eq!(disk.names("closed"), ["deep", "f"]);
    assert_eq!(code(disk.read("open/fine")), Code::NotFound);
    disk.append("open/fine", b"yes").unwrap();
    assert_eq!(disk.on_disk("open/made"), "yes");
}

#[test]
fn circles_and_long_chains_of_links_end() {
    let disk = open_only();
    disk.link("open/loop1", "loop2").link("open/loop2", "loop1").link("open/self", "self/x");
    for name in ["open/loop1", "open/self", "open/loop1/below"] {
        for result in [disk.read(name).map(drop), disk.append(name, b""), disk.write(name, b"").map(drop)] {
            let error = result.unwrap_err();
            assert_eq!(error.code, Code::Io);
            assert!(error.message.contains("too many symbolic links"), "{error}");
        }
    }
    for link in 0..=40 {
        let target = if link == 40 { "f".to_owned() } else { format!("chain{}", link + 1) };
        disk.link(&format!("open/chain{link}"), &target);
    }
    // As many as the kernel allows, and one more.
    assert_eq!(disk.text("open/chain1").unwrap(), fs::read_to_string(disk.at("open/chain1")).unwrap());
    assert_eq!(code(disk.read("open/chain0")), Code::Io);
    assert!(fs::read(disk.at("open/chain0")).is_err());
}

#[test]
fn links_lead_where_the_kernel_says() {
    let disk = Disk::new();
    disk.put("d/e/f", "deep").put("d/f", "shallow").put("f", "top");
    let absolute = disk.path("d/e/../e").to_string() + "//../e";
    for (index, target) in
        ["d/e/..", "d/./e/../f", "../f/../f", "d/e/", ".", "..", &absolute, "l0/e/../f", "l3/../e/f"].iter().enumerate()
    {
        disk.link(&format!("l{index}"), target);
    }
    disk.link("d/up", "..").link("d/e/over", "../up/d");
    for name in ["l0", "l1", "l3", "l4", "l6", "l7", "l8", "l3/over", "l0/up/l3", "d/e/over/e/over/up/f"] {
        let oracle = fs::canonicalize(disk.at(name)).unwrap();
        let grant = disk.grant(act::Read {}, name);
        match disk.os.open(grant).map(drop) {
            Err(OsError::Crossed(found)) => assert_eq!(found.as_str(), oracle.to_str().unwrap(), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    disk.link("lost", "none/../f");
    assert_eq!(code(disk.read("lost")), Code::NotFound, "the kernel does not leave what it could not enter");
}

#[test]
fn a_link_to_a_name_that_is_no_text_leads_there() {
    use std::os::unix::ffi::OsStrExt;
    let disk = open_only();
    std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(b"f\xff"), disk.at("open/raw")).unwrap();
    let error = disk.read("open/raw").unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    assert!(error.message.contains(r"open/f\\xFF"), "{error}");
    std::fs::write(disk.dir.path().join("open").join(std::ffi::OsStr::from_bytes(b"f\xff")), "there").unwrap();
    assert_eq!(disk.read("open/raw").unwrap(), b"there");
    assert_eq!(disk.stat("open/raw").unwrap().target, None);
}

#[test]
fn aliases_of_a_path_are_one_name() {
    let disk = open_only();
    for alias in ["open/..//closed/f", "open/./../closed/f", "closed/f/", "closed//f/.", "./closed/f"] {
        assert_eq!(failure(disk.read(alias)), denied(&disk, "closed/f"), "{alias}");
    }
}

#[test]
fn magic_links_are_refused() {
    let disk = Disk::new();
    disk.put("f", "text");
    let open = fs::File::open(disk.at("f")).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&open);
    for alias in [
        format!("/proc/self/root{}", disk.path("f")),
        format!("/proc/thread-self/root{}", disk.path("f")),
        "/proc/self/cwd/Cargo.toml".to_owned(),
        format!("/proc/self/fd/{number}"),
        format!("/dev/fd/{number}"),
        "/proc/self/exe".to_owned(),
        "/dev/stdin".to_owned(),
    ] {
        for result in [disk.read(&alias).map(drop), disk.append(&alias, b"x"), disk.write(&alias, b"x").map(drop)] {
            let error = result.unwrap_err();
            assert_eq!(error.code, Code::Unsupported, "{alias}: {error}");
            assert!(error.message.contains("magic link of the kernel"), "{alias}: {error}");
        }
    }
    assert_eq!(disk.on_disk("f"), "text");
    // A link that only points to another name is an ordinary link, in `/proc` too.
    let me = std::process::id();
    disk.asked();
    assert!(disk.text("/proc/self/status").unwrap().contains(&format!("Pid:\t{me}\n")));
    assert_eq!(disk.asked(), ["read proc/self/status".to_owned(), format!("read proc/{me}/status")]);
}
