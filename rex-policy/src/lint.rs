//! What Cedar's validator cannot know: names that no request ever has, values that a fact never has, classes that nobody declared.
//!
//! A `forbid` of that kind protects nothing, so it is refused. A `permit` of that kind permits nothing, which is told.

mod about;
mod addresses;
mod alias;
mod always;
mod asked;
mod compared;
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
mod told;
mod values;
mod wild;

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};
use rex_core::process;

use crate::compile::File;
use crate::finding::{Finding, Severity};
use crate::lints::{Lint as Named, named};
use crate::members::{Members, check_id};
use crate::rule::{Uid, annotation, literal, of_resource, walk};
use crate::vocabulary::{GROUP, Vocabulary};

use about::{About, UNSURE, visit};
pub(crate) use hidden::{file as hidden, in_text as hidden_in};
pub(crate) use ruled::{Known, rules_out};
pub(crate) use times::expired;
pub(crate) use wild::{in_entities as wild_in, quoted, quoted_pattern};

/// What policies are checked against.
pub(crate) struct Lint<'a> {
    /// The types of what has members only if the entities file says so.
    named_by_owner: HashSet<String>,
    vocabulary: Vocabulary,
    /// The types whose resources are in others of their type.
    nested: HashSet<String>,
    members: &'a Members,
}

/// One policy that is looked at, and what was found.
struct Look<'f> {
    file: &'f File,
    statement: Option<(usize, usize)>,
    permit: bool,
    /// Its condition.
    syntax: Option<&'f Expr>,
    findings: Vec<Finding>,
}

impl Look<'_> {
    /// Whether the condition looks at an attribute of the resource.
    fn asks_for(&self, name: &str) -> bool {
        let mut found = false;
        if let Some(syntax) = self.syntax {
            walk(syntax, &mut |expr| found |= of_resource(expr).is_some_and(|of| &*of == name));
        }
        found
    }

    /// Where the policy says something. A spelling with escapes is not found.
    fn find(&self, needle: &str) -> Option<(usize, usize)> {
        let (start, length) = self.statement?;
        let offset = self.file.text.text.get(start..start + length)?.find(needle)?;
        Some((start + offset, needle.len()))
    }

    /// Adds a finding, once. What is not found in the text is the whole policy.
    fn add(&mut self, code: Option<&'static str>, severity: Severity, needle: &str, message: String, help: &str) {
        let place = self.find(needle).or(self.statement);
        if self.findings.iter().any(|known| known.message == message) {
            return;
        }
        let mut finding = Finding::new(severity, &self.file.text, place, message).with_help(help);
        finding.code = code;
        self.findings.push(finding);
    }

    /// How bad it is that a part of the policy is never true, or always. `holds` is what it has to be for the policy to apply; `None` if that
    /// depends. A permit that permits too little is idle; whatever else is not as it was meant leaves something open.
    fn severity(&self, never: bool, holds: Option<bool>) -> Severity {
        let idle = self.permit && holds.is_none_or(|holds| holds == never);
        if idle { Severity::Warning } else { Severity::Error }
    }
}

impl<'a> Lint<'a> {
    pub(crate) fn new(vocabulary: &Vocabulary, members: &'a Members) -> Self {
        let resources = vocabulary.resources();
        let classes = resources
            .iter()
            .filter_map(|resource| resource.class.map(|class| format!("{}::{class}", resource.namespace)));
        let named_by_owner = classes.chain([GROUP.to_owned()]).collect();
        let nested = resources.iter().filter(|resource| resource.nested).map(ToString::to_string).collect();
        Self { named_by_owner, vocabulary: *vocabulary, nested, members }
    }

