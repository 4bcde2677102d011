//! The condition for the rotation of a journal, from the command line.

use std::time::Duration;

use rex_core::units::{self, QuantityError};

/// The size or the age at which a journal is rotated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rotation {
    pub(crate) size: Option<u64>,
    pub(crate) age: Option<Duration>,
}

impl Rotation {
    /// Parses `size=100MB,age=7d`, either or both.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not in the form `size=100MB,age=7d`");
        let mut rotation = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(bad)?;
            let (size, age) = match name {
                "size" => (size(value).map_err(|why| format!("{}: {why}", bad()))?, 0),
                "age" => (0, age(value).map_err(|why| format!("{}: {why}", bad()))?),
                _ => return Err(bad()),
            };
            if size == 0 && age == 0 {
                return Err(bad());
            }
            let value = size.max(age);
            let twice = match name {
                "size" => rotation.size.replace(value).is_some(),
                _ => rotation.age.replace(Duration::from_secs(value)).is_some(),
            };
            if twice {
                return Err(bad());
            }
        }
        Ok(rotation)
    }
}

/// Parses a size; a number alone is in bytes.
fn size(text: &str) -> Result<u64, QuantityError> {
    text.parse().or_else(|_| units::size(text))
}

fn age(text: &str) -> Result<u64, QuantityError> {
    units::duration(text).map(|age| age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages() {
        let rotation = |size, age: Option<u64>| Rotation { size, age: age.map(Duration::from_secs) };
        for (text, expected) in [
            ("size=100MB,age=7d", rotation(Some(100_000_000), Some(604_800))),
            ("age=12h", rotation(None, Some(43_200))),
            ("size=4096", rotation(Some(4_096), None)),
        ] {
            assert_eq!(Rotation::parse(text), Ok(expected), "{text}");
        }
        for text in
            ["", "size", "size=", "size=0", "size=1d", "age=1", "age=1MB", "size=1,size=2", "size=99999999999GB", "x=1"]
        {
            assert!(Rotation::parse(text).is_err(), "{text}");
        }
    }
}
