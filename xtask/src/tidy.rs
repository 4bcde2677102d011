//! `cargo xtask tidy`: checks that neither the compiler nor clippy makes.

mod edges;
mod operations;
mod prose;
mod sources;
mod threats;

use std::path::Path;

use crate::{Stop, root};

/// Errors and warnings, each with its place and what is wrong there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn error(&mut self, message: impl Into<String>) {
        self.errors.push(message.into());
    }
    fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }
}

pub(crate) fn run() -> Result<(), Stop> {
    let mut findings = Findings::default();
    let files = rust_files(&root());
    edges::check(&mut findings)?;
    sources::check(&files, &mut findings)?;
    operations::check(&files, &mut findings)?;
    prose::check(&files, &mut findings)?;
    threats::check(&crate::read(threats::TABLE)?, &mut findings);
    for warning in &findings.warnings {
        println!("warning: {warning}");
    }
    for error in &findings.errors {
        println!("error: {error}");
    }
    let rows = threats::ROWS;
    match findings.errors.len() {
        0 => {
            println!("tidy: {} files, {rows} threat rows, {} warnings", files.len(), findings.warnings.len());
            Ok(())
        }
        count => Err(Stop::new(format!("{count} untidy places"))),
    }
}

/// Returns every Rust file of the workspace and of `fuzz/`, relative to the root, in the order of their names.
pub(crate) fn rust_files(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs")
                && let Ok(relative) = path.strip_prefix(root)
            {
                files.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    files.sort();
    files
}
