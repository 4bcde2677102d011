//! Limits on policies, checked before anything is parsed.

use crate::finding::{Finding, Severity, SharedText, SourceText};

/// Limits on policies. A file that exceeds one is rejected before it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Maximum size of all policy files together, and of the entities file, in bytes.
    pub bytes: usize,
    /// Maximum number of policies.
    pub policies: usize,
    /// Maximum number of brackets that are open at once.
    pub nesting: usize,
    /// Maximum number of words and signs in a row without a comma; those before an open bracket count, too. Cedar turns
    /// `a || b || c` into a tree as deep as the chain is long.
    pub chain: usize,
    /// Maximum number of findings that are reported.
    pub findings: usize,
    /// `true` if a policy may require what no request has. It is rejected by default, since a `forbid` of that kind protects
    /// nothing; a generator of policies for tests may want it.
    pub impossible: bool,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, policies: 100_000, nesting: 48, chain: 1_000, findings: 50, impossible: false }
    }
}

impl PolicyLimits {
    /// Checks the size of the sources before anything is done with them.
    pub(crate) fn check_bytes(&self, sources: &[SourceText]) -> Result<(), Vec<Finding>> {
        let mut left = self.bytes;
        for source in sources {
            left = left.checked_sub(source.text.len()).ok_or_else(|| {
                // The text is left out: nobody wants a copy of 100 MB to look at.
                let message = format!("this is more than {} bytes of policy", self.bytes);
                let finding = Finding::new(Severity::Error, &SharedText::name_only(&source.name), None, message);
                vec![finding.with_help("the limit counts all files together")]
            })?;
        }
        Ok(())
    }
}

/// A statement of a file: its start and its end, in bytes.
pub(crate) type StatementSpan = (usize, usize);

/// Finds the statements of a file without parsing it; `Err` if one is too deep for a recursive parser, or if there are too many.
///
/// It recognizes strings, comments, brackets and words as Cedar's lexer does. Cedar rejects any text that its lexer would split
/// in another way.
pub(crate) fn statements(text: &SharedText, limits: &PolicyLimits) -> Result<Vec<StatementSpan>, Box<Finding>> {
    let mut scan = StatementScan { rest: text.text.char_indices().peekable(), open: Vec::new(), chain: 0 };
    let mut statements = Vec::new();
    let mut start = None;
    while let Some((at, token)) = scan.token() {
        let start_at = *start.get_or_insert(at);
        let outer: usize = scan.open.last().copied().unwrap_or(0);
        match token {
            '(' | '[' | '{' => {
                scan.chain += 1;
                scan.open.push(scan.chain);
            }
            ')' | ']' | '}' => scan.chain = scan.open.pop().unwrap_or(0) + 1,
            ',' => scan.chain = outer,
            ';' if scan.open.is_empty() => {
                statements.push((start_at, at + 1));
                (start, scan.chain) = (None, 0);
            }
            _ => scan.chain += 1,
        }
        if scan.open.len() > limits.nesting {
            return Err(too_deep(text, at, format!("more than {} brackets are open at once", limits.nesting)));
        }
        if scan.chain > limits.chain {
            return Err(too_deep(text, at, format!("this expression has more than {} parts", limits.chain)));
        }
        if statements.len() > limits.policies {
            return Err(too_deep(text, at, format!("there are more than {} policies", limits.policies)));
        }
    }
    if let Some(start) = start {
        statements.push((start, text.text.len()));
    }
    Ok(statements)
}

fn too_deep(text: &SharedText, at: usize, message: String) -> Box<Finding> {
    let finding = Finding::new(Severity::Error, text, Some((at, 1)), message);
    Box::new(
        finding.with_help("split the policy in several; compare with a set by `.contains` instead of a chain of `||`"),
    )
}

struct StatementScan<'a> {
    rest: std::iter::Peekable<std::str::CharIndices<'a>>,
    /// The length of the chain at each open bracket.
    open: Vec<usize>,
    chain: usize,
}

impl StatementScan<'_> {
    /// Returns the next sign, or the first character of the next word or string, with its place.
    fn token(&mut self) -> Option<(usize, char)> {
        loop {
            let (at, first) = self.rest.next()?;
            match first {
                '/' if self.rest.peek().is_some_and(|(_, next)| *next == '/') => {
                    while self.rest.next_if(|(_, c)| !matches!(c, '\n' | '\r')).is_some() {}
                }
                '"' => {
                    while let Some((_, c)) = self.rest.next() {
                        match c {
                            '\\' => drop(self.rest.next()),
                            '"' => break,
                            _ => {}
                        }
                    }
                    return Some((at, first));
                }
                c if c.is_whitespace() => {}
                c if word(c) => {
                    while self.rest.next_if(|(_, c)| word(*c)).is_some() {}
                    return Some((at, first));
                }
                _ => return Some((at, first)),
            }
        }
    }
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
