//! Files of the kernel, among which none can be created, replaced or removed.

use nix::errno::Errno;
use rex_core::{AbsPath, Code, Error};

use crate::os::OsError;

/// Explains an error of creating something in a directory of the kernel; returns any other error unchanged.
pub(super) fn told(error: OsError, path: &AbsPath) -> OsError {
    let refused =
        [Errno::ENOENT, Errno::EACCES, Errno::EPERM, Errno::EROFS, Errno::EOPNOTSUPP].map(|errno| errno as i32);
    let is_refused =
        matches!(&error, OsError::Io(inner) if inner.raw_os_error().is_some_and(|errno| refused.contains(&errno)));
    // INVARIANT: no link is crossed on the way, so the start of a name shows where it is.
    if !is_refused || !["/proc/", "/sys/"].iter().any(|own| path.as_str().starts_with(own)) {
        return error;
    }
    let help = match path.as_str().strip_prefix("/proc/sys/") {
        Some(_) => "`sys::set_parameter` sets a parameter of the kernel",
        None => "`fs::append` writes to one that is there",
    };
    let message =
        format!("`{}` is among the kernel's own files, where none is made or replaced", path.as_str().escape_debug());
    Error::new(Code::Unsupported, message).with_help(help).into()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_what_the_kernel_does_not_make_is_told_so() {
        let code = |path: &str, errno: Errno| {
            let path = AbsPath::parse(path).unwrap();
            let error = told(io::Error::from(errno).into(), &path).into_error(&path);
            (error.code, error.help.is_some_and(|help| help.contains("set_parameter")))
        };
        assert_eq!(code("/proc/sys/vm/swappiness", Errno::ENOENT), (Code::Unsupported, true));
        assert_eq!(code("/sys/block/x", Errno::EPERM), (Code::Unsupported, false));
        assert_eq!(code("/proc/sys/vm/x", Errno::ENOSPC), (Code::Io, false));
        assert_eq!(code("/procs/x", Errno::ENOENT), (Code::NotFound, false));
    }
}
