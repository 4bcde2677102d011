//! `net::sockets`

use std::collections::BTreeMap;
use std::net::IpAddr;

use rex_core::action::net;
use rex_core::{Action, Code, Error, Value};

use crate::ops::process;
use crate::os::NetworkTable as Table;
use crate::proc::{self, SocketRow, UnixSocket};
use crate::skipped::SkippedEntries;
use crate::words::SOCKET_STATES;
use crate::{Args, CallExample, Literal, Op, OpSpec, Param, ParamForm, ParamKind, ReturnSpec, Session};

/// Lists the sockets of this machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::sockets",
        aliases: &[],
        needs: &[net::Inspect::SPEC],
        params: &[
            Param::option(
                "protocol",
                ParamKind::Text,
                Literal::Null,
                "Only these: `tcp`, `udp`, `raw` or `unix`; by default `tcp` and `udp`.",
            )
            .of(ParamForm::OneOf(&["tcp", "udp", "raw", "unix"])),
            Param::option(
                "listening",
                ParamKind::Bool,
                Literal::Bool(false),
                "Only those that wait for somebody: of `udp` and `raw`, those without another end.",
            ),
            Param::option("port", ParamKind::Count, Literal::Null, "Only those with this port of this machine."),
            Param::option(
                "processes",
                ParamKind::Bool,
                Literal::Bool(false),
                "Say who has them open; needs to list processes, and to inspect each one that is to be found.",
            ),
        ],
        returns: ReturnSpec {
            kind: "map",
            doc: "`sockets`, a list of maps: `protocol` (`tcp6`), `state` (`listen`), `local` and `remote` (addresses) with `local_port` and `remote_port`, \
                  `sending` and `receiving` (bytes that wait), `uid` (who made it), `inode`; of `unix`, `kind` and `path` instead of addresses; with `processes`, a list of maps with `pid` and \
                  `name`, `()` where it is not known who has it open, `[]` where nobody can, because it is about to go. `skipped`: the processes that could \
                  not be looked at, with `path` (the number), and the sockets of which it is not known who has them open, with `path` (`socket:[4711]`); \
                  each with `code`, `message`, `why` (`denied`, `no permission`, `unknown`, ...) and `count`. `complete`: false if something was skipped.",
        },
        doc: "Lists the sockets of this machine, in the order of the kernel.",
        errors: &[Code::Io, Code::LimitExceeded],
        example: CallExample {
            args: r#"[{"listening": true, "port": 8080}]"#,
            returns: r#"{"complete":true,"skipped":[],"sockets":[{"inode":4711,"local":"0.0.0.0","local_port":8080,"protocol":"tcp","receiving":0,"remote":null,"remote_port":null,"sending":0,"state":"listen","uid":33}]}"#,
        },
    },
    call,
};

const LISTEN: u8 = 10;

fn call(session: &Session<'_>, args: &Args) -> Result<Value, Error> {
    let protocol = args.text_option("protocol")?;
    let (listening, port) = (args.flag("listening")?, args.count_option("port")?);
    if let Some(port) = port.filter(|port| *port > u64::from(u16::MAX)) {
        return Err(Error::new(Code::Validation, format!("`port` is {port}; a port is at most {}", u16::MAX)));
    }
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
        let waits = |socket: &SocketRow| {
            if name.starts_with("tcp") { socket.state == LISTEN } else { socket.remote.0.is_unspecified() }
        };
        let meant = |socket: &SocketRow| {
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
    let (mut skipped, mut others) = (SkippedEntries::default(), false);
    if args.flag("processes")? {
        let (holders, hidden) = holders(session, &mut skipped)?;
        tell_holders(&mut found, &holders, hidden, &mut skipped);
        others = hidden;
    }
    let sockets = found.into_iter().map(|(_, entries)| Value::Map(entries)).collect();
    let complete = skipped.is_empty() && !others;
    Ok(Value::map([("sockets", Value::List(sockets)), ("complete", complete.into()), ("skipped", skipped.into())]))
}

/// Adds to each socket the processes that have it open. If none is known, there may still be one.
fn tell_holders(
    found: &mut [(u64, BTreeMap<String, Value>)],
    holders: &BTreeMap<u64, Vec<Value>>,
    hidden: bool,
    skipped: &mut SkippedEntries,
) {
    let why = match skipped.is_empty() && !hidden {
        true => {
            "no process that Rex sees: the kernel has it open, or a process of another namespace, or one that is hidden"
        }
        false => "none of the processes that could be looked at",
    };
    for (inode, entries) in found {
        let told = match holders.get(inode) {
            Some(holders) => Value::List(holders.clone()),
            // Such a socket belongs to the kernel: its process has closed it.
            None if *inode == 0 => Value::List(Vec::new()),
            None => {
                let message = format!("it is not known who has it open: {why}");
                skipped.add_as(&format!("socket:[{inode}]"), &Error::new(Code::NotFound, message), "unknown");
                Value::Null
            }
        };
        entries.insert("processes".to_owned(), told);
    }
}

fn told(protocol: &str, socket: &SocketRow) -> BTreeMap<String, Value> {
    let port = |port: u16| super::unless_zero(port.into());
    let remote = |address: IpAddr| if address.is_unspecified() { Value::Null } else { address.to_string().into() };
    let known = usize::from(socket.state);
    let state = SOCKET_STATES.get(known).copied().filter(|state| *state != "unconnected").unwrap_or("unknown");
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

/// Returns the processes that have each socket open, and `true` if others may be hidden.
fn holders(session: &Session<'_>, left_out: &mut SkippedEntries) -> Result<(BTreeMap<u64, Vec<Value>>, bool), Error> {
    let mut holders = BTreeMap::<u64, Vec<Value>>::new();
    let all = process::all(session, None)?;
    for status in all.processes {
        let (pid, name) = (status.process.pid(), status.process.identity().name.clone());
        let open = match process::open_files::open(session, &status.process) {
            Ok(open) => open,
            Err(error) if error.is_fatal() => return Err(error),
            // It has ended in the meantime.
            Err(error) if error.code == Code::NotFound => continue,
            Err(error) => {
                left_out.add(&pid.to_string(), &error);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_known_is_not_nobody() {
        let mut found = [(7, BTreeMap::new()), (8, BTreeMap::new()), (0, BTreeMap::new())];
        let holders = BTreeMap::from([(7, vec![Value::Int(4242)])]);
        let mut skipped = SkippedEntries::default();
        tell_holders(&mut found, &holders, false, &mut skipped);
        let told = found.map(|(_, entries)| entries["processes"].clone());
        assert_eq!(told, [Value::List(vec![Value::Int(4242)]), Value::Null, Value::List(Vec::new())]);
        let Value::List(skipped) = Value::from(skipped) else { panic!() };
        assert_eq!(skipped.len(), 1);
        assert_eq!(
            (skipped[0].get("path"), skipped[0].get("why")),
            (Some(&"socket:[8]".into()), Some(&"unknown".into()))
        );
    }
}
