//! `net::interfaces`

use rex_core::action::net;
use rex_core::net::Network;
use rex_core::resource::Host;
use rex_core::{Action, Code, Error, Value};

use crate::os::Interface;
use crate::{Args, CallExample, Op, OpSpec, ReturnSpec, Session};

/// Lists the network interfaces of this machine.
pub static OP: Op = Op {
    spec: OpSpec {
        name: "net::interfaces",
        aliases: &[],
        needs: &[net::Inspect::SPEC],
        params: &[],
        returns: ReturnSpec {
            kind: "list",
            doc: "Of maps, in the order of their names: `name`, `index`, `up` (switched on), `running` (with something at its other end), `loopback`, \
                  `hardware` (its address, or nothing), `mtu` (bytes, or nothing where it is not told), `addresses` (maps with `address`, `bits` of the network, and `network`: `private`, ...), and \
                  `statistics` since it is there: `received_bytes`, `received_packets`, `receive_errors`, `receive_dropped`, and the same of what was sent.",
        },
        doc: "Lists the interfaces of this machine with their addresses.",
        errors: &[Code::Io],
        example: CallExample {
            args: "[]",
            returns: r#"[{"addresses":[{"address":"127.0.0.1","bits":8,"network":"loopback"}],"hardware":null,"index":1,"loopback":true,"mtu":65536,"name":"lo","running":true,"statistics":{"received_bytes":1000,"received_packets":10,"sent_bytes":1000,"sent_packets":10},"up":true}]"#,
        },
    },
    call,
};

fn call(session: &Session<'_>, _: &Args) -> Result<Value, Error> {
    let grant = session.permit(net::Inspect {}, Host)?;
    let interfaces = session.os.interfaces(grant, session.run.budget()).map_err(|error| error.into_error(&Host))?;
    let told = |(name, interface): (String, Interface)| {
        let addresses = interface.addresses.into_iter().map(|(address, bits)| {
            Value::map([
                ("address", address.to_string().into()),
                ("bits", Value::count(bits)),
                ("network", Network::of(address).as_str().into()),
            ])
        });
        let statistics = interface.statistics.into_iter().map(|(name, count)| (name, Value::count(count)));
        let hardware = if interface.hardware.is_empty() { Value::Null } else { interface.hardware.into() };
        Value::map([
            ("index", Value::count(interface.index)),
            ("up", interface.up.into()),
            ("running", interface.running.into()),
            ("loopback", interface.loopback.into()),
            ("hardware", hardware),
            ("mtu", interface.mtu.map_or(Value::Null, Value::count)),
            ("addresses", addresses.collect::<Vec<_>>().into()),
            ("statistics", Value::Map(statistics.collect())),
            ("name", name.into()),
        ])
    };
    Ok(Value::List(interfaces.into_iter().map(told).collect()))
}
