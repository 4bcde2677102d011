//! One layout for all policies.

use cedar_policy_formatter::{Config, policies_str_to_pretty};
use similar::TextDiff;

use crate::compile;
use crate::finding::{Finding, Rejected, Severity, Source, Text};
use crate::limits::PolicyLimits;

/// A source in the one layout, which its policies mean the same in. Comments stay, and lines end as most of them did, by a line feed or with a
/// carriage return before it.
///
/// ```
/// use rex_policy::{Source, formatted};
///
/// let source = Source::new("a.cedar", "permit(principal,action,resource==fs::Path::\"/etc\");");
/// let text = formatted(&source)?;
/// assert_eq!(text, "permit (\n  principal,\n  action,\n  resource == fs::Path::\"/etc\"\n);\n");
/// # Ok::<(), rex_policy::Rejected>(())
/// ```
///
/// # Errors
/// If it is not Cedar.
pub fn formatted(source: &Source) -> Result<String, Rejected> {
    compile::parses(source, &PolicyLimits::default())?;
    if source.text.trim().is_empty() {
        return Ok(String::new());
    }
    let text = source.text.replace("\r\n", "\n");
    let comments = text.lines().all(|line| line.trim_start().starts_with("//") || line.trim().is_empty());
    let laid_out = if comments { Ok(trimmed(&text)) } else { pretty(&text) };
    let text = laid_out.map_err(|error| {
        let message = format!("it cannot be laid out: {error}");
        Rejected { findings: vec![Finding::new(Severity::Error, &Text::name_only(&source.name), None, message)] }
    })?;
    // Lines end as most did.
    let (all, windows) = (source.text.matches('\n').count(), source.text.matches("\r\n").count());
    Ok(if 2 * windows > all { text.replace('\n', "\r\n") } else { text })
}

/// Comments as they are, without blanks at the ends of lines and of the file.
fn trimmed(text: &str) -> String {
    text.trim().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A text of policies in the one layout. What was written is held against what was read.
pub(crate) fn pretty(text: &str) -> Result<String, String> {
    policies_str_to_pretty(text, &Config::default()).map_err(|error| error.to_string())
}

/// What would change in a file, as a unified diff, which `patch -p1` and `git apply` take; empty if nothing would.
pub(crate) fn unified(file: &str, old: &str, new: &str) -> String {
    let path = file.trim_start_matches('/');
    TextDiff::from_lines(old, new).unified_diff().header(&format!("a/{path}"), &format!("b/{path}")).to_string()
}

impl Source {
    /// What would have to change for this source to be that text, as a unified diff; empty if nothing would.
    #[must_use]
    pub fn diff(&self, text: &str) -> String {
        unified(&self.name, &self.text, text)
    }
}
