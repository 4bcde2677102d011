//! What Cedar's validator cannot know: ids that no request ever has, classes that nobody declared.

use std::sync::Arc;

use cedar_policy::Policy;

use crate::compile::File;
use crate::finding::{Finding, Severity};
use crate::members::{Members, check_id};
use crate::rule::Uid;
use crate::vocabulary::{GROUP, Vocabulary};

/// Looks at the entities that a policy names.
pub(crate) fn policy(
    file: &File,
    number: usize,
    id: &Arc<str>,
    policy: &Policy,
    vocabulary: &Vocabulary,
    members: &Members,
) -> Vec<Finding> {
    let statement = file.place(number);
    let mut findings = Vec::new();
    for uid in policy.entity_literals() {
        let uid = Uid::from(&uid);
        let place = find(file, statement, &uid).or(statement);
        if let Some(finding) = check_id(&file.text, place, &uid) {
            findings.push(finding.about(Some(id.clone())));
        } else if is_named_by_owner(&uid, vocabulary) && !members.names(&uid) {
            let message = format!("nothing is in `{}::{:?}`", uid.kind, uid.id);
            findings.push(
                Finding::new(Severity::Warning, &file.text, place, message)
                    .with_help(
                        "the entities file says what is in it; if it is not there, this policy applies to nothing",
                    )
                    .about(Some(id.clone())),
            );
        }
    }
    findings
}

/// Whether it is a group or a class: something that has members only if the entities file says so.
fn is_named_by_owner(uid: &Uid, vocabulary: &Vocabulary) -> bool {
    *uid.kind == *GROUP
        || vocabulary.resources().iter().any(|resource| {
            resource.class.is_some_and(|class| {
                uid.kind.strip_prefix(resource.namespace).and_then(|rest| rest.strip_prefix("::")) == Some(class)
            })
        })
}

/// Where a policy names an entity. A spelling with escapes is not found, and the whole policy is underlined.
fn find(file: &File, statement: Option<(usize, usize)>, uid: &Uid) -> Option<(usize, usize)> {
    let (start, length) = statement?;
    let needle = format!("{}::\"{}\"", uid.kind, uid.id);
    let offset = file.text.text.get(start..start + length)?.find(&needle)?;
    Some((start + offset, needle.len()))
}
