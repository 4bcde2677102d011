//! Random policies, entities and requests, and the oracle that the property tests and the fuzzer share.

mod arguments;
#[cfg(feature = "prove")]
mod proofs;

use std::fmt::Write;

use arbitrary::{Result, Unstructured};
use rex_core::action::{AnyAction, fs, service};
use rex_core::resource::{AnyResource, Unit};
use rex_core::{AbsPath, Authorize, Effect, Extent, Principal, Reach, Request, Subject, Timestamp};

pub use self::arguments::arguments_agree;
#[cfg(feature = "prove")]
pub use self::proofs::{DifferenceCounts, VerdictCounts, differences_are_told, proofs_agree};
use crate::{Policy, PolicyLimits, ReachException, SourceText, Vocabulary};

/// Reads policies, entities and requests from `data`, and asserts that the index and the cache decide as Cedar does, and that
/// each remedy helps. Returns whether the policies validated, so that a test can check that most do.
///
/// # Panics
/// If an assertion fails.
#[must_use]
pub fn decide_agrees(data: &[u8]) -> bool {
    // INVARIANT: bytes that have run out read as zeros, so every choice is made.
    RandomParts(Unstructured::new(data)).decide_agrees().unwrap_or(false)
}

/// Reads policies, entities and requests from `data`, and asserts that what is allowed lies within reach, and that a `forbid`
/// that denies what lies within reach is an exception from it. Returns whether something was allowed within a bound, so that a
/// test can check that it often is.
///
/// # Panics
/// If an assertion fails.
#[must_use]
pub fn reach_covers(data: &[u8]) -> bool {
    RandomParts(Unstructured::new(data)).reach_covers().unwrap_or(false)
}

/// Policies that validate, with their texts.
#[derive(Debug)]
struct TestWorld {
    policy: Policy,
    sources: [SourceText; 1],
    entities: SourceText,
}

impl TestWorld {
    /// Returns whether a request lies within reach. Asserts that it does if it is allowed, and that the `forbid` policies that
    /// deny a request within reach are exceptions.
    fn is_within(&self, (reach, exceptions): &(Reach, Vec<ReachException>), request: &Request<'_>) -> bool {
        let spec = request.action.spec();
        let decision = self.policy.decide(request);
        let inside = reach.covers(spec, request.resource);
        assert!(inside || decision.effect == Effect::Deny, "{self:?}\n{request:?}\n{reach:?}");
        let covers = |exception: &ReachException| {
            exception.extents.iter().any(|(known, cut)| *known == spec && cut.covers(request.resource))
        };
        if inside && decision.effect == Effect::Deny {
            for forbid in decision.policies.iter() {
                let known = exceptions.iter().any(|known| known.policy == *forbid && covers(known));
                assert!(known, "{self:?}\n{request:?}\n{forbid}\n{exceptions:?}");
            }
        }
        inside
    }
}

/// Returns inputs for these functions, the same each time.
pub fn inputs() -> impl Iterator<Item = Vec<u8>> {
    let mut state = 1_u64;
    let mut byte = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(move || std::iter::repeat_with(&mut byte).take(1500).collect())
}

/// The parts of a request.
struct TestRequest {
    subject: Subject,
    action: Box<dyn AnyAction>,
    resource: Box<dyn AnyResource>,
    now: Timestamp,
}

impl TestRequest {
    fn request(&self) -> Request<'_> {
        Request { subject: &self.subject, action: &*self.action, resource: &*self.resource, now: self.now }
    }
}

/// A reader of random bytes: each method makes one part of a policy.
struct RandomParts<'a>(Unstructured<'a>);

/// The names that paths are made of.
const NAMES: [&str; 6] = ["a", "b", "ab", "a.c", "*", "é"];

/// The resources that a policy is about, so that its condition validates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TestResources {
    Files,
    Writes,
    Units,
    Anything,
}

