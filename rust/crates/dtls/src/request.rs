//! The request for the peer's certificate, widened to RSA (RFC 5246 §7.4.4).
//!
//! The crate beneath asks for ECDSA certificates alone, and a peer that has another kind answers with none. What
//! verifies signatures can be replaced there (`provider`), what asks for them cannot. So the request is changed on its
//! way out, and in the same way in the transcript wherever that is hashed or was signed: both sides hold the same one,
//! or the handshake fails. Only the very message that the crate makes is changed; another one goes as it is.
//! Why so: `docs/decisions/0021-rsa-certificates-of-peers.md`.

/// A record's header, and where its parts are (RFC 6347 §4.1).
const RECORD: usize = 13;
const EPOCH: std::ops::Range<usize> = 3..5;
const RECORD_LENGTH: usize = 11;
const HANDSHAKE: u8 = 22;
/// A handshake message's header (RFC 6347 §4.2.2).
const MESSAGE: usize = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const FRAGMENT_LENGTH: usize = 9;
/// Kinds of certificates (RFC 5246 §7.4.4, RFC 8422 §5.5).
const RSA_SIGN: u8 = 1;
const ECDSA_SIGN: u8 = 64;
/// RSA with SHA-256, SHA-384 and SHA-512 (RFC 5246 §7.4.1.4.1).
const RSA: [[u8; 2]; 3] = [[4, 1], [5, 1], [6, 1]];

/// The messages of a handshake, one after the other, with the request widened; `None` when there is none to widen.
pub(crate) fn widened(messages: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    loop {
        let message = messages.get(at..)?;
        let length = whole(message.get(..MESSAGE)?)?;
        let body = message.get(MESSAGE..MESSAGE + length)?;
        if message[0] == CERTIFICATE_REQUEST {
            let body = widened_body(body)?;
            let mut made = Vec::with_capacity(messages.len() + body.len() - length);
            made.extend_from_slice(&messages[..at + MESSAGE]);
            let octets = u32::try_from(body.len()).ok()?.to_be_bytes();
            made[at + 1..at + 4].copy_from_slice(&octets[1..]);
            made[at + FRAGMENT_LENGTH..at + MESSAGE].copy_from_slice(&octets[1..]);
            made.extend_from_slice(&body);
            made.extend_from_slice(&message[MESSAGE + length..]);
            return Some(made);
        }
        at += MESSAGE + length;
    }
}

/// A datagram with the request widened in it; `None` when there is none to widen.
pub(crate) fn widened_datagram(datagram: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    loop {
        let record = datagram.get(at..)?;
        let header = record.get(..RECORD)?;
        let length = usize::from(u16::from_be_bytes([header[RECORD_LENGTH], header[RECORD_LENGTH + 1]]));
        let content = record.get(RECORD..RECORD + length)?;
        if header[0] == HANDSHAKE
            && header[EPOCH] == [0, 0]
            && let Some(content) = widened(content)
        {
            let mut made = Vec::with_capacity(datagram.len() + content.len() - length);
            made.extend_from_slice(&datagram[..at + RECORD_LENGTH]);
            made.extend_from_slice(&u16::try_from(content.len()).ok()?.to_be_bytes());
            made.extend_from_slice(&content);
            made.extend_from_slice(&record[RECORD + length..]);
            return Some(made);
        }
        at += RECORD + length;
    }
}

/// The length of a message that is not cut into fragments.
fn whole(header: &[u8]) -> Option<usize> {
    let number = |at: usize| header[at..at + 3].iter().fold(0, |sum, &octet| sum << 8 | usize::from(octet));
    (number(6) == 0 && number(FRAGMENT_LENGTH) == number(1)).then(|| number(1))
}

/// One kind, some algorithms, no authorities: so it is made beneath.
fn widened_body(body: &[u8]) -> Option<Vec<u8>> {
    let [1, ECDSA_SIGN, high, low, rest @ ..] = body else { return None };
    let octets = usize::from(u16::from_be_bytes([*high, *low]));
    let algorithms = rest.strip_suffix(&[0, 0]).filter(|algorithms| algorithms.len() == octets)?;
    if algorithms.is_empty() || octets % 2 != 0 || algorithms.chunks(2).any(|one| one[1] == RSA[0][1]) {
        return None;
    }
    let octets = u16::try_from(octets + RSA.as_flattened().len()).ok()?.to_be_bytes();
    Some([&[2, ECDSA_SIGN, RSA_SIGN], &octets[..], algorithms, RSA.as_flattened(), &[0, 0]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [u8; 10] = [1, 64, 0, 4, 4, 3, 5, 3, 0, 0];
    const WIDE: [u8; 17] = [2, 64, 1, 0, 10, 4, 3, 5, 3, 4, 1, 5, 1, 6, 1, 0, 0];

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = body.len() as u8;
        [&[kind, 0, 0, length, 0, 3, 0, 0, 0, 0, 0, length], body].concat()
    }

    fn record(kind: u8, epoch: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len() as u8;
        [&[kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 9, 0, length], content].concat()
    }

    #[test]
    fn the_request_alone_is_widened_wherever_it_stands() {
        let before = [message(1, &[7; 40]), message(11, &OURS)].concat();
        let after = message(14, &[]);
        let made = widened(&[&before[..], &message(13, &OURS), &after].concat()).unwrap();
        assert_eq!(made, [&before[..], &message(13, &WIDE), &after].concat());
        assert_eq!(widened(&made), None, "twice is once");
        assert_eq!(widened(&[before, after].concat()), None);
    }

    #[test]
    fn in_a_datagram_its_record_is_longer_too() {
        let before = record(22, 0, &message(2, &[1; 30]));
        let after = record(22, 0, &message(14, &[]));
        let made = widened_datagram(&[&before[..], &record(22, 0, &message(13, &OURS)), &after].concat());
        let wanted = [&before[..], &record(22, 0, &message(13, &WIDE)), &after].concat();
        assert_eq!(made, Some(wanted));
        for (kind, epoch) in [(22, 1), (23, 0), (20, 0)] {
            assert_eq!(widened_datagram(&record(kind, epoch, &message(13, &OURS))), None);
        }
    }

    #[test]
    fn what_is_no_request_of_ours_stays() {
        let others: [&[u8]; 7] = [
            &WIDE,
            &[],
            &[1, 64],
            &[1, 64, 0, 0, 0, 0],
            &[1, 64, 0, 3, 4, 3, 5, 0, 0],
            &[1, 64, 0, 4, 4, 3, 5, 3, 0, 1, 0],
            &[1, 64, 0, 4, 4, 3, 4, 1, 0, 0],
        ];
        for body in others {
            assert_eq!(widened(&message(13, body)), None, "{body:?}");
        }
        let mut cut = message(13, &OURS);
        cut[8] = 1;
        assert_eq!(widened(&cut), None);
        let right = record(22, 0, &message(13, &OURS));
        for length in 0..right.len() {
            assert_eq!(widened_datagram(&right[..length]), None);
            assert_eq!(widened(&right[..length]), None);
        }
    }
}
