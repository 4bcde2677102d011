//! Entries in the forms that other programs read.

pub mod csv;
pub mod ocsf;
