//! Resolution of names that cross symbolic links. It only finds a name, which requires another grant and is then opened
//! without crossing any link, so nothing depends on links staying unchanged.

use std::io;

use rex_core::{AbsPath, PathError};

use crate::OsError;

/// Maximum number of links that one name may cross, as in the kernel.
const MAX_LINKS: usize = rex_core::bounds::LINKS;

/// The treatment of a link in the last component of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinalLink {
    /// Follow it: the name means its target.
    Cross,
    /// Keep it: the name means the link itself.
    Keep,
}

/// Returns the canonical name behind `path`, component by component: `..` after a link leaves the directory that the
/// link points to. Missing components keep their names. `read_link` returns the target if a name is a link.
pub(crate) fn canonical(
    path: &AbsPath,
    last: FinalLink,
    mut read_link: impl FnMut(&AbsPath) -> io::Result<Option<Vec<u8>>>,
) -> Result<AbsPath, OsError> {
    let mut found = AbsPath::root();
    let mut todo: Vec<Vec<u8>> = path.bytes().rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec).collect();
    let mut gone: Option<io::Error> = None;
    let mut crossed = 0;
    while let Some(part) = todo.pop() {
        if part.is_empty() || part == b"." {
            continue;
        }
        if part == b".." {
            // The kernel does not leave a directory that it could not enter. The error is wrapped, so that it does not
            // mean that the name itself is free.
            if let Some(error) = gone {
                return Err(io::Error::new(error.kind(), error).into());
            }
            found = found.parent().unwrap_or(found);
            continue;
        }
        let next = found.entry(&part).map_err(too_long)?;
        if gone.is_none() && !(todo.is_empty() && last == FinalLink::Keep) {
            match read_link(&next) {
                Ok(None) => {}
                Ok(Some(target)) => {
                    crossed += 1;
                    if crossed > MAX_LINKS {
                        return Err(too_many_links());
                    }
                    if target.starts_with(b"/") {
                        found = AbsPath::root();
                    }
                    todo.extend(target.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec));
                    continue;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    gone = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        found = next;
    }
    Ok(found)
}

/// Returns the error of a name that crosses more links than the kernel allows, or a cycle of links.
pub(crate) fn too_many_links() -> OsError {
    io::Error::other("it crosses too many symbolic links, or they lead in a circle").into()
}

fn too_long(_: PathError) -> OsError {
    io::Error::new(io::ErrorKind::InvalidFilename, "it crosses a symbolic link to a name that is too long").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINKS: &[(&str, &str)] = &[
        ("/a", "b/c"),
        ("/b/up", ".."),
        ("/loop", "loop"),
        ("/w/abs", "/b//./up"),
        ("/lost", "gone/../x"),
        ("/top", "../.."),
    ];

    fn follow(path: &str, last: FinalLink) -> Result<String, String> {
        let read_link = |path: &AbsPath| match LINKS.iter().find(|(name, _)| *name == path.as_str()) {
            Some((_, target)) => Ok(Some(target.as_bytes().to_vec())),
            None if path.as_str().starts_with("/gone") => Err(io::ErrorKind::NotFound.into()),
            None => Ok(None),
        };
        let path = AbsPath::parse(path).unwrap();
        canonical(&path, last, read_link).map(|found| found.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn links_are_followed_component_by_component() {
        for (path, found) in [
            ("/a", "/b/c"),
            ("/a/d", "/b/c/d"),
            ("/b/up", "/"),
            ("/b/up/a/x", "/b/c/x"),
            ("/w/abs", "/"),
            ("/w/abs/b/up/w/plain", "/w/plain"),
            ("/top", "/"),
            ("/gone/x", "/gone/x"),
        ] {
            assert_eq!(follow(path, FinalLink::Cross).as_deref(), Ok(found), "{path}");
        }
        assert_eq!(follow("/b/up/a", FinalLink::Keep).as_deref(), Ok("/a"));
        assert!(follow("/loop/x", FinalLink::Cross).unwrap_err().contains("circle"));
        assert_eq!(follow("/lost", FinalLink::Cross).unwrap_err(), "entity not found");
    }
}
