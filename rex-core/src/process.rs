//! Processes and programs, as policies see them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::action::process::Run;
use crate::resource::{Attribute, Fact, FactKind, FactType, Resource, ResourceSpec};
use crate::values::{COMMAND, NAME, OWN_UNIT, PATH, PROGRAM, SHA256, USER, ValueSet};
use crate::{AbsPath, Value};

/// The words of the annotation `@allow`, each with what it allows for a program, which is refused without it. A word that ends with a
/// colon is followed by a name.
pub const ALLOWED: &[(&str, &str)] = &[
    ("interpreter", "Start a program that runs other programs, or a language: `sh`, `python3`, `env`, `find`."),
    ("writable", "Start a program that the policy lets the same principal replace."),
    ("processes", "Let the program make processes of its own."),
    ("env:", "Give the program this variable of the environment: `env:TZ`."),
];

/// The signals that can be sent, without `SIG`.
pub const SIGNALS: &[&str] =
    &["HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "ALRM", "TERM", "CONT", "STOP", "TSTP", "WINCH", "URG"];

/// A running process.
///
/// Callers that act on it first check that it still is the process that was decided on: numbers are reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Process {
    pid: u32,
    id: String,
    identity: ProcessIdentity,
}

/// The attributes of a process, and its start, which distinguishes it from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ProcessIdentity {
    /// The name that the kernel keeps: up to 15 bytes of the program's name, unless the process changed it.
    pub name: String,
    /// The program that it runs; empty for a thread of the kernel; `None` if that is unknown.
    pub exe: Option<String>,
    /// The name of the user whose rights it has; `None` if that is unknown, or the user has no name.
    pub user: Option<String>,
    /// The unit of the service manager that it belongs to; empty if there is none; `None` if that is unknown.
    pub unit: Option<String>,
    /// The time of its start, in ticks of the kernel's clock since the machine started.
    pub started: u64,
}

impl Process {
    /// Creates a process from its number and identity.
    #[must_use]
    pub fn new(pid: u32, identity: ProcessIdentity) -> Self {
        Self { pid, id: pid.to_string(), identity }
    }

    /// Returns its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns its identity.
    #[must_use]
    pub fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }
}

impl ProcessIdentity {
    /// Returns the names of the attributes that are unknown.
    pub fn unknown(&self) -> impl Iterator<Item = &'static str> {
        let facts = [("exe", &self.exe), ("user", &self.user), ("unit", &self.unit)];
        facts.into_iter().filter(|(_, fact)| fact.is_none()).map(|(name, _)| name)
    }
}

impl Resource for Process {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "process",
        name: "Process",
        doc: "A process that runs; the id is its number, `4242`. Numbers are used again, so policies ask for what it is. What could not be found out of it is not there: a policy that asks for that denies.",
        attributes: &[
            // The maximum of the kernel (`PID_MAX_LIMIT`).
            Attribute { name: "pid", kind: FactKind::Long, doc: "Its number.", values: ValueSet::Range(1, 1 << 22) },
            Attribute {
                name: "name",
                kind: FactKind::String,
                doc: "The name that the kernel keeps, of 15 bytes at most. A process can change its own.",
                values: ValueSet::Form(&COMMAND),
            },
            Attribute {
                name: "exe",
                kind: FactKind::String,
                doc: "The path of the program that it runs; empty for a thread of the kernel.",
                values: ValueSet::Form(&PROGRAM),
            },
            Attribute {
                name: "user",
                kind: FactKind::String,
                doc: "The name of the user whose rights it has; not there if the user has no name.",
                values: ValueSet::Form(&USER),
            },
            Attribute {
                name: "unit",
                kind: FactKind::String,
                doc: "The unit that it belongs to, `nginx.service`; empty if there is none.",
                values: ValueSet::Form(&OWN_UNIT),
            },
        ],
        id_attribute: None,
        nested: false,
        class: None,
    };

    fn id(&self) -> &str {
        &self.id
    }

    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("pid", Fact::Long(self.pid.into()));
        visit("name", Fact::String(&self.identity.name));
        // INVARIANT: an unknown attribute is left out, never replaced: an authorizer takes its absence for an error, and denies.
        let ProcessIdentity { exe, user, unit, .. } = &self.identity;
        for (name, fact) in [("exe", exe), ("user", user), ("unit", unit)] {
            fact.as_deref().into_iter().for_each(|text| visit(name, Fact::String(text)));
        }
    }

    fn from_record(id: &str, attributes: &BTreeMap<String, Value>) -> Result<Self, String> {
        let pid = id.parse().map_err(|_| format!("`{}` is not the number of a process", id.escape_debug()))?;
        // An attribute that is not written down was unknown.
        let known = |name: &str| attributes.get(name).map(|_| text(attributes, name)).transpose();
        let identity = ProcessIdentity {
            name: text(attributes, "name")?,
            exe: known("exe")?,
            user: known("user")?,
            unit: known("unit")?,
            // Policies do not see it.
            started: 0,
        };
        Ok(Self::new(pid, identity))
    }
}

