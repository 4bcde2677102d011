//! The command, as its users meet it.

#[cfg(test)]
mod command;

#[cfg(test)]
mod examples;

#[cfg(test)]
mod restart;
