//! `net::sockets`

use std::collections::BTreeMap;
use std::net::IpAddr;

use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use crate::ops::fs::skipped;
use crate::ops::process;
use crate::os::NetworkTable as Table;
use crate::proc::{self, Socket, UnixSocket};
use crate::{Args, Example, Kind, Literal, Op, OpSpec, Param, Returns, Session};

/// Lists the sockets of this machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::sockets",
        aliases: &[],
        needs: &[net::Inspect::SPEC],
        params: &[
            Param::option(
                "protocol",
                Kind::Text,
                Literal::Null,
                "Only these: `tcp`, `udp`, `raw` or `unix`; by default `tcp` and `udp`.",
            ),
            Param::option(
                "listening",
                Kind::Bool,
                Literal::Bool(false),
                "Only those that wait for somebody: of `udp` and `raw`, those without another end.",
            ),
            Param::option("port", Kind::Count, Literal::Null, "Only those with this port of this machine."),
            Param::option(
                "processes",
                Kind::Bool,
                Literal::Bool(false),
                "Say who has them open; needs to list processes, and to inspect each one that is to be found.",
            ),
        ],
        returns: Returns {
            kind: "map",
            doc: "`sockets`, a list of maps: `protocol` (`tcp6`), `state` (`listen`), `local` and `remote` (addresses) with `local_port` and `remote_port`, \
                  `sending` and `receiving` (bytes that wait), `uid` (who made it), `inode`; of `unix`, `kind` and `path` instead of addresses; with `processes`, a list of maps with `pid` and \
                  `name`, or `()` if that could not be found out. `skipped`: the processes that could not be looked at, with `path` (the number), `code` and `message`.",
        },
        doc: "Lists the sockets of this machine, in the order of the kernel.",
        errors: &[Code::Io, Code::LimitExceeded],
        example: Example {
            args: r#"[{"listening": true, "port": 8080}]"#,
            returns: r#"{"skipped":[],"sockets":[{"inode":4711,"local":"0.0.0.0","local_port":8080,"protocol":"tcp","receiving":0,"remote":null,"remote_port":null,"sending":0,"state":"listen","uid":33}]}"#,
        },
    },
    call,
};

/// The states of a socket; `linux/net/tcp_states.h`.
const STATES: [&str; 12] = [
    "unknown",
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];
const LISTEN: u8 = 10;

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let protocol = args.text_option("protocol")?;
    let known = ["tcp", "udp", "raw", "unix"];
    if let Some(protocol) = protocol.filter(|protocol| !known.contains(protocol)) {
        let message = format!("`{}` is not a kind of sockets", protocol.escape_debug());
        return Err(Error::validation(message).with_help(format!("there are: {}", known.join(", "))));
    }
    let (listening, port) = (args.flag("listening")?, args.count_option("port")?);
    let all = [
        ("tcp", Table::Tcp),
        ("tcp6", Table::Tcp6),
        ("udp", Table::Udp),
        ("udp6", Table::Udp6),
        ("raw", Table::Raw),
        ("raw6", Table::Raw6),
    ];
    let wanted = |name: &str| {
        let family = name.trim_end_matches('6');
        protocol.map_or(family != "raw", |protocol| protocol == family)
    };
    let texts = super::tables(
        session,
        [Table::Tcp, Table::Tcp6, Table::Udp, Table::Udp6, Table::Raw, Table::Raw6, Table::Unix],
    )?;
    let mut found = Vec::new();
    for ((name, _), text) in all.iter().zip(&texts).filter(|((name, _), _)| wanted(name)) {
        let waits = |socket: &Socket| {
            if name.starts_with("tcp") { socket.state == LISTEN } else { socket.remote.0.is_unspecified() }
        };
        let meant = |socket: &Socket| {
            (!listening || waits(socket)) && port.is_none_or(|port| port == u64::from(socket.local.1))
        };
        found.extend(proc::sockets(text).into_iter().filter(meant).map(|socket| (socket.inode, told(name, &socket))));
    }
    if protocol == Some("unix") && port.is_none() {
        let sockets = texts.last().map(|text| proc::unix_sockets(text)).unwrap_or_default();
        let meant = |socket: &UnixSocket| !listening || socket.listening;
        found.extend(sockets.into_iter().filter(meant).map(|socket| (socket.inode, told_unix(socket))));
    }
    if found.len() as u64 > session.limits().entries {
        return Err(rex_core::limits::exceeded("entries", session.limits().entries, "sockets"));
    }
    let mut skipped = Vec::new();
    if args.flag("processes")? {
        let (holders, hidden) = holders(session, &mut skipped)?;
        // Where some could not be looked at, one that nobody else holds may be theirs.
        let nobody = || if hidden || !skipped.is_empty() { Value::Null } else { Value::List(Vec::new()) };
        for (inode, entries) in &mut found {
            let holders = holders.get(inode).cloned().map_or_else(nobody, Value::List);
            entries.insert("processes".to_owned(), holders);
        }
    }
    let sockets = found.into_iter().map(|(_, entries)| Value::Map(entries)).collect();
    Ok(Value::map([("sockets", Value::List(sockets)), ("skipped", Value::List(skipped))]))
}

