//! Checks that Cedar's validator cannot do: names that no request has, values that a fact never has, classes that nobody declared.
//!
//! A `forbid` of that kind protects nothing, so it is an error. A `permit` of that kind permits nothing, which is a warning.

mod about;
mod addresses;
mod alias;
mod always;
mod compared;
mod comparison;
mod constant;
mod constraint;
mod derived;
mod exact;
mod hidden;
mod holds;
mod known;
mod likes;
mod misplaced;
mod networks;
mod numbers;
mod parameter;
mod placed;
mod placeholder;
mod relation;
mod ruled;
mod times;
mod values;
mod wildcards;
mod wording;

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};
use rex_core::process;

use crate::compile::ParsedFile;
use crate::finding::{Finding, Severity};
use crate::lints::{Lint as Named, named};
use crate::members::{Members, check_id};
use crate::rule::{Uid, annotation, literal, of_resource, walk};
use crate::vocabulary::{GROUP, Vocabulary};

use about::{PossibleActions, UNSURE, visit};
pub(crate) use hidden::{file as hidden, in_text as hidden_in};
pub(crate) use ruled::{KnownFact, rules_out};
pub(crate) use times::expired;
pub(crate) use wildcards::{in_entities as wild_in, quoted, quoted_pattern};

/// The names and members that policies are checked against.
pub(crate) struct LoadChecker<'a> {
    /// The types that have members only if the entities file declares them.
    named_by_owner: HashSet<String>,
    vocabulary: Vocabulary,
    /// The types whose resources can be in others of their type.
    nested: HashSet<String>,
    members: &'a Members,
}

/// A policy that is checked, and its findings.
struct CheckedPolicy<'f> {
    file: &'f ParsedFile,
    statement: Option<(usize, usize)>,
    permit: bool,
    /// Its condition.
    syntax: Option<&'f Expr>,
    findings: Vec<Finding>,
}

impl CheckedPolicy<'_> {
    /// Returns whether the condition reads an attribute of the resource.
    fn asks_for(&self, name: &str) -> bool {
        let mut found = false;
        if let Some(syntax) = self.syntax {
            walk(syntax, &mut |expr| found |= of_resource(expr).is_some_and(|of| &*of == name));
        }
        found
    }

    /// Finds a text in the policy. A spelling with escapes is not found.
    fn find(&self, needle: &str) -> Option<(usize, usize)> {
        let (start, length) = self.statement?;
        let offset = self.file.text.text.get(start..start + length)?.find(needle)?;
        Some((start + offset, needle.len()))
    }

    /// Adds a finding, unless its message is known. If `needle` is not in the text, the whole policy is underlined.
    fn add(&mut self, code: Option<&'static str>, severity: Severity, needle: &str, message: String, help: &str) {
        let place = self.find(needle).or(self.statement);
        if self.findings.iter().any(|known| known.message == message) {
            return;
        }
        let mut finding = Finding::new(severity, &self.file.text, place, message).with_help(help);
        finding.code = code;
        self.findings.push(finding);
    }

    /// Returns the severity of a part of the policy that is never true (`never`) or always. `holds` is the value that the
    /// policy needs to apply; `None` if that depends. A permit that permits too little, or may, is a warning. Everything else
    /// may leave something open, which is an error.
    fn severity(&self, never: bool, holds: Option<bool>) -> Severity {
        let idle = self.permit && holds.is_none_or(|holds| holds == never);
        if idle { Severity::Warning } else { Severity::Error }
    }
}

impl<'a> LoadChecker<'a> {
    pub(crate) fn new(vocabulary: &Vocabulary, members: &'a Members) -> Self {
        let resources = vocabulary.resources();
        let classes = resources
            .iter()
            .filter_map(|resource| resource.class.map(|class| format!("{}::{class}", resource.namespace)));
        let named_by_owner = classes.chain([GROUP.to_owned()]).collect();
        let nested = resources.iter().filter(|resource| resource.nested).map(ToString::to_string).collect();
        Self { named_by_owner, vocabulary: *vocabulary, nested, members }
    }

