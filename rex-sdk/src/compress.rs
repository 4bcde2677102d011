//! Compression into memory (gzip and Zstandard), so that the size of the result is known before anything is written.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzEncoder;
use rex_core::limits::exceeded;
use ruzstd::encoding::{CompressionLevel, FrameCompressor};

use crate::expand::CompressionFormat;

/// A buffer in memory, up to the limit `file_bytes`.
pub(crate) struct Spool {
    bytes: Vec<u8>,
    max: u64,
}

impl Spool {
    pub(crate) fn new(max: u64) -> Self {
        Self { bytes: Vec::new(), max }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.max {
            return Err(io::Error::other(exceeded("file_bytes", self.max, "bytes of one file in memory")));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses all of `contents`, into at most `max` bytes.
pub(crate) fn compress(format: CompressionFormat, mut contents: impl Read, max: u64) -> io::Result<Vec<u8>> {
    let mut spool = Spool::new(max);
    match format {
        CompressionFormat::Gzip => {
            io::copy(&mut GzEncoder::new(contents, Compression::default()), &mut spool)?;
        }
        CompressionFormat::Zstandard => {
            let failed = RefCell::new(None);
            let mut encoder = FrameCompressor::new(CompressionLevel::Fastest);
            encoder.set_source(DeferredError { inner: &mut contents, failed: &failed });
            encoder.set_drain(DeferredError { inner: &mut spool, failed: &failed });
            encoder.compress();
            drop(encoder);
            if let Some(error) = failed.into_inner() {
                return Err(error);
            }
        }
        CompressionFormat::Xz | CompressionFormat::Bzip2 => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this format is read, and not written"));
        }
    }
    Ok(spool.into_bytes())
}

/// A reader or writer that keeps its first error in `failed` and shows the encoder the end of the data instead: the
/// encoder panics on errors.
struct DeferredError<'f, T> {
    inner: T,
    failed: &'f RefCell<Option<io::Error>>,
}

impl<T> DeferredError<'_, T> {
    fn attempt(&mut self, act: impl FnOnce(&mut T) -> io::Result<usize>, otherwise: usize) -> io::Result<usize> {
        let mut failed = self.failed.borrow_mut();
        if failed.is_some() {
            return Ok(otherwise);
        }
        Ok(act(&mut self.inner).unwrap_or_else(|error| {
            *failed = Some(error);
            otherwise
        }))
    }
}

impl<R: Read> Read for DeferredError<'_, &mut R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(|reader| reader.read(buffer), 0)
    }
}

impl Write for DeferredError<'_, &mut Spool> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|spool| spool.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expand::ExpandedReader;

    const FORMATS: [CompressionFormat; 2] = [CompressionFormat::Gzip, CompressionFormat::Zstandard];

    fn back(format: CompressionFormat, compressed: Vec<u8>) -> Vec<u8> {
        assert_eq!(CompressionFormat::of(&compressed), Some(format));
        let mut expanded = Vec::new();
        ExpandedReader::new(format, io::Cursor::new(compressed)).read_to_end(&mut expanded).unwrap();
        expanded
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            piece in proptest::collection::vec(any::<u8>(), 0..2_000),
            noise in proptest::collection::vec(0_u8..4, 0..3_000),
            times in 0_usize..200,
        ) {
            let contents = [piece.repeat(times), noise, piece].concat();
            for format in FORMATS {
                let compressed = compress(format, contents.as_slice(), u64::MAX).unwrap();
                prop_assert_eq!(&back(format, compressed), &contents);
            }
        }
    }

    #[test]
    fn what_repeats_itself_gets_small_and_blocks_have_no_seams() {
        let contents: Vec<u8> = (0..200_000_u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        for format in FORMATS {
            let compressed = compress(format, contents.as_slice(), u64::MAX).unwrap();
            assert!(compressed.len() < contents.len() / 2, "{format:?}: {}", compressed.len());
            assert_eq!(back(format, compressed), contents);
        }
    }

    #[test]
    fn failures_are_told_and_not_compressed() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        for format in FORMATS {
            let contents = b"start".chain(Broken);
            assert_eq!(compress(format, contents, u64::MAX).unwrap_err().to_string(), "broken");
            let error = compress(format, io::repeat(7).take(1 << 20), 10).unwrap_err();
            assert!(error.to_string().contains("file_bytes"), "{error}");
        }
    }
}
