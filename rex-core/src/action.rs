//! The table of actions: everything that a policy can permit, declared once.
//!
//! The table yields the grant types, the Cedar schema, `docs/actions.md`, and the generators of property tests and fuzzers. The ids are a
//! promise to the owners of policies: an id never changes its meaning.

use std::collections::BTreeMap;
use std::fmt;

use crate::Value;
use crate::resource::{AnyResource, Attribute, Fact, Resource, ResourceSpec};

/// A function that makes a resource from its id and attributes.
pub type FromRecord = fn(&str, &BTreeMap<String, Value>) -> Result<Box<dyn AnyResource>, String>;

/// The declaration of one action.
#[derive(Debug)]
pub struct ActionSpec {
    /// The namespace, such as `fs`.
    pub namespace: &'static str,
    /// The id within the namespace: a verb in lower case.
    pub name: &'static str,
    /// A description of what a permit allows, in one or two sentences.
    pub doc: &'static str,
    /// The type of its resource.
    pub resource: &'static ResourceSpec,
    /// The groups of the action, within its namespace: `ReadOnly`, `Mutating`.
    pub groups: &'static [&'static str],
    /// The facts of its requests.
    pub context: &'static [Attribute],
    /// A function that makes its resource from the id and the attributes, as [`Resource::from_record`] does.
    pub from_record: FromRecord,
    /// True if the id of its resource determines attributes and ancestors; see [`Resource::ID_IS_COMPLETE`].
    pub id_is_complete: bool,
}

impl ActionSpec {
    /// Returns whether it changes something or reaches another party, by its groups: it is neither in `ReadOnly` nor in `Sensitive`.
    #[must_use]
    pub fn has_effect(&self) -> bool {
        !self.groups.iter().any(|group| ["ReadOnly", "Sensitive"].contains(group))
    }
}

/// Makes a resource of this type from its id and attributes.
#[doc(hidden)]
pub fn from_record<R: Resource>(
    id: &str,
    attributes: &BTreeMap<String, Value>,
) -> Result<Box<dyn AnyResource>, String> {
    R::from_record(id, attributes).map(|resource| Box::new(resource) as _)
}

/// Declarations with the same id and type of resource are equal.
impl PartialEq for ActionSpec {
    fn eq(&self, other: &Self) -> bool {
        (self.namespace, self.name, self.resource) == (other.namespace, other.name, other.resource)
    }
}

impl Eq for ActionSpec {}

impl fmt::Display for ActionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.namespace, self.name)
    }
}

/// An action with its facts. Implemented by [`actions!`](crate::actions!), not by hand.
pub trait Action: fmt::Debug + Clone + Send + Sync + 'static {
    /// The type of its resource.
    type Resource: Resource;
    /// Its declaration.
    const SPEC: &'static ActionSpec;
    /// Calls `visit` with each fact that [`ActionSpec::context`] declares.
    fn facts<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>));
}

/// An [`Action`] of any type, as an authorizer sees it. Implemented for every action.
pub trait AnyAction: fmt::Debug + Send + Sync {
    /// Returns [`Action::SPEC`].
    fn spec(&self) -> &'static ActionSpec;
    /// Calls [`Action::facts`].
    fn facts<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>));
}

impl<A: Action> AnyAction for A {
    fn spec(&self) -> &'static ActionSpec {
        A::SPEC
    }
    fn facts<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        Action::facts(self, visit);
    }
}

