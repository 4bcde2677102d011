//! Values from the events of the parser. An alias is a copy of its value, and counts as one, both in bytes and in depth: this
//! bounds a text whose aliases refer to lists of aliases.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};
use rex_core::Error;
use rhai::{Array, Dynamic, Map};

use super::super::json::{ENTRY_BYTES, ITEM_BYTES, LIST_BYTES, MAP_BYTES, STRING_BYTES};
use super::super::{CallBudget, DEPTH, PureResult, fail, printable, quote};

/// Reads the documents of a text: at most `most`, whose values take at most `bytes`.
pub(super) fn documents(text: &str, most: usize, bytes: usize) -> PureResult<Vec<Dynamic>> {
    let options = options! { flow_nesting_limit: DEPTH, block_nesting_limit: DEPTH };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = DocumentReader { parser, budget: CallBudget::new(bytes), anchors: HashMap::new() };
    let mut documents = Vec::new();
    while documents.len() < most {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::StreamStart | Event::DocumentEnd, _) => {}
            (Event::DocumentStart(..), _) => {
                reader.anchors.clear();
                reader.budget.take(ITEM_BYTES)?;
                let start = reader.next()?;
                documents.push(reader.node(start, 0)?.value);
            }
            (_, span) => return Err(unexpected(span)),
        }
    }
    Ok(documents)
}

struct DocumentReader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    budget: CallBudget,
    /// The values with an anchor in this document, by the parser's number for it.
    anchors: HashMap<usize, AnchoredNode>,
}

/// A value, and its number of levels of lists and maps.
#[derive(Clone)]
struct DocumentNode {
    value: Dynamic,
    height: usize,
}

struct AnchoredNode {
    node: DocumentNode,
    bytes: usize,
}

impl<'t> DocumentReader<'t> {
    fn next(&mut self) -> PureResult<(Event<'t>, Span)> {
        match self.parser.next_event() {
            Some(event) => event.map_err(|error| refused(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// Reads the value that starts with an event, which lies within `depth` lists and maps.
    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> PureResult<DocumentNode> {
        let before = self.budget.taken();
        let (anchor, node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, depth, span),
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(&text, style, tag.as_deref(), span)?),
            Event::SequenceStart(_, anchor, tag) => {
                collection(tag.as_deref(), "seq", span)?;
                (anchor, self.list(deeper(depth, span)?)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                collection(tag.as_deref(), "map", span)?;
                (anchor, self.map(deeper(depth, span)?)?)
            }
            _ => return Err(unexpected(span)),
        };
        self.name(anchor, &node, self.budget.taken() - before)?;
        Ok(node)
    }

    /// Keeps a copy of a value that has an anchor.
    fn name(&mut self, anchor: usize, node: &DocumentNode, bytes: usize) -> PureResult<()> {
        if anchor > 0 {
            self.budget.take(bytes.saturating_add(MAP_BYTES))?;
            self.anchors.insert(anchor, AnchoredNode { node: node.clone(), bytes });
        }
        Ok(())
    }

    fn alias(&self, anchor: usize, depth: usize, span: Span) -> PureResult<DocumentNode> {
        let Some(AnchoredNode { node, bytes }) = self.anchors.get(&anchor) else {
            return Err(invalid("an alias is part of its own anchor", span.start));
        };
        if depth + node.height > DEPTH {
            return Err(too_deep(span.start));
        }
        self.budget.take(*bytes)?;
        Ok(node.clone())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> PureResult<DocumentNode> {
        let value = match tag {
            None if style == ScalarStyle::Plain => plain(text),
            None => text.into(),
            Some(tag) => tagged(text, tag, span)?,
        };
        if value.is_string() {
            self.budget.take(STRING_BYTES + text.len())?;
        }
        Ok(DocumentNode { value, height: 0 })
    }

    fn list(&mut self, depth: usize) -> PureResult<DocumentNode> {
        self.budget.take(LIST_BYTES)?;
        let (mut items, mut height) = (Array::new(), 0);
        loop {
            let next = self.next()?;
            if next.0 == Event::SequenceEnd {
                return Ok(DocumentNode { value: items.into(), height: height + 1 });
            }
            self.budget.take(ITEM_BYTES)?;
            let item = self.node(next, depth)?;
            height = height.max(item.height);
            items.push(item.value);
        }
    }

    fn map(&mut self, depth: usize) -> PureResult<DocumentNode> {
        self.budget.take(MAP_BYTES)?;
        let (mut entries, mut merged, mut height) = (Map::new(), None, 0);
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.key(event, span)?;
            self.budget.take(ENTRY_BYTES + key.len())?;
            let is_new = if merges { merged.is_none() } else { !entries.contains_key(key.as_str()) };
            if !is_new {
                return Err(invalid(&format!("the key {} occurs twice", quote(&key)), span.start));
            }
            let start = self.next()?;
            let entry = self.node(start, depth)?;
            height = height.max(entry.height);
            match merges {
                true => merged = Some(maps(entry.value, span)?),
                false => drop(entries.insert(key.into(), entry.value)),
            }
        }
        // The map's own entries take precedence, then those of the first merged map.
        for (key, value) in merged.into_iter().flatten().flatten() {
            entries.entry(key).or_insert(value);
        }
        Ok(DocumentNode { value: entries.into(), height: height + 1 })
    }

    fn key(&mut self, event: Event<'t>, span: Span) -> PureResult<String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), span)?;
                self.name(anchor, &node, STRING_BYTES + text.len())?;
                Ok(text.into_owned())
            }
            Event::Alias(anchor) => {
                let key = self.alias(anchor, 0, span)?.value.into_immutable_string();
                key.map(|key| key.to_string())
                    .map_err(|_| invalid("a key is an alias of something other than text", span.start))
            }
            _ => Err(invalid("a key is a list or a map", span.start)),
        }
    }
}

/// Returns the maps that `<<` merges.
fn maps(value: Dynamic, span: Span) -> PureResult<Vec<Map>> {
    let wrong = |_| invalid("`<<` takes a map or a list of maps", span.start);
    if value.is_array() {
        let all = value.into_typed_array::<Dynamic>().map_err(wrong)?;
        return all.into_iter().map(|map| map.try_cast_result().map_err(|_| wrong(""))).collect();
    }
    value.try_cast_result().map(|map| vec![map]).map_err(|_| wrong(""))
}

/// Returns the value of a scalar without quotes, by the core schema of YAML 1.2.
pub(super) fn plain(text: &str) -> Dynamic {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let radix = |digits, radix| i64::from_str_radix(digits, radix).ok();
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Dynamic::UNIT,
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        ".nan" | ".NaN" | ".NAN" => return f64::NAN.into(),
        _ if matches!(unsigned, ".inf" | ".Inf" | ".INF") => {
            return if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }.into();
        }
        _ => {}
    }
    // After its sign, a number starts with a digit or a point, unlike `inf` and `nan`; and `0x` is followed by a digit.
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return text.into();
    }
    let digits = |digits: &str| digits.starts_with(|first: char| first.is_ascii_hexdigit());
    let int = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) => radix(hex, 16).filter(|_| digits(hex)),
        (_, Some(octal)) => radix(octal, 8).filter(|_| digits(octal)),
        // YAML 1.1 reads `0644` as octal, YAML 1.2 as decimal: it stays text.
        _ if unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|byte| byte.is_ascii_digit()) => {
            return text.into();
        }
        _ => text.parse().ok(),
    };
    // A name such as `12e4567` is not a finite number, and stays text.
    let float = || text.parse::<f64>().ok().filter(|float| float.is_finite());
    int.map(Dynamic::from_int).or_else(|| float().map(Dynamic::from_float)).unwrap_or_else(|| text.into())
}

