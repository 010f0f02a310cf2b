use std::net::SocketAddr;

use super::*;

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
/// RFC 5769 §2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae
    802200105354554e207465737420636c69656e74 002400046e0001ff 80290008932ff9b151263b36
    000600096576746a3a68367659202020 000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf";
/// RFC 5769 §2.2.
const OVER_IPV4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220 002000080001a147e112a643
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96";
/// RFC 5769 §2.3.
const OVER_IPV6: &str = "010100482112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220 002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9
    00080014a382954e4be67bf11784c97c8292c275bfe3ed41 80280004c8fb0b4c";

fn octets(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u32> = hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

#[test]
fn reads_the_request_of_the_vectors() {
    let bytes = octets(REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, BINDING));
    assert_eq!(message.username(), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.controlled(), Some(0x932f_f9b1_5126_3b36));
    assert_eq!((message.controlling(), message.nominates()), (None, false));
    assert_eq!(message.is_authentic(PASSWORD), Some(true));
    assert_eq!(message.is_authentic(b"another"), Some(false));
    assert_eq!(message.has_right_fingerprint(), Some(true));
    assert_eq!(message.unknown().count(), 0);
}

#[test]
fn reads_the_answers_of_the_vectors() {
    for (vector, address) in
        [(OVER_IPV4, "192.0.2.1:32853"), (OVER_IPV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let bytes = octets(vector);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.mapped_address(), Some(address.parse().unwrap()));
        assert_eq!(message.is_authentic(PASSWORD), Some(true));
        assert_eq!(message.has_right_fingerprint(), Some(true));
    }
}

#[test]
fn writes_what_it_reads() {
    let mut bytes = Vec::new();
    for address in ["198.51.100.7:3478", "[2001:db8::7]:65535"] {
        let address: SocketAddr = address.parse().unwrap();
        Writer::new(&mut bytes, Class::Success, &[7; TRANSACTION])
            .mapped_address(address)
            .integrity(PASSWORD)
            .fingerprint();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.transaction(), &[7; TRANSACTION]);
        assert_eq!(message.mapped_address(), Some(address));
        assert_eq!(message.is_authentic(PASSWORD), Some(true));
        assert_eq!(message.has_right_fingerprint(), Some(true));
    }
    Writer::new(&mut bytes, Class::Error, &[7; TRANSACTION])
        .error(420, "Unknown Attribute")
        .unknown([0x7001, 0x7002].into_iter())
        .fingerprint();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.error_code()), (Class::Error, Some(420)));
    assert_eq!(message.value(attribute::UNKNOWN_ATTRIBUTES), Some(&[0x70, 1, 0x70, 2][..]));
    assert_eq!(message.is_authentic(PASSWORD), None);
}

#[test]
fn every_changed_bit_is_noticed() {
    let vector = octets(REQUEST);
    // Miri takes a quarter of a second for each.
    for bit in (0..vector.len() * 8).step_by(if cfg!(miri) { 31 } else { 1 }) {
        let mut bytes = vector.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(message) = Message::parse(&bytes) else { continue };
        let whole = message.is_authentic(PASSWORD) == Some(true)
            && message.has_right_fingerprint() == Some(true)
            && message.username().is_some();
        assert!(!whole, "bit {bit}");
    }
}

#[test]
fn what_follows_the_integrity_is_not_believed() {
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, Class::Request, &[7; TRANSACTION])
        .integrity(PASSWORD)
        .attribute(attribute::USE_CANDIDATE, &[])
        .fingerprint();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.is_authentic(PASSWORD), Some(true));
    assert!(!message.nominates());
}

#[test]
fn cut_and_random_bytes_are_refused_or_read_without_harm() {
    let vector = octets(REQUEST);
    for end in 0..vector.len() {
        assert!(Message::parse(&vector[..end]).is_err());
    }
    let mut state = 1u64;
    for round in 0..if cfg!(miri) { 300 } else { 20_000 } {
        let mut bytes: Vec<u8> = (0..round % 120)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        if bytes.len() >= HEADER {
            let length = length(&bytes);
            bytes[0] &= 0x3f;
            bytes[2..4].copy_from_slice(&length);
            bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        }
        if let Ok(message) = Message::parse(&bytes) {
            let _ = (message.username(), message.priority(), message.error_code(), message.mapped_address());
            let _ = (message.is_authentic(PASSWORD), message.has_right_fingerprint());
            let _ = message.unknown().count();
        }
    }
}

fn length(bytes: &[u8]) -> [u8; 2] {
    ((bytes.len() - HEADER) as u16).to_be_bytes()
}