impl RandomParts<'_> {
    fn decide_agrees(&mut self) -> Result<bool> {
        let Some(TestWorld { policy, sources, entities }) = self.world()? else { return Ok(false) };
        for _ in 0..8 {
            let asked = self.asked()?;
            let request = asked.request();
            let expected = policy.decide_fully(&request);
            for _ in 0..2 {
                let decision = policy.decide(&request);
                assert!(decision == expected, "{sources:?}\n{entities:?}\n{request:?}\n{decision:?}\n{expected:?}");
            }
            let permittable = expected.policies.is_empty() && expected.reason.is_none();
            let remedy = policy.remedy(&request, &expected).filter(|_| permittable);
            if let Some(remedy) = remedy {
                let sources = [sources.as_slice(), &[SourceText::new("remedy", remedy)]].concat();
                let remedied = compile(&sources, &entities);
                let effect = remedied.map(|policy| policy.decide(&request).effect);
                assert!(matches!(effect, Some(Effect::Allow)), "{sources:?}\n{request:?}\n{effect:?}");
            }
        }
        Ok(true)
    }

    fn reach_covers(&mut self) -> Result<bool> {
        let Some(world) = self.world()? else { return Ok(false) };
        let any = (world.policy.reach(None), world.policy.exceptions(None));
        let mut bounded = false;
        for _ in 0..3 {
            let mut asked = self.asked()?;
            let principal = Some(&asked.subject.principal);
            let own = (world.policy.reach(principal), world.policy.exceptions(principal));
            for (action, resource) in everything(self.bytes()?) {
                (asked.action, asked.resource) = (action, resource);
                let request = asked.request();
                let narrow = world.is_within(&own, &request);
                assert!(world.is_within(&any, &request) || !narrow, "{world:?}\n{request:?}\n{own:?}\n{any:?}");
                let allowed = world.policy.decide(&request).effect == Effect::Allow;
                bounded |= allowed && matches!(own.0.extent(request.action.spec()), Some(Extent::Within(_)));
            }
        }
        Ok(bounded)
    }

    /// Makes policies and entities; `None` if they do not validate.
    fn world(&mut self) -> Result<Option<TestWorld>> {
        let entities = SourceText::new("entities", self.entities()?);
        let mut text = String::new();
        for number in 0..self.0.int_in_range(1..=9)? {
            let _ = writeln!(text, "@id(\"p{number}\") {}", self.policy()?);
        }
        let sources = [SourceText::new("policy", text)];
        Ok(compile(&sources, &entities).map(|policy| TestWorld { policy, sources, entities }))
    }

    fn asked(&mut self) -> Result<TestRequest> {
        let subject = self.subject()?;
        let now = Timestamp::from_micros(self.0.int_in_range(0..=4)? * 1_000_000);
        let (action, resource) = self.act()?;
        Ok(TestRequest { subject, action, resource, now })
    }

    fn pick<'p>(&mut self, from: &[&'p str]) -> Result<&'p str> {
        self.0.choose(from).copied()
    }

    fn path(&mut self) -> Result<String> {
        let mut path = String::new();
        for _ in 0..self.0.int_in_range(0..=3)? {
            path += "/";
            path += self.pick(&NAMES)?;
        }
        Ok(if path.is_empty() { "/".to_owned() } else { path })
    }

    fn entities(&mut self) -> Result<String> {
        let mut all = Vec::new();
        let mut entity = |kind: &str, id: &str, parents: &[(&str, &str)]| {
            let parents = parents.iter().map(|(kind, id)| serde_json::json!({ "type": kind, "id": id }));
            let parents: Vec<_> = parents.collect();
            all.push(serde_json::json!({ "uid": { "type": kind, "id": id }, "parents": parents }));
        };
        let parents: &[(&str, &str)] = if self.0.arbitrary()? { &[("Group", "h")] } else { &[] };
        entity("Group", "g", parents);
        for (kind, id) in [("Agent", "x"), ("Agent", "y"), ("User", "x")] {
            let group = self.pick(&["g", "h", "i"])?;
            if self.0.arbitrary()? {
                entity(kind, id, &[("Group", group)]);
            }
        }
        let parents: &[(&str, &str)] = if self.0.arbitrary()? { &[("fs::Class", "D")] } else { &[] };
        entity("fs::Class", "C", parents);
        let mut known = Vec::new();
        for _ in 0..self.0.int_in_range(0..=3)? {
            let path = self.path()?;
            let class = self.pick(&["C", "D", "E"])?;
            if !known.contains(&path) {
                entity("fs::Path", &path, &[("fs::Class", class)]);
                known.push(path);
            }
        }
        entity("service::Unit", "u.service", &[("service::Class", self.pick(&["C", "D"])?)]);
        Ok(serde_json::Value::from(all).to_string())
    }

    fn policy(&mut self) -> Result<String> {
        let effect = self.pick(&["permit", "permit", "forbid"])?;
        let principal = self.pick(&[
            "principal",
            "principal",
            "principal == Agent::\"x\"",
            "principal in Agent::\"x\"",
            "principal in Group::\"g\"",
            "principal in Group::\"h\"",
            "principal is User",
            "principal is Agent in Group::\"h\"",
        ])?;
        let about = *self.0.choose(&[
            TestResources::Files,
            TestResources::Files,
            TestResources::Files,
            TestResources::Writes,
            TestResources::Units,
            TestResources::Anything,
        ])?;
        let (action, scope) = self.head(about)?;
        let mut text = format!("{effect} ({principal}, {action}, {scope})");
        for _ in 0..self.0.int_in_range(0..=2)? {
            let kind = self.pick(&["when", "when", "unless"])?;
            let _ = write!(text, " {kind} {{ {} }}", self.condition(about, 3)?);
        }
        Ok(text + ";")
    }

    fn head(&mut self, about: TestResources) -> Result<(&'static str, String)> {
        let path = self.path()?;
        let scopes = [
            "resource".to_owned(),
            format!("resource == fs::Path::\"{path}\""),
            format!("resource in fs::Path::\"{path}\""),
            "resource is fs::Path".to_owned(),
            format!("resource is fs::Path in fs::Path::\"{path}\""),
            "resource in fs::Class::\"C\"".to_owned(),
            "resource is fs::Path in fs::Class::\"D\"".to_owned(),
        ];
        Ok(match about {
            TestResources::Files => {
                let action = self.pick(&[
                    "action == fs::Action::\"read\"",
                    "action in fs::Action::\"ReadOnly\"",
                    // Equals no action: a group is not any of its actions.
                    "action == fs::Action::\"ReadOnly\"",
                    "action in [fs::Action::\"read\", fs::Action::\"write\", fs::Action::\"append\"]",
                ])?;
                (action, self.0.choose(&scopes)?.clone())
            }
            TestResources::Writes => {
                let action = "action in [fs::Action::\"write\", fs::Action::\"append\"]";
                (action, self.0.choose(&scopes)?.clone())
            }
            TestResources::Units => {
                let scopes =
                    ["resource", "resource == service::Unit::\"u.service\"", "resource in service::Class::\"C\""];
                ("action == service::Action::\"restart\"", self.pick(&scopes)?.to_owned())
            }
            TestResources::Anything => ("action", self.pick(&["resource", "resource is fs::Path"])?.to_owned()),
        })
    }

    fn condition(&mut self, about: TestResources, depth: u32) -> Result<String> {
        if depth == 0 || self.0.ratio(1, 3)? {
            return self.atom(about);
        }
        let left = self.condition(about, depth - 1)?;
        Ok(match self.0.int_in_range(0..=6)? {
            0..=3 => format!("{left} && {}", self.condition(about, depth - 1)?),
            4 => format!("({left} || {})", self.condition(about, depth - 1)?),
            5 => format!("!({left})"),
            _ => format!("(if {left} then {} else {})", self.atom(about)?, self.condition(about, depth - 1)?),
        })
    }

    fn atom(&mut self, about: TestResources) -> Result<String> {
        let path = self.path()?;
        let of_files = [
            format!("resource.path like \"{}*\"", path.replace('*', "\\*")),
            format!("resource.path like \"{}\"", path.replace('a', "*")),
            format!("resource.path == \"{path}\""),
            format!("resource == fs::Path::\"{path}\""),
            format!("resource in fs::Path::\"{path}\""),
            format!("resource is fs::Path in fs::Path::\"{path}\""),
            format!("resource in [fs::Path::\"{path}\", fs::Path::\"/b\"]"),
            format!("fs::Path::\"{path}\" in fs::Class::\"C\""),
            format!("(if resource.extension == \"c\" then fs::Path::\"{path}\" else resource) in fs::Class::\"D\""),
            format!("fs::Path::\"{path}\" in [fs::Class::\"E\", fs::Class::\"D\"]"),
            format!("resource == fs::Path::\"{path}\" || resource in fs::Path::\"/a\""),
            format!("[\"{path}\", \"/b\"].contains(resource.path)"),
            format!("[fs::Path::\"{path}\", fs::Path::\"/b\", fs::Path::\"/b\"].contains(resource)"),
            "resource in fs::Class::\"D\"".to_owned(),
            "resource.extension == \"c\"".to_owned(),
            "resource.name like \"?b\" || resource.name like \"*\\*\"".replace('?', "*"),
        ];
        let of_all = [
            "principal in Group::\"h\"",
            "principal == User::\"x\"",
            "Agent::\"y\" in Group::\"g\"",
            "Group::\"g\" in Group::\"h\"",
            "service::Unit::\"u.service\" in service::Class::\"C\"",
            "fs::Path::\"/a/b/c\" in fs::Class::\"C\"",
            "fs::Action::\"write\" in fs::Action::\"Mutating\"",
            "fs::Action::\"read\" in fs::Action::\"Mutating\"",
            "service::Action::\"restart\" in [service::Action::\"ReadOnly\", service::Action::\"Mutating\"]",
            "(if context.script == \"s\" then fs::Action::\"list\" else fs::Action::\"append\") in fs::Action::\"ReadOnly\"",
            "[Agent::\"x\", Agent::\"y\"].contains(principal)",
            "principal in [Group::\"g\", Group::\"i\"]",
            "context.now < datetime(\"1970-01-01T00:00:02Z\")",
            "context.tags.contains(\"t=1\")",
            "context.script == \"s\"",
            "context.now.offset(duration(\"106751991167d\")) > context.now",
            "true",
        ];
        let of_writes = ["context.bytes > 1", "context.bytes * 9223372036854775807 > 0", "-context.bytes < 0"];
        let kind = self.0.int_in_range(0..=9)?;
        Ok(match (about, kind) {
            (TestResources::Files, 0..=7) | (TestResources::Writes, 0..=4) => {
                format!("({})", self.0.choose(&of_files)?)
            }
            (TestResources::Writes, 5..=8) => self.pick(&of_writes)?.to_owned(),
            (TestResources::Units, 0..=4) => {
                let of_units = [
                    "resource.name like \"u*\"",
                    "resource.name like \"u.service\"",
                    "\"u.service\" == resource.name",
                    "resource.kind == \"service\"",
                ];
                self.pick(&of_units)?.to_owned()
            }
            _ => self.pick(&of_all)?.to_owned(),
        })
    }

    fn subject(&mut self) -> Result<Subject> {
        let id = self.pick(&["x", "y", "z"])?;
        let principal = if self.0.ratio(2, 3)? { Principal::agent(id) } else { Principal::user(id) };
        let mut subject = Subject::new(principal);
        subject.script = self.pick(&["", "s"])?.to_owned();
        subject.tags = if self.0.arbitrary()? { vec!["t=1".to_owned()] } else { Vec::new() };
        Ok(subject)
    }

    fn bytes(&mut self) -> Result<i64> {
        self.0.choose(&[0, 1, 2, i64::MIN, i64::MAX]).copied()
    }

    fn act(&mut self) -> Result<(Box<dyn AnyAction>, Box<dyn AnyResource>)> {
        let bytes = self.bytes()?;
        let path = AbsPath::parse(&self.path()?).map_err(|_| arbitrary::Error::IncorrectFormat)?;
        Ok(match self.0.int_in_range(0..=4)? {
            0 => (Box::new(fs::Read {}), Box::new(path)),
            1 => (Box::new(fs::List {}), Box::new(path)),
            2 => (Box::new(fs::Write { bytes }), Box::new(path)),
            3 => (Box::new(fs::Append { bytes }), Box::new(path)),
            _ => {
                let unit = Unit::parse(self.pick(&["u", "v"])?).map_err(|_| arbitrary::Error::IncorrectFormat)?;
                (Box::new(service::Restart {}), Box::new(unit))
            }
        })
    }
}