fn told(protocol: &str, socket: &Socket) -> BTreeMap<String, Value> {
    let port = |port: u16| super::unless_zero(port.into());
    let remote = |address: IpAddr| if address.is_unspecified() { Value::Null } else { address.to_string().into() };
    let state = STATES.get(usize::from(socket.state)).copied().unwrap_or("unknown");
    let entries: [(&str, Value); 10] = [
        ("protocol", protocol.into()),
        ("state", state.into()),
        ("local", socket.local.0.to_string().into()),
        ("local_port", port(socket.local.1)),
        ("remote", remote(socket.remote.0)),
        ("remote_port", port(socket.remote.1)),
        ("sending", Value::count(socket.sending)),
        ("receiving", Value::count(socket.receiving)),
        ("uid", Value::count(socket.uid)),
        ("inode", Value::count(socket.inode)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn told_unix(socket: UnixSocket) -> BTreeMap<String, Value> {
    let state = match (socket.listening, socket.connected) {
        (true, _) => "listen",
        (false, true) => "established",
        (false, false) => "unconnected",
    };
    let path = if socket.path.is_empty() { Value::Null } else { socket.path.into() };
    let entries: [(&str, Value); 5] = [
        ("protocol", "unix".into()),
        ("state", state.into()),
        ("kind", socket.kind.into()),
        ("path", path),
        ("inode", Value::count(socket.inode)),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Which processes have which sockets open, and whether there may be others that are hidden.
fn holders(session: &Session<'_>, left_out: &mut Vec<Value>) -> Result<(BTreeMap<u64, Vec<Value>>, bool), Error> {
    let mut holders = BTreeMap::<u64, Vec<Value>>::new();
    let all = process::all(session, None)?;
    for status in all.processes {
        let (pid, name) = (status.process.pid(), status.process.identity().name.clone());
        let open = match process::open_files::open(session, &status.process) {
            Ok(open) => open,
            Err(error) if error.is_fatal() => return Err(error),
            // It has ended meanwhile.
            Err(error) if error.code == Code::NotFound => continue,
            Err(error) => {
                left_out.push(skipped(&pid.to_string(), &error));
                continue;
            }
        };
        let holder = Value::map([("pid", Value::count(pid)), ("name", name.into())]);
        for file in open {
            let inode = file.name.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
            let Some(inode) = inode else { continue };
            let known: &mut Vec<Value> = holders.entry(inode).or_default();
            if known.last() != Some(&holder) {
                known.push(holder.clone());
            }
        }
    }
    Ok((holders, all.hidden))
}
