//! HMAC-SHA1 (RFC 2104, RFC 3711 §4.2.1) of packets: what the key alone decides is computed once.

use std::hint::black_box;

use sha1::block_api::compress;
use zeroize::Zeroize;

const BLOCK: usize = 64;
/// The state that SHA-1 begins with (FIPS 180-4 §5.3.1).
const BEGINNING: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A key at work: the states of SHA-1 behind its inner and outer block. They are 40 octets, next to each other, because
/// the keys of a call are in no near cache when its next packet comes. They are forgotten when dropped.
#[derive(Clone)]
pub(super) struct Mac {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Mac {
    /// `key` has at most 64 octets; what is behind them is ignored (RFC 3711 §5.2 has 20).
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        block.iter_mut().zip(key).for_each(|(octet, key)| *octet = *key);
        let after = |mask: u8| {
            let mut masked = block.map(|octet| octet ^ mask);
            let mut state = BEGINNING;
            compress(&mut state, &[masked]);
            masked.zeroize();
            state
        };
        let made = Self { inner: after(0x36), outer: after(0x5c) };
        block.zeroize();
        made
    }

    /// The code of a message that ends with `last`.
    pub(super) fn sign(&self, message: &[u8], last: [u8; 4]) -> [u8; 20] {
        let (blocks, rest) = message.as_chunks::<BLOCK>();
        let mut inner = self.inner;
        compress(&mut inner, blocks);
        // What is left over, the mark of the end, and the length in bits: one block, or two.
        let mut tail = [[0; BLOCK]; 2];
        let octets = tail.as_flattened_mut();
        let end = rest.len() + last.len();
        octets[..rest.len()].copy_from_slice(rest);
        octets[rest.len()..end].copy_from_slice(&last);
        octets[end] = 0x80;
        let count = if end + 9 <= BLOCK { 1 } else { 2 };
        let bits = (BLOCK + message.len() + last.len()) as u64 * 8;
        octets[count * BLOCK - 8..count * BLOCK].copy_from_slice(&bits.to_be_bytes());
        compress(&mut inner, &tail[..count]);
        self.finish(inner)
    }

    /// Whether `tag` is how the code of that message begins; it takes as long for a wrong one as for the right one.
    pub(super) fn verify(&self, message: &[u8], last: [u8; 4], tag: &[u8]) -> bool {
        let made = self.sign(message, last);
        let differing =
            made.iter().zip(tag).fold(0, |differing, (made, told)| black_box(differing | (made ^ told)));
        differing == 0 && !tag.is_empty() && tag.len() <= made.len()
    }

    /// Something of it, read so that it is in the cache.
    pub(super) fn touch(&self) -> u64 {
        u64::from(self.inner[0] ^ self.outer[4])
    }

    fn finish(&self, inner: [u32; 5]) -> [u8; 20] {
        let mut block = [0; BLOCK];
        put(&mut block, inner);
        block[20] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&((BLOCK + 20) as u64 * 8).to_be_bytes());
        let mut outer = self.outer;
        compress(&mut outer, &[block]);
        let mut code = [0; 20];
        put(&mut code, outer);
        code
    }
}

impl Drop for Mac {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

fn put(out: &mut [u8], state: [u32; 5]) {
    for (octets, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *octets = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 §3, cases 1, 2, 3 and 7 (a key of at most one block each), with the last four octets apart.
    #[test]
    fn signs_as_rfc_2202_has_it() {
        let cases: [(Vec<u8>, Vec<u8>, &str); 4] = [
            (vec![0x0b; 20], b"Hi There".to_vec(), "b617318655057264e28bc0b6fb378c8ef146be00"),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (vec![0xaa; 20], vec![0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            ((1..=25).collect(), vec![0xcd; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
        ];
        for (key, message, code) in cases {
            let (begin, last) = message.split_last_chunk::<4>().unwrap();
            let made = Mac::new(&key).sign(begin, *last);
            assert_eq!(made.map(|octet| format!("{octet:02x}")).concat(), code);
        }
    }

    /// Another implementation agrees at each length around the ends of blocks.
    #[test]
    fn signs_messages_of_any_length() {
        use hmac::{KeyInit, Mac as _};
        let key = [7; 20];
        let message: Vec<u8> = (0..400u32).map(|n| (n * 31) as u8).collect();
        for length in 0..400 {
            let last = [1, 2, 3, length as u8];
            let other = hmac::Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
            let other = other.chain_update(&message[..length]).chain_update(last).finalize().into_bytes();
            assert_eq!(Mac::new(&key).sign(&message[..length], last)[..], other[..], "{length}");
        }
    }

    #[test]
    fn verifies_the_beginning_of_the_code_and_nothing_else() {
        let mac = Mac::new(&[9; 20]);
        let code = mac.sign(b"message", [0; 4]);
        assert!(mac.verify(b"message", [0; 4], &code[..10]));
        assert!(mac.verify(b"message", [0; 4], &code));
        assert!(!mac.verify(b"message", [0, 0, 0, 1], &code[..10]));
        assert!(!mac.verify(b"message", [0; 4], &[]));
        assert!(!mac.verify(b"message", [0; 4], &[&code[..], &[0]].concat()));
        for at in 0..10 {
            let mut tag = code[..10].to_vec();
            tag[at] ^= 0x80;
            assert!(!mac.verify(b"message", [0; 4], &tag), "{at}");
        }
    }
}
