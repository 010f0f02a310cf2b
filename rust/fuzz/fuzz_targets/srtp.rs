//! SRTP and SRTCP: what is not ours is refused and left as it was, what is ours comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_rtp::srtp::{MasterKey, OVERHEAD, Opener, Sealer, Suite};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, datagram)) = data.split_first() else { return };
    let suite = Suite::ALL[usize::from(choice) % Suite::ALL.len()];
    let secret = vec![7; suite.key_octets() + suite.salt_octets()];
    let Some(key) = MasterKey::new(suite, &secret) else { return };
    let (Some(mut opener), Some(mut sealer)) = (Opener::new(&key), Sealer::new(&key)) else { return };
    let mut bytes = datagram.to_vec();
    assert!(opener.open_rtp(&mut bytes).is_err() && bytes == datagram);
    assert!(opener.open_rtcp(&mut bytes).is_err() && bytes == datagram);
    bytes.resize(datagram.len() + OVERHEAD, 0);
    if let Ok(length) = sealer.seal_rtp(&mut bytes, datagram.len()) {
        assert_eq!(opener.open_rtp(&mut bytes[..length]), Ok(datagram.len()));
        assert_eq!(&bytes[..datagram.len()], datagram);
    }
    bytes[..datagram.len()].copy_from_slice(datagram);
    if let Ok(length) = sealer.seal_rtcp(&mut bytes, datagram.len()) {
        assert_eq!(opener.open_rtcp(&mut bytes[..length]), Ok(datagram.len()));
        assert_eq!(&bytes[..datagram.len()], datagram);
    }
});
