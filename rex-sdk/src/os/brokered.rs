//! Acts that another process performs for a confined process: all that need a socket, another process, or a right that
//! it gave up. The traits, the delegation by the host, and the messages between the two processes are generated from
//! one table.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rex_core::action::{fs, net, process, service, sys};
use rex_core::resource::Unit;
use rex_core::{AbsPath, Budget, Grant, Value};

use super::{
    Connection, FinishedProgram, Interface, LogQuery, Mount, NetworkTable, OpenDescriptor, OpenFile, OsError,
    ProcessDetails, ProcessList, StartOptions, SystemFile, TimerStatus, UnitFileChange, UnitStatus,
};

/// Passes the table to a macro: each trait with its methods, and for each method the action of its grant, its other
/// parameters and its result. The last parameter of each method is the [`Budget`](rex_core::Budget) of the run.
///
/// The calling module must have the names of the types in scope.
#[doc(hidden)]
#[macro_export]
macro_rules! brokered {
    ($then:ident) => {
        $then! {
            /// Units of the service manager. An alias of a unit is [`OsError::Alias`].
            ///
            /// # Errors
            /// See [`OsError`]; this holds for every method here. Each waits until the job has ended, but no longer
            /// than the budget allows.
            Services {
                /// Returns every unit that the manager has loaded, in the order of their names.
                units(service::List) -> Vec<UnitStatus>;
                /// Returns the state of one unit.
                status(service::Status) -> UnitStatus;
                /// Starts a unit and returns its new state.
                start(service::Start) -> UnitStatus;
                /// Stops a unit and returns its new state.
                stop(service::Stop) -> UnitStatus;
                /// Restarts a unit and returns its new state.
                restart(service::Restart) -> UnitStatus;
                /// Makes a unit reload its configuration and returns its new state.
                reload(service::Reload) -> UnitStatus;
                /// Restarts a unit if it runs and returns its new state.
                try_restart(service::Restart) -> UnitStatus;
                /// Returns the other units that are enabled and disabled along with a unit: those named in its files
                /// (`Also=`), those named in theirs, and those whose names it takes.
                also(service::Status) -> Vec<Unit>;
                /// Enables a unit and returns the changes on disk. If that reaches a unit that is not in `also`, the
                /// permitted ones, it changes nothing ([`OsError::Besides`]).
                enable(service::Enable, also: Vec<Unit>) -> Vec<UnitFileChange>;
                /// Disables a unit and returns the changes on disk. For `also`, see [`Services::enable`].
                disable(service::Disable, also: Vec<Unit>) -> Vec<UnitFileChange>;
                /// Masks or unmasks a unit and returns the changes on disk. A masked unit cannot be started.
                mask(service::Mask, masked: bool) -> Vec<UnitFileChange>;
                /// Clears the failed state of a unit and returns its new state.
                reset_failed(service::ResetFailed) -> UnitStatus;
                /// Makes the manager reload the files of all units.
                reload_daemon(service::ReloadDaemon) -> ();
                /// Waits at most `timeout_ms` until a unit is in the state `active`, and returns its state then.
                wait_until(service::Status, active: String, timeout_ms: u64) -> UnitStatus;
                /// Returns all properties of a unit, under systemd's names.
                properties(service::Status) -> BTreeMap<String, Value>;
                /// Returns the timers with their times, in the order of their names.
                timers(service::List) -> Vec<TimerStatus>;
                /// Returns log records of a unit, oldest first, as `journalctl --output=json` writes them.
                logs(service::Logs, query: LogQuery) -> Vec<String>;
            }
            /// Processes. Each act affects only the process that was decided on: if another process has its number by
            /// now, or it runs another program, it changes nothing ([`OsError::Changed`]).
            ///
            /// # Errors
            /// See [`OsError`]; this holds for every method here.
            Processes {
                /// Returns the running processes, in the order of their numbers: all, or only the one with this number.
                /// With an interval, it looks twice and reports the processor use in between.
                processes(process::List, only: Option<u32>, interval_ms: Option<u64>) -> ProcessList;
                /// Returns how a process was started, and what it uses.
                details(process::Inspect) -> ProcessDetails;
                /// Returns the open files of a process, in the order of the descriptors. With `all`, adds the other
                /// files that it uses: its program, its directories and its mapped files. More than `max` are
                /// [`OsError::TooMany`].
                open_files(process::Inspect, max: u64, all: bool) -> Vec<OpenFile>;
                /// Returns the environment that a process was started with, as `NAME=value`.
                environ(process::Environ) -> Vec<String>;
                /// Sends the signal of the grant.
                signal(process::Signal) -> ();
                /// Sets the nice value of the grant and returns the old one.
                set_priority(process::SetPriority) -> i64;
                /// Waits at most `timeout_ms` until a process has ended, and returns whether it has.
                wait(process::Inspect, timeout_ms: u64) -> bool;
                /// Starts the program of the grant, confined, and waits until it ends.
                run(process::Run, start: StartOptions) -> FinishedProgram;
            }
            /// The network.
            ///
            /// # Errors
            /// See [`OsError`]; this holds for every method here. No method waits longer than the budget allows.
            Network {
                /// Returns the addresses of a host as the system resolver finds them, in the order to try them in.
                addresses(net::Resolve) -> Vec<IpAddr>;
                /// Returns a name server's answer for the record type of the grant, as received (RFC 1035). It answers
                /// this question, but is otherwise untrusted.
                records(net::Resolve) -> Vec<u8>;
                /// Connects to the address of the grant, waiting at most `timeout_ms`. The address must be the host's
                /// own, or one that [`Network::addresses`] found for it; any other is [`OsError::Refused`]. With
                /// `trusted`, the result includes the certificate authorities that this machine trusts.
                connect(net::Connect, trusted: bool, timeout_ms: u64) -> Connection;
                /// Returns the interfaces by their names.
                interfaces(net::Inspect) -> BTreeMap<String, Interface>;
                /// Returns the text of these kernel tables; a table that the kernel lacks is empty.
                tables(net::Inspect, tables: Vec<NetworkTable>) -> Vec<String>;
            }
            /// Files and directories that the calling process cannot open or remove because of its confinement: they
            /// did not exist when it was confined, or a right to them would include their neighbors. A confinement
            /// cannot be widened, but a descriptor from another process can be used.
            ///
            /// # Errors
            /// See [`OsError`]; this holds for every method here.
            Places {
                /// Opens a regular file for reading.
                open_file(fs::Read) -> OpenDescriptor;
                /// Opens a directory for listing.
                open_directory(fs::List) -> OpenDescriptor;
                /// Removes an empty directory.
                remove_directory(fs::Remove) -> ();
                /// Sets the length of a regular file to that of the grant, for a process that may truncate no file
                /// because its kernel cannot limit which ones. Returns by how many bytes the file grows; if that is
                /// more than `room`, it changes nothing.
                set_length(fs::Write, room: u64) -> u64;
            }
            /// The machine.
            ///
            /// # Errors
            /// See [`OsError`]; this holds for every method here.
            System {
                /// Returns the mounted file systems with space, each mount point once, in the order of their mount
                /// points.
                disk(sys::Disk) -> Vec<Mount>;
                /// Returns every mount, as in `/proc/self/mountinfo`.
                mounts(sys::Disk) -> String;
                /// Returns the texts of these files, as the kernel or the distribution writes them.
                inspect(sys::Inspect, files: Vec<SystemFile>) -> Vec<String>;
                /// Returns how many processors this process may use.
                cpus(sys::Inspect) -> u64;
                /// Returns the block devices by their names, each with its files of `/sys/block`.
                block_devices(sys::Inspect) -> BTreeMap<String, BTreeMap<String, String>>;
                /// Returns the files of a control group (version 2) by their names; its path starts below the root of
                /// the hierarchy.
                control_group(sys::Inspect, group: AbsPath) -> BTreeMap<String, String>;
                /// Returns the packages, one per line: name, version, architecture and state, separated by tabs.
                packages(sys::Inspect) -> String;
                /// Returns the names of the kernel parameters.
                parameters(sys::Inspect) -> Vec<String>;
                /// Returns the last `max` records of the kernel log, oldest first, as in `/dev/kmsg`.
                kernel_log(sys::KernelLog, max: u64) -> Vec<String>;
                /// Returns the users or groups, as listed in `/etc/passwd` and `/etc/group`, with U+FFFD for what is
                /// not UTF-8.
                accounts(sys::Accounts, groups: bool) -> String;
                /// Returns the number of the user or group with this name, as the C library finds it.
                account(sys::Accounts, name: String, group: bool) -> Option<u32>;
                /// Returns the login records, in the format of `utmp(5)`.
                sessions(sys::Sessions) -> Vec<u8>;
                /// Returns the value of a kernel parameter.
                parameter(sys::GetParameter) -> String;
                /// Sets a kernel parameter to the value of the grant.
                set_parameter(sys::SetParameter) -> ();
                /// Returns the value of a variable of this process's environment, if it is set.
                variable(sys::GetVariable) -> Option<String>;
                /// Unmounts the file system at this path.
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

        /// A process that performs what a confined process cannot do itself.
        pub trait Broker: $($part +)* {}

        impl<T: $($part +)*> Broker for T {}
    };
}

brokered!(declare);
