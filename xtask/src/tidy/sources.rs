//! Sizes of files, and words in the wrong place.

use super::Findings;
use crate::{Stop, read};

/// Number of lines without tests above which a file gets a warning.
const SOFT: usize = 400;
/// Maximum number of lines of a file without tests.
const HARD: usize = 600;
/// Maximum number of lines of the security kernel, including its documentation.
const GATE: usize = 170;

/// Crates that reach the system only through `rex_sdk::Os`.
const LIBRARIES: &[&str] = &["rex-core/src/", "rex-policy/src/", "rex-sdk/src/", "rex-engine/src/"];
/// The only place of a library with system calls.
const HOST: &str = "rex-sdk/src/host/";
/// Names that a library must not use outside of it.
const SYSTEM: &[&str] = &[
    "nix::",
    "rustix::",
    "libc::",
    "zbus::",
    "std::fs",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::env::",
];
/// Text that no line may have, with advice.
const NOWHERE: &[(&str, &str)] = &[
    ("#[allow(", "use `#[expect(.., reason = \"..\")]`"),
    ("#![allow(", "use `#![expect(.., reason = \"..\")]`"),
    ("#[ignore", "a test that is not run is no test"),
    ("todo!(", "finish it"),
    ("unimplemented!(", "finish it"),
];
/// Text that no test may have, with advice.
const NOT_IN_TESTS: &[(&str, &str)] = &[("thread::sleep(", "wait for what you wait for")];

pub(super) fn check(files: &[String], findings: &mut Findings) -> Result<(), Stop> {
    for name in files {
        let text = read(name)?;
        sizes(name, &text, findings);
        words(name, &text, findings);
    }
    Ok(())
}

fn sizes(name: &str, text: &str, findings: &mut Findings) {
    let lines = text.lines().count();
    let code = if is_test(name) { 0 } else { before_tests(text).count() };
    if name.ends_with("rex-core/src/grant.rs") && lines > GATE {
        findings.error(format!("{name}: {lines} lines, the security kernel has at most {GATE}"));
    }
    if code > HARD {
        findings.error(format!("{name}: {code} lines without tests, at most {HARD}"));
    } else if code > SOFT {
        findings.warn(format!("{name}: {code} lines without tests, better at most {SOFT}"));
    } else if lines > HARD {
        findings.warn(format!("{name}: {lines} lines with tests, better at most {HARD}"));
    }
}

fn words(name: &str, text: &str, findings: &mut Findings) {
    let tests_start = if is_test(name) { 0 } else { before_tests(text).count() };
    for (number, line) in text.lines().enumerate() {
        let code = code_of(line);
        let banned = NOWHERE.iter().chain(NOT_IN_TESTS.iter().filter(|_| number >= tests_start));
        for (word, advice) in banned.filter(|(word, _)| code.contains(word)) {
            findings.error(format!("{name}:{}: `{word}`: {advice}", number + 1));
        }
    }
    if !LIBRARIES.iter().any(|library| name.starts_with(library)) || name.starts_with(HOST) || is_test(name) {
        return;
    }
    for (number, line) in before_tests(text).enumerate() {
        let code = code_of(line);
        for word in SYSTEM.iter().filter(|word| has_word(&code, word)) {
            findings.error(format!("{name}:{}: `{word}` outside of {HOST}: it goes through rex_sdk::Os", number + 1));
        }
    }
}

/// Returns whether the whole file is a test, a bench, an example, or support for tests and fuzz targets.
pub(super) fn is_test(name: &str) -> bool {
    name.ends_with("/testing.rs")
        || name.contains("/tests/")
        || name.contains("/examples/")
        || name.starts_with("benches/")
        || name.ends_with("/tests.rs")
}

/// Returns the lines of a file before its module of tests.
pub(super) fn before_tests(text: &str) -> impl Iterator<Item = &str> {
    let start = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text.get(..start).unwrap_or(text).lines()
}

/// Returns a line without its comment and without the contents of its strings. A string over several lines is taken for code.
pub(super) fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut chars = line.chars().peekable();
    let mut string = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if string => drop(chars.next()),
            // A quote as a character, `'"'`, starts no string.
            '"' if code.ends_with('\'') && !string && chars.peek() == Some(&'\'') => {}
            '"' => {
                string = !string;
                code.push('"');
            }
            '/' if !string && chars.peek() == Some(&'/') => break,
            _ if string => {}
            _ => code.push(c),
        }
    }
    code
}

/// Returns whether a word occurs, not at the end of a longer word: `nix::` is not in `unix::`.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code.get(..at).and_then(|head| head.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(name: &str, text: &str) -> Vec<String> {
        let mut findings = Findings::default();
        sizes(name, text, &mut findings);
        words(name, text, &mut findings);
        findings.errors
    }

    #[test]
    fn system_calls_belong_to_the_host() {
        let text = "use nix::fcntl::openat2;\n";
        assert_eq!(errors("rex-sdk/src/ops/fs/read.rs", text).len(), 1);
        assert_eq!(errors("rex-core/src/path.rs", "let x = std::fs::read(\"\");").len(), 1);
        assert!(errors("rex-sdk/src/host/open.rs", text).is_empty());
        assert!(
            errors("rex-sdk/src/os.rs", "use std::os::unix::ffi::OsStrExt; // not nix::\nlet a = \"nix::\";")
                .is_empty()
        );
        assert!(errors("rex-sdk/src/os.rs", "#[cfg(test)]\nmod tests {\n use std::fs;\n}\n").is_empty());
    }

    #[test]
    fn words_that_belong_nowhere() {
        for text in ["#[ignore]", "    #[allow(dead_code)]", "todo!()", "std::thread::sleep(second);"] {
            assert_eq!(errors("rex-sdk/tests/it/race.rs", text).len(), 1, "{text}");
        }
        assert!(errors("rex-sdk/tests/it/race.rs", "let text = \"todo!()\"; // #[ignore]").is_empty());
        let sleep = "std::thread::sleep(second);\n";
        assert!(errors("rex-engine/src/active.rs", sleep).is_empty());
        assert_eq!(errors("rex-engine/src/active.rs", &format!("#[cfg(test)]\nmod tests {{\n{sleep}}}")).len(), 1);
    }

    #[test]
    fn long_files() {
        assert_eq!(errors("rex-core/src/grant.rs", &"\n".repeat(171)).len(), 1);
        assert_eq!(errors("rex-core/src/path.rs", &"\n".repeat(601)).len(), 1);
        assert!(
            errors("rex-core/src/path.rs", &format!("#[cfg(test)]\nmod tests {{{}}}", "\n".repeat(700))).is_empty()
        );
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        assert_eq!(code_of(r#"a("x // \" y", 'z') // b"#), r#"a("", 'z') "#);
        assert_eq!(code_of(r"let q = '\'';"), r"let q = '\'';");
    }
}