/// A program on disk, with the contents that it must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// The path.
    pub path: AbsPath,
    /// The SHA-256 that its contents must have, in lower-case hexadecimal; empty for any contents. The code that starts it checks.
    pub sha256: String,
}

impl Resource for Program {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "process",
        name: "Program",
        doc: "A program on disk; the id is its absolute, normalised path. A program is `in` each directory above it.",
        attributes: &[
            Attribute {
                name: "path",
                kind: FactKind::String,
                doc: "The whole path, the same as the id; for `like`.",
                values: ValueSet::Form(&PATH),
            },
            Attribute {
                name: "name",
                kind: FactKind::String,
                doc: "The last component.",
                values: ValueSet::Form(&NAME),
            },
            Attribute {
                name: "sha256",
                kind: FactKind::String,
                doc: "The SHA-256 that the caller pins, in lower-case hexadecimal, which is checked before the start; empty if none is pinned.",
                values: ValueSet::Form(&SHA256),
            },
        ],
        id_attribute: Some("path"),
        nested: true,
        class: Some("Class"),
    };

    fn id(&self) -> &str {
        self.path.as_str()
    }

    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("name", Fact::String(self.path.name()));
        visit("sha256", Fact::String(&self.sha256));
    }

    fn ancestors<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.path.parents().for_each(visit);
    }

    fn from_record(id: &str, attributes: &BTreeMap<String, Value>) -> Result<Self, String> {
        let path = AbsPath::parse(id).map_err(|error| error.to_string())?;
        Ok(Self { path, sha256: text(attributes, "sha256")? })
    }
}

/// Returns an attribute that is text; empty if it is missing.
fn text(attributes: &BTreeMap<String, Value>, name: &str) -> Result<String, String> {
    match attributes.get(name) {
        None => Ok(String::new()),
        Some(Value::Text(text)) => Ok(text.clone()),
        Some(other) => Err(format!("the attribute `{name}` is text, not {}", other.kind())),
    }
}

/// Words in order. Policies see them as one text, each word quoted as a POSIX shell would need it, with a blank between two: different
/// words never are the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct WordList {
    words: Vec<String>,
    text: String,
}

impl WordList {
    /// Creates a list of words.
    #[must_use]
    pub fn new(words: Vec<String>) -> Self {
        let mut text = String::new();
        for word in &words {
            if !text.is_empty() {
                text.push(' ');
            }
            quote(&mut text, word);
        }
        Self { words, text }
    }

    /// Parses the text of words; `None` if it is not the text of any.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\'' => (quoted, begun) = (!quoted, true),
                ' ' if !quoted => words.push(std::mem::take(&mut word)),
                '\\' if !quoted => word.push(rest.next()?),
                c => word.push(c),
            }
            begun |= c != ' ';
        }
        if begun {
            words.push(word);
        }
        Some(Self::new(words)).filter(|words| words.text == text)
    }

    /// Returns the words.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.words
    }

    /// Returns their text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn word(&self, place: usize) -> String {
        self.words.get(place).cloned().unwrap_or_default()
    }
}

