//! What a process that is confined has another one do for it: all that needs a socket, another process, or a right that it
//! gave up. One table, from which come the traits, who of them the host asks, and what travels between the two.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rex_core::action::{fs, net, process, service, sys};
use rex_core::resource::Unit;
use rex_core::{AbsPath, Budget, Grant, Value};

use super::{
    Connection, Finished, Interface, LogQuery, Mount, NetworkTable, OpenFile, Opened, OsError, ProcessDetails,
    ProcessList, Start, SystemFile, TimerStatus, UnitFileChange, UnitStatus,
};

/// Hands the table to a macro: traits, and of each the methods with the action whose grant they take, what else they take, and
/// what they give. The last parameter of each is the [`Budget`](rex_core::Budget) of the run.
///
/// Whoever calls it has the names of the types in scope.
#[doc(hidden)]
#[macro_export]
macro_rules! brokered {
    ($then:ident) => {
        $then! {
            /// Units of the service manager. A unit that is asked for by another of its names is [`OsError::Alias`].
            ///
            /// # Errors
            /// See [`OsError`]; so for every method here. Each waits until the job has ended, and no longer than the budget
            /// allows.
            Services {
                /// Every unit that the manager has loaded, in the order of their names.
                units(service::List) -> Vec<UnitStatus>;
                /// The state of one unit.
                status(service::Status) -> UnitStatus;
                /// Starts a unit, and returns its state after that.
                start(service::Start) -> UnitStatus;
                /// Stops a unit, and returns its state after that.
                stop(service::Stop) -> UnitStatus;
                /// Restarts a unit, and returns its state after that.
                restart(service::Restart) -> UnitStatus;
                /// Has a unit read its configuration again, and returns its state after that.
                reload(service::Reload) -> UnitStatus;
                /// Restarts a unit if it runs, and returns its state after that.
                try_restart(service::Restart) -> UnitStatus;
                /// The other units that are enabled and disabled along with a unit, as its files say (`Also=`), and theirs; and those
                /// whose names it takes.
                also(service::Status) -> Vec<Unit>;
                /// Has a unit started with the machine, and returns what was changed on disk. What it is enabled along with is permitted,
                /// too, and among `also`, or nothing is done ([`OsError::Besides`]).
                enable(service::Enable, also: Vec<Unit>) -> Vec<UnitFileChange>;
                /// No longer has a unit started with the machine, and returns what was changed on disk. For `also`, see
                /// [`Services::enable`].
                disable(service::Disable, also: Vec<Unit>) -> Vec<UnitFileChange>;
                /// Makes it impossible to start a unit, or possible again, and returns what was changed on disk.
                mask(service::Mask, masked: bool) -> Vec<UnitFileChange>;
                /// Forgets that a unit has failed, and returns its state after that.
                reset_failed(service::ResetFailed) -> UnitStatus;
                /// Has the manager read the files of all units again.
                reload_daemon(service::ReloadDaemon) -> ();
                /// Waits until a unit is in a state (`active`), for so many milliseconds at most, and returns its state after that.
                wait_until(service::Status, active: String, timeout_ms: u64) -> UnitStatus;
                /// All that the manager says of a unit, in systemd's words.
                properties(service::Status) -> BTreeMap<String, Value>;
                /// The timers with when they elapse, in the order of their names.
                timers(service::List) -> Vec<TimerStatus>;
                /// What a unit has logged, oldest first: records as `journalctl --output=json` writes them.
                logs(service::Logs, query: LogQuery) -> Vec<String>;
            }
            /// Processes. What is done to one is done to the one that was decided on: where another one has its number by
            /// now, or it runs another program, that is [`OsError::Changed`], and nothing is done.
            ///
            /// # Errors
            /// See [`OsError`]; so for every method here.
            Processes {
                /// The processes that run, in the order of their numbers; all, or the one of this number, if it runs. With an
                /// interval, they are looked at twice, and say how much of a processor they used between.
                processes(process::List, only: Option<u32>, interval_ms: Option<u64>) -> ProcessList;
                /// What a process was started with and works with.
                details(process::Inspect) -> ProcessDetails;
                /// What a process has open, in the order of the descriptors; with `all`, then what else it uses of files: its
                /// program, its directories, what it has mapped. More than `max` are [`OsError::TooMany`].
                open_files(process::Inspect, max: u64, all: bool) -> Vec<OpenFile>;
                /// The environment that a process was started with, as `NAME=value`.
                environ(process::Environ) -> Vec<String>;
                /// Sends the signal of the grant.
                signal(process::Signal) -> ();
                /// Sets the nice value of the grant, and returns the one before.
                set_priority(process::SetPriority) -> i64;
                /// Waits until a process has ended, for so many milliseconds at most; says whether it has.
                wait(process::Inspect, timeout_ms: u64) -> bool;
                /// Starts the program of the grant, confined, and waits for its end.
                run(process::Run, start: Start) -> Finished;
            }
            /// The network.
            ///
            /// # Errors
            /// See [`OsError`]; so for every method here. No method waits for longer than the budget allows.
            Network {
                /// The addresses of a host, in the order in which they are to be tried, as all programs of this machine find them.
                addresses(net::Resolve) -> Vec<IpAddr>;
                /// The answer of a name server for the type of records of the grant, as it came (RFC 1035): an answer to this question, and
                /// otherwise anything that a stranger may send.
                records(net::Resolve) -> Vec<u8>;
                /// Connects to the address of the grant, waiting for so many milliseconds at most. It must be the host's own, or one of
                /// those that [`Network::addresses`] found for it; anything else is [`OsError::Refused`]. With `trusted`, the
                /// authorities that this machine trusts come along.
                connect(net::Connect, trusted: bool, timeout_ms: u64) -> Connection;
                /// The interfaces by their names.
                interfaces(net::Inspect) -> BTreeMap<String, Interface>;
                /// These tables of the kernel; one that it does not have is empty.
                tables(net::Inspect, tables: Vec<NetworkTable>) -> Vec<String>;
            }
            /// Files and directories that whoever asks is not let to open or to remove by its own confinement: they were not there when it
            /// was confined, or a right to them would be a right to others beside them. A confinement cannot be widened; what was opened
            /// by somebody else can be used.
            ///
            /// # Errors
            /// See [`OsError`]; so for every method here.
            Places {
                /// Opens a regular file for reading.
                open_file(fs::Read) -> Opened;
                /// Opens a directory, to list it.
                open_directory(fs::List) -> Opened;
                /// Removes an empty directory.
                remove_directory(fs::Remove) -> ();
                /// Makes a regular file as long as was granted, for whoever is let to cut no file at all, because its kernel cannot
                /// hold it to some. Returns by how many bytes it grows; where these are more than `room`, nothing is done.
                set_length(fs::Write, room: u64) -> u64;
            }
            /// The machine.
            ///
            /// # Errors
            /// See [`OsError`]; so for every method here.
            System {
                /// Mounted file systems with space, each mount once, in the order of their mount points.
                disk(sys::Disk) -> Vec<Mount>;
                /// Every mount, as `/proc/self/mountinfo` tells it.
                mounts(sys::Disk) -> String;
                /// What these files hold, each as the kernel or the distribution writes it.
                inspect(sys::Inspect, files: Vec<SystemFile>) -> Vec<String>;
                /// How many processors this process may use.
                cpus(sys::Inspect) -> u64;
                /// The block devices by their names, each with the files of `/sys/block` that tell of it.
                block_devices(sys::Inspect) -> BTreeMap<String, BTreeMap<String, String>>;
                /// The files of a control group (version 2), by their names; its path begins below the root of the hierarchy.
                control_group(sys::Inspect, group: AbsPath) -> BTreeMap<String, String>;
                /// The packages that are known, a line for each: name, version, architecture, state, with tabs between.
                packages(sys::Inspect) -> String;
                /// The names of the parameters of the kernel.
                parameters(sys::Inspect) -> Vec<String>;
                /// The last so many records of the kernel's log, oldest first, as `/dev/kmsg` tells them.
                kernel_log(sys::KernelLog, max: u64) -> Vec<String>;
                /// The users, or the groups, as `/etc/passwd` and `/etc/group` list them, with U+FFFD for what is not UTF-8.
                accounts(sys::Accounts, groups: bool) -> String;
                /// The number of a user, or of a group, of this name, as all programs of this machine find it.
                account(sys::Accounts, name: String, group: bool) -> Option<u32>;
                /// The records of who is logged in, as `utmp(5)` has them.
                sessions(sys::Sessions) -> Vec<u8>;
                /// What a parameter of the kernel is.
                parameter(sys::GetParameter) -> String;
                /// Sets a parameter of the kernel to the value of the grant.
                set_parameter(sys::SetParameter) -> ();
                /// What a variable of this process's environment is, if it is there.
                variable(sys::GetVariable) -> Option<String>;
                /// Unmounts what is mounted there.
                unmount(sys::Unmount) -> ();
            }
        }
    };
}

macro_rules! declare {
    ($(
        $(#[$trait_doc:meta])*
        $part:ident { $(
            $(#[$doc:meta])*
            $method:ident($action:ty $(, $arg:ident: $type:ty)*) -> $output:ty;
        )* }
    )*) => {
        $(
            $(#[$trait_doc])*
            #[expect(clippy::missing_errors_doc, reason = "it is said once, for all of them")]
            pub trait $part: Send + Sync { $(
                $(#[$doc])*
                fn $method(
                    &self,
                    grant: Grant<$action>,
                    $($arg: $type,)*
                    budget: &Budget,
                ) -> Result<$output, OsError>;
            )* }
        )*

        /// Whoever does what a confined process cannot do itself.
        pub trait Broker: $($part +)* {}

        impl<T: $($part +)*> Broker for T {}
    };
}

brokered!(declare);