/// Declares actions: for each namespace a module with a grant type for each action, and the table of them all.
///
/// ```
/// use rex_core::{AbsPath, Action};
///
/// rex_core::actions! {
///     /// Everything that this program lets a policy decide.
///     pub static TABLE;
///     /// Pictures.
///     picture {
///         /// Make a smaller copy of a picture.
///         Shrink = "shrink" on AbsPath {
///             /// The width of the copy, in pixels.
///             width: i64 = rex_core::ValueSet::Range(1, 4096),
///         } in [Mutating];
///     }
/// }
///
/// fn main() {
///     assert_eq!(picture::Shrink::SPEC.to_string(), "picture::shrink");
///     assert_eq!(TABLE.len(), 1);
/// }
/// ```
#[macro_export]
macro_rules! actions {
    (
        $(#[doc = $table_doc:literal])* $vis:vis static $table:ident;
        $(
            $(#[doc = $space_doc:literal])*
            $space:ident {
                $(
                    $(#[doc = $doc:literal])*
                    $action:ident = $id:literal on $resource:ty {
                        $($(#[doc = $fact_doc:literal])* $fact:ident: $kind:ty $(= $values:expr)?),* $(,)?
                    } in [$($group:ident),*];
                )*
            }
        )*
    ) => {
        $(
            $(#[doc = $space_doc])*
            $vis mod $space {
                use super::*;
                $(
                    $(#[doc = $doc])*
                    #[derive(Debug, Clone, PartialEq, Eq)]
                    pub struct $action { $($(#[doc = $fact_doc])* pub $fact: $kind,)* }

                    impl $crate::Action for $action {
                        type Resource = $resource;
                        const SPEC: &'static $crate::ActionSpec = &$crate::ActionSpec {
                            namespace: stringify!($space),
                            name: $id,
                            doc: concat!($($doc, "\n"),*).trim_ascii(),
                            resource: <$resource as $crate::Resource>::SPEC,
                            groups: &[$(stringify!($group)),*],
                            context: &[$($crate::Attribute {
                                name: stringify!($fact),
                                kind: <$kind as $crate::resource::FactType>::KIND,
                                doc: concat!($($fact_doc, "\n"),*).trim_ascii(),
                                values: $crate::declared_values!($($values)?),
                            }),*],
                            from_record: $crate::action::from_record::<$resource>,
                            id_is_complete: <$resource as $crate::Resource>::ID_IS_COMPLETE,
                        };
                        fn facts<'a>(&'a self, visit: &mut dyn FnMut(&'static str, $crate::Fact<'a>)) {
                            let _ = &visit;
                            $(visit(stringify!($fact), $crate::resource::fact(&self.$fact));)*
                        }
                    }

                    impl $crate::data::Serialize for $action {
                        fn serialize<S: $crate::data::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                            ($(&self.$fact,)*).serialize(to)
                        }
                    }

                    impl<'de> $crate::data::Deserialize<'de> for $action {
                        fn deserialize<D: $crate::data::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                            <($($kind,)*)>::deserialize(from).map(|($($fact,)*)| Self { $($fact),* })
                        }
                    }
                )*
            }
        )*
        $(#[doc = $table_doc])*
        $vis static $table: &[&$crate::ActionSpec] = &[$($(<$space::$action as $crate::Action>::SPEC),*),*];
    };
}

use std::net::IpAddr;

use crate::AbsPath;
use crate::machine::{EnvVariable, KernelParameter};
use crate::net::{NETWORKS, RemoteHost, Url};
use crate::process::{Process, Program, SIGNALS, WordList};
use crate::resource::{Host, ServiceManager, Unit};
use crate::values::{COMMAND_LINE, DIRECTORY, ENVIRONMENT, RUN_USER, SERVER, ValueSet, XATTR, XATTR_OR_ALL};

actions! {
    /// Every action of Rex.
    pub static ACTIONS;

    /// Files and directories.
    fs {
        /// Read the bytes of a file.
        Read = "read" on AbsPath {} in [ReadOnly];
        /// List the names and kinds of a directory's entries.
        List = "list" on AbsPath {} in [ReadOnly];
        /// Learn whether something exists, and its kind, size, times, mode and owner.
        Stat = "stat" on AbsPath {} in [ReadOnly];
        /// Create a file, or replace the whole contents of one.
        Write = "write" on AbsPath {
            /// Size of the file after the write, in bytes.
            bytes: i64 = ValueSet::Range(0, i64::MAX),
        } in [Mutating];
        /// Add to the end of a file, which is created if it is missing.
        Append = "append" on AbsPath {
            /// Number of added bytes.
            bytes: i64 = ValueSet::Range(0, i64::MAX),
        } in [Mutating];
        /// Create a directory.
        CreateDir = "create_dir" on AbsPath {} in [Mutating];
        /// Take a file away from this name, contents and all. The new name needs `write`.
        Rename = "rename" on AbsPath {} in [Mutating];
        /// Remove a file, a symbolic link, or an empty directory.
        Remove = "remove" on AbsPath {} in [Mutating];
        /// Create an empty file, or set the times of what is there.
        Touch = "touch" on AbsPath {} in [Mutating];
        /// Set the permission bits of a file or directory.
        Chmod = "chmod" on AbsPath {
            /// The new bits, with setuid (2048), setgid (1024) and sticky (512): 420 is 0644.
            mode: i64 = ValueSet::Range(0, 0o7777),
        } in [Mutating];
        /// Set the owner and the group of a file, a directory or a link.
        Chown = "chown" on AbsPath {
            /// The number of the new owner; -1 if it stays as it is.
            uid: i64 = ValueSet::Range(-1, 4_294_967_295),
            /// The number of the new group; -1 if it stays as it is.
            gid: i64 = ValueSet::Range(-1, 4_294_967_295),
        } in [Mutating];
        /// Create a symbolic link. Where it leads to is decided on when somebody goes there.
        Symlink = "symlink" on AbsPath {
            /// The text of the link.
            target: String,
        } in [Mutating];
        /// Give a file another name besides this one. The other name needs `write`.
        HardLink = "hard_link" on AbsPath {} in [Mutating];
        /// Read an extended attribute, or the names of all.
        GetXattr = "get_xattr" on AbsPath {
            /// The name of the attribute; empty for the names of all.
            name: String = ValueSet::Form(&XATTR_OR_ALL),
        } in [ReadOnly];
        /// Set or remove an extended attribute.
        SetXattr = "set_xattr" on AbsPath {
            /// The name of the attribute.
            name: String = ValueSet::Form(&XATTR),
        } in [Mutating];
    }

    /// The network.
    net {
        /// Ask the domain name system about a name. The question reaches the servers of that domain.
        Resolve = "resolve" on RemoteHost {
            /// The type of the records, `MX`; empty for the addresses that a connection is made to.
            record: String = ValueSet::Words(&["", "A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"]),
            /// The server that is asked, with its port: `192.0.2.53:53`; empty for those of this machine.
            server: String = ValueSet::Form(&SERVER),
        } in [Outbound];
        /// Connect to an address of a host. Whatever is sent to it or read from it is decided on too.
        Connect = "connect" on RemoteHost {
            /// The address.
            address: IpAddr,
            /// Range of the address: `loopback`, `private`, `link_local`, `metadata`, `multicast`, `reserved` or `public`.
            network: String = ValueSet::Words(NETWORKS),
            /// The port.
            port: i64 = ValueSet::Range(0, 65535),
        } in [Outbound];
        /// Fetch what a URL stands for. A redirect is another URL, and another decision.
        Get = "get" on Url {} in [Outbound];
        /// Ask about what a URL stands for, without fetching it.
        Head = "head" on Url {} in [Outbound];
        /// Send a POST request.
        Post = "post" on Url {
            /// Number of sent bytes.
            bytes: i64 = ValueSet::Range(0, i64::MAX),
        } in [Mutating];
        /// Send a PUT request.
        Put = "put" on Url {
            /// Number of sent bytes.
            bytes: i64 = ValueSet::Range(0, i64::MAX),
        } in [Mutating];
        /// Send a DELETE request.
        Delete = "delete" on Url {} in [Mutating];
        /// Learn of this machine's interfaces, addresses, routes and sockets.
        Inspect = "inspect" on Host {} in [ReadOnly];
    }

    /// Processes that run, and programs that are started.
    process {
        /// Learn which processes run, and of each its number, parent, name, program, user, unit, state, memory, processor time and start.
        /// What is done to a process needs it too: to decide on a process, Rex looks at it.
        List = "list" on Host {} in [ReadOnly];
        /// Learn what a process was started with and works with: arguments, directory, open files, limits, control group, namespaces.
        Inspect = "inspect" on Process {} in [ReadOnly];
        /// Read the environment that a process was started with. Secrets live there.
        Environ = "environ" on Process {} in [Sensitive];
        /// Send a signal to a process.
        Signal = "signal" on Process {
            /// The signal, without `SIG`: `TERM`.
            signal: String = ValueSet::Words(SIGNALS),
        } in [Mutating];
        /// Change how a process is scheduled among others.
        SetPriority = "set_priority" on Process {
            /// The new nice value: from -20, the most favoured, to 19.
            nice: i64 = ValueSet::Range(-20, 19),
        } in [Mutating];
        /// Start a program, confined to the files that the policy permits, and wait for its end.
        Run = "run" on Program {
            /// The arguments after the program's name, in order, each quoted as a POSIX shell would need it, with one blank between.
            arguments: WordList = ValueSet::Form(&COMMAND_LINE),
            /// Number of arguments.
            count: i64 = ValueSet::Range(0, i64::MAX),
            /// The first argument; empty if there is none.
            arg1: String,
            /// The second argument; empty if there is none.
            arg2: String,
            /// The third argument; empty if there is none.
            arg3: String,
            /// The fourth argument; empty if there is none.
            arg4: String,
            /// The fifth argument; empty if there is none.
            arg5: String,
            /// The sixth argument; empty if there is none.
            arg6: String,
            /// The seventh argument; empty if there is none.
            arg7: String,
            /// The eighth argument; empty if there is none.
            arg8: String,
            /// The ninth argument; empty if there is none.
            arg9: String,
            /// The environment as `NAME=value` in the order of the names, quoted as the arguments are; empty if it is.
            environment: WordList = ValueSet::Form(&ENVIRONMENT),
            /// Start directory: an absolute path.
            directory: String = ValueSet::Form(&DIRECTORY),
            /// The user whose rights it gets; empty for the user that Rex runs as.
            user: String = ValueSet::Form(&RUN_USER),
            /// True if the script gives it standard input.
            stdin: bool,
        } in [Mutating];
    }

    /// Units of the service manager.
    service {
        /// List every unit with its state.
        List = "list" on ServiceManager {} in [ReadOnly];
        /// Learn the state of one unit.
        Status = "status" on Unit {} in [ReadOnly];
        /// Start a unit.
        Start = "start" on Unit {} in [Mutating];
        /// Stop a unit.
        Stop = "stop" on Unit {} in [Mutating];
        /// Stop a unit and start it again.
        Restart = "restart" on Unit {} in [Mutating];
        /// Ask a unit to read its configuration again.
        Reload = "reload" on Unit {} in [Mutating];
        /// Have a unit started when the machine is, from now on.
        Enable = "enable" on Unit {} in [Mutating];
        /// No longer have a unit started when the machine is.
        Disable = "disable" on Unit {} in [Mutating];
        /// Make it impossible to start a unit, or possible again.
        Mask = "mask" on Unit {} in [Mutating];
        /// Forget that a unit has failed.
        ResetFailed = "reset_failed" on Unit {} in [Mutating];
        /// Have the manager read the files of all units again.
        ReloadDaemon = "reload_daemon" on ServiceManager {} in [Mutating];
        /// Read what a unit has logged. Secrets live there sometimes.
        Logs = "logs" on Unit {} in [ReadOnly];
    }

    /// The machine.
    sys {
        /// Learn which file systems are mounted where, and how full they are.
        Disk = "disk" on Host {} in [ReadOnly];
        /// Learn what the machine tells about itself: name, time, processors, memory, load, devices, modules, control groups, packages.
        Inspect = "inspect" on Host {} in [ReadOnly];
        /// Read what the kernel has logged.
        KernelLog = "kernel_log" on Host {} in [ReadOnly];
        /// Learn which users and groups there are.
        Accounts = "accounts" on Host {} in [ReadOnly];
        /// Learn who is logged in, since when and from where.
        Sessions = "sessions" on Host {} in [ReadOnly];
        /// Read a parameter of the kernel.
        GetParameter = "get_parameter" on KernelParameter {} in [ReadOnly];
        /// Set a parameter of the kernel, until the machine is started again.
        SetParameter = "set_parameter" on KernelParameter {
            /// The new value.
            value: String,
        } in [Mutating];
        /// Read a variable of the environment that Rex runs in. Secrets live there.
        GetVariable = "get_variable" on EnvVariable {} in [Sensitive];
        /// Take a file system away from where it is mounted.
        Unmount = "unmount" on AbsPath {} in [Mutating];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_sound() {
        let ids: BTreeSet<_> = ACTIONS.iter().map(ToString::to_string).collect();
        assert_eq!(ids.len(), ACTIONS.len(), "two actions share an id");
        for action in ACTIONS {
            assert!(action.doc.ends_with('.'), "{action} needs a doc that is a sentence");
            let known =
                action.groups.iter().all(|group| ["ReadOnly", "Sensitive", "Outbound", "Mutating"].contains(group));
            assert!(known && action.groups.len() == 1, "{action} is in one of ReadOnly, Sensitive, Outbound, Mutating");
            assert!(action.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{action}");
            for fact in action.context {
                assert!(fact.doc.ends_with('.'), "{action}.{} needs a doc", fact.name);
                assert!(!["now", "script", "tags"].contains(&fact.name), "{action}.{} is taken", fact.name);
            }
        }
    }

    #[test]
    fn facts_are_those_that_are_declared() {
        let mut seen = Vec::new();
        Action::facts(&fs::Append { bytes: 7 }, &mut |name, fact| seen.push((name, fact)));
        assert_eq!(seen, [("bytes", Fact::Long(7))]);
        assert_eq!(fs::Append::SPEC.context[0].name, "bytes");
    }
}
