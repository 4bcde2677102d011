//! A file that changes while a call waits for it.

use std::fs;
use std::thread;

use rex_core::Value;

use super::Disk;

#[test]
fn what_was_cut_off_and_grows_again_is_read_from_its_start() {
    let disk = Disk::new();
    disk.put("log", "one\ntwo\n");
    let reopened = |before: u64| {
        while disk.run.decisions() <= before {
            thread::yield_now();
        }
        disk.run.decisions()
    };
    thread::scope(|scope| {
        let options = [("lines", Value::Int(1)), ("timeout", Value::Int(20)), ("until", "^ready$".into())];
        let args = vec!["log".into(), Value::map(options)];
        let waiting = scope.spawn(|| disk.session().call("fs::tail", args).unwrap());
        let seen = reopened(1);
        fs::write(disk.at("log"), "new\n").unwrap();
        reopened(seen);
        disk.append("log", b"ready\n").unwrap();
        let value = waiting.join().unwrap();
        let lines: Vec<Value> = ["two", "new", "ready"].map(Value::from).into();
        assert_eq!(value.get("lines"), Some(&lines.into()), "{value}");
        assert_eq!(value.get("shrunk"), Some(&true.into()));
        assert_eq!((value.get("truncated"), value.get("rotated")), (Some(&true.into()), Some(&false.into())));
    });
}
