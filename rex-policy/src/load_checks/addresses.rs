//! Sets of addresses that comparisons in a policy allow.

use std::net::{IpAddr, Ipv6Addr};

use cedar_policy::pst::{Expr, Literal, UnaryOp};

/// The addresses of version 4, where version 6 maps them: no request has a mapped one.
const V4: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// A set of addresses: ranges in order, with gaps between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AddressSet(Vec<(u128, u128)>);

/// An address as a policy writes it: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrittenAddress {
    address: IpAddr,
    prefix: u32,
}

impl WrittenAddress {
    /// Parses the address of `ip("..")`.
    pub(super) fn of(expr: &Expr) -> Option<(&str, Self)> {
        let Expr::UnaryOp { op: UnaryOp::Ip, expr } = expr else { return None };
        let Expr::Literal(Literal::String(text)) = &**expr else { return None };
        let (address, prefix) = text.split_once('/').map_or((text.as_str(), None), |(text, bits)| (text, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let prefix = prefix.map_or(Some(bits(address)), |bits| bits.parse().ok())?;
        (prefix <= bits(address)).then_some((text.as_str(), Self { address, prefix }))
    }

    /// Returns whether a request can have it: one host, spelled as facts are.
    pub(super) fn is_of_a_request(self) -> bool {
        self.prefix == bits(self.address) && self.address.to_canonical() == self.address
    }

    /// Returns whether it is one host.
    pub(super) fn is_host(self) -> bool {
        self.prefix == bits(self.address)
    }

    /// Returns the address as facts spell it.
    pub(super) fn canonical(self) -> IpAddr {
        self.address.to_canonical()
    }

    /// Returns the addresses in it that requests can have.
    pub(super) fn within(self) -> AddressSet {
        let rest = bits(self.address) - self.prefix;
        let mask = 1_u128.checked_shl(rest).map_or(u128::MAX, |bit| bit - 1);
        let number = number(self.address);
        let all = AddressSet(vec![(number & !mask, number | mask)]);
        if self.address.is_ipv4() { all } else { all.without(&AddressSet(vec![V4])) }
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => V4.0 | u128::from(u32::from(address)),
        IpAddr::V6(address) => address.into(),
    }
}

impl AddressSet {
    /// Returns all addresses.
    pub(super) fn all() -> Self {
        Self(vec![(0, u128::MAX)])
    }

    /// Returns a range of addresses.
    pub(super) fn between(first: u128, last: u128) -> Self {
        Self(vec![(first, last)])
    }

    /// Returns one address as a set.
    pub(super) fn one(address: IpAddr) -> Self {
        Self(vec![(number(address), number(address))])
    }

    /// Returns the addresses for which a method is true.
    pub(super) fn of_method(op: UnaryOp) -> Option<Self> {
        let v4 = |first: u32, rest: u32| (V4.0 | u128::from(first), V4.0 | u128::from(first) | u128::from(rest));
        match op {
            UnaryOp::IsIPv4 => Some(Self(vec![V4])),
            UnaryOp::IsIPV6 => Some(Self::all().without(&Self(vec![V4]))),
            UnaryOp::IsLoopback => Some(Self(vec![(1, 1), v4(0x7f00_0000, 0xff_ffff)])),
            UnaryOp::IsMulticast => Some(Self(vec![v4(0xe000_0000, 0xfff_ffff), (0xff << 120, u128::MAX)])),
            _ => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the only address, if there is one.
    pub(super) fn single(&self) -> Option<IpAddr> {
        match self.0[..] {
            [(first, last)] if first == last => Some(IpAddr::V6(Ipv6Addr::from(first)).to_canonical()),
            _ => None,
        }
    }

    /// Returns the intersection.
    pub(super) fn meet(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some((first, last)), Some((from, to))) = (ours.peek(), theirs.peek()) {
            let range = (*first.max(from), *last.min(to));
            if range.0 <= range.1 {
                both.push(range);
            }
            let done = if last < to { &mut ours } else { &mut theirs };
            done.next();
        }
        Self(both)
    }

    /// Returns the difference.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut gaps = Vec::new();
        let mut next = Some(0);
        for (first, last) in &other.0 {
            if let Some(from) = next.filter(|from| from < first) {
                gaps.push((from, first - 1));
            }
            next = last.checked_add(1);
        }
        gaps.extend(next.map(|from| (from, u128::MAX)));
        self.meet(&Self(gaps))
    }

    /// Returns the union.
    pub(super) fn union(all: impl IntoIterator<Item = Self>) -> Self {
        let mut ranges: Vec<_> = all.into_iter().flat_map(|one| one.0).collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::new();
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn written(text: &str) -> WrittenAddress {
        let text = Arc::new(Expr::Literal(Literal::String(text.into())));
        WrittenAddress::of(&Expr::UnaryOp { op: UnaryOp::Ip, expr: text }).unwrap().1
    }

    #[test]
    fn sets_are_those_of_the_methods() {
        let within = |text: &str| written(text).within();
        assert!(within("10.0.0.0/8").meet(&within("10.1.0.0/16")) == within("10.1.0.0/16"));
        assert!(within("10.0.0.0/8").meet(&within("192.168.0.0/16")).is_empty());
        assert!(within("0.0.0.0/0").meet(&within("::/0")).is_empty());
        assert!(within("::ffff:a00:0/104").is_empty());
        let (v4, v6) =
            (AddressSet::of_method(UnaryOp::IsIPv4).unwrap(), AddressSet::of_method(UnaryOp::IsIPV6).unwrap());
        assert!(v4.meet(&v6).is_empty() && AddressSet::union([v6.clone(), v4.clone()]) == AddressSet::all());
        assert_eq!((within("0.0.0.0/0"), within("::/0")), (v4.clone(), v6));
        let loopback = AddressSet::of_method(UnaryOp::IsLoopback).unwrap();
        assert_eq!(loopback.meet(&v4), within("127.0.0.0/8"));
        assert_eq!(AddressSet::of_method(UnaryOp::IsMulticast).unwrap().meet(&v4), within("224.0.0.0/4"));
        assert_eq!(within("10.0.0.7"), AddressSet::one("10.0.0.7".parse().unwrap()));
    }

    #[test]
    fn requests_have_hosts_alone() {
        for (text, is) in
            [("10.0.0.1", true), ("10.0.0.1/32", true), ("10.0.0.0/8", false), ("::1", true), ("::ffff:a00:1", false)]
        {
            assert_eq!(written(text).is_of_a_request(), is, "{text}");
        }
    }
}
