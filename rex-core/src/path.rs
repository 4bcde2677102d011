//! Paths with one spelling each.

use std::borrow::Cow;
use std::fmt;

use crate::spelling;

/// Maximum length of a path in the kernel, in bytes (`PATH_MAX` less the final NUL).
const MAX_PATH: usize = crate::bounds::PATH_BYTES;
/// Maximum length of the name of a directory entry, in bytes (`NAME_MAX`).
const MAX_NAME: usize = crate::bounds::NAME_BYTES;

/// An absolute, normalized path as text: no `.`, no `..`, no empty component, no NUL, no trailing slash.
///
/// Two equal paths are the same text, so a policy that compares text compares paths. Normalization is lexical: `..` removes the component
/// before it, whatever that is on disk. That is safe because Rex then acts on exactly the normalized name, never on the original text.
///
/// A name on disk can be any bytes. Each byte that is not UTF-8 is spelled `\xHH`: `caf\xE9`. If a name itself contains such a text, its
/// backslash is spelled `\x5C`, so that no two names have one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsPath(String);

/// The reason why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// An empty text.
    Empty,
    /// A relative path without a base directory.
    Relative(String),
    /// A path with a NUL byte.
    Nul(String),
    /// Another spelling of a name, which has only one.
    Spelling(String),
    /// A path with more `..` than components.
    AboveRoot(String),
    /// A component longer than 255 bytes, or a path longer than 4095.
    TooLong {
        /// The length, in bytes.
        bytes: usize,
        /// Maximum length, in bytes.
        max: usize,
    },
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the path is empty"),
            Self::Relative(text) => {
                write!(f, "the path `{}` is relative, and there is no base directory", text.escape_debug())
            }
            Self::Nul(text) => write!(f, "the path `{}` contains a NUL byte", text.escape_debug()),
            Self::Spelling(text) => {
                let text = text.escape_debug();
                write!(
                    f,
                    "the name `{text}` is not in canonical form: `\\xHH` means a byte that is not UTF-8, `\\x5C` a backslash before such a text"
                )
            }
            Self::AboveRoot(text) => write!(f, "the path `{}` leads above the root directory", text.escape_debug()),
            Self::TooLong { bytes, max } => {
                write!(f, "the path or one of its names is too long: {bytes} bytes, the maximum is {max}")
            }
        }
    }
}

impl std::error::Error for PathError {}

