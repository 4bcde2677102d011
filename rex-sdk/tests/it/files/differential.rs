//! The system in memory does what the real one does.

use proptest::prelude::*;
use rex_sdk::MemOs;

use super::*;

/// What is there before anything is asked for, as far as it can be put there.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>),
    Link(String),
    Pipe,
    Directory,
}

#[derive(Debug, Clone)]
enum Act {
    Read(String),
    List(String),
    Stat(String),
    Write(String, Vec<u8>, bool),
    Append(String, Vec<u8>),
    CreateDir(String),
    Remove(String),
    RemoveDir(String),
    Rename(String, String, bool),
    Resize(String, usize),
    Touch(String, bool),
    Chmod(String, u32),
    Symlink(String, String),
}

/// Names that meet often: few components, few names.
fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["[abc]", Just("d".to_owned()), Just("e".to_owned())], 1..4)
        .prop_map(|parts| parts.join("/"))
}

/// Where links lead: somewhere near, and at most to where the root of the world is in.
fn target() -> impl Strategy<Value = String> {
    let part =
        prop_oneof![4 => "[abcde]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned()), 1 => Just(String::new())];
    (prop_oneof![Just(""), Just("ROOT/")], proptest::collection::vec(part, 1..4)).prop_map(|(base, parts)| {
        let path = parts.join("/");
        // A target that is empty, or absolute by accident, would leave the temporary directory.
        let path = path.trim_start_matches('/');
        format!("{base}{}", if path.is_empty() { "a" } else { path })
    })
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..8)
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        3 => target().prop_map(Thing::Link),
        2 => contents().prop_map(Thing::File),
        1 => Just(Thing::Directory),
        1 => Just(Thing::Pipe),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        name().prop_map(Act::Read),
        name().prop_map(Act::List),
        name().prop_map(Act::Stat),
        (name(), contents(), any::<bool>()).prop_map(|(name, bytes, new)| Act::Write(name, bytes, new)),
        (name(), contents()).prop_map(|(name, bytes)| Act::Append(name, bytes)),
        name().prop_map(Act::CreateDir),
        name().prop_map(Act::Remove),
        name().prop_map(Act::RemoveDir),
        (name(), name(), any::<bool>()).prop_map(|(from, to, new)| Act::Rename(from, to, new)),
        (name(), 0_usize..12).prop_map(|(name, size)| Act::Resize(name, size)),
        (name(), any::<bool>()).prop_map(|(name, create)| Act::Touch(name, create)),
        // The owner may read what it looks at: the tests need not run as root.
        (name(), 0_u32..0o100).prop_map(|(name, mode)| Act::Chmod(name, 0o700 | mode)),
        (name(), target()).prop_map(|(name, target)| Act::Symlink(name, target)),
    ]
}

/// What came of it, in words that both systems share, and what was asked for on the way.
fn perform<O: Os>(world: &World<O>, act: &Act) -> (String, Vec<String>) {
    fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.code.to_string(),
        }
    }
    let told = match act {
        Act::Read(name) => told(world.read(name)),
        Act::List(name) => told(world.list(name)),
        // Sizes of directories and times are each system's own business.
        Act::Stat(name) => told(world.stat(name).map(|found| {
            let size = if found.kind == EntryKind::Directory { 0 } else { found.size };
            // Where nobody set it, the mode of a new file is up to the umask.
            let mode = found.mode & !0o022;
            (found.kind, size, found.target, if found.kind == EntryKind::Fifo { 0 } else { mode })
        })),
        Act::Write(name, bytes, new) => told(world.write_as(name, bytes, WriteOptions { new: *new })),
        Act::Append(name, bytes) => told(world.append(name, bytes)),
        Act::CreateDir(name) => told(world.create_dir(name)),
        Act::Remove(name) => told(world.remove(name)),
        Act::RemoveDir(name) => told(world.remove_dir(name)),
        Act::Rename(from, to, new) => told(world.rename(from, to, WriteOptions { new: *new })),
        Act::Resize(name, size) => told(world.call("truncate", name, [("size", Value::Int(*size as i64))])),
        Act::Touch(name, create) => told(world.call("touch", name, [("create", Value::Bool(*create))])),
        Act::Chmod(name, mode) => {
            let action = act::Chmod { mode: i64::from(*mode) };
            told(world.session().act(action, world.path(name), |grant| world.os.chmod(grant)))
        }
        Act::Symlink(name, target) => {
            let action = act::Symlink { target: target.replace("ROOT", world.root.as_str()) };
            told(world.session().act(action, world.path(name), |grant| world.os.symlink(grant)))
        }
    };
    (told, world.asked())
}

