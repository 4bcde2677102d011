//! YAML in block style from values: one line for each entry. Text is written without quotes only where no reader, old or
//! new, could take it for something else.

use rex_core::Error;
use rhai::{Array, Dynamic, Map};

use super::super::{CallBudget, DEPTH, PureResult, TEXT_BYTES, fail, fail_with};
use super::read::plain;

/// Writes a value as a document, with a line end after it.
pub(super) fn document(value: &Dynamic) -> PureResult<String> {
    let mut writer = DocumentWriter { text: String::new(), budget: CallBudget::new(TEXT_BYTES) };
    writer.node(value, ValuePrefix::Document, 0, 0)?;
    writer.push("\n")?;
    Ok(writer.text)
}

/// The text before a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValuePrefix {
    /// Nothing: the value comes first.
    Document,
    /// A key and its colon.
    Key,
    /// The dash of a list's item.
    Dash,
}

/// Number of columns from one level to the next.
const STEP: usize = 2;
/// Maximum length of a key on one line with its value; YAML's own limit is 1024 characters.
const KEY_BYTES: usize = 512;

struct DocumentWriter {
    text: String,
    budget: CallBudget,
}

impl DocumentWriter {
    fn push(&mut self, text: &str) -> PureResult<()> {
        self.budget.take(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn line(&mut self, indent: usize) -> PureResult<()> {
        self.budget.take(indent + 1)?;
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', indent));
        Ok(())
    }

    /// Writes a value whose entries, if any, are at `indent`. A shared value can contain itself, hence the depth.
    fn node(&mut self, value: &Dynamic, place: ValuePrefix, indent: usize, depth: usize) -> PureResult<()> {
        let is_nested = value.is_array() || value.is_map();
        if is_nested && depth == DEPTH {
            return Err(refused(&format!("the value is nested deeper than {DEPTH} levels")));
        }
        if let Ok(list) = value.as_array_ref() {
            self.list(&list, place, indent, depth)
        } else if let Ok(map) = value.as_map_ref() {
            self.map(&map, place, indent, depth)
        } else if is_nested {
            Err(fail("the value is in use"))
        } else if let Ok(blob) = value.as_blob_ref() {
            let numbers: Array = blob.iter().map(|byte| i64::from(*byte).into()).collect();
            self.list(&numbers, place, indent, depth)
        } else {
            if place != ValuePrefix::Document {
                self.push(" ")?;
            }
            self.scalar(value, indent.max(STEP))
        }
    }

    fn list(&mut self, list: &Array, place: ValuePrefix, indent: usize, depth: usize) -> PureResult<()> {
        for (number, item) in list.iter().enumerate() {
            self.start(number, place, indent)?;
            self.push("-")?;
            self.node(item, ValuePrefix::Dash, indent + STEP, depth + 1)?;
        }
        if list.is_empty() { self.empty("[]", place) } else { Ok(()) }
    }

    fn map(&mut self, map: &Map, place: ValuePrefix, indent: usize, depth: usize) -> PureResult<()> {
        for (number, (key, value)) in map.iter().enumerate() {
            self.start(number, place, indent)?;
            let is_short = key.len() <= KEY_BYTES;
            if !is_short {
                self.push("? ")?;
            }
            // A `<<` would merge only without quotes, so it is quoted here.
            if is_plain(key) {
                self.push(key)?
            } else {
                self.quoted(key)?
            }
            if !is_short {
                self.line(indent)?;
            }
            self.push(":")?;
            self.node(value, ValuePrefix::Key, indent + STEP, depth + 1)?;
        }
        if map.is_empty() { self.empty("{}", place) } else { Ok(()) }
    }

    /// Moves to the place of an entry: the first entry of an item follows its dash.
    fn start(&mut self, number: usize, place: ValuePrefix, indent: usize) -> PureResult<()> {
        match place {
            ValuePrefix::Dash if number == 0 => self.push(" "),
            ValuePrefix::Document if number == 0 => Ok(()),
            _ => self.line(indent),
        }
    }

    fn empty(&mut self, brackets: &str, place: ValuePrefix) -> PureResult<()> {
        if place != ValuePrefix::Document {
            self.push(" ")?;
        }
        self.push(brackets)
    }

    fn scalar(&mut self, value: &Dynamic, indent: usize) -> PureResult<()> {
        if let Ok(text) = value.as_immutable_string_ref() {
            return self.text(&text, indent);
        }
        if let Ok(char) = value.as_char() {
            return self.text(char.encode_utf8(&mut [0; 4]), indent);
        }
        let text = if let Ok(int) = value.as_int() {
            int.to_string()
        } else if let Ok(float) = value.as_float() {
            match float.is_finite() {
                // Always with a point or an exponent, so that it stays a FLOAT.
                true => format!("{float:?}"),
                false if float.is_nan() => ".nan".to_owned(),
                false => if float > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
            }
        } else if let Ok(bool) = value.as_bool() {
            bool.to_string()
        } else if value.is_unit() {
            "null".to_owned()
        } else {
            let kind = if value.is_fnptr() { "a function" } else { "a value of this kind" };
            return Err(refused(&format!("{kind} cannot be written as YAML")));
        };
        self.push(&text)
    }

    fn text(&mut self, text: &str, indent: usize) -> PureResult<()> {
        if is_plain(text) {
            self.push(text)
        } else if is_literal(text) {
            self.literal(text, indent)
        } else {
            self.quoted(text)
        }
    }

    /// Writes a text line by line, with `|` if it ends with a line end, and else with `|-`.
    fn literal(&mut self, text: &str, indent: usize) -> PureResult<()> {
        let (text, head) = text.strip_suffix('\n').map_or((text, "|-"), |text| (text, "|"));
        self.push(head)?;
        for line in text.split('\n') {
            self.line(if line.is_empty() { 0 } else { indent })?;
            self.push(line)?;
        }
        Ok(())
    }

    fn quoted(&mut self, text: &str) -> PureResult<()> {
        self.push("\"")?;
        for char in text.chars() {
            match char {
                '"' => self.push("\\\"")?,
                '\\' => self.push("\\\\")?,
                '\n' => self.push("\\n")?,
                '\r' => self.push("\\r")?,
                '\t' => self.push("\\t")?,
                char if is_printable(char) => self.push(char.encode_utf8(&mut [0; 4]))?,
                char => match u32::from(char) {
                    code @ 0..0x100 => self.push(&format!("\\x{code:02x}"))?,
                    code @ 0..0x1_0000 => self.push(&format!("\\u{code:04x}"))?,
                    code => self.push(&format!("\\U{code:08x}"))?,
                },
            }
        }
        self.push("\"")
    }
}

fn refused(message: &str) -> Error {
    fail_with(message, "YAML holds text, numbers, booleans, (), lists and maps")
}

/// Returns whether text can be written without quotes: one or more words that no reader takes for something else.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let is_safe = |char: char| char.is_alphanumeric() || " _-./+=@%~,():".contains(char);
    text.starts_with(|first: char| first.is_alphabetic() || first == '_' || first == '/')
        && !text.ends_with([' ', ':'])
        && text.chars().all(is_safe)
        && !text.contains(": ")
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
        && plain(text).is_string()
}

/// Returns whether a text of several lines can be written as it is: no line consists of blanks, and the first does not start with one.
fn is_literal(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let has_lines = body.contains('\n') || body.len() < text.len();
    let is_blank = |line: &str| !line.is_empty() && line.chars().all(|char| char == ' ');
    has_lines
        && !body.starts_with([' ', '\n'])
        && !body.is_empty()
        && !body.ends_with('\n')
        && text.chars().all(|char| char == '\n' || is_printable(char))
        && !body.split('\n').any(is_blank)
}

/// Returns whether a character is unambiguous to people and to readers of YAML.
fn is_printable(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
