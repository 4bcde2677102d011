//! The machine.

pub mod cpus;
pub mod disk;
pub mod hostname;
pub mod load;
pub mod memory;
pub mod time;
