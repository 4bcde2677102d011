//! The machine.

pub mod block_devices;
pub mod boot_time;
pub mod cgroup;
pub mod cpu;
pub mod cpus;
pub mod disk;
pub mod entropy;
pub mod env;
pub mod groups;
pub mod hostname;
pub mod io;
pub mod kernel_log;
pub mod load;
pub mod memory;
pub mod modules;
pub mod mounts;
pub mod os_release;
pub mod packages;
pub mod parameter;
pub mod parameters;
pub mod pressure;
pub mod reload_parameters;
pub mod sessions;
pub mod set_parameter;
pub mod slab;
pub mod swap;
pub mod time;
pub mod time_zone;
pub mod uname;
pub mod unmount;
pub mod users;
pub mod vmstat;

use std::time::{Duration, Instant};

use rex_core::action::sys;
use rex_core::resource::Host;
use rex_core::{Code, Error};

use crate::os::SystemFile;
use crate::{Args, OsError, Session};

/// Time between two checks of the budget while waiting.
const POLL: Duration = Duration::from_millis(20);

/// Returns the contents of these files.
pub(super) fn inspect<const N: usize>(session: &Session<'_>, files: [SystemFile; N]) -> Result<[String; N], Error> {
    let grant = session.permit(sys::Inspect {}, Host)?;
    let paths = || files.map(SystemFile::path).join("`, `");
    let told = |error: OsError| match error {
        OsError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Error::new(Code::Unsupported, format!("this machine has no `{}`", paths()))
        }
        OsError::Io(error) => crate::os::io_error(error, &paths()),
        other => other.into_error(&Host),
    };
    let texts = session.os.inspect(grant, files.to_vec(), session.run.budget()).map_err(told)?;
    texts.try_into().map_err(|_| Error::new(Code::Io, format!("`{}`: the result is incomplete", paths())))
}

/// Returns the contents of a file an `interval` ago and now. Without an interval, the first one is empty.
fn twice(session: &Session<'_>, args: &Args, file: SystemFile) -> Result<(String, String), Error> {
    let Some(interval) = super::interval(args)? else {
        return inspect(session, [file]).map(|[now]| (String::new(), now));
    };
    session.ensure_time_left(interval)?;
    let [before] = inspect(session, [file])?;
    let start = Instant::now();
    while start.elapsed() < interval {
        session.run.budget().check()?;
        std::thread::sleep(interval.saturating_sub(start.elapsed()).min(POLL));
    }
    let [after] = inspect(session, [file])?;
    Ok((before, after))
}

/// Returns the error of a file that does not match its manual page.
fn unclear(file: SystemFile) -> Error {
    Error::new(Code::Io, format!("`{}` is not as expected", file.path()))
}

/// Returns a part of a whole in percent.
#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
