//! The unit files of `systemd/`.

use std::process::{Command, Output};

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

/// Commands that install the service, adapted to the host, where a real systemd finds it. `$0` is `rex`, `$1` the unit files, `$home`
/// the directory of it all.
const SERVICE: &str = r#"
    set -e
    home=/run/rex
    # What a system that was booted has, for services to hide things behind.
    i=/run/systemd/inaccessible
    mkdir -p $i; mkdir -m 0 $i/dir; : > $i/reg; : > $i/sock; mkfifo $i/fifo; mknod $i/chr c 0 0; mknod $i/blk b 0 0; chmod 0 $i/*
    mkdir -p $home/etc/jobs $home/etc/policies $home/data
    cp "$0" $home/rex
    echo 42 > $home/data/answer
    echo 'permit (principal, action, resource in fs::Path::"/run/rex/data");' > $home/etc/policies/jobs.cedar
    sed -e '/^User=/d; /^Group=/d' -e "s#/usr/bin/rex#$home/rex#; s#/etc/rex#$home/etc#g; s#/var/log/rex#$home/config/log/rex#" \
        -e "s#^\[Service\]#&\nStandardOutput=file:$home/out\nStandardError=file:$home/err#" \
        "$1/rex@.service" > $home/units/rex@.service
    export XDG_RUNTIME_DIR=$home/runtime DBUS_SESSION_BUS_ADDRESS=$REX_BUS
"#;

/// Runs commands beside a real systemd, and returns their output; `None` if this host cannot.
fn beside_systemd(commands: &str) -> Option<Output> {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/restart-nginx/with-systemd.sh");
    let commands = format!("{SERVICE}{commands}");
    let output =
        Command::new(example).args(["bash", "-c", &commands, env!("CARGO_BIN_EXE_rex"), UNITS]).output().unwrap();
    if output.status.code() == Some(77) && std::env::var_os("REX_REQUIRE_SYSTEMD").is_none() {
        print!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(output)
}

/// Checks that the service takes nothing away that a confined run needs.
#[test]
fn a_run_is_confined_inside_of_the_service() {
    const RUN: &str = r#"
        echo 'read("/run/rex/data/answer")' > $home/etc/jobs/ask.rhai
        systemctl --user daemon-reload
        systemctl --user start rex@ask.service || { cat $home/out $home/err $home/systemd.log >&2; exit 1; }
        cat $home/out
        test -s $home/config/log/rex/ask.jsonl
    "#;
    let Some(output) = beside_systemd(RUN) else { return };
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!((&report["status"], &report["value"]), (&"SUCCESS".into(), &"42\n".into()), "{report}");
    let parts = report["confinement"]["parts"].as_array().unwrap();
    assert!(parts.len() == 7 && parts.iter().all(|part| part["state"] == "VERIFIED"), "{report}");
}

/// Checks a line for each stop: the moment, how the main process ended, whether the journal is intact and has its ends, and the report.
#[test]
fn a_service_that_is_stopped_at_any_moment_says_that_it_was_stopped() {
    const STOPS: &str = r#"
        echo 'for i in 0..100_000 { read("/run/rex/data/answer"); if i % 8 == 0 { write("/run/rex/data/copy", "x") } }' > $home/etc/jobs/stop.rhai
        mkdir $home/units/rex@stop.service.d
        cat > $home/units/rex@stop.service.d/test.conf <<END
[Service]
ReadWritePaths=$home
ExecStopPost=/bin/sh -c 'echo \$EXIT_CODE \$EXIT_STATUS > $home/end'
END
        systemctl --user daemon-reload
        journal=$home/config/log/rex/stop.jsonl
        # Spawned again and again, `cat` would take longer than the run.
        wait_for() { local text; SECONDS=0; until [ -r "$1" ] && text=$(<"$1") && [ ${#text} -ge "$2" ]; do [ $SECONDS -lt 30 ] || return 1; done; }
        for i in $(seq 0 47); do
            rm -f $home/end $home/out $journal
            systemctl --user reset-failed rex@stop.service 2>/dev/null || true
            systemctl --user start --no-block rex@stop.service
            moment=begun
            case $((i % 4)) in
                0) moment=any ;;
                1) wait_for $journal 1 ;;
                2) wait_for $journal $((i * 997 % 10000)) ;;
                3) moment=any; wait_for $journal 0; for _ in $(seq $((i * 100))); do :; done ;;
            esac
            systemctl --user stop rex@stop.service
            end='none' journals='none' report='null'
            [ ! -s $home/end ] || end=$(cat $home/end)
            [ ! -s $home/out ] || report=$(cat $home/out)
            [ ! -s $journal ] || journals=$($home/rex audit verify --format=json $journal)
            printf '%s\t%s\t%s\t%s\n' "$moment" "$end" "$journals" "$report"
        done
    "#;
    let Some(output) = beside_systemd(STOPS) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.lines().count() == 48, "{output:?}");
    for line in text.lines() {
        let [moment, end, journal, report] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let report: Value = serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}: {line}"));
        match (moment, end) {
            // Until the run begins, a signal has its default effect.
            ("any", "none" | "killed TERM") => assert!(report.is_null() && journal == "none", "{line}"),
            (_, "exited 143") => {
                assert_eq!(report["error"]["code"], "CANCELLED_EXCEPTION", "{line}");
                if (moment, journal) == ("any", "none") {
                    continue;
                }
                let journal: Value = serde_json::from_str(journal).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert_eq!((&journal["intact"], &journal["unended"]), (&true.into(), &0.into()), "{line}");
            }
            _ => panic!("{line}"),
        }
    }
}
