//! Needs of a call: all requests that it makes, as far as its arguments tell. Nothing is looked at for this, so that who is denied
//! something learns no more than what was given.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rex_core::action::{AnyAction, fs, net, process, sys};
use rex_core::net::RemoteHost;
use rex_core::process::{Identity, Process};
use rex_core::resource::{AnyResource, Fact, Host};
use rex_core::{AbsPath, Action, ActionSpec, Code, Error, Need, Resource, Value, Width};

use crate::ops;
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
        Ok(true) => needs.all,
        Ok(false) => needs.plain(spec),
        Err(_) => Vec::new(),
    }
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
    fn plain(mut self, spec: &OpSpec) -> Vec<Need> {
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
        self.all
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
        self.args.count_option(name).is_ok_and(|value| value.is_some())
    }

    /// Adds what an operation needs that is no plain one; says whether this is such an operation.
    fn special(&mut self, name: &str) -> Result<bool, Error> {
        Ok(self.files(name)?
            || self.changes(name)?
            || self.trees(name)?
            || self.processes(name)?
            || self.others(name)?)
    }

    /// Operations that make one file of another.
    fn files(&mut self, name: &str) -> Result<bool, Error> {
        use Width::This;
        match name {
            "fs::copy" => {
                self.path(fs::Read {}, "from", This)?;
                self.write("to", None, This)?;
            }
            "fs::gzip" | "fs::zstd" | "fs::expand" => {
                self.path(fs::Read {}, "path", This)?;
                self.write("to", None, This)?;
            }
            "fs::rename" => {
                self.path(fs::Rename {}, "from", This)?;
                self.write("to", None, This)?;
            }
            "fs::hard_link" => {
                self.path(fs::HardLink {}, "path", This)?;
                self.write("to", None, This)?;
            }
            "fs::replace" => {
                self.path(fs::Read {}, "path", This)?;
                self.write("path", None, This)?;
            }
            "fs::diff" => {
                self.path(fs::Read {}, "old", This)?;
                self.path(fs::Read {}, "new", This)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Operations that change one thing, and say how.
    fn changes(&mut self, name: &str) -> Result<bool, Error> {
        use Width::{Below, This};
        let args = self.args;
        let width = if self.flag("recursive") { Below } else { This };
        match name {
            "fs::write" => self.write("path", Some(args.data("contents")?.len()), This)?,
            "fs::truncate" => self.write("path", usize::try_from(args.count("size")?).ok(), This)?,
            "fs::append" => {
                let bytes = i64::try_from(args.data("contents")?.len()).unwrap_or(i64::MAX);
                self.path(fs::Append { bytes }, "path", This)?;
            }
            "fs::temp_file" => {
                let directory = args.path("directory")?;
                let (prefix, suffix) = (args.text("prefix")?.to_owned(), args.text("suffix")?.to_owned());
                let bytes = i64::try_from(args.data("contents")?.len()).unwrap_or(i64::MAX);
                let name = directory
                    .join(&format!("{prefix}0{suffix}"))
                    .map_err(|error| Error::validation(error.to_string()))?;
                let width = Width::Named { directory: directory.as_str().to_owned(), prefix, suffix };
                self.add(Need::new(fs::Write { bytes }, name).with_width(width));
            }
            "fs::chmod" => {
                let mode = i64::from_str_radix(args.text("mode")?, 8);
                let mode = mode.map_err(|_| Error::validation("this is not a mode"))?;
                if width == Below {
                    self.path(fs::List {}, "path", Below)?;
                }
                self.path(fs::Chmod { mode }, "path", width)?;
            }
            "fs::chown" => self.chown(width)?,
            "fs::symlink" => {
                let target = args.text("target")?.to_owned();
                self.path(fs::Symlink { target }, "path", This)?;
            }
            "fs::xattr" => self.path(fs::GetXattr { name: args.text("name")?.to_owned() }, "path", This)?,
            "fs::xattrs" => self.path(fs::GetXattr { name: String::new() }, "path", This)?,
            "fs::set_xattr" => self.path(fs::SetXattr { name: args.text("name")?.to_owned() }, "path", This)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn chown(&mut self, width: Width) -> Result<(), Error> {
        let (mut numbers, mut unknown) = ([-1_i64; 2], Vec::new());
        for (number, name) in numbers.iter_mut().zip(["owner", "group"]) {
            match self.args.text_option(name)?.map(str::parse::<u32>) {
                None => {}
                Some(Ok(given)) => *number = given.into(),
                // A name, whose number is looked up first.
                Some(Err(_)) => unknown.push(if name == "owner" { "uid" } else { "gid" }),
            }
        }
        if !unknown.is_empty() {
            self.add(Need::new(sys::Accounts {}, Host));
        }
        if width == Width::Below {
            self.path(fs::List {}, "path", Width::Below)?;
        }
        let [uid, gid] = numbers;
        let path = self.args.path("path")?;
        self.add(Need::new(fs::Chown { uid, gid }, path).with_width(width).with_unknown(&unknown));
        Ok(())
    }

    /// Operations that go on below a directory, or above it.
    fn trees(&mut self, name: &str) -> Result<bool, Error> {
        use Width::{Below, This};
        match name {
            "fs::list" => {
                self.path(fs::List {}, "path", This)?;
                if self.flag("stat") {
                    self.path(fs::Stat {}, "path", Below)?;
                }
            }
            "fs::find" => {
                self.path(fs::List {}, "path", Below)?;
                if ["min_size", "max_size", "newer_than", "older_than"].iter().any(|option| self.given(option)) {
                    self.path(fs::Stat {}, "path", Below)?;
                }
            }
            "fs::du" | "fs::walk" => {
                self.path(fs::List {}, "path", Below)?;
                self.path(fs::Stat {}, "path", Below)?;
            }
            "fs::remove_all" => {
                self.path(fs::List {}, "path", Below)?;
                self.path(fs::Remove {}, "path", Below)?;
            }
            "fs::tar_create" => {
                self.path(fs::List {}, "dir", Below)?;
                self.path(fs::Read {}, "dir", Below)?;
                if self.flag("stat") {
                    self.path(fs::Stat {}, "dir", Below)?;
                }
                self.write("to", None, This)?;
            }
            "fs::tar_extract" => {
                self.path(fs::Read {}, "path", This)?;
                self.path(fs::Stat {}, "to", Below)?;
                self.path(fs::CreateDir {}, "to", Below)?;
                self.write("to", None, Below)?;
            }
            "fs::create_dir" if self.flag("parents") => {
                let path = self.args.path("path")?;
                self.path(fs::Stat {}, "path", This)?;
                let above =
                    path.parents().filter_map(|above| AbsPath::parse(above).ok()).filter(|above| !above.is_root());
                for directory in above.chain([path.clone()]) {
                    self.add(Need::new(fs::CreateDir {}, directory));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn process<A: Action<Resource = Process>>(&mut self, action: A) {
        self.all.push(Need::new(process::List {}, Host));
        let unknown = Process::new(0, Identity::default());
        self.all.push(Need::new(action, unknown).with_width(Width::Any).with_unknown(&["name", "exe", "user", "unit"]));
    }

    fn processes(&mut self, name: &str) -> Result<bool, Error> {
        let args = self.args;
        match name {
            "process::signal" => {
                self.process(process::Signal { signal: ops::process::signal_name(args.text("signal")?)? })
            }
            "process::set_priority" => self.process(process::SetPriority { nice: args.int("nice")? }),
            "process::environ" => self.process(process::Environ {}),
            "process::get" | "process::limits" | "process::open_files" | "process::wait" | "process::who_uses" => {
                self.process(process::Inspect {});
            }
            "process::signal_all" => {
                let signal = ops::process::signal_name(args.text("signal")?)?;
                let (process, unknown) = self.filtered()?;
                self.all.push(Need::new(process::List {}, Host));
                let need = Need::new(process::Signal { signal }, process);
                self.all.push(need.with_width(Width::Any).with_unknown(&unknown));
            }
            "process::list" if self.flag("details") => {
                let (process, unknown) = self.filtered()?;
                self.all.push(Need::new(process::List {}, Host));
                let need = Need::new(process::Inspect {}, process);
                self.all.push(need.with_width(Width::Any).with_unknown(&unknown));
            }
            "process::run" => {
                let (action, program) = ops::process::run::request(args)?;
                self.add(Need::new(action, program));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A process as the filters of a call describe it, and what they do not say.
    fn filtered(&self) -> Result<(Process, Vec<&'static str>), Error> {
        let mut unknown = Vec::new();
        let mut given = |name| -> Result<String, Error> {
            let text = self.args.text_option(name)?;
            if text.is_none() {
                unknown.push(name);
            }
            Ok(text.unwrap_or_default().to_owned())
        };
        let identity = Identity {
            name: given("name")?,
            exe: Some(given("exe")?),
            user: Some(given("user")?),
            unit: Some(given("unit")?),
            ..Identity::default()
        };
        Ok((Process::new(0, identity), unknown))
    }

    fn others(&mut self, name: &str) -> Result<bool, Error> {
        let args = self.args;
        let body = || args.data("body").map(|body| i64::try_from(body.len()).unwrap_or(i64::MAX));
        let url = || crate::url::url(args.text("url")?);
        match name {
            "net::get" => self.fetch(Need::new(net::Get {}, url()?))?,
            "net::head" => self.fetch(Need::new(net::Head {}, url()?))?,
            "net::delete" => self.fetch(Need::new(net::Delete {}, url()?))?,
            "net::post" => self.fetch(Need::new(net::Post { bytes: body()? }, url()?))?,
            "net::put" => self.fetch(Need::new(net::Put { bytes: body()? }, url()?))?,
            "net::tcp_check" | "net::tls_certificate" => {
                let port = u16::try_from(args.count("port")?).map_err(|_| Error::validation("this is not a port"))?;
                self.connect(&crate::url::host(args.text("host")?)?, port);
            }
            "net::resolve" => {
                let record = args.text_option("type")?.map(str::to_ascii_uppercase);
                let server = args.text_option("server")?.map(ops::net::resolve::server).transpose()?;
                let host = crate::url::host(args.text("host")?)?;
                if record.is_some() || host.address().is_none() {
                    let server = server.map_or_else(String::new, |server| server.to_string());
                    self.all.push(Need::new(net::Resolve { record: record.unwrap_or_default(), server }, host));
                }
            }
            "net::sockets" => {
                self.all.push(Need::new(net::Inspect {}, Host));
                if self.flag("processes") {
                    self.process(process::Inspect {});
                }
            }
            "sys::env" => {
                let variable = rex_core::machine::Variable::parse(args.text("name")?);
                self.all.push(Need::new(
                    sys::GetVariable {},
                    variable.map_err(|error| Error::validation(error.to_string()))?,
                ));
            }
            "sys::parameter" => self.all.push(Need::new(sys::GetParameter {}, ops::sys::parameter::named(args)?)),
            "sys::set_parameter" => {
                let value = args.text("value")?.to_owned();
                self.all.push(Need::new(sys::SetParameter { value }, ops::sys::parameter::named(args)?));
            }
            "sys::parameters" => {
                self.all.push(Need::new(sys::Inspect {}, Host));
                let prefix = args.text("prefix")?;
                let all = (sys::GetParameter::SPEC.recall)(prefix.trim_end_matches('.'), &BTreeMap::new());
                let missing = |why| Error::new(Code::Validation, why);
                let need = Need::shared(Arc::new(sys::GetParameter {}), Arc::from(all.map_err(missing)?));
                self.all.push(need.with_width(Width::Prefix(prefix.to_owned())));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn fetch(&mut self, need: Need) -> Result<(), Error> {
        let url = crate::url::url(self.args.text("url")?)?;
        self.all.push(need);
        self.connect(url.host(), url.port());
        Ok(())
    }

    fn connect(&mut self, host: &RemoteHost, port: u16) {
        let known: Option<IpAddr> = host.address();
        if known.is_none() {
            let resolve = net::Resolve { record: String::new(), server: String::new() };
            self.all.push(Need::new(resolve, host.clone()));
        }
        let action = net::Connect::to(known.unwrap_or(IpAddr::from([0; 4])), port);
        let unknown: &[_] = if known.is_some() { &[] } else { &["address", "network"] };
        self.all.push(Need::new(action, host.clone()).with_unknown(unknown));
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
