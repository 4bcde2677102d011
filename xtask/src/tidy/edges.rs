//! Dependencies that a crate must not have, not even through others.

use super::Findings;
use crate::{Stop, shell};

/// Maximum number of dependencies of `rex-core`, itself not counted.
const CORE_MAX: usize = 5;

/// Crates for Linux alone.
const LINUX: &[&str] = &["landlock", "seccompiler", "zbus"];

/// A crate, its features or its target, and the dependencies that it must not have: a name, or the start of one.
const FORBIDDEN: &[(&str, &[&str], &[&str])] = &[
    ("rex-core", &[], &["cedar-", "rhai", "nix", "rustix", "zbus", "rex-"]),
    ("rex-policy", &[], &["rhai", "nix", "rustix", "zbus", "rex-sdk", "rex-engine", "rex-cli"]),
    ("rex-policy", &["--features", "prove"], &["rhai", "nix", "rustix", "zbus", "rex-sdk", "rex-engine", "rex-cli"]),
    ("rex-audit", &[], &["cedar-", "rhai", "nix", "zbus", "rex-policy", "rex-sdk", "rex-engine", "rex-cli"]),
    ("rex-sdk", &[], &["cedar-", "rhai", "rex-policy", "rex-engine", "rex-cli"]),
    ("rex-sdk", &["--no-default-features"], &["cedar-", "rhai", "nix", "rustix", "zbus"]),
    ("rex-engine", &[], &["cedar-", "nix", "rustix", "zbus", "rex-policy", "rex-cli"]),
    ("rex-cli", &["--no-default-features"], LINUX),
    ("rex-cli", &["--target", "aarch64-apple-darwin"], LINUX),
];

pub(super) fn check(findings: &mut Findings) -> Result<(), Stop> {
    for &(member, features, forbidden) in FORBIDDEN {
        let mut args = vec!["tree", "--locked", "--package", member, "--edges", "normal", "--prefix", "none"];
        args.extend_from_slice(features);
        let tree = shell::output(&mut shell::cargo(&args))?;
        let below = names(&tree, member);
        for name in below.iter().filter(|name| forbidden.iter().any(|bad| is_one_of(name, bad))) {
            let how = features.join(" ");
            findings.error(format!("{member} must not depend on {name}; see `cargo tree -p {member} {how} -i {name}`"));
        }
        if member == "rex-core" && below.len() > CORE_MAX {
            findings.error(format!("rex-core depends on more than {CORE_MAX} crates: {}", below.join(", ")));
        }
    }
    Ok(())
}

/// Returns the crates of a `cargo tree --prefix none`, each once, without the one it is about.
fn names<'a>(tree: &'a str, member: &str) -> Vec<&'a str> {
    let mut names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    names.retain(|&name| !name.is_empty() && name != member);
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns whether a name matches: `cedar-` every crate whose name starts with it; `zbus` also `zbus_names`, but not `zbusted`.
fn is_one_of(name: &str, bad: &str) -> bool {
    name.strip_prefix(bad).is_some_and(|rest| bad.ends_with('-') || rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::{is_one_of, names};

    #[test]
    fn crates_are_told_apart() {
        let tree = "rex-core v0.1.0 (/x)\nserde_json v1.0.0\nitoa v1\nserde_json v1.0.0 (*)\n";
        assert_eq!(names(tree, "rex-core"), ["itoa", "serde_json"]);
        assert!(is_one_of("cedar-policy-core", "cedar-") && is_one_of("zbus_names", "zbus") && is_one_of("nix", "nix"));
        assert!(!is_one_of("nixpkgs", "nix") && !is_one_of("rustix", "nix"));
    }
}
