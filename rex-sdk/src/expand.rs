//! Transparent decoding of compressed data (gzip (RFC 1952), Zstandard (RFC 8878), xz and bzip2), recognized by its
//! first bytes, and of UTF-16.

mod frames;
mod utf16;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use rex_core::{Code, Error};

use self::frames::{Frame, NextFrame};
pub(crate) use self::utf16::{DecodedReader, MARK, UnmarkedSource, WideEncoding, decode};
use crate::os::{Source, SourceState};

/// Number of bytes that identify the format.
pub(crate) const START: usize = 16;
/// Maximum window of compressed data, in bytes, which is held in memory. It is the default of `zstd`.
const WINDOW: u64 = 128 << 20;
/// Memory for decoding xz beyond its window, in KiB.
const XZ_KIB: u32 = 256;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompressionFormat {
    Gzip,
    Zstandard,
    Xz,
    Bzip2,
}

/// The supported formats, for messages.
pub(crate) const READ: &str = "gzip, Zstandard, xz or bzip2";

impl CompressionFormat {
    /// Returns the format of data that starts like this, if it is supported.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        match start {
            // The third byte is the method; only one exists.
            [0x1F, 0x8B, 8, ..] => Some(Self::Gzip),
            // A frame, or a skippable frame before it.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Self::Zstandard),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // The first block, or the end if there is no block.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// Returns the name of the format of data that starts like this, if Rex knows but does not read it.
    pub(crate) fn unread(start: &[u8]) -> Option<&'static str> {
        match start {
            [0x04, 0x22, 0x4D, 0x18, ..] | [0x02, 0x21, 0x4C, 0x18, ..] => Some("lz4"),
            [0x1F, 0x9D, 0x80..=0x9F, ..] => Some("compress (.Z)"),
            [0x1F, 0x1E, ..] => Some("pack (.z)"),
            [b'L', b'Z', b'I', b'P', 0 | 1, ..] => Some("lzip"),
            [0x89, b'L', b'Z', b'O', 0, 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some("lzop"),
            [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => Some("7z"),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some("zip"),
            [b'R', b'a', b'r', b'!', 0x1A, 7, ..] => Some("rar"),
            [0xFF, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some("snappy"),
            // Of unknown size, as `xz --format=lzma` writes it.
            [0x5D, 0, 0, _, _, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, ..] => Some("lzma"),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "Zstandard",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// Returns the error of a file in a format that Rex does not read.
pub(crate) fn unread(format: &str, path: &str) -> Error {
    let message = format!("`{}` is compressed by {format}, which Rex does not read", path.escape_debug());
    Error::new(Code::Unsupported, message).with_help(format!("expand it first, or compress it by {READ}"))
}

/// The reason why a damaged or truncated file could not be read further. The data before the damage is correct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileDamage(String);

impl fmt::Display for FileDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileDamage {}

impl FileDamage {
    /// Returns the damage that an error reports, if any.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

fn damage(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, FileDamage(why.into()))
}

/// Returns the error of data that would take too much memory.
fn too_far() -> io::Error {
    let message = format!("it was compressed with a window of more than {} MiB", WINDOW >> 20);
    io::Error::other(Error::new(Code::LimitExceeded, message).with_help("compress it with a smaller one, as is usual"))
}

/// The contents of a compressed file. Their size is unknown, and they can only be read from start to end.
pub(crate) struct ExpandedReader<R: Read> {
    format: CompressionFormat,
    part: CompressedPart<BufReader<DecoderInput<R>>>,
    failed: SharedError,
}

/// The parts of a compressed file, one after the other: members of gzip, frames of Zstandard, streams of xz and bzip2.
enum CompressedPart<R: Read> {
    Start(R),
    Between(R),
    Gzip(Box<GzDecoder<R>>),
    Zstandard(Box<Frame<R>>),
    Xz(Box<XzReader<R>>),
    Bzip2(Box<BzDecoder<R>>),
    /// Everything was read, or reading failed for this reason.
    Over(Option<FileDamage>),
}

/// The error of the reader below a decoder, which the decoder would replace with its own.
type SharedError = Arc<Mutex<Option<io::Error>>>;

struct DecoderInput<R> {
    inner: R,
    failed: SharedError,
}

impl<R: Read> Read for DecoderInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let told = io::Error::from(error.kind());
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            told
        })
    }
}

impl<R: Read> ExpandedReader<R> {
    pub(crate) fn new(format: CompressionFormat, compressed: R) -> Self {
        let failed = SharedError::default();
        let input = DecoderInput { inner: compressed, failed: failed.clone() };
        Self { format, part: CompressedPart::Start(BufReader::with_capacity(64 << 10, input)), failed }
    }

