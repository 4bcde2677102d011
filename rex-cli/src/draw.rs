//! Errors as people see them: an excerpt of the source, underlined, and help.

use std::fmt;
use std::io::IsTerminal;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity,
    SourceCode, SourceSpan, SpanContents,
};
use rex_audit::text;
use rex_policy::{Finding, SourceText};

use crate::args::Color;
use crate::complain;
use crate::failure::FailureReport;

/// Returns whether to use colors on this stream.
fn colored(color: Color, stream: &impl IsTerminal) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// The meaning of a color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// A denial or a failure.
    Bad,
    /// A permission or a success.
    Good,
    /// Emphasized text.
    Strong,
    /// Less important text.
    Faint,
}

/// A painter that colors text for standard output, if colors are on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn output(color: Color) -> Self {
        Self(colored(color, &std::io::stdout()))
    }

    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bad => "31",
            Ink::Good => "32",
            Ink::Strong => "1",
            Ink::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Draws a diagnostic to standard error.
fn diagnostic(color: Color, diagnostic: &dyn Diagnostic) {
    let theme =
        if colored(color, &std::io::stderr()) { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_wrap_lines(false).with_links(false);
    match handler.render_report(&mut text, diagnostic) {
        Ok(()) => complain(text.trim_start_matches('\n')),
        Err(_) => complain(&diagnostic.to_string()),
    }
}

/// Draws a finding in a policy.
pub(crate) fn finding(color: Color, finding: &Finding) {
    let label = finding.labels().and_then(|mut labels| labels.next());
    let (source, label) = Excerpt::of(label, finding.source_name(), finding.source_text());
    diagnostic(
        color,
        &DrawnFinding {
            severity: finding.severity().unwrap_or(Severity::Error),
            message: visible(&finding.message),
            help: finding.help.as_deref().map(visible),
            code: finding.code.map(str::to_owned),
            source,
            label,
        },
    );
}

/// Draws a message that has no source.
pub(crate) fn message(color: Color, message: &str, help: Option<&str>) {
    diagnostic(
        color,
        &DrawnFinding {
            severity: Severity::Error,
            message: visible(message),
            help: help.map(visible),
            code: None,
            source: None,
            label: None,
        },
    );
}

/// Makes text from a script safe for a terminal: escapes what would move the cursor, change colors, or reverse text.
pub(crate) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

/// Makes text from a policy or a journal safe and keeps it on its line: line breaks in a path could forge another.
pub(crate) fn line(text: &str) -> String {
    text::line(text).into_owned()
}

/// Formats a count: `1 line`, `2 lines`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Makes a script safe for a terminal without moving a byte, so that the underlined place stays right.
fn visible_in_place(script: &str) -> String {
    let stand_in = |c: char| if c.len_utf8() == 3 { "\u{fffd}" } else { "????".get(..c.len_utf8()).unwrap_or("?") };
    script.chars().fold(String::with_capacity(script.len()), |mut out, c| {
        if is_hidden(c) {
            out.push_str(stand_in(c));
        } else {
            out.push(c);
        }
        out
    })
}

fn is_hidden(c: char) -> bool {
    !matches!(c, '\n' | '\t') && text::is_hidden(c)
}

/// Draws the error of a run, and any further errors, at their places in the script.
pub(crate) fn failure(color: Color, failure: &FailureReport, script: &SourceText) {
    in_script(color, Severity::Error, failure, script);
    failure.more.iter().for_each(|other| in_script(color, Severity::Error, other, script));
}

/// Draws a suspicious place of a script.
pub(crate) fn warning(color: Color, warning: &FailureReport, script: &SourceText) {
    in_script(color, Severity::Warning, warning, script);
}

fn in_script(color: Color, severity: Severity, failure: &FailureReport, script: &SourceText) {
    let label = failure.line.and_then(|line| place(&script.text, line, failure.column)).map(|(offset, length)| {
        LabeledSpan::new(Some(visible(failure.operation.as_deref().unwrap_or("here"))), offset, length)
    });
    let is_error = severity == Severity::Error;
    let (source, label) = Excerpt::of(label, &script.name, &script.text);
    diagnostic(
        color,
        &DrawnFinding {
            severity,
            message: visible(&failure.message),
            help: failure.help.as_deref().map(visible),
            code: is_error.then(|| visible(&failure.code)),
            source,
            label,
        },
    );
}

/// Returns offset and length of the bytes to underline: one word from the column, or the whole line.
fn place(text: &str, line: u32, column: Option<u32>) -> Option<(usize, usize)> {
    let before = usize::try_from(line).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let line = text.split('\n').nth(before)?;
    let Some(column) = column.and_then(|column| usize::try_from(column).ok()?.checked_sub(1)) else {
        let indent = line.len() - line.trim_start().len();
        return Some((start + indent, line.trim().len()));
    };
    let offset = line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset);
    let word = line.get(offset..).unwrap_or_default();
    let length = word.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(word.len());
    Some((start + offset, length.max(1).min(text.len().saturating_sub(start + offset))))
}

