//! `docs/limits.md` and `docs/errors.md`

use rex_core::{Code, Limits};

use super::{HEAD, cell};

pub(super) fn limits() -> String {
    let mut text = format!(
        "{HEAD}# Limits\n\nEvery run has all of them. `rex run --limit NAME=VALUE` sets one; a host program sets `Limits`. Whoever passes one\ngets `{}`: a limit of the whole run ends it, a limit of one operation can be caught.\n\n| limit | default | meaning |\n|---|---|---|\n",
        Code::LimitExceeded
    );
    for (name, default, doc) in Limits::TABLE {
        text.push_str(&format!("| `{name}` | {default} | {} |\n", cell(doc)));
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
