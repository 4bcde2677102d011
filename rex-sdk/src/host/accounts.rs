//! Users and groups, as the C library finds them, in files and directory services.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{Group, Uid, User, getgrouplist};
use rex_core::{Code, Error};

use super::confine;
use crate::os::OsError;

/// Returns the name of a user; `None` if the user does not exist or cannot be looked up, or a policy could not contain
/// the name.
pub(super) fn name_of(uid: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
    (!user.name.is_empty() && !user.name.contains(char::REPLACEMENT_CHARACTER)).then_some(user.name)
}

/// Returns the number of a user or a group.
pub(super) fn number_of(name: &str, group: bool) -> Result<Option<u32>, OsError> {
    if group {
        return found(Group::from_name(name)).map(|group| group.map(|group| group.gid.as_raw()));
    }
    found(User::from_name(name)).map(|user| user.map(|user| user.uid.as_raw()))
}

/// Returns a user by name, with all of its groups.
pub(super) fn user(name: &str) -> Result<confine::ProgramUser, OsError> {
    let named = name.escape_debug();
    let unknown = || Error::new(Code::NotFound, format!("there is no user `{named}`"));
    let user = found(User::from_name(name))?.ok_or_else(unknown)?;
    // A policy names one name of a user: another name would bypass it.
    match name_of(user.uid.as_raw()) {
        Some(own) if own == name => {}
        Some(own) => {
            let message = format!("the user `{named}` is the user `{}` by another name", own.escape_debug());
            return Err(Error::new(Code::Unsupported, message).with_help("ask for the first name of that user").into());
        }
        None => return Err(unavailable(Errno::ENOENT)),
    }
    let gid = user.gid.as_raw();
    let text = CString::new(name).map_err(|_| unknown())?;
    let groups = getgrouplist(&text, user.gid).map_err(unavailable)?.into_iter().map(|group| group.as_raw());
    Ok(confine::ProgramUser { uid: user.uid.as_raw(), gid, groups: groups.collect() })
}

/// Returns the result of a lookup: some libraries report a missing entry as an error.
fn found<T>(result: nix::Result<Option<T>>) -> Result<Option<T>, OsError> {
    match result {
        Ok(found) => Ok(found),
        // See `getpwnam(3)`; the last is for a name that holds a NUL byte.
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM | Errno::EINVAL) => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}

fn unavailable(error: Errno) -> OsError {
    OsError::Unavailable(format!("the users of this machine cannot be read: {}", error.desc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_superuser_has_a_name_and_a_number() {
        assert_eq!(name_of(0).as_deref(), Some("root"));
        assert_eq!((number_of("root", false).unwrap(), number_of("root", true).unwrap()), (Some(0), Some(0)));
        assert_eq!(number_of("no\nbody", false).unwrap(), None);
        let root = user("root").unwrap();
        assert!((root.uid, root.gid) == (0, 0) && root.groups.contains(&0));
    }
}
