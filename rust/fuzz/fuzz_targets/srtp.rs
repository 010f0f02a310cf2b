//! SRTP and SRTCP: what is not ours is refused and left as it was, what is ours comes back as it was, once.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use trunkline_fuzz::{Script, spoil};
use trunkline_rtp::srtp::{MasterKey, OVERHEAD, Opener, Refused, Sealer, Suite};

/// A packet, as it was and sealed; which one it was; whether it is RTCP.
struct Sealed {
    clear: Vec<u8>,
    bytes: Vec<u8>,
    number: usize,
    rtcp: bool,
}

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let Some(choice) = script.octet() else { return };
    let suite = Suite::ALL[usize::from(choice) % Suite::ALL.len()];
    let key = MasterKey::new(suite, &vec![7; suite.key_octets() + suite.salt_octets()])
        .expect("a key of its length");
    let (mut opener, mut sealer) =
        (Opener::new(&key).expect("an opener"), Sealer::new(&key).expect("a sealer"));
    let (mut sent, mut opened) = (Vec::<Sealed>::new(), HashSet::new());
    while let Some(what) = script.octet() {
        let rtcp = what & 1 != 0;
        match what >> 1 & 3 {
            0 => {
                let Some(datagram) = script.datagram() else { return };
                refused(&mut opener, datagram);
            }
            1 => {
                let Some(clear) = script.datagram() else { return };
                if let Some(bytes) = seal(&mut sealer, clear, rtcp) {
                    let number = sent.len();
                    sent.push(Sealed { clear: clear.to_vec(), bytes, number, rtcp });
                }
            }
            2 => {
                let behind = usize::from(what >> 3);
                let Some(packet) = sent.len().checked_sub(behind + 1).and_then(|at| sent.get(at)) else {
                    continue;
                };
                let mut bytes = packet.bytes.clone();
                let Ok(length) = open(&mut opener, &mut bytes, packet.rtcp) else { continue };
                assert_eq!(&bytes[..length], packet.clear);
                assert!(opened.insert(packet.number), "opened twice");
            }
            _ => {
                let behind = usize::from(what >> 3);
                let Some(packet) = sent.len().checked_sub(behind + 1).and_then(|at| sent.get(at)) else {
                    continue;
                };
                let mut bytes = packet.bytes.clone();
                if spoil(&mut script, &mut bytes).is_none() || bytes == packet.bytes {
                    continue;
                }
                refused(&mut opener, &bytes);
            }
        }
    }
});

fn open(opener: &mut Opener, bytes: &mut [u8], rtcp: bool) -> Result<usize, Refused> {
    if rtcp { opener.open_rtcp(bytes) } else { opener.open_rtp(bytes) }
}

fn refused(opener: &mut Opener, datagram: &[u8]) {
    let mut bytes = datagram.to_vec();
    assert!(opener.open_rtp(&mut bytes).is_err() && bytes == datagram);
    assert!(opener.open_rtcp(&mut bytes).is_err() && bytes == datagram);
}

/// Seals a packet; it is longer by no more than is promised, and without that room it is refused.
fn seal(sealer: &mut Sealer, clear: &[u8], rtcp: bool) -> Option<Vec<u8>> {
    let mut bytes = clear.to_vec();
    assert!(
        if rtcp {
            sealer.seal_rtcp(&mut bytes, clear.len())
        } else {
            sealer.seal_rtp(&mut bytes, clear.len())
        }
        .is_err()
    );
    assert_eq!(bytes, clear);
    bytes.resize(clear.len() + OVERHEAD, 0);
    let length = if rtcp {
        sealer.seal_rtcp(&mut bytes, clear.len())
    } else {
        sealer.seal_rtp(&mut bytes, clear.len())
    };
    bytes.truncate(length.ok()?);
    Some(bytes)
}
