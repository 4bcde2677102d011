//! The one layout of policies.

use cedar_policy_formatter::{Config, policies_str_to_pretty};
use similar::TextDiff;

use crate::compile;
use crate::finding::{Finding, RejectedPolicy, Severity, SharedText, SourceText};
use crate::limits::PolicyLimits;

/// Formats a source in the one layout, which does not change what its policies mean. Comments stay. Lines end as most of them
/// did, by a line feed or by a carriage return and a line feed.
///
/// ```
/// use rex_policy::{SourceText, formatted};
///
/// let source = SourceText::new("a.cedar", "permit(principal,action,resource==fs::Path::\"/etc\");");
/// let text = formatted(&source)?;
/// assert_eq!(text, "permit (\n  principal,\n  action,\n  resource == fs::Path::\"/etc\"\n);\n");
/// # Ok::<(), rex_policy::RejectedPolicy>(())
/// ```
///
/// # Errors
/// If the source does not parse as Cedar, or cannot be formatted.
pub fn formatted(source: &SourceText) -> Result<String, RejectedPolicy> {
    compile::parses(source, &PolicyLimits::default())?;
    if source.text.trim().is_empty() {
        return Ok(String::new());
    }
    let text = source.text.replace("\r\n", "\n");
    let comments = text.lines().all(|line| line.trim_start().starts_with("//") || line.trim().is_empty());
    let laid_out = if comments { Ok(trimmed(&text)) } else { pretty(&text) };
    let text = laid_out.map_err(|error| {
        let message = format!("it cannot be laid out: {error}");
        RejectedPolicy {
            findings: vec![Finding::new(Severity::Error, &SharedText::name_only(&source.name), None, message)],
        }
    })?;
    // Keep the line ends that most lines had.
    let (all, windows) = (source.text.matches('\n').count(), source.text.matches("\r\n").count());
    Ok(if 2 * windows > all { text.replace('\n', "\r\n") } else { text })
}

/// Returns comments as they are, without blanks at the ends of lines and around the text.
fn trimmed(text: &str) -> String {
    text.trim().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Formats policies. The formatter compares what it writes with what it read.
pub(crate) fn pretty(text: &str) -> Result<String, String> {
    policies_str_to_pretty(text, &Config::default()).map_err(|error| error.to_string())
}

/// Returns the changes of a file as a unified diff, which `patch -p1` and `git apply` accept; empty if nothing changes.
pub(crate) fn unified(file: &str, old: &str, new: &str) -> String {
    let path = file.trim_start_matches('/');
    TextDiff::from_lines(old, new).unified_diff().header(&format!("a/{path}"), &format!("b/{path}")).to_string()
}

impl SourceText {
    /// Returns the changes from this source to `text`, as a unified diff; empty if nothing changes.
    #[must_use]
    pub fn diff(&self, text: &str) -> String {
        unified(&self.name, &self.text, text)
    }
}
