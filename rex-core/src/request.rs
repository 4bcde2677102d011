//! Requests made from their written form: in a journal, in a test of a policy, on a command line.

mod possible;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::action::{ActionSpec, AnyAction};
use crate::nearest::did_you_mean;
use crate::net::Network;
use crate::process::WordList;
use crate::resource::{AnyResource, Attribute, Fact, FactKind};
use crate::{Request, Subject, Timestamp, Value, uid};

pub use possible::{check_attributes, check_subject};

/// A request that owns its parts.
#[derive(Debug)]
pub struct RequestBuf {
    /// The principal, with script and tags.
    pub subject: Subject,
    /// The time.
    pub now: Timestamp,
    action: ActionBuf,
    resource: Box<dyn AnyResource>,
}

/// The parts of a request in written form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RequestSpec<'a> {
    /// The action, as in journals, `fs::read`, or as in policies, `fs::Action::"read"`.
    pub action: &'a str,
    /// The id of the resource. A policy's spelling, `fs::Path::"/etc"`, is accepted if it is of the type that the action acts on.
    pub resource: &'a str,
    /// The attributes of the resource that do not follow from its id.
    pub attributes: BTreeMap<String, Value>,
    /// The facts.
    pub context: BTreeMap<String, Value>,
}

/// The reason why a written form is not a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// The problem.
    pub message: String,
    /// Advice on what to write instead.
    pub help: Option<String>,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RequestError {}

fn error(message: impl Into<String>) -> RequestError {
    RequestError { message: message.into(), help: None }
}

