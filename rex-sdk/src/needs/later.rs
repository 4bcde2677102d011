//! Needs that are only known during the call: from a file's contents, a server's answer, or systemd's state.

use rex_core::action::{fs, net, service, sys};
use rex_core::machine::KernelParameter;
use rex_core::resource::{Host, Unit};
use rex_core::{Action, LateResources, Need, NeedWidth, Resource};

use super::CallNeeds;
use crate::os::ALL_UNITS;

impl CallNeeds<'_> {
    pub(super) fn later(&mut self, name: &str) {
        match name.split_once("::").unwrap_or_default() {
            ("sys", "reload_parameters") => {
                let set = sys::SetParameter { value: String::new() };
                let later = LateResources { each: "each parameter that the file lists", certain: true };
                self.found(set, KernelParameter::parse("kernel.any"), later);
            }
            ("fs", "tar_extract") if !self.flag("skip_links") => {
                let (file, below) = (self.args.path("to"), |each| LateResources { each, certain: false });
                let hard = below("the file below `to` that each hard link of the archive is a name of");
                self.found(fs::HardLink {}, file.clone(), hard);
                let symbolic = below("each symbolic link that the archive holds");
                self.found(fs::Symlink { target: String::new() }, file, symbolic);
            }
            ("service", "enable") => self.reached(service::Enable {}),
            ("service", "disable") => self.reached(service::Disable {}),
            ("service", "logs") if self.args.text("unit").is_ok_and(|unit| ["*", ALL_UNITS].contains(&unit)) => {
                let of = |each| LateResources { each, certain: false };
                self.found(service::Logs {}, Unit::parse(ALL_UNITS), of("each unit that the journal has records of"));
                let kernel: Result<_, ()> = Ok(Host);
                self.found(sys::KernelLog {}, kernel, of("this machine, if the journal has records of the kernel"));
            }
            ("net", "get") => self.redirected(net::Get {}),
            ("net", "head") => self.redirected(net::Head {}),
            ("net", "delete") => self.redirected(net::Delete {}),
            ("net", "put") => self.redirected(net::Put { bytes: 0 }),
            ("net", "post") => {
                self.redirected(net::Post { bytes: 0 });
                self.redirected(net::Get {});
            }
            _ => {}
        }
    }

    /// Adds a need for resources that are found out later; `resource` is an example of them.
    fn found<A, E>(&mut self, action: A, resource: Result<A::Resource, E>, later: LateResources)
    where
        A: Action + 'static,
        A::Resource: Resource + 'static,
    {
        let need = resource.ok().map(|resource| Need::new(action, resource).with_width(NeedWidth::Later(later)));
        self.all.extend(need);
    }

    fn reached(&mut self, action: impl Action<Resource = Unit> + 'static) {
        let later = LateResources { each: "each other unit that it changes", certain: false };
        self.found(action, self.args.unit("unit"), later);
    }

    /// Adds the need of each redirect, if the call follows any, with the action of the call.
    fn redirected(&mut self, action: impl Action<Resource = rex_core::net::Url> + 'static) {
        if self.args.count("redirects").is_ok_and(|count| count > 0) {
            let url = self.args.text("url").map_err(|_| ()).and_then(|text| crate::url::url(text).map_err(|_| ()));
            let later = LateResources { each: "each URL that an answer redirects to, and its host", certain: false };
            self.found(action, url, later);
        }
    }
}
