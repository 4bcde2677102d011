//! A server on the loopback interface that misbehaves on request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A server that answers until the test has ended. Its threads end with their connections, which the tests bound.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn plain() -> Self {
        Self::start(None)
    }

    /// Starts a server with a certificate for these names, signed by this authority.
    pub(super) fn secure(authority: &Authority, names: &[&str], expired: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &authority.0).unwrap();
        Self::with(&certificate, &key)
    }

    /// Starts a server with the certificate of an authority, as `openssl req -x509` makes it.
    pub(super) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self::with(&certificate, &key)
    }

    fn with(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Self::start(Some(Arc::new(config)))
    }

    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let tls = tls.clone();
                thread::spawn(move || match tls {
                    // The client may close the connection at any time.
                    None => drop(serve(stream)),
                    Some(config) => {
                        drop(serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)));
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Returns the number of connections.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }
}

/// An authority that signs certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }
}

fn serve(stream: impl Read + Write) -> std::io::Result<()> {
    let mut stream = BufReader::new(Both(stream));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut out = stream.into_inner();
    let (name, rest) = target.split_once('?').unwrap_or((&target, ""));
    let mut answer = |text: &str| out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match name {
        "/echo" => {
            let said = format!("{head}{}", String::from_utf8_lossy(&body));
            answer(&format!("HTTP/1.1 200 OK\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: {}\r\n\r\n{said}", said.len()))
        }
        "/json" => answer("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"up\": [1]} "),
        "/bytes" => {
            answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")?;
            out.write_all(&[0xff, 0])
        }
        "/chunked" => {
            answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
        }
        "/close" => answer("HTTP/1.0 200 OK\r\n\r\nto the end"),
        "/short" => answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        "/missing" => answer("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"),
        "/empty" => answer("HTTP/1.1 204 No Content\r\n\r\n"),
        "/early" => {
            answer("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        "/nothing" => Ok(()),
        "/nonsense" => answer("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        "/to" => answer(&format!("HTTP/1.1 302 Found\r\nLocation: {rest}\r\nContent-Length: 0\r\n\r\n")),
        "/keep" => answer(&format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {rest}\r\nContent-Length: 0\r\n\r\n")),
        "/other" => answer(&format!("HTTP/1.1 303 See Other\r\nLocation: {rest}\r\nContent-Length: 0\r\n\r\n")),
        "/around" => answer("HTTP/1.1 301 Moved\r\nLocation: /around\r\nContent-Length: 0\r\n\r\n"),
        // Until the client closes the connection.
        "/slow" => {
            answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")?;
            out.read(&mut [0]).map(drop)
        }
        "/silent" => out.read(&mut [0]).map(drop),
        "/endless" => {
            answer("HTTP/1.1 200 OK\r\n\r\n")?;
            forever(&mut out, &[b'x'; 65_536])
        }
        "/headers" => {
            answer("HTTP/1.1 200 OK\r\n")?;
            forever(&mut out, &b"x-flood: 0123456789\r\n".repeat(1000))
        }
        "/hints" => forever(&mut out, &b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000)),
        "/chunk" => {
            answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;")?;
            forever(&mut out, &[b'x'; 65_536])
        }
        _ => answer("HTTP/1.1 500 What\r\nContent-Length: 0\r\n\r\n"),
    }
}

fn forever(out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    loop {
        out.write_all(bytes)?;
    }
}

/// A stream for both directions; only reading is buffered.
struct Both<S>(S);

impl<S: Read> Read for Both<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Both<S> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Returns a port on which nothing listens: it was free a moment ago.
pub(super) fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Returns a port that accepts no more connections: its queue is full.
pub(super) fn full() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let wait = std::time::Duration::from_millis(200);
    let held = std::iter::from_fn(|| TcpStream::connect_timeout(&address, wait).ok()).take(64).collect();
    (listener, held, address)
}