/// The same things on disk and in memory. Every `..` of a link stays below the temporary directory.
fn worlds(things: &[(String, Thing)]) -> (Disk, World<MemOs>) {
    let mut disk = Disk::new();
    disk.world.root = disk.path("above/above/above/world");
    fs::create_dir_all(disk.at("d/e")).unwrap();
    let mut memory = MemOs::new().dir(disk.path("d/e").as_str());
    for (name, thing) in things {
        let (on_disk, path) = (disk.at(name), disk.path(name));
        let real = on_disk.parent().unwrap();
        let fits = fs::canonicalize(real).is_ok_and(|found| found == real) && real.is_dir();
        if !fits || on_disk.symlink_metadata().is_ok() {
            continue;
        }
        memory = match thing {
            Thing::File(bytes) => {
                fs::write(on_disk, bytes).unwrap();
                memory.file(path.as_str(), bytes)
            }
            Thing::Link(target) => {
                let target = target.replace("ROOT", disk.root.as_str());
                std::os::unix::fs::symlink(&target, on_disk).unwrap();
                memory.link(path.as_str(), target)
            }
            Thing::Pipe => {
                nix::unistd::mkfifo(&on_disk, nix::sys::stat::Mode::S_IRWXU).unwrap();
                memory.special(path.as_str(), EntryKind::Fifo)
            }
            Thing::Directory => {
                fs::create_dir(on_disk).unwrap();
                memory.dir(path.as_str())
            }
        };
    }
    let memory = World::new(memory, disk.root.clone(), Box::new(|_, _| true));
    (disk, memory)
}

fn check(things: &[(String, Thing)], acts: &[Act]) {
    let (disk, memory) = worlds(things);
    for act in acts {
        assert_eq!(perform(&memory, act), perform(&disk.world, act), "{act:?}");
    }
    // What is left is the same, too.
    let mut todo = vec![".".to_owned()];
    while let Some(name) = todo.pop() {
        let list = Act::List(name.clone());
        assert_eq!(perform(&memory, &list), perform(&disk.world, &list), "{name}");
        let entries = disk.list(&name).unwrap();
        disk.asked();
        for entry in entries {
            let below = format!("{name}/{}", String::from_utf8(entry.name).unwrap());
            for look in [Act::Stat(below.clone()), Act::Read(below.clone())] {
                assert_eq!(perform(&memory, &look), perform(&disk.world, &look), "{look:?}");
            }
            if entry.kind == EntryKind::Directory {
                todo.push(below);
            }
        }
    }
}

/// How many plans are tried.
const CASES: u32 = 10_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_disk_agree(
        things in proptest::collection::vec((name(), thing()), 0..12),
        acts in proptest::collection::vec(act(), 1..24),
    ) {
        check(&things, &acts);
    }
}

#[test]
fn the_example_world_is_what_it_says() {
    let world = World::new(MemOs::example(), AbsPath::root(), Box::new(|_, _| true));
    let names = |path: &str| {
        let names = world.list(path).unwrap().into_iter().map(|entry| String::from_utf8(entry.name).unwrap());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("/srv/app"), ["config.yaml", "current.log", "empty", "icon.bin", "logs", "version.txt"]);
    assert_eq!(names("/srv/app/logs"), ["app.log", "old.log"]);
    assert_eq!(
        (names("/"), names("/tmp"), names("/srv/app/empty").len()),
        (vec!["etc".into(), "opt".into(), "srv".into(), "tmp".into()], vec![], 0)
    );
    assert_eq!(world.text("/srv/app/current.log").unwrap().lines().count(), 5);
    assert!(String::from_utf8(world.read("/srv/app/icon.bin").unwrap()).is_err());
    assert_eq!(world.stat("/srv/app/version.txt").unwrap().modified.to_string(), "2026-03-02T12:00:00Z");
}