    /// Checks a policy, whose condition is `syntax`.
    pub(crate) fn policy<'f>(
        &self,
        file: &'f ParsedFile,
        number: usize,
        id: &Arc<str>,
        policy: &Policy,
        syntax: Option<&'f Expr>,
    ) -> Vec<Finding> {
        let permit = policy.effect() == cedar_policy::Effect::Permit;
        let mut look = CheckedPolicy { file, statement: file.place(number), permit, syntax, findings: Vec::new() };
        let silenced = silenced(&mut look, policy);
        self.ids(&mut look, policy, syntax);
        allowed_words(&mut look, policy);
        self.misplaced_in_head(&mut look, policy);
        numbers::check(&mut look);
        if let Some(syntax) = syntax {
            let about = PossibleActions::new(self, policy);
            visit(&about, syntax, true, &mut |about, expr, holds| {
                values::check(&mut look, about, expr, holds);
                exact::check(&mut look, about, expr, holds);
                self.misplaced(&mut look, expr, holds);
                asked_to_be_known(&mut look, expr, holds);
            });
            always::check(&mut look, &about, policy, syntax);
            walk(syntax, &mut |expr| {
                if let Some(uid) = self.unplaced(expr) {
                    look.add(
                        None,
                        Severity::Error,
                        &format!("{}::\"{}\"", uid.kind, uid.id),
                        format!("`{}` is named here, so it is always in the same", uid.id.escape_debug()),
                        "this says nothing of the request: ask `resource in ..`, or compare `resource.path`",
                    );
                }
            });
        }
        let keep = |finding: &Finding| {
            finding.severity == Severity::Error
                || !silenced.iter().any(|lint| finding.code.is_some_and(|code| code == lint.code))
        };
        look.findings.into_iter().filter(keep).map(|finding| finding.about(Some(id.clone()))).collect()
    }

    /// Checks the entities that a policy names.
    fn ids(&self, look: &mut CheckedPolicy<'_>, policy: &Policy, syntax: Option<&Expr>) {
        for uid in policy.entity_literals() {
            let uid = Uid::from(&uid);
            let spelled = format!("{}::\"{}\"", uid.kind, uid.id);
            let place = look.find(&spelled).or(look.statement);
            if let Some(mut finding) = check_id(&self.vocabulary, &look.file.text, || place, &uid) {
                if let Some(help) = wildcards::instead(&uid) {
                    finding.help = Some(help);
                }
                look.findings.push(finding);
            } else {
                wildcards::id(look, &uid, syntax);
                alias::id(look, &uid);
                parameter::id(look, &uid);
                spelled_bytes(look, &uid, syntax);
            }
            if self.named_by_owner.contains(&*uid.kind) && !self.members.names(&uid) {
                let message = format!("nothing is in `{}::\"{}\"`", uid.kind, uid.id.escape_debug());
                let help = "only the entities file can add members, so this applies to nothing";
                look.add(None, Severity::Warning, &spelled, message, help);
            }
        }
    }

    /// Returns the literal resource of an `in` test that does not ask where the request's resource is. On the right is the
    /// request's resource, one of the literal's type, or a list with one of these.
    fn unplaced(&self, expr: &Expr) -> Option<Uid> {
        let (left, right) = match expr {
            Expr::BinaryOp { op: BinaryOp::In, left, right } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
                (left, right)
            }
            _ => return None,
        };
        let Expr::Literal(Literal::EntityUID(uid)) = &**left else { return None };
        let uid = literal(uid);
        // The entities file can put any resource in a class.
        let nests = |expr: &Expr| match expr {
            Expr::Var(Var::Resource) => true,
            Expr::Literal(Literal::EntityUID(right)) => literal(right).kind == uid.kind,
            _ => false,
        };
        let found = nests(right.as_ref())
            || matches!(&**right, Expr::Set(members) if members.iter().any(|member| nests(member)));
        (found && self.nested.contains(&*uid.kind)).then_some(uid)
    }
}

/// Reports a path that spells a byte in lower case.
fn spelled_bytes(look: &mut CheckedPolicy<'_>, uid: &Uid, syntax: Option<&Expr>) {
    let written = format!("\"{}\"", uid.id.replace('\\', "\\\\"));
    if !["fs::Path", "process::Program"].contains(&&*uid.kind) || look.find(&written).is_none() {
        return;
    }
    if let Some((message, help)) = values::lower_bytes(&uid.id) {
        let excepted = syntax.is_some_and(|syntax| wildcards::is_excepted(syntax, true, uid));
        let severity = look.severity(true, Some(!excepted));
        look.add(Some("REX013"), severity, &written, message, &help);
    }
}

/// Returns the lints whose warnings a policy silences by `@lint`. An unknown code is an error: it would silence nothing.
fn silenced(look: &mut CheckedPolicy<'_>, policy: &Policy) -> Vec<&'static Named> {
    let Some(text) = annotation(policy, "lint") else { return Vec::new() };
    let (known, unknown) = named(text);
    if known.is_empty() && unknown.is_empty() {
        let message = "`@lint` names no lint".to_owned();
        look.add(None, Severity::Error, "@lint", message, "name the lints that are to be silent: `@lint(\"REX003\")`");
    }
    for code in unknown {
        let message = format!("there is no lint `{}`", code.escape_debug());
        look.add(None, Severity::Error, code, message, "`rex explain` lists the lints");
    }
    known
}

/// Reports a `has` test of a process attribute. Each process has it, but it cannot always be found out. Only a permit may
/// require it: a process of which it is unknown is then left to other permits. Any other test would take unknown for missing.
fn asked_to_be_known(look: &mut CheckedPolicy<'_>, expr: &Expr, holds: Option<bool>) {
    let Expr::HasAttr { expr: of, attrs } = expr else { return };
    let Some(name) = attrs.iter().next().filter(|name| UNSURE.contains(&name.as_str())) else { return };
    if **of != Expr::Var(Var::Resource) || (look.permit && holds == Some(true)) {
        return;
    }
    let message = match look.permit {
        true => format!("`has {name}` is false where `{name}` is unknown, so this would be permitted then"),
        false => format!("`has {name}` is false where `{name}` is unknown, so this would not apply then"),
    };
    let help = format!(
        "leave it out: a request of which `{name}` is unknown is denied; of several types, ask `resource is process::Process`"
    );
    look.add(None, Severity::Error, &format!("has {name}"), message, &help);
}

/// Checks the words of `@allow`.
fn allowed_words(look: &mut CheckedPolicy<'_>, policy: &Policy) {
    let words = annotation(policy, "allow").unwrap_or_default();
    for word in words.split_ascii_whitespace() {
        let known = |(known, _): &(&str, &str)| word == *known || (known.ends_with(':') && word.starts_with(known));
        if !process::ALLOWED.iter().any(known) {
            let known: Vec<_> = process::ALLOWED.iter().map(|(known, _)| format!("`{known}`")).collect();
            let message = format!("`@allow` has no word `{}`", word.escape_debug());
            let parts: Vec<_> = words.split([',', ';', ' ']).filter(|part| !part.is_empty()).collect();
            let help = match word.contains([',', ';']) {
                true => format!("separate words with spaces only: `@allow(\"{}\")`", parts.join(" ").escape_debug()),
                false => format!("`@allow` expects words, separated by spaces: {}", known.join(", ")),
            };
            look.add(None, Severity::Warning, word, message, &help);
        }
    }
}
