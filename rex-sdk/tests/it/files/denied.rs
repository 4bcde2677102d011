//! A denied call does not reach the system and learns nothing (row 8 of the known attacks).

use rex_sdk::MemOs;

use super::*;

/// Performs every action on files, on one name.
fn everything(world: &World<MemOs>, name: &str) -> Vec<Result<(), Error>> {
    vec![
        world.read(name).map(drop),
        world.write(name, b"x").map(drop),
        world.append(name, b"x"),
        world.list(name).map(drop),
        world.stat(name).map(drop),
        world.remove(name),
        world.remove_dir(name),
        world.create_dir(name),
        world.rename(name, "/tmp/new", WriteOptions::default()),
    ]
}

#[test]
fn what_is_denied_reaches_no_system_and_discloses_nothing() {
    let world = World::new(MemOs::example(), AbsPath::root(), Box::new(|_, _| false));
    let mut answers = Vec::new();
    for name in ["/srv/app/version.txt", "/srv/app/none", "/srv/app/current.log", "/srv/app", "/none/none"] {
        let errors = everything(&world, name).into_iter().map(|result| result.unwrap_err());
        answers.push(errors.map(|error| (error.code, error.message.replace(name, "X"))).collect::<Vec<_>>());
    }
    assert_eq!(world.os.calls(), 0);
    assert!(answers.iter().flatten().all(|(code, _)| *code == Code::AccessDenied), "{answers:?}");
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[test]
fn behind_a_link_denied_reads_nothing_of_the_target() {
    let os =
        MemOs::new().file("/closed/f", "secret").link("/open/there", "/closed/f").link("/open/gone", "/closed/none");
    let world = World::new(os, AbsPath::root(), Box::new(|_, path| path.starts_with("/open")));
    let message = |name, target| world.read(name).unwrap_err().message.replace(target, "X").replace(name, "Y");
    assert_eq!(message("/open/there", "/closed/f"), message("/open/gone", "/closed/none"));
    // One call for each permitted name.
    assert_eq!(world.os.calls(), 2);
}

#[test]
fn what_is_permitted_reaches_the_system_once() {
    let world = World::new(MemOs::example(), AbsPath::root(), Box::new(|_, _| true));
    assert_eq!(world.text("/srv/app/version.txt").unwrap(), "1.4.2\n");
    assert_eq!(world.os.calls(), 1);
    world.text("/srv/app/current.log").unwrap();
    assert_eq!(world.os.calls(), 3);
    world.rename("/srv/app/version.txt", "/tmp/v", WriteOptions::default()).unwrap();
    assert_eq!(world.os.calls(), 5);
}
