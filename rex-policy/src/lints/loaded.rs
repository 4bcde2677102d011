//! Lints that are found while policies are loaded. In a `forbid`, that is an error, because the `forbid` would protect nothing; in a
//! `permit`, it is a warning, which can be allowed.

use super::{FindFn, Lint};
use crate::finding::Severity;

/// No further findings.
const LOADED: FindFn = |_, _, _| Vec::new();

pub(super) const WILD: Lint = Lint {
    code: "REX012",
    name: "a wildcard or a variable is a letter",
    severity: Severity::Warning,
    explanation: "Ids and the texts of `==` are compared letter by letter, and `like` knows one wildcard, `*`: `fs::Path::\"/etc/*.key\"` is one file of \
                  that very name, and `?`, `[a-z]`, `{a,b}`, `$HOME` and `~` are letters everywhere. So are `<name>`, `%s`, in names of principals `{name}` and `TODO`, a blank at the start or \
                  end, and the arguments after a program, `/usr/bin/ls -l`. In a `forbid` it is an error, because it protects \
                  nothing. A name that really has such a sign is written with an escape: `\\u{2a}`.",
    example: include_str!("examples/rex012.cedar"),
    better: include_str!("examples/rex012-better.cedar"),
    find: LOADED,
};

pub(super) const VALUE: Lint = Lint {
    code: "REX013",
    name: "a comparison with a value that is never there",
    severity: Severity::Warning,
    explanation: "The facts and attributes of requests have the values that `docs/actions.md` lists: a signal is `TERM`, not `SIGTERM`; a unit is \
                  `nginx.service`, not `nginx`; a tag is `key=value`; an address is one host, so of a network ask `isInRange`; a URL has no fragment and not the port of its scheme, `https://example.com:443/`; \
                  `net.ipv4` is a directory of parameters. What is compared with another \
                  value is never equal to it. In a `forbid`, and in what \
                  is left out of a `permit`, it is an error.",
    example: include_str!("examples/rex013.cedar"),
    better: include_str!("examples/rex013-better.cedar"),
    find: LOADED,
};

pub(super) const ALWAYS: Lint = Lint {
    code: "REX014",
    name: "a condition is always true, or never",
    severity: Severity::Warning,
    explanation: "Comparisons that are joined contradict each other, or leave nothing out: `name == \"a\" && name == \"b\"` is never true, `name != \"a\" || \
                  name != \"b\"` always. So do attributes of one thing: the `extension` of `a.log` is `log`, a URL has one `host`, an address in 10.0.0.0/8 is not `public`; and what \
                  the head says: in `https://a.example/x/`, no `port` is 80. `resource has path` is true of every file, `name like \"*\"` of every name. A `forbid` that never applies is an error, and so is one of which an alternative contradicts \
                  itself, and a `permit` that leaves out nothing of what it says. An alternative, or something that is left out, that only the rest of the policy rules \
                  out is a warning: what else the policy says still applies. A time after 22:00 and before 6:00 needs `||`.",
    example: include_str!("examples/rex014.cedar"),
    better: include_str!("examples/rex014-better.cedar"),
    find: LOADED,
};

pub(super) const NUMBER: Lint = Lint {
    code: "REX015",
    name: "permission bits are written in octal",
    severity: Severity::Warning,
    explanation: "Numbers in policies are decimal, with or without a zero in front: `context.mode == 0644` asks for 644, which is 01204. A zero in front is \
                  an error. 0644 is 420, 0600 is 384, 0755 is 493.",
    example: include_str!("examples/rex015.cedar"),
    better: include_str!("examples/rex015-better.cedar"),
    find: LOADED,
};

pub(super) const ALIAS: Lint = Lint {
    code: "REX017",
    name: "a path is below a link",
    severity: Severity::Warning,
    explanation: "Requests have the names that links lead to: on nearly every host, `/bin` leads to `/usr/bin` and `/var/run` to `/run`, so a policy for \
                  `/bin/ls` matches nothing there. `rex doctor --policy FILE` tells which names of a policy are links on this host.",
    example: include_str!("examples/rex017.cedar"),
    better: include_str!("examples/rex017-better.cedar"),
    find: LOADED,
};

pub(super) const HIDDEN: Lint = Lint {
    code: "REX018",
    name: "characters do not read as what they are",
    severity: Severity::Warning,
    explanation: "A character without width, a blank that is none, a letter or a ligature that looks like another: what is read is not what is compared. \
                  In ids and other texts it is an error, in comments a warning. What is really in a name is written with an escape, which everybody sees.",
    example: include_str!("examples/rex018.cedar"),
    better: include_str!("examples/rex018-better.cedar"),
    find: LOADED,
};
