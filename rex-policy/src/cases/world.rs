//! The world in which the script of a case runs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rex_core::net::{RemoteHost, Url};
use rex_core::process::{Process, ProcessIdentity};
use rex_core::request::check_attributes;
use rex_core::resource::Unit;
use rex_core::{AbsPath, Value};

use super::fields::NodeFields;
use crate::finding::Finding;

/// The states that a unit can be in.
const STATES: [&str; 3] = ["active", "inactive", "failed"];

/// The world of a script. Only what is named here exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaseWorld {
    /// Files by path, with their contents.
    pub files: BTreeMap<String, String>,
    /// Units by full name, with their states: `active`, `inactive` or `failed`.
    pub units: BTreeMap<String, String>,
    /// Processes by number, each with its identity and command line.
    pub processes: BTreeMap<u32, (ProcessIdentity, Vec<String>)>,
    /// Programs by path, with the result of running them.
    pub programs: BTreeMap<String, ProgramEnding>,
    /// Hosts by name, with their addresses.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Responses of servers, by URL.
    pub pages: BTreeMap<String, ServerPage>,
}

/// The result of a program, whatever its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProgramEnding {
    /// The exit status.
    pub status: i32,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

/// The response of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPage {
    /// The HTTP status: 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

type WorldResult<T> = Result<T, Box<Finding>>;
type WorldEntries = BTreeMap<String, Value>;

impl CaseWorld {
    /// Returns whether the world is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(fields: &NodeFields<'_>) -> WorldResult<Self> {
        let mut world = Self { files: files(fields)?, ..Self::default() };
        for (name, state) in fields.optional_map("units")? {
            let unit = Unit::parse(&name).map_err(|error| wrong(fields, "units", error.to_string(), ""))?;
            let state = text(&state).filter(|state| STATES.contains(&&**state)).ok_or_else(|| {
                let message = format!("`{state}` is not the state of `{}`", name.escape_debug());
                wrong(fields, "units", message, "`active`, `inactive` and `failed` are states")
            })?;
            world.units.insert(unit.name().to_owned(), state);
        }
        for (number, told) in fields.optional_map("processes")? {
            let pid = number.parse::<u32>().ok().filter(|pid| *pid > 0).ok_or_else(|| {
                let message = format!("`{}` is not the number of a process", number.escape_debug());
                wrong(
                    fields,
                    "processes",
                    message,
                    "processes are named by their numbers: `4242: { exe: /usr/sbin/nginx }`",
                )
            })?;
            let (identity, arguments) = process(fields, &number, &told)?;
            check_attributes(&Process::new(pid, identity.clone())).map_err(|error| {
                wrong(fields, "processes", error.message, error.help.as_deref().unwrap_or_default())
            })?;
            world.processes.insert(pid, (identity, arguments));
        }
        for (path, told) in fields.optional_map("programs")? {
            if AbsPath::parse(&path).map_or(true, |known| known.as_str() != path) {
                let message = format!("`{}` is not the path of a program", path.escape_debug());
                return Err(wrong(fields, "programs", message, "paths are absolute, without `.` and `..`"));
            }
            let above = |file: &String| path.strip_prefix(&**file).is_some_and(|rest| rest.starts_with('/'));
            if let Some(file) = world.files.keys().find(|file| above(file) || **file == path) {
                let message = format!("`{}` is a file, and no program can be there", file.escape_debug());
                return Err(wrong(fields, "programs", message, "leave it out of `files`"));
            }
            let ending = ending(fields, &path, &told)?;
            world.programs.insert(path, ending);
        }
        for (name, told) in fields.optional_map("hosts")? {
            if name.contains("://") {
                Url::parse(&name).map_err(|error| wrong(fields, "hosts", error.to_string(), ""))?;
                let page = page(fields, &name, &told)?;
                world.pages.insert(name, page);
            } else {
                RemoteHost::parse(&name).map_err(|error| wrong(fields, "hosts", error.to_string(), ""))?;
                let addresses = addresses(fields, &name, &told)?;
                world.hosts.insert(name, addresses);
            }
        }
        Ok(world)
    }
}

