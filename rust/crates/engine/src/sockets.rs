//! The sockets of one port pair.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// Expedited forwarding (RFC 4594 §4.1: telephony media), as the octet of the IP header.
pub const EXPEDITED: u8 = 0xb8;

/// Three sockets on two ports.
///
/// Once the peer is known, `rtp` is connected to it, which makes sending and receiving cheaper. The kernel
/// then no longer hands it packets of others; those go to `guard`, bound to the same port and never
/// connected, where they are judged and counted, and where a peer that moved is seen again.
#[derive(Debug)]
pub struct Sockets {
    /// Carries RTP (and RTCP when both share a port).
    pub rtp: OwnedFd,
    /// Hears whoever the `rtp` socket is not connected to.
    pub guard: OwnedFd,
    /// Carries RTCP on the next port.
    pub rtcp: OwnedFd,
}

impl Sockets {
    /// Binds all three.
    ///
    /// # Errors
    /// What the operating system says; `AddrInUse` when another program has one of the ports.
    pub fn bind(address: IpAddr, rtp_port: u16) -> io::Result<Self> {
        let rtp = open(address)?;
        bind(&rtp, &SocketAddr::new(address, rtp_port))?;
        // The first bind is exclusive, so that the port of another program is noticed; only then do our
        // own two sockets share it, and afterwards nobody else can join them.
        sockopt::set_socket_reuseaddr(&rtp, true)?;
        let guard = open(address)?;
        sockopt::set_socket_reuseaddr(&guard, true)?;
        bind(&guard, &SocketAddr::new(address, rtp_port))?;
        sockopt::set_socket_reuseaddr(&rtp, false)?;
        sockopt::set_socket_reuseaddr(&guard, false)?;
        let rtcp = open(address)?;
        bind(&rtcp, &SocketAddr::new(address, rtp_port + 1))?;
        Ok(Self { rtp, guard, rtcp })
    }
}

/// Whether sockets can have this local address.
///
/// # Errors
/// What the operating system says; `AddrNotAvailable` when the address is not one of this machine.
pub fn check(address: IpAddr) -> io::Result<()> {
    Ok(bind(&open(address)?, &SocketAddr::new(address, 0))?)
}

fn open(address: IpAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket_with(family, SocketType::DGRAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    if address.is_ipv4() {
        sockopt::set_ip_tos(&fd, EXPEDITED)?;
    } else {
        sockopt::set_ipv6_v6only(&fd, true)?;
        sockopt::set_ipv6_tclass(&fd, u32::from(EXPEDITED))?;
    }
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

    /// A pair on ports that were free: another program may take one between a look and its use.
    fn bound(address: IpAddr) -> (u16, Sockets) {
        let even = |socket: UdpSocket| socket.local_addr().unwrap().port() & !1;
        let bind = |port| Some((port, Sockets::bind(address, port).ok()?));
        (0..100).find_map(|_| bind(even(UdpSocket::bind((address, 0)).unwrap()))).unwrap()
    }

    #[test]
    fn an_address_of_another_machine_is_noticed() {
        assert!(check(IpAddr::V4(Ipv4Addr::LOCALHOST)).is_ok());
        let elsewhere = check("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!(elsewhere.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn a_pair_keeps_other_programs_out() {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let (port, _pair) = bound(address);
            assert_eq!(Sockets::bind(address, port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            assert!(UdpSocket::bind((address, port)).is_err());
            assert!(UdpSocket::bind((address, port + 1)).is_err());
        }
    }
}
