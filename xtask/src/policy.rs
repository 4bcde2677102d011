//! `cargo xtask policy`: the check for a service owner's continuous integration.
//!
//! It runs `rex policy check` and `rex policy test`, built when needed, so that there is one validator and one way to show its findings.
//! The entities file and the tests are those beside the policies: a folder `policies/` and a file `entities.json` next to it form a
//! repository such as `examples/policy-repo`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Stop, shell};

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// Policies: `*.cedar` files, or folders that are searched for them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Cedar entities as JSON: groups of principals, classes of resources; by default the `entities.json` in the folder of the policies, or
    /// in the one that it is in
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
}

pub(crate) fn run(args: &PolicyArgs) -> Result<(), Stop> {
    let rex = shell::build()?.join("rex");
    for (paths, found) in together(&args.paths) {
        let entities = args.entities.clone().or(found);
        let entities = |command: &mut Command| {
            if let Some(entities) = &entities {
                command.arg("--entities").arg(entities);
            }
        };
        let mut check = Command::new(&rex);
        check.args(["policy", "check"]).args(&paths);
        entities(&mut check);
        ended("rex policy check", &mut check)?;
        for folder in folders(&paths).iter().filter(|folder| has_tests(folder)) {
            let mut test = Command::new(&rex);
            test.args(["policy", "test"]).arg(folder);
            entities(&mut test);
            ended("rex policy test", &mut test)?;
        }
    }
    Ok(())
}

/// Groups the paths by their entities file. Policies of one call are one policy, unless their entities files differ.
fn together(paths: &[PathBuf]) -> Vec<(Vec<PathBuf>, Option<PathBuf>)> {
    let mut groups: Vec<(Vec<PathBuf>, Option<PathBuf>)> = Vec::new();
    for path in paths {
        let entities = entities_of(path);
        match groups.iter_mut().find(|(_, known)| *known == entities) {
            Some((paths, _)) => paths.push(path.clone()),
            None => groups.push((vec![path.clone()], entities)),
        }
    }
    groups
}

/// Returns the entities file of a policy file or folder: in its folder, or in the parent of that.
fn entities_of(path: &Path) -> Option<PathBuf> {
    let folder = if path.is_dir() { path.to_owned() } else { above(path) };
    [folder.clone(), above(&folder)].map(|folder| folder.join("entities.json")).into_iter().find(|file| file.is_file())
}

/// Returns the folder that a path is in.
fn above(path: &Path) -> PathBuf {
    match path.parent().filter(|_| path.file_name().is_some()) {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        // The names `.` and `..` do not say it.
        None => path.join(".."),
    }
}

/// Returns the folders of the policies, each once: those that were named, and those of the files that were named.
fn folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        let folder = if path.is_dir() { path.clone() } else { above(path) };
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Returns whether a folder has cases for `rex policy test`.
fn has_tests(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => has_tests(&entry.path()),
        _ => entry.file_name().as_encoded_bytes().ends_with(b".test.yaml"),
    })
}

fn ended(name: &str, command: &mut Command) -> Result<(), Stop> {
    let status = command.status().map_err(|error| Stop::new(format!("`{name}` cannot be run: {error}")))?;
    let exit = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    // Its findings are already printed.
    if exit == 0 { Ok(()) } else { Err(Stop { message: String::new(), exit }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beside_the_policies_is_found() {
        let repo = crate::root().join("examples/policy-repo");
        let entities = Some(repo.join("entities.json"));
        for path in ["policies", "policies/shop.cedar", ""] {
            assert_eq!(entities_of(&repo.join(path)).map(|file| file.canonicalize().unwrap()), entities, "{path}");
        }
        assert_eq!(entities_of(&crate::root().join("examples/log-triage")), None);
        let [policies, ceiling] = ["policies", "ceiling"].map(|name| repo.join(name));
        assert_eq!(
            folders(&[policies.join("guard.cedar"), policies.clone(), ceiling.clone()]),
            [policies.clone(), ceiling]
        );
        assert_eq!(above(Path::new("policies")), Path::new("."));
        assert_eq!(above(Path::new(".")), Path::new("./.."));
        assert!(has_tests(&policies));
    }
}
