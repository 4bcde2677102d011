//! Connections to hosts: every address is granted, every wait bounded by the run's time, every byte counted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::os::{OsError, Stream, words};
use crate::{Args, Literal, Param, ParamKind, Session};
use rex_core::action::net;
use rex_core::net::RemoteHost;
use rex_core::{Code, Error, Run};

/// Time between two checks of the budget.
const SLICE: Duration = Duration::from_millis(50);

/// The option for the maximum duration of a network operation.
pub(crate) const TIMEOUT: Param =
    Param::option("timeout", ParamKind::Duration, Literal::Text("30s"), "How long it may take, all in all.");

/// Returns the deadline of a call: its timeout, but no later than the end of the run.
pub(crate) fn deadline(session: &Session<'_>, args: &Args) -> Result<Instant, Error> {
    let (timeout, left) = (args.duration("timeout")?, session.run.budget().remaining());
    Ok(Instant::now() + timeout.min(left))
}

/// An open connection.
pub(crate) struct OpenConnection<'r> {
    stream: Box<dyn Stream>,
    run: &'r Run,
    deadline: Instant,
    /// The address of the peer.
    pub(crate) address: IpAddr,
    /// The trusted certificate authorities, as PEM, if requested.
    pub(crate) authorities: String,
    /// `true` if nothing is connected, as in a plan.
    pub(crate) assumed: bool,
}

/// Returns the addresses of a host. Each of them still requires a grant.
pub(crate) fn addresses(session: &Session<'_>, host: &RemoteHost) -> Result<Vec<IpAddr>, Error> {
    if let Some(address) = host.address() {
        return Ok(vec![address]);
    }
    let grant = session.permit(net::Resolve { record: String::new(), server: String::new() }, host.clone())?;
    let found = session.os.addresses(grant, session.run.budget());
    let found = found.map_err(|error| match error {
        OsError::Io(error) if error.kind() == ErrorKind::NotFound => {
            Error::new(Code::NotFound, format!("no address is known for `{}`", host.name()))
        }
        other => other.into_error(host),
    })?;
    if found.is_empty() {
        return Err(Error::new(Code::NotFound, format!("no address is known for `{}`", host.name())));
    }
    Ok(found)
}

impl<'r> OpenConnection<'r> {
    /// Connects to the first address of a host that accepts the connection. A denied address is an error even if others
    /// are permitted: a name with both permitted and denied addresses is not trusted.
    pub(crate) fn open(
        session: &Session<'r>,
        host: &RemoteHost,
        port: u16,
        trusted: bool,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let all = addresses(session, host)?;
        let mut last = None;
        for (place, address) in all.iter().enumerate() {
            let grant = session.permit(net::Connect::to(*address, port), host.clone())?;
            // Addresses share the remaining time, so that a silent one leaves some for the next.
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            let share = u64::try_from(left).unwrap_or(u64::MAX) / (all.len() - place) as u64;
            match session.os.connect(grant, trusted, share, session.run.budget()) {
                Ok(connection) => {
                    let stream = connection.stream.ok_or_else(|| Error::new(Code::Internal, "there is no stream"))?;
                    let authorities = connection.authorities.unwrap_or_default();
                    let assumed = connection.assumed;
                    return Ok(Self { stream, run: session.run, deadline, address: *address, authorities, assumed });
                }
                Err(OsError::Io(error)) => last = Some((address, error)),
                Err(other) => return Err(other.into_error(host)),
            }
        }
        let why = last.map_or_else(String::new, |(address, error)| format!(" at {address}: {}", words(&error)));
        Err(Error::new(Code::Io, format!("`{}` does not take a connection to port {port}{why}", host.name())))
    }

    fn wait(&self, write: bool) -> io::Result<()> {
        loop {
            self.run.budget().check().map_err(io::Error::other)?;
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(ErrorKind::TimedOut, "it exceeds the timeout"));
            }
            if self.stream.ready(write, left.min(SLICE))? {
                return Ok(());
            }
        }
    }
}

impl Read for OpenConnection<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Also if there is always something to read.
            if self.deadline <= Instant::now() {
                return Err(io::Error::new(ErrorKind::TimedOut, "it exceeds the timeout"));
            }
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(false)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.run.budget().count_read(count as u64).map_err(io::Error::other)?;
                    return Ok(count);
                }
            }
        }
    }
}

impl Write for OpenConnection<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(true)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.run.budget().count_written(count as u64).map_err(io::Error::other)?;
                    return Ok(count);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Returns the error of a connection, as a script sees it. It does not repeat data that the peer sent.
pub(crate) fn failed(host: &RemoteHost, error: io::Error) -> Error {
    let name = host.name();
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            Error::new(Code::LimitExceeded, format!("`{name}`: it exceeds the timeout"))
                .with_help("raise the option `timeout`")
        }
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Error::new(Code::Io, format!("`{name}` ended the connection too early"))
        }
        Err(error) => {
            let why = crate::tls::wrong(&error).map_or_else(|| words(&error), str::to_owned);
            Error::new(Code::Io, format!("`{name}`: {why}"))
        }
    }
}
