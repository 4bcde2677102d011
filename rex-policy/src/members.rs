//! Members of groups and classes: the owner's entities file.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use foldhash::HashMap;
use serde_json::Value;

use crate::finding::{Finding, Severity, SharedText, SourceText, visible};
use crate::load_checks::{hidden_in, wild_in};
use crate::rule::Uid;
use crate::vocabulary::{GROUP, PRINCIPALS, Vocabulary, canonical};

/// Maximum number of memberships, direct or not. A chain of groups has half the square of its length.
const MEMBERSHIPS: usize = 1_000_000;

/// Everything that each id of one type is in, directly or not.
pub(crate) type MemberAncestors = HashMap<Box<str>, Vec<Uid>>;

/// The content of an entities file.
#[derive(Debug, Default)]
pub(crate) struct Members {
    /// Each entity with what it is directly in.
    pub(crate) declared: BTreeMap<(Box<str>, Box<str>), Vec<Uid>>,
    /// Everything that an entity is in, directly or not, by its type.
    above: HashMap<Box<str>, Arc<MemberAncestors>>,
    /// All entities that the file names.
    named: HashSet<Uid>,
}

impl Members {
    pub(crate) fn above(&self, kind: &str) -> Option<&Arc<MemberAncestors>> {
        self.above.get(kind)
    }

    /// Returns the ids of one type that are in each class, directly or not.
    pub(crate) fn below(&self, kind: &str) -> HashMap<&Uid, Vec<&str>> {
        let mut below = HashMap::<_, Vec<&str>>::default();
        for (id, classes) in self.above(kind).into_iter().flat_map(|above| above.iter()) {
            classes.iter().for_each(|class| below.entry(class).or_default().push(id));
        }
        below.values_mut().for_each(|ids| ids.sort_unstable());
        below
    }

    pub(crate) fn names(&self, uid: &Uid) -> bool {
        self.named.contains(uid)
    }

    /// Returns a copy in which the first of each pair is in the second; a copy without the pairs if that makes a circle or too
    /// many memberships.
    pub(crate) fn with(&self, pairs: &[(Uid, Uid)]) -> Self {
        let mut members = Self { declared: self.declared.clone(), ..Self::default() };
        for (below, above) in pairs {
            members.declared.entry((below.kind.clone(), below.id.clone())).or_default().push(above.clone());
        }
        if members.close().is_ok() { members } else { self.with(&[]) }
    }

    /// Reads the file: a JSON array of objects with `uid` and `parents`. With `impossible`, findings with a code are dropped.
    pub(crate) fn read(source: &SourceText, vocabulary: &Vocabulary, impossible: bool) -> Result<Self, Vec<Finding>> {
        let text = SharedText::new(source);
        let entities: Vec<Value> = serde_json::from_str(&text.text).map_err(|error| {
            let place = offset(&text.text, error.line(), error.column());
            let error = error.to_string();
            let error = error.split_once(" at line ").map_or(&*error, |(what, _)| what);
            let message = format!("this is not a JSON array of entities: {error}");
            vec![Finding::new(Severity::Error, &text, Some((place, 1)), message).with_help(SHAPE)]
        })?;
        let mut reader = EntitiesReader {
            vocabulary: *vocabulary,
            text,
            parents: parent_types(vocabulary),
            findings: Vec::new(),
            members: Self::default(),
        };
        for entity in &entities {
            reader.entity(entity);
        }
        let EntitiesReader { text, mut findings, mut members, .. } = reader;
        if let Err((uid, message)) = members.close() {
            findings.push(Finding::new(Severity::Error, &text, find(&text, &uid.id), message));
        }
        findings.retain(|finding| !impossible || finding.code.is_none());
        if findings.is_empty() { Ok(members) } else { Err(findings) }
    }

    /// Computes `above` and `named`; `Err` names an entity that is in itself, or with which there are too many memberships.
    fn close(&mut self) -> Result<(), (Uid, String)> {
        let mut closed = HashMap::<_, MemberAncestors>::default();
        let mut memberships = 0;
        for ((kind, id), parents) in &self.declared {
            let uid = Uid { kind: kind.clone(), id: id.clone() };
            let mut all: Vec<Uid> = Vec::new();
            let mut seen = HashSet::new();
            let mut queue: Vec<&Uid> = parents.iter().collect();
            while let Some(parent) = queue.pop() {
                if *parent == uid {
                    let message = format!("`{}` is a member of itself", uid.id.escape_debug());
                    return Err((uid, message));
                }
                if seen.insert(parent) {
                    memberships += 1;
                    if memberships > MEMBERSHIPS {
                        let message = format!("there are more than {MEMBERSHIPS} memberships, indirect ones included");
                        return Err((uid, message));
                    }
                    all.push(parent.clone());
                    queue.extend(self.declared.get(&(parent.kind.clone(), parent.id.clone())).into_iter().flatten());
                }
            }
            self.named.extend(all.iter().cloned());
            self.named.insert(uid);
            closed.entry(kind.clone()).or_default().insert(id.clone(), all);
        }
        self.above = closed.into_iter().map(|(kind, above)| (kind, Arc::new(above))).collect();
        Ok(())
    }
}

const SHAPE: &str = r#"an entity looks like {"uid": {"type": "fs::Path", "id": "/srv/logs"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]}"#;

