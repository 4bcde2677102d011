//! Files that are not regular, that the kernel generates, or that have several names (rows 4, 6 and 27 of the known
//! attacks).

use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

use super::*;

/// Runs a closure, and fails if it does not end: waiting for the other end of a pipe would take forever.
fn ends<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(act()));
    wait.recv_timeout(Duration::from_secs(20)).expect("it neither ended nor failed")
}

fn unsupported(error: &Error, word: &str) {
    assert_eq!(error.code, Code::Unsupported, "{error}");
    assert!(error.message.contains(word), "{error}");
}

#[test]
fn pipes_sockets_devices_and_directories_are_refused_without_waiting() {
    let disk = Disk::new();
    mkfifo(&disk.at("pipe"), Mode::S_IRWXU).unwrap();
    let _socket = UnixListener::bind(disk.at("socket")).unwrap();
    fs::create_dir(disk.at("directory")).unwrap();
    // Not every user may create a device; otherwise the one in /dev is used.
    let zero = mknod(&disk.at("zero"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).is_ok();
    let names = [
        ("pipe", "fifo"),
        ("socket", "socket"),
        ("directory", "directory"),
        ("/dev/zero", "device"),
        ("zero", "device"),
    ];
    let names: Vec<_> = names.into_iter().filter(|(name, _)| *name != "zero" || zero).collect();
    ends(move || {
        for (name, word) in names {
            assert_eq!(disk.stat(name).unwrap().kind.as_str(), word);
            unsupported(&disk.read(name).unwrap_err(), word);
            unsupported(&disk.append(name, b"x").unwrap_err(), word);
            unsupported(&disk.write(name, b"x").unwrap_err(), word);
            unsupported(&disk.rename(name, "new", WriteOptions::default()).unwrap_err(), word);
        }
        // A process that waits to write into the pipe keeps waiting: opening it for reading would let it continue, and
        // then fail.
        let pipe = disk.at("pipe");
        let (woken, waits) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            let opened = fs::OpenOptions::new().write(true).open(pipe);
            woken.send(()).unwrap();
            opened
        });
        for _ in 0..100 {
            unsupported(&disk.read("pipe").unwrap_err(), "fifo");
        }
        waits.recv_timeout(std::time::Duration::from_millis(50)).unwrap_err();
        let reader = fs::OpenOptions::new().read(true).open(disk.at("pipe")).unwrap();
        writer.join().unwrap().unwrap();
        drop(reader);
        disk.put("f", "x");
        unsupported(&disk.rename("f", "pipe", WriteOptions::default()).unwrap_err(), "fifo");
        // A pipe with a reader can be opened for writing; still nothing is written to it.
        let reader =
            fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(disk.at("pipe")).unwrap();
        unsupported(&disk.append("pipe", b"x").unwrap_err(), "fifo");
        assert_eq!(std::io::Read::read(&mut &reader, &mut [0; 1]).unwrap(), 0);
        assert_eq!(code(disk.remove("directory")), Code::Unsupported);
        for name in ["pipe", "socket"] {
            disk.remove(name).unwrap();
        }
    });
}

#[test]
fn files_of_unknown_size_read_right() {
    let disk = Disk::new();
    let version = disk.session().open(disk.path("/proc/version")).unwrap();
    assert_eq!(version.size(), 0);
    assert_eq!(version.read_all().unwrap(), fs::read("/proc/version").unwrap());
    assert_eq!(disk.text("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default(), {
        fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default()
    });
    assert_eq!(disk.stat("/proc/version").unwrap().size, 0);
}

#[test]
fn a_copy_of_a_proc_file_is_whole() {
    let disk = Disk::new();
    let text = disk.read("/proc/version").unwrap();
    let mut source = disk.os.open(disk.grant(act::Read {}, "/proc/version")).unwrap();
    let grant = disk.grant(act::Write { bytes: 1 << 20 }, "copy");
    let count = disk.os.write(grant, &mut source, WriteOptions::default()).unwrap();
    assert_eq!((count, fs::read(disk.at("copy")).unwrap()), (text.len() as u64, text));
}

