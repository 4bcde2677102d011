//! Command lines that people try, with what to type instead.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options that do not exist, with the ones to use.
const OPTIONS: &[(&str, &str)] = &[
    ("--dry-run", "`rex plan SCRIPT` shows what the script would do, and changes nothing"),
    ("-n", "`rex plan SCRIPT` shows what the script would do, and changes nothing"),
    (
        "--verbose",
        "`--progress` shows what a run does, `--journal FILE` records every decision, `--format json` prints all counts",
    ),
    (
        "-v",
        "`--progress` shows what a run does, `--journal FILE` records every decision, `--format json` prints all counts",
    ),
    ("--debug", "`--progress` shows what a run does, `--journal FILE` records every decision"),
    ("--quiet", "the report goes to standard error: `2> FILE`"),
    ("-q", "the report goes to standard error: `2> FILE`"),
    ("--user", "`--principal 'User::\"alice\"'` names on whose behalf the run is"),
    ("-u", "`--principal 'User::\"alice\"'` names on whose behalf the run is"),
    ("--agent", "`--principal 'Agent::\"triage\"'` names on whose behalf the run is"),
    ("--memory", "`--limit memory=64MB`; docs/limits.md has all limits"),
    (
        "--config",
        "a `rex.toml` in the folder of the script or above it is found by itself; `rex config show` prints what counts",
    ),
    ("-c", "`-e CODE` runs a script from the command line"),
    ("--eval", "`-e CODE` runs a script from the command line"),
    ("--env", "`--arg KEY=TEXT` hands a value to the script, as `args.KEY`"),
    (
        "--no-sandbox",
        "`--confine available` goes without what this host lacks, and says so; `rex doctor` says what that is",
    ),
    ("--audit", "`--journal FILE` records every decision"),
    ("--log", "`--journal FILE` records every decision"),
];

/// Commands that do not exist, with the ones to use.
const COMMANDS: &[(&str, &str)] = &[
    ("validate", "`rex policy check FILE_OR_DIR`"),
    ("lint", "`rex policy check FILE_OR_DIR`"),
    ("prove", "`rex policy prove PROPERTIES --policy FILE_OR_DIR`"),
    ("diff", "`rex policy diff OLD NEW`"),
    ("learn", "`rex policy learn JOURNAL`"),
    ("exec", "`rex run SCRIPT`, or `rex run -e CODE`"),
    ("eval", "`rex run -e CODE`"),
    ("logs", "`rex audit show last JOURNAL`, or `rex audit tail JOURNAL`"),
    ("log", "`rex audit show last JOURNAL`, or `rex audit tail JOURNAL`"),
    ("verify", "`rex audit verify JOURNAL`"),
    ("simulate", "`rex plan SCRIPT`, or `rex replay JOURNAL --policy NEW`"),
    ("operations", "`rex ops`"),
    ("list", "`rex ops` lists the operations"),
    ("status", "`rex doctor` says how well this host can confine runs"),
    ("new", "`rex init [triage|restart|deploy|empty] [DIR]`"),
];

/// Spells `--json` as `--format=json`. What follows `-e` or `--` is not an option.
pub(crate) fn respelled(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let (mut found, mut is_over) = (Vec::<OsString>::new(), false);
    for arg in args {
        let is_code = found.last().is_some_and(|before| before == "-e");
        is_over |= arg == "--" && !is_code;
        found.push(if arg == "--json" && !is_over && !is_code { "--format=json".into() } else { arg });
    }
    found
}

/// Returns what to type instead of an option or a command that does not exist.
pub(crate) fn hint(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let of = |table: &[(&str, &str)], name: &str| table.iter().find(|row| row.0 == name).map(|row| row.1.to_owned());
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let arg = text(ContextKind::InvalidArg)?;
            let name = arg.split_once('=').map_or(arg, |(name, _)| name);
            of(OPTIONS, name)
                .or_else(|| is_policy(arg).then(|| format!("a policy is named with an option: `--policy {arg}`")))
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand)?;
            let is_script = Path::new(name).extension() == Some(OsStr::new("rhai")) || Path::new(name).is_file();
            match () {
                () if is_policy(name) => Some(format!("`rex policy check {name}` checks a policy")),
                () if is_script => Some(format!("`rex run {name}` runs a script")),
                () => of(COMMANDS, name),
            }
        }
        ErrorKind::InvalidValue if text(ContextKind::InvalidArg).is_some_and(|arg| arg.contains("TEMPLATE")) => {
            Some("the job comes before the folder: `rex init triage FOLDER`".to_owned())
        }
        _ => None,
    }
}

fn is_policy(arg: &str) -> bool {
    Path::new(arg).extension() == Some(OsStr::new("cedar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_a_format_unless_it_is_a_value() {
        let respelled = |args: &[&str]| respelled(args.iter().map(OsString::from));
        assert_eq!(respelled(&["rex", "ops", "--json"]), ["rex", "ops", "--format=json"]);
        assert_eq!(respelled(&["rex", "run", "-e", "--json"]), ["rex", "run", "-e", "--json"]);
        assert_eq!(respelled(&["rex", "run", "--", "--json"]), ["rex", "run", "--", "--json"]);
    }
}