/// Returns the types that a file may declare entities of, each with the type that they may be in.
fn parent_types(vocabulary: &Vocabulary) -> BTreeMap<String, Option<String>> {
    let mut types: BTreeMap<_, _> =
        PRINCIPALS.iter().chain([&GROUP]).map(|kind| ((*kind).to_owned(), Some(GROUP.to_owned()))).collect();
    for resource in vocabulary.resources() {
        let class = resource.class.map(|class| format!("{}::{class}", resource.namespace));
        if let Some(class) = &class {
            types.insert(class.clone(), Some(class.clone()));
        }
        types.insert(resource.to_string(), class);
    }
    types
}

struct EntitiesReader {
    vocabulary: Vocabulary,
    text: SharedText,
    parents: BTreeMap<String, Option<String>>,
    findings: Vec<Finding>,
    members: Members,
}

impl EntitiesReader {
    fn entity(&mut self, entity: &Value) {
        let Some((uid, parents)) = shape(entity) else {
            let place = entity.pointer("/uid/id").and_then(Value::as_str).and_then(|id| find(&self.text, id));
            return self.error(place, "this is not an entity of the entities file".to_owned(), SHAPE.to_owned());
        };
        if !self.known(&uid) {
            return;
        }
        let parent_type = self.parents.get(&*uid.kind).cloned().flatten();
        for parent in &parents {
            if self.known(parent) && parent_type.as_deref() != Some(&parent.kind) {
                let message = format!("a `{}` cannot be put in a `{}`", uid.kind, parent.kind);
                let help = match &parent_type {
                    Some(kind) => format!("a `{}` can be put in a `{kind}`", uid.kind),
                    None => format!("a `{}` cannot be put in anything", uid.kind),
                };
                self.error(find(&self.text, &parent.id), message, help);
            }
        }
        let key = (uid.kind.clone(), uid.id.clone());
        if self.members.declared.insert(key, parents).is_some() {
            let message = format!("`{}::{:?}` is declared twice", uid.kind, uid.id);
            self.error(find(&self.text, &uid.id), message, "give all of its parents in one entity".to_owned());
        }
    }

    /// Checks that the type can be declared and that the id has the one spelling that requests have.
    fn known(&mut self, uid: &Uid) -> bool {
        if !self.parents.contains_key(&*uid.kind) {
            let message = format!("the entities file cannot declare a `{}`", uid.kind.escape_debug());
            let types: Vec<_> = self.parents.keys().map(String::as_str).collect();
            self.error(find(&self.text, &uid.kind), message, format!("it can declare: {}", types.join(", ")));
            return false;
        }
        let finding = check_id(&self.vocabulary, &self.text, || find(&self.text, &uid.id), uid);
        let known = finding.is_none();
        self.findings.extend(finding);
        // `find` does not see an id that is written with escapes: that one is deliberate.
        let odd =
            |what| (format!("the id `{}` holds {what}", visible(&uid.id)), "write the intended letter".to_owned());
        if let Some((message, help)) = hidden_in(&uid.id).map(odd).or_else(|| wild_in(uid))
            && let Some(place) = find(&self.text, &uid.id).filter(|_| known)
        {
            self.error(Some(place), message, help);
        }
        known
    }

    fn error(&mut self, place: Option<(usize, usize)>, message: String, help: String) {
        self.findings.push(Finding::new(Severity::Error, &self.text, place, message).with_help(help));
    }
}

/// Reports an id that no request can have.
pub(crate) fn check_id(
    vocabulary: &Vocabulary,
    text: &SharedText,
    place: impl FnOnce() -> Option<(usize, usize)>,
    uid: &Uid,
) -> Option<Finding> {
    let (message, help) = match canonical(vocabulary, &uid.kind, &uid.id) {
        Ok(None) => return None,
        Ok(Some(id)) if *id == *uid.id => return None,
        Ok(Some(id)) => {
            let message = format!("`{}` is never the id of a `{}`", uid.id.escape_debug(), uid.kind);
            (message, Some(format!("did you mean `{}`?", id.escape_debug())))
        }
        Err(why) if why.contains("is relative") => {
            (why, Some("the path of an entity is absolute: it starts with `/`".to_owned()))
        }
        Err(why) => (why, None),
    };
    let mut finding = Finding::new(Severity::Error, text, place(), message);
    finding.help = help;
    Some(finding)
}

/// Returns the name and the parents of an entity that has nothing else. Rex itself sets attributes.
fn shape(entity: &Value) -> Option<(Uid, Vec<Uid>)> {
    let fields = entity.as_object()?;
    let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
    let plain = fields.iter().all(|(name, value)| match name.as_str() {
        "uid" | "parents" => true,
        "attrs" | "tags" => empty(value),
        _ => false,
    });
    let parents = fields.get("parents").map_or(Some(&[][..]), |parents| parents.as_array().map(Vec::as_slice))?;
    let parents = parents.iter().map(uid).collect::<Option<Vec<_>>>()?;
    plain.then_some((uid(fields.get("uid")?)?, parents))
}

fn uid(value: &Value) -> Option<Uid> {
    let fields = value.get("__entity").unwrap_or(value).as_object().filter(|fields| fields.len() == 2)?;
    Some(Uid::new(fields.get("type")?.as_str()?, fields.get("id")?.as_str()?))
}

/// Finds a string in the file: its first place, since JSON values do not keep theirs.
fn find(text: &SharedText, string: &str) -> Option<(usize, usize)> {
    let quoted = Value::from(string).to_string();
    text.text.find(&quoted).map(|offset| (offset, quoted.len()))
}

fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}
