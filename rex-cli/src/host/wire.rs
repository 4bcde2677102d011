//! What worker and supervisor tell each other: frames of a kind, a length, and that many bytes.
//!
//! The supervisor believes nothing that a worker says about others than itself: a worker may have been taken over.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv,
    recvmsg, sendmsg,
};

use rex_sdk::os::Failure;
use serde::{Deserialize, Serialize};

use super::broker::Ask;

/// How long whoever waits for a frame looks again and again before it lets itself be woken.
const MOMENT: Duration = Duration::from_micros(40);

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To the supervisor: the policy is rejected, or has warnings. It looks for itself.
    Warned = b'W',
    /// To the supervisor: how the worker is confined. Nothing of the script was looked at before.
    Confined = b'C',
    /// To the supervisor: lines for the journal.
    Records = b'R',
    /// To the supervisor: lines for the journal, of which the last is about an act that waits for an answer.
    Intent = b'I',
    /// To the supervisor: a line that the script printed.
    Output = b'P',
    /// To the supervisor: something that the worker cannot do itself, see [`Question`].
    Ask = b'S',
    /// To the supervisor: the report. Nothing comes after it.
    Report = b'F',
    /// To the worker: the lines are where they belong.
    Written = b'A',
    /// To the worker: they are not, for this reason.
    Lost = b'N',
    /// To the worker: see [`Answer`].
    Answer = b'U',
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Warned,
        Self::Confined,
        Self::Records,
        Self::Intent,
        Self::Output,
        Self::Ask,
        Self::Report,
        Self::Written,
        Self::Lost,
        Self::Answer,
    ];
}

/// Sends one frame.
pub(crate) fn send(mut to: impl Write, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&frame(kind, bytes)?)
}

/// Sends one frame with a descriptor, which whoever gets the frame has too from then on.
pub(crate) fn send_with(mut to: &UnixStream, kind: Kind, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<()> {
    let frame = frame(kind, bytes)?;
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    // INVARIANT: the room is for one.
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(to, &[IoSlice::new(&frame)], &mut control, SendFlags::NOSIGNAL)?;
    to.write_all(frame.get(sent..).unwrap_or_default())
}

fn frame(kind: Kind, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = |_| io::Error::other(format!("a frame of {} bytes is too long", bytes.len()));
    let length = u32::try_from(bytes.len()).map_err(too_long)?;
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(kind as u8);
    frame.extend(length.to_le_bytes());
    frame.extend(bytes);
    Ok(frame)
}

/// Frames out of the bytes that come.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    most: u64,
    /// What came with them, where it is taken.
    descriptors: Option<Vec<OwnedFd>>,
}

impl Frames {
    /// Frames of so many bytes at most.
    pub(crate) fn new(most: u64) -> Self {
        Self { bytes: Vec::new(), most, descriptors: None }
    }

    /// The same, taking descriptors. Whoever does not trust the other end takes none: the kernel closes what comes.
    pub(crate) fn with_descriptors(self) -> Self {
        Self { descriptors: Some(Vec::new()), ..self }
    }

    /// The descriptor that came last; those before it are closed.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.as_mut().and_then(|all| all.drain(..).next_back())
    }

    /// The next frame, if all of it has come.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Kind, Vec<u8>)>> {
        let Some((&[kind, a, b, c, d], rest)) = self.bytes.split_first_chunk() else { return Ok(None) };
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind);
        let length = u32::from_le_bytes([a, b, c, d]);
        let (Some(kind), true) = (kind, u64::from(length) <= self.most) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is not a frame"));
        };
        let Some(body) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else { return Ok(None) };
        let body = body.to_vec();
        self.bytes.drain(..5 + body.len());
        Ok(Some((kind, body)))
    }

    /// Reads what there is, or comes before the stream times out; `false` at the end.
    pub(crate) fn fill(&mut self, from: &UnixStream) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let start = Instant::now();
        let count = loop {
            match receive(from, &mut buffer, self.descriptors.as_mut(), RecvFlags::DONTWAIT) {
                // To be woken takes longer than most answers do.
                Err(Errno::AGAIN) if start.elapsed() < MOMENT => std::thread::yield_now(),
                Err(Errno::AGAIN) => {
                    break receive(from, &mut buffer, self.descriptors.as_mut(), RecvFlags::empty())?;
                }
                other => break other?,
            }
        };
        self.bytes.extend(buffer.get(..count).unwrap_or_default());
        Ok(count > 0)
    }
}

