//! Tests of a policy, in files beside it: requests and scripts, each with the expected outcome.

mod fields;
mod world;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use rex_core::request::{RequestSpec, check_subject};
use rex_core::{Decision, Effect, Principal, RequestBuf, Subject, Timestamp, Value};

use crate::finding::{Finding, RejectedPolicy, Severity, SharedText, SourceText};
use crate::vocabulary::{PRINCIPALS, Vocabulary};
use fields::NodeFields;
pub use world::{CaseWorld, ProgramEnding, ServerPage};
use yaml::{YamlEntry, YamlKind, YamlNode};

/// A test of a policy.
#[derive(Debug)]
pub struct Case {
    /// The name of the case.
    pub name: String,
    /// The name of its file.
    pub file: Arc<str>,
    /// The line where it starts.
    pub line: usize,
    /// The request or script to decide.
    pub question: CaseQuestion,
    /// The expected outcome.
    pub expected: ExpectedOutcome,
}

/// The request or script of a case.
#[derive(Debug)]
pub enum CaseQuestion {
    /// One request.
    Request(Box<RequestBuf>),
    /// All requests of a script.
    Script(Box<CaseScript>),
}

/// A script that a case runs, in a world in memory.
#[derive(Debug)]
pub struct CaseScript {
    /// The principal that it runs for.
    pub principal: Principal,
    /// The operator's `key=value` strings.
    pub tags: Vec<String>,
    /// The values of its `args`.
    pub args: BTreeMap<String, Value>,
    /// The files, units, processes, programs, hosts and pages that exist.
    pub world: CaseWorld,
    /// The time of the run; `None` for now.
    pub at: Option<Timestamp>,
    /// The text of the script.
    pub text: String,
}

/// The expected outcome of a case. A part that is `None` is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedOutcome {
    /// The expected effect. A script is allowed if it runs to its end and none of its requests is denied.
    pub effect: Effect,
    /// The ids of the deciding policies, in any order; for a denied script, those of the denial.
    pub policies: Option<Vec<String>>,
    /// The reason of the decision.
    pub reason: Option<String>,
}

impl ExpectedOutcome {
    /// Describes in words where a decision differs from the expected one.
    #[must_use]
    pub fn differences(&self, decision: &Decision) -> Vec<String> {
        let mut differences = Vec::new();
        if decision.effect != self.effect {
            differences.push(format!("expected {}, got {}", self.effect.as_str(), decision.effect.as_str()));
        }
        if let Some(policies) = &self.policies {
            let sorted = |ids: &mut dyn Iterator<Item = &str>| {
                let mut ids: Vec<_> = ids.map(str::to_owned).collect();
                ids.sort_unstable();
                ids
            };
            let expected = sorted(&mut policies.iter().map(String::as_str));
            let got = sorted(&mut decision.policies.iter().map(|id| &**id));
            if expected != got {
                differences.push(format!("expected a decision by {}, got one by {}", list(&expected), list(&got)));
            }
        }
        if let Some(reason) = &self.reason
            && decision.reason.as_deref() != Some(reason)
        {
            let got = decision.reason.as_deref().map_or("none".to_owned(), |got| format!("`{got}`"));
            differences.push(format!("expected the reason `{reason}`, got {got}"));
        }
        differences
    }
}

fn list(ids: &[String]) -> String {
    if ids.is_empty() {
        return "no policy".to_owned();
    }
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

impl Case {
    /// Reads the cases of a YAML file: a map with a list `cases`, or that list alone.
    ///
    /// ```yaml
    /// cases:
    ///   - name: the log may be read
    ///     principal: Agent::"triage"
    ///     action: fs::read
    ///     resource: /var/log/dpkg.log
    ///     expect: allow
    ///     policies: [read-logs]
    ///   - name: but not replaced
    ///     principal: Agent::"triage"
    ///     run: write("/var/log/dpkg.log", "")
    ///     files: { /var/log/dpkg.log: text }
    ///     expect: deny
    ///   - name: a server that is down is restarted
    ///     principal: Agent::"triage"
    ///     run: 'if service::status("nginx").active != "active" { service::restart("nginx") }'
    ///     units: { nginx.service: failed }
    ///     expect: deny
    /// ```
    ///
    /// # Errors
    /// With a finding for each error in the file.
    pub fn read(vocabulary: &Vocabulary, source: &SourceText) -> Result<Vec<Self>, RejectedPolicy> {
        let text = SharedText::new(source);
        let rejected = |finding: Box<Finding>| RejectedPolicy { findings: vec![*finding] };
        let root = yaml::read(&text).map_err(rejected)?;
        let mut findings = Vec::new();
        let mut cases: Vec<Self> = Vec::new();
        let mut names = BTreeMap::new();
        for node in listed(&text, &root).map_err(rejected)? {
            match case(vocabulary, &text, node) {
                Ok(case) => match names.insert(case.name.clone(), case.line) {
                    None => cases.push(case),
                    Some(line) => {
                        let message =
                            format!("the name `{}` is taken by the case in line {line}", case.name.escape_debug());
                        let finding = Finding::new(Severity::Error, &text, Some(node.place), message);
                        findings.push(finding.with_help("give each case of a file a name of its own"));
                    }
                },
                Err(finding) => findings.push(*finding),
            }
        }
        if findings.is_empty() { Ok(cases) } else { Err(RejectedPolicy { findings }) }
    }
}

/// Returns the list of cases of a file.
fn listed<'n>(text: &SharedText, root: &'n YamlNode) -> Result<&'n [YamlNode], Box<Finding>> {
    let place = match &root.kind {
        YamlKind::List(cases) => return Ok(cases),
        YamlKind::Map(entries) => match &**entries {
            [YamlEntry { key, node: YamlNode { kind: YamlKind::List(cases), .. }, .. }] if key == "cases" => {
                return Ok(cases);
            }
            [_, other, ..] => other.key_place,
            _ => root.place,
        },
        YamlKind::Scalar(_) => root.place,
    };
    let message = "this is not a list of cases".to_owned();
    Err(Box::new(
        Finding::new(Severity::Error, text, Some(place), message)
            .with_help("a file of cases is a map with one key, `cases`, and a list"),
    ))
}

