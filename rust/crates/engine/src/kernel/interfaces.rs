//! Which network interfaces carry media: found in what the system says of its routes.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ROUTES: &str = "/proc/thread-self/net/route";
const ADDRESSES6: &str = "/proc/thread-self/net/if_inet6";
const LOOPBACK: &str = "lo";
/// What stands for the interface of a route that leads nowhere (`ip route add blackhole …`).
const NOWHERE: &str = "*";

/// The interfaces that reach the networks of these local addresses, and those of the default routes; never
/// the loopback interface.
pub fn carrying(addresses: &[IpAddr]) -> Vec<String> {
    let outward: Vec<IpAddr> = addresses.iter().filter(|address| !address.is_loopback()).copied().collect();
    if outward.is_empty() {
        return Vec::new();
    }
    let routes = fs::read_to_string(ROUTES).unwrap_or_default();
    let addresses6 = fs::read_to_string(ADDRESSES6).unwrap_or_default();
    let mut found = of_routes(&routes, &outward);
    found.extend(of_addresses6(&addresses6, &outward));
    found.into_iter().filter(|name| name != LOOPBACK).collect()
}

/// Reads the table of IPv4 routes: a line each, interface, network, gateway, …, the mask eighth; in hexadecimal
/// digits of the host's own order.
fn of_routes(table: &str, addresses: &[IpAddr]) -> BTreeSet<String> {
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (&name, network, mask) = (fields.first()?, number(fields.get(1)?)?, number(fields.get(7)?)?);
        let is_of = |address: &IpAddr| match address {
            IpAddr::V4(v4) if *v4 == Ipv4Addr::UNSPECIFIED => true,
            IpAddr::V4(v4) => u32::from_ne_bytes(v4.octets()) & mask == network,
            IpAddr::V6(_) => false,
        };
        (name != NOWHERE && addresses.iter().any(is_of)).then(|| name.to_owned())
    };
    table.lines().filter_map(of_line).collect()
}

/// Reads the table of IPv6 addresses: address, …, interface.
fn of_addresses6(table: &str, addresses: &[IpAddr]) -> BTreeSet<String> {
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = Ipv6Addr::from_bits(u128::from_str_radix(fields.first()?, 16).ok()?);
        let is_of = |wanted: &IpAddr| matches!(wanted, IpAddr::V6(v6) if *v6 == Ipv6Addr::UNSPECIFIED || *v6 == address);
        addresses.iter().any(is_of).then(|| fields.last().map(|&name| name.to_owned()))?
    };
    table.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_tell_the_interface_of_an_address_and_the_default_one() {
        let hex = |address: &str| {
            format!("{:08X}", u32::from_ne_bytes(address.parse::<Ipv4Addr>().unwrap().octets()))
        };
        let line = |name: &str, network: &str, mask: &str| {
            format!("{name}\t{}\t00000000\t0001\t0\t0\t0\t{}\t0\t0\t0\n", hex(network), hex(mask))
        };
        let table = format!(
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n{}{}{}{}",
            line("eth0", "0.0.0.0", "0.0.0.0"),
            line("eth1", "192.0.2.0", "255.255.255.0"),
            line("eth2", "198.51.100.0", "255.255.255.0"),
            // A route to nowhere is of no interface.
            line("*", "192.0.0.0", "255.0.0.0"),
        );
        let of =
            |address: &str| of_routes(&table, &[address.parse().unwrap()]).into_iter().collect::<Vec<_>>();
        assert_eq!(of("192.0.2.7"), ["eth0", "eth1"]);
        assert_eq!(of("0.0.0.0"), ["eth0", "eth1", "eth2"]);
        assert_eq!(of("::1"), [""; 0]);
    }

    #[test]
    fn an_ipv6_address_tells_its_interface() {
        let table = "20010db8000000000000000000000001 02 40 00 80 eth3\n\
                     fe800000000000000000000000000001 02 40 20 80 eth4\n";
        let found = of_addresses6(table, &["2001:db8::1".parse().unwrap()]);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["eth3"]);
    }

    #[test]
    fn loopback_addresses_need_no_interface() {
        assert_eq!(carrying(&["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]), [""; 0]);
    }
}
