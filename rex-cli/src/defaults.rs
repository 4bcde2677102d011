//! Defaults of the command line: environment variables, and `rex.toml`.
//!
//! A script cannot choose its own policy: a `rex.toml` that others could write, or replace, is refused.

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::{Command, PolicyArgs, PolicyCommand};
use crate::exit::Stop;
use crate::load::utf8;

/// The name of the file.
pub(crate) const FILE: &str = "rex.toml";
/// The file of the host, for scripts that have no nearer one.
const HOST_FILE: &str = "/etc/rex/rex.toml";
/// Maximum size of a `rex.toml`.
const MAX_BYTES: u64 = 1 << 20;

/// The settings of a `rex.toml`. Relative paths are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    policy: Option<OneOrMore>,
    entities: Option<PathBuf>,
    principal: Option<String>,
    journal: Option<PathBuf>,
    bus: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a path, or a list of paths")]
enum OneOrMore {
    One(PathBuf),
    More(Vec<PathBuf>),
}

/// The source of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An environment variable.
    Variable(&'static str),
    /// A `rex.toml`.
    File(PathBuf),
}

/// A setting with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// The settings of a command, each from the first source that has it: the command line, the environment, the nearest `rex.toml`.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) policy: Option<Setting<Vec<PathBuf>>>,
    pub(crate) entities: Option<Setting<PathBuf>>,
    pub(crate) principal: Option<Setting<String>>,
    pub(crate) journal: Option<Setting<PathBuf>>,
    pub(crate) bus: Option<Setting<String>>,
    /// The `rex.toml` that was read.
    pub(crate) file: Option<PathBuf>,
}

impl Settings {
    /// Reads the environment and the nearest `rex.toml`, which is searched from this folder upward; no file without a folder.
    pub(crate) fn read(folder: Option<&Path>) -> Result<Self, Stop> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let mut settings = Self {
            policy: from_env("REX_POLICY", variable, |value| Ok(std::env::split_paths(&value).collect()))?,
            entities: from_env("REX_ENTITIES", variable, |value| Ok(value.into()))?,
            principal: from_env("REX_PRINCIPAL", variable, OsString::into_string)?,
            journal: from_env("REX_JOURNAL", variable, |value| Ok(value.into()))?,
            bus: from_env("REX_BUS", variable, OsString::into_string)?,
            file: None,
        };
        if let Some(path) = folder.map(nearest).transpose()?.flatten() {
            settings.add(parse(&path)?, path);
            settings.trust()?;
        }
        Ok(settings)
    }

    /// Refuses policies and entities of a file that others could write.
    fn trust(&self) -> Result<(), Stop> {
        let policies = self.policy.iter().flat_map(|setting| setting.value.iter().map(|path| (path, &setting.origin)));
        let entities = self.entities.iter().map(|setting| (&setting.value, &setting.origin));
        for (path, origin) in policies.chain(entities) {
            if let Origin::File(config) = origin {
                trusted(path, &config.display().to_string())?;
            }
        }
        Ok(())
    }

    /// Adds what no source before has. The entities of a file belong to its policy, and are not added to another one.
    fn add(&mut self, file: ConfigFile, path: PathBuf) {
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let origin = Origin::File(path.clone());
        let has_policy = self.policy.is_some();
        let policies = file.policy.map(|policy| match policy {
            OneOrMore::One(path) => vec![path],
            OneOrMore::More(paths) => paths,
        });
        let policies = policies.map(|paths| paths.iter().map(|path| folder.join(path)).collect());
        let entities = file.entities.filter(|_| !has_policy).map(|path| folder.join(path));
        or(&mut self.policy, policies, &origin);
        or(&mut self.entities, entities, &origin);
        or(&mut self.principal, file.principal, &origin);
        or(&mut self.journal, file.journal.map(|path| folder.join(path)), &origin);
        or(&mut self.bus, file.bus, &origin);
        self.file = Some(path);
    }
}

fn or<T>(setting: &mut Option<Setting<T>>, value: Option<T>, origin: &Origin) {
    if setting.is_none() {
        *setting = value.map(|value| Setting { value, origin: origin.clone() });
    }
}

