//! The addresses that a network holds.

use super::addresses::AddressSet;

/// The start of version 4 addresses among those of version 6.
const V4: u128 = 0xffff_0000_0000;

/// Version 4 addresses by network, with the length of the prefix; all others are `public`.
const OF_V4: &[(&str, [u8; 4], u32)] = &[
    ("loopback", [127, 0, 0, 0], 8),
    ("loopback", [0, 0, 0, 0], 32),
    ("private", [10, 0, 0, 0], 8),
    ("private", [172, 16, 0, 0], 12),
    ("private", [192, 168, 0, 0], 16),
    ("private", [100, 64, 0, 0], 10),
    ("link_local", [169, 254, 0, 0], 16),
    ("multicast", [224, 0, 0, 0], 4),
    ("reserved", [0, 0, 0, 0], 8),
    ("reserved", [240, 0, 0, 0], 4),
    ("reserved", [192, 0, 0, 0], 24),
    ("reserved", [192, 0, 2, 0], 24),
    ("reserved", [192, 88, 99, 0], 24),
    ("reserved", [198, 18, 0, 0], 15),
    ("reserved", [198, 51, 100, 0], 24),
    ("reserved", [203, 0, 113, 0], 24),
    ("metadata", [169, 254, 169, 254], 32),
    ("metadata", [169, 254, 169, 253], 32),
    ("metadata", [169, 254, 170, 2], 32),
    ("metadata", [169, 254, 170, 23], 32),
    ("metadata", [168, 63, 129, 16], 32),
    ("metadata", [100, 100, 100, 200], 32),
    ("metadata", [192, 0, 0, 192], 32),
];

/// Version 6 addresses by network, first 32 bits and length of the prefix; `reserved` ones can be anywhere.
const OF_V6: &[(&str, u32, u32)] = &[
    ("private", 0xfc00_0000, 7),
    ("private", 0xfec0_0000, 9),
    ("metadata", 0xfd00_0000, 8),
    ("link_local", 0xfe80_0000, 10),
    ("multicast", 0xff00_0000, 8),
    ("public", 0x2000_0000, 3),
];

/// Version 6 addresses that hold a version 4 address, and belong to its network: RFC 4291, RFC 6052, RFC 3056.
const TUNNELS: &[(u128, u128)] = &[
    (2, u32::MAX as u128),
    (0x0064_ff9b << 96, (0x0064_ff9b << 96) | u32::MAX as u128),
    (0x2002 << 112, (0x2003 << 112) - 1),
];

/// Returns the addresses that can belong to a network, and perhaps others.
fn of(network: &str) -> AddressSet {
    let v4 = |first: [u8; 4], bits: u32| {
        let first = V4 | u128::from(u32::from_be_bytes(first));
        AddressSet::between(first, first | ((1_u128 << (32 - bits)) - 1))
    };
    let v6 = |first: u32, bits: u32| {
        let first = u128::from(first) << 96;
        AddressSet::between(first, first | ((1_u128 << (128 - bits)) - 1))
    };
    let all_v4 = || v4([0, 0, 0, 0], 0);
    let mut all: Vec<AddressSet> = TUNNELS.iter().map(|(first, last)| AddressSet::between(*first, *last)).collect();
    all.extend(OF_V4.iter().filter(|(name, ..)| *name == network).map(|(_, first, bits)| v4(*first, *bits)));
    all.extend(OF_V6.iter().filter(|(name, ..)| *name == network).map(|(_, first, bits)| v6(*first, *bits)));
    match network {
        "public" => {
            let others = OF_V4.iter().map(|(_, first, bits)| v4(*first, *bits));
            all.push(all_v4().without(&AddressSet::union(others)));
        }
        "loopback" => all.push(AddressSet::between(0, 1)),
        "reserved" => all.push(AddressSet::all().without(&all_v4())),
        _ => {}
    }
    AddressSet::union(all)
}

impl AddressSet {
    /// Returns whether one of them can belong to a network; `true` if that is unknown.
    pub(super) fn may_be_in(&self, network: &str) -> bool {
        !self.meet(&of(network)).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;
    use rex_core::net::{NETWORKS, Network};

    use super::*;

    fn is_told(address: IpAddr) {
        let network = Network::of(address).as_str();
        assert!(AddressSet::one(address.to_canonical()).may_be_in(network), "{address} is in {network}");
    }

    /// Each address belongs to its network, and a public address of version 4 to no other.
    #[test]
    fn addresses_at_the_edges_are_in_their_networks() {
        for (_, first, bits) in OF_V4 {
            let first = u32::from_be_bytes(*first);
            let last = first | u32::try_from((1_u64 << (32 - bits)) - 1).unwrap();
            for edge in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                let address = IpAddr::from(Ipv4Addr::from(edge));
                is_told(address);
                let mapped = Ipv6Addr::from((0x2002_u128 << 112) | (u128::from(edge) << 80));
                is_told(mapped.into());
                if Network::of(address) == Network::Public {
                    let others = NETWORKS.iter().filter(|name| AddressSet::one(address).may_be_in(name));
                    assert_eq!(others.collect::<Vec<_>>(), [&"public"], "{address}");
                }
            }
        }
        for first in 0..=u16::MAX {
            is_told(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 1).into());
            is_told(Ipv6Addr::new(first, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff).into());
        }
        for address in
            ["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "::1", "::", "64:ff9b::a9fe:a9fe", "2001:db8::1"]
        {
            is_told(address.parse().unwrap());
        }
        assert!(!AddressSet::one("10.0.0.1".parse().unwrap()).may_be_in("public"));
        assert!(!AddressSet::one("::1".parse().unwrap()).may_be_in("public"));
    }

    proptest! {
        #[test]
        fn any_address_is_in_its_network(v4: u32, v6: u128, start in 0..=0xff_u128) {
            is_told(Ipv4Addr::from(v4).into());
            is_told(Ipv6Addr::from(v6).into());
            is_told(Ipv6Addr::from((v6 >> 8) | (start << 120)).into());
        }
    }
}