fn receive(
    from: &UnixStream,
    buffer: &mut [u8],
    taken: Option<&mut Vec<OwnedFd>>,
    flags: RecvFlags,
) -> rustix::io::Result<usize> {
    let Some(taken) = taken else { return recv(from, buffer, flags).map(|(count, _)| count) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(from, &mut [IoSliceMut::new(buffer)], &mut control, flags | RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            taken.extend(descriptors);
        }
    }
    Ok(message.bytes)
}

/// What a worker asks for: it reaches nobody else itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    /// Names the answer.
    pub(crate) number: u64,
    /// What is to be done.
    pub(crate) ask: Ask,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Of what was asked.
    pub(crate) number: u64,
    /// What came of it, or why nothing did.
    pub(crate) result: Result<serde_json::Value, Failure>,
}

/// How a worker is confined, in reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confined {
    /// `require`, `available` or `off`.
    pub(crate) mode: String,
    /// The controllers of the control group that hold the worker; `null` if no group was delegated to this process.
    pub(crate) group: Option<Vec<String>>,
    /// The version of the kernel's Landlock; `null` where it has none.
    pub(crate) landlock: Option<u32>,
    /// Each part with what was found by trying.
    pub(crate) parts: Vec<ConfinedPart>,
}

/// One part of a confinement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfinedPart {
    /// `files`, `programs`, ...
    pub(crate) part: String,
    /// `VERIFIED`, `UNBOUNDED` or `MISSING`.
    pub(crate) state: String,
    /// Why it is missing.
    pub(crate) why: Option<String>,
    /// What holds it, as far as it holds.
    pub(crate) by: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let mut bytes = Vec::new();
        send(&mut bytes, Kind::Records, b"abc").unwrap();
        send(&mut bytes, Kind::Written, b"").unwrap();
        let (mut to, from) = UnixStream::pair().unwrap();
        let mut frames = Frames::new(3);
        let mut out = Vec::new();
        for byte in bytes {
            to.write_all(&[byte]).unwrap();
            assert!(frames.fill(&from).unwrap());
            out.extend(frames.next().unwrap());
        }
        assert_eq!(out, [(Kind::Records, b"abc".to_vec()), (Kind::Written, Vec::new())]);
        drop(to);
        assert!(!frames.fill(&from).unwrap());
    }

    #[test]
    fn a_descriptor_comes_with_its_frame_where_it_is_taken() {
        let (to, from) = UnixStream::pair().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&to, Kind::Written, b"").unwrap();
        send_with(&to, Kind::Answer, b"1", &theirs.into()).unwrap();
        let mut frames = Frames::new(3).with_descriptors();
        while frames.bytes.len() < 11 {
            assert!(frames.fill(&from).unwrap());
        }
        assert_eq!(frames.next().unwrap(), Some((Kind::Written, Vec::new())));
        assert_eq!(frames.next().unwrap(), Some((Kind::Answer, b"1".to_vec())));
        let mut taken = UnixStream::from(frames.take_descriptor().unwrap());
        taken.write_all(b"x").unwrap();
        let mut buffer = [0; 9];
        assert_eq!(recv(&ours, &mut buffer[..], RecvFlags::empty()).unwrap().0, 1);
        assert!(frames.take_descriptor().is_none());
        // The other way around, nobody has it.
        send_with(&from, Kind::Answer, b"1", &taken.into()).unwrap();
        let mut frames = Frames::new(3);
        assert!(frames.fill(&to).unwrap() && frames.take_descriptor().is_none());
        assert_eq!(recv(&ours, &mut buffer[..], RecvFlags::empty()).unwrap().0, 0);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [b"x\0\0\0\0", b"R\xff\xff\xff\xff", b"R\x04\0\0\0"] {
            let (mut to, from) = UnixStream::pair().unwrap();
            to.write_all(bytes).unwrap();
            let mut frames = Frames::new(3);
            frames.fill(&from).unwrap();
            assert!(frames.next().is_err(), "{bytes:?}");
        }
    }
}
