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
    text
}

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
