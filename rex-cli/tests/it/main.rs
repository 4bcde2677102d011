//! The command, as its users meet it.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start processes and prepare files")]

#[cfg(test)]
mod command;

#[cfg(test)]
mod cookbook;

#[cfg(test)]
mod escapes;

#[cfg(test)]
mod examples;

#[cfg(test)]
mod forgery;

#[cfg(test)]
mod groups;

#[cfg(test)]
mod kernels;

#[cfg(test)]
mod kills;

#[cfg(test)]
mod oracle;

#[cfg(test)]
mod restart;

#[cfg(test)]
mod units;
