//! Encoding of ids as text: what lies in what, and attributes that are parts of an id.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, PatternElem, UnaryOp, Var};
use rex_core::net::{RemoteHost, Url};
use rex_core::process::{Process, Program};
use rex_core::resource::{Host, ServiceManager, Unit};
use rex_core::{AbsPath, Resource, ResourceSpec, Value};

/// The variable for the id of the resource.
pub(super) const ID: &str = "id";
/// Maximum number of positions to insert a name at.
const PLACES: usize = 24;

/// A type of resource, by the form of its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdForm {
    Path,
    Program,
    Unit,
    Host,
    Url,
    Process,
    /// A type with one resource, which has this id.
    One(&'static str),
    Other,
}

pub(super) fn truth(value: bool) -> Expr {
    Expr::Literal(Literal::Bool(value))
}

pub(super) fn variable(name: &str) -> Expr {
    Expr::GetAttr { expr: Arc::new(Expr::Var(Var::Context)), attr: name.into() }
}

pub(super) fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { op, left: Arc::new(left), right: Arc::new(right) }
}

/// Returns `a && b`. Only literals and operands that are never evaluated are dropped, so every possible error stays.
pub(super) fn and(left: Expr, right: Expr) -> Expr {
    match (&left, &right) {
        (Expr::Literal(Literal::Bool(true)), _) => right,
        (Expr::Literal(Literal::Bool(false)), _) | (_, Expr::Literal(Literal::Bool(true))) => left,
        _ => binary(BinaryOp::And, left, right),
    }
}

/// Returns `a || b`, likewise.
pub(super) fn or(left: Expr, right: Expr) -> Expr {
    match (&left, &right) {
        (Expr::Literal(Literal::Bool(false)), _) => right,
        (Expr::Literal(Literal::Bool(true)), _) | (_, Expr::Literal(Literal::Bool(false))) => left,
        _ => binary(BinaryOp::Or, left, right),
    }
}

pub(super) fn not(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(Literal::Bool(value)) => truth(!value),
        other => Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::new(other) },
    }
}

pub(super) fn is(name: &str, text: &str) -> Expr {
    binary(BinaryOp::Eq, variable(name), Expr::Literal(Literal::String(text.into())))
}

/// Encodes that a variable is these texts with anything between them.
fn like(name: &str, parts: &[&str]) -> Expr {
    matches(name, glob(parts))
}

fn glob(parts: &[&str]) -> Vec<PatternElem> {
    let mut pattern = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            pattern.push(PatternElem::Wildcard);
        }
        pattern.extend(part.chars().map(PatternElem::Char));
    }
    pattern
}

fn matches(name: &str, pattern: Vec<PatternElem>) -> Expr {
    Expr::Like { expr: Arc::new(variable(name)), pattern }
}

/// Returns the text of a pattern; `None` if it has a wildcard.
fn exact(pattern: &[PatternElem]) -> Option<String> {
    pattern.iter().map(|part| if let PatternElem::Char(c) = part { Some(*c) } else { None }).collect()
}

impl IdForm {
    pub(super) fn of(spec: &ResourceSpec) -> Self {
        let known = [
            (AbsPath::SPEC, Self::Path),
            (Program::SPEC, Self::Program),
            (Unit::SPEC, Self::Unit),
            (RemoteHost::SPEC, Self::Host),
            (Url::SPEC, Self::Url),
            (Process::SPEC, Self::Process),
            (ServiceManager::SPEC, Self::One(Resource::id(&ServiceManager))),
            (Host::SPEC, Self::One(Resource::id(&Host))),
        ];
        known.into_iter().find(|(known, _)| *known == spec).map_or(Self::Other, |(_, kind)| kind)
    }

    /// Encodes that a resource is one of its type or lies in it, by their ids; `None` if impossible.
    pub(super) fn within(self, spec: &ResourceSpec, id: &str) -> Option<Expr> {
        let itself = is(ID, id);
        Some(match self {
            _ if !spec.nested => itself,
            Self::Path | Self::Program if id == "/" => truth(true),
            Self::Path | Self::Program => or(itself, like(ID, &[&format!("{id}/"), ""])),
            Self::Host => or(itself, like(ID, &["", &format!(".{id}")])),
            Self::Url if id.contains('?') => itself,
            Self::Url if id.ends_with('/') => like(ID, &[id, ""]),
            Self::Url => or(itself, like(ID, &[&format!("{id}?"), ""])),
            _ => return None,
        })
    }