fn wrong(fields: &NodeFields<'_>, field: &str, message: String, help: &str) -> Box<Finding> {
    fields.wrong(fields.place(field), message, help)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn files(fields: &NodeFields<'_>) -> WorldResult<BTreeMap<String, String>> {
    let files = fields.optional_map("files")?.into_iter().map(|(path, contents)| match contents {
        Value::Text(contents) => Ok((path, contents)),
        other => Err(format!("`{}` expects text, got {}", path.escape_debug(), other.kind())),
    });
    let files = files.collect::<Result<BTreeMap<_, _>, _>>();
    let files = files.map_err(|message| wrong(fields, "files", message, "put the text in quotes"))?;
    if let Some(path) = files.keys().find(|path| AbsPath::parse(path).map_or(true, |known| known.as_str() != **path)) {
        let message = format!("`{}` is not the path of a file", path.escape_debug());
        return Err(wrong(fields, "files", message, "paths are absolute, without `.` and `..`"));
    }
    // A directory of another path cannot be a file.
    let holds = |path: &&String| {
        files.keys().any(|other| other.strip_prefix(&***path).is_some_and(|rest| rest.starts_with('/')))
    };
    if let Some(path) = files.keys().find(holds) {
        let message = format!("`{}` is a file, and cannot hold another", path.escape_debug());
        return Err(wrong(fields, "files", message, "what is not named as a file may be a directory"));
    }
    Ok(files)
}

/// Returns the entries of a map, which must all be known.
fn entries<'v>(
    fields: &NodeFields<'_>,
    field: &str,
    name: &str,
    value: &'v Value,
    known: &[&str],
) -> WorldResult<&'v WorldEntries> {
    let list = || known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let Value::Map(entries) = value else {
        let message = format!("`{}` of `{field}` is a map, not {}", name.escape_debug(), value.kind());
        return Err(wrong(fields, field, message, &format!("it has {}", list())));
    };
    match entries.keys().find(|key| !known.contains(&&***key)) {
        Some(other) => {
            let message = format!("`{}` of `{field}` has no `{}`", name.escape_debug(), other.escape_debug());
            Err(wrong(fields, field, message, &format!("it has {}", list())))
        }
        None => Ok(entries),
    }
}

/// Returns the text of an entry; empty if the entry is missing.
fn entry(fields: &NodeFields<'_>, field: &str, entries: &WorldEntries, key: &str) -> WorldResult<String> {
    match entries.get(key) {
        None => Ok(String::new()),
        Some(Value::Text(text)) => Ok(text.clone()),
        Some(other) => Err(wrong(fields, field, format!("`{key}` is text, not {}", other.kind()), "put it in quotes")),
    }
}

fn process(fields: &NodeFields<'_>, number: &str, told: &Value) -> WorldResult<(ProcessIdentity, Vec<String>)> {
    let entries = entries(fields, "processes", number, told, &["name", "exe", "user", "unit", "arguments"])?;
    let text = |key: &str| entry(fields, "processes", entries, key);
    let (exe, mut name) = (text("exe")?, text("name")?);
    if name.is_empty() {
        // Cut as in the kernel.
        let last = exe.rsplit('/').next().unwrap_or_default();
        name = last.chars().take(15).collect();
    }
    let user = if entries.contains_key("user") { text("user")? } else { "root".to_owned() };
    let arguments = match entries.get("arguments") {
        None => Vec::new(),
        Some(Value::List(words)) if words.iter().all(|word| matches!(word, Value::Text(_))) => {
            words.iter().filter_map(self::text).collect()
        }
        Some(_) => {
            return Err(wrong(fields, "processes", "`arguments` is a list of texts".to_owned(), "put each in quotes"));
        }
    };
    let (exe, user, unit) = (Some(exe), Some(user), Some(text("unit")?));
    Ok((ProcessIdentity { name, exe, user, unit, started: 100 }, arguments))
}

fn ending(fields: &NodeFields<'_>, path: &str, told: &Value) -> WorldResult<ProgramEnding> {
    if let Value::Text(stdout) = told {
        return Ok(ProgramEnding { stdout: stdout.clone(), ..ProgramEnding::default() });
    }
    let entries = entries(fields, "programs", path, told, &["status", "stdout", "stderr"])?;
    let status = match entries.get("status") {
        None => Some(0),
        Some(Value::Int(status)) => i32::try_from(*status).ok().filter(|status| (0..=255).contains(status)),
        Some(_) => None,
    };
    let status = status.ok_or_else(|| {
        let message = format!("`status` of `{}` is a number from 0 to 255", path.escape_debug());
        wrong(fields, "programs", message, "0 is success")
    })?;
    let text = |key: &str| entry(fields, "programs", entries, key);
    Ok(ProgramEnding { status, stdout: text("stdout")?, stderr: text("stderr")? })
}

fn page(fields: &NodeFields<'_>, url: &str, told: &Value) -> WorldResult<ServerPage> {
    if let Value::Text(body) = told {
        return Ok(ServerPage { status: 200, body: body.clone() });
    }
    let entries = entries(fields, "hosts", url, told, &["status", "body"])?;
    let status = match entries.get("status") {
        None => Some(200),
        Some(Value::Int(status)) => u16::try_from(*status).ok().filter(|status| (100..=599).contains(status)),
        Some(_) => None,
    };
    let status = status.ok_or_else(|| {
        let message = format!("`status` of `{}` is a number from 100 to 599", url.escape_debug());
        wrong(fields, "hosts", message, "200 is success")
    })?;
    Ok(ServerPage { status, body: entry(fields, "hosts", entries, "body")? })
}

fn addresses(fields: &NodeFields<'_>, name: &str, told: &Value) -> WorldResult<Vec<IpAddr>> {
    let all = match told {
        Value::List(all) => all.iter().collect(),
        one => vec![one],
    };
    let parsed = all.into_iter().map(|one| text(one)?.parse().ok()).collect::<Option<Vec<IpAddr>>>();
    parsed.filter(|all| !all.is_empty()).ok_or_else(|| {
        let message = format!("`{}` of `hosts` has an address, or a list of them", name.escape_debug());
        wrong(fields, "hosts", message, "write it in quotes: `\"192.0.2.10\"`; a URL has what its server answers")
    })
}
