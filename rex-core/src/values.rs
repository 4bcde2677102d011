//! The values that a fact or an attribute can have, declared where the fact is.
//!
//! A policy that asks for another value matches nothing: `context.signal == "SIGTERM"` holds for no request, because the signal is
//! `TERM`. Lints, documentation and command lines use these values.

mod addresses;
mod forms;
mod machine;

use std::collections::HashSet;
use std::fmt;

pub use addresses::{HOST, QUERY, SERVER, URL, URL_PATH};
pub use forms::{
    COMMAND, COMMAND_LINE, DIRECTORY, ENVIRONMENT, EXTENSION, NAME, OWN_UNIT, PARAMETER, PATH, PROGRAM, RUN_USER,
    SHA256, TAG, UNIT, USER, VARIABLE, XATTR, XATTR_OR_ALL,
};

use crate::nearest::did_you_mean;
use machine::LazyAutomaton;

/// The values that a fact or an attribute can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueSet {
    /// Every value of its type.
    #[default]
    Any,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A number from the first to the second.
    Range(i64, i64),
    /// A text of a form.
    Form(&'static TextForm),
}

/// A form of texts, such as an absolute path or a SHA-256.
pub struct TextForm {
    /// A description, after "it is": `an absolute path`.
    pub doc: &'static str,
    /// A check whether a text has the form.
    pub has: fn(&str) -> bool,
    /// A function that suggests a text of the form for another.
    pub meant: fn(&str) -> Option<String>,
    /// The form as a machine over bytes. It may accept more texts than have the form, never fewer.
    machine: LazyAutomaton,
}

impl fmt::Debug for TextForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextForm").field(&self.doc).finish()
    }
}

impl PartialEq for TextForm {
    fn eq(&self, other: &Self) -> bool {
        self.doc == other.doc
    }
}

impl Eq for TextForm {}

/// Formats values: "one of `a`, `b`", "from 0 to 4095", "an absolute path".
impl fmt::Display for ValueSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => write!(f, "anything"),
            Self::Words(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`").replace("``", "empty")).collect();
                write!(f, "one of {}", words.join(", "))
            }
            Self::Range(low, i64::MAX) => write!(f, "at least {low}"),
            Self::Range(low, high) => write!(f, "from {low} to {high}"),
            Self::Form(form) => write!(f, "{}", form.doc),
        }
    }
}

impl ValueSet {
    /// Returns whether a text is one of the values.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Words(words) => words.contains(&text),
            Self::Range(..) => false,
            Self::Form(form) => (form.has)(text),
        }
    }

    /// Returns whether a number is one of the values.
    #[must_use]
    pub fn has_number(&self, number: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Range(low, high) => (*low..=*high).contains(&number),
            Self::Words(_) | Self::Form(_) => false,
        }
    }

    /// Returns whether one of the values may match a pattern, whose wildcards are `None` and match any text; `true` if that is not known.
    #[must_use]
    pub fn has_like(&self, pattern: &[Option<char>]) -> bool {
        if pattern.iter().all(Option::is_some) {
            return self.has(&pattern.iter().flatten().collect::<String>());
        }
        match self {
            Self::Any => true,
            Self::Range(..) => false,
            Self::Words(words) => words.iter().any(|word| is_like(word, pattern)),
            Self::Form(form) => (form.machine)().has_like(pattern),
        }
    }

    /// Returns the value that was probably meant by another text.
    #[must_use]
    pub fn meant(&self, text: &str) -> Option<String> {
        match self {
            Self::Any | Self::Range(..) => None,
            Self::Words(words) => {
                let bare = |text: &str| -> String {
                    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
                };
                let written = bare(text);
                let same = |word: &&&str| {
                    let word = bare(word);
                    !word.is_empty() && (word == written || written.strip_prefix("sig") == Some(&*word))
                };
                let near = || {
                    let near = did_you_mean(text, words.iter().copied().filter(|word| !word.is_empty()))?;
                    near.split('`').nth(1).map(str::to_owned)
                };
                words.iter().find(same).map(|word| (*word).to_owned()).or_else(near)
            }
            Self::Form(form) => (form.meant)(text).filter(|meant| meant != text && (form.has)(meant)),
        }
    }
}

