//! The operations: one file each, under the name of its namespace.
//!
//! To add one: write its file, add its line to [`OPS`], run `cargo xtask codegen`.

use crate::Operation;

pub mod fs;
pub mod service;
pub mod sys;

/// Every operation of Rex, in the order of their names.
pub static OPS: &[&dyn Operation] = &[&fs::read::OP];
