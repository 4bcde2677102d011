//! Requests that are made from what is written down: in a journal, in a test of a policy, on a command line.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::action::{ActionSpec, AnyAction};
use crate::nearest::did_you_mean;
use crate::resource::{AnyResource, Fact, FactKind};
use crate::{Request, Subject, Timestamp, Value, uid};

/// A request that owns all that it is made of.
#[derive(Debug)]
pub struct Asked {
    /// Who asks, for which script, with which tags.
    pub subject: Subject,
    /// When.
    pub now: Timestamp,
    action: Recalled,
    resource: Box<dyn AnyResource>,
}

/// What a request is made of, as it is written down.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Written<'a> {
    /// The action, as journals write it, `fs::read`, or as policies do: `fs::Action::"read"`.
    pub action: &'a str,
    /// The id of the resource. One in a policy's spelling, `fs::Path::"/etc"`, is taken too if it is of the type that the action acts on.
    pub resource: &'a str,
    /// The attributes of the resource that its id does not say.
    pub attributes: BTreeMap<String, Value>,
    /// The facts about the act.
    pub context: BTreeMap<String, Value>,
}

/// Why something that is written down is no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedError {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for AskedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AskedError {}

fn error(message: impl Into<String>) -> AskedError {
    AskedError { message: message.into(), help: None }
}

impl Asked {
    /// The request that is written down, of a table of actions.
    ///
    /// # Errors
    /// If the table has no such action, the resource is none that it acts on, or the facts are not those that it is decided by: each of
    /// them must be there, of its type, and no other.
    pub fn new(
        table: &'static [&'static ActionSpec],
        written: &Written<'_>,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Self, AskedError> {
        let spec = action(table, written.action)?;
        let id = unquoted(written.resource, spec)?;
        let resource = (spec.recall)(&id, &written.attributes)
            .map_err(|why| error(format!("`{}` is not a `{}`: {why}", id.escape_debug(), spec.resource)))?;
        let facts = spec.context.iter().map(|fact| {
            let value = written.context.get(fact.name).ok_or_else(|| {
                let message = format!("the context of `{spec}` lacks `{}`", fact.name);
                AskedError { message, help: Some(format!("it is a {}: {}", kind(fact.kind), fact.doc)) }
            })?;
            Known::new(fact.kind, value).map(|value| (fact.name, value)).ok_or_else(|| {
                error(format!("`{}` in the context of `{spec}` is a {}, not `{value}`", fact.name, kind(fact.kind)))
            })
        });
        let facts = facts.collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = written.context.keys().find(|name| !facts.iter().any(|(known, _)| known == name)) {
            let help = did_you_mean(other, spec.context.iter().map(|fact| fact.name));
            return Err(AskedError {
                message: format!("`{spec}` has no `{}` in its context", other.escape_debug()),
                help,
            });
        }
        Ok(Self { subject, now, action: Recalled { spec, facts }, resource })
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request { subject: &self.subject, action: &self.action, resource: &*self.resource, now: self.now }
    }
}

/// An action of a table by its name, `fs::read` or `fs::Action::"read"`.
///
/// # Errors
/// If there is none.
pub fn action(table: &'static [&'static ActionSpec], text: &str) -> Result<&'static ActionSpec, AskedError> {
    // Also as it is left of a policy's spelling where a shell has taken the quotes away.
    let parsed = uid::parse(text.trim()).ok();
    let parsed = parsed.and_then(|(kind, name)| Some(format!("{}::{name}", kind.strip_suffix("::Action")?)));
    let name = parsed.unwrap_or_else(|| text.trim().replace("::Action::", "::"));
    let is = |spec: &&ActionSpec| name.split_once("::") == Some((spec.namespace, spec.name));
    table.iter().copied().find(is).ok_or_else(|| {
        let names: Vec<_> = table.iter().map(ToString::to_string).collect();
        AskedError {
            message: format!("there is no action `{}`", text.escape_debug()),
            help: did_you_mean(&name, names.iter().map(String::as_str)),
        }
    })
}

/// The id of a resource that may be written as policies do. What stands before the quotes has to be the name of a type: an id may hold
/// `::"` itself.
fn unquoted(text: &str, spec: &ActionSpec) -> Result<String, AskedError> {
    let Some((kind, _)) = uid::split(text) else { return Ok(text.to_owned()) };
    if kind != spec.resource.to_string() {
        return Err(error(format!("`{spec}` acts on a `{}`, not on `{}`", spec.resource, text.escape_debug())));
    }
    match uid::parse(text) {
        Ok((_, id)) => Ok(id),
        Err(why) => Err(error(format!("`{}` is not a `{}`: {why}", text.escape_debug(), spec.resource))),
    }
}

fn kind(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Long => "whole number",
        FactKind::Bool => "truth value",
        FactKind::String => "text",
        FactKind::Ip => "address",
    }
}

/// An action whose type is not known.
#[derive(Debug)]
struct Recalled {
    spec: &'static ActionSpec,
    facts: Vec<(&'static str, Known)>,
}

impl AnyAction for Recalled {
    fn spec(&self) -> &'static ActionSpec {
        self.spec
    }

    fn facts<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        self.facts.iter().for_each(|(name, known)| visit(name, known.fact()));
    }
}

/// A [`Fact`] that owns its text.
#[derive(Debug)]
enum Known {
    Long(i64),
    Bool(bool),
    String(String),
    Ip(IpAddr),
}

