//! The command on a host, as its users meet it.
#![cfg(all(feature = "host", target_os = "linux"))]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start processes and prepare files")]

#[cfg(test)]
mod ask;

#[cfg(test)]
mod book;

#[cfg(test)]
mod codes;

#[cfg(test)]
mod command;

#[cfg(test)]
mod cookbook;

#[cfg(test)]
mod defaults;

#[cfg(test)]
mod escapes;

#[cfg(test)]
mod examples;

#[cfg(test)]
mod forgery;

#[cfg(test)]
mod groups;

#[cfg(test)]
mod hangs;

#[cfg(test)]
mod journal;

#[cfg(test)]
mod journals;

#[cfg(test)]
mod kernels;

#[cfg(test)]
mod kills;

#[cfg(test)]
mod large;

#[cfg(test)]
mod metrics;

#[cfg(test)]
mod oracle;

#[cfg(test)]
#[cfg(feature = "otel")]
mod otel;

#[cfg(test)]
mod places;

#[cfg(test)]
mod plan;

#[cfg(test)]
mod policy_fmt;

#[cfg(test)]
mod policy_repo;

#[cfg(test)]
mod policy_test;

#[cfg(test)]
#[cfg(feature = "prove")]
mod prove;

#[cfg(test)]
mod replay;

#[cfg(test)]
mod report;

#[cfg(test)]
mod restart;

#[cfg(test)]
mod rotation;

#[cfg(test)]
mod suggestions;

#[cfg(test)]
mod units;
