//! Compilation from texts to rules: parse, check, validate strictly.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet};
use miette::Diagnostic;

use crate::annotation::StatementKind;
use crate::explain;
use crate::finding::{Finding, PolicySpan, RejectedPolicy, Severity, SharedText, SourceText, visible};
use crate::hints;
use crate::limits::{PolicyLimits, StatementSpan, statements};
use crate::load_checks::{LoadChecker, hidden};
use crate::members::Members;
use crate::rule::{Rule, annotation, syntax};
use crate::rule_set::RuleSet;
use crate::validate::validate;
use crate::vocabulary::Vocabulary;

/// The result of compiling policies.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) rules: RuleSet,
    pub(crate) members: Members,
    pub(crate) warnings: Vec<Finding>,
    /// The policies as Cedar represents them, in the order of the rules.
    pub(crate) policies: Vec<cedar_policy::Policy>,
    /// The places of the policies, in the same order.
    pub(crate) stands: Vec<PolicySpan>,
}

/// A file that was parsed.
pub(crate) struct ParsedFile {
    pub(crate) text: SharedText,
    statements: Vec<StatementSpan>,
    pub(crate) set: PolicySet,
    /// The ids of its policies, in order.
    ids: Vec<Arc<str>>,
}

impl ParsedFile {
    /// Returns the number of a policy in the file, by which Cedar names it.
    pub(crate) fn number(id: &PolicyId) -> Option<usize> {
        AsRef::<str>::as_ref(id).strip_prefix("policy")?.parse().ok()
    }

    /// Returns the id of the policy.
    pub(crate) fn id(&self, id: &PolicyId) -> Option<Arc<str>> {
        Self::number(id).and_then(|number| self.ids.get(number).cloned())
    }

    /// Returns the place of the policy.
    pub(crate) fn statement(&self, id: &PolicyId) -> Option<(usize, usize)> {
        Self::number(id).and_then(|number| self.place(number))
    }

    pub(crate) fn place(&self, number: usize) -> Option<StatementSpan> {
        self.statements.get(number).map(|(start, end)| (*start, end - start))
    }
}

pub(crate) fn compile(
    vocabulary: &Vocabulary,
    sources: &[SourceText],
    entities: Option<&SourceText>,
    limits: &PolicyLimits,
    sort: StatementKind,
) -> Result<Compiled, Vec<Finding>> {
    limits.check_bytes(sources)?;
    let mut findings = Vec::new();
    let mut compiled = Compiled::default();
    if let Some(entities) = entities {
        limits.check_bytes(std::slice::from_ref(entities))?;
        compiled.members = Members::read(entities, vocabulary, limits.impossible).unwrap_or_else(|errors| {
            findings.extend(errors);
            Members::default()
        });
    }
    let files: Vec<ParsedFile> = sources.iter().filter_map(|source| parse(source, limits, &mut findings)).collect();
    let mut ids = HashMap::new();
    let files: Vec<ParsedFile> = files.into_iter().map(|file| name(file, &mut ids, &mut findings)).collect();
    validate(vocabulary, &files, &mut findings).map_err(|error| {
        let message = format!("the table of actions is not a valid schema: {error}");
        vec![Finding::new(Severity::Error, &SharedText::name_only("schema"), None, message)]
    })?;
    let lint = LoadChecker::new(vocabulary, &compiled.members);
    let sort = sort.settled(&files);
    for file in &files {
        findings.extend(hidden(&file.text));
        for (number, policy) in in_order(&file.set) {
            let id = file.ids.get(number).cloned().unwrap_or_else(|| Arc::from(AsRef::<str>::as_ref(policy.id())));
            let syntax = syntax(policy);
            findings.extend(lint.policy(file, number, &id, policy, syntax.as_ref()));
            findings.extend(sort.check(file, number, policy).into_iter().map(|found| found.about(Some(id.clone()))));
            compiled.rules.push(Rule::new(id, policy, syntax.as_ref()));
            compiled.policies.push(policy.clone());
            compiled.stands.push(PolicySpan::new(&file.text, file.place(number)));
        }
    }
    if compiled.rules.len() > limits.policies {
        let message = format!("there are more than {} policies", limits.policies);
        findings.push(Finding::new(Severity::Error, &nowhere(sources), None, message));
    }
    if compiled.rules.is_empty() && findings.is_empty() {
        let message = "there is no policy, so everything is denied".to_owned();
        findings.push(
            Finding::new(Severity::Warning, &nowhere(sources), None, message)
                .with_help("a policy that permits something starts with `permit`"),
        );
    }
    // The proof of a property says so if the property matches nothing.
    let impossible = limits.impossible || sort == StatementKind::Properties;
    finish(compiled, findings, &PolicyLimits { impossible, ..*limits })
}

/// Sorts errors before warnings, keeps at most `limits.findings`, and returns `Err` if one is an error.
fn finish(mut compiled: Compiled, mut findings: Vec<Finding>, limits: &PolicyLimits) -> Result<Compiled, Vec<Finding>> {
    if limits.impossible {
        findings
            .iter_mut()
            .filter(|finding| finding.code.is_some() || finding.message.starts_with(explain::NEVER))
            .for_each(|finding| finding.severity = Severity::Warning);
    }
    explained(&mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(limits.findings.max(1));
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(findings);
    }
    compiled.warnings = findings;
    Ok(compiled)
}

