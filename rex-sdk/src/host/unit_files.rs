//! Unit files, which name the units that are enabled and disabled along with a unit (`Also=`, see `systemd.unit(5)`).
#![expect(
    clippy::disallowed_methods,
    reason = "the manager reads these files under the names that it tells, links included"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::os::OsError;

/// The names in the section `[Install]` of a unit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InstallSection {
    /// Units that are enabled and disabled with it.
    pub(super) also: BTreeSet<String>,
    /// Names that it takes.
    pub(super) aliases: BTreeSet<String>,
}

/// Reads the files of a unit in these directories, and the files in `besides`. This includes files that the manager
/// ignores in favor of others: to request a unit too many does no harm.
pub(super) fn install(name: &str, directories: &[String], besides: &[String]) -> Result<InstallSection, OsError> {
    let mut files: BTreeSet<PathBuf> = besides.iter().map(PathBuf::from).collect();
    for directory in directories.iter().map(Path::new) {
        for name in names(name) {
            files.insert(directory.join(&name));
            match fs::read_dir(directory.join(format!("{name}.d"))) {
                Ok(entries) => {
                    for entry in entries {
                        let path = entry?.path();
                        files.extend(path.extension().is_some_and(|end| end == "conf").then_some(path));
                    }
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut install = InstallSection::default();
    for file in files {
        match fs::read(&file) {
            Ok(text) => install.read(name, &String::from_utf8_lossy(&text))?,
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(install)
}

fn is_absent(error: &io::Error) -> bool {
    [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind())
}

/// Returns the names under which a unit has files: its own, its template's, and those for all units of its prefix or
/// type.
fn names(name: &str) -> BTreeSet<String> {
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, "service"));
    let mut names = BTreeSet::from([name.to_owned(), kind.to_owned()]);
    let stem = match stem.split_once('@') {
        Some((template, _)) => {
            names.insert(format!("{template}@.{kind}"));
            template
        }
        None => stem,
    };
    names.extend(stem.match_indices('-').filter_map(|(at, _)| stem.get(..=at)).map(|start| format!("{start}.{kind}")));
    names
}

impl InstallSection {
    /// Adds the names of another one.
    pub(super) fn extend(&mut self, other: Self) {
        self.also.extend(other.also);
        self.aliases.extend(other.aliases);
    }

    fn read(&mut self, name: &str, text: &str) -> Result<(), OsError> {
        let mut within = false;
        for line in lines(text) {
            if line.starts_with('[') {
                within = line == "[Install]";
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| within) else { continue };
            let words = || value.split_whitespace().map(|word| expanded(word.trim_matches(['"', '\'']), name));
            match key.trim_end() {
                "Also" => self.also.extend(words().collect::<Result<Vec<_>, _>>()?),
                "Alias" => self.aliases.extend(words().collect::<Result<Vec<_>, _>>()?),
                "DefaultInstance" => {
                    // The instance that is enabled with a template.
                    if let Some((template, kind)) = name.rsplit_once("@.") {
                        for instance in words() {
                            self.also.insert(format!("{template}@{}.{kind}", instance?));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Splits a text into lines without comments. A line that ends in a backslash continues on the next, past comments.
fn lines(text: &str) -> Vec<String> {
    let (mut lines, mut open) = (Vec::<String>::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        let (part, goes_on) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match lines.last_mut().filter(|_| open) {
            Some(last) => {
                last.push(' ');
                last.push_str(part);
            }
            None => lines.push(part.to_owned()),
        }
        open = goes_on;
    }
    lines
}

/// Replaces the specifiers in a word that are about the name of the unit; refuses others.
fn expanded(word: &str, name: &str) -> Result<String, OsError> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let (mut text, mut letters) = (String::new(), word.chars());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('%') => text.push('%'),
            Some('n') => text.push_str(name),
            Some('N') => text.push_str(stem),
            Some('p') => text.push_str(prefix),
            Some('i') => text.push_str(instance),
            Some('j') => text.push_str(prefix.rsplit('-').next().unwrap_or(prefix)),
            _ => return Err(OsError::Refused("its files name another unit in a form that Rex does not support")),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_installs_with_its_unit() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "a-b@.service",
            "[Unit]\nAlso=no.service\n[Install]\n#Also=no.service\n Also = one.socket \\\n; no\n \"two-%i.service\"\n",
        );
        put("a-b@x.service.d/more.conf", "[Install]\nAlso=%p.timer\nAlias=other.service\n");
        put("a-.service.d/all.conf", "[Install]\nAlso=three.path\n[Service]\nAlso=no.path");
        put("service.d/all.conf", "[Install]\nAlso=four.path");
        put("service.d/all.txt", "[Install]\nAlso=no.path");
        let directories = [directory.path().display().to_string(), "/nowhere".to_owned()];
        let found = install("a-b@x.service", &directories, &[]).unwrap();
        let also: Vec<_> = found.also.iter().map(String::as_str).collect();
        assert_eq!(also, ["a-b.timer", "four.path", "one.socket", "three.path", "two-x.service"]);
        assert_eq!(found.aliases, BTreeSet::from(["other.service".to_owned()]));
        put("t@.service", "[Install]\nDefaultInstance=first\n");
        assert!(install("t@.service", &directories, &[]).unwrap().also.contains("t@first.service"));
        put("s.service", "[Install]\nAlso=%H.service\n");
        assert!(matches!(install("s.service", &directories, &[]), Err(OsError::Refused(_))));
    }
}
