//! The operations: one file each, under the name of its namespace.
//!
//! To add one: write its file, add its line to [`OPS`], run `cargo xtask codegen`.

use std::time::Duration;

use rex_core::{Error, Timestamp, Value};

use crate::{Args, Literal, Operation, Param, ParamKind};

pub mod fs;
pub mod net;
pub mod process;
pub mod service;
pub mod sys;

/// All operations of Rex, grouped by namespace.
pub static OPS: &[&dyn Operation] = &[
    &fs::append::OP,
    &fs::checksum::OP,
    &fs::certificates::OP,
    &fs::chmod::OP,
    &fs::chown::OP,
    &fs::copy::OP,
    &fs::count::OP,
    &fs::create_dir::OP,
    &fs::diff::OP,
    &fs::du::OP,
    &fs::elf::OP,
    &fs::exists::OP,
    &fs::expand::OP,
    &fs::find::OP,
    &fs::grep::OP,
    &fs::gzip::OP,
    &fs::hard_link::OP,
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
    &fs::set_xattr::OP,
    &fs::stat::OP,
    &fs::strings::OP,
    &fs::symlink::OP,
    &fs::tail::OP,
    &fs::tar_create::OP,
    &fs::tar_extract::OP,
    &fs::tar_list::OP,
    &fs::temp_file::OP,
    &fs::touch::OP,
    &fs::truncate::OP,
    &fs::walk::OP,
    &fs::write::OP,
    &fs::xattr::OP,
    &fs::xattrs::OP,
    &fs::zstd::OP,
    &net::delete::OP,
    &net::get::OP,
    &net::head::OP,
    &net::interfaces::OP,
    &net::post::OP,
    &net::put::OP,
    &net::resolve::OP,
    &net::routes::OP,
    &net::sockets::OP,
    &net::tcp_check::OP,
    &net::tls_certificate::OP,
    &process::environ::OP,
    &process::get::OP,
    &process::limits::OP,
    &process::list::OP,
    &process::open_files::OP,
    &process::run::OP,
    &process::semaphores::OP,
    &process::set_priority::OP,
    &process::shared_memory::OP,
    &process::signal::OP,
    &process::signal_all::OP,
    &process::top::OP,
    &process::tree::OP,
    &process::wait::OP,
    &process::who_uses::OP,
    &service::dependencies::OP,
    &service::disable::OP,
    &service::enable::OP,
    &service::list::OP,
    &service::logs::OP,
    &service::mask::OP,
    &service::properties::OP,
    &service::reload::OP,
    &service::reload_daemon::OP,
    &service::reset_failed::OP,
    &service::restart::OP,
    &service::start::OP,
    &service::status::OP,
    &service::stop::OP,
    &service::timers::OP,
    &service::try_restart::OP,
    &service::unmask::OP,
    &service::wait_until::OP,
    &sys::block_devices::OP,
    &sys::boot_time::OP,
    &sys::cgroup::OP,
    &sys::cpu::OP,
    &sys::cpus::OP,
    &sys::disk::OP,
    &sys::entropy::OP,
    &sys::env::OP,
    &sys::groups::OP,
    &sys::hostname::OP,
    &sys::io::OP,
    &sys::kernel_log::OP,
    &sys::load::OP,
    &sys::memory::OP,
    &sys::modules::OP,
    &sys::mounts::OP,
    &sys::os_release::OP,
    &sys::packages::OP,
    &sys::parameter::OP,
    &sys::parameters::OP,
    &sys::pressure::OP,
    &sys::reload_parameters::OP,
    &sys::sessions::OP,
    &sys::set_parameter::OP,
    &sys::slab::OP,
    &sys::swap::OP,
    &sys::time::OP,
    &sys::time_zone::OP,
    &sys::uname::OP,
    &sys::unmount::OP,
    &sys::users::OP,
    &sys::vmstat::OP,
];

/// The option for the length of an observation.
const INTERVAL: Param = Param::option(
    "interval",
    ParamKind::Duration,
    Literal::Null,
    "Look twice, with so long between, and tell what happened meanwhile; else since the machine started.",
);
/// The same option as a number of milliseconds.
const INTERVAL_MS: Param =
    Param::option("interval_ms", ParamKind::Count, Literal::Null, "`interval` as a number of milliseconds.");

/// Returns the time for which a call observes, if any.
fn interval(args: &Args) -> Result<Option<Duration>, Error> {
    let millis = args.count_option("interval_ms")?.map(Duration::from_millis);
    match (args.duration_option("interval")?, millis) {
        (Some(_), Some(_)) => Err(Error::validation("`interval` and `interval_ms` are given, and mean the same")
            .with_help("use one of them: `interval: \"500ms\"`")),
        (interval, millis) => Ok(interval.or(millis)),
    }
}

/// Converts a time to seconds since the epoch.
#[expect(clippy::cast_precision_loss, reason = "a float holds microseconds of today's times exactly enough")]
fn epoch(time: Timestamp) -> Value {
    Value::Float(time.as_micros() as f64 / 1e6)
}
