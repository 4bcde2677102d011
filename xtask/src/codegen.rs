//! `cargo xtask codegen`: the files that are derived from the tables.

mod actions;
mod definitions;
mod operations;
mod tables;

use std::path::Path;
use std::process::Command;

use crate::{Stop, root, shell};

/// The first line of each generated document.
const HEAD: &str = "<!-- Made by `cargo xtask codegen`. Change the table, not this file. -->\n";

/// The folder of the editors' definitions. Everything in it is generated.
const DEFINITIONS: &str = "docs/definitions";

/// Writes the files, or with `check` reports which differ.
pub(crate) fn run(check: bool) -> Result<(), Stop> {
    let files = files()?;
    let mut wrong = stale(&files)?;
    for (name, new) in &files {
        // A file that is missing, or cannot be read, differs.
        let old = crate::read(name).unwrap_or_default();
        if old == *new {
            continue;
        }
        if check {
            println!("{}", difference(name, &old, new));
            wrong.push(name.clone());
        } else {
            write(name, new)?;
            println!("wrote {name}");
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    if !check {
        return wrong.iter().try_for_each(|name| {
            println!("removed {name}");
            std::fs::remove_file(root().join(name)).map_err(|error| Stop::new(format!("`{name}`: {error}")))
        });
    }
    Err(Stop::new(format!("{} generated files differ; run `cargo xtask codegen`", wrong.len())))
}

/// Returns every generated file, by its name relative to the root, with its contents.
fn files() -> Result<Vec<(String, String)>, Stop> {
    let rex = shell::build()?.join("rex");
    let schema = |format| shell::output(Command::new(&rex).args(["schema", "--format", format]));
    let mut files = vec![
        ("rex-policy/schema/rex.cedarschema".to_owned(), schema("cedar")?),
        ("rex-policy/schema/rex.cedarschema.json".to_owned(), schema("json")?),
        ("docs/actions.md".to_owned(), actions::document(rex_core::ACTIONS)),
        ("docs/operations.md".to_owned(), operations::document(rex_sdk::OPS)),
        (
            "docs/functions.md".to_owned(),
            functions(&shell::output(Command::new(&rex).args(["ops", "--format", "markdown"]))?)?,
        ),
        (
            "docs/lints.md".to_owned(),
            format!("{HEAD}{}", shell::output(Command::new(&rex).args(["explain", "--format", "markdown"]))?),
        ),
        ("docs/limits.md".to_owned(), tables::limits()),
        ("docs/errors.md".to_owned(), tables::errors()),
    ];
    files.extend(
        definitions::files(rex_sdk::OPS)
            .into_iter()
            .map(|(name, contents)| (format!("{DEFINITIONS}/{name}.d.rhai"), contents)),
    );
    Ok(files)
}

/// Returns the page of pure functions from the command's list: only the script engine knows them, which this tool does without.
fn functions(listing: &str) -> Result<String, Stop> {
    let (_, functions) =
        listing.split_once("# Pure functions\n").ok_or_else(|| Stop::new("`rex ops` lists no functions"))?;
    Ok(format!("{HEAD}# Pure functions\n{functions}"))
}

/// Returns the definitions of namespaces that no longer exist.
fn stale(files: &[(String, String)]) -> Result<Vec<String>, Stop> {
    let Ok(entries) = std::fs::read_dir(root().join(DEFINITIONS)) else { return Ok(Vec::new()) };
    let mut stale = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Stop::new(format!("`{DEFINITIONS}`: {error}")))?;
        let name = format!("{DEFINITIONS}/{}", entry.file_name().to_string_lossy());
        if !files.iter().any(|(known, _)| *known == name) {
            println!("{name} is made from nothing");
            stale.push(name);
        }
    }
    Ok(stale)
}

fn write(name: &str, contents: &str) -> Result<(), Stop> {
    let path = root().join(name);
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))
        .and_then(|()| std::fs::write(&path, contents))
        .map_err(|error| Stop::new(format!("`{name}` cannot be written: {error}")))
}

/// Describes the first line that differs.
fn difference(name: &str, old: &str, new: &str) -> String {
    let (mut olds, mut news) = (old.lines(), new.lines());
    for number in 1.. {
        match (olds.next(), news.next()) {
            (old, new) if old == new && old.is_some() => {}
            (None, None) => break,
            (old, new) => {
                let show = |sign, line: Option<&str>| line.map_or(String::new(), |line| format!("\n{sign} {line}"));
                return format!("{name}:{number} differs{}{}", show('-', old), show('+', new));
            }
        }
    }
    format!("{name} differs in its line ends")
}

/// Returns the namespaces in a table, each once, in the order of the table.
fn namespaces<T>(table: &[T], namespace: impl Fn(&T) -> &'static str) -> Vec<&'static str> {
    let mut spaces = Vec::new();
    for space in table.iter().map(namespace) {
        if !spaces.contains(&space) {
            spaces.push(space);
        }
    }
    spaces
}

/// Puts a text on one line of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_difference_is_shown() {
        assert_eq!(super::difference("x", "a\nb\nc\n", "a\nd\nc\n"), "x:2 differs\n- b\n+ d");
        assert_eq!(super::difference("x", "a\n", "a\nb\n"), "x:2 differs\n+ b");
        assert_eq!(super::difference("x", "a", "a\n"), "x differs in its line ends");
    }
}
