//! Requests that show where two policies differ. For each policy that only one of the two has, they are made from the names and values that
//! it compares, and from their neighbors.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::pst::{BinaryOp, Expr, Literal, Var};
use rex_core::net::Url;
use rex_core::request::RequestSpec;
use rex_core::{AbsPath, ActionSpec, Principal, RequestBuf, Resource, ResourceSpec, Subject, Timestamp, Value};

use crate::compared::ComparedValues;
use crate::index::action_meets;
use crate::operation::{ANYONE, ExampleRequest, any_value};
use crate::policy::Policy;
use crate::rule::{self, Rule, Uid, walk};
use crate::vocabulary::{GROUP, PRINCIPALS, same_type};

/// Maximum number of requests.
const REQUESTS: usize = 20_000;
/// Maximum number of requests for one policy and one action.
const FOR_ONE: usize = 300;
/// Maximum number of URLs for one policy, and of named URLs from which they are made.
const URLS: usize = 120;
const BASES: usize = 8;
/// Ids for the types of Rex, tried besides those in policies.
const IDS: [&str; 8] =
    ["/srv/example", "example.service", "example.com", "https://example.com/", "EXAMPLE", "4242", "local", "default"];

/// Names and values in policies.
#[derive(Debug, Default)]
struct PolicyWords {
    entities: BTreeSet<Uid>,
    compared: ComparedValues,
    tags: BTreeSet<String>,
}

/// Values for the facts of an action, and for the attributes of a resource.
type FactChoice = (BTreeMap<String, Value>, BTreeMap<String, Value>);

