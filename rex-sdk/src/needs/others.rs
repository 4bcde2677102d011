//! Needs of operations on processes, the network and the machine.

use std::net::IpAddr;

use rex_core::action::{fs, net, process, sys};
use rex_core::machine::KernelParameter;
use rex_core::net::{RemoteHost, Url};
use rex_core::process::{Process, ProcessIdentity};
use rex_core::resource::Host;
use rex_core::{Action, Error, Need, NeedWidth};

use super::CallNeeds;
use crate::ops;

impl CallNeeds<'_> {
    fn process<A: Action<Resource = Process>>(&mut self, action: A) {
        self.all.push(Need::new(process::List {}, Host));
        let none = || Some(String::new());
        let identity = ProcessIdentity { exe: none(), user: none(), unit: none(), ..ProcessIdentity::default() };
        let unknown = Process::new(0, identity);
        self.all
            .push(Need::new(action, unknown).with_width(NeedWidth::Any).with_unknown(&["name", "exe", "user", "unit"]));
    }

    pub(super) fn processes(&mut self, name: &str) -> Result<bool, Error> {
        let args = self.args;
        match name.split_once("::").unwrap_or_default() {
            ("process", "signal") => {
                self.process(process::Signal { signal: ops::process::signal_name(args.text("signal")?)? })
            }
            ("process", "set_priority") => self.process(process::SetPriority { nice: args.int("nice")? }),
            ("process", "environ") => self.process(process::Environ {}),
            ("process", "get")
            | ("process", "limits")
            | ("process", "open_files")
            | ("process", "wait")
            | ("process", "who_uses") => {
                self.process(process::Inspect {});
            }
            ("process", "signal_all") => {
                let signal = ops::process::signal_name(args.text("signal")?)?;
                let (process, unknown) = self.filtered()?;
                self.all.push(Need::new(process::List {}, Host));
                let need = Need::new(process::Signal { signal }, process);
                self.all.push(need.with_width(NeedWidth::Any).with_unknown(&unknown));
            }
            ("process", "list") if self.flag("details") => {
                let (process, unknown) = self.filtered()?;
                self.all.push(Need::new(process::List {}, Host));
                let need = Need::new(process::Inspect {}, process);
                self.all.push(need.with_width(NeedWidth::Any).with_unknown(&unknown));
            }
            ("process", "run") => {
                if let Some(directory) = ops::process::run::start_directory(args)? {
                    self.add(Need::new(fs::List {}, directory));
                }
                let (action, program) = ops::process::run::request(args)?;
                self.add(Need::new(action, program));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Returns a process as the filters of a call describe it, and the attributes that they leave open.
    fn filtered(&self) -> Result<(Process, Vec<&'static str>), Error> {
        let mut unknown = Vec::new();
        let mut given = |name| -> Result<String, Error> {
            let text = self.args.text_option(name)?;
            if text.is_none() {
                unknown.push(name);
            }
            Ok(text.unwrap_or_default().to_owned())
        };
        let identity = ProcessIdentity {
            name: given("name")?,
            exe: Some(given("exe")?),
            user: Some(given("user")?),
            unit: Some(given("unit")?),
            ..ProcessIdentity::default()
        };
        Ok((Process::new(0, identity), unknown))
    }

    pub(super) fn others(&mut self, name: &str) -> Result<bool, Error> {
        let args = self.args;
        let body = || args.data("body").map(|body| i64::try_from(body.len()).unwrap_or(i64::MAX));
        match name.split_once("::").unwrap_or_default() {
            ("net", "get") => self.fetch(&net::Get {})?,
            ("net", "head") => self.fetch(&net::Head {})?,
            ("net", "delete") => self.fetch(&net::Delete {})?,
            ("net", "post") => self.fetch(&net::Post { bytes: body()? })?,
            ("net", "put") => self.fetch(&net::Put { bytes: body()? })?,
            ("net", "tcp_check") | ("net", "tls_certificate") => {
                let port = u16::try_from(args.count("port")?).map_err(|_| Error::validation("this is not a port"))?;
                self.connect(&crate::url::host(args.text("host")?)?, port);
            }
            ("net", "resolve") => {
                let record = args.text_option("type")?.map(str::to_ascii_uppercase);
                let server = args.text_option("server")?.map(ops::net::resolve::server).transpose()?;
                let host = crate::url::host(args.text("host")?)?;
                if record.is_some() || host.address().is_none() {
                    let server = server.map_or_else(String::new, |server| server.to_string());
                    self.all.push(Need::new(net::Resolve { record: record.unwrap_or_default(), server }, host));
                }
            }
            ("net", "sockets") => {
                self.all.push(Need::new(net::Inspect {}, Host));
                if self.flag("processes") {
                    self.process(process::Inspect {});
                }
            }
            ("sys", "env") => {
                let variable = rex_core::machine::EnvVariable::parse(args.text("name")?);
                self.all.push(Need::new(
                    sys::GetVariable {},
                    variable.map_err(|error| Error::validation(error.to_string()))?,
                ));
            }
            ("sys", "parameter") => self.all.push(Need::new(sys::GetParameter {}, ops::sys::parameter::named(args)?)),
            ("sys", "set_parameter") => {
                let value = args.text("value")?.to_owned();
                self.all.push(Need::new(sys::SetParameter { value }, ops::sys::parameter::named(args)?));
            }
            ("sys", "parameters") => {
                self.all.push(Need::new(sys::Inspect {}, Host));
                let prefix = args.text("prefix")?;
                // An example: the prefix itself, unless a name must continue after it.
                let named = [prefix.to_owned(), format!("{prefix}any")]
                    .into_iter()
                    .find_map(|name| KernelParameter::parse(&name).ok());
                let example = named.ok_or_else(|| Error::validation("no parameter has such a name"))?;
                let need = Need::new(sys::GetParameter {}, example);
                self.all.push(need.with_width(NeedWidth::Prefix(prefix.to_owned())));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn fetch<A: Action<Resource = Url> + Clone + 'static>(&mut self, action: &A) -> Result<(), Error> {
        let (urls, host, port) = crate::http::aims(self.args)?;
        self.all.extend(urls.into_iter().map(|url| Need::new(action.clone(), url)));
        self.connect(&host, port);
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