    /// Returns the attributes that a resource shares with everything in it.
    pub(super) fn shared(self, id: &str) -> Vec<(&'static str, Literal)> {
        match (self, Url::parse(id)) {
            (Self::Url, Ok(url)) => {
                vec![("host", Literal::String(url.host().name().into())), ("port", Literal::Long(url.port().into()))]
            }
            _ => Vec::new(),
        }
    }

    /// Encodes by the id that an attribute is a text; `None` if impossible.
    pub(super) fn part_is(self, attribute: &str, text: &str) -> Option<Expr> {
        let ends = |end: String| like(ID, &["", &end]);
        Some(match (self, attribute) {
            (Self::Path | Self::Program, "name") if text.is_empty() => is(ID, "/"),
            (Self::Path | Self::Program, "name") if text.contains('/') => truth(false),
            (Self::Path | Self::Program, "name") => ends(format!("/{text}")),
            (Self::Path, "extension") if text.is_empty() => return None,
            (Self::Path, "extension") if text.contains(['/', '.']) => truth(false),
            (Self::Path, "extension") => ends(format!(".{text}")),
            (Self::Unit, "kind") if text.contains('.') || text.is_empty() => truth(false),
            (Self::Unit, "kind") => ends(format!(".{text}")),
            (Self::Url, "scheme") if !["http", "https"].contains(&text) => truth(false),
            (Self::Url, "scheme") => like(ID, &[&format!("{text}://"), ""]),
            (Self::Url, "host") if text.contains(':') => return None,
            (Self::Url, "host") if RemoteHost::parse(text).is_err() => truth(false),
            (Self::Url, "host") => ["http", "https"].into_iter().fold(truth(false), |any, scheme| {
                let after = |c: char| like(ID, &[&format!("{scheme}://{text}{c}"), ""]);
                or(any, or(after('/'), after(':')))
            }),
            _ => return None,
        })
    }

    /// Encodes by the id that an attribute is `like` a pattern; `None` if impossible.
    pub(super) fn part_like(self, attribute: &str, pattern: &[PatternElem]) -> Option<Expr> {
        if let Some(text) = exact(pattern) {
            return self.part_is(attribute, &text);
        }
        match (self, attribute, pattern) {
            (Self::Path | Self::Program, "name", [PatternElem::Wildcard, end @ ..]) => match &*exact(end)? {
                "" => Some(truth(true)),
                end if end.contains('/') => Some(truth(false)),
                end => Some(like(ID, &["", end])),
            },
            _ => None,
        }
    }

    /// Encodes what follows for the id if an attribute is `like` a pattern.
    pub(super) fn follows(self, attribute: &str, pattern: &[PatternElem]) -> Option<Expr> {
        let some = pattern.iter().any(|part| matches!(part, PatternElem::Char(_)));
        let around = |before: &[&str], after: &[&str]| {
            Some(matches(ID, glob(before).into_iter().chain(pattern.iter().cloned()).chain(glob(after)).collect()))
        };
        match (self, attribute) {
            (Self::Path | Self::Program, "name") if some => around(&["", "/"], &[]),
            (Self::Path, "extension") | (Self::Unit, "kind") if some => around(&["", "."], &[]),
            (Self::Url, "scheme") => around(&[], &["://", ""]),
            (Self::Url, "host") => around(&["", "://", ""], &["", ""]),
            (Self::Url, "path") => around(&["", ""], &["", ""]),
            (Self::Url, "query") if some => around(&["", "?"], &[]),
            _ => None,
        }
    }

    /// Encodes what holds for every value of an attribute.
    pub(super) fn part(self, attribute: &str, name: &str) -> Option<Expr> {
        match (self, attribute) {
            (Self::Path | Self::Program, "name") => Some(not(like(name, &["", "/", ""]))),
            (Self::Path, "extension") => Some(and(not(like(name, &["", "/", ""])), not(like(name, &["", ".", ""])))),
            (Self::Url, "host") => {
                let never: [&[&str]; 3] = [&[".", ""], &["", "..", ""], &["", "/", ""]];
                Some(never.into_iter().fold(not(is(name, "")), |all, parts| and(all, not(like(name, parts)))))
            }
            (Self::Url, "path") => Some(like(name, &["/", ""])),
            _ => None,
        }
    }