    /// Starts the next part.
    fn begin(&self, input: BufReader<DecoderInput<R>>) -> io::Result<CompressedPart<BufReader<DecoderInput<R>>>> {
        Ok(match self.format {
            CompressionFormat::Gzip => CompressedPart::Gzip(Box::new(GzDecoder::new(input))),
            CompressionFormat::Bzip2 => CompressedPart::Bzip2(Box::new(BzDecoder::new(input))),
            CompressionFormat::Xz => {
                let kib = u32::try_from(WINDOW >> 10).unwrap_or(u32::MAX - XZ_KIB) + XZ_KIB;
                CompressedPart::Xz(Box::new(XzReader::new_mem_limit(input, false, kib)))
            }
            CompressionFormat::Zstandard => match frames::begin(input)? {
                NextFrame::Frame(frame) => CompressedPart::Zstandard(frame),
                NextFrame::Skipped(input) => CompressedPart::Between(input),
            },
        })
    }

    /// Reads from the current part; at its end, starts the next step and returns `None`.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let count = match &mut self.part {
            CompressedPart::Start(_) | CompressedPart::Between(_) => 0,
            CompressedPart::Gzip(decoder) => decoder.read(buffer)?,
            CompressedPart::Zstandard(frame) => frame.read(buffer)?,
            CompressedPart::Xz(decoder) => decoder.read(buffer)?,
            CompressedPart::Bzip2(decoder) => decoder.read(buffer)?,
            CompressedPart::Over(None) => return Ok(Some(0)),
            CompressedPart::Over(Some(why)) => return Err(io::Error::new(io::ErrorKind::InvalidData, why.clone())),
        };
        if count > 0 {
            return Ok(Some(count));
        }
        self.part = match std::mem::replace(&mut self.part, CompressedPart::Over(None)) {
            CompressedPart::Start(input) => self.begin(input)?,
            CompressedPart::Between(mut input) => match after_padding(&mut input)? {
                true => self.begin(input)?,
                false => return Ok(Some(0)),
            },
            CompressedPart::Gzip(decoder) => CompressedPart::Between(decoder.into_inner()),
            CompressedPart::Zstandard(frame) => CompressedPart::Between(frame.into_inner()),
            CompressedPart::Xz(decoder) => CompressedPart::Between(decoder.into_inner()),
            CompressedPart::Bzip2(decoder) => CompressedPart::Between(decoder.into_inner()),
            CompressedPart::Over(_) => return Ok(Some(0)),
        };
        Ok(None)
    }

    /// Returns the cause of an error, in plain words.
    fn told(&self, error: io::Error) -> io::Error {
        if let Some(error) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return error;
        }
        match error.kind() {
            _ if FileDamage::of(&error).is_some() => error,
            io::ErrorKind::OutOfMemory => too_far(),
            io::ErrorKind::UnexpectedEof => damage("the compressed data ends too early"),
            _ if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => error,
            _ => damage(format!("the compressed data is damaged, or is not {} to its end", self.format.as_str())),
        }
    }
}

/// Skips zeros, which fill the last block of a tape, or of a file system after a crash; `false` if nothing follows
/// them.
fn after_padding(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let rest = input.fill_buf()?;
        if rest.is_empty() {
            return Ok(false);
        }
        match rest.iter().position(|&byte| byte != 0) {
            Some(zeros) => {
                input.consume(zeros);
                return Ok(true);
            }
            None => {
                let zeros = rest.len();
                input.consume(zeros);
            }
        }
    }
}

