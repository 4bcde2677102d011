//! A scan of a script's text for what its tree does not keep: words as keys, brackets, comments, `${..}` in plain text.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::iter::Peekable;
use std::str::Chars;

/// A line and a column, each from 1; the column in characters.
pub(crate) type ScriptPlace = (u32, u32);

/// Information about the text of a script, by place.
#[derive(Debug, Default)]
pub(crate) struct ScriptScan {
    /// Words after `.` or `::`, and keys of maps: they are names there, even if they are words of the language.
    pub(crate) names: HashMap<ScriptPlace, String>,
    /// The closing bracket of each `[`.
    pub(crate) closing: HashMap<ScriptPlace, ScriptPlace>,
    /// Each `${` in double quotes, where it is text.
    pub(crate) dollars: Vec<ScriptPlace>,
    /// Each `\n` in backticks, where it is two characters.
    pub(crate) escapes: Vec<ScriptPlace>,
    /// Each `//` that looks like a division.
    pub(crate) divisions: Vec<ScriptPlace>,
    /// Each `switch` with its cases.
    pub(crate) switches: Vec<SwitchCases>,
    /// Each `=+`, and each `=-` with a blank after it: `+=` and `-=` were meant.
    pub(crate) reversed: Vec<(ScriptPlace, char)>,
    /// Each number with a prefix: `0o644`, `0xff`.
    pub(crate) prefixed: HashSet<ScriptPlace>,
    /// The start of a block comment that does not end.
    pub(crate) open_comment: Option<ScriptPlace>,
    /// Each text that begins with three quotes: in other languages, one of several lines.
    pub(crate) triples: Vec<ScriptPlace>,
    /// Each `{}` where a value is expected: an empty block, whose value is `()`.
    pub(crate) empties: Vec<ScriptPlace>,
    /// Each number with a zero before it: `0644`.
    pub(crate) zeros: Vec<ScriptPlace>,
    /// Each number of milliseconds in a script without a name for milliseconds: `24 * 3600 * 1000`.
    pub(crate) millis: BTreeSet<ScriptPlace>,
    /// Each operator after `??` and a literal: `x ?? 0 + 1`.
    pub(crate) defaults: Vec<(ScriptPlace, char)>,
}

/// A `switch`, and the kinds of the literals in its cases.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct SwitchCases {
    /// The end of the word.
    pub(crate) start: ScriptPlace,
    /// The bracket that opens the cases.
    pub(crate) open: ScriptPlace,
    pub(crate) kinds: BTreeSet<&'static str>,
    /// The texts among the cases.
    pub(crate) texts: Vec<(ScriptPlace, String)>,
}

/// Words of the language that can also be names: Rhai reserves them, or gives them a meaning only where no name can be.
const WORDS: &[&str] = &[
    "as",
    "async",
    "await",
    "break",
    "case",
    "catch",
    "const",
    "continue",
    "default",
    "do",
    "else",
    "exit",
    "export",
    "false",
    "fn",
    "for",
    "global",
    "go",
    "goto",
    "if",
    "import",
    "in",
    "is",
    "let",
    "loop",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "shared",
    "spawn",
    "static",
    "super",
    "switch",
    "sync",
    "thread",
    "throw",
    "true",
    "try",
    "until",
    "use",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Functions of the language that are names where they are not called.
const CALLED: &[&str] = &["call", "curry", "debug", "eval", "is_shared", "print", "type_of"];

/// An open bracket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenBracket {
    Map,
    Block,
    /// The cases of the `switch` of this number, and whether the pattern of a case is being read.
    Cases(usize, bool),
    Round,
    Square(ScriptPlace),
    /// `${` of an interpolated text.
    Interpolation,
}

/// The part of a default, and of what follows it, that was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DefaultState {
    None,
    /// `?`
    Half,
    /// `??`
    Asked,
    /// `?? 0`
    Given,
}

/// Scans a script. One that does not parse is scanned as far as possible: Rhai's parser reports the error.
pub(crate) fn scan(text: &str) -> ScriptScan {
    let mut scanner = Scanner {
        chars: text.chars().peekable(),
        place: (1, 1),
        open: Vec::new(),
        last: None,
        before: None,
        kind: None,
        text: None,
        default: DefaultState::None,
        asked: Vec::new(),
        product: (false, false),
        has_millis: false,
        found: ScriptScan::default(),
    };
    scanner.code();
    if scanner.has_millis {
        scanner.found.millis.clear();
    }
    scanner.found
}

