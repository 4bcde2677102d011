//! A write leaves either the old file or the new one (row 26 of the known attacks).

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::*;

/// Contents that fail after some bytes.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.min(buffer.len());
        self.0 -= count;
        buffer[..count].fill(b'x');
        if count == 0 {
            Err(io::Error::other(Error::new(Code::Cancelled, "the run was told to stop")))
        } else {
            Ok(count)
        }
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
    let disk = Disk::new();
    disk.put("f", "old");
    for name in ["f", "new"] {
        let write = |bytes, contents: &mut dyn Read| {
            disk.os.write(disk.grant(act::Write { bytes }, name), contents, WriteOptions::default())
        };
        assert!(matches!(write(100, &mut [b'x'; 101].as_slice()), Err(OsError::TooMuch(100))));
        assert!(matches!(write(-1, &mut b"x".as_slice()), Err(OsError::TooMuch(-1))));
        let error = write(1 << 20, &mut Broken(100_000)).unwrap_err().into_error(&disk.path(name));
        assert_eq!(error.code, Code::Cancelled, "an error of the contents comes out as it is");
    }
    assert!(matches!(disk.os.append(disk.grant(act::Append { bytes: 2 }, "f"), b"345"), Err(OsError::TooMuch(2))));
    assert_eq!((disk.names("."), disk.on_disk("f")), (vec!["f".into()], "old".into()));
}

/// Checks that a file without an access list gets none, even if the directory gives one to new files.
#[test]
fn a_write_gives_nobody_access_that_they_did_not_have() {
    let disk = Disk::new();
    disk.put("f", "old");
    // `setfacl -d -m user:12345:rwx .`; see `acl(5)` and the kernel's `posix_acl_xattr.h`.
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in
        [(1_u16, 7_u16, u32::MAX), (2, 7, 12_345), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)]
    {
        list.extend(tag.to_le_bytes().into_iter().chain(rights.to_le_bytes()).chain(id.to_le_bytes()));
    }
    let directory = std::fs::File::open(disk.at(".")).unwrap();
    let set = rustix::fs::fsetxattr(&directory, "system.posix_acl_default", &list, rustix::fs::XattrFlags::empty());
    if set == Err(rustix::io::Errno::NOTSUP) {
        println!("left out: this file system has no access lists");
        return;
    }
    set.unwrap();
    disk.write("f", b"secret").unwrap();
    let file = std::fs::File::open(disk.at("f")).unwrap();
    let kept = rustix::fs::fgetxattr(&file, "system.posix_acl_access", &mut [0_u8; 256]);
    assert_eq!((kept, disk.on_disk("f")), (Err(rustix::io::Errno::NODATA), "secret".to_owned()));
}

/// Contents that inspect the other files of the directory while they are read.
struct Looks<'d>(&'d Disk, Vec<u32>);

impl Read for Looks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let names = self.0.names(".").into_iter().filter(|name| name != "f");
        let modes = names.map(|name| fs::metadata(self.0.at(&name)).unwrap().mode() & 0o777);
        self.1.extend(modes);
        // One byte first: the second inspection sees a file that contains it.
        let count = usize::from(self.1.len() == 1);
        buffer[..count].fill(b'x');
        Ok(count)
    }
}

