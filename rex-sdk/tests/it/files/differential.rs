//! The system in memory behaves like the real one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rex_core::Timestamp;
use rex_sdk::{MemOs, OPS, OpSpec, Overlay, Param, ParamKind};

use super::*;

/// Something that exists before the first call, as far as it can be created.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>),
    Link(String),
    Pipe,
    Directory,
}

/// A call of an operation on files.
#[derive(Clone)]
struct Act(&'static OpSpec, Vec<Value>);

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.0.name, Value::List(self.1.clone()))
    }
}

/// Operations that are not tested: their names are random.
const LEFT_OUT: &[&str] = &["fs::temp_file"];
/// Options that are not tested: ages, sizes of directories and owners differ between systems, and waiting for others is
/// tested elsewhere.
const LEFT_OUT_OPTIONS: &[&str] = &["newer_than", "older_than", "min_size", "max_size", "stat", "timeout", "until"];

/// Generates names that often collide: few components, few names.
fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["[abc]", Just("d".to_owned()), Just("e".to_owned())], 1..4)
        .prop_map(|parts| parts.join("/"))
}

/// Generates targets of links: nearby, and at most up to the directory of the root.
fn target() -> impl Strategy<Value = String> {
    let part =
        prop_oneof![4 => "[abcde]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned()), 1 => Just(String::new())];
    (prop_oneof![Just(""), Just("ROOT/")], proptest::collection::vec(part, 1..4)).prop_map(|(base, parts)| {
        let path = parts.join("/");
        // An empty or accidentally absolute target would leave the temporary directory.
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

fn texts() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof!["[ab]{0,3}\n", "[a-d ]{4,9}"], 0..5)
        .prop_map(|lines| lines.concat().into_bytes())
}

/// Generates values for a parameter, most of them meaningful.
fn argument(operation: &'static OpSpec, param: &Param) -> BoxedStrategy<Value> {
    let one_of = |texts: &[&str]| {
        let texts = texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
        proptest::sample::select(texts).boxed()
    };
    match (operation.verb(), param.name, param.kind) {
        ("symlink", "target", _) => target().prop_map(Value::from).boxed(),
        // The owner keeps read access: the tests need not run as root.
        ("chmod", ..) if param.name == "mode" => {
            (0_u32..0o100).prop_map(|mode| format!("{:o}", 0o700 | mode).into()).boxed()
        }
        ("chown", "owner", _) => Just(nix::unistd::geteuid().to_string().into()).boxed(),
        ("chown", "group", _) => Just(nix::unistd::getegid().to_string().into()).boxed(),
        ("find", "name", _) => one_of(&["*", "[ab]", "d"]),
        ("find", "kind", _) => one_of(&["file", "directory", "symlink", "fifo", "thing"]),
        // The largest ones depend on the size of directories.
        ("du", "max", _) => Just(Value::Int(1_000)).boxed(),
        ("checksum", "algorithm", _) => one_of(&["sha256", "blake3"]),
        (_, "pattern", _) => one_of(&["a", "b+", "[ab]$", "(", ""]),
        (_, "replacement", _) => one_of(&["", "a", "bb\n", "$0"]),
        (.., ParamKind::Path) => name().prop_map(Value::from).boxed(),
        (.., ParamKind::Text) => one_of(&["user.a", "user.b"]),
        (.., ParamKind::Data) => prop_oneof![contents(), texts()].prop_map(Value::Bytes).boxed(),
        (.., ParamKind::Bool) => any::<bool>().prop_map(Value::Bool).boxed(),
        (.., ParamKind::Int | ParamKind::Count | ParamKind::Size | ParamKind::Moment) => {
            (0_i64..12).prop_map(Value::Int).boxed()
        }
        (.., kind) => panic!("{}: no {} is made up here", operation.name, kind.as_str()),
    }
}

/// Generates any operation on files, each equally often.
fn act() -> impl Strategy<Value = Act> {
    let operations = OPS.iter().map(|operation| operation.spec());
    let all = operations.filter(|spec| spec.namespace() == "fs" && !LEFT_OUT.contains(&spec.name));
    proptest::sample::select(all.collect::<Vec<_>>()).prop_flat_map(|spec| {
        let required = spec.required().map(|param| argument(spec, param)).collect::<Vec<_>>();
        let options = spec.options().filter(|param| !LEFT_OUT_OPTIONS.contains(&param.name));
        let options =
            options.map(|param| proptest::option::weighted(0.3, (Just(param.name.to_owned()), argument(spec, param))));
        (required, options.collect::<Vec<_>>()).prop_map(move |(mut args, options)| {
            let options: BTreeMap<_, _> = options.into_iter().flatten().collect();
            args.extend((!options.is_empty()).then_some(Value::Map(options)));
            Act(spec, args)
        })
    })
}

/// Performs a call; returns its result in words that both systems share, and its requests.
fn perform<O: Os>(world: &World<O>, Act(spec, args): &Act) -> (String, Vec<String>) {
    let told = match world.session().call(spec.name, args.clone()) {
        Ok(value) => shared(&value).to_string(),
        Err(error) => error.code.to_string(),
    };
    (told, world.asked())
}

/// Removes what differs between systems: times, owners, identities, sizes of directories and links, modes that nobody
/// set.
fn shared(value: &Value) -> Value {
    match value {
        // They are ordered by size on disk; order them by their text instead.
        Value::List(all) => {
            let mut all: Vec<Value> = all.iter().map(shared).collect();
            if all.iter().all(|one| one.get("files").is_some()) {
                all.sort_by_cached_key(ToString::to_string);
            }
            Value::List(all)
        }
        Value::Map(all) => {
            let file = all.get("kind").is_none_or(|kind| *kind == "file".into());
            let own = |key: &str| match key {
                "uid" | "gid" | "allocated" => true,
                _ if ["modified", "accessed", "changed"].iter().any(|time| key.starts_with(time)) => true,
                "size" | "links" | "mode" | "mode_text" => !file,
                _ => false,
            };
            let kept = all.iter().filter(|(key, _)| !own(key));
            Value::Map(kept.map(|(key, value)| (key.clone(), umasked(key, shared(value)))).collect())
        }
        other => other.clone(),
    }
}

/// Removes the bits of the umask, on which the default mode of a new file depends.
fn umasked(key: &str, value: Value) -> Value {
    match value {
        Value::Int(mode) if key == "mode" => Value::Int(mode & !0o022),
        _ if key == "mode_text" => Value::Null,
        other => other,
    }
}

/// Creates a disk on a file system in memory, if one with extended attributes exists: otherwise every write waits for a
/// disk.
fn quick_disk() -> Disk {
    let dir = tempfile::tempdir_in("/dev/shm").ok().filter(|dir| {
        let own =
            World::new(HostOs::default(), AbsPath::parse(dir.path().to_str().unwrap()).unwrap(), Box::new(|_, _| true));
        own.session().call("fs::set_xattr", vec![".".into(), "user.a".into()]).unwrap_err().code == Code::NotFound
    });
    dir.map_or_else(Disk::new, |dir| Disk::at_dir(dir, |_, _| true, HostOptions::default()))
}

/// Stops the clock of a world, since an archive contains the time.
fn at_noon<O>(world: World<O>) -> World<O> {
    let noon = Timestamp::from_micros(1_795_521_600_000_000);
    World { run: world.run.with_clock(Arc::new(move || noon)), ..world }
}

/// Creates the same files on disk and in memory. Every `..` of a link stays below the temporary directory.
fn worlds(things: &[(String, Thing)]) -> (Disk, World<MemOs>) {
    let mut disk = quick_disk();
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
    (Disk { world: at_noon(disk.world), ..disk }, at_noon(memory))
}

fn check(things: &[(String, Thing)], acts: &[Act]) {
    let (disk, memory) = worlds(things);
    let agree = |act: &Act| {
        let told = perform(&disk.world, act);
        assert_eq!(perform(&memory, act), told, "in memory, and on disk: {act:?}");
        told.0
    };
    acts.iter().for_each(|act| drop(agree(act)));
    // The remaining files are the same, too.
    let look = |verb: &str, name: &str| {
        let spec = OPS.iter().map(|operation| operation.spec()).find(|spec| spec.name == verb).unwrap();
        agree(&Act(spec, vec![name.into()]))
    };
    look("fs::walk", ".");
    for entry in walkdir(&disk) {
        for verb in ["fs::stat", "fs::read_bytes", "fs::read_link", "fs::xattrs"] {
            look(verb, &entry);
        }
    }
}

/// Returns calls that show all that is left: everything below the root, and names that may or may not exist.
fn looks() -> Vec<Act> {
    let spec = |name: &str| OPS.iter().map(|operation| operation.spec()).find(|spec| spec.name == name).unwrap();
    let mut looks = vec![Act(spec("fs::walk"), vec![".".into()])];
    let parts = ["a", "b", "c", "d", "e"];
    let names = parts.iter().flat_map(|above| {
        std::iter::once((*above).to_owned()).chain(parts.iter().map(move |name| format!("{above}/{name}")))
    });
    for name in names {
        for verb in ["fs::stat", "fs::list", "fs::read_bytes", "fs::read_link", "fs::xattrs"] {
            looks.push(Act(spec(verb), vec![name.clone().into()]));
        }
    }
    looks
}

/// Returns everything on disk, with contents and metadata.
fn everything(disk: &Disk) -> Vec<String> {
    let mut all: Vec<String> = (walkdir(disk).into_iter())
        .map(|name| {
            let (at, status) = (disk.at(&name), nix::sys::stat::lstat(&disk.at(&name)).unwrap());
            let contents = if at.symlink_metadata().unwrap().is_file() { fs::read(&at).unwrap() } else { Vec::new() };
            let attributes = xattr_names(&at);
            format!(
                "{name} {} {} {} {} {:o} {} {} {contents:?} {attributes:?} {:?}",
                status.st_ino,
                status.st_nlink,
                status.st_mtime,
                status.st_mtime_nsec,
                status.st_mode,
                status.st_ctime,
                status.st_ctime_nsec,
                fs::read_link(&at).ok(),
            )
        })
        .collect();
    all.sort();
    all
}

fn xattr_names(path: &std::path::Path) -> usize {
    rustix::fs::llistxattr(path, &mut [0_u8; 4096]).unwrap_or(0)
}

/// Plans calls and then performs them: the plan must show what happens, and until then nothing may change.
fn plan(things: &[(String, Thing)], acts: &[Act]) {
    let (disk, _) = worlds(things);
    let before = everything(&disk);
    let overlay = Overlay::new(HostOs::default(), Limits::default());
    let overlay = at_noon(World::new(overlay, disk.root.clone(), Box::new(|_, _| true)));
    let acts: Vec<_> = acts.iter().cloned().chain(looks()).collect();
    let planned: Vec<_> = acts.iter().map(|act| perform(&overlay, act)).collect();
    assert_eq!(everything(&disk), before, "planning changed the disk");
    for (act, planned) in acts.iter().zip(planned) {
        assert_eq!(planned, perform(&disk.world, act), "planned, and done: {act:?}");
    }
}

/// Returns the names below the root.
fn walkdir(disk: &Disk) -> Vec<String> {
    let (mut todo, mut all) = (vec![".".to_owned()], Vec::new());
    while let Some(above) = todo.pop() {
        for name in disk.names(&above) {
            let name = format!("{above}/{name}");
            if disk.at(&name).symlink_metadata().unwrap().is_dir() {
                todo.push(name.clone());
            }
            all.push(name);
        }
    }
    all
}

/// Number of plans to try.
const CASES: u32 = 10_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_disk_agree(
        things in proptest::collection::vec((name(), thing()), 0..12),
        acts in proptest::collection::vec(act(), 1..24),
    ) {
        check(&things, &acts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES / 20, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_shows_what_happens(
        things in proptest::collection::vec((name(), thing()), 0..12),
        acts in proptest::collection::vec(act(), 1..24),
    ) {
        plan(&things, &acts);
    }
}

/// Returns a call of an operation with texts.
fn call(name: &str, args: &[&str]) -> Act {
    let spec = OPS.iter().map(|operation| operation.spec()).find(|spec| spec.name == name).unwrap();
    Act(spec, args.iter().map(|arg| Value::from(*arg)).collect())
}

/// Repeats cases that random plans found once, after many runs.
#[test]
fn memory_and_disk_agree_where_they_did_not() {
    for to in ["a", "e"] {
        let acts = [call("fs::hard_link", &["e", "a"]), call("fs::rename", &["e", to]), call("fs::remove", &["e"])];
        check(&[("e".to_owned(), Thing::File(Vec::new()))], &acts);
        plan(&[("e".to_owned(), Thing::File(Vec::new()))], &acts);
    }
}

/// Checks that a file that is made from a file gets the bits that were set in the plan.
#[test]
fn a_plan_shows_what_happens_where_it_did_not() {
    for operation in ["fs::gzip", "fs::zstd", "fs::copy"] {
        for mode in ["700", "714", "640"] {
            plan(
                &[("e".to_owned(), Thing::File(b"text".to_vec()))],
                &[call("fs::chmod", &["e", mode]), call(operation, &["e", "d/a"])],
            );
        }
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
        (vec!["etc".into(), "opt".into(), "srv".into(), "tmp".into(), "usr".into()], vec![], 0)
    );
    assert_eq!(world.text("/srv/app/current.log").unwrap().lines().count(), 5);
    assert!(String::from_utf8(world.read("/srv/app/icon.bin").unwrap()).is_err());
    assert_eq!(world.stat("/srv/app/version.txt").unwrap().modified.to_string(), "2026-03-02T12:00:00Z");
}