/// Returns the value of a scalar with a tag.
fn tagged(text: &str, tag: &Tag, span: Span) -> PureResult<Dynamic> {
    let value = plain(text);
    let value = match tag.core_suffix() {
        Some("str") => Some(text.into()),
        Some("float") => Some(value.as_int().map_or(value, |int| (int as f64).into())),
        Some("null" | "bool" | "int") => Some(value),
        _ if tag.original() == "!" => Some(text.into()),
        _ => None,
    };
    let fits = |value: &Dynamic| match tag.core_suffix() {
        Some("null") => value.is_unit(),
        Some("bool") => value.is_bool(),
        Some("int") => value.is_int(),
        Some("float") => value.is_float(),
        _ => true,
    };
    let Some(value) = value else { return Err(unknown(tag, span)) };
    if !fits(&value) {
        return Err(invalid(&format!("{} is not what {} says", quote(text), quote(&tag.original())), place(span)));
    }
    Ok(value)
}

/// Checks that the tag of a list or map, if any, is its own.
fn collection(tag: Option<&Tag>, own: &str, span: Span) -> PureResult<()> {
    match tag {
        // A `!` alone says nothing about a list or a map.
        Some(tag) if !tag.is_yaml_core_schema_tag(own) && tag.original() != "!" => Err(unknown(tag, span)),
        _ => Ok(()),
    }
}

fn deeper(depth: usize, span: Span) -> PureResult<usize> {
    if depth < DEPTH { Ok(depth + 1) } else { Err(too_deep(span.start)) }
}

fn too_deep(place: Marker) -> Error {
    invalid(&format!("nested deeper than {DEPTH} levels"), place)
}

fn unknown(tag: &Tag, span: Span) -> Error {
    let help = "known are `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!seq` and `!!map`";
    invalid(&format!("the tag {} is not known", quote(&tag.original())), place(span)).with_help(help)
}

/// Returns the place where something with a tag starts.
fn place(span: Span) -> Marker {
    span.tag_start().unwrap_or(span.start)
}

fn unexpected(span: Span) -> Error {
    invalid("the structure is invalid", span.start)
}

fn refused(error: &ScanError) -> Error {
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(*error.marker()),
        _ => invalid(&error.info().chars().flat_map(printable).collect::<String>(), *error.marker()),
    }
}

fn invalid(what: &str, place: Marker) -> Error {
    fail(format!("the text is not valid YAML: {what} at line {} column {}", place.line(), place.col() + 1))
}