fn case(vocabulary: &Vocabulary, text: &SharedText, node: &YamlNode) -> Result<Case, Box<Finding>> {
    let fields = NodeFields::new(text, node)?;
    let name = fields.text("name")?;
    if name.trim().is_empty() {
        return Err(fields.wrong(
            fields.place("name"),
            "the name of a case is empty".to_owned(),
            "say what the case shows",
        ));
    }
    let (expect, place) = (fields.text("expect")?, fields.place("expect"));
    let effect = match &*expect {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        other => {
            let message = format!("`{}` is not a result to expect", other.escape_debug());
            return Err(fields.wrong(place, message, "`allow` and `deny` are"));
        }
    };
    let expected = ExpectedOutcome {
        effect,
        policies: fields.optional_texts("policies")?,
        reason: fields.optional_text("reason")?,
    };
    let question = match fields.has("run") {
        true => CaseQuestion::Script(Box::new(script(&fields, &expected)?)),
        false => CaseQuestion::Request(Box::new(request(vocabulary, &fields)?)),
    };
    let (line, _) = text.position(node.place.0);
    Ok(Case { name, file: text.name.clone(), line, question, expected })
}

fn principal(fields: &NodeFields<'_>) -> Result<Principal, Box<Finding>> {
    let (text, place) = (fields.text("principal")?, fields.place("principal"));
    let known = |principal: &Principal| PRINCIPALS.contains(&principal.kind());
    Principal::parse(&text).ok().filter(known).ok_or_else(|| {
        let message = format!("`{}` is not a principal", text.escape_debug());
        fields.wrong(place, message, "one looks like `Agent::\"triage\"` or `User::\"alice\"`")
    })
}

fn at(fields: &NodeFields<'_>) -> Result<Option<Timestamp>, Box<Finding>> {
    let Some(text) = fields.optional_text("at")? else { return Ok(None) };
    Timestamp::parse(&text).map(Some).map_err(|_| {
        let message = format!("`{}` is not a time", text.escape_debug());
        fields.wrong(fields.place("at"), message, "one looks like `2026-11-23T12:00:00Z`")
    })
}

fn request(vocabulary: &Vocabulary, fields: &NodeFields<'_>) -> Result<RequestBuf, Box<Finding>> {
    let subject = Subject {
        principal: principal(fields)?,
        script: fields.optional_text("script")?.unwrap_or_default(),
        tags: fields.optional_texts("tags")?.unwrap_or_default(),
    };
    let now = at(fields)?.unwrap_or_else(Timestamp::now);
    let (action, resource) = (fields.text("action")?, fields.text("resource")?);
    let (attributes, context) = (fields.optional_map("attributes")?, fields.optional_map("context")?);
    let written = RequestSpec { action: &action, resource: &resource, attributes, context };
    RequestBuf::consistent(vocabulary.actions(), &written, subject, now).map_err(|error| {
        // The error is about the action, or about the field that does not fit it.
        let field = match rex_core::request::action(vocabulary.actions(), &action) {
            Err(_) => "action",
            Ok(_) if error.message.starts_with("a tag ") => "tags",
            Ok(_) if error.message.starts_with("the script ") => "script",
            Ok(_) if error.message.starts_with("no request has ") => "resource",
            Ok(_) if error.message.contains("context of") || error.message.contains("its context") => "context",
            Ok(_) if error.message.contains("the network `") || error.message.contains("its own address") => "context",
            Ok(_)
                if fields.has("attributes")
                    && error.message.contains('`')
                    && !error.message.contains(" is not a `") =>
            {
                "attributes"
            }
            Ok(_) => "resource",
        };
        let place = if fields.has(field) { fields.place(field) } else { fields.place("action") };
        let mut finding = fields.wrong(place, error.message, "");
        finding.help = error.help;
        finding
    })
}

fn script(fields: &NodeFields<'_>, expected: &ExpectedOutcome) -> Result<CaseScript, Box<Finding>> {
    if expected.effect == Effect::Allow && (expected.policies.is_some() || expected.reason.is_some()) {
        let field = if expected.policies.is_some() { "policies" } else { "reason" };
        let message = format!("a script that is allowed has no `{field}`");
        return Err(fields.wrong(fields.place(field), message, "ask for each request in a case of its own"));
    }
    let (principal, tags) = (principal(fields)?, fields.optional_texts("tags")?.unwrap_or_default());
    let subject = Subject { tags: tags.clone(), ..Subject::new(principal.clone()) };
    check_subject(&subject).map_err(|error| {
        fields.wrong(fields.place("tags"), error.message, error.help.as_deref().unwrap_or_default())
    })?;
    Ok(CaseScript {
        principal,
        tags,
        args: fields.optional_map("args")?,
        world: CaseWorld::of(fields)?,
        at: at(fields)?,
        text: fields.text("run")?,
    })
}
