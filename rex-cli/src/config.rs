//! `rex config`

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::args::OutputFormat;
use crate::defaults::{Origin, Setting, Settings, folder_of};
use crate::exit::{Exit, Stop};
use crate::print;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show each default with its source
    ///
    /// An option of the command line comes first, then the environment (REX_POLICY, REX_ENTITIES, REX_PRINCIPAL, REX_JOURNAL, REX_BUS),
    /// then the nearest `rex.toml`: in the folder of the script or the nearest one above it, else `/etc/rex/rex.toml`.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Script, or folder, whose `rex.toml` counts (default: the current folder)
    script: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = OutputFormat::Human)]
    format: OutputFormat,
}

/// A default, as it is printed.
#[derive(Serialize)]
struct SettingRow {
    name: &'static str,
    value: Option<String>,
    source: String,
}

impl SettingRow {
    fn new<T>(name: &'static str, setting: Option<&Setting<T>>, builtin: &str, show: impl Fn(&T) -> String) -> Self {
        let source = setting.map_or_else(
            || builtin.to_owned(),
            |setting| match &setting.origin {
                Origin::Variable(name) => format!("environment variable {name}"),
                Origin::File(path) => path.display().to_string(),
            },
        );
        Self { name, value: setting.map(|setting| show(&setting.value)), source }
    }
}

/// Prints the defaults.
pub(crate) fn config(command: &ConfigCommand) -> Result<Exit, Stop> {
    let ConfigCommand::Show(args) = command;
    let script = args.script.as_ref().map(|path| if path.is_dir() { path.join("-") } else { path.clone() });
    let settings = Settings::read(folder_of(script.as_deref())?.as_deref())?;
    let path = |path: &PathBuf| path.display().to_string();
    let paths = |paths: &Vec<PathBuf>| paths.iter().map(path).collect::<Vec<_>>().join(":");
    let rows = [
        SettingRow::new("policy", settings.policy.as_ref(), "not set: `--policy` is needed", paths),
        SettingRow::new("entities", settings.entities.as_ref(), "not set: no entities", path),
        SettingRow::new("principal", settings.principal.as_ref(), "not set: the login of the caller", String::clone),
        SettingRow::new("journal", settings.journal.as_ref(), "not set: no journal", path),
        SettingRow::new("bus", settings.bus.as_ref(), "not set: the system bus", String::clone),
    ];
    let text = match args.format {
        OutputFormat::Json => serde_json::to_string(&rows).map_err(|error| Stop::internal(error.to_string()))?,
        OutputFormat::Human => human(&rows, settings.file.as_deref()),
    };
    print(&text).map(|()| Exit::Success)
}

fn human(rows: &[SettingRow], file: Option<&Path>) -> String {
    let mut text = match file {
        Some(file) => format!("nearest rex.toml: {}\n", file.display()),
        None => "nearest rex.toml: none\n".to_owned(),
    };
    let width = rows.iter().map(|row| row.value.as_deref().unwrap_or("-").len()).max().unwrap_or(0);
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<9} {:<width$}  {}", row.name, row.value.as_deref().unwrap_or("-"), row.source);
    }
    text
}
