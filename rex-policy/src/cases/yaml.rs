//! A file of cases as a tree of nodes with their places, so that findings can underline them.

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, options};
use rex_core::Value;

use crate::finding::{Finding, Severity, SharedText};

/// Maximum depth of nested lists and maps.
const DEPTH: usize = 16;

/// A value in the file.
#[derive(Debug)]
pub(super) struct YamlNode {
    pub(super) kind: YamlKind,
    pub(super) place: (usize, usize),
}

#[derive(Debug)]
pub(super) enum YamlKind {
    Scalar(Value),
    List(Vec<YamlNode>),
    Map(Vec<YamlEntry>),
}

#[derive(Debug)]
pub(super) struct YamlEntry {
    pub(super) key: String,
    pub(super) key_place: (usize, usize),
    pub(super) node: YamlNode,
}

impl YamlNode {
    /// Converts the node to plain data.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            YamlKind::Scalar(value) => value.clone(),
            YamlKind::List(nodes) => Value::List(nodes.iter().map(Self::value).collect()),
            YamlKind::Map(entries) => {
                Value::Map(entries.iter().map(|entry| (entry.key.clone(), entry.node.value())).collect())
            }
        }
    }
}

/// Reads a file with exactly one document.
pub(super) fn read(text: &SharedText) -> Result<YamlNode, Box<Finding>> {
    let options = options! { flow_nesting_limit: DEPTH, block_nesting_limit: DEPTH };
    let mut reader = YamlReader { text, parser: Parser::new_from_str_with_options(&text.text, options) };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (Event::StreamEnd | Event::DocumentEnd, span) => return Err(reader.wrong(span, "the file is empty")),
            start => {
                let node = reader.node(start)?;
                return match reader.next()? {
                    (Event::DocumentEnd, _) => match reader.next()? {
                        (Event::StreamEnd, _) => Ok(node),
                        (_, span) => Err(reader.wrong(span, "a file of cases is one document")),
                    },
                    (_, span) => Err(reader.wrong(span, "the structure is invalid")),
                };
            }
        }
    }
}

struct YamlReader<'t> {
    text: &'t SharedText,
    parser: Parser<'t, StrInput<'t>>,
}

impl<'t> YamlReader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Box<Finding>> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let place = (error.marker().byte_offset().unwrap_or(0), 1);
                let what = error.info().escape_debug().to_string();
                let what = format!("this is not YAML: {what}");
                Err(Box::new(Finding::new(Severity::Error, self.text, Some(place), what)))
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'t>, Span)) -> Result<YamlNode, Box<Finding>> {
        let kind = match event {
            Event::Scalar(text, style, 0, None) => YamlKind::Scalar(scalar(&text, style)),
            Event::SequenceStart(_, 0, None) => YamlKind::List(self.list()?),
            Event::MappingStart(_, 0, None) => YamlKind::Map(self.map()?),
            _ => return Err(self.wrong(span, "a file of cases has no anchors, aliases and tags")),
        };
        Ok(YamlNode { kind, place: place(span) })
    }

    fn list(&mut self) -> Result<Vec<YamlNode>, Box<Finding>> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(nodes),
                next => nodes.push(self.node(next)?),
            }
        }
    }

    fn map(&mut self) -> Result<Vec<YamlEntry>, Box<Finding>> {
        let mut entries: Vec<YamlEntry> = Vec::new();
        loop {
            let (key, span) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(text, _, 0, None), span) => (text.into_owned(), span),
                (_, span) => return Err(self.wrong(span, "a key is text")),
            };
            if entries.iter().any(|entry| entry.key == key) {
                return Err(self.wrong(span, &format!("`{}` occurs twice", key.escape_debug())));
            }
            let start = self.next()?;
            let node = self.node(start)?;
            entries.push(YamlEntry { key, key_place: place(span), node });
        }
    }

    fn wrong(&self, span: Span, what: &str) -> Box<Finding> {
        Box::new(Finding::new(Severity::Error, self.text, Some(place(span)), what.to_owned()))
    }
}

fn place(span: Span) -> (usize, usize) {
    let start = span.start.byte_offset().unwrap_or(0);
    (start, span.end.byte_offset().unwrap_or(start).saturating_sub(start))
}

/// Parses a scalar: `null`, `~`, `true`, `false` and decimal integers as in YAML 1.2; the rest is text. Policies have no floats.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    match text {
        _ if style != ScalarStyle::Plain => Value::Text(text.to_owned()),
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Int),
    }
}
