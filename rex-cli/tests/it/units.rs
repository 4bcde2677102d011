//! The unit files of `systemd/`.

use std::process::Command;

use serde_json::Value;

const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd");

#[test]
fn the_exposure_of_a_service_is_low() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("rex@job.service");
    std::fs::copy(format!("{UNITS}/rex@.service"), &unit).unwrap();
    let Ok(output) = Command::new("systemd-analyze").args(["security", "--offline=true"]).arg(&unit).output() else {
        println!("left out: `systemd-analyze` is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, level) =
        text.split_once("Overall exposure level for rex@job.service: ").unwrap_or_else(|| panic!("{output:?}"));
    let level: f64 = level.split(' ').next().unwrap().parse().unwrap();
    assert!(level <= 1.5, "{level}");
}

/// The service, with what is particular to a host replaced, under a real systemd: what it takes away is nothing that a
/// confined run needs.
#[test]
fn a_run_is_confined_inside_of_the_service() {
    const RUN: &str = r#"
        set -e
        home=/run/rex
        # What a system that was booted has, for services to hide things behind.
        i=/run/systemd/inaccessible
        mkdir -p $i; mkdir -m 0 $i/dir; : > $i/reg; : > $i/sock; mkfifo $i/fifo; mknod $i/chr c 0 0; mknod $i/blk b 0 0; chmod 0 $i/*
        mkdir -p $home/etc/jobs $home/etc/policies $home/data
        cp "$0" $home/rex
        echo 42 > $home/data/answer
        echo 'read("/run/rex/data/answer")' > $home/etc/jobs/ask.rhai
        echo 'permit (principal == Agent::"ask", action, resource in fs::Path::"/run/rex/data");' > $home/etc/policies/ask.cedar
        sed -e '/^User=/d; /^Group=/d' -e "s#/usr/bin/rex#$home/rex#; s#/etc/rex#$home/etc#g; s#/var/log/rex#$home/config/log/rex#" \
            -e "s#^\[Service\]#&\nStandardOutput=file:$home/out\nStandardError=file:$home/err#" "$1/rex@.service" > $home/units/rex@.service
        export XDG_RUNTIME_DIR=$home/runtime DBUS_SESSION_BUS_ADDRESS=$REX_BUS
        systemctl --user daemon-reload
        systemctl --user start rex@ask.service || { cat $home/out $home/err $home/systemd.log >&2; exit 1; }
        cat $home/out
        test -s $home/config/log/rex/ask.jsonl
    "#;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/restart-nginx/with-systemd.sh");
    let output = Command::new(example).args(["sh", "-c", RUN, env!("CARGO_BIN_EXE_rex"), UNITS]).output().unwrap();
    if output.status.code() == Some(77) && std::env::var_os("REX_REQUIRE_SYSTEMD").is_none() {
        print!("{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!((&report["status"], &report["value"]), (&"SUCCESS".into(), &"42\n".into()), "{report}");
    let parts = report["confinement"]["parts"].as_array().unwrap();
    assert!(parts.len() == 7 && parts.iter().all(|part| part["state"] == "VERIFIED"), "{report}");
}