/// Returns whether a text matches a pattern.
fn is_like(text: &str, pattern: &[Option<char>]) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let mut places = HashSet::from([0_usize]);
    for element in pattern {
        places = match element {
            Some(c) => places.into_iter().filter(|at| chars.get(*at) == Some(c)).map(|at| at + 1).collect(),
            None => places.into_iter().min().map_or_else(HashSet::new, |first| (first..=chars.len()).collect()),
        };
    }
    places.contains(&chars.len())
}

/// The values of a declaration, or any.
#[doc(hidden)]
#[macro_export]
macro_rules! declared_values {
    () => {
        $crate::ValueSet::Any
    };
    ($values:expr) => {
        $values
    };
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "the texts are ASCII")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::{NETWORKS, RECORDS};
    use crate::process::SIGNALS;
    use crate::resource::UNIT_KINDS;

    fn pattern(text: &str) -> Vec<Option<char>> {
        text.chars().map(|c| (c != '*').then_some(c)).collect()
    }

    /// A form with texts that have it, texts that lack it, patterns that some match, and patterns that none match.
    type Row = (
        &'static TextForm,
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
    );

    const FORMS: &[Row] = &[
        (
            &PATH,
            &["/", "/a", "/a/.b", "/..a"],
            &["", "a", "/a/", "//", "/a/..", "/./a"],
            &["*", "/*/x", "*.log", "/", "*/"],
            &["a*", "*a/", "/a//*", "*/../*"],
        ),
        (&PROGRAM, &["", "/usr/bin/nginx"], &["nginx"], &["*/nginx"], &["nginx*"]),
        (&DIRECTORY, &["/"], &["", "srv"], &["/srv*"], &["srv*"]),
        (&NAME, &["", "a.b", "..a"], &["a/b", ".", ".."], &["*.log"], &["*/*", "/etc*"]),
        (&EXTENSION, &["", "key"], &[".key", "tar.gz", "a/b"], &["k*"], &[".*", "*.gz"]),
        (
            &SHA256,
            &["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
            &["e3b0", "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"],
            &["e3b0*"],
            &["sha256:*", "E3*", "*g"],
        ),
        (
            &UNIT,
            &["nginx.service", "a@b.timer", "app-1.2.service"],
            &["nginx", ".service", "nginx.srv", "web-*.service", ""],
            &["web-*", "*.service", "*@*.service", "*.s*t"],
            &["*.srv", ".*", "web-?.service", "*.services"],
        ),
        (&OWN_UNIT, &["", "nginx.service"], &["nginx"], &["nginx*"], &["* *"]),
        (
            &HOST,
            &["example.com", "10.0.0.1", "::1"],
            &["Example.com", "https://example.com", "example.com.", "127.1", ""],
            &["*.example.com", "10.*"],
            &["*.Example.com", "https://*", "*..*", "*."],
        ),
        (
            &URL,
            &[
                "https://example.com/",
                "http://a/b?c",
                "https://a:4430/x;y/..z/.w?q=%2F&r=/../",
                "https://a:44/",
                "http://a:443/",
                "http://[2001:db8::1]:8080/",
                "https://[::1]/%25//?x?",
            ],
            &["example.com/", "https://example.com", "ftp://a/"],
            &[
                "https://*.example.com/*",
                "*?*",
                "*/caf%C3%*",
                "*:443/*",
                "http://a:443/*",
                "https://a:4*/*",
                "https://a:44/*",
                "https://a:4430/*",
                "https://[::1]:8443/*",
                "*//*",
                "https://a/??*",
                "https://a/*%2F*",
            ],
            &[
                "example.com/*",
                "ftp:*",
                "* *",
                "https://Example*",
                "*/caf%c3*",
                "*/%41*",
                "https://a:443/*",
                "http://a:80/*",
                "https://[::1]:443/*",
                "https://a:0443/*",
                "https://a:844300*",
                "https://a:/*",
                "http:/a*",
                "http:///*",
                "https://a?*",
                "https://a#*",
                "*#*",
                "https://u@a/*",
                "https://a..b/*",
                "https://a./*",
                "https://a/../*",
                "https://a/b/./*",
                "https://a/..;*/x",
                "https://a/x%2F*",
            ],
        ),
        (
            &URL_PATH,
            &["/", "/v1/items", "/a/"],
            &["", "api/", "v1", "/a?b", "/a/../b"],
            &["/v1/*", "*/status", "/caf%C3%A9/*"],
            &["v1/*", "*?*", "* *", "/caf%c3%a9/*", "/%7E*", "*/../*", "*%2F*"],
        ),
        (&QUERY, &["", "a=b"], &["?a=b", "a b"], &["a=*"], &["?*", "*#*", "q=%2f*"]),
        (&USER, &["root", "www-data", "a1", "1a"], &["0", "1000", "", "a:b"], &["www-*"], &["*:*"]),
        (&RUN_USER, &["", "root"], &["0"], &["*"], &["*/*"]),
        (&TAG, &["ticket=7", "a="], &["ticket", "=7", ""], &["ticket=*", "*"], &["=*"]),
        (
            &SERVER,
            &["", "192.0.2.53:53", "[2001:db8::1]:53"],
            &["192.0.2.53", "dns.example.com:53"],
            &["192.0.2.*", "*:53"],
            &["dns.*", "[2001:DB8*"],
        ),
        (
            &COMMAND,
            &["nginx", "systemd-journal", "kworker/u8:1-events_unbound"],
            &["systemd-journald"],
            &["systemd-*", "*d"],
            &["systemd-journald*"],
        ),
        (
            &COMMAND_LINE,
            &["", "-n 20 /var/log/app.log", "'a b' c", "''"],
            &["a  b", " a", "*.log", "\"a\"", "'ab'"],
            &["reload *", "* 'a b'", "*"],
            &["a  *", "*\"*\"", " *"],
        ),
        (
            &PARAMETER,
            &["net.ipv4.ip_forward", "net.ipv4.conf.eth0/1.forwarding"],
            &["net/ipv4/ip_forward", "a..b", "", "net", "net.", "net.ipv4."],
            &["net.*", "*/*", "net*"],
            &["*..*", ".*", "* *", "net/*", "*.", "net*."],
        ),
        (
            &ENVIRONMENT,
            &["", "A=b", "A= 'B=c d'", "'A B=c'", r"'A=it'\''s'"],
            &["PATH", "A=b PATH", "=b", "''", "A=b  B=c"],
            &["PATH*", "*TZ=UTC*", "A=*", "'A *"],
            &["=*", "A =*", "PATH TZ=*"],
        ),
        (&VARIABLE, &["PATH", "_a1"], &["$PATH", "A-B", "1A", ""], &["AWS_*"], &["$*", "*-*"]),
        (&XATTR, &["user.origin"], &["origin", ""], &["user.*", "*"], &["."]),
        (&XATTR_OR_ALL, &["", "user.origin"], &["origin"], &["*"], &[]),
    ];

    #[test]
    fn forms_take_what_has_them_and_nothing_else() {
        for (form, texts, others, likes, unlikes) in FORMS {
            let values = ValueSet::Form(form);
            texts.iter().for_each(|text| assert!(values.has(text), "{}: `{text}`", form.doc));
            others.iter().for_each(|text| assert!(!values.has(text), "{}: `{text}`", form.doc));
            likes.iter().for_each(|text| assert!(values.has_like(&pattern(text)), "{}: like `{text}`", form.doc));
            unlikes.iter().for_each(|text| assert!(!values.has_like(&pattern(text)), "{}: like `{text}`", form.doc));
            for text in *texts {
                // A pattern with a wildcard in place of any part of a value may still match.
                for (at, _) in text.char_indices() {
                    let mut like = pattern(&text[..at].replace('*', "x"));
                    like.push(None);
                    if !text.contains('*') {
                        assert!(values.has_like(&like), "{}: like `{}*`", form.doc, &text[..at]);
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_meant_is_a_value() {
        let rows: &[(ValueSet, &str, &str)] = &[
            (ValueSet::Words(SIGNALS), "SIGTERM", "TERM"),
            (ValueSet::Words(SIGNALS), "sigkill", "KILL"),
            (ValueSet::Words(SIGNALS), "TREM", "TERM"),
            (ValueSet::Words(NETWORKS), "privat", "private"),
            (ValueSet::Words(NETWORKS), "link-local", "link_local"),
            (ValueSet::Words(RECORDS), "mx", "MX"),
            (ValueSet::Words(UNIT_KINDS), ".service", "service"),
            (ValueSet::Words(&["http", "https"]), "https://", "https"),
            (ValueSet::Form(&UNIT), "shop-web", "shop-web.service"),
            (ValueSet::Form(&URL_PATH), "api/", "/api/"),
            (ValueSet::Form(&HOST), "https://example.com", "example.com"),
            (ValueSet::Form(&HOST), "Example.com", "example.com"),
            (ValueSet::Form(&HOST), "example.com:443", "example.com"),
            (ValueSet::Form(&EXTENSION), ".key", "key"),
            (ValueSet::Form(&PATH), "/etc/", "/etc"),
            (ValueSet::Form(&QUERY), "?a=b", "a=b"),
            (ValueSet::Form(&URL_PATH), "/caf%c3%a9", "/caf%C3%A9"),
            (ValueSet::Form(&URL), "HTTPS://Example.com/caf%c3%a9", "https://example.com/caf%C3%A9"),
            (ValueSet::Form(&COMMAND), "systemd-journald", "systemd-journal"),
            (ValueSet::Form(&COMMAND_LINE), "-name *.log", "-name '*.log'"),
            (ValueSet::Form(&VARIABLE), "$PATH", "PATH"),
            (ValueSet::Form(&PARAMETER), "net/ipv4/ip_forward", "net.ipv4.ip_forward"),
            (ValueSet::Form(&PARAMETER), "/vm/swappiness", "vm.swappiness"),
            (ValueSet::Form(&URL), "https://a:443/x", "https://a/x"),
            (ValueSet::Form(&URL), "https://a?b=c", "https://a/?b=c"),
            (ValueSet::Form(&URL), "https://a/x#top", "https://a/x"),
        ];
        assert!(["pool_workqueue_release", "rcu_tasks_kthread"].iter().all(|name| ValueSet::Form(&COMMAND).has(name)));
        for (values, written, meant) in rows {
            assert_eq!(values.meant(written).as_deref(), Some(*meant), "{written}");
            assert!(values.has(meant) && !values.has(written), "{written}");
        }
        assert_eq!(ValueSet::Words(NETWORKS).meant("internet"), None);
    }

    proptest! {
        /// Checks that the machine of a form accepts each text that has the form, with any part of it as a wildcard.
        #[test]
        fn machines_leave_out_nothing(text in "[a-z0-9/.:@'= _-]{0,12}", from in 0..12_usize, to in 0..12_usize) {
            for (form, ..) in FORMS {
                if (form.has)(&text) {
                    let (from, to) = (from.min(text.len()), to.min(text.len()));
                    let like: Vec<_> = pattern(&text[..from.min(to)])
                        .into_iter().chain([None]).chain(pattern(&text[from.max(to)..])).collect();
                    prop_assert!(ValueSet::Form(form).has_like(&like), "{}: {text}", form.doc);
                }
            }
        }

        #[test]
        fn words_are_like_what_they_are_like(word in "[ab]{0,4}", like in "[ab*]{0,4}") {
            let parts: Vec<&str> = like.split('*').collect();
            // A comparison by hand: each literal part in its place, the first at the start, the last at the end.
            fn fits(word: &str, parts: &[&str]) -> bool {
                match parts {
                    [] => word.is_empty(),
                    [last] => word.ends_with(last),
                    [first, rest @ ..] => (0..=word.len()).any(|at| word[at..].starts_with(first) && fits(&word[at + first.len()..], rest)),
                }
            }
            let expected = match &*parts {
                [only] => word == *only,
                [first, rest @ ..] => word.starts_with(first) && fits(&word[first.len()..], rest),
                [] => false,
            };
            prop_assert_eq!(is_like(&word, &pattern(&like)), expected);
        }
    }
}