impl Known {
    fn new(kind: FactKind, value: &Value) -> Option<Self> {
        match (kind, value) {
            (FactKind::Long, Value::Int(value)) => Some(Self::Long(*value)),
            (FactKind::Bool, Value::Bool(value)) => Some(Self::Bool(*value)),
            (FactKind::String, Value::Text(text)) => Some(Self::String(text.clone())),
            (FactKind::Ip, Value::Text(text)) => text.parse().ok().map(Self::Ip),
            _ => None,
        }
    }

    fn fact(&self) -> Fact<'_> {
        match self {
            Self::Long(value) => Fact::Long(*value),
            Self::Bool(value) => Fact::Bool(*value),
            Self::String(text) => Fact::String(text),
            Self::Ip(address) => Fact::Ip(*address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Event;
    use crate::process::{Identity, Process, Program};
    use crate::resource::Unit;
    use crate::{ACTIONS, AbsPath, Decision, Principal};

    fn asked(action: &str, resource: &str, context: &[(&str, Value)]) -> Result<Asked, AskedError> {
        let context = context.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let written = Written { action, resource, context, ..Written::default() };
        Asked::new(ACTIONS, &written, Subject::new(Principal::agent("a")), Timestamp::from_micros(0))
    }

    fn seen(request: &Request<'_>) -> String {
        let mut seen = format!("{} {}", request.action.spec(), request.resource_uid());
        request.action.facts(&mut |name, fact| seen += &format!(" {name}={fact:?}"));
        request.resource.attributes(&mut |name, fact| seen += &format!(" .{name}={fact:?}"));
        request.resource.ancestors(&mut |id| seen += &format!(" in {id}"));
        seen
    }

    #[test]
    fn what_a_journal_keeps_is_the_same_request_again() {
        let subject = Subject::new(Principal::agent("a"));
        let now = Timestamp::from_micros(0);
        let path = AbsPath::parse("/srv/app.log").unwrap();
        let identity = Identity { name: "x".to_owned(), user: "www-data".to_owned(), ..Identity::default() };
        let process = Process::new(7, identity);
        let program = Program { path: path.clone(), sha256: "ab".to_owned() };
        let run = crate::action::process::Run::new(
            crate::process::Words::new(vec!["a b".to_owned()]),
            crate::process::Words::default(),
            &path,
            "",
            true,
        );
        let url = crate::net::Url::parse("https://example.com:8443/v1/x?y").unwrap();
        let requests: [(&dyn AnyAction, &dyn AnyResource); 6] = [
            (&crate::action::fs::Read {}, &path),
            (&crate::action::fs::Write { bytes: -7 }, &path),
            (&crate::action::process::Signal { signal: "TERM".to_owned() }, &process),
            (&run, &program),
            (&crate::action::net::Get {}, &url),
            (&crate::action::service::Restart {}, &Unit::parse("nginx").unwrap()),
        ];
        for (action, resource) in requests {
            let request = Request { subject: &subject, action, resource, now };
            let Event::Decision { action, resource, attributes, context, .. } =
                Event::decision(&request, &Decision::deny(None))
            else {
                panic!("no decision");
            };
            let owned = |all: Vec<(&'static str, Value)>| all.into_iter().map(|(name, value)| (name.to_owned(), value));
            let written = Written {
                action: &action.to_string(),
                resource: &resource,
                attributes: owned(attributes).collect(),
                context: owned(context).collect(),
            };
            let again = Asked::new(ACTIONS, &written, subject.clone(), now).unwrap();
            assert_eq!(seen(&again.request()), seen(&request));
        }
    }

    #[test]
    fn what_a_policy_writes_is_taken_too() {
        let asked = asked("fs::Action::\"read\"", "fs::Path::\"/etc/a\\\"b\"", &[]).unwrap();
        assert_eq!(asked.request().resource.id(), "/etc/a\"b");
        for (text, id) in [
            ("fs::Path::\"/o\\'b\\u{e9}\"", "/o'bé"),
            // These are ids, though they end in a quote and hold the sign of a type.
            ("/srv/x::\"y\"", "/srv/x::\"y\""),
            ("/srv/fs::Path::\"/y\"", "/srv/fs::Path::\"/y\""),
        ] {
            for action in ["fs::read", "fs::Action::\"read\"", "fs::Action::read"] {
                assert_eq!(super::tests::asked(action, text, &[]).unwrap().request().resource.id(), id);
            }
        }
    }

    #[test]
    fn what_is_no_request_is_told() {
        let told = |result: Result<Asked, AskedError>| {
            let error = result.unwrap_err();
            format!("{}; {}", error.message, error.help.unwrap_or_default())
        };
        assert!(told(asked("fs::raed", "/", &[])).starts_with("there is no action `fs::raed`; "));
        assert!(told(asked("fs::read", "etc", &[])).starts_with("`etc` is not a `fs::Path`: "));
        assert!(told(asked("fs::read", "service::Unit::\"a\"", &[])).contains("acts on a `fs::Path`"));
        assert!(told(asked("fs::read", "fs::Path::\"/a\\q\"", &[])).contains("cannot stand within the quotes"));
        assert!(told(asked("fs::write", "/etc", &[])).starts_with("the context of `fs::write` lacks `bytes`; "));
        assert!(told(asked("fs::write", "/etc", &[("bytes", "7".into())])).contains("is a whole number, not `\"7\"`"));
        let more = [("bytes", Value::Int(7)), ("byte", Value::Int(7))];
        assert!(told(asked("fs::write", "/etc", &more)).starts_with("`fs::write` has no `byte` in its context; "));
        assert!(told(asked("sys::disk", "other", &[])).contains("there is one alone, `local`"));
    }
}