struct Scanner<'t> {
    chars: Peekable<Chars<'t>>,
    place: ScriptPlace,
    open: Vec<OpenBracket>,
    /// The last character of code that is not blank, and its line.
    last: Option<(char, u32)>,
    /// The character of code before `last`.
    before: Option<char>,
    /// The kind of the last token, if it is a literal.
    kind: Option<&'static str>,
    /// The last text, if it is the last token.
    text: Option<(ScriptPlace, String)>,
    /// The part of `?? 0 +` that was read.
    default: DefaultState,
    /// The number of open brackets at each `switch` whose cases are still to come, and the end of that word.
    asked: Vec<(usize, ScriptPlace)>,
    /// Two flags of the product that is being read: it has the factor 1000, and it has one that makes seconds of longer times.
    product: (bool, bool),
    /// True if the script has a name for milliseconds.
    has_millis: bool,
    found: ScriptScan,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let char = self.chars.next()?;
        self.place = if char == '\n' { (self.place.0 + 1, 1) } else { (self.place.0, self.place.1 + 1) };
        Some(char)
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.chars.peek() == Some(&wanted) && self.next().is_some()
    }

    fn code(&mut self) {
        while let Some(&char) = self.chars.peek() {
            let place = self.place;
            if char == '_' || char.is_alphabetic() {
                self.word(place);
                continue;
            }
            self.next();
            let is_comment = char == '/' && matches!(self.chars.peek(), Some('/' | '*'));
            if !(is_comment || char.is_whitespace()) {
                self.case(char);
                self.default_value(char, place);
            }
            match char {
                _ if char.is_whitespace() => continue,
                _ if char.is_ascii_digit() => {
                    if char == '0' && self.chars.peek().is_some_and(char::is_ascii_alphabetic) {
                        self.found.prefixed.insert(place);
                    }
                    if char == '0' && self.chars.peek().is_some_and(char::is_ascii_digit) {
                        self.found.zeros.push(place);
                    }
                    self.number(char, place);
                }
                '"' => self.quoted(place),
                '`' => self.text(),
                '\'' => self.character(),
                '/' if self.eat('/') => {
                    self.line_comment(place);
                    continue;
                }
                '/' if self.eat('*') => {
                    self.block_comment(place);
                    continue;
                }
                '#' if self.chars.peek() == Some(&'{') => {
                    self.next();
                    self.open.push(OpenBracket::Map);
                }
                '=' => self.reversed(place),
                '#' => self.raw(),
                '{' => self.block(place),
                '(' => self.open.push(OpenBracket::Round),
                '[' => self.open.push(OpenBracket::Square(place)),
                '}' if self.open.pop() == Some(OpenBracket::Interpolation) => self.text(),
                ')' => drop(self.open.pop()),
                ']' => {
                    if let Some(OpenBracket::Square(start)) = self.open.pop() {
                        self.found.closing.insert(start, place);
                    }
                }
                _ => {}
            }
            // After these, the pattern of the next case begins.
            if let (',' | '}', Some(OpenBracket::Cases(_, naming))) = (char, self.open.last_mut()) {
                *naming = true;
            }
            self.ends_with(char, place);
        }
    }

    /// Records an assignment with its sign on the wrong side.
    fn reversed(&mut self, place: ScriptPlace) {
        let is_operator = self.last.is_some_and(|(char, _)| "=!<>+-*/%&|^".contains(char));
        let mut rest = self.chars.clone();
        match (rest.next(), rest.next()) {
            (Some('+'), _) if !is_operator => self.found.reversed.push((place, '+')),
            (Some('-'), Some(' ')) if !is_operator => self.found.reversed.push((place, '-')),
            _ => {}
        }
    }

    /// Opens a block, or the cases of the `switch` before it.
    fn block(&mut self, place: ScriptPlace) {
        let is_value = self.last.is_some_and(|(char, _)| "=(,[:".contains(char));
        if is_value && self.chars.clone().find(|char| !char.is_whitespace()) == Some('}') {
            self.found.empties.push(place);
        }
        let depth = self.open.len();
        self.open.push(match self.asked.pop_if(|(at, _)| *at == depth) {
            Some((_, start)) => {
                self.found.switches.push(SwitchCases { start, open: place, ..SwitchCases::default() });
                OpenBracket::Cases(self.found.switches.len() - 1, true)
            }
            None => OpenBracket::Block,
        });
    }

    /// Records the kind of a literal; before `|` and `=>`, the last one is a case.
    fn case(&mut self, char: char) {
        match char {
            '|' => self.cased(true),
            '=' if self.chars.peek() == Some(&'>') => self.cased(false),
            _ => {}
        }
        self.text = None;
        self.kind = match char {
            '"' | '`' => Some("text"),
            '\'' => Some("char"),
            '0'..='9' if self.is_float() => Some("float"),
            '0'..='9' => Some("int"),
            _ => None,
        };
    }

    /// Returns whether the number that has begun has a point and digits after it.
    fn is_float(&self) -> bool {
        let mut rest = self.chars.clone().skip_while(|char| char.is_ascii_digit() || *char == '_');
        rest.next() == Some('.') && rest.next().is_some_and(|char| char.is_ascii_digit())
    }

    /// Records an operator that comes after `??` and a literal.
    fn default_value(&mut self, char: char, place: ScriptPlace) {
        self.default = match (self.default, char) {
            (DefaultState::Half, '?') => DefaultState::Asked,
            (_, '?') => DefaultState::Half,
            (DefaultState::Asked, '-') => DefaultState::Asked,
            (DefaultState::Asked, '0'..='9' | '"' | '`') => DefaultState::Given,
            (DefaultState::Given, '+' | '-' | '*' | '/' | '%' | '<' | '>') => {
                self.found.defaults.push((place, char));
                DefaultState::None
            }
            _ => DefaultState::None,
        };
    }

    /// Records a literal as a case, if the pattern of a case is being read; `more` says whether the case has more values.
    fn cased(&mut self, more: bool) {
        let Some(OpenBracket::Cases(number, naming)) = self.open.last_mut() else { return };
        if let (true, Some(kind), Some(switch)) = (*naming, self.kind, self.found.switches.get_mut(*number)) {
            switch.kinds.insert(kind);
            switch.texts.extend(self.text.take().filter(|_| kind == "text"));
        }
        *naming &= more;
    }

    fn ends_with(&mut self, char: char, place: ScriptPlace) {
        self.before = self.last.map(|(char, _)| char);
        self.last = Some((char, place.0));
    }

    fn word(&mut self, place: ScriptPlace) {
        let mut word = String::new();
        while let Some(&char) = self.chars.peek() {
            if char != '_' && !char.is_alphanumeric() {
                break;
            }
            word.push(char);
            self.next();
        }
        let last = self.last.map(|(char, _)| char);
        let after = last == Some('.') && self.before != Some('.') || (self.before, last) == (Some(':'), Some(':'));
        let is_called = || self.chars.clone().find(|char| !char.is_whitespace()) == Some('(');
        let is_word = WORDS.contains(&word.as_str()) || CALLED.contains(&word.as_str()) && !is_called();
        let name = is_word && (after || self.is_key());
        self.default = DefaultState::None;
        self.has_millis |= word.ends_with("ms") || word.contains("milli");
        if word == "if" {
            self.cased(false);
        }
        self.kind = matches!(word.as_str(), "true" | "false").then_some("bool").filter(|_| !name);
        if name {
            self.found.names.insert(place, word);
        } else if word == "switch" {
            self.asked.push((self.open.len(), self.place));
        }
        self.ends_with('a', place);
    }

    /// Returns whether the word that ends here is the key of a map.
    fn is_key(&self) -> bool {
        let starts = matches!(self.last, Some(('{' | ',' | '#', _)));
        let mut rest = self.chars.clone().skip_while(|char| char.is_whitespace());
        self.open.last() == Some(&OpenBracket::Map) && starts && rest.next() == Some(':') && rest.next() != Some(':')
    }

    /// Reads a number after its first digit. A dot belongs to it if a digit comes after the dot.
    fn number(&mut self, first: char, place: ScriptPlace) {
        let mut digits = String::from(first);
        while let Some(&char) = self.chars.peek() {
            let more = self.chars.clone().nth(1);
            if !(char == '_' || char.is_alphanumeric() || char == '.' && more.is_some_and(|char| char.is_ascii_digit()))
            {
                break;
            }
            digits.extend(self.next().filter(|char| *char != '_'));
        }
        if !matches!((self.before, self.last), (Some('0'..='9'), Some(('*', _)))) {
            self.product = (false, false);
        }
        match digits.parse::<u64>() {
            Ok(1_000) => self.product.0 = true,
            Ok(60 | 3_600 | 86_400) => self.product.1 = true,
            Ok(3_600_000 | 86_400_000 | 604_800_000) => self.product = (true, true),
            _ => {}
        }
        if self.product == (true, true) {
            self.found.millis.insert(place);
            self.product = (false, false);
        }
    }

    fn quoted(&mut self, start: ScriptPlace) {
        let mut text = String::new();
        let mut rest = self.chars.clone();
        if (rest.next(), rest.next()) == (Some('"'), Some('"')) {
            self.found.triples.push(start);
        }
        loop {
            let place = self.place;
            match self.next() {
                None => return,
                Some('"') => {
                    self.text = Some((start, text));
                    return;
                }
                Some('\\') => text.extend(self.next()),
                // With a number in it, it is a group of a pattern.
                Some('$')
                    if self.chars.peek() == Some(&'{')
                        && !self.chars.clone().nth(1).is_some_and(|char| char.is_ascii_digit()) =>
                {
                    self.found.dollars.push(place);
                }
                Some(char) => text.push(char),
            }
        }
    }

    fn text(&mut self) {
        loop {
            let place = self.place;
            match self.next() {
                None => return,
                Some('\\') if self.chars.peek() == Some(&'n') => self.found.escapes.push(place),
                // Two backticks are one in the text.
                Some('`') => {
                    if !self.eat('`') {
                        return;
                    }
                }
                Some('$') if self.eat('{') => {
                    self.open.push(OpenBracket::Interpolation);
                    return;
                }
                Some(_) => {}
            }
        }
    }

    /// Reads a character: `'x'`, `'\n'`, `'\''`.
    fn character(&mut self) {
        if self.eat('\\') {
            self.next();
        }
        while let Some(&char) = self.chars.peek() {
            if char == '\n' {
                return;
            }
            self.next();
            if char == '\'' {
                return;
            }
        }
    }

    /// Reads a raw text: `#"..."#`, with as many `#` after it as before it.
    fn raw(&mut self) {
        let mut hashes = 1;
        while self.eat('#') {
            hashes += 1;
        }
        if !self.eat('"') {
            return;
        }
        while let Some(char) = self.next() {
            if char == '"' {
                let mut closing = 0;
                while closing < hashes && self.eat('#') {
                    closing += 1;
                }
                if closing == hashes {
                    return;
                }
            }
        }
    }

    fn line_comment(&mut self, place: ScriptPlace) {
        let mut comment = String::new();
        while let Some(&char) = self.chars.peek() {
            if char == '\n' {
                break;
            }
            comment.push(char);
            self.next();
        }
        let operand = |char: char| char.is_alphanumeric() || matches!(char, '_' | ')' | ']');
        if self.last.is_some_and(|(char, line)| line == place.0 && operand(char)) && divides(comment.trim()) {
            self.found.divisions.push(place);
        }
    }

    fn block_comment(&mut self, start: ScriptPlace) {
        let mut depth = 1;
        while let Some(char) = self.next() {
            match char {
                '*' if self.eat('/') => depth -= 1,
                '/' if self.eat('*') => depth += 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
        self.found.open_comment = Some(start);
    }
}

/// Returns whether a comment reads like the right side of a division: a number, or an expression with the end of its statement.
fn divides(comment: &str) -> bool {
    let closers = |char| matches!(char, ';' | ')' | ',' | ']' | '}');
    let expression = comment.trim_end_matches(closers);
    let number = expression.starts_with(|char: char| char.is_ascii_digit())
        && expression.chars().all(|char| char.is_ascii_digit() || matches!(char, '_' | '.'));
    let name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '(' | ':');
    number || comment.ends_with(';') && !expression.is_empty() && expression.chars().all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_language_are_names_after_a_dot_and_as_keys() {
        let found =
            scan("#{new: 1, until :2, a: #{in: `x${m.default}`}}; do {} until x; let y = m.if; regex::match(1)");
        let mut words: Vec<_> = found.names.values().map(String::as_str).collect();
        words.sort_unstable();
        assert_eq!(words, ["default", "if", "in", "match", "new", "until"]);
        assert!(
            scan("#{a: true, b: if x { 1 }}; 0..in; if true { new } else { match }; [in]; { default: 1 }")
                .names
                .is_empty()
        );
        assert!(scan("\"#{new: 1}\" /* #{new: 1} */ // #{new: 1}\n '#'").names.is_empty());
        assert_eq!(scan("let é = 1;\n#{new: 1}").names.get(&(2, 3)).map(String::as_str), Some("new"));
    }

    #[test]
    fn brackets_close_where_they_close() {
        let found = scan("a[b[1]] [\"]\"] `[` '['  #\"[\"# x[`${y[2]}`]");
        assert_eq!(found.closing.get(&(1, 2)), Some(&(1, 7)));
        assert_eq!(found.closing.get(&(1, 4)), Some(&(1, 6)));
        assert_eq!(found.closing.get(&(1, 9)), Some(&(1, 13)));
        assert_eq!(found.closing.len(), 5);
    }

    #[test]
    fn interpolation_is_told_from_text() {
        assert_eq!(scan(r#"print("a ${x}"); print(`b ${x}`); print("\\${y}"); print("$x")"#).dollars.len(), 2);
    }

    #[test]
    fn the_kinds_of_cases_are_told() {
        let kinds = |text: &str| -> Vec<Vec<_>> {
            scan(text).switches.iter().map(|switch| switch.kinds.iter().copied().collect()).collect()
        };
        assert_eq!(kinds("switch x { 1 | 2 => f(\"a\"), 5..=9 => { \"b\" } _ => () }"), [["int"]]);
        assert_eq!(kinds("switch x { \"a\" /* 1 */ if y > 1 => 1, 'c' => 2, () => 3 }"), [["char", "text"]]);
        assert_eq!(
            kinds("switch f(#{a: 1}) { true => switch y { \"a\" => 1 }, _ => 3 }"),
            [vec!["bool"], vec!["text"]]
        );
        assert_eq!(
            kinds("switch x { 1 => a | \"b\", 2 => if y == \"c\" { 3 } else if z { \"d\" } 'e' => 1 | true }"),
            [["char", "int"]]
        );
        assert_eq!(kinds("m.switch; #{switch: 1}; if x { 1 }; |x| x").len(), 0);
        assert_eq!(kinds("switch x { 1.5 | 2.0 => 1, 3 => 2, 4..5 => 3 }"), [["float", "int"]]);
        assert_eq!(scan("let é = switch x { 1 => 2 };").switches[0].start, (1, 15));
        assert_eq!(scan("let é = switch x { 1 => 2 };").switches[0].open, (1, 18));
    }

    #[test]
    fn an_operator_after_a_default_is_told() {
        let found = |text: &str| scan(text).defaults;
        assert_eq!(found("m[k] = m[k] ?? 0 + 1"), [((1, 18), '+')]);
        assert_eq!(found("x ?? -1 > 5; y ?? \"a\" + b"), [((1, 9), '>'), ((1, 23), '+')]);
        for text in [
            "(x ?? 0) + 1",
            "x ?? (0 + 1)",
            "x ?? 0; -1",
            "f(x ?? 0, -1)",
            "x ?? y + 1",
            "x ?? 0 // - 1",
            "\"?? 0 + 1\"",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_comment_is_told_from_a_division() {
        for (text, count) in [
            ("let x = 7 // 2", 1),
            ("let x = total // 1024;", 1),
            ("let x = a.len() // b;", 1),
            ("f(7 // 2)", 1),
            ("let x = 7; // 2", 0),
            ("let x = 7 // seven", 0),
            ("f(); // done", 0),
            ("f() // see the docs;", 0),
            ("// 2", 0),
            ("let x = 7\n// 2", 0),
            ("let x = \"a // 2\";", 0),
        ] {
            assert_eq!(scan(text).divisions.len(), count, "{text}");
        }
    }
}
