//! Which addresses a service may fetch from for whoever asks: those of the internet. Others are of
//! hosts that trust the network of the service, and would tell it what they tell nobody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of the internet (RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Between providers and their customers, protocols, and benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // An address of IPv4 in other clothes: mapped, compatible, translated, 6to4.
    let segments = address.segments();
    let last = || {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, ..] => return is_public_v4(last()),
        [0x64, 0xff9b, ..] => return is_public_v4(last()),
        [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            return is_public_v4(Ipv4Addr::new(a, b, c, d));
        }
        _ => {}
    }
    // What is given to hosts of the internet is 2000::/3, without the documentation and Teredo.
    let is_global = segments[0] & 0xe000 == 0x2000;
    is_global && !matches!(segments, [0x2001, 0xdb8 | 0, ..]) && segments[0] != 0x3fff
}