impl<R: Read> Read for ExpandedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.advance(buffer) {
                Ok(Some(count)) => return Ok(count),
                Ok(None) => {}
                Err(error) => {
                    let error = self.told(error);
                    // Further reads return this error again; a failed decoder is not used again.
                    let why = FileDamage::of(&error).cloned().unwrap_or_else(|| FileDamage(error.to_string()));
                    self.part = CompressedPart::Over(Some(why));
                    return Err(error);
                }
            }
        }
    }
}

impl<R: Read + Send> Source for ExpandedReader<R> {
    fn size(&self) -> u64 {
        0
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a compressed file is read from its start"))
    }

    fn state(&self) -> io::Result<SourceState> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a compressed file is not followed"))
    }

    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        read_into(self, bytes)
    }
}

/// Reads once, into the spare capacity of a vector.
fn read_into(reader: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let room = (bytes.capacity() - bytes.len()) as u64;
    let length = bytes.len();
    reader.by_ref().take(room).read_to_end(bytes).map(|_| bytes.len() - length)
}

/// A reader of a file that shares no position with others.
pub(crate) struct OffsetReader<'m> {
    pub(crate) source: &'m dyn Source,
    pub(crate) offset: u64,
}

impl Read for OffsetReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A file that is not read: every read returns this error.
pub(crate) struct FailingReader(pub(crate) Error);

impl Read for FailingReader {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(self.0.clone()))
    }
}

