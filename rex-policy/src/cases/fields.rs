//! Typed access to the fields of a case.

use std::collections::BTreeMap;

use rex_core::Value;
use rex_core::nearest::did_you_mean;

use super::yaml::{YamlEntry, YamlKind, YamlNode};
use crate::finding::{Finding, Severity, SharedText};

/// The fields of a case with one request.
const REQUEST: [&str; 12] = [
    "name",
    "principal",
    "action",
    "resource",
    "attributes",
    "context",
    "script",
    "tags",
    "at",
    "expect",
    "policies",
    "reason",
];

/// The fields of a case with a script.
const SCRIPT: [&str; 14] = [
    "name",
    "principal",
    "run",
    "args",
    "files",
    "units",
    "processes",
    "programs",
    "hosts",
    "tags",
    "at",
    "expect",
    "policies",
    "reason",
];

pub(super) struct NodeFields<'n> {
    text: &'n SharedText,
    entries: &'n [YamlEntry],
    place: (usize, usize),
}

type FieldResult<T> = Result<T, Box<Finding>>;

impl<'n> NodeFields<'n> {
    pub(super) fn new(text: &'n SharedText, node: &'n YamlNode) -> FieldResult<Self> {
        let mut fields = Self { text, entries: &[], place: node.place };
        match &node.kind {
            YamlKind::Map(entries) => fields.entries = entries,
            _ => return Err(fields.wrong(node.place, "this is not a case".to_owned(), "a case is a map")),
        }
        // The parser gives a map only its start: use that of its first key.
        fields.place = fields.entries.first().map_or(node.place, |entry| entry.key_place);
        fields.check()?;
        Ok(fields)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == name)
    }

    /// Returns the place of a field, or of the case if the field is missing.
    pub(super) fn place(&self, name: &str) -> (usize, usize) {
        self.entries.iter().find(|entry| entry.key == name).map_or(self.place, |entry| entry.key_place)
    }

    pub(super) fn wrong(&self, place: (usize, usize), message: String, help: &str) -> Box<Finding> {
        let finding = Finding::new(Severity::Error, self.text, Some(place), message);
        Box::new(if help.is_empty() { finding } else { finding.with_help(help) })
    }

    fn take(&self, name: &str) -> Option<&'n YamlNode> {
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node)
    }

    fn not(&self, name: &str, what: &str, node: &YamlNode) -> Box<Finding> {
        let message = format!("`{name}` is {what}, not {}", node.value().kind());
        self.wrong(self.place(name), message, if what == "text" { "put it in quotes" } else { "" })
    }

    pub(super) fn optional_text(&self, name: &str) -> FieldResult<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(YamlNode { kind: YamlKind::Scalar(Value::Text(text)), .. }) => Ok(Some(text.clone())),
            Some(other) => Err(self.not(name, "text", other)),
        }
    }

    pub(super) fn text(&self, name: &str) -> FieldResult<String> {
        self.optional_text(name)?.ok_or_else(|| {
            let help = match name {
                "action" => "a case has `action` and `resource`, or `run` with a script",
                "expect" => "`allow` or `deny`",
                _ => "",
            };
            self.wrong(self.place, format!("this case lacks `{name}`"), help)
        })
    }

    pub(super) fn optional_texts(&self, name: &str) -> FieldResult<Option<Vec<String>>> {
        let Some(node) = self.take(name) else { return Ok(None) };
        let YamlKind::List(items) = &node.kind else { return Err(self.not(name, "a list", node)) };
        let texts = items.iter().map(|item| match &item.kind {
            YamlKind::Scalar(Value::Text(text)) => Ok(text.clone()),
            _ => Err(self.wrong(item.place, format!("`{name}` is a list of texts"), "put each in quotes")),
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn optional_map(&self, name: &str) -> FieldResult<BTreeMap<String, Value>> {
        match self.take(name) {
            None => Ok(BTreeMap::new()),
            Some(node) => match node.value() {
                Value::Map(entries) => Ok(entries),
                _ => Err(self.not(name, "a map", node)),
            },
        }
    }

    /// Checks that the case has no unknown field.
    fn check(&self) -> FieldResult<()> {
        let (kind, known) = match self.has("run") {
            true => ("runs a script", &SCRIPT[..]),
            false => ("asks one request", &REQUEST[..]),
        };
        let Some(other) = self.entries.iter().find(|entry| !known.contains(&&*entry.key)) else { return Ok(()) };
        let message = format!("a case that {kind} has no `{}`", other.key.escape_debug());
        let list = || known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let meant = did_you_mean(&other.key, known.iter().copied());
        Err(self.wrong(other.key_place, message, &meant.unwrap_or_else(|| format!("it has {}", list()))))
    }
}
