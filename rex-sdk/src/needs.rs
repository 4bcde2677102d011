//! Needs of a call: all requests that it will make, as far as its arguments show. Nothing on the system is read for
//! this, so that a denied script learns nothing beyond its own arguments.

mod files;
mod later;
mod others;

use std::collections::BTreeMap;
use std::sync::Arc;

use rex_core::action::{AnyAction, fs};
use rex_core::resource::{AnyResource, Fact, Host};
use rex_core::{AbsPath, Action, ActionSpec, Error, Need, NeedWidth, Resource, Value};

use crate::{Args, OpSpec, ParamKind};

/// Directories that are symbolic links on most systems, with their targets. Access by such a name also needs a permit
/// for the target.
const ALIASES: [(&str, &[&str]); 6] = [
    ("/bin", &["/usr/bin"]),
    ("/sbin", &["/usr/sbin", "/usr/bin"]),
    ("/lib", &["/usr/lib"]),
    ("/lib64", &["/usr/lib64", "/usr/lib"]),
    ("/var/run", &["/run"]),
    ("/var/lock", &["/run/lock"]),
];

/// A number of bytes that is not known yet: larger than any limit in a permit.
const UNKNOWN: i64 = i64::MAX;

/// Lists what a call needs. A call with invalid arguments needs nothing.
pub(crate) fn of(spec: &OpSpec, args: &Args) -> Vec<Need> {
    let mut needs = CallNeeds { args, all: Vec::new() };
    match needs.special(spec.name) {
        Ok(true) => {}
        Ok(false) => needs.plain(spec),
        Err(_) => return Vec::new(),
    }
    needs.later(spec.name);
    needs.all
}

/// Returns the need with a pattern in place of the name, if the run with this id generated the name.
pub(crate) fn generalized(need: Need, run_id: &str) -> Need {
    let spec = need.spec();
    if *need.width() != NeedWidth::This || spec.resource != AbsPath::SPEC || run_id.is_empty() {
        return need;
    }
    let named = need.resource().id().rsplit_once('/').and_then(|(directory, name)| {
        let (prefix, rest) = name.split_once(run_id).or_else(|| made_up(name))?;
        let suffix = rest.strip_prefix('-').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        let directory = if directory.is_empty() { "/" } else { directory };
        Some(NeedWidth::Named { directory: directory.to_owned(), prefix: prefix.to_owned(), suffix: suffix.to_owned() })
    });
    match named {
        Some(width) => need.with_width(width),
        None => need,
    }
}

/// Returns the parts before and after the run id in the name of a file that another run created.
fn made_up(name: &str) -> Option<(&str, &str)> {
    const ID: usize = 16;
    let rest = name.strip_prefix("rex-")?;
    let rest = rest.strip_prefix("plan-").unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    (end >= ID).then(|| ("rex-", rest.get(end..).unwrap_or_default()))
}

struct CallNeeds<'a> {
    args: &'a Args,
    all: Vec<Need>,
}

/// An action without facts.
#[derive(Debug)]
struct PlainAction(&'static ActionSpec);

impl AnyAction for PlainAction {
    fn spec(&self) -> &'static ActionSpec {
        self.0
    }
    fn facts<'a>(&'a self, _: &mut dyn FnMut(&'static str, Fact<'a>)) {}
}

impl CallNeeds<'_> {
    /// Adds the needs of actions without facts: each on the only argument, or the only resource, that it can apply to.
    fn plain(&mut self, spec: &OpSpec) {
        for action in spec.needs.iter().filter(|action| action.context.is_empty()) {
            let mut of_kind = spec.required().filter(|param| match param.kind {
                ParamKind::Path => action.resource == AbsPath::SPEC,
                ParamKind::Unit => action.resource.name == "Unit",
                _ => false,
            });
            let id = match (of_kind.next(), of_kind.next()) {
                (Some(param), None) if param.kind == ParamKind::Path => {
                    self.args.path(param.name).map(|path| path.as_str().to_owned())
                }
                (Some(param), None) => self.args.unit(param.name).map(|unit| unit.name().to_owned()),
                _ if action.resource.name == "Manager" => Ok("default".to_owned()),
                _ if action.resource == Host::SPEC => Ok("local".to_owned()),
                _ => continue,
            };
            let resource = id.ok().and_then(|id| (action.from_record)(&id, &BTreeMap::new()).ok());
            self.all.extend(resource.map(|resource| Need::shared(Arc::new(PlainAction(action)), Arc::from(resource))));
        }
        let aliases: Vec<_> = self.all.iter().flat_map(aliases).collect();
        self.all.extend(aliases);
    }

    fn add(&mut self, need: Need) {
        self.all.extend(aliases(&need));
        self.all.push(need);
    }

    fn path(&mut self, action: impl Action<Resource = AbsPath>, name: &str, width: NeedWidth) -> Result<(), Error> {
        let path = self.args.path(name)?;
        self.add(Need::new(action, path).with_width(width));
        Ok(())
    }

    /// Adds the needs of writing this many bytes to a file; `None` if unknown.
    fn write(&mut self, name: &str, bytes: Option<usize>, width: NeedWidth) -> Result<(), Error> {
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

    /// Adds the needs of an operation with its own rules; returns `false` if it has none.
    fn special(&mut self, name: &str) -> Result<bool, Error> {
        Ok(self.files(name)?
            || self.changes(name)?
            || self.trees(name)?
            || self.processes(name)?
            || self.others(name)?)
    }
}

/// Returns the same need for the targets of a name that is a link on most systems.
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
        let resource: Box<dyn AnyResource> = (need.spec().from_record)(&target, &attributes).ok()?;
        Some(need.clone().on(Arc::from(resource)))
    };
    known.into_iter().flatten().filter_map(renamed).collect()
}
