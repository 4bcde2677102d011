//! Decoding of UTF-16, recognized by the mark at its start, to UTF-8; and UTF-8 without such a mark.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_16BE, UTF_16LE};
use rex_core::{Code, Error};

use super::{FileDamage, damage, read_into};
use crate::os::{Source, SourceState};

/// Number of bytes decoded at a time.
const PIECE: usize = 32 << 10;
/// The message for text that does not match its mark.
const MALFORMED: &str = "it is not UTF-16, as its byte order mark says, to its end";

/// An encoding whose characters are wider than a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WideEncoding {
    Utf16(&'static Encoding),
    /// An encoding that is recognized but not read.
    Utf32,
}

impl WideEncoding {
    /// Returns the encoding of a text with this start, if it is a wide one.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some(Self::Utf32),
            [0xFF, 0xFE, ..] => Some(Self::Utf16(UTF_16LE)),
            [0xFE, 0xFF, ..] => Some(Self::Utf16(UTF_16BE)),
            _ => None,
        }
    }

    fn decoder(self) -> io::Result<Decoder> {
        match self {
            Self::Utf16(encoding) => Ok(encoding.new_decoder_with_bom_removal()),
            Self::Utf32 => {
                let error = Error::new(Code::Unsupported, "it is UTF-32, which Rex does not read");
                Err(io::Error::other(error.with_help("convert it to UTF-8 first")))
            }
        }
    }
}

/// Returns a text as UTF-8, cut at one byte more than `max`; text in other encodings is unchanged.
pub(crate) fn decode(bytes: Vec<u8>, max: u64) -> io::Result<Vec<u8>> {
    if WideEncoding::of(&bytes).is_none() {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    DecodedReader::new(io::Cursor::new(bytes)).take(max.saturating_add(1)).read_to_end(&mut text)?;
    Ok(text)
}

/// The UTF-8 byte order mark.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// A reader that turns UTF-16 into UTF-8, and passes on anything else unchanged except for a mark at its start.
pub(crate) struct DecodedReader<R> {
    inner: R,
    /// `true` if a UTF-8 mark is passed on too.
    keeps_mark: bool,
    /// The decoder; the outer `None` before the start was read.
    decoder: Option<Option<Box<Decoder>>>,
    /// Bytes read ahead to examine the start.
    ahead: Vec<u8>,
    /// The decoded text; `given` is how much of it was returned.
    text: Vec<u8>,
    given: usize,
    /// The state after that text.
    then: DecodeState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DecodeState {
    More,
    End,
    Malformed,
}

impl<R: Read> DecodedReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        let (ahead, text) = (Vec::new(), Vec::new());
        Self { inner, keeps_mark: false, decoder: None, ahead, text, given: 0, then: DecodeState::More }
    }

    /// Creates a reader that keeps a UTF-8 mark.
    pub(crate) fn with_mark(inner: R) -> Self {
        Self { keeps_mark: true, ..Self::new(inner) }
    }

    /// Returns the underlying reader.
    pub(crate) fn inner(&self) -> &R {
        &self.inner
    }

    fn start(&mut self) -> io::Result<()> {
        if self.decoder.is_none() {
            if let Err(error) = self.inner.by_ref().take(4).read_to_end(&mut self.ahead)
                // The inner reader reports damage again, after the data before it.
                && (self.ahead.is_empty() || FileDamage::of(&error).is_none())
            {
                return Err(error);
            }
            if self.ahead.starts_with(MARK) && !self.keeps_mark {
                self.ahead.drain(..MARK.len());
            }
            self.decoder = Some(WideEncoding::of(&self.ahead).map(WideEncoding::decoder).transpose()?.map(Box::new));
        }
        Ok(())
    }

    fn give(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.text.get(self.given..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        count
    }
}

impl<R: Read> Read for DecodedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.start()?;
        loop {
            let count = self.give(buffer);
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut piece = std::mem::take(&mut self.ahead);
            let Some(Some(decoder)) = &mut self.decoder else {
                if piece.is_empty() {
                    return self.inner.read(buffer);
                }
                (self.text, self.given) = (piece, 0);
                continue;
            };
            match self.then {
                DecodeState::More => {}
                DecodeState::End => return Ok(0),
                DecodeState::Malformed => return Err(damage(MALFORMED)),
            }
            if piece.is_empty() {
                piece.resize(PIECE, 0);
                let count = self.inner.read(&mut piece)?;
                piece.truncate(count);
            }
            let last = piece.is_empty();
            let room = decoder.max_utf8_buffer_length_without_replacement(piece.len()).unwrap_or(4 * PIECE);
            let mut text = vec![0; room];
            let (result, _, written) = decoder.decode_to_utf8_without_replacement(&piece, &mut text, last);
            text.truncate(written);
            (self.text, self.given) = (text, 0);
            self.then = match result {
                DecoderResult::InputEmpty if last => DecodeState::End,
                DecoderResult::InputEmpty => DecodeState::More,
                _ => DecodeState::Malformed,
            };
        }
    }
}

