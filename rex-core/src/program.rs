//! Programs whose start is refused unless the deciding permit allows it by `@allow`.

use crate::action::{Action, fs};
use crate::process::WordList;
use crate::{AbsPath, Code, Error, Reach};

/// Programs that start others, or that run a language of their own; without the digits, dots and dashes at the end of a name. The kernel
/// keeps all of them from starting anything; this is about what they do themselves.
const INTERPRETERS: &[&str] = &[
    "ash",
    "awk",
    "bash",
    "bun",
    "busybox",
    "chroot",
    "csh",
    "dash",
    "deno",
    "doas",
    "ed",
    "emacs",
    "env",
    "expect",
    "find",
    "fish",
    "flock",
    "gawk",
    "gdb",
    "git",
    "guile",
    "ionice",
    "java",
    "jrunscript",
    "ksh",
    "less",
    "ltrace",
    "lua",
    "luajit",
    "m4",
    "make",
    "man",
    "mawk",
    "mksh",
    "more",
    "nano",
    "nawk",
    "nice",
    "node",
    "nodejs",
    "nohup",
    "nsenter",
    "original-awk",
    "perl",
    "php",
    "pypy",
    "python",
    "rsync",
    "ruby",
    "runuser",
    "scp",
    "script",
    "sed",
    "setpriv",
    "setsid",
    "sh",
    "sqlite",
    "ssh",
    "stdbuf",
    "strace",
    "su",
    "sudo",
    "tar",
    "taskset",
    "tclsh",
    "tcsh",
    "time",
    "timeout",
    "toybox",
    "unshare",
    "vi",
    "view",
    "vim",
    "vim.basic",
    "vim.tiny",
    "watch",
    "wish",
    "xargs",
    "zip",
    "zsh",
];
/// The starts of the names of dynamic loaders.
const LOADERS: [&str; 4] = ["ld-linux", "ld-musl", "ld.so", "ld64.so"];

/// A reason for which the start of a program is refused, although it is permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRefusal {
    /// The word of `@allow` that allows it; see [`ALLOWED`](crate::process::ALLOWED).
    pub word: String,
    /// The reason.
    pub why: String,
}

impl StartRefusal {
    /// Returns the error for a script, the same on every system.
    #[must_use]
    pub fn error(&self, program: &AbsPath) -> Error {
        let message = format!("`{}` is not started: {}", program.as_str().escape_debug(), self.why);
        Error::new(Code::Unsupported, message).with_help(self.help())
    }

    /// Returns advice on what would allow it.
    #[must_use]
    pub fn help(&self) -> String {
        format!("a permit for it with the annotation `@allow({:?})` would let it go", self.word)
    }
}

/// Lists the reasons to refuse the start of a program unless the permit allows it, in an environment, for a principal with this reach.
/// Without a reach, whether the principal may replace the program is not checked.
#[must_use]
pub fn withheld(program: &AbsPath, environment: &WordList, reach: Option<&Reach>) -> Vec<StartRefusal> {
    let mut all = Vec::new();
    let mut add = |word: String, why: String| all.push(StartRefusal { word, why });
    if reach.is_some_and(|reach| is_replaceable(program, reach)) {
        add("writable".to_owned(), "the policy may let the same principal change or replace it".to_owned());
    }
    if is_interpreter(program) {
        add("interpreter".to_owned(), "it runs other programs, or a language".to_owned());
    } else if LOADERS.iter().any(|loader| program.name().starts_with(loader)) {
        add("interpreter".to_owned(), "it is the dynamic loader, which runs any program".to_owned());
    }
    for word in environment.as_slice() {
        let name = word.split_once('=').map_or(&**word, |(name, _)| name);
        add(format!("env:{name}"), format!("it would be given the variable `{}`", name.escape_debug()));
    }
    all
}

/// Returns whether a program starts others, or runs a language, by its name.
#[must_use]
pub fn is_interpreter(program: &AbsPath) -> bool {
    let name = program.name();
    let language = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.contains(&language) || INTERPRETERS.contains(&name)
}

/// Returns whether a principal with this reach may change or replace a program.
#[must_use]
pub fn is_replaceable(program: &AbsPath, reach: &Reach) -> bool {
    let changes = [fs::Write::SPEC, fs::Append::SPEC, fs::Rename::SPEC, fs::Remove::SPEC];
    changes.iter().any(|spec| reach.covers(spec, program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Extent;

    #[test]
    fn what_is_withheld_is_told_word_by_word() {
        let words = |path: &str, environment: &[&str], reach: Option<&Reach>| {
            let environment = WordList::new(environment.iter().map(|&word| word.to_owned()).collect());
            let all = withheld(&AbsPath::parse(path).unwrap(), &environment, reach);
            all.into_iter().map(|withheld| withheld.word).collect::<Vec<_>>()
        };
        assert_eq!(words("/usr/bin/echo", &[], None), [""; 0]);
        assert_eq!(words("/usr/bin/python3.11", &["TZ=UTC", "A=b=c"], None), ["interpreter", "env:TZ", "env:A"]);
        assert_eq!(words("/lib64/ld-linux-x86-64.so.2", &[], None), ["interpreter"]);
        let reach = Reach::new(vec![(fs::Append::SPEC, Extent::Anything)]);
        assert_eq!(words("/usr/bin/echo", &[], Some(&reach)), ["writable"]);
    }
}