#[test]
fn the_log_of_the_kernel_neither_hangs_nor_ends_the_run() {
    let result = ends(|| {
        let disk = Disk::new();
        let small = Limits { file_bytes: 1 << 16, ..Limits::default() };
        World::limited(HostOs::default(), disk.root.clone(), Box::new(|_, _| true), small).read("/proc/kmsg")
    });
    // A reader gets an end, a limit, or the kernel's report that there is nothing for now.
    if let Err(error) = result {
        assert!([Code::Io, Code::LimitExceeded, Code::NotFound].contains(&error.code), "{error}");
        assert!(!error.is_fatal(), "{error}");
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_ends_at_the_limit() {
    let disk = Disk::new();
    disk.put("log", "small");
    let limits = Limits { file_bytes: 1_000, ..Limits::default() };
    let world = World::limited(HostOs::default(), disk.root.clone(), Box::new(|_, _| true), limits);
    let opened = world.session().open(disk.path("log")).unwrap();
    disk.append("log", &[b'x'; 5_000]).unwrap();
    assert_eq!(opened.size(), 5);
    assert_eq!(code(opened.read_all()), Code::LimitExceeded);
}

#[test]
fn reading_at_an_offset_does_not_move_the_place() {
    use std::io::Read;
    let disk = Disk::new();
    disk.put("f", "0123456789");
    let mut source = disk.os.open(disk.grant(act::Read {}, "f")).unwrap();
    let (mut one, mut four) = ([0; 1], [0; 4]);
    source.read_exact(&mut one).unwrap();
    assert_eq!((source.read_at(&mut four, 6).unwrap(), &four), (4, b"6789"));
    assert_eq!(source.read_at(&mut four, 10).unwrap(), 0);
    assert_eq!(source.read_at(&mut four, u64::MAX).unwrap(), 0);
    source.read_exact(&mut one).unwrap();
    assert_eq!(&one, b"1");
}

#[test]
fn hard_links_are_refused_where_the_operator_says_so() {
    let disk = Disk::optioned(
        |_, path| !path.starts_with("closed"),
        HostOptions { deny_hard_links: true, ..HostOptions::default() },
    );
    disk.put("closed/f", "secret").put("open/single", "public");
    fs::hard_link(disk.at("closed/f"), disk.at("open/f")).unwrap();
    for result in [
        disk.read("open/f").map(drop),
        disk.write("open/f", b"x").map(drop),
        disk.append("open/f", b"x"),
        disk.rename("open/f", "open/g", WriteOptions::default()),
        disk.rename("open/single", "open/f", WriteOptions::default()),
    ] {
        unsupported(&result.unwrap_err(), "2 names");
    }
    assert_eq!(disk.on_disk("closed/f"), "secret");
    assert_eq!(disk.text("open/single").unwrap(), "public");
    assert_eq!(disk.stat("open/f").unwrap().links, 2);
    disk.remove("open/f").unwrap();
    assert_eq!(disk.on_disk("closed/f"), "secret");
}

/// Removes a name of a file after it was opened, as its owner could, so that the file has only one name left: that of
/// the secret.
#[test]
fn a_name_that_comes_and_goes_hides_no_hard_link() {
    let disk = Disk::optioned(|_, _| true, HostOptions { deny_hard_links: true, ..HostOptions::default() });
    disk.put("closed/f", "secret").put("open/single", "public");
    let (secret, name) = (disk.at("closed/f"), disk.at("open/f"));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                fs::hard_link(&secret, &name).unwrap();
                fs::remove_file(&name).unwrap();
            }
        });
        let read = (0..20_000).filter(|_| disk.read("open/f").is_ok()).count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(read, 0);
    });
    disk.put("open/a (deleted)", "public");
    assert_eq!(disk.text("open/a (deleted)").unwrap(), "public");
}

#[test]
fn without_that_option_a_write_parts_a_hard_link_from_its_other_names() {
    let disk = Disk::new();
    disk.put("a", "old");
    fs::hard_link(disk.at("a"), disk.at("b")).unwrap();
    assert_eq!(disk.text("b").unwrap(), "old");
    unsupported(&disk.rename("a", "b", WriteOptions::default()).unwrap_err(), "hard links");
    disk.write("b", b"new").unwrap();
    assert_eq!((disk.on_disk("a"), disk.on_disk("b")), ("old".into(), "new".into()));
}

#[test]
fn the_journal_of_a_run_is_not_changed_by_its_script() {
    let mut disk = Disk::new();
    disk.put("journal", "{}\n").put("f", "x");
    fs::hard_link(disk.at("journal"), disk.at("other")).unwrap();
    let journal = JournalFiles::at(disk.at("journal").as_path()).unwrap();
    disk.world.os = HostOs::new(HostOptions { journal: Some(journal), ..HostOptions::default() });
    // As if the journal was rotated during the run.
    fs::rename(disk.at("journal"), disk.at("journal.000001")).unwrap();
    disk.put("journal", "{}\n");
    for name in ["journal", "journal.000001", "other"] {
        for result in [
            disk.write(name, b"x").map(drop),
            disk.append(name, b"x"),
            disk.remove(name),
            disk.rename(name, "g", WriteOptions::default()),
            disk.rename("f", name, WriteOptions::default()),
        ] {
            unsupported(&result.unwrap_err(), "the journal of this run");
        }
    }
    assert_eq!((disk.on_disk("journal"), disk.on_disk("f")), ("{}\n".into(), "x".into()));
    disk.remove("f").unwrap();
}