impl<R: Read + Send> Source for DecodedReader<R> {
    fn size(&self) -> u64 {
        0
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a text in another encoding is read from its start"))
    }

    fn state(&self) -> io::Result<SourceState> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a text in another encoding is not followed"))
    }

    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        read_into(self, bytes)
    }
}

/// A file without its mark at the start.
pub(crate) struct UnmarkedSource {
    inner: Box<dyn Source>,
    is_at_start: bool,
}

impl UnmarkedSource {
    pub(crate) fn new(inner: Box<dyn Source>) -> Self {
        Self { inner, is_at_start: true }
    }

    fn skip(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_at_start) {
            io::copy(&mut self.inner.by_ref().take(MARK.len() as u64), &mut io::sink())?;
        }
        Ok(())
    }
}

impl Read for UnmarkedSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.skip()?;
        self.inner.read(buffer)
    }
}

impl Source for UnmarkedSource {
    fn size(&self) -> u64 {
        self.inner.size().saturating_sub(MARK.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset.saturating_add(MARK.len() as u64))
    }

    fn state(&self) -> io::Result<SourceState> {
        let state = self.inner.state()?;
        Ok(SourceState { size: state.size.saturating_sub(MARK.len() as u64), ..state })
    }

    fn read_into(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.skip()?;
        self.inner.read_into(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text in both byte orders.
    fn wide(text: &str) -> [Vec<u8>; 2] {
        let units = || std::iter::once(0xFEFF).chain(text.encode_utf16());
        [units().flat_map(u16::to_le_bytes).collect(), units().flat_map(u16::to_be_bytes).collect()]
    }

    #[test]
    fn text_comes_out_as_utf8_whatever_the_pieces() {
        let text = "a\r\né €\u{1f600}\n".repeat(5_000);
        for bytes in wide(&text) {
            assert_eq!(decode(bytes.clone(), u64::MAX).unwrap(), text.as_bytes());
            let mut pieces = Vec::new();
            let mut decoded = DecodedReader::new(bytes.as_slice());
            let mut piece = [0; 7];
            while let count @ 1.. = decoded.read(&mut piece).unwrap() {
                pieces.extend_from_slice(&piece[..count]);
            }
            assert_eq!(pieces, text.as_bytes());
        }
        for plain in [&b""[..], b"a", b"plain text", b"\xef\xbb", b"\xef\xbb\xbfmarked", b"\xff"] {
            let mut same = Vec::new();
            DecodedReader::with_mark(plain).read_to_end(&mut same).unwrap();
            assert_eq!(same, plain);
            same.clear();
            DecodedReader::new(plain).read_to_end(&mut same).unwrap();
            assert_eq!(same, plain.strip_prefix(MARK).unwrap_or(plain));
        }
    }

    #[test]
    fn what_is_no_utf16_is_told_after_what_comes_before() {
        let [mut odd, _] = wide("one\n");
        odd.push(b'x');
        let lone = [&b"\xff\xfea\0"[..], b"\0\xd8b\0"].concat();
        for (bytes, before) in [(odd, "one\n"), (lone, "a")] {
            let mut read = Vec::new();
            let error = DecodedReader::new(bytes.as_slice()).read_to_end(&mut read).unwrap_err();
            assert_eq!((read.as_slice(), error.to_string().as_str()), (before.as_bytes(), MALFORMED));
        }
        let error = decode(b"\xff\xfe\0\0a\0\0\0".to_vec(), 9).unwrap_err();
        assert_eq!(error.to_string(), "UNSUPPORTED_EXCEPTION: it is UTF-32, which Rex does not read");
    }
}