fn from_env<T>(
    name: &'static str,
    variable: impl Fn(&'static str) -> Option<OsString>,
    read: impl Fn(OsString) -> Result<T, OsString>,
) -> Result<Option<Setting<T>>, Stop> {
    let Some(value) = variable(name) else { return Ok(None) };
    let value = read(value).map_err(|_| Stop::usage(format!("the environment variable {name} is not UTF-8")))?;
    Ok(Some(Setting { value, origin: Origin::Variable(name) }))
}

/// Returns the nearest `rex.toml`, or that of the host. `folder` is canonical.
fn nearest(folder: &Path) -> Result<Option<PathBuf>, Stop> {
    let unreadable = |path: &Path, error| Stop::usage(format!("`{}` cannot be read: {error}", path.display()));
    for folder in folder.ancestors() {
        let path = folder.join(FILE);
        match std::fs::symlink_metadata(&path) {
            Ok(_) => return Ok(Some(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, error)),
        }
    }
    Ok(Some(PathBuf::from(HOST_FILE)).filter(|path| path.exists()))
}

/// Returns the folder of a script, with all links resolved; the current one without a script.
pub(crate) fn folder_of(script: Option<&Path>) -> Result<Option<PathBuf>, Stop> {
    let folder = match script.map(|script| script.parent().unwrap_or(script)) {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match std::fs::canonicalize(folder) {
        Ok(folder) => Ok(Some(folder)),
        // The script is not there either, which is reported later.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Stop::usage(format!("`{}` cannot be read: {error}", folder.display()))),
    }
}

/// Refuses a path with a link of another user, who could make it lead to a folder with another policy.
fn own_links(script: &Path) -> Result<(), Stop> {
    for path in script.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        let link = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_symlink);
        if let Some(about) = link.filter(|about| !is_own(about)) {
            let message =
                format!("`{}` is a link of the user {}, who chooses where it leads", path.display(), about.uid());
            return Err(Stop::usage(message).with_help("name the script by its own path, without that link"));
        }
    }
    Ok(())
}

/// Reads a `rex.toml`, unless others than its user and root could have written it.
fn parse(path: &Path) -> Result<ConfigFile, Stop> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| Stop::usage(format!("`{name}` cannot be read: {error}"));
    let about = std::fs::symlink_metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        return Err(Stop::usage(format!("`{name}` is not a regular file")).with_help("a link is not followed"));
    }
    trusted(path, &name)?;
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let text = utf8(&name, file.take(MAX_BYTES + 1))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Stop::usage(format!("`{name}` is larger than {MAX_BYTES} bytes")));
    }
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        Stop::usage(format!("`{name}`, line {line}: {}", error.message().trim_end()))
            .with_help("it may set `policy`, `entities`, `principal`, `journal` and `bus`")
    })
}

/// Refuses a file, or a folder with all in it, that somebody other than this user and root could write or replace.
///
/// `config` is the `rex.toml` that is or names it.
fn trusted(path: &Path, config: &str) -> Result<(), Stop> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        Stop::usage(format!("`{}`, which `{config}` names, cannot be read: {error}", path.display()))
    };
    let whole = std::fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
    let mut open = vec![whole.clone()];
    while let Some(path) = open.pop() {
        let about = std::fs::symlink_metadata(&path).map_err(|error| unreadable(&path, &error))?;
        refuse(&path, &about, false, config)?;
        if about.is_symlink() {
            // A link to a folder is refused when the policies are read.
            let target = std::fs::canonicalize(&path).map_err(|error| unreadable(&path, &error))?;
            let about = std::fs::metadata(&target).map_err(|error| unreadable(&target, &error))?;
            refuse(&target, &about, false, config)?;
            trusted_folders(&target, config)?;
        } else if about.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(|error| unreadable(&path, &error))? {
                open.push(entry.map_err(|error| unreadable(&path, &error))?.path());
            }
        }
    }
    trusted_folders(&whole, config)
}

/// Refuses a path whose folders others could write, and so replace what is in them.
pub(crate) fn trusted_folders(path: &Path, config: &str) -> Result<(), Stop> {
    for (distance, folder) in path.ancestors().skip(1).enumerate() {
        let about = std::fs::metadata(folder);
        let about = about.map_err(|error| Stop::usage(format!("`{}` cannot be read: {error}", folder.display())))?;
        // With the sticky bit, nobody can replace the files of others; but anybody can add files, so not in the nearest folder.
        refuse(folder, &about, distance > 0, config)?;
    }
    Ok(())
}

fn is_own(about: &std::fs::Metadata) -> bool {
    about.uid() == 0 || about.uid() == nix::unistd::geteuid().as_raw()
}

fn refuse(path: &Path, about: &std::fs::Metadata, may_be_sticky: bool, config: &str) -> Result<(), Stop> {
    let mode = about.mode();
    let is_writable = mode & 0o022 != 0 && !about.is_symlink() && !(may_be_sticky && mode & 0o1000 != 0);
    let why = if !is_own(about) {
        format!("belongs to the user {}", about.uid())
    } else if is_writable {
        format!("can be written by others (mode {:04o})", mode & 0o7777)
    } else {
        return Ok(());
    };
    let message = format!("`{config}` is refused: `{}` {why}", path.display());
    Err(Stop::usage(message).with_help(
        "who can write `rex.toml`, what it names, or a folder of these can choose the policy: they must belong to you or root, and be \
         writable by nobody else (`chmod go-w`); `--no-config` ignores the file",
    ))
}