    /// Looks at a policy, whose condition is `syntax`.
    pub(crate) fn policy<'f>(
        &self,
        file: &'f File,
        number: usize,
        id: &Arc<str>,
        policy: &Policy,
        syntax: Option<&'f Expr>,
    ) -> Vec<Finding> {
        let permit = policy.effect() == cedar_policy::Effect::Permit;
        let mut look = Look { file, statement: file.place(number), permit, syntax, findings: Vec::new() };
        let silenced = silenced(&mut look, policy);
        self.ids(&mut look, policy, syntax);
        allowed_words(&mut look, policy);
        self.misplaced_in_head(&mut look, policy);
        numbers::check(&mut look);
        if let Some(syntax) = syntax {
            let about = About::new(self, policy);
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

    /// Looks at the entities that a policy names.
    fn ids(&self, look: &mut Look<'_>, policy: &Policy, syntax: Option<&Expr>) {
        for uid in policy.entity_literals() {
            let uid = Uid::from(&uid);
            let spelled = format!("{}::\"{}\"", uid.kind, uid.id);
            let place = look.find(&spelled).or(look.statement);
            if let Some(mut finding) = check_id(&self.vocabulary, &look.file.text, || place, &uid) {
                if let Some(help) = wild::instead(&uid) {
                    finding.help = Some(help);
                }
                look.findings.push(finding);
            } else {
                wild::id(look, &uid, syntax);
                alias::id(look, &uid);
                parameter::id(look, &uid);
                spelled_bytes(look, &uid, syntax);
            }
            if self.named_by_owner.contains(&*uid.kind) && !self.members.names(&uid) {
                let message = format!("nothing is in `{}::\"{}\"`", uid.kind, uid.id.escape_debug());
                let help = "what the entities file does not put in it is not in it, so this applies to nothing";
                look.add(None, Severity::Warning, &spelled, message, help);
            }
        }
    }

    /// The resource that an expression finds in something of its own type, or not, if it is not the one of the request: such an expression
    /// is the same for each.
    fn unplaced(&self, expr: &Expr) -> Option<Uid> {
        let (left, right) = match expr {
            Expr::BinaryOp { op: BinaryOp::In, left, right } | Expr::Is { expr: left, in_expr: Some(right), .. } => {
                (left, right)
            }
            _ => return None,
        };
        let Expr::Literal(Literal::EntityUID(uid)) = &**left else { return None };
        let uid = literal(uid);
        // What is in which class is the owner's to say, of any resource.
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

/// Looks for a byte of a path that is spelled in lower case.
fn spelled_bytes(look: &mut Look<'_>, uid: &Uid, syntax: Option<&Expr>) {
    let written = format!("\"{}\"", uid.id.replace('\\', "\\\\"));
    if !["fs::Path", "process::Program"].contains(&&*uid.kind) || look.find(&written).is_none() {
        return;
    }
    if let Some((message, help)) = values::lower_bytes(&uid.id) {
        let excepted = syntax.is_some_and(|syntax| wild::is_excepted(syntax, true, uid));
        let severity = look.severity(true, Some(!excepted));
        look.add(Some("REX013"), severity, &written, message, &help);
    }
}

/// The lints whose warnings a policy silences by `@lint`. An unknown code is an error: it would silence nothing.
fn silenced(look: &mut Look<'_>, policy: &Policy) -> Vec<&'static Named> {
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

/// Looks for an attribute of a process that a condition asks to be there. Each process has it, but it cannot always be found out. A permit
/// that asks for it leaves a process of which it is unknown to others; whatever else asks for it takes what is unknown for what is not there.
fn asked_to_be_known(look: &mut Look<'_>, expr: &Expr, holds: Option<bool>) {
    let Expr::HasAttr { expr: of, attrs } = expr else { return };
    let Some(name) = attrs.iter().next().filter(|name| UNSURE.contains(&name.as_str())) else { return };
    if **of != Expr::Var(Var::Resource) || (look.permit && holds == Some(true)) {
        return;
    }
    let message = match look.permit {
        true => format!("`has {name}` is false where `{name}` could not be found out, so this would be permitted then"),
        false => format!("`has {name}` is false where `{name}` could not be found out, so this would not apply then"),
    };
    let help = format!(
        "leave it out: a request of which `{name}` is unknown is denied; of several types, ask `resource is process::Process`"
    );
    look.add(None, Severity::Error, &format!("has {name}"), message, &help);
}

/// Looks at the words of `@allow`.
fn allowed_words(look: &mut Look<'_>, policy: &Policy) {
    let words = annotation(policy, "allow").unwrap_or_default();
    for word in words.split_ascii_whitespace() {
        let known = |(known, _): &(&str, &str)| word == *known || (known.ends_with(':') && word.starts_with(known));
        if !process::ALLOWED.iter().any(known) {
            let known: Vec<_> = process::ALLOWED.iter().map(|(known, _)| format!("`{known}`")).collect();
            let message = format!("nothing is let go by `{}`", word.escape_debug());
            let parts: Vec<_> = words.split([',', ';', ' ']).filter(|part| !part.is_empty()).collect();
            let help = match word.contains([',', ';']) {
                true => format!(
                    "words have a blank between, and nothing else: `@allow(\"{}\")`",
                    parts.join(" ").escape_debug()
                ),
                false => format!("`@allow` takes words, with blanks between: {}", known.join(", ")),
            };
            look.add(None, Severity::Warning, word, message, &help);
        }
    }
}
