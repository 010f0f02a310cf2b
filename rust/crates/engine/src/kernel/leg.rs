//! What the kernel program reads and writes, in its own layout: `struct leg` of `bpf/relay.bpf.c`.

use std::net::{IpAddr, SocketAddr};

/// The words of a leg.
pub const WORDS: usize = 36;
/// Where the parts lie that user space writes or reads.
const SOURCE: usize = 0;
const TARGET: usize = 4;
const PORTS: usize = 8;
const ADDRESS_SUM: usize = 9;
const PORT_SUM: usize = 10;
const SSRC: usize = 11;
const MARKS: usize = 12;
const CLOCK: usize = 13;
const TICKS: usize = 14;
const LARGEST: usize = 15;
const LOOK_EVERY: usize = 16;
const PACKETS: usize = 18;
const OCTETS: usize = 20;
const HEARD: usize = 22;
const HIGHEST: usize = 26;
const JITTER: usize = 28;

/// A leg as the map holds it.
pub type Words = [u32; WORDS];

/// From where to where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source.
    pub source: SocketAddr,
    /// Target.
    pub target: SocketAddr,
}

/// The key of a flow, by family: addresses and ports as they stand in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// IPv4.
    V4([u32; 3]),
    /// IPv6.
    V6([u32; 9]),
}

/// One direction of a call, as it is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// As the packets come.
    pub comes: Flow,
    /// As they leave; of the same family.
    pub leaves: Flow,
    /// The one stream that is passed on.
    pub ssrc: u32,
    /// The one payload type that is.
    pub payload_type: u8,
    /// The octet of the IP header that asks for a class of service.
    pub traffic_class: u8,
    /// The RTP clock of that payload type.
    pub clock_hz: u32,
    /// Octets of the largest frame that need not be fragmented on its way out.
    pub largest: u32,
    /// How often user space wants to see a packet, in nanoseconds.
    pub look_every_ns: u64,
    /// The extended sequence number heard last.
    pub highest: u32,
    /// Sixteen times the interarrival jitter, in units of the clock.
    pub jitter_x16: u32,
}

/// What the kernel has counted of a leg since it was handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Packets passed on.
    pub packets: u64,
    /// Their octets, RTP header included.
    pub octets: u64,
    /// When the last one came, on the system's monotonic clock; 0: none did.
    pub heard_ns: u64,
    /// The extended sequence number heard last.
    pub highest: u32,
    /// Sixteen times the interarrival jitter.
    pub jitter_x16: u32,
}

impl Flow {
    /// The key under which the program finds it; `None` for mixed families, which no packet has.
    pub fn key(self) -> Option<Key> {
        let ports = ports_of(self);
        match (self.source.ip(), self.target.ip()) {
            (IpAddr::V4(source), IpAddr::V4(target)) => Some(Key::V4([
                u32::from_ne_bytes(source.octets()),
                u32::from_ne_bytes(target.octets()),
                ports,
            ])),
            (IpAddr::V6(_), IpAddr::V6(_)) => {
                let (source, target) = (address_words(self.source.ip()), address_words(self.target.ip()));
                let mut key = [ports; 9];
                key[..4].copy_from_slice(&source);
                key[4..8].copy_from_slice(&target);
                Some(Key::V6(key))
            }
            _ => None,
        }
    }
}

impl Leg {
    /// The leg as the map holds it, with nothing counted and no way learnt.
    pub fn words(&self) -> Words {
        let mut words = [0; WORDS];
        words[SOURCE..TARGET].copy_from_slice(&address_words(self.leaves.source.ip()));
        words[TARGET..PORTS].copy_from_slice(&address_words(self.leaves.target.ip()));
        words[PORTS] = ports_of(self.leaves);
        words[ADDRESS_SUM] = difference(&addresses_of(self.comes), &addresses_of(self.leaves));
        words[PORT_SUM] = difference(&[ports_of(self.comes)], &[words[PORTS]]);
        words[SSRC] = self.ssrc.to_be();
        words[MARKS] = u32::from_ne_bytes([self.payload_type, self.traffic_class, 0, 0]);
        words[CLOCK] = self.clock_hz;
        words[TICKS] = ((u64::from(self.clock_hz) << 32) / 1_000_000_000) as u32;
        words[LARGEST] = self.largest;
        put(&mut words, LOOK_EVERY, self.look_every_ns);
        words[HIGHEST] = self.highest;
        words[JITTER] = self.jitter_x16;
        words
    }
}

