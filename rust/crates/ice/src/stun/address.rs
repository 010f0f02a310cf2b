//! Addresses that are masked, so that no gateway on the way rewrites them (RFC 8489 §14.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, TRANSACTION};

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// Reads the value of an `XOR-MAPPED-ADDRESS`; `None` when it is no address.
pub fn read(value: &[u8], transaction: &[u8; TRANSACTION]) -> Option<SocketAddr> {
    let (&[_, family, high, low], host) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([high, low]) ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match family {
        IPV4 => IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes(host.try_into().ok()?) ^ MAGIC_COOKIE)),
        IPV6 => {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(host.try_into().ok()?) ^ mask(transaction)))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Writes the value; returns how many octets it has.
pub fn write(address: SocketAddr, transaction: &[u8; TRANSACTION], value: &mut [u8; 20]) -> usize {
    let port = (address.port() ^ (MAGIC_COOKIE >> 16) as u16).to_be_bytes();
    value[2..4].copy_from_slice(&port);
    match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = IPV4;
            value[4..8].copy_from_slice(&(ip.to_bits() ^ MAGIC_COOKIE).to_be_bytes());
            8
        }
        IpAddr::V6(ip) => {
            value[1] = IPV6;
            value[4..].copy_from_slice(&(ip.to_bits() ^ mask(transaction)).to_be_bytes());
            20
        }
    }
}

fn mask(transaction: &[u8; TRANSACTION]) -> u128 {
    let cookie = u128::from(MAGIC_COOKIE) << 96;
    transaction.iter().fold(0, |bits, &octet| bits << 8 | u128::from(octet)) | cookie
}
