//! The forms of facts and attributes of Rex.

use super::TextForm;
use super::machine::machine;
use crate::AbsPath;
use crate::machine::{EnvVariable, KernelParameter};
use crate::process::WordList;
use crate::resource::{UNIT_KINDS, Unit};

fn is_path(text: &str) -> bool {
    AbsPath::parse(text).is_ok_and(|path| path.as_str() == text)
}

fn path_meant(text: &str) -> Option<String> {
    AbsPath::parse(text).ok().map(|path| path.as_str().to_owned())
}

/// Steps through a path. States: 0 at the start, 1 after the first slash, 2 after another, 3 in a name, 4 after `.`, 5 after `..`.
fn path_step(state: u32, byte: u8) -> Option<u32> {
    match (state, byte) {
        (_, 0) => None,
        (0, b'/') => Some(1),
        (3, b'/') => Some(2),
        (0, _) | (_, b'/') => None,
        (1 | 2, b'.') => Some(4),
        (4, b'.') => Some(5),
        _ => Some(3),
    }
}

const PATHS: &str = "an absolute path, without `.`, `..`, `//` and a slash at the end";

/// An absolute, normalized path.
pub static PATH: TextForm = TextForm {
    doc: PATHS,
    has: is_path,
    meant: path_meant,
    machine: machine!(path_step, |state| state == 1 || state == 3),
};

/// The path of a program that runs; empty for a thread of the kernel.
pub static PROGRAM: TextForm = TextForm {
    doc: "an absolute path, or empty",
    has: |text| text.is_empty() || is_path(text),
    meant: path_meant,
    machine: machine!(path_step, |state| state <= 1 || state == 3),
};

/// The directory that a program starts in.
pub static DIRECTORY: TextForm = TextForm {
    doc: "the absolute path of a directory, without a slash at the end",
    has: is_path,
    meant: path_meant,
    machine: machine!(path_step, |state| state == 1 || state == 3),
};

/// Steps through a name. States: 0 at the start, 3 in a name, 4 after `.`, 5 after `..`.
fn name_step(state: u32, byte: u8) -> Option<u32> {
    match (state, byte) {
        (_, 0 | b'/') => None,
        (0, b'.') => Some(4),
        (4, b'.') => Some(5),
        _ => Some(3),
    }
}

/// The last component of a path.
pub static NAME: TextForm = TextForm {
    doc: "the last part of a path, without a slash",
    has: |text| !text.contains(['/', '\0']) && ![".", ".."].contains(&text),
    meant: |text| path_meant(text).and_then(|path| path.rsplit('/').next().map(str::to_owned)),
    machine: machine!(name_step, |state| state == 0 || state == 3),
};

/// The extension of a name.
pub static EXTENSION: TextForm = TextForm {
    doc: "what follows the last dot of a name, without the dot",
    has: |text| !text.contains(['/', '.', '\0']),
    meant: |text| text.rsplit('.').next().map(str::to_owned),
    machine: machine!(|_, byte| (![b'/', b'.', 0].contains(&byte)).then_some(0), |_| true),
};

/// A SHA-256, or nothing.
pub static SHA256: TextForm = TextForm {
    doc: "64 lower-case hexadecimal digits, or empty",
    has: |text| [0, 64].contains(&text.len()) && text.bytes().all(is_digit_of_hash),
    meant: |text| Some(text.trim().trim_start_matches("sha256:").to_ascii_lowercase()),
    machine: machine!(|count, byte| (count < 64 && is_digit_of_hash(byte)).then_some(count + 1), |count| count == 0
        || count == 64),
};

fn is_digit_of_hash(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

fn is_unit(text: &str) -> bool {
    Unit::parse(text).is_ok_and(|unit| unit.name() == text)
}

fn unit_meant(text: &str) -> Option<String> {
    Unit::parse(text).ok().map(|unit| unit.name().to_owned())
}

/// The mark of a state after a dot that may be the last one. Its low bits count the letters that follow; above them, a bit for each type
/// of unit says whether these can start it.
const AFTER_DOT: u32 = 1 << 31;
const LETTERS: u32 = 4;

/// Returns the types of units that are still possible after a dot, with their indices.
fn kinds(state: u32) -> impl Iterator<Item = (usize, &'static str)> {
    let left = if state & AFTER_DOT == 0 { 0 } else { (state & !AFTER_DOT) >> LETTERS };
    UNIT_KINDS.iter().copied().enumerate().filter(move |(place, _)| (left >> place) & 1 == 1)
}

fn letters(state: u32) -> usize {
    (state & 0xf) as usize
}

/// Steps through a unit's name. States: 0 at the start, 1 in the stem, else those of [`AFTER_DOT`].
fn unit_step(state: u32, byte: u8) -> Option<u32> {
    if !(byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)) || (state == 0 && byte == b'.') {
        return None;
    }
    if byte == b'.' {
        return Some(AFTER_DOT | (((1 << UNIT_KINDS.len()) - 1) << LETTERS));
    }
    let left = kinds(state).filter(|(_, kind)| kind.as_bytes().get(letters(state)) == Some(&byte));
    Some(match left.fold(0, |left, (place, _)| left | (1 << place)) {
        0 => 1,
        left => AFTER_DOT | (left << LETTERS) | ((state & 0xf) + 1),
    })
}

