use std::time::Instant;

use crate::packet::{HEADER, write_header};
use crate::srtp::cipher::{Cipher, Place};
use crate::srtp::key::{Purpose, SessionKeys};
use crate::srtp::{LONGEST_MKI, MasterKey, OVERHEAD, Opener, Refused, SOURCES, Sealer, Suite};

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn session(key: &str, salt: &str) -> SessionKeys {
    let (key, salt) = (octets(key), octets(salt));
    let mut keys = SessionKeys::default();
    keys.key[..key.len()].copy_from_slice(&key);
    keys.salt[..salt.len()].copy_from_slice(&salt);
    keys
}

fn master(suite: Suite, seed: u8) -> MasterKey {
    let octets: Vec<u8> = (0..suite.key_octets() + suite.salt_octets()).map(|n| n as u8 ^ seed).collect();
    MasterKey::new(suite, &octets).unwrap()
}

fn pair(suite: Suite) -> (Sealer, Opener) {
    let master = master(suite, 0x5a);
    (Sealer::new(&master).unwrap(), Opener::new(&master).unwrap())
}

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; HEADER];
    write_header(&mut header, false, 0, sequence, u32::from(sequence) * 160, ssrc);
    [&header, payload].concat()
}

fn sealed_rtp(sealer: &mut Sealer, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut buffer = [packet, &[0; OVERHEAD]].concat();
    let length = sealer.seal_rtp(&mut buffer, packet.len())?;
    buffer.truncate(length);
    Ok(buffer)
}