impl Source for FailingReader {
    fn size(&self) -> u64 {
        0
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::Error::other(self.0.clone()))
    }

    fn state(&self) -> io::Result<SourceState> {
        Err(io::Error::other(self.0.clone()))
    }

    fn read_into(&mut self, _: &mut Vec<u8>) -> io::Result<usize> {
        Err(io::Error::other(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;
    use crate::compress::compress;

    /// The output of `printf 'one\ntwo\n' | zstd --check`.
    const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x41\x00\x00one\ntwo\n\xe6\xa6\x0e\x40";
    /// The same text compressed by `xz`.
    const XZ: &[u8] = b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\x01\x00\x07\x6f\x6e\x65\x0a\x74\x77\x6f\x0a\x00\x51\xab\x9e\xaf\x57\x75\x70\x49\x00\x01\x20\x08\xbb\x19\xd9\xbb\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a";
    /// The same text compressed by `bzip2`.
    const BZIP2: &[u8] = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xa7\x14\x2b\x77\x00\x00\x02\xc1\x80\x00\x10\x02\x01\x84\x80\x20\x00\x21\x80\x0c\x02\x38\xf5\x1b\x8b\xb9\x22\x9c\x28\x48\x53\x8a\x15\xbb\x80";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn expand(compressed: &[u8]) -> io::Result<Vec<u8>> {
        let format = CompressionFormat::of(compressed).expect("a format");
        let mut expanded = Vec::new();
        ExpandedReader::new(format, io::Cursor::new(compressed.to_vec())).read_to_end(&mut expanded)?;
        Ok(expanded)
    }

    #[test]
    fn what_was_packed_comes_out_part_by_part() {
        let skip = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", ZSTD].concat();
        for (compressed, text) in [
            (gzip(b"one\n"), &b"one\n"[..]),
            ([gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat(), b"one\ntwo\n"),
            (ZSTD.to_vec(), b"one\ntwo\n"),
            ([ZSTD, &skip].concat(), b"one\ntwo\none\ntwo\n"),
            (skip.clone(), b"one\ntwo\n"),
            (skip[..11].to_vec(), b""),
            (XZ.to_vec(), b"one\ntwo\n"),
            ([XZ, XZ].concat(), b"one\ntwo\none\ntwo\n"),
            (BZIP2.to_vec(), b"one\ntwo\n"),
            ([BZIP2, BZIP2].concat(), b"one\ntwo\none\ntwo\n"),
        ] {
            for zeros in [0, 1, 4, 100_000] {
                assert_eq!(expand(&[&compressed[..], &vec![0; zeros]].concat()).unwrap(), text, "{zeros}");
            }
            let error = expand(&[&compressed[..], b"\0rest"].concat()).unwrap_err();
            assert!(FileDamage::of(&error).is_some(), "{error:?}");
        }
        assert_eq!(CompressionFormat::of(b"\x1f\x8b\x09"), None);
        assert_eq!(CompressionFormat::of(b"\x28\xb5\x2f"), None);
        assert_eq!(CompressionFormat::of(b"BZh is how this text begins"), None);
    }

    #[test]
    fn what_is_damaged_or_cut_off_is_told() {
        for whole in
            [gzip(b"some text that is long enough to be something"), ZSTD.to_vec(), XZ.to_vec(), BZIP2.to_vec()]
        {
            for end in START..whole.len() {
                let error = expand(&whole[..end]).expect_err("cut off");
                assert_eq!(error.to_string(), "the compressed data ends too early", "at {end}");
            }
            let mut damaged = whole.clone();
            damaged[whole.len() - 4] ^= 0x10;
            assert!(FileDamage::of(&expand(&damaged).unwrap_err()).is_some(), "another checksum, size or end");
        }
    }

    #[test]
    fn what_comes_before_the_damage_is_read_and_the_damage_is_told_again() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        for format in [CompressionFormat::Gzip, CompressionFormat::Zstandard] {
            let whole = compress(format, text.as_slice(), u64::MAX).unwrap();
            let mut expanded = ExpandedReader::new(format, io::Cursor::new(whole[..whole.len() / 2].to_vec()));
            let mut read = Vec::new();
            let error = expanded.read_to_end(&mut read).unwrap_err();
            assert!(read.len() > text.len() / 3 && text.starts_with(&read), "{format:?}: {}", read.len());
            assert_eq!(expanded.read(&mut [0; 9]).unwrap_err().to_string(), error.to_string());
        }
    }

    #[test]
    fn a_window_is_bounded_and_that_is_no_damage() {
        // Windows of 2^41 bytes and of 256 MiB, and an xz dictionary of 1.5 GiB.
        let mut xz = XZ.to_vec();
        xz[16] = 37;
        let sum = crc(&xz[12..20]);
        xz[20..24].copy_from_slice(&sum.to_le_bytes());
        for far in [
            b"\x28\xb5\x2f\xfd\x00\xf8\x41\x00\x00one\ntwo\n".to_vec(),
            b"\x28\xb5\x2f\xfd\x00\x90\x41\x00\x00one\ntwo\n".to_vec(),
            xz,
        ] {
            let error = expand(&far).unwrap_err().downcast::<Error>().unwrap();
            assert_eq!(
                error.to_string(),
                "LIMIT_EXCEEDED_EXCEPTION: it was compressed with a window of more than 128 MiB"
            );
        }
        // Exactly 128 MiB.
        assert_eq!(expand(b"\x28\xb5\x2f\xfd\x00\x88\x41\x00\x00one\ntwo\n").unwrap(), b"one\ntwo\n");
    }

    /// Computes the checksum of an xz header.
    fn crc(bytes: &[u8]) -> u32 {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        sum.sum()
    }

    #[test]
    fn an_error_below_is_told_as_it_is() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        for (format, whole) in [
            (CompressionFormat::Gzip, gzip(b"one")),
            (CompressionFormat::Zstandard, ZSTD.to_vec()),
            (CompressionFormat::Xz, XZ.to_vec()),
            (CompressionFormat::Bzip2, BZIP2.to_vec()),
        ] {
            let source = io::Cursor::new(whole[..whole.len() - 1].to_vec()).chain(Broken);
            let error = ExpandedReader::new(format, source).read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), "broken", "{format:?}");
        }
    }

    #[test]
    fn a_bomb_comes_piece_by_piece() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        let mut piece = vec![1; 1 << 16];
        let mut expanded = ExpandedReader::new(CompressionFormat::Gzip, io::Cursor::new(bomb));
        expanded.read_exact(&mut piece).unwrap();
        assert!(piece.iter().all(|byte| *byte == 0));
    }
}