impl Passed {
    /// Reads what the program has counted.
    pub fn read(words: &Words) -> Self {
        Self {
            packets: get(words, PACKETS),
            octets: get(words, OCTETS),
            heard_ns: get(words, HEARD),
            highest: words[HIGHEST],
            jitter_x16: words[JITTER],
        }
    }
}

fn address_words(address: IpAddr) -> [u32; 4] {
    let mut words = [0; 4];
    match address {
        IpAddr::V4(address) => words[0] = u32::from_ne_bytes(address.octets()),
        IpAddr::V6(address) => {
            for (word, octets) in words.iter_mut().zip(address.octets().chunks_exact(4)) {
                *word = u32::from_ne_bytes([octets[0], octets[1], octets[2], octets[3]]);
            }
        }
    }
    words
}

fn addresses_of(flow: Flow) -> [u32; 8] {
    let mut words = [0; 8];
    words[..4].copy_from_slice(&address_words(flow.source.ip()));
    words[4..].copy_from_slice(&address_words(flow.target.ip()));
    words
}

fn ports_of(flow: Flow) -> u32 {
    let [a, b] = flow.source.port().to_be_bytes();
    let [c, d] = flow.target.port().to_be_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// What turns the checksum of the one into that of the other when it is added (RFC 1624).
fn difference(from: &[u32], to: &[u32]) -> u32 {
    let mut sum: u64 = from.iter().map(|word| u64::from(!word)).sum();
    sum += to.iter().map(|&word| u64::from(word)).sum::<u64>();
    while sum >> 32 != 0 {
        sum = (sum & 0xffff_ffff) + (sum >> 32);
    }
    sum as u32
}

fn put(words: &mut Words, at: usize, value: u64) {
    let [a, b, c, d, e, f, g, h] = value.to_ne_bytes();
    words[at] = u32::from_ne_bytes([a, b, c, d]);
    words[at + 1] = u32::from_ne_bytes([e, f, g, h]);
}

fn get(words: &Words, at: usize) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (words[at].to_ne_bytes(), words[at + 1].to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(source: &str, target: &str) -> Flow {
        Flow { source: source.parse().unwrap(), target: target.parse().unwrap() }
    }

    #[test]
    fn keys_are_as_packets_are() {
        let Some(Key::V4(key)) = flow("192.0.2.1:4000", "192.0.2.9:10000").key() else { panic!("no key") };
        let bytes: Vec<u8> = key.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(bytes, [192, 0, 2, 1, 192, 0, 2, 9, 0x0f, 0xa0, 0x27, 0x10]);
        assert!(matches!(flow("[2001:db8::1]:1", "[2001:db8::2]:2").key(), Some(Key::V6(_))));
        assert_eq!(flow("192.0.2.1:1", "[2001:db8::2]:2").key(), None);
    }

    #[test]
    fn the_difference_turns_one_checksum_into_the_other() {
        let folded = |words: &[u32]| {
            let mut sum: u64 = words.iter().map(|&word| u64::from(word)).sum();
            while sum >> 16 != 0 {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            sum as u16
        };
        let (from, to) = ([0xc000_0201, 0xffff_ffff, 7], [0x0a63_0001, 0xc000_0299, 0xffff_fffe]);
        let turned = folded(&[u32::from(folded(&from)), difference(&from, &to)]);
        assert_eq!(turned, folded(&to));
    }

    #[test]
    fn what_is_told_and_counted_lies_where_the_program_looks_for_it() {
        let leg = Leg {
            comes: flow("192.0.2.1:4000", "192.0.2.9:10000"),
            leaves: flow("192.0.2.9:10002", "192.0.2.5:5000"),
            ssrc: 0x0102_0304,
            payload_type: 8,
            traffic_class: 0xb8,
            clock_hz: 8000,
            largest: 1294,
            look_every_ns: 1 << 40,
            highest: 70_000,
            jitter_x16: 33,
        };
        let words = leg.words();
        assert_eq!(words[SSRC].to_ne_bytes(), [1, 2, 3, 4]);
        assert_eq!(words[MARKS].to_ne_bytes(), [8, 0xb8, 0, 0]);
        assert_eq!((words[TICKS], words[LARGEST], get(&words, LOOK_EVERY)), (34_359, 1294, 1 << 40));
        let passed = Passed::read(&words);
        assert_eq!(passed, Passed { highest: 70_000, jitter_x16: 33, ..Passed::default() });
    }
}
