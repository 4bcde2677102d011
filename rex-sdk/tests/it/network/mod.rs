//! The network, with real servers on the loopback interface.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at the machine behind Rex's back")]

mod server;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use rex_core::action::net;
use rex_core::net::RemoteHost;
use rex_core::{
    AbsPath, Authorize, Call, Code, Decision, Error, Fact, Limits, MemoryJournal, Principal, Request, Run, Subject,
    Value,
};
use rex_sdk::host::HostOptions;
use rex_sdk::os::{Network, OsError};
use rex_sdk::{HostOs, Session};
use server::{Authority, Server, closed, full};

type Rule = fn(&str, &str, &BTreeMap<&str, String>) -> bool;

/// A policy that decides by the action's name, the resource id and the facts.
struct Ruled(Rule);

impl Authorize for Ruled {
    fn decide(&self, request: &Request<'_>) -> Decision {
        let mut facts = BTreeMap::new();
        request.action.facts(&mut |name, fact| {
            let text = match fact {
                Fact::String(text) => text.to_owned(),
                Fact::Ip(address) => address.to_string(),
                Fact::Long(number) => number.to_string(),
                Fact::Bool(value) => value.to_string(),
            };
            facts.insert(name, text);
        });
        let permitted = self.0(request.action.spec().name, request.resource.id(), &facts);
        if permitted { Decision::allow(&["rule"]) } else { Decision::deny(None) }
    }
}

struct World {
    os: HostOs,
    run: Run,
    journal: Arc<MemoryJournal>,
}

impl World {
    fn new() -> Self {
        Self::ruled(|_, _, _| true)
    }

    fn ruled(rule: Rule) -> Self {
        Self::limited(rule, Limits { wall_ms: 60_000, ..Limits::default() })
    }

    fn limited(rule: Rule, limits: Limits) -> Self {
        let journal = Arc::new(MemoryJournal::new(100_000));
        let subject = Subject::new(Principal::agent("tester"));
        let run = Run::new("test", subject, Arc::new(Ruled(rule)), journal.clone(), limits);
        Self { os: HostOs::default(), run, journal }
    }

    fn trusting(mut self, authority: &Authority) -> (Self, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.pem()).unwrap();
        self.os = HostOs::new(HostOptions { authorities: Some(file.path().to_owned()), ..HostOptions::default() });
        (self, file)
    }

    fn call(&self, operation: &str, args: Vec<Value>) -> Result<Value, Error> {
        Session::new(&self.run, &self.os, &AbsPath::root()).call(operation, args)
    }

    fn get(&self, url: &str, options: &[(&str, Value)]) -> Result<Value, Error> {
        self.call("net::get", vec![url.into(), map(options)])
    }

    /// Returns the requests, as `get http://...`.
    fn asked(&self) -> Vec<String> {
        let decision = |record: rex_core::Record| match record.event {
            rex_core::journal::Event::Decision { action, resource, .. } => Some(format!("{} {resource}", action.name)),
            rex_core::journal::Event::Outcome { .. } => None,
            _ => None,
        };
        self.journal.take().0.into_iter().filter_map(decision).collect()
    }
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{key}: {other:?} in {value}"),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(all) => all,
        other => panic!("{other}"),
    }
}