    /// Encodes what holds for every id of the type.
    pub(super) fn shape(self) -> Expr {
        match self {
            Self::Path | Self::Program => {
                let never: [&[&str]; 6] =
                    [&["", "/"], &["", "//", ""], &["", "/./", ""], &["", "/../", ""], &["", "/."], &["", "/.."]];
                let never = never.into_iter().fold(truth(true), |all, parts| and(all, not(like(ID, parts))));
                or(is(ID, "/"), and(like(ID, &["/", ""]), never))
            }
            Self::Unit => and(like(ID, &["", ".", ""]), not(like(ID, &[".", ""]))),
            Self::Host => {
                let never: [&[&str]; 5] = [&["."], &[".", ""], &["", "."], &["", "..", ""], &["", "/", ""]];
                never.into_iter().fold(not(is(ID, "")), |all, parts| and(all, not(like(ID, parts))))
            }
            Self::Url => or(like(ID, &["http://", "/", ""]), like(ID, &["https://", "/", ""])),
            Self::One(id) => is(ID, id),
            Self::Process | Self::Other => truth(true),
        }
    }

    /// Returns ids that a request can have, the best first, for an id and attributes that a solver may have chosen.
    pub(super) fn candidates(self, id: Option<&str>, attributes: &BTreeMap<String, Value>) -> Vec<String> {
        let mut ids: Vec<String> = id.into_iter().flat_map(|id| [id.to_owned(), id.to_lowercase()]).collect();
        let text = |name: &str| match attributes.get(name) {
            Some(Value::Text(text)) => Some(text.to_lowercase()),
            Some(Value::Int(number)) => Some(number.to_string()),
            _ => None,
        };
        let part = |name: &str, otherwise: &str| text(name).unwrap_or_else(|| otherwise.to_owned());
        let made = match self {
            Self::Path => {
                let extension = part("extension", "");
                let dot = if extension.is_empty() { "" } else { "." };
                let name = text("name").filter(|name| !name.is_empty());
                format!("/srv/{}", name.unwrap_or(format!("example{dot}{extension}")))
            }
            Self::Program => format!("/usr/bin/{}", part("name", "example")),
            Self::Unit => format!("example.{}", part("kind", "service")),
            Self::Host => "example.com".to_owned(),
            Self::Url => {
                let (scheme, host) = (part("scheme", "https"), part("host", "example.com"));
                let port = text("port").filter(|port| (&*scheme, &**port) != ("https", "443") && port != "80");
                let port = port.map_or(String::new(), |port| format!(":{port}"));
                let query = text("query").filter(|query| !query.is_empty());
                let query = query.map_or(String::new(), |query| format!("?{query}"));
                format!("{scheme}://{host}{port}{}{query}", part("path", "/"))
            }
            Self::Process => part("pid", "4242"),
            Self::One(id) => id.to_owned(),
            Self::Other => "example".to_owned(),
        };
        if id.is_none() || self == Self::Url {
            ids.push(made);
        }
        if let (Self::Path | Self::Program, Some(id)) = (self, id) {
            let text = |name: &str| match attributes.get(name) {
                Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
                _ => None,
            };
            ids.extend(text("name").into_iter().flat_map(|name| named(id, &name)));
            let extension = text("extension").map(|extension| format!(".{extension}"));
            let ended = extension.iter().flat_map(|end| ids.iter().map(move |id| format!("{id}{end}")));
            let ended: Vec<_> = ended.collect();
            ids.extend(ended);
        }
        ids
    }
}