/// The options of a command that have defaults.
struct Wanted<'a> {
    script: Option<PathBuf>,
    /// The folder to read the script from: as it was when its `rex.toml` was searched.
    folder: Option<&'a mut Option<PathBuf>>,
    policies: &'a mut Vec<PathBuf>,
    entities: &'a mut Option<PathBuf>,
    principal: Option<&'a mut Option<String>>,
    journal: Option<&'a mut Option<PathBuf>>,
    bus: Option<&'a mut Option<String>>,
}

impl<'a> Wanted<'a> {
    fn policy(policies: &'a mut Vec<PathBuf>, entities: &'a mut Option<PathBuf>) -> Self {
        Self { script: None, folder: None, policies, entities, principal: None, journal: None, bus: None }
    }

    fn of(command: &'a mut Command) -> Option<Self> {
        let run = match command {
            Command::Run(command) => &mut command.run,
            Command::Plan(command) => &mut command.run,
            Command::Policy(PolicyCommand::Ask(args)) | Command::Ask(args) => {
                let PolicyArgs { policies, entities } = &mut args.policy;
                return Some(Self { principal: Some(&mut args.principal), ..Self::policy(policies, entities) });
            }
            Command::Policy(PolicyCommand::Check(args)) | Command::Check(args) => {
                let script = args.script.clone().filter(|path| path != Path::new("-"));
                return Some(Self { script, ..Self::policy(&mut args.policies, &mut args.entities) });
            }
            other => {
                let policy = match other {
                    Command::Policy(PolicyCommand::Risks(args)) => &mut args.policy,
                    Command::Policy(PolicyCommand::Prove(args)) => &mut args.policy,
                    Command::Policy(PolicyCommand::Reach(args)) => &mut args.policy,
                    Command::Replay(args) => &mut args.policy,
                    _ => return None,
                };
                return Some(Self::policy(&mut policy.policies, &mut policy.entities));
            }
        };
        Some(Self {
            script: run.script.clone().filter(|path| path != Path::new("-")),
            folder: Some(&mut run.folder),
            policies: &mut run.policy.policies,
            entities: &mut run.policy.entities,
            principal: Some(&mut run.principal),
            journal: Some(&mut run.journal),
            bus: Some(&mut run.bus),
        })
    }
}

/// Fills in the options that the command line lacks.
pub(crate) fn fill(command: &mut Command, no_config: bool) -> Result<(), Stop> {
    let Some(wanted) = Wanted::of(command) else { return Ok(()) };
    let has_policy = !wanted.policies.is_empty();
    let lacks = !has_policy || lacks(&wanted.principal) || lacks(&wanted.journal) || lacks(&wanted.bus);
    let folder = if no_config || !lacks { None } else { folder_of(wanted.script.as_deref())? };
    if let (Some(option), Some(_)) = (wanted.folder, &wanted.script) {
        option.clone_from(&folder);
    }
    let settings = Settings::read(folder.as_deref())?;
    if let (Some(_), Some(script)) = (&settings.file, &wanted.script) {
        own_links(script)?;
    }
    let belongs = |setting: &Setting<PathBuf>| !has_policy || matches!(setting.origin, Origin::Variable(_));
    or_else(wanted.entities, settings.entities.filter(belongs));
    if !has_policy {
        *wanted.policies = settings.policy.map(|setting| setting.value).unwrap_or_default();
    }
    if wanted.policies.is_empty() {
        return Err(Stop::usage("no policy was given").with_help(
            "name one with `--policy FILE_OR_DIR`, in the environment as REX_POLICY, or in a `rex.toml` as `policy = \"..\"`; \
             `rex init` writes an example",
        ));
    }
    wanted.principal.into_iter().zip(settings.principal).for_each(|(option, setting)| or_else(option, Some(setting)));
    wanted.journal.into_iter().zip(settings.journal).for_each(|(option, setting)| or_else(option, Some(setting)));
    wanted.bus.into_iter().zip(settings.bus).for_each(|(option, setting)| or_else(option, Some(setting)));
    Ok(())
}

/// Returns whether a command takes an option that it was not given.
fn lacks<T>(option: &Option<&mut Option<T>>) -> bool {
    option.as_ref().is_some_and(|option| option.is_none())
}

fn or_else<T>(option: &mut Option<T>, setting: Option<Setting<T>>) {
    if option.is_none() {
        *option = setting.map(|setting| setting.value);
    }
}
