//! What looks like a secret is taken out of texts before they are written down.
//!
//! It is a net with holes: a secret that looks like any other word is not known for one. So operations record names and sizes, and
//! never contents; this is for names and arguments that carry what they should not.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// No secret is found in a text that has none of these, in whatever case.
const SIGNS: &[&str] = &[
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "bearer",
    "authorization",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "accesskey",
    "private_key",
    "private-key",
    "privatekey",
    "private key",
    "://",
    "akia",
    "asia",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "sk-",
    "sk_",
    "aiza",
    "npm_",
    "eyj",
    "--pass",
];

/// The names of what is secret.
macro_rules! names {
    () => {
        "(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key|private[_-]?key)"
    };
}

/// A text in double quotes, as JSON has it.
macro_rules! quoted {
    () => {
        r"\x22(?:[^\x22\\]|\\.)*\x22"
    };
}

/// What a shell takes for one word.
macro_rules! word {
    () => {
        r"(?:'[^']*'|\\.|[^\s'\\])+"
    };
}

/// Patterns of secrets, with what is before each as `keep`.
const PATTERNS: &[&str] = &[
    // A block, to its end or to the end of the text.
    r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
    // Who asks, in a URL.
    r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\x22]+(?P<after>@)",
    r"(?i)(?P<keep>\bauthorization['\x22]?\s*[:=]\s*['\x22]?(?:(?:basic|bearer|digest|token)\s+)?)[^\s'\x22,;]+",
    r"(?i)(?P<keep>\bbearer\s+)[a-z0-9._~+/=-]{8,}",
    // A part of a word that is quoted as a whole: `'--password=a b'`.
    concat!(r"(?i)(?P<keep>'(?:[^']|'\\'')*?", names!(), r"[a-z0-9_-]*\s*[:=])(?:[^']|'\\'')*(?P<after>')"),
    // `password=x`, `"db_password": "x"`, `?access_token=x`, `PGPASSWORD='it'\''s x'`.
    concat!(
        r"(?i)(?P<keep>",
        names!(),
        r"[a-z0-9_-]*['\x22]?\s*[:=]\s*)(?:",
        quoted!(),
        r"|(?:'[^']*'|\\.|[^\s'\x22&;,\\])+)"
    ),
    // A variable, or an option, that is a word of its own: what a shell takes for one word, `DB_PASSWORD=a,b`.
    concat!(r"(?i)(?P<keep>(?:^|\s)[a-z0-9_-]*", names!(), r"[a-z0-9_-]*=)", word!()),
    // `--password x`.
    concat!(r"(?i)(?P<keep>(?:^|\s)--?(?:[a-z0-9]+-)*(?:pass|", names!(), r")\s+)(?:", quoted!(), "|", word!(), ")"),
    // What is known by how it begins.
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,})",
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36})",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
];

/// An argument after which a secret comes as the next one.
const FLAG: &str = concat!(r"(?i)\A--?(?:[a-z0-9]+-)*(?:pass|", names!(), r")\z");

/// An argument that is an option with its secret, or a variable with one: all after `=` is that.
const OPTION: &str = concat!(r"(?i)\A[a-z0-9_-]*", names!(), r"[a-z0-9_-]*=");

struct Patterns {
    signs: AhoCorasick,
    secrets: LazyLock<Vec<Regex>>,
    flag: LazyLock<Option<Regex>>,
    option: LazyLock<Option<Regex>>,
}

// INVARIANT: all of them are patterns: a test compiles them. One that were none would be passed over.
static PATTERNS_READY: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    Some(Patterns {
        signs: AhoCorasick::builder().ascii_case_insensitive(true).build(SIGNS).ok()?,
        // Most runs never need these.
        secrets: LazyLock::new(|| PATTERNS.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()),
        flag: LazyLock::new(|| Regex::new(FLAG).ok()),
        option: LazyLock::new(|| Regex::new(OPTION).ok()),
    })
});