/// Returns paths like the chosen one whose last part is the chosen name, or holds it somewhere, where a wildcard may be.
fn named(path: &str, name: &str) -> Vec<String> {
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    let places = last.char_indices().map(|(at, _)| at).chain([last.len()]).take(PLACES);
    let within = places
        .filter_map(|at| last.split_at_checked(at))
        .map(|(before, after)| format!("{above}/{before}{name}{after}"));
    [format!("{above}/{name}")].into_iter().chain(within).collect()
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Context, Entities, EvalResult, Expression, Request, RestrictedExpression, eval_expression};
    use proptest::prelude::*;
    use rex_core::resource::AnyResource;
    use rex_core::{ACTIONS, ActionSpec, Fact, Principal, RequestBuf, Subject, Timestamp, request::RequestSpec};

    use super::*;

    /// Evaluates a condition on the variables of a resource.
    fn holds(expr: &Expr, id: &str, attributes: &[(&str, String)]) -> bool {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let facts = attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
        let context = Context::from_pairs(facts.chain([(ID.to_owned(), text(id))])).unwrap();
        let uid = "E::\"e\"".parse::<cedar_policy::EntityUid>().unwrap();
        let request = Request::new(uid.clone(), uid.clone(), uid, context, None).unwrap();
        let expression: Expression = expr.to_string().parse().unwrap();
        eval_expression(&request, &Entities::empty(), &expression).unwrap() == EvalResult::Bool(true)
    }

    fn resource(action: &str, id: &str) -> Option<RequestBuf> {
        let spec = |spec: &&&ActionSpec| spec.to_string() == action;
        let context = ACTIONS.iter().find(spec).unwrap().context.iter().map(|fact| (fact.name.to_owned(), "".into()));
        let written = RequestSpec { action, resource: id, context: context.collect(), ..RequestSpec::default() };
        RequestBuf::new(ACTIONS, &written, Subject::new(Principal::agent("a")), Timestamp::from_micros(0)).ok()
    }

    /// Generates an action on each type, and ids that are near each other.
    fn ids() -> impl Strategy<Value = (&'static str, String, String)> {
        let pair = |action: &'static str, id: &'static str| (Just(action), id, id);
        prop_oneof![
            pair("fs::read", "(/[ab.]{0,3}){1,3}"),
            pair("service::start", "[ab.]{1,3}(\\.service|\\.timer)?"),
            pair("net::resolve", "[ab]?(\\.?[ab]){1,3}"),
            pair("net::get", "https?://a(\\.b)?(:8)?/([ab]?/){0,2}[ab]?(\\?[a/]{1,2})?"),
        ]
    }

    fn attributes(resource: &dyn AnyResource) -> Vec<(&'static str, String)> {
        let mut all = Vec::new();
        resource.attributes(&mut |name, fact| {
            if let Fact::String(text) = fact {
                all.push((name, text.to_owned()));
            }
        });
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The encoding of ids agrees with resources.
        #[test]
        fn what_is_told_of_ids_is_so((action, one, other) in ids(), pattern in "[ab.*/]{0,3}") {
            let (Some(one), Some(other)) = (resource(action, &one), resource(action, &other)) else { return Ok(()) };
            let (one, other) = (one.request().resource, other.request().resource);
            let (spec, id) = (one.spec(), one.id());
            let kind = IdForm::of(spec);
            prop_assert_ne!(kind, IdForm::Other);
            prop_assert!(holds(&kind.shape(), id, &[]), "{}", id);
            let mut above = vec![id];
            one.ancestors(&mut |ancestor| above.push(ancestor));
            let within = kind.within(spec, other.id()).unwrap();
            let inside = above.contains(&other.id());
            prop_assert_eq!(holds(&within, id, &[]), inside, "{} in {}", id, other.id());
            for (name, value) in kind.shared(other.id()).into_iter().filter(|_| inside) {
                let mut same = true;
                one.attributes(&mut |known, fact| match (&value, fact) {
                    (Literal::String(text), Fact::String(own)) if known == name => same = *text == own,
                    (Literal::Long(number), Fact::Long(own)) if known == name => same = *number == own,
                    _ => {}
                });
                prop_assert!(same, "{} of {} in {}", name, id, other.id());
            }
            let pattern: Vec<_> =
                pattern.chars().map(|c| if c == '*' { PatternElem::Wildcard } else { PatternElem::Char(c) }).collect();
            let own = attributes(one);
            for ((name, value), (_, text)) in own.iter().zip(attributes(other)) {
                if let Some(is) = kind.part_is(name, &text) {
                    prop_assert_eq!(holds(&is, id, &[]), *value == text, "{} of {} is {}", name, id, text);
                }
                let like = holds(&matches(name, pattern.clone()), id, &own);
                if let Some(told) = kind.part_like(name, &pattern) {
                    prop_assert_eq!(holds(&told, id, &[]), like, "{} of {} like {:?}", name, id, &pattern);
                }
                if let (true, Some(follows)) = (like, kind.follows(name, &pattern)) {
                    prop_assert!(holds(&follows, id, &[]), "{} of {} like {:?}", name, id, &pattern);
                }
                if let Some(part) = kind.part(name, name) {
                    prop_assert!(holds(&part, id, &own), "{} of {}", name, id);
                }
            }
        }
    }
}