pub(super) struct DiffRequests<'p> {
    policies: [&'p Policy; 2],
    /// The texts of the policies in each of the two.
    texts: [HashSet<&'p str>; 2],
    /// The names and values in all policies of both.
    all: PolicyWords,
}

impl<'p> DiffRequests<'p> {
    pub(super) fn new(policies: [&'p Policy; 2]) -> Self {
        let mut all = PolicyWords::default();
        for (policy, number, rule) in rules(policies) {
            all.read(policy, number, rule);
        }
        let texts = policies.map(|policy| {
            (0..policy.len()).filter_map(|number| policy.stand(number).map(crate::finding::PolicySpan::text)).collect()
        });
        Self { policies, texts, all }
    }

    /// Makes the requests, and counts the policies that are in only one of the two and have no request.
    pub(super) fn operations(&self) -> (Vec<ExampleRequest>, usize) {
        let (mut made, mut untried) = (Vec::new(), 0);
        for (policy, number, rule) in rules(self.policies).filter(|(policy, number, _)| self.is_new(policy, *number)) {
            let mut words = PolicyWords::default();
            words.read(policy, number, rule);
            let before = made.len();
            for spec in policy.actions().iter().filter(|spec| action_meets(rule.actions.as_ref(), spec)) {
                let left = FOR_ONE.min(REQUESTS.saturating_sub(made.len()));
                made.extend(self.about(policy, spec, &words).take(left));
            }
            untried += usize::from(made.len() == before);
        }
        (made, untried)
    }

    /// Returns whether only one of the two has a policy.
    fn is_new(&self, policy: &Policy, number: usize) -> bool {
        let Some(text) = policy.stand(number).map(crate::finding::PolicySpan::text) else { return true };
        let others = self.policies.iter().zip(&self.texts).filter(|(other, _)| !std::ptr::eq(**other, policy));
        !others.into_iter().any(|(_, texts)| texts.contains(text))
    }

    fn about<'a>(
        &'a self,
        policy: &'a Policy,
        spec: &'static ActionSpec,
        words: &'a PolicyWords,
    ) -> impl Iterator<Item = ExampleRequest> + 'a {
        let resources = self.resources(policy, spec.resource, words);
        let principals = principals(policy, [words, &self.all]);
        words.choices(spec).into_iter().flat_map(move |choice| {
            let mut made = Vec::new();
            for (resource, principal) in
                resources.iter().flat_map(|one| principals.iter().map(move |other| (one, other)))
            {
                made.extend(request(policy, (spec, words), resource, principal, &choice));
            }
            made
        })
    }

    /// Returns ids, some with a class that would have to hold them.
    fn resources(&self, policy: &Policy, spec: &ResourceSpec, words: &PolicyWords) -> Vec<(String, Option<Uid>)> {
        let kind = spec.to_string();
        let class = spec.class.map(|class| format!("{}::{class}", spec.namespace));
        let (mut ids, mut classes) = (words.ids(spec), words.of_type(class.as_deref()));
        if ids.is_empty() && classes.is_empty() {
            (ids, classes) = (self.all.ids(spec), self.all.of_type(class.as_deref()));
        }
        let below = policy.members().below(&kind);
        for class in &classes {
            ids.extend(below.get(class).into_iter().flatten().map(|id| (*id).to_owned()));
        }
        if same_type(spec, Url::SPEC) {
            return self.urls(words, ids).into_iter().map(|url| (url, None)).collect();
        }
        // A pattern that starts with a wildcard gives only the end of an id.
        let whole: Vec<_> = ids.iter().map(|end| format!("/srv/{}", end.trim_start_matches('/'))).collect();
        ids.extend(whole.into_iter().filter(|_| same_type(spec, AbsPath::SPEC)));
        let parts = self.all.parts();
        let near = |id: &String| {
            let slash = if id.ends_with('/') { "" } else { "/" };
            let near = parts.iter().map(|part| format!("{id}{slash}{part}"));
            let mut near: Vec<_> = [id.clone()].into_iter().chain(near).collect();
            near.extend([format!("example.{id}"), format!("{id}example"), format!("{id}?example")]);
            near
        };
        let mut resources: Vec<_> = ids.iter().flat_map(near).map(|id| (id, None)).collect();
        // Texts in a policy may not be ids: try others, too.
        resources.extend(IDS.map(|id| (id.to_owned(), None)));
        if ids.is_empty() {
            resources.extend(IDS.map(str::to_owned).iter().flat_map(near).map(|id| (id, None)));
        }
        if policy.members().declared.is_empty() {
            let of_class = |class: &Uid| IDS.map(|id| (id.to_owned(), Some(class.clone())));
            resources.extend(classes.iter().flat_map(of_class));
        }
        resources
    }

    /// Returns URLs made of the parts that a policy compares; a named URL supplies the other parts.
    fn urls(&self, words: &PolicyWords, ids: Vec<String>) -> Vec<String> {
        let all = ids.iter().cloned().chain(self.all.ids(Url::SPEC)).chain(["https://example.com/".to_owned()]);
        let mut bases: Vec<Url> = all.filter_map(|id| Url::parse(&id).ok()).take(BASES).collect();
        // A pattern that starts with a wildcard gives only the end of a URL.
        let ends = ids.iter().filter(|end| Url::parse(end).is_err()).map(|end| end.trim_start_matches('/'));
        let above = |base: &Url| base.as_str().rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
        let ended = ends.flat_map(|end| bases.iter().map(move |base| format!("{}/{end}", above(base))));
        let ended: Vec<Url> = ended.filter_map(|url| Url::parse(&url).ok()).collect();
        bases.splice(0..0, ended);
        let [schemes, hosts, ports, paths, queries] = ["scheme", "host", "port", "path", "query"].map(|part| {
            let asked = words.compared.attributes.get(part).into_iter().flatten().map(plain);
            let all: Vec<_> = asked.map(Some).collect();
            // A query that must differ can be any other.
            let other = Some("example=1".to_owned()).filter(|_| part == "query" && !all.is_empty());
            all.into_iter().chain(other.map(Some)).chain([None]).collect::<Vec<_>>()
        });
        let mut made = Vec::new();
        for (scheme, host) in schemes.iter().flat_map(|scheme| hosts.iter().map(move |host| (scheme, host))) {
            for (port, path) in ports.iter().flat_map(|port| paths.iter().map(move |path| (port, path))) {
                for (query, base) in queries.iter().flat_map(|query| bases.iter().map(move |base| (query, base))) {
                    let or = |given: &Option<String>, own: &str| given.clone().unwrap_or_else(|| own.to_owned());
                    let (scheme, host) = (or(scheme, base.scheme()), or(host, base.host().name()));
                    // The default port of a scheme is not written.
                    let port = match (port, base.port()) {
                        (Some(port), _) => format!(":{port}"),
                        (None, 80 | 443) => String::new(),
                        (None, port) => format!(":{port}"),
                    };
                    let (path, query) = (or(path, base.path()), or(query, base.query()));
                    let query = if query.is_empty() { query } else { format!("?{query}") };
                    let host = if host.contains(':') { format!("[{host}]") } else { host };
                    // At the root of the site, and next to the named URL.
                    let end = path.trim_start_matches('/');
                    let above = base.path().rsplit_once('/').map_or("", |(above, _)| above);
                    for path in [format!("{above}/{end}"), format!("/{end}")] {
                        made.push((scheme.clone(), host.clone(), port.clone(), path, query.clone()));
                    }
                }
            }
        }
        let default = |scheme: &str| if scheme == "http" { ":80" } else { ":443" };
        let mut urls = Vec::new();
        for (scheme, host, port, path, query) in made {
            let port = if port == default(&scheme) { String::new() } else { port };
            let url = format!("{scheme}://{host}{port}{path}{query}");
            if urls.len() < URLS && !urls.contains(&url) && Url::parse(&url).is_ok() {
                urls.push(url);
            }
        }
        urls
    }
}