impl RequestBuf {
    /// Creates a request from its written form, for a table of actions.
    ///
    /// # Errors
    /// If the table has no such action, the resource is not of the type that it acts on, or the facts are wrong: each declared fact must
    /// be present and of its type, and there must be no others.
    pub fn new(
        table: &'static [&'static ActionSpec],
        written: &RequestSpec<'_>,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Self, RequestError> {
        let spec = action(table, written.action)?;
        let id = unquoted(written.resource, spec)?;
        let resource = (spec.from_record)(&id, &written.attributes)
            .map_err(|why| error(format!("`{}` is not a `{}`: {why}", id.escape_debug(), spec.resource)))?;
        let context = derived(spec, &written.context)?;
        let facts = spec.context.iter().map(|fact| {
            let value = context.get(fact.name).ok_or_else(|| lacking(spec, fact, &context))?;
            FactBuf::new(fact.kind, value).map(|value| (fact.name, value)).ok_or_else(|| RequestError {
                message: format!("`{}` in the context of `{spec}` is {}, not `{value}`", fact.name, kind(fact.kind)),
                help: if fact.kind == FactKind::Ip { possible::address(value) } else { None },
            })
        });
        let facts = facts.collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = context.keys().find(|name| !facts.iter().any(|(known, _)| known == name)) {
            let help = did_you_mean(other, spec.context.iter().map(|fact| fact.name));
            return Err(RequestError {
                message: format!("`{spec}` has no `{}` in its context", other.escape_debug()),
                help: help.or_else(|| Some(expected(spec))),
            });
        }
        Ok(Self { subject, now, action: ActionBuf { spec, facts }, resource })
    }

    /// Creates a request as [`new`](Self::new) does, and checks that no part contradicts the others. That holds for recorded requests; an
    /// invented request may be impossible, and its decision then means nothing.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if the resource does not have an attribute, an attribute or a fact contradicts the rest of the request,
    /// or a value is one that no run has.
    pub fn consistent(
        table: &'static [&'static ActionSpec],
        written: &RequestSpec<'_>,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Self, RequestError> {
        let asked = Self::new(table, written, subject, now)?;
        check_subject(&asked.subject)?;
        possible::check_resource(&*asked.resource, &unquoted(written.resource, asked.action.spec)?)?;
        possible::check_facts(asked.action.spec, &asked.action.facts)?;
        asked.check_attributes(&written.attributes)?;
        asked.check_network()?;
        asked.check_arguments(&written.context)?;
        Ok(asked)
    }

    /// Checks that the facts about single arguments agree with `arguments`.
    fn check_arguments(&self, given: &BTreeMap<String, Value>) -> Result<(), RequestError> {
        let spec = self.action.spec;
        let said: BTreeMap<_, _> = given.iter().filter(|(name, _)| !is_derived(spec, name)).collect();
        let said = said.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in derived(spec, &said)? {
            match given.get(&name) {
                Some(other) if *other != value && is_derived(spec, &name) => {
                    let message =
                        format!("`{name}` in the context of `{spec}` is `{value}` by its `arguments`, not `{other}`");
                    return Err(RequestError {
                        message,
                        help: Some("leave it out: it follows from `arguments`".to_owned()),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_attributes(&self, given: &BTreeMap<String, Value>) -> Result<(), RequestError> {
        let (kind, id) = (self.resource.spec(), self.resource.id().escape_debug());
        let mut known = BTreeMap::new();
        self.resource.attributes(&mut |name, fact| drop(known.insert(name, Value::from(fact))));
        for (name, value) in given {
            let Some(is) = known.get(name.as_str()) else {
                let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
                let message = format!("a `{kind}` has no attribute `{}`", name.escape_debug());
                let there =
                    if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
                let help = did_you_mean(name, known.keys().copied()).or(Some(there));
                return Err(RequestError { message, help });
            };
            if is != value {
                let message = format!("`{name}` of the `{kind}` `{id}` is `{is}`, not `{value}`");
                return Err(RequestError { message, help: Some("leave it out: it follows from the rest".to_owned()) });
            }
        }
        let text = |name: &str| match known.get(name) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let (exe, name) = (text("exe"), text("name"));
        let Ok(path) = crate::AbsPath::parse(exe) else { return Ok(()) };
        // The kernel keeps 15 bytes of the name.
        let (kept, script) = (path.name().get(..15).unwrap_or(path.name()), crate::program::is_interpreter(&path));
        if name.is_empty() || name == kept || script {
            return Ok(());
        }
        let message =
            format!("a process that runs `{}` is called `{kept}`, not `{}`", exe.escape_debug(), name.escape_debug());
        let help = "leave `name` out, or `exe`: a process can change its own name, so policies better ask for `exe`";
        Err(RequestError { message, help: Some(help.to_owned()) })
    }

    fn check_network(&self) -> Result<(), RequestError> {
        let (mut address, mut network) = (None, None);
        for (name, known) in &self.action.facts {
            match known {
                FactBuf::Ip(known) if *name == "address" => address = Some(*known),
                FactBuf::String(known) if *name == "network" => network = Some(known.as_str()),
                _ => {}
            }
        }
        let (Some(address), Some(network)) = (address, network) else { return Ok(()) };
        let is = Network::of(address).as_str();
        if is != network {
            let message = format!("`{address}` is part of the network `{is}`, not `{}`", network.escape_debug());
            let help = format!("say `\"network\": \"{is}\"`, or another address");
            return Err(RequestError { message, help: Some(help) });
        }
        match self.resource.id().parse::<IpAddr>() {
            Ok(host) if host != address.to_canonical() => {
                let message = format!("the host `{host}` has its own address, not `{address}`");
                Err(RequestError { message, help: None })
            }
            _ => Ok(()),
        }
    }

    /// Returns the request.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request { subject: &self.subject, action: &self.action, resource: &*self.resource, now: self.now }
    }
}

/// Finds an action of a table by its name, `fs::read` or `fs::Action::"read"`, or by its verb alone, `read`, if only one action has it.
///
/// # Errors
/// If there is no such action, or there are several.
pub fn action(table: &'static [&'static ActionSpec], text: &str) -> Result<&'static ActionSpec, RequestError> {
    // A policy's spelling is also accepted without quotes, since a shell removes them.
    let parsed = uid::parse(text.trim()).ok();
    let parsed = parsed.and_then(|(kind, name)| Some(format!("{}::{name}", kind.strip_suffix("::Action")?)));
    let name = parsed.unwrap_or_else(|| text.trim().replace("::Action::", "::"));
    let is = |spec: &&ActionSpec| name.split_once("::") == Some((spec.namespace, spec.name));
    if let Some(spec) = table.iter().copied().find(is) {
        return Ok(spec);
    }
    let of_verb: Vec<_> = table.iter().copied().filter(|spec| spec.name == name).collect();
    if let [spec] = of_verb[..] {
        return Ok(spec);
    }
    let names: Vec<_> = table.iter().map(ToString::to_string).collect();
    let message = format!("there is no action `{}`", text.escape_debug());
    if !of_verb.is_empty() {
        let all: Vec<_> = of_verb.iter().map(|spec| format!("`{spec}`")).collect();
        let message = format!("there are several actions `{}`", text.escape_debug());
        return Err(RequestError { message, help: Some(format!("name one: {}", all.join(", "))) });
    }
    Err(RequestError { message, help: did_you_mean(&name, names.iter().map(String::as_str)) })
}

/// Creates the error for a missing fact. If the context is empty, it shows a whole one.
fn lacking(spec: &ActionSpec, fact: &Attribute, given: &BTreeMap<String, Value>) -> RequestError {
    let message = format!("the context of `{spec}` lacks `{}`", fact.name);
    let about = format!("it is {}: {}", kind(fact.kind), fact.doc.trim_end_matches('.'));
    let whole = if given.is_empty() { format!("; {}", expected(spec)) } else { String::new() };
    RequestError { message, help: Some(about + &whole) }
}

/// Returns an example of an action's context.
fn expected(spec: &ActionSpec) -> String {
    let value = |fact: &Attribute| match (fact.kind, fact.name) {
        (FactKind::Long, "port") => "443".to_owned(),
        (FactKind::Long, _) => "12".to_owned(),
        (FactKind::Bool, _) => "false".to_owned(),
        (FactKind::Ip, _) => "\"192.0.2.1\"".to_owned(),
        (FactKind::String, "signal") => "\"TERM\"".to_owned(),
        (FactKind::String, "network") => "\"reserved\"".to_owned(),
        (FactKind::String, "directory") => "\"/\"".to_owned(),
        (FactKind::String, "arguments") => "[\"-n\", \"5\"]".to_owned(),
        (FactKind::String, _) => "\"\"".to_owned(),
    };
    let facts = spec.context.iter().filter(|fact| !is_derived(spec, fact.name));
    let facts: Vec<_> = facts.map(|fact| format!("\"{}\": {}", fact.name, value(fact))).collect();
    match facts.is_empty() {
        true => format!("the context of `{spec}` is empty"),
        false => format!("the context is, for instance, `{{{}}}`", facts.join(", ")),
    }
}

/// Returns whether a fact follows from other facts.
fn is_derived(spec: &ActionSpec, name: &str) -> bool {
    let numbered = name.strip_prefix("arg").is_some_and(|rest| rest.len() == 1);
    has_arguments(spec) && (name == "count" || numbered)
}

fn has_arguments(spec: &ActionSpec) -> bool {
    spec.context.iter().any(|fact| fact.name == "arguments") && spec.context.iter().any(|fact| fact.name == "arg1")
}

/// Adds the facts that follow from the arguments of a program: their number, and the first nine.
fn derived(spec: &ActionSpec, given: &BTreeMap<String, Value>) -> Result<BTreeMap<String, Value>, RequestError> {
    let mut context = given.clone();
    if !has_arguments(spec) {
        return Ok(context);
    }
    let words = match given.get("arguments") {
        Some(Value::List(words)) => {
            let text = |word: &Value| match word {
                Value::Text(word) => Ok(word.clone()),
                other => {
                    Err(error(format!("`arguments` in the context of `{spec}` is a list of texts, not of `{other}`")))
                }
            };
            Some(WordList::new(words.iter().map(text).collect::<Result<_, _>>()?))
        }
        Some(Value::Text(text)) => WordList::parse(text),
        _ => None,
    };
    let Some(words) = words else { return Ok(context) };
    context.insert("arguments".to_owned(), words.as_str().into());
    let count = Value::Int(i64::try_from(words.as_slice().len()).unwrap_or(i64::MAX));
    let word = |place: usize| words.as_slice().get(place).cloned().unwrap_or_default();
    let numbered = (1..=9).map(|number| (format!("arg{number}"), Value::Text(word(number - 1))));
    for (name, value) in numbered.chain([("count".to_owned(), count)]) {
        context.entry(name).or_insert(value);
    }
    Ok(context)
}

/// Returns the id of a resource, which may be in a policy's spelling. The text before the quotes must then be the name of a type: an id
/// may itself contain `::"`.
fn unquoted(text: &str, spec: &ActionSpec) -> Result<String, RequestError> {
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
        FactKind::Long => "a whole number",
        FactKind::Bool => "a truth value",
        FactKind::String => "a text",
        FactKind::Ip => "an address",
    }
}

/// An action of any type.
#[derive(Debug)]
struct ActionBuf {
    spec: &'static ActionSpec,
    facts: Vec<(&'static str, FactBuf)>,
}

impl AnyAction for ActionBuf {
    fn spec(&self) -> &'static ActionSpec {
        self.spec
    }

    fn facts<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        self.facts.iter().for_each(|(name, known)| visit(name, known.fact()));
    }
}

