//! Where packets for a port's peer go, readable by any worker without a lock.
//!
//! The worker that owns the port writes, others read: a sequence lock over plain words. A reader that met a
//! write in progress reads again; the writer never waits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::atomic::{AtomicU64, Ordering, fence};

const SENDS: u64 = 1 << 32;
const MUX: u64 = 1 << 33;
const CONNECTED: u64 = 1 << 34;
const SEALED: u64 = 1 << 35;
const REPORTING: u64 = 1 << 36;
const EXTENDED: u64 = 1 << 37;
const OCCUPIED: u64 = 1 << 38;

/// A port's way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// Which use of the slot this belongs to.
    pub generation: u32,
    /// Whether anything may be sent at all (false on hold).
    pub sends: bool,
    /// Whether RTCP shares the RTP port (RFC 5761).
    pub mux: bool,
    /// Whether the RTP socket is connected to `rtp`.
    pub connected: bool,
    /// Whether nothing may be sent in the clear.
    pub sealed: bool,
    /// Whether what is sent is noted for reports of this port's own.
    pub reporting: bool,
    /// Whether a header extension is written into what is sent.
    pub extended: bool,
    /// Whether the port itself speaks in the place of what others send to its peer.
    pub occupied: bool,
    /// The peer's RTP address.
    pub rtp: Option<SocketAddr>,
    /// The peer's RTCP address.
    pub rtcp: Option<SocketAddr>,
}

/// An [`Egress`] that one thread writes and many read.
#[derive(Debug, Default)]
pub struct EgressCell {
    version: AtomicU64,
    words: [AtomicU64; 7],
}

impl EgressCell {
    /// Publishes; only the worker that owns the slot may call this.
    pub fn store(&self, egress: &Egress) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let head = u64::from(egress.generation)
            | flag(egress.sends, SENDS)
            | flag(egress.mux, MUX)
            | flag(egress.connected, CONNECTED)
            | flag(egress.sealed, SEALED)
            | flag(egress.reporting, REPORTING)
            | flag(egress.extended, EXTENDED)
            | flag(egress.occupied, OCCUPIED);
        let [a, b, c] = pack(egress.rtp);
        let [d, e, f] = pack(egress.rtcp);
        for (cell, word) in self.words.iter().zip([head, a, b, c, d, e, f]) {
            cell.store(word, Ordering::Relaxed);
        }
        self.version.store(version + 2, Ordering::Release);
    }

    /// Reads what was published last.
    pub fn load(&self) -> Egress {
        let words = self.read();
        let head = words[0];
        Egress {
            generation: head as u32,
            sends: head & SENDS != 0,
            mux: head & MUX != 0,
            connected: head & CONNECTED != 0,
            sealed: head & SEALED != 0,
            reporting: head & REPORTING != 0,
            extended: head & EXTENDED != 0,
            occupied: head & OCCUPIED != 0,
            rtp: unpack([words[1], words[2], words[3]]),
            rtcp: unpack([words[4], words[5], words[6]]),
        }
    }

    /// Something of it, read so that it is in the cache.
    pub fn touch(&self) -> u64 {
        self.words[0].load(Ordering::Relaxed)
    }

    /// Whether nothing may be sent in the clear.
    pub fn is_sealed(&self) -> bool {
        self.words[0].load(Ordering::Relaxed) & SEALED != 0
    }

    fn read(&self) -> [u64; 7] {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let words = std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                return words;
            }
            std::hint::spin_loop();
        }
    }
}

fn pack(address: Option<SocketAddr>) -> [u64; 3] {
    match address {
        None => [0; 3],
        Some(SocketAddr::V4(v4)) => [u64::from(v4.ip().to_bits()), 0, u64::from(v4.port()) | 4 << 16],
        Some(SocketAddr::V6(v6)) => {
            let bits = v6.ip().to_bits();
            let scope = u64::from(v6.scope_id()) << 32;
            [(bits >> 64) as u64, bits as u64, u64::from(v6.port()) | 6 << 16 | scope]
        }
    }
}

fn unpack([high, low, rest]: [u64; 3]) -> Option<SocketAddr> {
    let port = rest as u16;
    match (rest >> 16) as u16 {
        4 => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(high as u32)), port)),
        6 => {
            let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, 0, (rest >> 32) as u32)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(generation: u32, rtp: &str) -> Egress {
        let rtp: SocketAddr = rtp.parse().unwrap();
        let rtcp = Some(SocketAddr::new(rtp.ip(), rtp.port() + 1));
        let rtp = Some(rtp);
        Egress {
            generation,
            sends: true,
            connected: true,
            sealed: true,
            occupied: true,
            rtp,
            rtcp,
            ..Egress::default()
        }
    }

    #[test]
    fn gives_back_what_was_stored() {
        let cell = EgressCell::default();
        assert_eq!(cell.load(), Egress::default());
        for address in ["192.0.2.1:4000", "[2001:db8::1]:4000", "[fe80::1%7]:65534"] {
            let wanted = egress(7, address);
            cell.store(&wanted);
            assert_eq!(cell.load(), wanted);
        }
    }

    #[test]
    fn a_reader_never_sees_half_a_write() {
        let cell = EgressCell::default();
        let pair = [egress(1, "192.0.2.1:4000"), egress(2, "[2001:db8::2]:5000")];
        cell.store(&pair[0]);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..50_000).for_each(|n| cell.store(&pair[n % 2])));
            for _ in 0..50_000 {
                assert!(pair.contains(&cell.load()));
            }
        });
    }
}
