//! Targets of symbolic links on this host: an operation needs a permit for them, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rex_core::process::Program;
use rex_core::{AbsPath, DeniedCall, Need, NeedWidth, Resource, Value};

/// Actions on a name itself, not on the target of the link.
const TO_NAMES: [&str; 6] = ["create_dir", "hard_link", "remove", "rename", "stat", "symlink"];
/// Actions on trees that follow no links.
const TO_TREES: [&str; 3] = ["chmod", "chown", "remove"];

/// Adds the needs of a call that follow from symbolic links on this host. `text` is the call as it is written.
pub(super) fn add(call: &mut DeniedCall, text: &str) {
    let mut more: Vec<Need> = Vec::new();
    for need in &call.needs {
        for target in targets(call.operation, need, text) {
            let mut known = BTreeMap::new();
            need.resource().attributes(&mut |name, fact| drop(known.insert(name.to_owned(), Value::from(fact))));
            let Ok(resource) = (need.spec().from_record)(&target, &known) else { continue };
            let id = need.resource().id().to_owned();
            let led = need.clone().on(Arc::from(resource)).with_via(Some(&id));
            let is_known = |other: &Need| *other.width() == *led.width() && other.covers(&led);
            if !call.needs.iter().chain(&more).any(is_known) {
                more.push(led);
            }
        }
    }
    call.needs.extend(more);
}

/// Returns the ids that the name of a need leads to.
fn targets(operation: &str, need: &Need, text: &str) -> Vec<String> {
    let (spec, path) = (need.spec(), Path::new(need.resource().id()));
    let operation = operation.split_once("::").unwrap_or_default();
    let is_path = spec.resource == AbsPath::SPEC;
    let is_tree = *need.width() == NeedWidth::Below;
    let follows_none = (operation == ("process", "run") && is_path) || (is_tree && TO_TREES.contains(&spec.name));
    if follows_none || !(is_path || spec.resource == Program::SPEC) || !(is_tree || *need.width() == NeedWidth::This) {
        return Vec::new();
    }
    let named = is_path && !is_tree && TO_NAMES.contains(&spec.name);
    let written: String = text.split_whitespace().collect();
    let follows = operation == ("fs", "stat") && !written.contains("follow:false");
    let above = || path.parent().and_then(led).zip(path.file_name()).map(|(above, name)| above.join(name));
    let all = [named.then(above).flatten(), (!named || follows).then(|| led(path)).flatten()];
    let other = |target: PathBuf| target.to_str().filter(|target| Path::new(target) != path).map(str::to_owned);
    all.into_iter().flatten().filter_map(other).collect()
}

/// Returns the path without links; missing components stay as they are.
fn led(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        let found = above.canonicalize().ok()?;
        Some(if rest.as_os_str().is_empty() { found } else { found.join(rest) })
    })
}