/// Checks that a user who may not read the old file, or the source of the new one, cannot read the new one during the
/// write.
#[test]
fn nobody_reads_meanwhile_what_they_could_not_read_before() {
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    for old in [None, Some(0o600), Some(0o640), Some(0o604), Some(0o644)] {
        for like in [None, Some(0o600), Some(0o640), Some(0o644)] {
            for private in [false, true] {
                let disk = Disk::new();
                if let Some(old) = old {
                    disk.put("f", "old");
                    fs::set_permissions(disk.at("f"), fs::Permissions::from_mode(old)).unwrap();
                }
                let like = like.map(|mode| rex_sdk::os::FileAccess { mode, uid, gid });
                let options = WriteOptions { like, private, ..WriteOptions::default() };
                let mut contents = Looks(&disk, Vec::new());
                disk.os.write(disk.grant(act::Write { bytes: 1 }, "f"), &mut contents, options).unwrap();
                let Looks(_, modes) = contents;
                assert_eq!(modes.len(), 2, "{modes:?}");
                let may = match (private, old) {
                    (true, _) => 0o600,
                    (false, old) => old.unwrap_or(0o644) & like.map_or(0o777, |like| like.mode),
                };
                for mode in modes {
                    assert_eq!(mode & 0o077 & !may, 0, "{mode:o} while {old:?} is replaced with {options:?}");
                }
                let after = fs::metadata(disk.at("f")).unwrap().mode() & 0o777;
                let most = old.unwrap_or(may) & like.map_or(0o777, |like| like.mode);
                assert_eq!(after, most, "{old:?} {options:?}");
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    std::thread::spawn(|| {
        let disk = Disk::new();
        // The namespace belongs to this thread alone: no other test sees it, and it needs no cleanup.
        if unshare(CloneFlags::CLONE_NEWNS).is_err() {
            eprintln!("left out: who may not make a mount namespace cannot fill a disk");
            return;
        }
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let small = Some("size=256k");
        mount(Some("tmpfs"), disk.dir.path(), Some("tmpfs"), MsFlags::empty(), small).unwrap();
        disk.write("f", b"old").unwrap();
        for name in ["f", "new"] {
            let error = disk.write(name, &vec![b'x'; 1 << 20]).unwrap_err();
            assert_eq!(error.code, Code::Io, "{error}");
            assert!(error.message.contains("no space"), "{error}");
        }
        assert_eq!((disk.names("."), disk.on_disk("f")), (vec!["f".into()], "old".into()));
        disk.write("f", b"there is room again").unwrap();
        nix::mount::umount(disk.dir.path()).unwrap();
    })
    .join()
    .unwrap();
}

const SIZE: usize = 256 << 10;
const CHILD: &str = "REX_TEST_WRITES_FOR_EVER";

#[test]
fn a_kill_in_the_middle_leaves_the_old_file_or_the_new_one() {
    const THIS: &str = "files::writes::a_kill_in_the_middle_leaves_the_old_file_or_the_new_one";
    if let Some(name) = std::env::var_os(CHILD) {
        write_for_ever(name.to_str().unwrap());
    }
    let disk = Disk::new();
    disk.put("f", vec![b'a'; SIZE]);
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", THIS, "--nocapture", "--test-threads=1"])
            .env(CHILD, disk.at("f"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("writing")), "the child says when it starts");
        // Readers see one whole file in the meantime, too.
        for _ in 0..=round * 7 {
            whole(&disk);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        whole(&disk);
    }
    let mut left = disk.names(".");
    left.retain(|name| name != "f");
    assert!(left.len() <= 10 && left.iter().all(|name| name.starts_with(".f.rex-")), "{left:?}");
}

fn whole(disk: &Disk) {
    let contents = fs::read(disk.at("f")).unwrap();
    assert_eq!(contents.len(), SIZE);
    assert!(contents.iter().all(|byte| *byte == contents[0]), "two writes in one file");
}

fn write_for_ever(name: &str) -> ! {
    let world = World::new(HostOs::default(), AbsPath::root(), Box::new(|_, _| true));
    println!("writing");
    loop {
        for byte in b'a'..=b'z' {
            world.write(name, &[byte; SIZE]).unwrap();
        }
    }
}

#[test]
fn a_write_keeps_mode_and_owner() {
    let disk = Disk::new();
    disk.put("f", "old").write("new", b"").unwrap();
    disk.put("plain", "");
    let meta = |name: &str| fs::metadata(disk.at(name)).unwrap();
    assert_eq!(meta("new").mode(), meta("plain").mode(), "a new file has the mode that anybody's has");
    fs::set_permissions(disk.at("f"), fs::Permissions::from_mode(0o4751)).unwrap();
    let other = if nix::unistd::geteuid().is_root() { 12_345 } else { meta("f").uid() };
    std::os::unix::fs::chown(disk.at("f"), Some(other), Some(meta("f").gid())).unwrap();
    fs::set_permissions(disk.at("f"), fs::Permissions::from_mode(0o4751)).unwrap();
    disk.write("f", b"new").unwrap();
    assert_eq!(meta("f").mode() & 0o7777, 0o751, "setuid vouched for the old contents");
    assert_eq!((meta("f").uid(), disk.on_disk("f").as_str()), (other, "new"));
}

#[test]
fn a_write_keeps_user_attributes() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    let disk = Disk::new();
    disk.put("f", "old");
    let path = disk.at("f");
    if setxattr(&path, "user.rex", b"kept", XattrFlags::empty()).is_err() {
        eprintln!("left out: this file system keeps no attributes");
        return;
    }
    disk.write("f", b"new").unwrap();
    let mut value = [0; 16];
    let length = getxattr(&path, "user.rex", value.as_mut_slice()).unwrap();
    assert_eq!(&value[..length], b"kept");
}

#[test]
fn an_append_neither_reads_nor_rewrites() {
    let disk = Disk::new();
    // Not UTF-8, and a sparse file of 100 MiB.
    disk.put("large", b"\xff\xfe".repeat(100)).put("small", "");
    fs::OpenOptions::new().write(true).open(disk.at("large")).unwrap().set_len(100 << 20).unwrap();
    let before = fs::metadata(disk.at("large")).unwrap();
    let mut costs = Vec::new();
    for name in ["large", "small"] {
        let start = bytes_read();
        disk.append(name, b"line\n").unwrap();
        costs.push(bytes_read() - start);
    }
    assert!(costs.iter().all(|cost| *cost < 500), "that is what looking at the counter costs: {costs:?}");
    let after = fs::metadata(disk.at("large")).unwrap();
    assert_eq!((after.ino(), after.len()), (before.ino(), before.len() + 5));
    assert!(after.blocks() < before.blocks() + 64, "the file was rewritten");
    let text = fs::read(disk.at("large")).unwrap();
    assert!(text.starts_with(b"\xff\xfe") && text.ends_with(b"\0line\n"));
}

/// Returns the number of bytes this thread has read.
fn bytes_read() -> i64 {
    let counters = fs::read_to_string("/proc/thread-self/io").unwrap();
    counters.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn appends_by_several_at_once_lose_nothing() {
    let disk = Disk::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let disk = &disk;
            scope.spawn(move || {
                for index in 0..50 {
                    disk.append("log", format!("{thread}-{index}\n").as_bytes()).unwrap();
                }
            });
        }
    });
    let mut lines: Vec<_> = disk.on_disk("log").lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 200);
}
