//! A machine in memory.

use rex_core::Grant;
use rex_core::action::sys;

use super::MemOs;
use crate::os::{Load, Memory, Mount, OsError, System};

fn none<T>() -> Result<T, OsError> {
    Err(OsError::Unavailable("there is no machine".to_owned()))
}

impl System for MemOs {
    fn disk(&self, _: Grant<sys::Disk>) -> Result<Vec<Mount>, OsError> {
        none()
    }
    fn memory(&self, _: Grant<sys::Inspect>) -> Result<Memory, OsError> {
        none()
    }
    fn load(&self, _: Grant<sys::Inspect>) -> Result<Load, OsError> {
        none()
    }
    fn hostname(&self, _: Grant<sys::Inspect>) -> Result<String, OsError> {
        none()
    }
    fn cpus(&self, _: Grant<sys::Inspect>) -> Result<u64, OsError> {
        none()
    }
}