#[test]
fn an_answer_is_told_as_it_is() {
    let (world, server) = (World::new(), Server::plain());
    let headers = Value::map([("x-token", "secret".into())]);
    let told = world.get(&server.url("/echo?q=1"), &[("headers", headers.clone())]).unwrap();
    assert_eq!((told.get("status"), text(&told, "url")), (Some(&Value::Int(200)), server.url("/echo?q=1")));
    assert_eq!(text(told.get("headers").unwrap(), "x-two"), "a, b");
    let body = text(&told, "body");
    assert!(body.starts_with("GET /echo?q=1 HTTP/1.1\r\n"), "{body}");
    for line in [format!("host: {}", server.address), "x-token: secret".to_owned(), "connection: close".to_owned()] {
        assert!(body.contains(&format!("\r\n{line}\r\n")), "{line} in {body}");
    }
    // Compression is not requested, so the body is not expanded.
    assert!(!body.to_ascii_lowercase().contains("accept-encoding"), "{body}");
    let address = Ipv4Addr::LOCALHOST;
    assert_eq!(world.asked(), [format!("get {}", server.url("/echo?q=1")), format!("connect {address}")]);
    for (target, body) in
        [("/chunked", "abcde"), ("/close", "to the end"), ("/missing", "none"), ("/early", "ok"), ("/empty", "")]
    {
        assert_eq!(text(&world.get(&server.url(target), &[]).unwrap(), "body"), body, "{target}");
    }
    let json = world.get(&server.url("/json"), &[("json", true.into())]).unwrap();
    assert_eq!(json.get("json").unwrap().to_string(), r#"{"up":[1]}"#);
    // A body that cannot be returned in the requested form is returned as it is.
    let text_and_no_json = world.get(&server.url("/missing"), &[("json", true.into())]).unwrap();
    assert_eq!((text_and_no_json.get("status"), text_and_no_json.get("json")), (Some(&404.into()), Some(&Value::Null)));
    assert_eq!(text(&text_and_no_json, "body"), "none");
    let raw = world.get(&server.url("/bytes"), &[]).unwrap();
    assert_eq!((raw.get("body"), raw.get("bytes")), (Some(&Value::Null), Some(&Value::Bytes(vec![0xff, 0]))));
    let bytes = world.get(&server.url("/bytes"), &[("bytes", true.into())]).unwrap();
    assert_eq!(bytes.get("body"), Some(&Value::Bytes(vec![0xff, 0])));
    // The other methods.
    for (method, body) in [("post", Some("a=1")), ("put", Some("")), ("delete", None)] {
        let mut args: Vec<Value> = vec![server.url("/echo").into()];
        args.extend(body.map(Value::from));
        args.push(map(&[("headers", headers.clone())]));
        let told = text(&world.call(&format!("net::{method}"), args).unwrap(), "body");
        assert!(
            told.starts_with(&method.to_uppercase()) && told.ends_with(&format!("\r\n\r\n{}", body.unwrap_or(""))),
            "{told}"
        );
        assert_eq!(told.contains("content-length: "), body.is_some(), "{told}");
    }
    let told = world.call("net::head", vec![server.url("/missing").into()]).unwrap();
    assert_eq!((told.get("status"), told.get("body")), (Some(&Value::Int(404)), None));
}

#[test]
fn each_redirect_is_asked_for_and_credentials_stay_behind() {
    let (world, server, other) = (World::new(), Server::plain(), Server::plain());
    let chain = server.url(&format!("/to?/to?{}", other.url("/echo")));
    let headers = Value::map([
        ("authorization", "Basic x".into()),
        ("cookie", "a=b".into()),
        ("x-a", "b".into()),
        ("X-Api-Key", "c".into()),
        ("Private-Token", "d".into()),
        ("X-Auth-Token", "e".into()),
        ("accept", "text/plain".into()),
        ("range", "bytes=0-".into()),
        ("if-none-match", "\"f\"".into()),
    ]);
    let told = world.get(&chain, &[("headers", headers.clone())]).unwrap();
    let body = text(&told, "body");
    assert_eq!(text(&told, "url"), other.url("/echo"));
    for kept in ["accept: text/plain", "user-agent: rex/", "range: bytes=0-", "if-none-match: \"f\""] {
        assert!(body.contains(kept), "{kept} in {body}");
    }
    for secret in ["Basic", "a=b", "x-a", "x-api-key", "private-token", "x-auth-token"] {
        assert!(!body.contains(secret), "{secret} in {body}");
    }
    let second = server.url(&format!("/to?{}", other.url("/echo")));
    let connect = "connect 127.0.0.1".to_owned();
    let gets = [chain, second, other.url("/echo")].map(|url| [format!("get {url}"), connect.clone()]).concat();
    assert_eq!(world.asked(), gets);
    // Headers are sent along to the same host; POST becomes GET, or is requested again as POST.
    let told = world.get(&server.url("/to?/echo"), &[("headers", headers)]).unwrap();
    assert!(text(&told, "body").contains("Basic x"));
    let told = world.call("net::post", vec![server.url("/to?/echo").into(), "text".into()]).unwrap();
    assert!(text(&told, "body").starts_with("GET") && !text(&told, "body").contains("text"), "{told}");
    world.asked();
    let told = world.call("net::post", vec![server.url("/keep?/echo").into(), "text".into()]).unwrap();
    assert!(text(&told, "body").ends_with("text"), "{told}");
    assert_eq!(world.asked()[2], format!("post {}", server.url("/echo")));
    // No other method changes in a redirect.
    for (method, target, status) in [
        ("delete", "/to?/echo", Some(302)),
        ("put", "/to?/echo", Some(302)),
        ("delete", "/around", Some(301)),
        ("delete", "/other?/echo", Some(303)),
        ("head", "/to?/echo", None),
        ("delete", "/keep?/echo", None),
        ("put", "/keep?/echo", None),
    ] {
        let mut args: Vec<Value> = vec![server.url(target).into()];
        args.extend((method == "put").then(|| Value::from("text")));
        world.asked();
        let told = world.call(&format!("net::{method}"), args).unwrap();
        assert_eq!(told.get("status"), Some(&status.unwrap_or(200).into()), "{method} {target}: {told}");
        let asked = world.asked();
        assert!(asked.iter().all(|asked| asked.starts_with(method) || asked.starts_with("connect")), "{asked:?}");
        assert_eq!(asked.len(), if status.is_some() { 2 } else { 4 }, "{asked:?}");
    }
    let told = world.call("net::post", vec![server.url("/other?/echo").into(), "text".into()]).unwrap();
    assert!(text(&told, "body").starts_with("GET"), "{told}");
    // As many redirects as the option allows.
    world.asked();
    let told = world.get(&server.url("/around"), &[("redirects", Value::Int(3))]).unwrap();
    assert_eq!((told.get("status"), world.asked().len()), (Some(&Value::Int(301)), 8));
}

#[test]
fn a_site_is_asked_of_one_server_and_both_are_asked_for() {
    let (world, server) = (World::new(), Server::plain());
    let port = server.address.port();
    let site = |host: &str| ("headers", Value::map([("Host", host.into())]));
    let told = world.get(&server.url("/echo"), &[site("www.app.test")]).unwrap();
    assert!(text(&told, "body").contains("\r\nhost: www.app.test\r\n"), "{told}");
    assert_eq!(text(&told, "body").matches("host: ").count(), 1, "{told}");
    let asked = [format!("get {}", server.url("/echo")), "get http://www.app.test/echo".to_owned()];
    assert_eq!(world.asked()[..2], asked);
    // No name is looked up, and the decision is on the address.
    let url = format!("http://www.app.test:{port}/echo");
    let address = ("address", "127.0.0.1".into());
    let told = world.get(&url, std::slice::from_ref(&address)).unwrap();
    assert!(text(&told, "body").contains(&format!("host: www.app.test:{port}\r\n")), "{told}");
    assert_eq!(world.asked(), [format!("get {url}"), "connect 127.0.0.1".to_owned()]);
    // A redirect from one site to another host would leave the requested server.
    let away = format!("http://www.app.test:{port}/to?http://other.test/");
    assert_eq!(world.get(&away, std::slice::from_ref(&address)).unwrap().get("status"), Some(&302.into()));
    let near = format!("http://www.app.test:{port}/to?/echo");
    assert_eq!(world.get(&near, std::slice::from_ref(&address)).unwrap().get("status"), Some(&200.into()));
    // Each of the two URLs can be denied.
    let reached = server.asked();
    let closed = World::ruled(|action, id, _| action != "get" || !id.contains("secret"));
    assert_eq!(closed.get(&server.url("/echo"), &[site("secret.test")]).unwrap_err().code, Code::AccessDenied);
    let closed = World::ruled(|action, _, facts| action != "connect" || facts["network"] == "public");
    assert_eq!(closed.get(&url, &[address]).unwrap_err().code, Code::AccessDenied);
    assert_eq!(server.asked(), reached);
    for bad in ["a b", "a/b", "u@a", "", "a?b"] {
        assert_eq!(world.get(&server.url("/echo"), &[site(bad)]).unwrap_err().code, Code::Validation, "{bad}");
    }
    let named = ("address", "localhost".into());
    assert_eq!(world.get(&url, &[named]).unwrap_err().code, Code::Validation);
}

#[test]
fn what_is_not_permitted_is_not_reached() {
    let server = Server::plain();
    let secret = server.url("/echo?secret");
    // For a denied URL, nothing is looked up, and no server is reached.
    let world = World::ruled(|action, id, _| action != "get" || id.contains("/to?") || !id.ends_with("secret"));
    assert_eq!(world.get(&secret, &[]).unwrap_err().code, Code::AccessDenied);
    assert_eq!((world.asked().len(), server.asked()), (1, 0));
    let denied = world.get(&server.url("/to?/echo?secret"), &[]).unwrap_err();
    assert_eq!((denied.code, denied.denial.unwrap().resource), (Code::AccessDenied, secret.clone()));
    assert_eq!(server.asked(), 1);
    // The address decides, not the name: a redirect to the metadata of a cloud.
    let world = World::ruled(|action, _, facts| action != "connect" || facts["network"] == "loopback");
    for target in
        ["http://169.254.169.254/latest/", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://10.0.0.1/"]
    {
        let denied = world.get(&server.url(&format!("/to?{target}")), &[]).unwrap_err();
        assert_eq!(denied.code, Code::AccessDenied, "{target}");
        assert!(["169.254.169.254", "10.0.0.1"].contains(&&*denied.denial.unwrap().resource), "{target}");
    }
    // The name of this machine resolves to one of its addresses.
    let world = World::ruled(|action, _, facts| action != "connect" || facts["network"] == "public");
    for spelling in ["localhost", "LOCALHOST.", "127.1", "[::ffff:7f00:1]", "0x7f000001", "0"] {
        let url = format!("http://{spelling}:{}/echo", server.address.port());
        assert_eq!(world.get(&url, &[]).unwrap_err().code, Code::AccessDenied, "{spelling}");
    }
    assert_eq!(server.asked(), 5);
    let world = World::ruled(|action, _, _| action != "resolve");
    assert_eq!(
        world.get(&format!("http://localhost:{}/", server.address.port()), &[]).unwrap_err().code,
        Code::AccessDenied
    );
    assert_eq!((world.asked().len(), server.asked()), (2, 5));
}

#[test]
fn a_connection_goes_to_an_address_that_was_found_for_the_name() {
    let world = World::new();
    let connect = |host: &str, action: net::Connect| {
        let gate = world.run.gate(Call::default());
        let grant = gate.permit(action, RemoteHost::parse(host).unwrap()).unwrap();
        world.os.connect(grant, false, 1_000, world.run.budget())
    };
    let server = Server::plain();
    let to = || net::Connect::to(Ipv4Addr::LOCALHOST.into(), server.address.port());
    // The second answer of a name server that changes its mind, or a compromised worker.
    assert!(matches!(connect("example.com", to()), Err(OsError::Refused(_))));
    assert!(matches!(connect("127.0.0.2", to()), Err(OsError::Refused(_))));
    assert!(matches!(connect("localhost", to()), Err(OsError::Refused(_))));
    let lied = net::Connect { network: "public".to_owned(), ..to() };
    assert!(matches!(connect("127.0.0.1", lied), Err(OsError::Refused(_))));
    assert_eq!(server.asked(), 0);
    world.call("net::resolve", vec!["localhost".into()]).unwrap();
    assert!(connect("localhost", to()).unwrap().stream.is_some());
}

#[test]
fn bad_servers_do_not_hold_anything_up() {
    let limits = Limits { file_bytes: 1 << 20, wall_ms: 60_000, ..Limits::default() };
    let (world, server) = (World::limited(|_, _, _| true, limits), Server::plain());
    for (target, code) in [
        ("/endless", Code::LimitExceeded),
        ("/headers", Code::Io),
        ("/hints", Code::LimitExceeded),
        ("/chunk", Code::Io),
        ("/short", Code::Io),
        ("/nothing", Code::Io),
        ("/nonsense", Code::Io),
    ] {
        let error = world.get(&server.url(target), &[]).unwrap_err();
        assert!(error.code == code && !error.is_fatal(), "{target}: {error}");
        assert!(!error.message.contains("SSH"), "{error}");
    }
    assert!(world.run.budget().bytes_read() < 4 << 20, "{}", world.run.budget().bytes_read());
    for target in ["/slow", "/silent"] {
        let start = Instant::now();
        let error = world.get(&server.url(target), &[("timeout", Value::Int(1))]).unwrap_err();
        assert!(
            error.code == Code::LimitExceeded && error.message.contains("exceeds the timeout"),
            "{target}: {error}"
        );
        assert!((1.0..5.0).contains(&start.elapsed().as_secs_f64()), "{target}");
    }
    let short = [("max_bytes", Value::Int(3))];
    assert_eq!(world.get(&server.url("/missing"), &short).unwrap_err().code, Code::LimitExceeded);
    // The end of the run also ends the call.
    let limits = Limits { wall_ms: 500, ..Limits::default() };
    let world = World::limited(|_, _, _| true, limits);
    let error = world.get(&server.url("/silent"), &[]).unwrap_err();
    assert_eq!(error.code, Code::LimitExceeded, "{error}");
    let limits = Limits { read_bytes: 1 << 20, ..Limits::default() };
    let error = World::limited(|_, _, _| true, limits).get(&server.url("/endless"), &[]).unwrap_err();
    assert!(error.is_fatal() && error.message.contains("read_bytes"), "{error}");
}

#[test]
fn requests_that_could_be_taken_for_two_are_refused() {
    let (world, server) = (World::new(), Server::plain());
    for (name, value) in [
        ("Host", "other\r\nx: y"),
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("x\r\ny", "z"),
        ("x", "a\r\nHost: other"),
        ("x", "\u{e9}\0"),
        ("", "x"),
    ] {
        let headers = Value::map([(name, value.into())]);
        let error = world.get(&server.url("/echo"), &[("headers", headers)]).unwrap_err();
        assert_eq!(error.code, Code::Validation, "{name}: {error}");
    }
    for url in ["/echo", "http://a b/", "http://u:p@127.0.0.1/", "gopher://127.0.0.1/", "http://127.0.0.1/%2e%2e%2fx"] {
        assert_eq!(world.get(url, &[]).unwrap_err().code, Code::Validation, "{url}");
    }
    assert_eq!((server.asked(), world.asked().len()), (0, 0));
}

#[test]
fn a_certificate_is_trusted_for_what_it_says_until_it_expires() {
    let authority = Authority::new("ours");
    let good = Server::secure(&authority, &["localhost", "127.0.0.1"], false);
    let url = |server: &Server, host: &str| format!("https://{host}:{}/echo", server.address.port());
    let (world, _file) = World::new().trusting(&authority);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(world.get(&url(&good, host), &[]).unwrap().get("status"), Some(&Value::Int(200)));
    }
    let other = Server::secure(&authority, &["other.test"], false);
    let old = Server::secure(&authority, &["localhost"], true);
    let stranger = Server::secure(&Authority::new("theirs"), &["localhost"], false);
    let port = |server: &Server| Value::count(server.address.port());
    let own = Server::self_signed("localhost");
    for (server, why) in [
        (&other, "it is issued for another name than `localhost`"),
        (&old, "it expired at 2021-01-01T00:00:00Z"),
        (&stranger, "this machine does not trust its issuer"),
        (&own, "it is self-signed, and this machine does not trust it"),
    ] {
        let error = world.get(&url(server, "localhost"), &[]).unwrap_err();
        assert_eq!(error.code, Code::Io, "{error}");
        assert!(error.message.contains(&format!("the certificate of `localhost` is not trusted: {why}")), "{error}");
        // The certificate is still returned.
        let told =
            world.call("net::tls_certificate", vec!["localhost".into(), map(&[("port", port(server))])]).unwrap();
        assert_eq!(told.get("trusted"), Some(&false.into()));
        assert!(text(&told, "why").starts_with(why), "{told}");
    }
    let told = world.call("net::tls_certificate", vec!["localhost".into(), map(&[("port", port(&good))])]).unwrap();
    assert_eq!((told.get("trusted"), told.get("why")), (Some(&true.into()), Some(&Value::Null)));
    assert_eq!(list(told.get("names").unwrap()), ["localhost".into(), "127.0.0.1".into()]);
    let options = [("port", port(&other)), ("name", "other.test".into())];
    let told = world.call("net::tls_certificate", vec!["127.0.0.1".into(), map(&options)]).unwrap();
    assert_eq!(told.get("trusted"), Some(&true.into()), "{told}");
    // A server without TLS, and a machine that trusts no authority.
    let plain = Server::plain();
    let error = world.get(&url(&plain, "127.0.0.1"), &[("timeout", Value::Int(2))]).unwrap_err();
    assert!([Code::Io, Code::LimitExceeded].contains(&error.code), "{error}");
    let nobody = HostOptions { authorities: Some("/dev/null".into()), ..HostOptions::default() };
    let world = World { os: HostOs::new(nobody), ..World::new() };
    assert_eq!(world.get(&url(&good, "localhost"), &[]).unwrap_err().code, Code::Unsupported);
    // The certificates of a file.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem().repeat(2)).unwrap();
    let path: Value = file.path().to_str().unwrap().into();
    let told = world.call("fs::certificates", vec![path]).unwrap();
    assert_eq!(list(&told).len(), 2);
    assert_eq!(list(&told)[0].get("authority"), Some(&true.into()));
}

#[test]
fn a_port_is_open_closed_or_silent() {
    let (world, server) = (World::new(), Server::plain());
    let check = |port: u16, seconds: i64| {
        let options = map(&[("timeout", Value::Int(seconds))]);
        world.call("net::tcp_check", vec!["127.0.0.1".into(), Value::count(port), options]).unwrap()
    };
    let open = check(server.address.port(), 5);
    assert_eq!((open.get("open"), text(&open, "network")), (Some(&true.into()), "loopback".to_owned()));
    let refused = check(closed(), 5);
    assert!(refused.get("open") == Some(&false.into()) && text(&refused, "why").contains("refused"), "{refused}");
    let (_listener, _held, address) = full();
    let start = Instant::now();
    let silent = check(address.port(), 1);
    assert!(silent.get("open") == Some(&false.into()) && text(&silent, "why").contains("timed out"), "{silent}");
    assert!(start.elapsed() < Duration::from_secs(5));
    for port in [0, 65_536, i64::MAX] {
        let error = world.call("net::tcp_check", vec!["127.0.0.1".into(), Value::Int(port)]).unwrap_err();
        assert_eq!(error.code, Code::Validation);
    }
    let error = world.call("net::tcp_check", vec!["no-such-host.invalid".into(), Value::Int(1)]).unwrap_err();
    assert_eq!(error.code, Code::NotFound, "{error}");
}

/// A name server for its own zone only.
struct NameServer {
    process: Child,
    address: SocketAddr,
}

impl NameServer {
    /// Starts it; `None` if it is not installed.
    fn start() -> Option<Self> {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let long: Vec<String> = (0..16).map(|number| format!("{number:x}").repeat(200)).collect();
        let started = Command::new("/usr/sbin/dnsmasq")
            .args(["--keep-in-foreground", "--log-facility=-", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"])
            .args(["--pid-file", "--user=root", "--bind-interfaces", "--listen-address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .args(["--local=/test/", "--host-record=www.test,192.0.2.7,2001:db8::7", "--cname=alias.test,www.test"])
            .args(["--mx-host=test,mail.test,10", "--srv-host=_sip._tcp.test,sip.test,5060,1,2"])
            .args(["--txt-record=test,one,two", "--caa-record=test,0,issue,ca.example"])
            .arg(format!("--txt-record=long.test,{}", long.join(",")))
            .stderr(Stdio::piped())
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                assert!(std::env::var_os("REX_REQUIRE_SYSTEMD").is_none(), "dnsmasq: {error}");
                return None;
            }
        };
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().contains("started"));
        assert!(ready, "dnsmasq ended");
        std::thread::spawn(move || lines.count());
        Some(Self { process, address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port) })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_name_server_is_asked_for_what_it_has() {
    let Some(server) = NameServer::start() else { return };
    let world = World::new();
    let ask = |name: &str, kind: &str| {
        let options = map(&[("type", kind.into()), ("server", server.address.to_string().into())]);
        world.call("net::resolve", vec![name.into(), options])
    };
    for (name, kind, told) in [
        ("www.test", "A", r#"[{"address":"192.0.2.7","name":"www.test"}]"#),
        ("WWW.test.", "aaaa", r#"[{"address":"2001:db8::7","name":"www.test"}]"#),
        ("alias.test", "CNAME", r#"[{"name":"www.test"}]"#),
        ("alias.test", "A", r#"[{"address":"192.0.2.7","name":"www.test"}]"#),
        ("test", "MX", r#"[{"exchange":"mail.test","name":"test","preference":10}]"#),
        (
            "_sip._tcp.test",
            "SRV",
            r#"[{"name":"_sip._tcp.test","port":5060,"priority":1,"target":"sip.test","weight":2}]"#,
        ),
        ("test", "TXT", r#"[{"name":"test","text":"onetwo"}]"#),
        ("192.0.2.7", "PTR", r#"[{"name":"www.test"}]"#),
        ("2001:db8::7", "PTR", r#"[{"name":"www.test"}]"#),
        ("www.test", "MX", "[]"),
    ] {
        let mut found = ask(name, kind).unwrap_or_else(|error| panic!("{name} {kind}: {error}"));
        if let Value::List(all) = &mut found {
            for record in all {
                let Value::Map(entries) = record else { panic!("{record}") };
                assert!(matches!(entries.remove("ttl"), Some(Value::Int(0..))));
            }
        }
        assert_eq!(found.to_string(), told, "{name} {kind}");
    }
    let caa = ask("test", "CAA").unwrap().to_string();
    assert!(caa.contains(r#""tag":"issue""#) && caa.contains(r#""value":"ca.example""#), "{caa}");
    // Too long for one packet: the query is repeated by TCP.
    assert_eq!(text(&list(&ask("long.test", "TXT").unwrap())[0], "text").len(), 3_200);
    assert_eq!(ask("missing.test", "A").unwrap_err().code, Code::NotFound);
    assert_eq!(ask("www.example.com", "A").unwrap_err().code, Code::Io);
    for (kind, server) in [("ANY", "127.0.0.1"), ("A", "localhost"), ("A", "127.0.0.1:x")] {
        let options = map(&[("type", kind.into()), ("server", server.into())]);
        let error = world.call("net::resolve", vec!["www.test".into(), options]).unwrap_err();
        assert_eq!(error.code, Code::Validation);
    }
    // The server and the type are part of the request.
    let world = World::ruled(|_, _, facts| facts["server"].is_empty() && facts["record"] != "TXT");
    for options in [map(&[("type", "TXT".into())]), map(&[("type", "A".into()), ("server", "192.0.2.53".into())])] {
        let denied = world.call("net::resolve", vec!["www.test".into(), options]).unwrap_err();
        assert_eq!(denied.code, Code::AccessDenied);
    }
}

#[test]
fn what_answers_with_something_else_is_not_believed() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    // Answers with the wrong number, then to another question, then with damaged data.
    let answering = std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (count, from) = silent.recv_from(&mut buffer).unwrap();
        let mut wrong = buffer[..count].to_vec();
        wrong[2] |= 0x80;
        // A byte of the number, and a letter of the name.
        for at in [0, 13] {
            wrong[at] ^= 1;
            silent.send_to(&wrong, from).unwrap();
            wrong[at] ^= 1;
        }
        // An answer to the question, truncated in the middle of a record.
        wrong.truncate(count - 5);
        silent.send_to(&wrong, from).unwrap();
    });
    let world = World::new();
    let options = map(&[("type", "A".into()), ("server", address.to_string().into())]);
    let error = world.call("net::resolve", vec!["www.test".into(), options]).unwrap_err();
    assert!(error.code == Code::Io && error.message.contains("not a valid answer"), "{error}");
    answering.join().unwrap();
}

#[test]
fn sockets_are_told_with_who_has_them() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::new();
    let options = [("port", Value::count(port)), ("listening", true.into()), ("processes", true.into())];
    let told = world.call("net::sockets", vec![map(&options)]).unwrap();
    let [socket] = list(told.get("sockets").unwrap()) else { panic!("{told}") };
    assert_eq!(
        (text(socket, "state"), text(socket, "local"), text(socket, "protocol")),
        ("listen".into(), "127.0.0.1".into(), "tcp".into())
    );
    let holders = list(socket.get("processes").unwrap());
    assert!(holders.iter().any(|holder| holder.get("pid") == Some(&Value::count(std::process::id()))), "{told}");
    // A process that may not be inspected is named, and the sockets are still returned.
    let world = World::ruled(|action, _, _| action != "inspect" || std::thread::panicking());
    assert_eq!(world.call("net::sockets", vec![]).unwrap_err().code, Code::AccessDenied);
    let world = World::ruled(|action, id, _| action != "inspect" || id == "local");
    let told = world.call("net::sockets", vec![map(&options)]).unwrap();
    assert_eq!(list(told.get("sockets").unwrap()).len(), 1);
    let skipped = list(told.get("skipped").unwrap());
    assert!(skipped.iter().any(|entry| text(entry, "why") == "denied"), "{told}");
    // It is unknown then who has it open, which does not mean nobody.
    let [socket] = list(told.get("sockets").unwrap()) else { panic!("{told}") };
    assert_eq!((socket.get("processes"), told.get("complete")), (Some(&Value::Null), Some(&false.into())));
    let inode = format!("socket:[{}]", socket.get("inode").unwrap());
    let unknown = skipped.iter().find(|entry| text(entry, "path") == inode).unwrap();
    assert_eq!(text(unknown, "why"), "unknown");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a b");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let options = [("protocol", "unix".into()), ("listening", true.into())];
    let told = World::new().call("net::sockets", vec![map(&options)]).unwrap();
    let path: Value = path.to_str().unwrap().into();
    let found = list(told.get("sockets").unwrap()).iter().find(|socket| socket.get("path") == Some(&path)).unwrap();
    assert_eq!((text(found, "kind"), text(found, "state")), ("stream".into(), "listen".into()));
    let error = World::new().call("net::sockets", vec![map(&[("protocol", "sctp".into())])]).unwrap_err();
    assert_eq!(error.code, Code::Validation);
}

#[test]
fn interfaces_and_routes_are_those_of_this_namespace() {
    if !nix::unistd::geteuid().is_root() || Command::new("ip").arg("-V").output().is_err() {
        assert!(std::env::var_os("REX_REQUIRE_SYSTEMD").is_none(), "there is no `ip`");
        return;
    }
    let told = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for line in [
            "link set lo up",
            "link add rex0 type veth peer name rex1",
            "link set rex1 up",
            "address add 10.9.8.7/24 dev rex0",
            "address add 2001:db8:9::7/64 dev rex0 nodad",
            "link set rex0 up",
            "route add 10.20.0.0/16 via 10.9.8.1 metric 7",
            "route add default via 10.9.8.1",
            "-6 route add 2001:db8:a::/48 via 2001:db8:9::1",
        ] {
            let status = Command::new("ip").args(line.split(' ')).status().unwrap();
            assert!(status.success(), "ip {line}");
        }
        let world = World::new();
        (world.call("net::interfaces", vec![]).unwrap(), world.call("net::routes", vec![]).unwrap())
    });
    let (interfaces, routes) = told.join().unwrap();
    let names: Vec<_> = list(&interfaces).iter().map(|interface| text(interface, "name")).collect();
    assert_eq!(names, ["lo", "rex0", "rex1"]);
    let rex0 = &list(&interfaces)[1];
    assert_eq!((rex0.get("up"), rex0.get("loopback")), (Some(&true.into()), Some(&false.into())));
    let addresses: Vec<_> = list(rex0.get("addresses").unwrap())
        .iter()
        .map(|address| (text(address, "address"), address.get("bits").unwrap().to_string(), text(address, "network")))
        .collect();
    assert!(addresses.contains(&("10.9.8.7".into(), "24".into(), "private".into())), "{addresses:?}");
    assert!(addresses.contains(&("2001:db8:9::7".into(), "64".into(), "reserved".into())), "{addresses:?}");
    assert!(matches!(rex0.get("statistics").unwrap().get("sent_bytes"), Some(Value::Int(0..))));
    let routes: Vec<_> = list(&routes)
        .iter()
        .map(|route| (text(route, "destination"), route.get("gateway").unwrap().to_string(), text(route, "interface")))
        .collect();
    for (destination, gateway) in [
        ("0.0.0.0/0", "\"10.9.8.1\""),
        ("10.20.0.0/16", "\"10.9.8.1\""),
        ("10.9.8.0/24", "null"),
        ("2001:db8:a::/48", "\"2001:db8:9::1\""),
    ] {
        assert!(routes.contains(&(destination.into(), gateway.into(), "rex0".into())), "{destination}: {routes:?}");
    }
}
