//! `rex init`

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rex_core::AbsPath;

use crate::defaults::{FILE, trusted_folders};
use crate::exit::{Exit, Stop};
use crate::print;

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Job to start from
    #[arg(value_enum, default_value_t = Template::Triage)]
    template: Template,
    /// Folder to write to; it is made if it is missing (default: the current one)
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Template {
    /// Read logs, and change nothing
    Triage,
    /// Look at one service, and restart it
    Restart,
    /// Copy a release to the folder of an application
    Deploy,
    /// Start with one permit, and add those that denials suggest
    Empty,
}

/// The files of a template: names, with their contents.
macro_rules! files {
    ($folder:literal: $($name:literal),+) => {
        &[$(($name, include_str!(concat!("../templates/", $folder, "/", $name)))),+]
    };
}

impl Template {
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Triage => {
                files!("triage": "policy.cedar", "entities.json", "policy.test.yaml", "script.rhai", "logs/app.log", "config.yaml")
            }
            Self::Restart => files!("restart": "policy.cedar", "entities.json", "policy.test.yaml", "script.rhai"),
            Self::Deploy => files!(
                "deploy": "policy.cedar", "entities.json", "policy.test.yaml", "script.rhai", "release/version.txt",
                "app/version.txt", "app/config.yaml"
            ),
            Self::Empty => files!("empty": "policy.cedar", "entities.json", "policy.test.yaml", "script.rhai"),
        }
    }

    fn principal(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Restart => "oncall",
            Self::Deploy => "deploy",
            Self::Empty => "agent",
        }
    }
}

/// Folders of units, in the order in which systemd looks for them.
const UNIT_FOLDERS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Units that hosts often have; the first that is there is taken.
const UNITS: [&str; 6] =
    ["nginx.service", "apache2.service", "httpd.service", "ssh.service", "sshd.service", "cron.service"];

/// Writes the files of a template to a folder. Overwrites nothing: if one of them is there, none is written.
pub(crate) fn init(args: &InitArgs) -> Result<Exit, Stop> {
    let failed = |what: &Path, error: std::io::Error| Stop::usage(format!("`{}`: {error}", what.display()));
    plain(&std::path::absolute(&args.dir).map_err(|error| failed(&args.dir, error))?)?;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder.create(&args.dir).map_err(|error| failed(&args.dir, error))?;
    let folder = std::fs::canonicalize(&args.dir).map_err(|error| failed(&args.dir, error))?;
    let dir = plain(&folder)?;
    let unit = unit();
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for (name, text) in args.template.files() {
        files.push((folder.join(name), text.replace("@UNIT@", unit).replace("@DIR@", &dir)));
    }
    files.push((folder.join(FILE), config(args.template)));
    files.push((folder.join("README.md"), readme(args.template, &dir)));
    // Runs would refuse a `rex.toml` in such a folder.
    trusted_folders(&folder.join(FILE), &folder.join(FILE).display().to_string())?;
    if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(Stop::usage(format!("`{}` is there already, and nothing was written", path.display()))
            .with_help("name another folder: `rex init triage NEW_FOLDER`"));
    }
    let is_folder = |about: std::fs::Metadata| about.is_dir();
    let parents = || files.iter().filter_map(|(path, _)| path.parent());
    if let Some(parent) = parents().find(|parent| parent.symlink_metadata().is_ok_and(|about| !is_folder(about))) {
        return Err(Stop::usage(format!("`{}` is not a folder, and nothing was written", parent.display()))
            .with_help("a link is not followed; name another folder: `rex init triage NEW_FOLDER`"));
    }
    let mut report = format!("wrote to `{dir}`:\n");
    for (path, text) in &files {
        let parent = path.parent().unwrap_or(&folder);
        builder.create(parent).map_err(|error| failed(parent, error))?;
        let mode = if path.extension().is_some_and(|end| end == "rhai") { 0o755 } else { 0o644 };
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(mode).open(path).map_err(|error| failed(path, error))?;
        // Whatever the umask is: a policy that the group could write is refused.
        let permissions = std::fs::Permissions::from_mode(mode);
        let written = file.set_permissions(permissions).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(path, error))?;
        // Writing to a string does not fail.
        let _ = writeln!(report, "  {}", path.strip_prefix(&folder).unwrap_or(path).display());
    }
    report += "next:\n  rex policy check && rex policy test .   check and test the policy\n  rex run script.rhai                     \
               run the script; one of its operations is denied\n";
    if folder != std::env::current_dir().unwrap_or_default() {
        report = report.replacen("next:\n", &format!("next:\n  cd '{dir}'\n"), 1);
    }
    print(&report).map(|()| Exit::Success)
}

/// Returns the path of a folder, if it can stand in policies and scripts as it is.
fn plain(folder: &Path) -> Result<String, Stop> {
    let text = folder.to_str().filter(|text| AbsPath::parse(text).is_ok_and(|path| path.as_str() == *text));
    let is_plain = |text: &&str| text.chars().all(|c| c.is_alphanumeric() || "/-_.+@, ~".contains(c));
    text.filter(is_plain).map(str::to_owned).ok_or_else(|| {
        Stop::usage(format!(
            "the path of the folder, `{}`, has characters that a policy would have to escape",
            folder.display()
        ))
        .with_help("take a folder whose path has letters, digits, blanks and `- _ . + @ , ~` alone")
    })
}

/// Returns a unit of this host.
fn unit() -> &'static str {
    let is_there = |unit: &&&str| UNIT_FOLDERS.iter().any(|folder| Path::new(folder).join(unit).exists());
    UNITS.iter().find(is_there).unwrap_or(&UNITS[0])
}

fn config(template: Template) -> String {
    let principal = template.principal();
    format!(
        "# The defaults of `rex` for scripts in this folder and below; `rex config show` prints them.\n\
         policy = \"policy.cedar\"\nentities = \"entities.json\"\nprincipal = 'Agent::\"{principal}\"'\n"
    )
}

fn readme(template: Template, dir: &str) -> String {
    let principal = template.principal();
    format!(
        "# A first policy\n\n\
         - `policy.cedar`: what `Agent::\"{principal}\"` may do. Everything else is denied.\n\
         - `entities.json`: groups of principals, and classes of resources such as `ConfigFile`.\n\
         - `policy.test.yaml`: cases that the policy must decide as they say.\n\
         - `script.rhai`: a script; one of its operations is denied.\n\
         - `rex.toml`: the policy, the entities and the principal that `rex` takes for scripts in this folder.\n\n\
         In this folder (`{dir}`):\n\n\
         ```sh\n\
         rex policy check          # is the policy valid, and does it mean something?\n\
         rex policy test .         # does it decide as the cases say?\n\
         rex plan script.rhai      # what would the script do?\n\
         rex run script.rhai       # run it\n\
         ```\n\n\
         A denial that ends a script prints the smallest permit that would allow the request; of one that the script catches, it is\n\
         `error.help`. `rex policy ask` explains any decision, and\n\
         `rex policy risks` lists bad outcomes that the policy lets through.\n"
    )
}