impl AbsPath {
    /// Returns the root directory.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Normalizes an absolute path.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if !text.starts_with('/') {
            return Err(PathError::Relative(text.to_owned()));
        }
        Self::root().resolve(text)
    }

    /// Normalizes a path; a relative one starts at this directory.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn resolve(&self, text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.contains('\0') {
            return Err(PathError::Nul(text.to_owned()));
        }
        let mut path = if text.starts_with('/') { String::with_capacity(text.len()) } else { self.trunk().to_owned() };
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    let cut = path.rfind('/').ok_or_else(|| PathError::AboveRoot(text.to_owned()))?;
                    path.truncate(cut);
                }
                name => {
                    checked(name)?;
                    path.push('/');
                    path.push_str(name);
                }
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        fits(&path, MAX_PATH).map(|()| Self(path))
    }

    /// Returns the entry of this directory with this name, which can be any bytes but NUL and slashes.
    ///
    /// # Errors
    /// As [`AbsPath::join`].
    pub fn entry(&self, name: &[u8]) -> Result<Self, PathError> {
        self.join(&spelling::of(name))
    }

    /// Normalizes an absolute path in the system's bytes.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn of_bytes(path: &[u8]) -> Result<Self, PathError> {
        Self::parse(&spelling::of(path))
    }

    /// Normalizes a path in the system's bytes; a relative one starts at this directory.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn resolve_bytes(&self, path: &[u8]) -> Result<Self, PathError> {
        self.resolve(&spelling::of(path))
    }

    /// Returns the path in the system's bytes.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        spelling::bytes(&self.0)
    }

    /// Returns the last component in the system's bytes; empty for the root directory.
    #[must_use]
    pub fn name_bytes(&self) -> Cow<'_, [u8]> {
        spelling::bytes(self.name())
    }

    /// Returns the entry `name` of this directory.
    ///
    /// # Errors
    /// If `name` is not one plain component (`..` and `a/b` are not), misspelled, or too long.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        match name {
            "" | "." => Err(PathError::Empty),
            ".." => Err(PathError::AboveRoot(name.to_owned())),
            _ if name.contains('/') => Err(PathError::Relative(name.to_owned())),
            _ if name.contains('\0') => Err(PathError::Nul(name.to_owned())),
            _ => {
                checked(name)?;
                let trunk = self.trunk();
                let mut path = String::with_capacity(trunk.len() + 1 + name.len());
                path.push_str(trunk);
                path.push('/');
                path.push_str(name);
                fits(&path, MAX_PATH).map(|()| Self(path))
            }
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text to append a slash and a name to: empty for the root directory.
    fn trunk(&self) -> &str {
        if self.is_root() { "" } else { &self.0 }
    }

    /// Returns whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Returns its name in a directory, if it is directly there.
    #[must_use]
    pub fn name_in(&self, directory: &Self) -> Option<&str> {
        let name = self.0.strip_prefix(directory.trunk())?.strip_prefix('/')?;
        (!name.is_empty() && !name.as_bytes().contains(&b'/')).then_some(name)
    }

    /// Returns the last component; empty for the root directory.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// Returns the text after the last dot of the name, always: the extension of `.key` is `key`. Empty if there is no dot.
    #[must_use]
    pub fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Returns the directory that contains it; `None` for the root directory.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.parents().next().map(|parent| Self(parent.to_owned()))
    }

    /// Returns the directories above, nearest first, `/` last.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.trunk();
        std::iter::from_fn(move || {
            // Every decision does this. For names this short, a search for a character takes longer.
            let slash = rest.bytes().rposition(|byte| byte == b'/')?;
            rest = rest.get(..slash)?;
            Some(if rest.is_empty() { "/" } else { rest })
        })
    }

    /// Returns the components, outermost first; none for the root directory.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Returns the components in the system's bytes.
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.components().map(spelling::bytes)
    }

    /// Returns whether this is `above`, or lies below it.
    #[must_use]
    pub fn is_in(&self, above: &Self) -> bool {
        self.0.strip_prefix(above.trunk()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Checks that a component is a name in its one spelling, and not too long.
fn checked(name: &str) -> Result<(), PathError> {
    if !spelling::is_one(name) {
        return Err(PathError::Spelling(name.to_owned()));
    }
    fits(name, MAX_NAME)
}

/// Checks that the name that a text spells has at most `max` bytes.
fn fits(text: &str, max: usize) -> Result<(), PathError> {
    // A spelling is never shorter than the name.
    if text.len() <= max {
        return Ok(());
    }
    let bytes = spelling::bytes(text).len();
    if bytes > max { Err(PathError::TooLong { bytes, max }) } else { Ok(()) }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_become_one_name() {
        for alias in ["/w//x", "/w/./x", "/w/../w/x", "/w/x/", "//w/x/.", "/./w/y/../x"] {
            assert_eq!(AbsPath::parse(alias).unwrap().as_str(), "/w/x", "{alias}");
        }
        let base = AbsPath::parse("/w").unwrap();
        assert_eq!(base.resolve("x").unwrap().as_str(), "/w/x");
        assert_eq!(base.resolve("../v").unwrap().as_str(), "/v");
        assert_eq!(base.resolve("/").unwrap(), AbsPath::root());
        assert_eq!(AbsPath::root().resolve("x").unwrap().as_str(), "/x");
    }

    #[test]
    fn what_is_no_path_is_named() {
        let long = format!("/{}", "n".repeat(256));
        for (text, error) in [
            ("", PathError::Empty),
            ("x", PathError::Relative("x".into())),
            ("/a\0b", PathError::Nul("/a\0b".into())),
            ("/..", PathError::AboveRoot("/..".into())),
            ("/a/../../b", PathError::AboveRoot("/a/../../b".into())),
            (&long, PathError::TooLong { bytes: 256, max: 255 }),
        ] {
            assert_eq!(AbsPath::parse(text), Err(error), "{text:?}");
        }
        assert!(matches!(AbsPath::parse(&"/abc".repeat(1024)), Err(PathError::TooLong { bytes: 4096, max: 4095 })));
        assert!(AbsPath::root().join("..").is_err());
        assert!(AbsPath::root().join("a/b").is_err());
    }

    #[test]
    fn messages_name_the_path() {
        let message = |error: PathError| error.to_string();
        assert_eq!(message(PathError::Empty), "the path is empty");
        for (error, means) in [
            (PathError::Relative("a\n".into()), "the path `a\\n` is relative, and there is no base directory"),
            (PathError::Nul("a\0".into()), "the path `a\\0` contains a NUL byte"),
            (PathError::Spelling("a\n".into()), "the name `a\\n` is not in canonical form"),
            (PathError::AboveRoot("..\n".into()), "the path `..\\n` leads above the root directory"),
            (
                PathError::TooLong { bytes: 256, max: 255 },
                "the path or one of its names is too long: 256 bytes, the maximum is 255",
            ),
        ] {
            let message = message(error);
            assert!(message.starts_with(means), "{message}");
        }
    }

    /// Checks that joining gives the path that the text parses to, or an error.
    #[test]
    fn a_joined_name_is_one_component() {
        let dir = AbsPath::parse("/d").unwrap();
        for (name, error) in [
            ("", PathError::Empty),
            (".", PathError::Empty),
            ("..", PathError::AboveRoot("..".into())),
            ("a/b", PathError::Relative("a/b".into())),
            ("/", PathError::Relative("/".into())),
            ("a\0b", PathError::Nul("a\0b".into())),
            ("\0", PathError::Nul("\0".into())),
            (&"n".repeat(256), PathError::TooLong { bytes: 256, max: 255 }),
        ] {
            assert_eq!(dir.join(name), Err(error), "{name:?}");
        }
        for name in ["...", "a b", "é", &"n".repeat(255)] {
            let path = dir.join(name).unwrap();
            assert_eq!(AbsPath::parse(path.as_str()), Ok(path.clone()));
            assert_eq!((path.name(), path.name_in(&dir), path.parent()), (name, Some(name), Some(dir.clone())));
        }
    }

    /// Checks that 4095 bytes fit, however they are joined, and that one more does not.
    #[test]
    fn the_longest_path() {
        let name = "n".repeat(254);
        let above = AbsPath::parse(&format!("/{name}").repeat(16)).unwrap();
        assert_eq!(above.as_str().len(), 4080);
        let (fits, too_long) = ("m".repeat(14), "m".repeat(15));
        assert_eq!(above.join(&fits), above.resolve(&fits));
        assert_eq!(above.join(&fits).unwrap().as_str().len(), 4095);
        let error = Err(PathError::TooLong { bytes: 4096, max: 4095 });
        assert_eq!((above.join(&too_long), above.resolve(&too_long)), (error.clone(), error));
        // The length of the name counts, not that of its longer spelling.
        assert!(above.entry(&[0xff; 14]).is_ok() && above.entry(&[0xff; 15]).is_err());
    }

    #[test]
    fn names_that_are_no_text_have_one_spelling() {
        let dir = AbsPath::parse("/d").unwrap();
        let path = dir.entry(b"caf\xe9").unwrap();
        assert_eq!(
            (path.as_str(), &*path.bytes(), &*path.name_bytes()),
            (r"/d/caf\xE9", &b"/d/caf\xe9"[..], &b"caf\xe9"[..])
        );
        assert_eq!(AbsPath::parse(path.as_str()).unwrap(), path);
        assert_eq!(AbsPath::of_bytes(b"/d/caf\xe9").unwrap(), path);
        // A file whose name looks like the spelling is another one.
        assert_ne!(dir.entry(br"caf\xE9").unwrap(), path);
        assert!(matches!(dir.join(r"caf\xC3\xA9"), Err(PathError::Spelling(_))));
        assert!(AbsPath::parse(r"/a\x5Cb").is_err() && AbsPath::parse(r"/a\x2db/c:\new").is_ok());
        let long = dir.entry(&[0xff; 255]).unwrap();
        assert!(long.name().len() == 1020 && dir.entry(&[0xff; 256]).is_err());
    }

    #[test]
    fn components_are_told_as_text_and_as_the_system_has_them() {
        let path = AbsPath::of_bytes(b"/d/caf\xe9/x").unwrap();
        assert_eq!(path.to_string(), r"/d/caf\xE9/x");
        assert_eq!(path.components().collect::<Vec<_>>(), ["d", r"caf\xE9", "x"]);
        assert_eq!(path.names().collect::<Vec<_>>(), [&b"d"[..], b"caf\xe9", b"x"]);
        assert_eq!((AbsPath::root().components().count(), AbsPath::root().names().count()), (0, 0));
    }

    #[test]
    fn what_is_directly_in_a_directory_has_a_name_there() {
        let (root, dir, other) = (AbsPath::root(), AbsPath::parse("/d").unwrap(), AbsPath::parse("/dx").unwrap());
        let (file, below) = (AbsPath::parse("/d/f").unwrap(), AbsPath::parse("/d/e/f").unwrap());
        assert_eq!((dir.name_in(&root), file.name_in(&dir)), (Some("d"), Some("f")));
        for (path, directory) in [(&root, &root), (&dir, &dir), (&below, &dir), (&file, &root), (&other, &dir)] {
            assert_eq!(path.name_in(directory), None, "{path} in {directory}");
        }
    }

    #[test]
    fn parts() {
        let path = AbsPath::parse("/srv/app/server.tar.gz").unwrap();
        assert_eq!(path.name(), "server.tar.gz");
        assert_eq!(path.extension(), "gz");
        assert_eq!(path.parents().collect::<Vec<_>>(), ["/srv/app", "/srv", "/"]);
        assert_eq!(AbsPath::root().parents().count(), 0);
        assert_eq!(AbsPath::root().name(), "");
        for (path, extension) in [
            ("/.profile", "profile"),
            ("/a/.key", "key"),
            ("/a/..key", "key"),
            ("/a/.tar.gz", "gz"),
            ("/a/b.", ""),
            ("/a.b/c", ""),
            ("/", ""),
        ] {
            assert_eq!(AbsPath::parse(path).unwrap().extension(), extension, "{path}");
        }
        assert!(path.is_in(&AbsPath::parse("/srv").unwrap()) && path.is_in(&AbsPath::root()) && path.is_in(&path));
        assert!(!AbsPath::parse("/srvx").unwrap().is_in(&AbsPath::parse("/srv").unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn normalising_is_stable(text in "[a-c./]{0,24}") {
            if let Ok(path) = AbsPath::root().resolve(&text) {
                proptest::prop_assert_eq!(AbsPath::parse(path.as_str()), Ok(path.clone()));
                proptest::prop_assert!(path.components().all(|c| c != "." && c != ".." && !c.is_empty()));
            }
        }
    }
}