/// A [`Fact`] that owns its text.
#[derive(Debug)]
enum FactBuf {
    Long(i64),
    Bool(bool),
    String(String),
    Ip(IpAddr),
}

impl FactBuf {
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
    use crate::process::{Process, ProcessIdentity, Program};
    use crate::resource::Unit;
    use crate::{ACTIONS, AbsPath, Decision, Principal};

    fn asked(action: &str, resource: &str, context: &[(&str, Value)]) -> Result<RequestBuf, RequestError> {
        let context = context.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let written = RequestSpec { action, resource, context, ..RequestSpec::default() };
        RequestBuf::new(ACTIONS, &written, Subject::new(Principal::agent("a")), Timestamp::from_micros(0))
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
        let identity =
            ProcessIdentity { name: "x".to_owned(), user: Some("www-data".to_owned()), ..ProcessIdentity::default() };
        let process = Process::new(7, identity);
        let program = Program { path: path.clone(), sha256: "ab".to_owned() };
        let run = crate::action::process::Run::new(
            crate::process::WordList::new(vec!["a b".to_owned()]),
            crate::process::WordList::default(),
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
            let written = RequestSpec {
                action: &action.to_string(),
                resource: &resource,
                attributes: owned(attributes).collect(),
                context: owned(context).collect(),
            };
            let again = RequestBuf::new(ACTIONS, &written, subject.clone(), now).unwrap();
            assert_eq!(seen(&again.request()), seen(&request));
        }
    }

