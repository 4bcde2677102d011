//! The operations: one file each, under the name of its namespace.
//!
//! To add one: write its file, add its line to [`OPS`], run `cargo xtask codegen`.

use rex_core::{Timestamp, Value};

use crate::Operation;

pub mod fs;
pub mod service;
pub mod sys;

/// Every operation of Rex, in the order of their names.
pub static OPS: &[&dyn Operation] = &[
    &fs::append::OP,
    &fs::checksum::OP,
    &fs::copy::OP,
    &fs::count::OP,
    &fs::create_dir::OP,
    &fs::diff::OP,
    &fs::elf::OP,
    &fs::exists::OP,
    &fs::expand::OP,
    &fs::find::OP,
    &fs::grep::OP,
    &fs::gzip::OP,
    &fs::lines::OP,
    &fs::list::OP,
    &fs::read::OP,
    &fs::read_bytes::OP,
    &fs::read_link::OP,
    &fs::remove::OP,
    &fs::remove_all::OP,
    &fs::remove_dir::OP,
    &fs::rename::OP,
    &fs::replace::OP,
    &fs::stat::OP,
    &fs::strings::OP,
    &fs::tail::OP,
    &fs::tar_create::OP,
    &fs::tar_extract::OP,
    &fs::tar_list::OP,
    &fs::write::OP,
    &fs::zstd::OP,
    &service::list::OP,
    &service::reload::OP,
    &service::restart::OP,
    &service::start::OP,
    &service::status::OP,
    &service::stop::OP,
    &sys::cpus::OP,
    &sys::disk::OP,
    &sys::hostname::OP,
    &sys::load::OP,
    &sys::memory::OP,
    &sys::time::OP,
];

/// Seconds since the epoch, with their fraction.
#[expect(clippy::cast_precision_loss, reason = "a float holds microseconds of today's times exactly enough")]
fn epoch(time: Timestamp) -> Value {
    Value::Float(time.as_micros() as f64 / 1e6)
}
