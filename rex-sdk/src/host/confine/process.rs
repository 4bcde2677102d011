//! The privileges, resources and inherited rights that a process gives up.

use std::io;
use std::time::Duration;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

use super::AccessNeeds;

/// Maximum resources of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerBounds {
    /// Address space beyond what it has when it is confined, in bytes.
    pub address_space: u64,
    /// Size of a file that it makes, in bytes; unlimited if files may be appended to.
    pub file_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Processor time of all its threads together.
    pub cpu: Duration,
}

impl Default for WorkerBounds {
    fn default() -> Self {
        Self { address_space: 4 << 30, file_bytes: 1 << 30, descriptors: 256, cpu: Duration::from_secs(600) }
    }
}

/// The capabilities and limits that remain.
pub(super) struct RemainingRights {
    /// The remaining capabilities.
    pub(super) capabilities: CapabilitySet,
    /// Each resource with its limit.
    pub(super) resources: Vec<(Resource, u64)>,
}

/// Gives up what the reach does not need; `Err` says what failed.
pub(super) fn give_up(needs: &AccessNeeds, bounds: &WorkerBounds) -> Result<RemainingRights, String> {
    let present = address_space().map_err(|error| format!("address space: {error}"))?;
    // A file that may be appended to may have any size.
    let file_bytes = if needs.appends { RLIM_INFINITY } else { bounds.file_bytes };
    let bounds = WorkerBounds { address_space: present.saturating_add(bounds.address_space), file_bytes, ..*bounds };
    give_up_to(needed(needs), &resources(&bounds))
}

/// Gives up all but these capabilities, and limits these resources.
pub(super) fn give_up_to(wanted: CapabilitySet, resources: &[(Resource, u64)]) -> Result<RemainingRights, String> {
    // Whatever the user's own mask is, others cannot write to new files.
    let own = umask(Mode::empty());
    umask(own | Mode::S_IWGRP | Mode::S_IWOTH);
    for (resource, bound) in resources {
        setrlimit(*resource, *bound, *bound).map_err(|error| format!("{resource:?}: {error}"))?;
    }
    set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))?;
    let capabilities = keep(wanted).map_err(|error| format!("capabilities: {error}"))?;
    // Last: a change of capabilities can make a process dumpable again.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| format!("dumpable: {error}"))?;
    Ok(RemainingRights { capabilities, resources: resources.to_vec() })
}

/// Returns the bounds as resource limits. None is raised.
pub(super) fn resources(bounds: &WorkerBounds) -> Vec<(Resource, u64)> {
    let wanted = [
        (Resource::RLIMIT_AS, bounds.address_space),
        (Resource::RLIMIT_FSIZE, bounds.file_bytes),
        (Resource::RLIMIT_NOFILE, bounds.descriptors),
        (Resource::RLIMIT_CPU, bounds.cpu.as_secs().saturating_add(1)),
        (Resource::RLIMIT_CORE, 0),
    ];
    wanted.map(|(resource, bound)| (resource, getrlimit(resource).map_or(bound, |(_, hard)| hard.min(bound)))).into()
}

/// Returns the size of this process's address space, in bytes.
#[expect(clippy::disallowed_methods, reason = "the files of `/proc` are the kernel's own words, under fixed names")]
fn address_space() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    pages.map(|pages| pages.saturating_mul(page)).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Returns the capabilities that permitted operations need.
fn needed(needs: &AccessNeeds) -> CapabilitySet {
    let mut wanted = CapabilitySet::empty();
    if needs.reads {
        wanted |= CapabilitySet::DAC_READ_SEARCH;
    }
    if needs.writes {
        // Files of others are written, and keep their owner and mode.
        wanted |= CapabilitySet::DAC_OVERRIDE | CapabilitySet::FOWNER | CapabilitySet::CHOWN | CapabilitySet::FSETID;
    }
    wanted
}

/// Drops every other capability; returns which of these are left.
fn keep(wanted: CapabilitySet) -> io::Result<CapabilitySet> {
    let kept = capabilities(None)?.permitted & wanted;
    clear_ambient_capability_set()?;
    for capability in CapabilitySet::all().iter() {
        // Only a process that could pass it on may drop it; for all others, `no_new_privs` has that effect.
        let _ = remove_capability_from_bounding_set(capability);
    }
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(kept)
}