/// Removes the finding that a policy never applies where another finding says why.
fn explained(findings: &mut Vec<Finding>) {
    let why = |finding: &&Finding| finding.code.is_some_and(|code| ["REX001", "REX013", "REX014"].contains(&code));
    let known = findings.iter().filter(why).filter_map(|finding| Some((finding.policy.clone()?, finding.severity)));
    let known: HashSet<_> = known.collect();
    findings.retain(|finding| {
        let explained = |policy: &Arc<str>| {
            let worse =
                [Severity::Warning, Severity::Error].into_iter().filter(|severity| *severity >= finding.severity);
            worse.into_iter().any(|severity| known.contains(&(policy.clone(), severity)))
        };
        finding.code.is_some()
            || !finding.message.starts_with(explain::NEVER)
            || !finding.policy.as_ref().is_some_and(explained)
    });
}

fn nowhere(sources: &[SourceText]) -> SharedText {
    SharedText::name_only(sources.first().map_or("policy", |source| &source.name))
}

/// Checks that a source parses as Cedar.
pub(crate) fn parses(source: &SourceText, limits: &PolicyLimits) -> Result<(), RejectedPolicy> {
    let mut findings = Vec::new();
    match parse(source, limits, &mut findings) {
        Some(_) => Ok(()),
        None => Err(RejectedPolicy { findings }),
    }
}

fn parse(source: &SourceText, limits: &PolicyLimits, findings: &mut Vec<Finding>) -> Option<ParsedFile> {
    let text = SharedText::new(source);
    let statements = statements(&text, limits).map_err(|finding| findings.push(*finding)).ok()?;
    match source.text.parse::<PolicySet>() {
        Ok(set) => Some(ParsedFile { text, statements, set, ids: Vec::new() }),
        Err(errors) => {
            let before = findings.len();
            let mut more: Vec<&dyn Diagnostic> = vec![&errors];
            more.extend(errors.related().into_iter().flatten());
            for error in more.iter().take(limits.findings) {
                let finding = from_cedar(&text, Severity::Error, *error, None);
                findings.push(hints::syntax(finding, &Vocabulary::rex()));
            }
            debug_assert!(findings.len() > before, "a parse error is an error");
            None
        }
    }
}

/// Converts a diagnostic of Cedar to a finding, at the first place that it labels, or else at `otherwise`.
pub(crate) fn from_cedar(
    text: &SharedText,
    severity: Severity,
    diagnostic: &dyn Diagnostic,
    otherwise: Option<(usize, usize)>,
) -> Finding {
    let place = diagnostic
        .labels()
        .and_then(|mut labels| labels.next())
        .map(|label| (label.offset(), label.len()))
        .or(otherwise);
    // Cedar names the policy by its number in the file; the finding has the policy's own id.
    let unnumbered =
        |said: String| match said.strip_prefix("for policy `policy").and_then(|rest| rest.split_once("`, ")) {
            Some((_, rest)) => rest.to_owned(),
            None => said,
        };
    let mut finding = Finding::new(severity, text, place, unnumbered(visible(&diagnostic.to_string())));
    finding.help = diagnostic.help().map(|help| unnumbered(visible(&help.to_string())));
    finding
}

/// Returns the policies in the order of the file.
fn in_order(set: &PolicySet) -> Vec<(usize, &cedar_policy::Policy)> {
    let mut policies: Vec<_> =
        set.policies().map(|policy| (ParsedFile::number(policy.id()).unwrap_or(usize::MAX), policy)).collect();
    policies.sort_by_key(|(number, _)| *number);
    policies
}

/// Gives each policy its id: its `@id`, else file and line. Reports templates and duplicate ids.
fn name(mut file: ParsedFile, taken: &mut HashMap<Arc<str>, String>, findings: &mut Vec<Finding>) -> ParsedFile {
    for template in file.set.templates() {
        let place = ParsedFile::number(template.id()).and_then(|number| file.place(number));
        let message = "this is a template, which has no effect until it is linked".to_owned();
        findings.push(
            Finding::new(Severity::Error, &file.text, place, message)
                .with_help("write the principal or resource in place of `?principal` or `?resource`"),
        );
    }
    let mut ids = vec![Arc::from(""); file.statements.len()];
    for (number, policy) in in_order(&file.set) {
        let place = file.place(number);
        let (line, _) = file.text.position(place.map_or(0, |(offset, _)| offset));
        let annotated = annotation(policy, "id").filter(|id| !id.is_empty());
        let id: Arc<str> = annotated.map_or_else(|| format!("{}:{line}", file.text.name).into(), Arc::from);
        if let Some(first) = taken.get(&id) {
            let message = format!("the id `{}` is taken by the policy at {first}", id.escape_debug());
            findings.push(
                Finding::new(Severity::Error, &file.text, place, message)
                    .with_help("give each policy an `@id` of its own: decisions name policies by it"),
            );
        }
        taken.entry(id.clone()).or_insert_with(|| format!("{}:{line}", file.text.name));
        if let Some(slot) = ids.get_mut(number) {
            *slot = id;
        }
    }
    file.ids = ids;
    file
}
