//! The protocol of worker, supervisor and actor: a frame is a kind, a length, and that many bytes.
//!
//! The supervisor believes nothing that a worker says about others than itself: a worker may be compromised.

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

use rex_sdk::os::OsFailure;
use serde::{Deserialize, Serialize};

use super::broker::BrokerRequest;

/// Time for which a reader polls before it sleeps.
const MOMENT: Duration = Duration::from_micros(40);

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// Worker to supervisor: the policy is rejected, or has warnings. The supervisor looks itself.
    Warned = b'W',
    /// Worker to supervisor: how it is confined. It has not looked at the script before.
    Confined = b'C',
    /// Worker to supervisor: records for the journal.
    Records = b'R',
    /// Worker to supervisor: records for the journal; the last is about an act that waits for an answer.
    Intent = b'I',
    /// Worker to supervisor: a line that the script printed.
    Output = b'P',
    /// Worker to supervisor: an act that it cannot perform itself, see [`BrokerQuestion`].
    Ask = b'S',
    /// Worker to supervisor: the report. Nothing comes after it.
    Report = b'F',
    /// Supervisor to worker: the records are written.
    Written = b'A',
    /// Supervisor to worker: the records are not written, for this reason.
    Lost = b'N',
    /// Actor to worker: see [`BrokerAnswer`].
    Answer = b'U',
}

impl FrameKind {
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
pub(crate) fn send(mut to: impl Write, kind: FrameKind, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&frame(kind, bytes)?)
}

/// Sends one frame with a copy of a descriptor.
pub(crate) fn send_with(mut to: &UnixStream, kind: FrameKind, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<()> {
    let frame = frame(kind, bytes)?;
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    // INVARIANT: the space is for one descriptor.
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = sendmsg(to, &[IoSlice::new(&frame)], &mut control, SendFlags::NOSIGNAL)?;
    to.write_all(frame.get(sent..).unwrap_or_default())
}

fn frame(kind: FrameKind, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = |_| io::Error::other(format!("a frame of {} bytes is too long", bytes.len()));
    let length = u32::try_from(bytes.len()).map_err(too_long)?;
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(kind as u8);
    frame.extend(length.to_le_bytes());
    frame.extend(bytes);
    Ok(frame)
}

/// A reader that splits a stream into frames.
#[derive(Debug)]
pub(crate) struct FrameReader {
    bytes: Vec<u8>,
    most: u64,
    /// The descriptors that came with frames, if they are accepted.
    descriptors: Option<Vec<OwnedFd>>,
}

impl FrameReader {
    /// Accepts frames of at most `most` bytes.
    pub(crate) fn new(most: u64) -> Self {
        Self { bytes: Vec::new(), most, descriptors: None }
    }

    /// Accepts descriptors. Not for an untrusted other end: without this, the kernel closes what comes.
    pub(crate) fn with_descriptors(self) -> Self {
        Self { descriptors: Some(Vec::new()), ..self }
    }

    /// Returns the last descriptor; closes those before it.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.as_mut().and_then(|all| all.drain(..).next_back())
    }

    /// Returns the next frame, if it is complete.
    pub(crate) fn next(&mut self) -> io::Result<Option<(FrameKind, Vec<u8>)>> {
        let Some((&[kind, a, b, c, d], rest)) = self.bytes.split_first_chunk() else { return Ok(None) };
        let kind = FrameKind::ALL.into_iter().find(|known| *known as u8 == kind);
        let length = u32::from_le_bytes([a, b, c, d]);
        let (Some(kind), true) = (kind, u64::from(length) <= self.most) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "malformed frame"));
        };
        let Some(body) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else { return Ok(None) };
        let body = body.to_vec();
        self.bytes.drain(..5 + body.len());
        Ok(Some((kind, body)))
    }

    /// Reads what is there, or comes before the stream times out; `false` at the end.
    pub(crate) fn fill(&mut self, from: &UnixStream) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let start = Instant::now();
        let count = loop {
            match receive(from, &mut buffer, self.descriptors.as_mut(), RecvFlags::DONTWAIT) {
                // A wake-up takes longer than most answers do.
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

/// An act that a worker asks for, since it reaches nothing itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BrokerQuestion {
    /// The number that its answer repeats.
    pub(crate) number: u64,
    /// The act.
    pub(crate) ask: BrokerRequest,
}

/// The answer to a question.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BrokerAnswer {
    /// The number of the question.
    pub(crate) number: u64,
    /// The result of the act, or why it failed.
    pub(crate) result: Result<serde_json::Value, OsFailure>,
}