fn unit_ends(state: u32) -> bool {
    kinds(state).any(|(_, kind)| kind.len() == letters(state))
}

/// The full name of a unit.
pub static UNIT: TextForm = TextForm {
    doc: "the full name of a unit, with its type: `nginx.service`",
    has: is_unit,
    meant: unit_meant,
    machine: machine!(unit_step, unit_ends),
};

/// The unit that a process belongs to, if any.
pub static OWN_UNIT: TextForm = TextForm {
    doc: "the full name of a unit, with its type, `nginx.service`, or empty",
    has: |text| text.is_empty() || is_unit(text),
    meant: unit_meant,
    machine: machine!(unit_step, |state| state == 0 || unit_ends(state)),
};

fn is_user(text: &str) -> bool {
    !text.is_empty() && !text.contains([':', '/', '\0', '\n']) && !text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Steps through a user's name. States: 0 at the start, 1 after digits alone, 2 elsewhere.
fn user_step(state: u32, byte: u8) -> Option<u32> {
    match byte {
        b':' | b'/' | 0 | b'\n' => None,
        _ if byte.is_ascii_digit() && state < 2 => Some(1),
        _ => Some(2),
    }
}

/// The name of a user.
pub static USER: TextForm = TextForm {
    doc: "the name of a user, not the number",
    has: is_user,
    meant: |text| (text == "0").then(|| "root".to_owned()),
    machine: machine!(user_step, |state| state == 2),
};

/// The user as whom a program is started, or nothing for that of Rex.
pub static RUN_USER: TextForm = TextForm {
    doc: "the name of a user, not the number, or empty",
    has: |text| text.is_empty() || is_user(text),
    meant: |text| (text == "0").then(|| "root".to_owned()),
    machine: machine!(user_step, |state| state == 0 || state == 2),
};

/// A tag of a run. States: 0 at the start, 1 in the key, 2 after the `=`.
pub static TAG: TextForm = TextForm {
    doc: "a tag of the form `key=value`",
    has: |text| text.split_once('=').is_some_and(|(key, _)| !key.is_empty()),
    meant: |text| text.split_once(':').map(|(key, value)| format!("{}={}", key.trim(), value.trim())),
    machine: machine!(
        |state, byte| match (state, byte) {
            (0, b'=') => None,
            (1 | 2, b'=') | (2, _) => Some(2),
            _ => Some(1),
        },
        |state| state == 2
    ),
};

/// Maximum length of a name that the kernel keeps, in bytes (`TASK_COMM_LEN` less the final NUL).
const KEPT: usize = 15;

/// The name of a process. States: the number of bytes, and above it whether one of them is a slash: names of the kernel's own threads
/// have one, and may be longer.
pub static COMMAND: TextForm = TextForm {
    doc: "the name of a process, of which the kernel keeps 15 bytes",
    // Names of the kernel's threads may be longer.
    has: |text| {
        let kernel = ["pool_workqueue_", "rcu_"].iter().any(|start| text.starts_with(start));
        text.len() <= KEPT || kernel || text.bytes().take(KEPT).any(|byte| byte == b'/')
    },
    meant: |text| (0..=KEPT).rev().find_map(|length| text.get(..length)).map(str::to_owned),
    machine: machine!(
        |state, byte| {
            let count = ((state & 0xff) + 1).min(16);
            let slash = state & 0x100 != 0 || (byte == b'/' && count < 16);
            Some(count | if slash { 0x100 } else { 0 })
        },
        |state| state & 0xff < 16 || state & 0x100 != 0
    ),
};

/// Returns whether policies see a text of words like this one. A text with an escaped quote always passes.
fn is_command_line(text: &str) -> bool {
    if text.contains(r"\'") {
        return true;
    }
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match (c, words.last_mut()) {
            ('\'', _) => quoted = !quoted,
            (' ', _) if !quoted => words.push(String::new()),
            (_, Some(word)) => word.push(c),
            (_, None) => {}
        }
    }
    text.is_empty() || WordList::new(words).as_str() == text
}

/// Steps through a command line. States: 0 at the start, 1 in a plain word, 2 in quotes, 3 after them, 4 after a backslash, 5 after an
/// escaped quote, 6 after a blank.
fn command_line_step(state: u32, byte: u8) -> Option<u32> {
    let plain = byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(&byte);
    match (state, byte) {
        (0 | 5 | 6, b'\'') => Some(2),
        (0 | 1 | 6, _) if plain => Some(1),
        (1 | 3, b' ') => Some(6),
        (2, b'\'') => Some(3),
        (2, _) => (byte != 0).then_some(2),
        (3, b'\\') => Some(4),
        (4, b'\'') => Some(5),
        _ => None,
    }
}

