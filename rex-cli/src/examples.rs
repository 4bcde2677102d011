//! `rex examples`

use std::fmt::Write;

use rex_core::nearest::did_you_mean;

use crate::exit::{Exit, Stop};
use crate::print;

/// The cookbook: each section has a title, a script and a policy.
const COOKBOOK: &str = include_str!("../../docs/cookbook.md");

#[derive(Debug, clap::Args)]
pub(crate) struct ExamplesArgs {
    /// Task to print, by its number or name (default: a list of all)
    name: Option<String>,
}

/// A task of the cookbook.
struct CookbookTask {
    title: &'static str,
    /// The title in lower case, with `-` between its words.
    name: String,
    text: &'static str,
}

fn tasks() -> Vec<CookbookTask> {
    let task = |section: &'static str| {
        let (title, text) = section.split_once('\n').unwrap_or((section, ""));
        let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let name = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
        CookbookTask { title, name, text: text.trim() }
    };
    COOKBOOK.split("\n## ").skip(1).map(task).collect()
}

/// Lists the tasks, or prints one.
pub(crate) fn examples(args: &ExamplesArgs) -> Result<Exit, Stop> {
    let tasks = tasks();
    let mut text = String::new();
    let Some(name) = &args.name else {
        for (number, task) in tasks.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:>2}  {}", number + 1, task.title);
        }
        text += "`rex examples NUMBER` prints one, with its script and its policy\n";
        return print(&text).map(|()| Exit::Success);
    };
    let by_number = name.parse::<usize>().ok().and_then(|number| tasks.get(number.checked_sub(1)?));
    let wanted = name.to_lowercase().replace(' ', "-");
    let contains = || {
        let mut found = tasks.iter().filter(|task| task.name.contains(&wanted));
        found.next().filter(|_| found.next().is_none())
    };
    let found = by_number.or_else(|| tasks.iter().find(|task| task.name == wanted)).or_else(contains);
    let task = found.ok_or_else(|| {
        let near = did_you_mean(&wanted, tasks.iter().map(|task| task.name.as_str()));
        Stop::usage(format!("there is no example `{name}`, or more than one"))
            .with_help(near.unwrap_or_else(|| "`rex examples` lists them".to_owned()))
    })?;
    print(&format!("# {}\n\n{}\n", task.title, task.text)).map(|()| Exit::Success)
}