fn sealed_rtcp(sealer: &mut Sealer, packet: &[u8]) -> Vec<u8> {
    let mut buffer = [packet, &[0; OVERHEAD]].concat();
    let length = sealer.seal_rtcp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn opened_rtp(opener: &mut Opener, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = packet.to_vec();
    let length = opener.open_rtp(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn opened_rtcp(opener: &mut Opener, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = packet.to_vec();
    let length = opener.open_rtcp(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];

/// RFC 3711 B.2.
#[test]
fn the_key_stream_is_that_of_the_standard() {
    let keys = session("2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfd");
    let cipher = Cipher::of_session(Suite::AesCm128Sha1_80, &keys).unwrap();
    let mut stream = vec![0; 0xff03 * 16];
    cipher.apply(Place { ssrc: 0, index: 0 }, &mut stream);
    for (block, expected) in [
        (0, "e03ead0935c95e80e166b16dd92b4eb4"),
        (1, "d23513162b02d0f72a43a2fe4a5f97ab"),
        (2, "41e95b3bb0a2e8dd477901e4fca894c0"),
        (0xfeff, "ec8cdf7398607cb0f2d21675ea9ea1e4"),
        (0xff00, "362b7c3c6773516318a077d7fc5073ae"),
        (0xff01, "6a2cc3787889374fbeb4c81b17ba6c44"),
    ] {
        assert_eq!(stream[block * 16..][..16], octets(expected), "block {block:x}");
    }
}

/// RFC 3711 B.3.
#[test]
fn session_keys_are_those_of_the_standard() {
    let key = octets("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let keys = MasterKey::new(Suite::AesCm128Sha1_80, &key).unwrap().derive(Purpose::Rtp);
    assert_eq!(keys.key[..16], octets("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(keys.salt[..], octets("30cbbc08863d8c85d49db34a9ae1"));
    assert_eq!(keys.authentication[..], octets("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
}

/// RFC 6188 §7.1 and §7.2.
#[test]
fn long_keys_are_those_of_their_standard() {
    let keys = session(
        "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
        "f0f1f2f3f4f5f6f7f8f9fafbfcfd",
    );
    let mut stream = [0; 48];
    let cipher = Cipher::of_session(Suite::AesCm256Sha1_80, &keys).unwrap();
    cipher.apply(Place { ssrc: 0, index: 0 }, &mut stream);
    let expected =
        "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31";
    assert_eq!(stream[..], octets(expected));
    let key = octets(
        "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2",
    );
    let keys = MasterKey::new(Suite::AesCm256Sha1_32, &key).unwrap().derive(Purpose::Rtp);
    assert_eq!(keys.key[..], octets("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
    assert_eq!(keys.salt[..], octets("fa31791685ca444a9e07c6c64e93"));
    assert_eq!(keys.authentication[..], octets("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

/// RFC 7714 §16 and §17: session keys, no derivation.
#[test]
fn galois_packets_are_those_of_their_standard() {
    let salt = "517569642070726f2071756f";
    let short = "000102030405060708090a0b0c0d0e0f";
    let long = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let plain = octets(
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573",
    );
    for (suite, key, expected) in [
        (
            Suite::AeadAes128Gcm,
            short,
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            long,
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let cipher = || Cipher::of_session(suite, &session(key, salt)).unwrap();
        let sealed = sealed_rtp(&mut Sealer::with(suite, cipher(), cipher(), &[]), &plain).unwrap();
        assert_eq!(sealed, octets(expected));
        assert_eq!(opened_rtp(&mut Opener::with(suite, cipher(), cipher(), &[]), &sealed).unwrap(), plain);
    }
    let plain = octets(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    for (suite, key, protected) in [
        (
            Suite::AeadAes128Gcm,
            short,
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::AeadAes256Gcm,
            long,
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let cipher = || Cipher::of_session(suite, &session(key, salt)).unwrap();
        let mut sealer = Sealer::with(suite, cipher(), cipher(), &[]);
        (0..1492).for_each(|_| drop(sealed_rtcp(&mut sealer, &RECEIVER_REPORT)));
        assert_eq!(sealed_rtcp(&mut sealer, &plain), octets(protected));
        let opened = opened_rtcp(&mut Opener::with(suite, cipher(), cipher(), &[]), &octets(protected));
        assert_eq!(opened.unwrap(), plain);
    }
}

/// A packet of another implementation (libsrtp's validation vector of the default policy).
#[test]
fn a_whole_packet_of_another_implementation_is_the_same() {
    let key = octets("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
    let master = MasterKey::new(Suite::AesCm128Sha1_80, &key).unwrap();
    let plain = octets("800f1234decafbadcafebabe abababababababababababababababab");
    let sealed = sealed_rtp(&mut Sealer::new(&master).unwrap(), &plain).unwrap();
    let expected = "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb";
    assert_eq!(sealed, octets(expected));
}

#[test]
fn what_is_sealed_opens_once_and_only_with_its_key() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let mut other = Opener::new(&master(suite, 0xa5)).unwrap();
        let mut packet = rtp(7, 9, b"sound");
        packet[0] |= 0x11;
        packet.splice(12..12, [0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
        let sealed = sealed_rtp(&mut sealer, &packet).unwrap();
        assert_eq!(sealed.len(), packet.len() + suite.rtp_tag());
        assert_eq!(sealed[..24], packet[..24], "sources and extension are in the clear");
        assert_ne!(sealed[24..29], packet[24..29]);
        assert_eq!(opened_rtp(&mut other, &sealed), Err(Refused::NotAuthentic));
        assert_eq!(opened_rtp(&mut opener, &sealed).unwrap(), packet);
        assert_eq!(opened_rtp(&mut opener, &sealed), Err(Refused::Replayed));
        let report = sealed_rtcp(&mut sealer, &RECEIVER_REPORT);
        assert_eq!(report.len(), 8 + suite.rtcp_tag() + 4);
        assert_eq!(opened_rtcp(&mut other, &report), Err(Refused::NotAuthentic));
        assert_eq!(opened_rtcp(&mut opener, &report).unwrap(), RECEIVER_REPORT);
        assert_eq!(opened_rtcp(&mut opener, &report), Err(Refused::Replayed));
    }
}

#[test]
fn no_octet_may_change() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let sealed = sealed_rtp(&mut sealer, &rtp(7, 9, b"sound")).unwrap();
        let report = sealed_rtcp(&mut sealer, &RECEIVER_REPORT);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x40;
            assert!(opened_rtp(&mut opener, &changed).is_err(), "{suite:?} {at}");
        }
        for at in 0..report.len() {
            let mut changed = report.clone();
            changed[at] ^= 0x40;
            assert!(opened_rtcp(&mut opener, &changed).is_err(), "{suite:?} {at}");
        }
        assert!(opened_rtp(&mut opener, &sealed).is_ok() && opened_rtcp(&mut opener, &report).is_ok());
    }
}

#[test]
fn the_roll_over_counter_goes_on_and_late_packets_find_theirs() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let numbers = (0..200_000u32).map(|n| (n + 65_000) as u16);
        let mut late = None;
        for (n, sequence) in numbers.enumerate().filter(|(n, _)| n % 200 < 2) {
            let sealed = sealed_rtp(&mut sealer, &rtp(sequence, 9, b"x")).unwrap();
            if n % 400 == 0 {
                late = Some(sealed);
                continue;
            }
            assert!(opened_rtp(&mut opener, &sealed).is_ok(), "{suite:?} {n}");
            if let Some(late) = late.take() {
                assert!(opened_rtp(&mut opener, &late).is_ok(), "{suite:?} before {n}");
            }
        }
    }
}

#[test]
fn a_key_stream_is_used_once() {
    let (mut sealer, _) = pair(Suite::AeadAes128Gcm);
    assert!(sealed_rtp(&mut sealer, &rtp(500, 9, b"one")).is_ok());
    assert_eq!(sealed_rtp(&mut sealer, &rtp(500, 9, b"two")), Err(Refused::Replayed));
    assert!(sealed_rtp(&mut sealer, &rtp(499, 9, b"late")).is_ok());
    assert_eq!(sealed_rtp(&mut sealer, &rtp(300, 9, b"old")), Err(Refused::Replayed));
    assert!(sealed_rtp(&mut sealer, &rtp(500, 10, b"other source")).is_ok());
}

#[test]
fn the_table_of_sources_is_bounded_and_strangers_take_no_place_in_it() {
    let (mut sealer, mut opener) = pair(Suite::AesCm128Sha1_80);
    for ssrc in 1000..2000 {
        let forged = [rtp(1, ssrc, b"x"), vec![0; 10]].concat();
        assert_eq!(opened_rtp(&mut opener, &forged), Err(Refused::NotAuthentic));
    }
    for ssrc in 0..SOURCES as u32 {
        let sealed = sealed_rtp(&mut sealer, &rtp(1, ssrc, b"x")).unwrap();
        assert!(opened_rtp(&mut opener, &sealed).is_ok());
    }
    assert_eq!(sealed_rtp(&mut sealer, &rtp(1, 99, b"x")), Err(Refused::Exhausted));
    let sealed = sealed_rtp(&mut sealer, &rtp(2, 63, b"x")).unwrap();
    assert!(opened_rtp(&mut opener, &sealed).is_ok());
}

#[test]
fn reports_that_are_authenticated_only_are_taken() {
    for suite in Suite::ALL {
        let key = master(suite, 1);
        let mut opener = Opener::new(&key).unwrap();
        let cipher = Cipher::new(&key, Purpose::Rtcp).unwrap();
        let index = [0, 0, 0, 3];
        let known = [&RECEIVER_REPORT[..], &index].concat();
        let report = match cipher.mac() {
            Some(mac) => {
                let tag = mac.sign(&RECEIVER_REPORT, index);
                [&known[..], &tag[..10]].concat()
            }
            None => {
                let nonce = cipher.nonce(Place { ssrc: 7, index: 3 });
                let tag = cipher.encrypt(&nonce, &known, &mut []).unwrap();
                [&RECEIVER_REPORT[..], &tag, &index].concat()
            }
        };
        assert_eq!(opened_rtcp(&mut opener, &report).unwrap(), RECEIVER_REPORT, "{suite:?}");
    }
}

#[test]
fn keys_have_the_length_of_their_suite_and_are_never_shown() {
    for suite in Suite::ALL {
        let right = suite.key_octets() + suite.salt_octets();
        for length in [0, right - 1, right + 1] {
            assert!(MasterKey::new(suite, &vec![1; length]).is_none());
        }
        let key = MasterKey::new(suite, &vec![0xab; right]).unwrap();
        let shown = format!("{key:?} {:?} {:?}", Sealer::new(&key).unwrap(), Opener::new(&key).unwrap());
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
        assert_eq!(Suite::of_name(suite.name()), Some(suite));
    }
    assert_eq!(Suite::of_name("F8_128_HMAC_SHA1_80"), None);
}

/// xorshift: enough to make nonsense, the same each time.
struct Nonsense(u64);

impl Nonsense {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize
    }
}

#[test]
fn nonsense_never_panics() {
    let mut random = Nonsense(0x9e37_79b9_7f4a_7c15);
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        for round in 0..if cfg!(miri) { 20 } else { 3_000u32 } {
            let mut bytes = match round % 4 {
                0 => (0..random.next() % 80).map(|_| random.next() as u8).collect(),
                1 => sealed_rtcp(&mut sealer, &RECEIVER_REPORT),
                _ => sealed_rtp(&mut sealer, &rtp(round as u16, 3, &[7; 20])).unwrap_or_default(),
            };
            for _ in 0..random.next() % 4 {
                if let Some(octet) = (!bytes.is_empty()).then(|| random.next() % bytes.len()) {
                    bytes[octet] = random.next() as u8;
                }
            }
            bytes.truncate(random.next() % 90);
            let _ = opener.open_rtp(&mut bytes.clone());
            let _ = opener.open_rtcp(&mut bytes.clone());
            let length = random.next() % 100;
            let _ = sealer.clone().seal_rtp(&mut bytes.clone(), length);
            let _ = sealer.clone().seal_rtcp(&mut bytes, length);
        }
    }
}

/// What a packet of 20 ms of G.711 costs: `cargo test --release -p trunkline-rtp -- --ignored --nocapture cost`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn cost_of_a_packet() {
    const ROUNDS: u32 = 300_000;
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let plain = rtp(0, 9, &[0x55; 160]);
        let mut buffer = [plain.clone(), vec![0; OVERHEAD]].concat();
        let (mut sealing, mut opening) = (0, 0);
        for batch in 0..ROUNDS / 100 {
            let mut sealed = Vec::with_capacity(100);
            let start = Instant::now();
            for n in 0..100 {
                buffer[..plain.len()].copy_from_slice(&plain);
                buffer[2..4].copy_from_slice(&((batch * 100 + n) as u16).to_be_bytes());
                let length = sealer.seal_rtp(&mut buffer, plain.len()).unwrap();
                sealed.push((buffer.clone(), length));
            }
            sealing += start.elapsed().as_nanos();
            let start = Instant::now();
            for (buffer, length) in &mut sealed {
                assert!(opener.open_rtp(&mut buffer[..*length]).is_ok());
            }
            opening += start.elapsed().as_nanos();
        }
        let each = |total: u128| total / u128::from(ROUNDS);
        println!("{:26} seal {:4} ns  open {:4} ns", suite.name(), each(sealing), each(opening));
    }
}

/// RFC 3711 §3.1, §3.4, RFC 7714 §8, §9: where the MKI stands, and that the rest is as without it.
#[test]
fn an_mki_stands_before_the_tag_of_its_packet_or_comes_last() {
    for suite in Suite::ALL {
        for mki in [&[7][..], &[0, 0, 0, 1], &[0x5a; LONGEST_MKI]] {
            let master = MasterKey::new(suite, &vec![9; suite.key_octets() + suite.salt_octets()]).unwrap();
            let named = master.clone().with_mki(mki).unwrap();
            let (mut bare, mut sealer) = (Sealer::new(&master).unwrap(), Sealer::new(&named).unwrap());
            let (rtp, rtcp) = (octets(MKI_RTP), octets(MKI_RTCP));
            let behind = |tag| if suite.is_aead() { 0 } else { tag };
            let with_mki = |packet: Vec<u8>, behind: usize| {
                let (head, tail) = packet.split_at(packet.len() - behind);
                [head, mki, tail].concat()
            };
            let sealed = sealed_rtp(&mut sealer, &rtp).unwrap();
            assert_eq!(sealed, with_mki(sealed_rtp(&mut bare, &rtp).unwrap(), behind(suite.rtp_tag())));
            let report = sealed_rtcp(&mut sealer, &rtcp);
            assert_eq!(report, with_mki(sealed_rtcp(&mut bare, &rtcp), behind(suite.rtcp_tag())));
            let mut opener = Opener::new(&named).unwrap();
            assert_eq!(opened_rtp(&mut opener, &sealed).unwrap(), rtp);
            assert_eq!(opened_rtcp(&mut opener, &report).unwrap(), rtcp);
        }
    }
}

#[test]
fn a_packet_with_another_mki_or_none_is_refused_and_stays_as_it_was() {
    for suite in Suite::ALL {
        let master = MasterKey::new(suite, &vec![9; suite.key_octets() + suite.salt_octets()]).unwrap();
        let named = |mki: &[u8]| master.clone().with_mki(mki).unwrap();
        let mut opener = Opener::new(&named(&[0, 1])).unwrap();
        for other in [&[0, 2][..], &[], &[1], &[0, 0, 1]] {
            let rtp = sealed_rtp(&mut Sealer::new(&named(other)).unwrap(), &octets(MKI_RTP)).unwrap();
            let mut bytes = rtp.clone();
            assert!(opener.open_rtp(&mut bytes).is_err(), "{suite:?} {other:?}");
            assert_eq!(bytes, rtp);
        }
        let right = sealed_rtp(&mut Sealer::new(&named(&[0, 1])).unwrap(), &octets(MKI_RTP)).unwrap();
        let mut bytes = right.clone();
        bytes[12] ^= 1;
        let changed = bytes.clone();
        assert!(opener.open_rtp(&mut bytes).is_err());
        assert_eq!(bytes, changed, "what is refused stays as it was");
        for length in 0..right.len() {
            assert!(opener.open_rtp(&mut right[..length].to_vec()).is_err());
            assert!(opener.open_rtcp(&mut right[..length].to_vec()).is_err());
        }
        assert!(opener.open_rtp(&mut right.clone()).is_ok());
    }
    assert!(
        MasterKey::new(Suite::AeadAes128Gcm, &[1; 28]).unwrap().with_mki(&[0; LONGEST_MKI + 1]).is_none()
    );
}

const MKI_RTP: &str = "8000 0001 0000 00a0 cafe babe 0102 0304 0506 0708 090a 0b0c 0d0e 0f10 1112 1314";
const MKI_RTCP: &str = "80c9 0001 cafe babe 81ca 0002 cafe babe 0102 6162";