    #[test]
    fn what_a_policy_writes_is_taken_too() {
        let asked = asked("fs::Action::\"read\"", "fs::Path::\"/etc/a\\\"b\"", &[]).unwrap();
        assert_eq!(asked.request().resource.id(), "/etc/a\"b");
        for (text, id) in [
            ("fs::Path::\"/o\\'b\\u{e9}\"", "/o'bé"),
            // These are ids, though they end in a quote and contain `::"`.
            ("/srv/x::\"y\"", "/srv/x::\"y\""),
            ("/srv/fs::Path::\"/y\"", "/srv/fs::Path::\"/y\""),
        ] {
            for action in ["fs::read", "fs::Action::\"read\"", "fs::Action::read"] {
                assert_eq!(super::tests::asked(action, text, &[]).unwrap().request().resource.id(), id);
            }
        }
    }

    fn consistent(action: &str, resource: &str, attributes: &str, context: &str) -> Result<RequestBuf, RequestError> {
        let map = |json: &str| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(json).unwrap();
        let value = |json: serde_json::Value| match json {
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Number(number) => Value::Int(number.as_i64().unwrap()),
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Array(all) => Value::List(all.iter().map(|one| one.as_str().unwrap().into()).collect()),
            other => panic!("{other}"),
        };
        let map = |json: &str| map(json).into_iter().map(|(name, json)| (name, value(json))).collect();
        let written = RequestSpec { action, resource, attributes: map(attributes), context: map(context) };
        RequestBuf::consistent(ACTIONS, &written, Subject::new(Principal::agent("a")), Timestamp::from_micros(0))
    }

    #[test]
    fn an_action_may_be_named_by_its_verb() {
        assert_eq!(action(ACTIONS, "write").unwrap().to_string(), "fs::write");
        let several = action(ACTIONS, "list").unwrap_err();
        assert_eq!(several.help.unwrap(), "name one: `fs::list`, `process::list`, `service::list`");
    }

