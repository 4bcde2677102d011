//! Needs of a call: all requests that it makes, as far as its arguments tell. Nothing is looked at for this, so that who is denied
//! something learns no more than what was given.

mod files;
mod later;
mod others;

use std::collections::BTreeMap;
use std::sync::Arc;

use rex_core::action::{AnyAction, fs};
use rex_core::resource::{AnyResource, Fact, Host};
use rex_core::{AbsPath, Action, ActionSpec, Error, Need, Resource, Value, Width};

use crate::{Args, Kind, OpSpec};

/// Names of directories that are links on most systems, and where they lead. Who is permitted a name needs what it leads to, too.
const ALIASES: [(&str, &[&str]); 6] = [
    ("/bin", &["/usr/bin"]),
    ("/sbin", &["/usr/sbin", "/usr/bin"]),
    ("/lib", &["/usr/lib"]),
    ("/lib64", &["/usr/lib64", "/usr/lib"]),
    ("/var/run", &["/run"]),
    ("/var/lock", &["/run/lock"]),
];

/// A number of bytes that is not known yet: more than any permit counts.
const UNKNOWN: i64 = i64::MAX;

/// Lists what a call needs. A call that fails on its arguments needs nothing.
pub(crate) fn of(spec: &OpSpec, args: &Args) -> Vec<Need> {
    let mut needs = Needs { args, all: Vec::new() };
    match needs.special(spec.name) {
        Ok(true) => {}
        Ok(false) => needs.plain(spec),
        Err(_) => return Vec::new(),
    }
    needs.later(spec.name);
    needs.all
}

/// The same need under the pattern of its name, if the name is one that a run with this id made up.
pub(crate) fn generalized(need: Need, run_id: &str) -> Need {
    let spec = need.spec();
    if *need.width() != Width::This || spec.resource != AbsPath::SPEC || run_id.is_empty() {
        return need;
    }
    let named = need.resource().id().rsplit_once('/').and_then(|(directory, name)| {
        let (prefix, rest) = name.split_once(run_id).or_else(|| made_up(name))?;
        let suffix = rest.strip_prefix('-').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        let directory = if directory.is_empty() { "/" } else { directory };
        Some(Width::Named { directory: directory.to_owned(), prefix: prefix.to_owned(), suffix: suffix.to_owned() })
    });
    match named {
        Some(width) => need.with_width(width),
        None => need,
    }
}

/// What stands before and after the id of another run in the name of a file that it made.
fn made_up(name: &str) -> Option<(&str, &str)> {
    const ID: usize = 16;
    let rest = name.strip_prefix("rex-")?;
    let rest = rest.strip_prefix("plan-").unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    (end >= ID).then(|| ("rex-", rest.get(end..).unwrap_or_default()))
}

struct Needs<'a> {
    args: &'a Args,
    all: Vec<Need>,
}

/// An action without facts.
#[derive(Debug)]
struct Plain(&'static ActionSpec);

impl AnyAction for Plain {
    fn spec(&self) -> &'static ActionSpec {
        self.0
    }
    fn facts<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}
}

impl Needs<'_> {
    /// What an operation needs whose actions have no facts: each on the one argument, or on the one thing, that it can be about.
    fn plain(&mut self, spec: &OpSpec) {
        for action in spec.needs.iter().filter(|action| action.context.is_empty()) {
            let mut of_kind = spec.required().filter(|param| match param.kind {
                Kind::Path => action.resource == AbsPath::SPEC,
                Kind::Unit => action.resource.name == "Unit",
                _ => false,
            });
            let id = match (of_kind.next(), of_kind.next()) {
                (Some(param), None) if param.kind == Kind::Path => {
                    self.args.path(param.name).map(|path| path.as_str().to_owned())
                }
                (Some(param), None) => self.args.unit(param.name).map(|unit| unit.name().to_owned()),
                _ if action.resource.name == "Manager" => Ok("default".to_owned()),
                _ if action.resource == Host::SPEC => Ok("local".to_owned()),
                _ => continue,
            };
            let resource = id.ok().and_then(|id| (action.recall)(&id, &BTreeMap::new()).ok());
            self.all.extend(resource.map(|resource| Need::shared(Arc::new(Plain(action)), Arc::from(resource))));
        }
        let aliases: Vec<_> = self.all.iter().flat_map(aliases).collect();
        self.all.extend(aliases);
    }

    fn add(&mut self, need: Need) {
        self.all.extend(aliases(&need));
        self.all.push(need);
    }

    fn path(&mut self, action: impl Action<Resource = AbsPath>, name: &str, width: Width) -> Result<(), Error> {
        let path = self.args.path(name)?;
        self.add(Need::new(action, path).with_width(width));
        Ok(())
    }

    /// A file that will hold so many bytes; `None`: nobody knows yet.
    fn write(&mut self, name: &str, bytes: Option<usize>, width: Width) -> Result<(), Error> {
        let path = self.args.path(name)?;
        let known = bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let unknown: &[_] = if known.is_some() { &[] } else { &["bytes"] };
        let action = fs::Write { bytes: known.unwrap_or(UNKNOWN) };
        self.add(Need::new(action, path).with_width(width).with_unknown(unknown));
        Ok(())
    }

    fn flag(&self, name: &str) -> bool {
        self.args.flag(name).unwrap_or(false)
    }

    fn given(&self, name: &str) -> bool {
        *self.args.value(name) != Value::Null
    }

    /// Adds what an operation needs that is no plain one; says whether this is such an operation.
    fn special(&mut self, name: &str) -> Result<bool, Error> {
        Ok(self.files(name)?
            || self.changes(name)?
            || self.trees(name)?
            || self.processes(name)?
            || self.others(name)?)
    }
}

/// The same need of what a name leads to that is a link on most systems.
fn aliases(need: &Need) -> Vec<Need> {
    let id = need.resource().id();
    let known = ALIASES.iter().find_map(|(alias, targets)| {
        let rest = id.strip_prefix(alias).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        Some(targets.iter().map(move |target| format!("{target}{rest}")))
    });
    let known = known.filter(|_| [AbsPath::SPEC, rex_core::process::Program::SPEC].contains(&need.spec().resource));
    let renamed = |target: String| {
        let mut attributes = BTreeMap::new();
        need.resource().attributes(&mut |name, fact| drop(attributes.insert(name.to_owned(), Value::from(fact))));
        let resource: Box<dyn AnyResource> = (need.spec().recall)(&target, &attributes).ok()?;
        Some(need.clone().on(Arc::from(resource)))
    };
    known.into_iter().flatten().filter_map(renamed).collect()
}