fn has_signs(text: &[u8]) -> bool {
    PATTERNS_READY.as_ref().is_none_or(|patterns| patterns.signs.is_match(text))
}

/// The text without what looks like a secret in it.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    let Some(patterns) = PATTERNS_READY.as_ref().filter(|_| has_signs(text.as_bytes())) else { return text.into() };
    patterns.secrets.iter().fold(text.into(), |text, pattern| {
        let replace = |captures: &Captures<'_>| {
            let kept = |name| captures.name(name).map_or("", |kept| kept.as_str());
            format!("{}{REDACTED}{}", kept("keep"), kept("after"))
        };
        match pattern.replace_all(&text, replace) {
            Cow::Borrowed(_) => text,
            Cow::Owned(changed) => changed.into(),
        }
    })
}

/// A line of JSON without what looks like a secret in any text of it; otherwise as it was.
#[must_use]
pub fn line(line: &[u8]) -> Cow<'_, [u8]> {
    if !has_signs(line) {
        return line.into();
    }
    let (mut out, mut rest, mut after_flag, mut after_key) = (Vec::with_capacity(line.len()), line, None, false);
    while let Some((before, quoted, after)) = next_text(rest) {
        out.extend_from_slice(before);
        match serde_json::from_slice::<String>(quoted) {
            Ok(found) => {
                // After `"arg1": "--password"` comes `"arg2"`, and then what it is.
                let secret = after_flag == Some(1);
                let is_word = std::mem::replace(&mut after_key, is_argument(&found));
                after_flag = match after_flag {
                    _ if is_flag(&found) => Some(0),
                    Some(0) if is_argument(&found) => Some(1),
                    _ => None,
                };
                let clean = match option(&found).filter(|_| is_word) {
                    _ if secret => REDACTED.into(),
                    Some(kept) => format!("{kept}{REDACTED}").into(),
                    None => text(&found),
                };
                if clean == found {
                    out.extend_from_slice(quoted);
                } else {
                    // INVARIANT: a text can be written.
                    out.extend(serde_json::to_vec(&clean).unwrap_or_default());
                }
            }
            Err(_) => out.extend_from_slice(quoted),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.into()
}

fn is_flag(text: &str) -> bool {
    let flag = PATTERNS_READY.as_ref().and_then(|patterns| patterns.flag.as_ref());
    flag.is_some_and(|flag| flag.is_match(text))
}

/// What comes before the secret in a word of a program, if it holds one.
fn option(word: &str) -> Option<&str> {
    let option = PATTERNS_READY.as_ref().and_then(|patterns| patterns.option.as_ref())?;
    option.find(word).map(|found| found.as_str())
}

/// Whether a key is of one of the arguments of a program.
fn is_argument(key: &str) -> bool {
    key.strip_prefix("arg").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What is before the next text in a line of JSON, the text with its quotes, and what comes after it.
fn next_text(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let start = line.iter().position(|byte| *byte == b'"')?;
    let (before, from) = line.split_at_checked(start)?;
    let mut escaped = false;
    let end = from.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    let (quoted, after) = from.split_at_checked(end + 2)?;
    Some((before, quoted, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, expected: &str) {
        assert_eq!(text(given), expected, "{given}");
    }

    #[test]
    fn all_patterns_are_patterns() {
        assert_eq!(PATTERNS_READY.as_ref().unwrap().secrets.len(), PATTERNS.len());
        assert!(is_flag("--password") && !is_flag("--passwords-are-fun"));
    }

    #[test]
    fn secrets_are_taken_out() {
        check("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]");
        check("authorization=Basic dXNlcjpwYXNz", "authorization=Basic [redacted]");
        check("curl -H 'X: bearer 0123456789abcdef' u", "curl -H 'X: bearer [redacted]' u");
        check("AKIAIOSFODNN7EXAMPLE", "[redacted]");
        check("a AKIAIOSFODNN7EXAMPLE,b", "a [redacted],b");
        check("password=hunter2", "password=[redacted]");
        check("PGPASSWORD=hunter2 x=1", "PGPASSWORD=[redacted] x=1");
        check("db.password = 'hunter 2' x", "db.password = [redacted] x");
        check("{\"client_secret\": \"a b\", \"x\": 1}", "{\"client_secret\": [redacted], \"x\": 1}");
        check("/p?a=1&access_token=abc&b=2", "/p?a=1&access_token=[redacted]&b=2");
        check("AWS_SECRET_ACCESS_KEY=abc/def+g", "AWS_SECRET_ACCESS_KEY=[redacted]");
        check("mysql --password hunter2 -h db", "mysql --password [redacted] -h db");
        check("mysql --db-password 'hunter 2' -h db", "mysql --db-password [redacted] -h db");
        check(r"mysql --password 'it'\''s x' -h db", "mysql --password [redacted] -h db");
        check("mysql '--password=correct horse' -h db", "mysql '--password=[redacted]' -h db");
        check(r"'--password=it'\''s x' y", "'--password=[redacted]' y");
        check(r"PGPASSWORD='it'\''s x' A=1", "PGPASSWORD=[redacted] A=1");
        check("DB_PASSWORD=a,b;c A=1", "DB_PASSWORD=[redacted] A=1");
        check(r"DB_PASSWORD=a\ b A=1", "DB_PASSWORD=[redacted] A=1");
        check(r#"{"password": "a\"b c", "x": 1}"#, r#"{"password": [redacted], "x": 1}"#);
        check("'a' password='b' 'c'", "'a' password=[redacted] 'c'");
        check("https://user:pa:ss@host/p", "https://[redacted]@host/p");
        check("https://tok@en@host/p", "https://[redacted]@host/p");
        check("x postgres://u:p@h/d y", "x postgres://[redacted]@h/d y");
        check(&format!("ghp_{}", "a".repeat(36)), "[redacted]");
        check(&format!("x/eyJ{0}.{0}.{0}", "a".repeat(9)), "x/[redacted]");
        let block = |end| format!("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n{end}");
        check(&block("-----END RSA PRIVATE KEY-----\nb"), "a\n[redacted]\nb");
        check(&block(""), "a\n[redacted]");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for given in [
            "/etc/passwd",
            "/var/lib/tokens/list",
            "/run/secrets",
            "no-secrets",
            "AKIA",
            "XAKIAIOSFODNN7EXAMPLEX",
            "https://host/p@q",
            "https://host/?mail=a@b",
            "the bearer of this",
            "passwordless",
            "-----BEGIN CERTIFICATE-----",
            "disk_usage",
            "sk-short",
        ] {
            check(given, given);
        }
    }

    #[test]
    fn a_line_stays_json() {
        let given = br#"{"n":1,"resource":"/a\"b","context":{"arg1":"--token","arg2":"abc","arg3":"x","environment":"A=1 \"MY_TOKEN\"=\"x\\y\""}}"#;
        let clean = line(given);
        assert_eq!(
            String::from_utf8_lossy(&clean),
            r#"{"n":1,"resource":"/a\"b","context":{"arg1":"--token","arg2":"[redacted]","arg3":"x","environment":"A=1 \"MY_TOKEN\"=[redacted]"}}"#
        );
        let given = br#"{"arg1":"--password=correct horse","arg2":"MY_TOKEN=a,b c","arg3":"a b=c d"}"#;
        assert_eq!(
            String::from_utf8_lossy(&line(given)),
            r#"{"arg1":"--password=[redacted]","arg2":"MY_TOKEN=[redacted]","arg3":"a b=c d"}"#
        );
        for same in ["{}", "", "{\"a\":\"token", "{\"token\":\"a\\", "\"token\\\""] {
            assert_eq!(line(same.as_bytes()), same.as_bytes());
        }
    }
}
