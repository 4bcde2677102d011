//! Names that change while they are used (rows 1, 3 and 5 of the known attacks).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::*;

const PUBLIC: &str = "public";
const SECRET: &str = "the secret";

/// Creates a disk on which only names in `open` are permitted. There, `d` alternates between a directory and a link to
/// `closed`, `e` between a directory and one in which the name is a link to the secret, and `f` between a file and such
/// a link.
///
/// Two directories of which one lies in `closed` are not tested: exchanging those gives its files names in `open`.
fn world() -> Disk {
    let disk = Disk::ruled(|_, path| path.starts_with("open/"));
    disk.put("open/d/f", PUBLIC).put("open/f", PUBLIC).put("closed/f", SECRET);
    disk.link("open/d2", "../closed").link("open/f2", "../closed/f");
    disk.put("open/e/f", PUBLIC).link("open/e2/f", "../../closed/f");
    // Names that lead through an alternating name.
    disk.link("open/to_file", "d/f")
        .link("open/to_directory", "d")
        .link("open/absolute", disk.path("open/d/f").as_str());
    disk
}

/// Runs `work` while another thread exchanges the names; returns the number of exchanges.
fn while_flipping(disk: &Disk, work: impl FnOnce(&AtomicU64)) -> u64 {
    struct Stop<'s>(&'s AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let (stop, flips) = (AtomicBool::new(false), AtomicU64::new(0));
    let names = ["open/d", "open/d2", "open/e", "open/e2", "open/f", "open/f2"].map(|name| disk.at(name));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                for pair in names.chunks(2) {
                    renameat2(AT_FDCWD, &pair[0], AT_FDCWD, &pair[1], RenameFlags::RENAME_EXCHANGE).unwrap();
                    flips.fetch_add(1, Relaxed);
                }
            }
        });
        // The other thread also ends if this one fails.
        let _stop = Stop(&stop);
        work(&flips);
    });
    flips.into_inner()
}

/// Returns the outcome of a call; fails if it is not an allowed one.
fn outcome<T>(disk: &Disk, name: &str, result: Result<T, Error>, is_public: impl Fn(T) -> bool) -> &'static str {
    match result {
        // It reached the permitted file.
        Ok(found) => {
            assert!(is_public(found), "{name} reached what is not permitted");
            "done"
        }
        // The name led to the secret, which is not permitted.
        Err(Error { code: Code::AccessDenied, denial: Some(denial), .. }) => {
            let closed = disk.path("closed").to_string();
            assert!(denial.resource.starts_with(&closed), "{name} led to {}", denial.resource);
            "denied"
        }
        // It led somewhere else at each attempt.
        Err(error) if error.code == Code::Io && error.message.contains("keeps changing") => "gave up",
        Err(error) => panic!("{name}: {error}"),
    }
}

#[test]
fn no_read_outside_while_links_flip() {
    const OPENS: u64 = 200_000;
    let disk = world();
    let names = ["open/d/f", "open/e/f", "open/f", "open/to_file", "open/to_directory/f", "open/absolute"];
    let (mut seen, mut opens) = (BTreeMap::<_, u64>::new(), 0);
    let flips = while_flipping(&disk, |flips| {
        // Until both threads did enough: a busy machine may delay one of them.
        while opens < OPENS || flips.load(Relaxed) < 1_000 {
            for name in names {
                opens += 1;
                let result = disk.session().open(disk.path(name)).and_then(|file| file.read_all());
                *seen.entry(outcome(&disk, name, result, |text| text == PUBLIC.as_bytes())).or_default() += 1;
            }
        }
    });
    println!("{opens} opens, {flips} flips: {seen:?}");
    assert!(seen.get("done").is_some_and(|count| *count > 100), "{seen:?}");
    assert!(seen.get("denied").is_some_and(|count| *count > 100), "{seen:?}");
}

#[test]
fn no_change_outside_while_links_flip() {
    const ROUNDS: u64 = 2_000;
    let disk = world();
    let (mut seen, mut rounds) = (BTreeMap::<_, u64>::new(), 0);
    let flips = while_flipping(&disk, |flips| {
        while rounds < ROUNDS || flips.load(Relaxed) < 1_000 {
            rounds += 1;
            let options = WriteOptions::default();
            for (name, result) in [
                ("open/d/new", disk.append("open/d/new", b"x")),
                ("open/d/new", disk.remove("open/d/new")),
                ("open/d/sub", disk.create_dir("open/d/sub")),
                ("open/d/sub", disk.remove_dir("open/d/sub")),
                ("open/e/f", disk.append("open/e/f", b"x")),
                ("open/f", disk.append("open/f", b"x")),
                ("open/to_file", disk.append("open/to_file", b"x")),
            ] {
                // If the other call of a pair failed, there is nothing to do, or something in the way.
                let harmless = |error: &Error| matches!(error.code, Code::NotFound | Code::AlreadyExists);
                if !result.as_ref().is_err_and(harmless) {
                    *seen.entry(outcome(&disk, name, result, |()| true)).or_default() += 1;
                }
            }
            if rounds % 20 == 0 {
                // These wait for the disk.
                disk.write("open/d/f", PUBLIC.as_bytes()).unwrap_or(0);
                disk.put("open/mine", "x");
                disk.rename("open/mine", "open/d/mine", options).unwrap_or(());
                disk.rename("open/d/f", "open/g", options)
                    .and_then(|()| disk.rename("open/g", "open/d/f", options))
                    .unwrap_or(());
            }
        }
    });
    println!("{rounds} rounds, {flips} flips: {seen:?}");
    assert_eq!((disk.on_disk("closed/f").as_str(), disk.names("closed")), (SECRET, vec!["f".to_owned()]));
    assert!(seen.get("done").is_some_and(|count| *count > 100), "{seen:?}");
    assert!(seen.get("denied").is_some_and(|count| *count > 100), "{seen:?}");
}