    #[test]
    fn facts_that_contradict_each_other_are_refused() {
        let process = r#"{"name": "nginx", "exe": "/usr/sbin/nginx", "user": "root", "unit": ""}"#;
        let run = r#"{"arguments": ["-n", "a b"], "environment": "", "directory": "/", "user": "", "stdin": false}"#;
        let asked = consistent("process::run", "/usr/bin/head", "{}", run).unwrap();
        assert!(
            seen(&asked.request()).contains("arguments=String(\"-n 'a b'\") count=Long(2)"),
            "{}",
            seen(&asked.request())
        );
        consistent("process::inspect", "7", process, "{}").unwrap();
        consistent("fs::read", "/a/b.log", r#"{"name": "b.log", "extension": "log"}"#, "{}").unwrap();
        let connect = r#"{"address": "10.0.0.1", "network": "private", "port": 80}"#;
        consistent("net::connect", "db.example.com", "{}", connect).unwrap();
        for (action, resource, attributes, context, why) in [
            ("fs::read", "/a/b", r#"{"name": "c"}"#, "{}", "`name` of the `fs::Path` `/a/b` is"),
            ("fs::read", "/a/b", r#"{"size": 1}"#, "{}", "a `fs::Path` has no attribute `size`"),
            ("service::status", "a.service", r#"{"kind": "timer"}"#, "{}", "`kind` of the `service::Unit`"),
            (
                "process::inspect",
                "7",
                r#"{"name": "sshd", "exe": "/usr/sbin/nginx"}"#,
                "{}",
                "is called `nginx`, not `sshd`",
            ),
            ("process::inspect", "7", r#"{"pid": 8}"#, "{}", "`pid` of the `process::Process` `7` is `7`, not `8`"),
            (
                "net::connect",
                "a.example",
                "{}",
                &connect.replace("private", "public"),
                "is part of the network `private`",
            ),
            ("net::connect", "10.0.0.2", "{}", connect, "the host `10.0.0.2` has its own address"),
            (
                "process::run",
                "/usr/bin/head",
                "{}",
                &run.replace("\"user\"", "\"count\": 3, \"user\""),
                "by its `arguments`, not `3`",
            ),
        ] {
            let error = consistent(action, resource, attributes, context).unwrap_err();
            assert!(error.message.contains(why), "{}", error.message);
        }
    }

    #[test]
    fn a_context_that_is_missing_is_named() {
        let error = asked("fs::write", "/etc", &[]).unwrap_err();
        assert!(error.help.unwrap().ends_with("; the context is, for instance, `{\"bytes\": 12}`"));
        let error = asked("process::run", "/usr/bin/head", &[]).unwrap_err();
        let help = error.help.unwrap();
        assert!(help.contains("\"arguments\": [\"-n\", \"5\"]") && !help.contains("arg1"), "{help}");
    }

    #[test]
    fn what_is_no_request_is_told() {
        let told = |result: Result<RequestBuf, RequestError>| {
            let error = result.unwrap_err();
            format!("{}; {}", error.message, error.help.unwrap_or_default())
        };
        assert!(told(asked("fs::raed", "/", &[])).starts_with("there is no action `fs::raed`; "));
        assert!(told(asked("fs::read", "etc", &[])).starts_with("`etc` is not a `fs::Path`: "));
        assert!(told(asked("fs::read", "service::Unit::\"a\"", &[])).contains("acts on a `fs::Path`"));
        assert!(told(asked("fs::read", "fs::Path::\"/a\\q\"", &[])).contains("is not allowed within the quotes"));
        assert!(told(asked("fs::write", "/etc", &[])).starts_with("the context of `fs::write` lacks `bytes`; "));
        assert!(told(asked("fs::write", "/etc", &[("bytes", "7".into())])).contains("is a whole number, not `\"7\"`"));
        let more = [("bytes", Value::Int(7)), ("byte", Value::Int(7))];
        assert!(told(asked("fs::write", "/etc", &more)).starts_with("`fs::write` has no `byte` in its context; "));
        assert!(told(asked("sys::disk", "other", &[])).contains("the only id is `local`"));
    }
}
