//! Redaction of texts: likely secrets are removed before the texts are written.
//!
//! Redaction is best effort: it cannot recognize a secret that looks like an ordinary word. So operations record names and sizes, and
//! never contents; redaction is for names and arguments that carry secrets by mistake.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};

/// The replacement for a secret.
pub const REDACTED: &str = "[redacted]";

/// A text that contains none of these, ignoring case, is not searched for secrets.
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

/// A pattern for names of secrets.
macro_rules! names {
    () => {
        "(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key|private[_-]?key)"
    };
}

/// A pattern for a text in double quotes, as in JSON.
macro_rules! quoted {
    () => {
        r"\x22(?:[^\x22\\]|\\.)*\x22"
    };
}

/// A pattern for one word of a shell.
macro_rules! word {
    () => {
        r"(?:'[^']*'|\\.|[^\s'\\])+"
    };
}

/// Patterns of secrets. The text around a secret is in the groups `keep` and `after`.
const PATTERNS: &[&str] = &[
    // A block, to its end or to the end of the text.
    r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
    // The user information of a URL.
    r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#'\x22]+(?P<after>@)",
    r"(?i)(?P<keep>\bauthorization['\x22]?\s*[:=]\s*['\x22]?(?:(?:basic|bearer|digest|token)\s+)?)[^\s'\x22,;]+",
    r"(?i)(?P<keep>\bbearer\s+)[a-z0-9._~+/=-]{8,}",
    // A secret in a word that is quoted as a whole: `'--password=a b'`.
    concat!(r"(?i)(?P<keep>'(?:[^']|'\\'')*?", names!(), r"[a-z0-9_-]*\s*[:=])(?:[^']|'\\'')*(?P<after>')"),
    // `password=x`, `"db_password": "x"`, `?access_token=x`, `PGPASSWORD='it'\''s x'`.
    concat!(
        r"(?i)(?P<keep>",
        names!(),
        r"[a-z0-9_-]*['\x22]?\s*[:=]\s*)(?:",
        quoted!(),
        r"|(?:'[^']*'|\\.|[^\s'\x22&;,\\])+)"
    ),
    // A variable or an option that starts a word: to the end of the shell's word, `DB_PASSWORD=a,b`.
    concat!(r"(?i)(?P<keep>(?:^|\s)[a-z0-9_-]*", names!(), r"[a-z0-9_-]*=)", word!()),
    // `--password x`.
    concat!(r"(?i)(?P<keep>(?:^|\s)--?(?:[a-z0-9]+-)*(?:pass|", names!(), r")\s+)(?:", quoted!(), "|", word!(), ")"),
    // Secrets with a known prefix.
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,})",
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36})",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
];

/// A pattern for an argument before a secret that is an argument of its own.
const FLAG: &str = concat!(r"(?i)\A--?(?:[a-z0-9]+-)*(?:pass|", names!(), r")\z");

/// A pattern for an argument that is an option or a variable with a secret: everything after `=`.
const OPTION: &str = concat!(r"(?i)\A[a-z0-9_-]*", names!(), r"[a-z0-9_-]*=");

struct SecretPatterns {
    signs: AhoCorasick,
    secrets: LazyLock<Vec<Regex>>,
    flag: LazyLock<Option<Regex>>,
    option: LazyLock<Option<Regex>>,
}

// INVARIANT: all of them compile, as a test checks. A pattern that did not would be skipped.
static PATTERNS_READY: LazyLock<Option<SecretPatterns>> = LazyLock::new(|| {
    Some(SecretPatterns {
        signs: AhoCorasick::builder().ascii_case_insensitive(true).build(SIGNS).ok()?,
        // Compiled on first use, as most runs need none.
        secrets: LazyLock::new(|| PATTERNS.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()),
        flag: LazyLock::new(|| Regex::new(FLAG).ok()),
        option: LazyLock::new(|| Regex::new(OPTION).ok()),
    })
});

fn has_signs(text: &[u8]) -> bool {
    PATTERNS_READY.as_ref().is_none_or(|patterns| patterns.signs.is_match(text))
}

/// Returns the text with likely secrets replaced.
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

/// Returns a line of JSON with likely secrets replaced in each text.
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
                // After `"arg1": "--password"` comes `"arg2"`, and then its value.
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
                    // INVARIANT: a text can always be serialized.
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

/// Returns the part of an argument before its secret, if it holds one.
fn option(word: &str) -> Option<&str> {
    let option = PATTERNS_READY.as_ref().and_then(|patterns| patterns.option.as_ref())?;
    option.find(word).map(|found| found.as_str())
}

/// Returns whether a key is that of an argument of a program.
fn is_argument(key: &str) -> bool {
    key.strip_prefix("arg").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Splits a line of JSON into the part before the next text, the text with its quotes, and the rest.
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
