//! The inputs that the user names: scripts, policies, values.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use rex_core::{Principal, Value};
use rex_policy::{Policy, PolicyLimits, RejectedPolicy, SourceText, Vocabulary};

use crate::args::PolicyArgs;
use crate::exit::Stop;

/// Maximum size of an input, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The byte order mark, as UTF-8.
const MARK: char = '\u{feff}';

/// Reads a script. Its name is for messages.
pub(crate) fn script(path: Option<&Path>, code: Option<&str>) -> Result<SourceText, Stop> {
    script_in(None, path, code)
}

/// Reads a script from a folder, if that is known; else from its path.
pub(crate) fn script_in(folder: Option<&Path>, path: Option<&Path>, code: Option<&str>) -> Result<SourceText, Stop> {
    match (code, path) {
        (Some(code), _) => Ok(SourceText { name: "-e".to_owned(), text: code.to_owned() }),
        (None, Some(path)) if path == Path::new("-") => {
            let text = utf8("standard input", std::io::stdin().lock())?;
            Ok(SourceText { name: "standard input".to_owned(), text })
        }
        // The byte order mark stays: the hash of a script is that of its whole file.
        (None, Some(path)) => {
            let there = folder.and_then(|folder| Some(folder.join(path.file_name()?)));
            read_as(&path.display().to_string(), there.as_deref().unwrap_or(path))
        }
        (None, None) => Err(Stop::usage("no script was given")),
    }
}

/// Parses a principal of a type that policies know.
pub(crate) fn principal(text: &str) -> Result<Principal, Stop> {
    let principal = Principal::typed(text).map_err(|error| Stop::usage(error.to_string()).with_help(error.help()))?;
    match principal.kind() {
        "Agent" | "User" => Ok(principal),
        kind => Err(Stop::usage(format!("`{kind}` is not a type of principal; expected `Agent` or `User`"))),
    }
}

/// Reads a text file, without the byte order mark that some editors add.
pub(crate) fn file(path: &Path) -> Result<SourceText, Stop> {
    let SourceText { name, text } = read(path)?;
    Ok(SourceText { name, text: text.strip_prefix(MARK).map(str::to_owned).unwrap_or(text) })
}

fn read(path: &Path) -> Result<SourceText, Stop> {
    read_as(&path.display().to_string(), path)
}

fn read_as(name: &str, path: &Path) -> Result<SourceText, Stop> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(name, &error))?;
    Ok(SourceText { text: utf8(name, file)?, name: name.to_owned() })
}

pub(crate) fn utf8(name: &str, reader: impl Read) -> Result<String, Stop> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Stop::usage(format!("`{name}` is larger than {MAX_BYTES} bytes")));
    }
    let wide = match *bytes.as_slice() {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        _ => None,
    };
    if let Some(wide) = wide {
        return Err(Stop::usage(format!("`{name}` is {wide}; expected UTF-8"))
            .with_help(format!("save it as UTF-8, or convert it: `iconv -f {wide} -t UTF-8`")));
    }
    String::from_utf8(bytes).map_err(|error| {
        Stop::usage(format!("`{name}` is not UTF-8: the first bad byte is at {}", error.utf8_error().valid_up_to()))
    })
}

fn unreadable(name: &str, error: &std::io::Error) -> Stop {
    Stop::usage(format!("`{name}` cannot be read: {error}"))
}

/// The sources of a policy.
#[derive(Debug)]
pub(crate) struct PolicySources {
    pub(crate) sources: Vec<SourceText>,
    pub(crate) entities: Option<SourceText>,
}

impl PolicySources {
    /// Reads policies of other files, with the same entities.
    pub(crate) fn beside(&self, named: &[PathBuf]) -> Result<Self, Stop> {
        Ok(Self { sources: sources(named)?, entities: self.entities.clone() })
    }

    pub(crate) fn compile(&self) -> Result<Policy, RejectedPolicy> {
        Policy::compile(&Vocabulary::rex(), &self.sources, self.entities.as_ref(), &PolicyLimits::default())
    }