fn rules(policies: [&Policy; 2]) -> impl Iterator<Item = (&Policy, usize, &Rule)> {
    policies.into_iter().flat_map(|policy| policy.rules().iter().enumerate().map(move |(n, rule)| (policy, n, rule)))
}

/// Returns principals, some with a group that would have to hold them: those that a policy names, anyone, and those that other policies
/// name if it names none.
fn principals(policy: &Policy, [own, all]: [&PolicyWords; 2]) -> Vec<(Uid, Option<Uid>)> {
    let mut principals = named(policy, own);
    let others = if principals.is_empty() { named(policy, all) } else { Vec::new() };
    principals.extend(PRINCIPALS.map(|kind| (Uid::new(kind, ANYONE), None)));
    principals.extend(others);
    principals
}

fn named(policy: &Policy, words: &PolicyWords) -> Vec<(Uid, Option<Uid>)> {
    let free = policy.members().declared.is_empty();
    let mut named = Vec::new();
    for uid in &words.entities {
        if PRINCIPALS.contains(&&*uid.kind) {
            named.push((uid.clone(), None));
        }
        for kind in PRINCIPALS.into_iter().filter(|_| *uid.kind == *GROUP) {
            let members = policy.members().below(kind).remove(uid).unwrap_or_default();
            named.extend(members.into_iter().take(2).map(|id| (Uid::new(kind, id), None)));
            named.extend(free.then(|| (Uid::new(kind, ANYONE), Some(uid.clone()))));
        }
    }
    named
}

