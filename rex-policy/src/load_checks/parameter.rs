//! Directories of kernel parameters used where a parameter is required.

use rex_core::Resource;
use rex_core::machine::KernelParameter;

use super::{CheckedPolicy, wildcards};
use crate::rule::Uid;

/// Directories within others that kernels have; each name without a dot is a directory, too.
const DIRECTORIES: &[&str] = &[
    "fs.binfmt_misc",
    "fs.epoll",
    "fs.inotify",
    "fs.mqueue",
    "fs.quota",
    "kernel.keys",
    "kernel.pty",
    "kernel.random",
    "kernel.seccomp",
    "kernel.yama",
    "net.core",
    "net.ipv4",
    "net.ipv4.conf",
    "net.ipv4.conf.all",
    "net.ipv4.conf.default",
    "net.ipv4.neigh",
    "net.ipv6",
    "net.ipv6.conf",
    "net.ipv6.conf.all",
    "net.ipv6.conf.default",
    "net.ipv6.neigh",
    "net.netfilter",
    "net.unix",
];

/// Checks an id.
pub(super) fn id(look: &mut CheckedPolicy<'_>, uid: &Uid) {
    let is_directory = !uid.id.contains('.') || DIRECTORIES.contains(&&*uid.id);
    if *uid.kind != *KernelParameter::SPEC.to_string() || !is_directory {
        return;
    }
    let excepted = look.syntax.is_some_and(|syntax| wildcards::is_excepted(syntax, true, uid));
    let severity = look.severity(true, Some(!excepted));
    let id = uid.id.escape_debug();
    let message = format!("`{id}` is a directory of parameters: nothing is read or set by its name");
    let help = format!("of all in it, ask `resource.name like \"{id}.*\"`");
    look.add(Some("REX013"), severity, &format!("{}::\"{}\"", uid.kind, uid.id), message, &help);
}
