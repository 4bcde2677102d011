//! The operations: one file each, under the name of its namespace.
//!
//! To add one: write its file, add its line to [`OPS`], run `cargo xtask codegen`.

use crate::Operation;

pub mod fs;
pub mod service;
pub mod sys;

/// Every operation of Rex, in the order of their names.
pub static OPS: &[&dyn Operation] = &[
    &fs::append::OP,
    &fs::copy::OP,
    &fs::create_dir::OP,
    &fs::exists::OP,
    &fs::find::OP,
    &fs::grep::OP,
    &fs::lines::OP,
    &fs::list::OP,
    &fs::read::OP,
    &fs::read_bytes::OP,
    &fs::remove::OP,
    &fs::remove_dir::OP,
    &fs::rename::OP,
    &fs::stat::OP,
    &fs::write::OP,
];