    /// Compiles properties: each statement has an annotation `@prove`.
    #[cfg(feature = "prove")]
    pub(crate) fn properties(&self) -> Result<Policy, RejectedPolicy> {
        Policy::properties(&Vocabulary::rex(), &self.sources, self.entities.as_ref(), &PolicyLimits::default())
    }

    /// Compiles policies or properties, for a command that decides nothing by them.
    pub(crate) fn either(&self) -> Result<Policy, RejectedPolicy> {
        Policy::compile_either(&Vocabulary::rex(), &self.sources, self.entities.as_ref(), &PolicyLimits::default())
    }
}

/// Compiles the policy of all these files.
pub(crate) fn policy(args: &PolicyArgs) -> Result<Result<Policy, RejectedPolicy>, Stop> {
    policies(args).map(|policies| policies.compile())
}

/// Compiles the policies or properties of all these files, for a command that decides nothing by them.
pub(crate) fn either(args: &PolicyArgs) -> Result<Result<Policy, RejectedPolicy>, Stop> {
    policies(args).map(|policies| policies.either())
}

/// Lists these files, and those in these folders.
pub(crate) fn policy_files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let mut paths = Vec::new();
    for path in named {
        let before = paths.len();
        collect(path, ".cedar", &mut paths)?;
        if paths.len() == before {
            return Err(Stop::usage(format!("no `*.cedar` files in `{}`", path.display())));
        }
    }
    Ok(paths)
}

fn sources(named: &[PathBuf]) -> Result<Vec<SourceText>, Stop> {
    policy_files(named)?.iter().map(|path| file(path)).collect()
}

/// Reads all these files; those of a folder in the order of their names.
pub(crate) fn policies(args: &PolicyArgs) -> Result<PolicySources, Stop> {
    let sources = sources(&args.policies)?;
    let entities = args.entities.as_deref().map(file).transpose()?;
    Ok(PolicySources { sources, entities })
}

/// Lists the files below a folder whose names end with `end`.
pub(crate) fn files_like(dir: &Path, end: &str) -> Result<Vec<PathBuf>, Stop> {
    let mut paths = Vec::new();
    if !dir.is_dir() {
        return Err(Stop::usage(format!("`{}` is not a folder", dir.display())));
    }
    collect(dir, end, &mut paths)?;
    Ok(paths)
}

fn collect(path: &Path, end: &str, paths: &mut Vec<PathBuf>) -> Result<(), Stop> {
    if !path.is_dir() {
        paths.push(path.to_owned());
        return Ok(());
    }
    let name = path.display().to_string();
    let unreadable = |error| unreadable(&name, &error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort();
    for entry in entries {
        // Names that start with a dot belong to tools, such as the copies that a deployment switches between.
        if entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        if entry.is_dir() {
            // Folders could form a cycle, and leaving one out could leave out a `forbid`.
            if entry.is_symlink() {
                return Err(Stop::usage(format!(
                    "`{}` is a link to a folder; Rex does not follow it",
                    entry.display()
                ))
                .with_help("pass the folder itself with another `--policy`"));
            }
            collect(&entry, end, paths)?;
        } else if entry.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(end.as_bytes())) {
            paths.push(entry);
        }
    }
    Ok(())
}

/// Parses a JSON object.
pub(crate) fn object(name: &str, text: &str) -> Result<BTreeMap<String, Value>, Stop> {
    let json = serde_json::from_str(text).map_err(|error| Stop::usage(format!("`{name}` is not JSON: {error}")))?;
    let serde_json::Value::Object(entries) = json else {
        return Err(Stop::usage(format!("`{name}` is not a JSON object")));
    };
    Ok(entries.into_iter().map(|(key, value)| (key, from_json(value))).collect())
}

/// Converts a JSON value to a value of Rex.
pub(crate) fn from_json(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
        }
        Json::String(text) => Value::Text(text),
        Json::Array(values) => Value::List(values.into_iter().map(from_json).collect()),
        Json::Object(entries) => Value::Map(entries.into_iter().map(|(key, value)| (key, from_json(value))).collect()),
    }
}
