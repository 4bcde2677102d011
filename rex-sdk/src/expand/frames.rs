//! Frames of Zstandard.

use std::io::{self, BufRead, Read};

use rex_core::{Code, Error};
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{WINDOW, damage, too_far};

/// The start of a frame and, except for its low four bits, of a skippable frame.
const FRAME: u32 = 0xFD2F_B528;
const SKIPPED: u32 = 0x184D_2A50;

/// The next frame.
pub(super) enum NextFrame<R> {
    /// A frame that holds data.
    Frame(Box<Frame<R>>),
    /// A skippable frame, which was passed over.
    Skipped(R),
}

/// Starts reading the next frame.
pub(super) fn begin<R: BufRead>(mut source: R) -> io::Result<NextFrame<R>> {
    let magic: [u8; 4] = exactly(&mut source)?;
    match u32::from_le_bytes(magic) {
        FRAME => {}
        start if start & !0xF == SKIPPED => {
            let length = u64::from(u32::from_le_bytes(exactly(&mut source)?));
            let skipped = io::copy(&mut source.by_ref().take(length), &mut io::sink())?;
            return if skipped == length {
                Ok(NextFrame::Skipped(source))
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        _ => return Err(damage("something else follows the compressed data")),
    }
    let mut header = magic.to_vec();
    let window = window(&mut source, &mut header)?;
    if window > WINDOW {
        return Err(too_far());
    }
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WINDOW);
    decoder.init(header.as_slice()).map_err(|error| match error {
        FrameDecoderError::DictNotProvided { .. } => {
            let message = "it was compressed with a dictionary, which is not in it";
            io::Error::other(Error::new(Code::Unsupported, message))
        }
        _ => damage("the compressed data is damaged"),
    })?;
    Ok(NextFrame::Frame(Box::new(Frame { source, decoder, failed: None })))
}

fn exactly<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads the rest of a header and returns how far back the frame refers, in bytes; RFC 8878, section 3.1.1.1.
fn window(source: &mut impl Read, header: &mut Vec<u8>) -> io::Result<u64> {
    let mut read = |length: usize| -> io::Result<u64> {
        let mut bytes = [0; 8];
        let (field, _) = bytes.split_at_mut(length.min(8));
        source.read_exact(field)?;
        header.extend_from_slice(field);
        Ok(u64::from_le_bytes(bytes))
    };
    let descriptor = read(1)?;
    let single = descriptor >> 5 & 1 == 1;
    let window = if single { 0 } else { read(1)? };
    read(match descriptor & 3 {
        3 => 4,
        length => usize::try_from(length).unwrap_or(0),
    })?;
    let size = match (descriptor >> 6, single) {
        (0, false) => 0,
        (0, true) => read(1)?,
        (1, _) => read(2)?.saturating_add(256),
        (2, _) => read(4)?,
        _ => read(8)?,
    };
    let base = 1_u64 << (10 + (window >> 3));
    Ok(if single { size } else { base + base / 8 * (window & 7) })
}

/// A last block that is empty, followed by the checksum.
const END: &[u8] = &[1, 0, 0, 0, 0, 0, 0];

/// A frame that holds data, checked against its checksum if it has one.
pub(super) struct Frame<R> {
    source: R,
    decoder: FrameDecoder,
    /// The error that stops decoding, returned after the data decoded before it.
    failed: Option<io::Error>,
}

impl<R> Frame<R> {
    pub(super) fn into_inner(self) -> R {
        self.source
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.failed.is_none() && self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let some = BlockDecodingStrategy::UptoBytes(buffer.len());
            if self.decoder.decode_blocks(&mut self.source, some).is_ok() {
                continue;
            }
            self.failed = Some(match self.source.fill_buf() {
                Ok([]) => io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => damage("the compressed data is damaged"),
                Err(error) => error,
            });
            // The decoder keeps data that later blocks could refer to until it sees the end. The error is returned
            // after that.
            let _ = self.decoder.decode_blocks(END, BlockDecodingStrategy::All);
        }
        let count = self.decoder.read(buffer)?;
        if count > 0 {
            return Ok(count);
        }
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let told = self.decoder.get_checksum_from_data();
        if told.is_some() && told != self.decoder.get_calculated_checksum() {
            return Err(damage("the compressed data is damaged: its checksum does not match"));
        }
        Ok(0)
    }
}
