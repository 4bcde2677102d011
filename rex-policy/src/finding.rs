//! Findings: errors and warnings about a policy, each with its place.

use std::fmt;
use std::sync::{Arc, OnceLock};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

/// A text and the name to report it under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The name, such as that of a file.
    pub name: String,
    /// The text.
    pub text: String,
}

impl SourceText {
    /// Creates a source from its name and its text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// The severity of a [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy loads, but may not mean what its author thinks.
    Warning,
    /// The policy is rejected.
    Error,
}

/// An error or a warning about a policy or an entities file, with its place.
///
/// It is a [`miette::Diagnostic`], so that a command line can draw it. As text it is the message alone; [`RejectedPolicy`] writes
/// `file:line:column` before it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The code of the [`Lint`](crate::Lint) that found it; `None` if no lint did.
    pub code: Option<&'static str>,
    /// The message: lower case, no full stop, text from outside in backticks.
    pub message: String,
    /// The advice on what to do.
    pub help: Option<String>,
    /// The id of the policy that it is about.
    pub policy: Option<Arc<str>>,
    /// Start of the text to underline, in bytes.
    pub offset: usize,
    /// Length of the text to underline, in bytes.
    pub length: usize,
    /// The line of that place, from 1; 0 if the finding has no place.
    pub line: usize,
    /// The column of that place in characters, from 1; 0 if the finding has no place.
    pub column: usize,
    source: NamedSource<Arc<str>>,
}

impl Finding {
    pub(crate) fn new(severity: Severity, text: &SharedText, place: Option<(usize, usize)>, message: String) -> Self {
        let (offset, length) = place.unwrap_or_default();
        let (line, column) = place.map_or((0, 0), |(offset, _)| text.position(offset));
        let source = NamedSource::new(&*text.name, text.text.clone());
        Self { severity, code: None, message, help: None, policy: None, offset, length, line, column, source }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn about(mut self, policy: Option<Arc<str>>) -> Self {
        self.policy = policy;
        self
    }

    /// Returns whether another finding underlines the same text.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        (self.offset, self.length, self.line) == (other.offset, other.length, other.line)
            && self.source_name() == other.source_name()
    }

    /// Returns the name of the file.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.source.name()
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn source_text(&self) -> &str {
        self.source.inner()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Finding {}

impl Diagnostic for Finding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.map(|code| Box::new(code) as _)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (self.line > 0).then_some(&self.source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = SourceSpan::from((self.offset, self.length));
        (self.line > 0).then(|| Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))) as _)
    }
}

/// A policy that was rejected, with all findings.
#[derive(Debug, Clone)]
pub struct RejectedPolicy {
    /// The findings; at least one of them is an error.
    pub findings: Vec<Finding>,
}

impl fmt::Display for RejectedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", finding.source_name())?;
            if finding.line > 0 {
                write!(f, ":{}:{}", finding.line, finding.column)?;
            }
            write!(f, ": {}", finding.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for RejectedPolicy {}

/// A source that findings can share.
#[derive(Debug, Clone)]
pub(crate) struct SharedText {
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
    /// The start of each line; computed on first use.
    lines: Arc<OnceLock<Vec<usize>>>,
}

impl SharedText {
    pub(crate) fn new(source: &SourceText) -> Self {
        Self { name: Arc::from(&*source.name), text: Arc::from(&*source.text), lines: Arc::default() }
    }

    /// Creates a text that has only a name, for findings about the text as a whole.
    pub(crate) fn name_only(name: &str) -> Self {
        Self { name: Arc::from(name), text: Arc::from(""), lines: Arc::default() }
    }

    /// Returns line and column of a byte offset, both from 1.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let after = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).collect()
        });
        let line = lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| lines.get(line)).copied().unwrap_or(0);
        (line, self.text.get(start..offset).unwrap_or_default().chars().count() + 1)
    }
}

/// The file of a policy, and its place there.
#[derive(Debug, Clone)]
pub(crate) struct PolicySpan {
    pub(crate) text: SharedText,
    place: Option<(usize, usize)>,
}

impl PolicySpan {
    pub(crate) fn new(text: &SharedText, place: Option<(usize, usize)>) -> Self {
        Self { text: text.clone(), place }
    }

    /// Returns its place in the file, in bytes.
    pub(crate) fn place(&self) -> Option<(usize, usize)> {
        self.place
    }

    /// Returns the source text of the policy.
    pub(crate) fn text(&self) -> &str {
        self.part(self.place)
    }

    /// Returns the line where it starts.
    pub(crate) fn line(&self) -> usize {
        self.line_of(self.place)
    }

    /// Returns the line where a part of it starts; that of the policy if the part has no place.
    pub(crate) fn line_of(&self, place: Option<(usize, usize)>) -> usize {
        self.text.position(place.or(self.place).map_or(0, |(offset, _)| offset)).0
    }

    /// Returns a part of it on one line, with one blank for each run of whitespace; the whole policy if the part has no place.
    pub(crate) fn one_line(&self, place: Option<(usize, usize)>) -> String {
        visible(&self.part(place.or(self.place)).split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn part(&self, place: Option<(usize, usize)>) -> &str {
        place.and_then(|(start, length)| self.text.text.get(start..start + length)).unwrap_or_default()
    }
}

/// Escapes the characters that would change how the text around them reads.
pub(crate) fn visible(message: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    message.chars().fold(String::with_capacity(message.len()), |mut text, c| {
        if hidden(c) {
            text.extend(c.escape_unicode())
        } else {
            text.push(c)
        }
        text
    })
}
