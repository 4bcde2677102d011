//! Files and directories.

pub mod read;