/// The confinement of a worker, in reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfinementReport {
    /// `require`, `available` or `off`.
    pub(crate) mode: String,
    /// The controllers of the control group that hold the worker; `null` if no group was delegated to this process.
    pub(crate) group: Option<Vec<String>>,
    /// The version of the kernel's Landlock; `null` where it has none.
    pub(crate) landlock: Option<u32>,
    /// The parts, each with the result of trying it.
    pub(crate) parts: Vec<ConfinedPart>,
}

/// One part of a confinement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfinedPart {
    /// `files`, `programs`, ...
    pub(crate) part: String,
    /// `VERIFIED`, `UNBOUNDED` or `MISSING`.
    pub(crate) state: String,
    /// The reason why it is missing.
    pub(crate) why: Option<String>,
    /// The mechanisms that enforce it, if it is verified.
    pub(crate) by: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let mut bytes = Vec::new();
        send(&mut bytes, FrameKind::Records, b"abc").unwrap();
        send(&mut bytes, FrameKind::Written, b"").unwrap();
        let (mut to, from) = UnixStream::pair().unwrap();
        let mut frames = FrameReader::new(3);
        let mut out = Vec::new();
        for byte in bytes {
            to.write_all(&[byte]).unwrap();
            assert!(frames.fill(&from).unwrap());
            out.extend(frames.next().unwrap());
        }
        assert_eq!(out, [(FrameKind::Records, b"abc".to_vec()), (FrameKind::Written, Vec::new())]);
        drop(to);
        assert!(!frames.fill(&from).unwrap());
    }

    #[test]
    fn a_descriptor_comes_with_its_frame_where_it_is_taken() {
        let (to, from) = UnixStream::pair().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&to, FrameKind::Written, b"").unwrap();
        send_with(&to, FrameKind::Answer, b"1", &theirs.into()).unwrap();
        let mut frames = FrameReader::new(3).with_descriptors();
        while frames.bytes.len() < 11 {
            assert!(frames.fill(&from).unwrap());
        }
        assert_eq!(frames.next().unwrap(), Some((FrameKind::Written, Vec::new())));
        assert_eq!(frames.next().unwrap(), Some((FrameKind::Answer, b"1".to_vec())));
        let mut taken = UnixStream::from(frames.take_descriptor().unwrap());
        taken.write_all(b"x").unwrap();
        let mut buffer = [0; 9];
        assert_eq!(recv(&ours, &mut buffer[..], RecvFlags::empty()).unwrap().0, 1);
        assert!(frames.take_descriptor().is_none());
        // A receiver that accepts no descriptors does not get it.
        send_with(&from, FrameKind::Answer, b"1", &taken.into()).unwrap();
        let mut frames = FrameReader::new(3);
        assert!(frames.fill(&to).unwrap() && frames.take_descriptor().is_none());
        assert_eq!(recv(&ours, &mut buffer[..], RecvFlags::empty()).unwrap().0, 0);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [b"x\0\0\0\0", b"R\xff\xff\xff\xff", b"R\x04\0\0\0"] {
            let (mut to, from) = UnixStream::pair().unwrap();
            to.write_all(bytes).unwrap();
            let mut frames = FrameReader::new(3);
            frames.fill(&from).unwrap();
            assert!(frames.next().is_err(), "{bytes:?}");
        }
    }
}
