//! The inputs of a run, read from the command line.

use std::collections::BTreeMap;
use std::path::Path;

use rex_core::{AbsPath, Limits, Principal, Value};
use rex_policy::SourceText;
use rex_sdk::host::BusAddress;
use rex_sdk::host::confine::ConfinementMode;

use crate::args::Confine;
use crate::exit::Stop;
use crate::load;

impl From<Confine> for ConfinementMode {
    fn from(confine: Confine) -> Self {
        match confine {
            Confine::Require => Self::Require,
            Confine::Available => Self::Available,
            Confine::Off => Self::Off,
        }
    }
}

/// Reads the arguments of a script: those of a JSON object, overridden by those of the command line.
pub(super) fn arguments(object: Option<&Path>, given: &[(String, String)]) -> Result<BTreeMap<String, Value>, Stop> {
    let mut args = BTreeMap::new();
    if let Some(path) = object {
        let source = match path.to_str().filter(|text| text.trim_start().starts_with('{')) {
            Some(text) => SourceText { name: "--args".to_owned(), text: text.to_owned() },
            None => load::file(path)?,
        };
        args = load::object(&source.name, &source.text)?;
    }
    for (key, text) in given {
        let (key, value) = match key.strip_suffix(':') {
            Some(key) => (key, json(&format!("--arg {key}:={text}"), text)?),
            None => (key.as_str(), Value::Text(text.clone())),
        };
        args.insert(key.to_owned(), value);
    }
    Ok(args)
}

/// Parses an argument in JSON.
fn json(name: &str, text: &str) -> Result<Value, Stop> {
    serde_json::from_str(text).map(load::from_json).map_err(|error| {
        Stop::usage(format!("`{name}` is not JSON: {error}"))
            .with_help("JSON is `80`, `true`, `\"text\"`, `[1, 2]` or `{\"a\": 1}`; `key=text` takes plain text")
    })
}

pub(super) fn principal(given: Option<&str>) -> Result<Principal, Stop> {
    if let Some(text) = given {
        return load::principal(text);
    }
    // A number instead of a name would be another principal, with other policies.
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    let user = user.filter(|name| !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER));
    let unknown = || Stop::usage(format!("user {uid} has no name on this host"));
    user.map(|name| Principal::user(&name)).ok_or_else(|| {
        unknown().with_help("name the principal with `--principal`, such as `--principal 'Agent::\"triage\"'`")
    })
}

pub(super) fn base(given: Option<&Path>) -> Result<AbsPath, Stop> {
    let current = std::env::current_dir()
        .map_err(|error| Stop::usage(format!("the current directory cannot be determined: {error}")))?;
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| Stop::usage(format!("`{}` is not UTF-8", path.display())))
    };
    let bad = |error: rex_core::PathError| Stop::usage(error.to_string());
    let current = AbsPath::parse(&text(&current)?).map_err(bad)?;
    given.map_or(Ok(current.clone()), |path| current.resolve(&text(path)?).map_err(bad))
}

pub(super) fn limits(given: &[(String, String)], timeout: Option<&str>) -> Result<Limits, Stop> {
    let mut limits = Limits::default();
    let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in given.chain(timeout.map(|time| ("wall", time))) {
        limits.parse(name, value).map_err(|error| {
            let stop = Stop::usage(error.message);
            error.help.into_iter().fold(stop, Stop::with_help)
        })?;
    }
    Ok(limits)
}

pub(super) fn bus(given: Option<&str>) -> Result<BusAddress, Stop> {
    match given.unwrap_or("system") {
        "system" => Ok(BusAddress::System),
        "user" => match std::env::var("DBUS_SESSION_BUS_ADDRESS") {
            Ok(address) if !address.is_empty() => Ok(BusAddress::Address(address)),
            _ => {
                let dir = std::env::var("XDG_RUNTIME_DIR").map_err(|_| {
                    Stop::usage("no user bus: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
                })?;
                Ok(BusAddress::Address(format!("unix:path={dir}/bus")))
            }
        },
        address if address.contains(':') => Ok(BusAddress::Address(address.to_owned())),
        other => Err(Stop::usage(format!("`{other}` is not a bus; expected `system`, `user` or an address"))),
    }
}
