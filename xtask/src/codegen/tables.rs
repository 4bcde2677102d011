//! `docs/limits.md` and `docs/errors.md`

use rex_core::limits::shown;
use rex_core::{Code, Limits, bounds, units};

use super::{HEAD, cell};

pub(super) fn limits() -> String {
    let mut text = format!(
        "{HEAD}# Limits\n\nEvery run has all of them. `rex run --limit NAME=VALUE` sets one; a host program sets `Limits`. Whoever passes one\ngets `{}`: a limit of the whole run ends it, a limit of one operation can be caught.\n\nA value has a unit: `--limit wall=5s --limit memory=64MB`. A name that ends with its unit also takes a plain number:\n`--limit wall_ms=5000`.\n\n- A duration looks like {}.\n- A size looks like {}.\n\n| limit | default | meaning |\n|---|---|---|\n",
        Code::LimitExceeded,
        units::DURATIONS,
        units::SIZES,
    );
    for (name, default, doc) in Limits::TABLE {
        let (short, value) = shown(name, *default);
        let (names, value) = match short == *name {
            true => (format!("`{name}`"), default.to_string()),
            false => (format!("`{short}`, `{name}`"), format!("{value} ({default})")),
        };
        text.push_str(&format!("| {names} | {value} | {} |\n", cell(doc)));
    }
    text.push_str("\n## Fixed bounds\n\nThese cannot be set: what lies beyond them is not meant by anyone, or the operating system has the same bound.\n\n| bound | value | of what |\n|---|---|---|\n");
    for (name, value, doc) in bounds::TABLE {
        text.push_str(&format!("| `{name}` | {value} | {} |\n", cell(doc)));
    }
    text + PROGRAMS
}

/// The section about programs and `written_bytes`.
const PROGRAMS: &str = "
## What programs write

What a program writes to files counts against `written_bytes`, and is in the `bytes_written` of the report. Rex takes the count from the
kernel (`wchar` of `/proc/PID/io`), less what came out of the program's output. Where the policy lets no file be changed, Rex counts nothing.

- The kernel lets no file grow beyond what was left when the program started. Whoever tries is ended by SIGXFSZ, and the run ends; a program that ignores that signal gets an error. So a program
  that adds to a file which is longer already needs a higher limit.
- Rex looks at the sum while the program runs: every millisecond if less than 2 MB are left, every 50 milliseconds if more than 100 MB are. Past the limit
  it ends the program, and the run. A program that writes many files passes the limit by what it writes between two looks, and on a busy machine
  a look may come late. What was written in excess is in `bytes_written`, too.
- Of a program that may make processes (`@allow(\"processes\")`) the processes of its group count, with what they write to pipes between them.
  What a process has written that ended without anybody waiting for it may be missing.
- Not counted: what a program writes to files that it maps into memory, room that it has the file system set aside (`fallocate`), and what processes
  of it write that nobody waits for. The first rule holds for these, too. Asynchronous writes (`io_submit`) and `splice`, `tee` and `vmsplice` are refused.
- Counted, too, is what it writes to `/dev/null` and to pipes of its own. If the kernel does not say how much a program writes, the run ends.
- Of a program that was under way when the run was stopped, or ran out of time, the report has no count.
- The limit is held against scripts. Of a worker that was taken over, the kernel bounds each file, and not their sum.
";

pub(super) fn errors() -> String {
    let mut text = format!(
        "{HEAD}# Errors\n\nA failure has one of these codes. Scripts branch on the code, people read the message.\nA caught error is a map: `code`, `message`, `operation`, `action`, `resource`, `policies`, `reason`, `help`, `line`.\n\n| code | meaning | can be caught |\n|---|---|---|\n"
    );
    for &code in Code::ALL {
        let caught = match code {
            _ if code.is_fatal() => "no, the run ends",
            Code::LimitExceeded => "a limit of one operation; not one of the run",
            _ => "yes",
        };
        text.push_str(&format!("| `{code}` | {} | {caught} |\n", cell(code.doc())));
    }
    text
}
