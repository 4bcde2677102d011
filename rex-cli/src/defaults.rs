//! Defaults of the command line: environment variables, and `rex.toml`.
//!
//! A script cannot choose its own policy: a `rex.toml` that others could write, or replace, is refused.

use std::ffi::OsString;
use std::io::Read;
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
    /// Reads the environment and the nearest `rex.toml`, which is searched from the folder of the script upward, or from the current one.
    pub(crate) fn read(script: Option<&Path>) -> Result<Self, Stop> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let mut settings = Self {
            policy: from_env("REX_POLICY", variable, |value| Ok(std::env::split_paths(&value).collect()))?,
            entities: from_env("REX_ENTITIES", variable, |value| Ok(value.into()))?,
            principal: from_env("REX_PRINCIPAL", variable, OsString::into_string)?,
            journal: from_env("REX_JOURNAL", variable, |value| Ok(value.into()))?,
            bus: from_env("REX_BUS", variable, OsString::into_string)?,
            file: None,
        };
        if let Some(path) = nearest(script)? {
            settings.add(parse(&path)?, path);
        }
        Ok(settings)
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

/// Returns the nearest `rex.toml`, or that of the host.
fn nearest(script: Option<&Path>) -> Result<Option<PathBuf>, Stop> {
    let folder = match script.and_then(Path::parent) {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("."),
    };
    // A folder that is not there is an error of the script's own.
    let Ok(folder) = std::fs::canonicalize(folder) else { return Ok(None) };
    for folder in folder.ancestors() {
        let path = folder.join(FILE);
        match std::fs::symlink_metadata(&path) {
            Ok(_) => return Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Stop::usage(format!("`{}` cannot be read: {error}", path.display()))),
        }
    }
    Ok(Some(PathBuf::from(HOST_FILE)).filter(|path| path.exists()))
}

/// Reads a `rex.toml`, unless others than its user and root could have written it.
fn parse(path: &Path) -> Result<ConfigFile, Stop> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| Stop::usage(format!("`{name}` cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let about_file = std::fs::symlink_metadata(path).map_err(unreadable)?;
    let opened = file.metadata().map_err(unreadable)?;
    let about_folder = std::fs::metadata(folder).map_err(unreadable)?;
    if !about_file.is_file() || (about_file.dev(), about_file.ino()) != (opened.dev(), opened.ino()) {
        return Err(Stop::usage(format!("`{name}` is not a regular file")).with_help("a link is not followed"));
    }
    for (what, about, sticky) in [(&*name, &opened, 0), (&*folder.display().to_string(), &about_folder, 0o1000)] {
        if let Some(why) = foreign(about, sticky) {
            let help = "who can write `rex.toml` can choose the policy: it and its folder must belong to you or root, and be writable by \
                        nobody else (`chmod go-w`)";
            return Err(Stop::usage(format!("`{name}` is refused: `{what}` {why}")).with_help(help));
        }
    }
    let mut text = String::new();
    let limit = 1 << 20;
    text.push_str(&utf8(&name, file.take(limit))?);
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        Stop::usage(format!("`{name}`, line {line}: {}", error.message().trim_end()))
            .with_help("it may set `policy`, `entities`, `principal`, `journal` and `bus`")
    })
}

/// Returns why somebody other than this user and root could write a file, or the entries of a folder. With the sticky bit, nobody can
/// replace the files of others in a folder.
fn foreign(about: &std::fs::Metadata, sticky: u32) -> Option<String> {
    let me = nix::unistd::geteuid().as_raw();
    if about.uid() != 0 && about.uid() != me {
        return Some(format!("belongs to the user {}", about.uid()));
    }
    let mode = about.mode();
    (mode & 0o022 != 0 && mode & sticky == 0).then(|| format!("can be written by others (mode {:04o})", mode & 0o7777))
}

/// The options of a command that have defaults.
struct Wanted<'a> {
    script: Option<PathBuf>,
    policies: &'a mut Vec<PathBuf>,
    entities: &'a mut Option<PathBuf>,
    principal: Option<&'a mut Option<String>>,
    journal: Option<&'a mut Option<PathBuf>>,
    bus: Option<&'a mut Option<String>>,
}

impl<'a> Wanted<'a> {
    fn policy(policies: &'a mut Vec<PathBuf>, entities: &'a mut Option<PathBuf>) -> Self {
        Self { script: None, policies, entities, principal: None, journal: None, bus: None }
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
                return Some(Self::policy(&mut args.policies, &mut args.entities));
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
        let script = run.script.clone().filter(|path| run.code.is_none() && path != Path::new("-"));
        Some(Self {
            script,
            policies: &mut run.policy.policies,
            entities: &mut run.policy.entities,
            principal: Some(&mut run.principal),
            journal: Some(&mut run.journal),
            bus: Some(&mut run.bus),
        })
    }
}

/// Fills in the options that the command line lacks.
pub(crate) fn fill(command: &mut Command) -> Result<(), Stop> {
    let Some(wanted) = Wanted::of(command) else { return Ok(()) };
    let has_policy = !wanted.policies.is_empty();
    if has_policy && wanted.principal.is_none() {
        return Ok(());
    }
    let settings = Settings::read(wanted.script.as_deref())?;
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
    wanted.principal.into_iter().for_each(|option| or_else(option, settings.principal.clone()));
    wanted.journal.into_iter().for_each(|option| or_else(option, settings.journal.clone()));
    wanted.bus.into_iter().for_each(|option| or_else(option, settings.bus.clone()));
    Ok(())
}

fn or_else<T>(option: &mut Option<T>, setting: Option<Setting<T>>) {
    if option.is_none() {
        *option = setting.map(|setting| setting.value);
    }
}