fn request(
    policy: &Policy,
    (spec, words): (&'static ActionSpec, &PolicyWords),
    (id, class): &(String, Option<Uid>),
    (principal, group): &(Uid, Option<Uid>),
    (facts, attributes): &FactChoice,
) -> Option<ExampleRequest> {
    let mut context = facts.clone();
    let now = match context.remove("now") {
        Some(Value::Int(micros)) => Timestamp::from_micros(micros),
        _ => Timestamp::from_micros(0),
    };
    let script = match context.remove("script") {
        Some(Value::Text(text)) => text,
        _ => String::new(),
    };
    let who = if &*principal.kind == "User" { Principal::user(&principal.id) } else { Principal::agent(&principal.id) };
    let subject = Subject { principal: who, script, tags: words.tags.iter().cloned().collect() };
    let action = spec.to_string();
    let written = RequestSpec { action: &action, resource: id, attributes: attributes.clone(), context };
    let asked = RequestBuf::new(policy.actions(), &written, subject, now).ok()?;
    let resource = Uid::new(&spec.resource.to_string(), asked.request().resource.id());
    let class = class.iter().map(|class| (resource.clone(), class.clone()));
    let members = group.iter().map(|group| (principal.clone(), group.clone())).chain(class).collect();
    let asked_for = words.compared.attributes.keys().map(|name| format!("resource.{name}"));
    let mut told: BTreeSet<String> = words.compared.facts.keys().cloned().chain(asked_for).collect();
    if !words.tags.is_empty() {
        told.insert("tags".to_owned());
    }
    Some(ExampleRequest { asked, members, told })
}

impl PolicyWords {
    fn read(&mut self, policy: &Policy, number: usize, rule: &Rule) {
        self.entities.extend([&rule.principal, &rule.resource].into_iter().filter_map(|scope| scope.entity.clone()));
        if let Some(condition) = policy.cedar(number).and_then(rule::syntax) {
            walk(&condition, &mut |expr| self.take(expr));
        }
    }

    fn take(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(Literal::EntityUID(uid)) => drop(self.entities.insert(rule::literal(uid))),
            Expr::Like { expr, pattern } => self.compared.add_like(expr, pattern, "example"),
            Expr::BinaryOp { op: BinaryOp::Contains, left, right } if is_fact(left, "tags") => {
                if let Expr::Literal(Literal::String(tag)) = &**right {
                    self.tags.insert(tag.to_string());
                }
            }
            Expr::BinaryOp { left, right, .. } => self.compared.add_sides(left, right),
            _ => {}
        }
    }

    fn of_type(&self, kind: Option<&str>) -> Vec<Uid> {
        self.entities.iter().filter(|uid| Some(&*uid.kind) == kind).cloned().collect()
    }

    fn ids(&self, spec: &ResourceSpec) -> Vec<String> {
        let named = self.of_type(Some(&spec.to_string())).into_iter().map(|uid| uid.id.into());
        let texts = spec.id_attribute.and_then(|name| self.compared.attributes.get(name)).into_iter().flatten();
        named.chain(texts.filter_map(text)).collect()
    }

    /// Returns names of directory entries that match the names, extensions and paths in policies.
    fn parts(&self) -> BTreeSet<String> {
        let of = |name: &str| self.compared.attributes.get(name).into_iter().flatten().filter_map(text);
        let ends = of("extension").map(|extension| format!("example.{extension}"));
        let last = of("path").filter_map(|path| path.rsplit('/').next().map(str::to_owned));
        let parts = ends.chain(of("name")).chain(last).filter(|part| !part.is_empty());
        parts.chain(["example".to_owned()]).collect()
    }

    /// Returns the first of all values together, and then each other value in place of the first.
    fn choices(&self, spec: &ActionSpec) -> Vec<FactChoice> {
        let declared = spec.context.iter().map(|fact| (fact.name, Some(fact.kind)));
        let facts = declared.chain(["now", "script"].map(|name| (name, None))).filter_map(|(name, kind)| {
            let asked = self.compared.facts.get(name).into_iter().flatten().cloned();
            let values: Vec<_> = asked.chain(kind.map(any_value)).collect();
            (!values.is_empty()).then(|| (name.to_owned(), values))
        });
        let facts: Vec<(String, Vec<Value>)> = facts.collect();
        let attributes: Vec<_> =
            self.compared.attributes.iter().map(|(name, values)| (name.clone(), values.clone())).collect();
        let first = |of: &[(String, Vec<Value>)]| {
            of.iter()
                .filter_map(|(name, values)| Some((name.clone(), values.first()?.clone())))
                .collect::<BTreeMap<_, _>>()
        };
        let base = (first(&facts), first(&attributes));
        let mut choices = vec![base.clone()];
        for (name, value) in facts.iter().flat_map(|(name, values)| values.iter().skip(1).map(move |it| (name, it))) {
            let mut other = base.clone();
            other.0.insert(name.clone(), value.clone());
            choices.push(other);
        }
        for (name, value) in
            attributes.iter().flat_map(|(name, values)| values.iter().skip(1).map(move |it| (name, it)))
        {
            let mut other = base.clone();
            other.1.insert(name.clone(), value.clone());
            choices.push(other);
        }
        choices
    }
}

/// Returns a text as it is, any other value as it is written.
fn plain(value: &Value) -> String {
    text(value).unwrap_or_else(|| value.to_string())
}

fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

fn is_fact(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if **expr == Expr::Var(Var::Context) && attr == name)
}