/// Words, quoted as a shell would need it.
pub static COMMAND_LINE: TextForm = TextForm {
    doc: "words with one blank between, each in single quotes if a shell would need it: `-name '*.log'`",
    has: is_command_line,
    meant: |text| {
        let bare = |word: &str| word.trim_matches(['"', '\'']).to_owned();
        Some(WordList::new(text.split_whitespace().map(bare).collect()).as_str().to_owned())
    },
    machine: machine!(command_line_step, |state| matches!(state, 0 | 1 | 3)),
};

/// Number of bits for the state of a command line. Above them: 0 at the start of a word, 1 in the name, 2 after the `=`.
const VARIABLE_BITS: u32 = 4;

fn environment_step(state: u32, byte: u8) -> Option<u32> {
    let (from, read) = (state & ((1 << VARIABLE_BITS) - 1), state >> VARIABLE_BITS);
    let to = command_line_step(from, byte)?;
    let is_letter = matches!((from, to), (_, 1) | (2, 2) | (_, 5));
    let read = match (byte, read) {
        (b' ', read) if to == 6 => (read == 2).then_some(0)?,
        (b'=', 0) if is_letter => return None,
        (b'=', 1) if is_letter => 2,
        (_, 0) if is_letter => 1,
        _ => read,
    };
    Some(to | (read << VARIABLE_BITS))
}

/// The variables with which a program is started.
pub static ENVIRONMENT: TextForm = TextForm {
    doc: "`NAME=value` with one blank between, each in single quotes if a shell would need it",
    has: |text| {
        let is_variable = |word: &String| word.split_once('=').is_some_and(|(name, _)| !name.is_empty());
        WordList::parse(text).is_some_and(|words| words.as_slice().iter().all(is_variable))
    },
    meant: |text| {
        Some(text.trim_matches(['$', '{', '}'])).filter(|text| text.contains('=')).and_then(COMMAND_LINE.meant)
    },
    machine: machine!(environment_step, |state| state == 0 || [1, 3].contains(&(state ^ (2 << VARIABLE_BITS)))),
};

/// Steps through a parameter's name. States: 0 at the start, 1 in the first part, 2 after a dot, 3 in a later part.
fn parameter_step(state: u32, byte: u8) -> Option<u32> {
    match byte {
        b'.' => (state & 1 == 1).then_some(2),
        // If the first separator is a slash, dots and slashes change places.
        b'/' => (state >= 2).then_some(3),
        _ => (byte.is_ascii_alphanumeric() || b"_-:@".contains(&byte)).then_some(state | 1),
    }
}

/// A parameter of the kernel. A name without a dot is a directory of parameters.
pub static PARAMETER: TextForm = TextForm {
    doc: "the name of a parameter, its parts separated by dots: `net.ipv4.ip_forward`",
    has: |text| text.contains('.') && KernelParameter::parse(text).is_ok_and(|parameter| parameter.name() == text),
    meant: |text| {
        KernelParameter::parse(text.trim_matches(['.', '/'])).ok().map(|parameter| parameter.name().to_owned())
    },
    machine: machine!(parameter_step, |state| state == 3),
};

/// A variable of the environment. States: 0 at the start, 1 elsewhere.
pub static VARIABLE: TextForm = TextForm {
    doc: "the name of a variable: letters, digits and `_`",
    has: |text| EnvVariable::parse(text).is_ok(),
    meant: |text| Some(text.trim_matches(['$', '{', '}']).split('=').next()?.to_owned()),
    machine: machine!(
        |state, byte| {
            (byte.is_ascii_alphabetic() || byte == b'_' || (state == 1 && byte.is_ascii_digit())).then_some(1)
        },
        |state| state == 1
    ),
};

/// Steps through an attribute's name. States: 0 at the start, 1 in the namespace, 2 after its dot, 3 in the name.
fn xattr_step(state: u32, byte: u8) -> Option<u32> {
    match (state, byte) {
        (_, 0) | (0, b'.') => None,
        (0, _) => Some(1),
        (1, b'.') => Some(2),
        (1, _) => Some(1),
        _ => Some(3),
    }
}

fn is_xattr(text: &str) -> bool {
    text.split_once('.').is_some_and(|(space, name)| !space.is_empty() && !name.is_empty()) && !text.contains('\0')
}

/// The name of an extended attribute.
pub static XATTR: TextForm = TextForm {
    doc: "the name of an extended attribute with its namespace: `user.origin`",
    has: is_xattr,
    meant: |text| Some(format!("user.{text}")),
    machine: machine!(xattr_step, |state| state == 3),
};

/// The name of an extended attribute, or nothing for the names of all.
pub static XATTR_OR_ALL: TextForm = TextForm {
    doc: "the name of an extended attribute with its namespace, `user.origin`, or empty",
    has: |text| text.is_empty() || is_xattr(text),
    meant: |text| Some(format!("user.{text}")),
    machine: machine!(xattr_step, |state| state == 0 || state == 3),
};