fn quote(text: &mut String, word: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        text.push_str(word);
    } else {
        // Within quotes, only the quote itself has a meaning.
        let _ = write!(text, "'{}'", word.replace('\'', r"'\''"));
    }
}

/// Returns whether a text can be a word of a command line or of an environment.
#[must_use]
pub fn is_word(text: &str) -> bool {
    !text.contains('\0')
}

impl FactType for WordList {
    const KIND: FactKind = FactKind::String;
}

impl<'a> From<&'a WordList> for Fact<'a> {
    fn from(words: &'a WordList) -> Self {
        Self::String(&words.text)
    }
}

impl Run {
    /// Creates the start of a program with these arguments, which lack its name.
    #[must_use]
    pub fn new(arguments: WordList, environment: WordList, directory: &AbsPath, user: &str, stdin: bool) -> Self {
        let [arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9] = std::array::from_fn(|place| arguments.word(place));
        Self {
            count: i64::try_from(arguments.words.len()).unwrap_or(i64::MAX),
            arguments,
            arg1,
            arg2,
            arg3,
            arg4,
            arg5,
            arg6,
            arg7,
            arg8,
            arg9,
            environment,
            directory: directory.as_str().to_owned(),
            user: user.to_owned(),
            stdin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> WordList {
        WordList::new(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn what_is_not_known_is_left_out_and_comes_back_as_that() {
        let identity =
            ProcessIdentity { name: "x".to_owned(), unit: Some(String::new()), ..ProcessIdentity::default() };
        let process = Process::new(7, identity);
        let mut seen = BTreeMap::new();
        process.attributes(&mut |name, fact| drop(seen.insert(name.to_owned(), Value::from(fact))));
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["name", "pid", "unit"]);
        assert_eq!(process.identity().unknown().collect::<Vec<_>>(), ["exe", "user"]);
        assert_eq!(Process::from_record("7", &seen).unwrap(), process);
    }

    #[test]
    fn different_words_are_different_texts() {
        assert_eq!(words(&["-n", "20", "/var/log/app.log"]).as_str(), "-n 20 /var/log/app.log");
        let all = [
            words(&[]),
            words(&[""]),
            words(&["", ""]),
            words(&[" "]),
            words(&["a b"]),
            words(&["a", "b"]),
            words(&["'a'", "b"]),
            words(&["a'", "'b"]),
            words(&["a' 'b"]),
            words(&["a\nb"]),
            words(&["*"]),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(all.iter().skip(place + 1).all(|other| other.as_str() != one.as_str()), "{}", one.as_str());
        }
    }

    #[test]
    fn a_text_stands_for_the_words_that_it_was_made_of() {
        for given in [&[][..], &[""], &["", ""], &["a", "b c", "it's", "", "x\ny", "\\"], &["-n", "20"], &["'"], &[" "]]
        {
            let known = words(given);
            assert_eq!(WordList::parse(known.as_str()), Some(known.clone()), "{given:?}");
        }
        assert_eq!(
            [WordList::parse("a  b"), WordList::parse("'a'"), WordList::parse("a;b"), WordList::parse("'")],
            [const { None }; 4]
        );
    }

    #[test]
    fn arguments_are_seen_one_by_one() {
        let run = Run::new(words(&["a", "b c"]), words(&["TZ=UTC"]), &AbsPath::root(), "", false);
        let mut seen = Vec::new();
        crate::Action::facts(&run, &mut |name, fact| seen.push((name, fact)));
        assert!(seen.contains(&("arguments", Fact::String("a 'b c'"))) && seen.contains(&("count", Fact::Long(2))));
        assert!(seen.contains(&("arg2", Fact::String("b c"))) && seen.contains(&("arg3", Fact::String(""))));
        assert!(seen.contains(&("environment", Fact::String("TZ=UTC"))));
    }
}
