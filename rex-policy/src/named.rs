//! The paths that policies name.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::policy::Policy;
use crate::rule::{Anchor, Uid};

impl Policy {
    /// Returns the paths of files and programs that the policies and the entities file name, each once per policy; `None` marks
    /// those of the entities file. For a pattern, it is the directory that the pattern starts with.
    #[must_use]
    pub fn paths(&self) -> Vec<(String, Option<Arc<str>>)> {
        let mut paths = BTreeSet::new();
        let is_path = |kind: &str| ["fs::Path", "process::Program"].contains(&kind);
        for (number, rule) in self.rules().iter().enumerate() {
            let uids = self.cedar(number).map(cedar_policy::Policy::entity_literals).unwrap_or_default();
            let named = uids.iter().map(Uid::from).filter(|uid| is_path(&uid.kind)).map(|uid| uid.id);
            let asked = rule.condition.iter().flat_map(|condition| &condition.bounds).filter_map(|bound| match bound {
                Anchor::Value(name, text) if &**name == "path" => Some(text.clone()),
                Anchor::Prefix(name, text) if &**name == "path" => Some(text.rsplit_once('/')?.0.into()),
                _ => None,
            });
            let all = named.chain(asked).filter(|path| path.starts_with('/'));
            paths.extend(all.map(|path| (path.into_string(), Some(rule.id.clone()))));
        }
        let members = self.members().declared.keys().filter(|(kind, _)| is_path(kind));
        paths.extend(members.map(|(_, id)| (id.to_string(), None)));
        paths.into_iter().collect()
    }
}