fn compile(sources: &[SourceText], entities: &SourceText) -> Option<Policy> {
    let limits = PolicyLimits { impossible: true, ..PolicyLimits::default() };
    Policy::compile(&Vocabulary::rex(), sources, Some(entities), &limits).ok()
}

/// Lists possible requests: everything about each path of at most two names, and about units.
fn everything(bytes: i64) -> impl Iterator<Item = (Box<dyn AnyAction>, Box<dyn AnyResource>)> {
    let above = std::iter::once(String::new()).chain(NAMES.map(|name| format!("/{name}")));
    let paths = above.flat_map(|above| NAMES.map(|name| format!("{above}/{name}"))).chain(["/".to_owned()]);
    let paths = paths.filter_map(|path| AbsPath::parse(&path).ok());
    let files = paths.flat_map(move |path| {
        let actions: [Box<dyn AnyAction>; 4] = [
            Box::new(fs::Read {}),
            Box::new(fs::List {}),
            Box::new(fs::Write { bytes }),
            Box::new(fs::Append { bytes }),
        ];
        actions.map(|action| (action, Box::new(path.clone()) as Box<dyn AnyResource>))
    });
    let units = ["u", "v"].into_iter().filter_map(|unit| Unit::parse(unit).ok());
    files.chain(units.map(|unit| (Box::new(service::Restart {}) as _, Box::new(unit) as _)))
}
