//! Compressed text that reads as if it were plain: gzip (RFC 1952) and Zstandard (RFC 8878), told by how it starts.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::os::{Source, SourceState};

/// How many bytes tell the format.
pub(crate) const START: usize = 4;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Gzip,
    Zstandard,
}

impl Format {
    /// The format of what starts like this, if it is one.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        match start {
            // The third byte is the method, of which there is one.
            [0x1F, 0x8B, 8, ..] => Some(Self::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }
}

/// What is in a compressed file. Its size is unknown, and it is read from its start to its end.
pub(crate) enum Expanded<R> {
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstandard(Box<Frames<BufReader<R>>>),
}

impl<R: Read> Expanded<R> {
    pub(crate) fn new(format: Format, compressed: R) -> Self {
        let compressed = BufReader::with_capacity(64 << 10, compressed);
        match format {
            Format::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(compressed))),
            Format::Zstandard => Self::Zstandard(Box::new(Frames::new(compressed))),
        }
    }
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstandard(frames) => frames.read(buffer),
        }
    }
}

impl<R: Read + Send> Source for Expanded<R> {
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
        let room = (bytes.capacity() - bytes.len()) as u64;
        let length = bytes.len();
        let read = self.by_ref().take(room).read_to_end(bytes);
        read.map(|_| bytes.len() - length)
    }
}

/// Frames of Zstandard, one after the other; each is held against its checksum, if it has one.
pub(crate) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        // A frame without content. The decoder refuses windows above 100 MiB, but not in the first frame that it sees.
        const EMPTY: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x00, 0x01, 0x00, 0x00];
        let mut decoder = FrameDecoder::new();
        // What is constant is right, or a test fails.
        let _ = decoder.init(EMPTY);
        Self { source, decoder, within: false }
    }

    /// Starts the next frame that holds data; `false` if there is none.
    fn next(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped != u64::from(length) {
                        return Err(damaged("it ends too early"));
                    }
                }
                Err(error) => return Err(damaged(&error.to_string())),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.within = self.within || self.next()?;
            if !self.within {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let some = BlockDecodingStrategy::UptoBytes(buffer.len());
                self.decoder.decode_blocks(&mut self.source, some).map_err(|error| damaged(&error.to_string()))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let told = self.decoder.get_checksum_from_data();
            if told.is_some() && told != self.decoder.get_calculated_checksum() {
                return Err(damaged("its checksum is another"));
            }
            self.within = false;
        }
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the compressed data is damaged: {why}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    /// What `printf 'one\ntwo\n' | zstd --check` writes.
    const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x41\x00\x00one\ntwo\n\xe6\xa6\x0e\x40";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn expand(compressed: &[u8]) -> io::Result<Vec<u8>> {
        let format = Format::of(compressed).expect("a format");
        let mut expanded = Vec::new();
        Expanded::new(format, io::Cursor::new(compressed.to_vec())).read_to_end(&mut expanded)?;
        Ok(expanded)
    }

    #[test]
    fn what_was_packed_comes_out_member_by_member() {
        let skip = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", ZSTD].concat();
        for (compressed, text) in [
            (gzip(b"one\n"), &b"one\n"[..]),
            ([gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat(), b"one\ntwo\n"),
            (ZSTD.to_vec(), b"one\ntwo\n"),
            ([ZSTD, &skip].concat(), b"one\ntwo\none\ntwo\n"),
        ] {
            assert_eq!(expand(&compressed).unwrap(), text);
        }
        assert_eq!(Format::of(b"\x1f\x8b\x09"), None);
        assert_eq!(Format::of(b"\x28\xb5\x2f"), None);
    }

    #[test]
    fn what_is_damaged_or_cut_off_is_told() {
        for whole in [gzip(b"some text that is long enough to be something"), ZSTD.to_vec()] {
            for end in START..whole.len() {
                assert!(expand(&whole[..end]).is_err(), "cut off at {end}");
            }
            let mut damaged = whole.clone();
            *damaged.last_mut().unwrap() ^= 1;
            assert!(expand(&damaged).is_err(), "another checksum or size");
        }
        // A window of 2^41 bytes: refused, and nothing of it made.
        assert!(expand(b"\x28\xb5\x2f\xfd\x00\xf8\x41\x00\x00one\ntwo\n").is_err());
    }

    #[test]
    fn a_bomb_comes_piece_by_piece() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        let mut piece = vec![1; 1 << 16];
        let mut expanded = Expanded::new(Format::Gzip, io::Cursor::new(bomb));
        expanded.read_exact(&mut piece).unwrap();
        assert!(piece.iter().all(|byte| *byte == 0));
    }
}
