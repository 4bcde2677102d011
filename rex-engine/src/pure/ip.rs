//! Addresses and ranges of IP, as text.

use core::net::IpAddr;

use ipnet::IpNet;
use rhai::{Dynamic, Map};

use super::{PureResult, fail_with, quote};

functions! { "ip";
    /// `true` if a range such as `10.0.0.0/8`, or one address, contains an address. An IPv4 address in IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
    contains(range: &str, address: &str) -> "bool" = contains;
    /// The parts of an address: a map of `address` (its usual spelling), `version`, `is_loopback`, `is_private`, `is_link_local`, `is_multicast`.
    describe(address: &str) -> "map" = describe;
}

fn address(text: &str) -> PureResult<IpAddr> {
    let refuse = |_| fail_with(format!("{} is not an address", quote(text)), "one looks like `10.0.0.1` or `fe80::1`");
    text.trim().parse::<IpAddr>().map(|address| address.to_canonical()).map_err(refuse)
}

fn contains(range: &str, text: &str) -> PureResult<bool> {
    let one = || range.trim().parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    let refuse =
        |_| fail_with(format!("{} is not a range", quote(range)), "one looks like `10.0.0.0/8` or `fe80::/10`");
    let range = range.trim().parse::<IpNet>().or_else(|_| one()).map_err(refuse)?;
    Ok(range.contains(&address(text)?))
}

fn describe(text: &str) -> PureResult<Map> {
    let address = address(text)?;
    let (version, private, link_local): (i64, _, _) = match address {
        IpAddr::V4(address) => (4, address.is_private(), address.is_link_local()),
        IpAddr::V6(address) => (6, address.is_unique_local(), address.is_unicast_link_local()),
    };
    let entries: [(&str, Dynamic); 6] = [
        ("address", address.to_string().into()),
        ("version", version.into()),
        ("is_loopback", address.is_loopback().into()),
        ("is_private", private.into()),
        ("is_link_local", link_local.into()),
        ("is_multicast", address.is_multicast().into()),
    ];
    Ok(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_fails};

    #[test]
    fn ranges_hold_addresses() {
        for (range, address, held) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.7", "10.0.0.7", true),
            ("fe80::/10", "fe80::1", true),
            ("::/0", "10.0.0.1", false),
        ] {
            check(&format!("ip::contains(\"{range}\", \"{address}\")"), &held.to_string());
        }
        // One spelling, and no guessing of others.
        for text in ["127.1", "0x7f.0.0.1", "010.0.0.1", "2130706433", "", "1.2.3.4/8"] {
            check_fails(
                &format!("ip::describe(\"{text}\")"),
                &format!("VALIDATION_EXCEPTION: `{text}` is not an address"),
            );
        }
        check_fails("ip::contains(\"10/8\", \"10.0.0.1\")", "VALIDATION_EXCEPTION: `10/8` is not a range");
    }

    #[test]
    fn addresses_are_told_apart() {
        check("ip::describe(\"127.0.0.1\").is_loopback", "true");
        check("ip::describe(\"192.168.1.1\").is_private", "true");
        check("ip::describe(\"169.254.169.254\").is_link_local", "true");
        check("let a = ip::describe(\"2001:DB8:0::1\"); a.address + \" \" + a.version", "2001:db8::1 6");
    }
}