#[derive(Debug)]
struct DrawnFinding {
    severity: Severity,
    message: String,
    help: Option<String>,
    code: Option<String>,
    source: Option<Excerpt>,
    label: Option<LabeledSpan>,
}

/// A source in which long lines are cut; the underlined place stays, with the text around it.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    /// Number of bytes cut before the underlined place; they are added to its column.
    cut: usize,
}

impl Excerpt {
    /// Number of characters of a long line shown before the underlined place; twice as many follow.
    const AROUND: usize = 120;

    /// Cuts the source of a label; returns the excerpt and the label in it.
    fn of(label: Option<LabeledSpan>, name: &str, text: &str) -> (Option<Self>, Option<LabeledSpan>) {
        let Some(label) = label else { return (None, None) };
        let text = visible_in_place(text);
        let (from, to) = (label.offset().min(text.len()), (label.offset() + label.len()).min(text.len()));
        let mut excerpt = Self { name: visible(name), text: String::new(), cut: 0 };
        let (mut start, mut at) = (0, (from, to));
        for line in text.split_inclusive('\n') {
            let range = start..start + line.len();
            let is_pointed_at = range.contains(&from) || from == text.len() && range.end == text.len();
            let shown = excerpt.text.len();
            if line.chars().count() <= 4 * Self::AROUND {
                excerpt.text.push_str(line);
                if is_pointed_at {
                    at = (shown + from - start, shown + to.min(range.end).max(from) - start);
                }
            } else if is_pointed_at {
                let before = line.get(..from - start).unwrap_or_default();
                let kept = before.char_indices().rev().nth(Self::AROUND).map_or(0, |(kept, _)| kept);
                let mark = if kept > 0 { "…" } else { "" };
                let end = line.get(from - start..).unwrap_or_default().char_indices().nth(2 * Self::AROUND);
                let end = end.map_or(line.len(), |(end, _)| from - start + end);
                let part = line.get(kept..end).unwrap_or_default().trim_end_matches('\n');
                excerpt.text.push_str(&format!("{mark}{part}{}\n", if end < line.len() { "…" } else { "" }));
                let place = shown + mark.len() + from - start - kept;
                at = (place, place + (to.min(start + end).max(from) - from));
                excerpt.cut = kept.saturating_sub(mark.len());
            } else {
                excerpt.text.extend(line.chars().take(4 * Self::AROUND));
                excerpt.text.push_str("…\n");
            }
            start = range.end;
        }
        let label = LabeledSpan::new(label.label().map(str::to_owned), at.0, at.1 - at.0);
        (Some(excerpt), Some(label))
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.text.read_span(span, before, after)?;
        // A span without lines around it is read for its position.
        let cut = if before == 0 && after == 0 { self.cut } else { 0 };
        let (line, column, count) = (found.line(), found.column() + cut, found.line_count());
        let contents =
            MietteSpanContents::new_named(self.name.clone(), found.data(), *found.span(), line, column, count);
        Ok(Box::new(contents))
    }
}

impl fmt::Display for DrawnFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DrawnFinding {}

impl Diagnostic for DrawnFinding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.label.clone().map(|label| Box::new(std::iter::once(label)) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, offset: usize, length: usize) -> String {
        let label = LabeledSpan::new(Some("here".to_owned()), offset, length);
        let (source, label) = Excerpt::of(Some(label), "s", text);
        let message = "wrong".to_owned();
        let drawn = DrawnFinding { severity: Severity::Error, message, help: None, code: None, source, label };
        let mut out = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_wrap_lines(false);
        handler.render_report(&mut out, &drawn).unwrap();
        out
    }

    #[test]
    fn a_place_in_a_long_line_is_drawn_with_what_is_around_it() {
        let long = format!("let x = \"{}\"; foo(x); {}", "é".repeat(70_000), "y".repeat(70_000));
        let at = long.find("foo").unwrap();
        for text in [long.clone(), format!("first\n{long}\nlast"), format!("{}\n{long}", "z".repeat(70_000))] {
            let line = text.lines().position(|line| line.contains("foo")).unwrap() + 1;
            let at = at + text.find("let x").unwrap();
            let out = drawn(&text, at, 3);
            let column = long.find("foo").unwrap() + 1;
            assert!(
                out.contains(&format!("[s:{line}:{column}]")) && out.contains("foo(x);") && out.contains("─┬─"),
                "{out}"
            );
            assert!(out.lines().all(|line| line.chars().count() < 600), "{out}");
        }
        let short = "one\n  two three\nfour";
        assert!(drawn(short, 6, 3).contains("[s:2:3]"));
        for (offset, length) in [(0, long.len()), (long.len(), 0), (long.len() - 1, 1), (0, 0)] {
            assert!(drawn(&long, offset, length).contains("here"));
        }
    }
}
