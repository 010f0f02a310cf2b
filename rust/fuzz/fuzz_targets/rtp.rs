//! RTP and RTCP as they come: packets, reports, header extensions, telephone events, accounting.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_rtp::extension::{Extension, GROWTH};
use trunkline_rtp::report::{Section, sections};
use trunkline_rtp::{DtmfDetector, Reception, RtcpPacket, RtpPacket, is_rtcp};

/// Datagrams lie behind each other, each after its length.
fn datagrams(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&length, rest) = data.split_first()?;
        let (datagram, rest) = rest.split_at(rest.len().min(length.into()));
        data = rest;
        Some(datagram)
    })
}

fuzz_target!(|data: &[u8]| {
    let (mut reception, mut keys) = (Reception::default(), DtmfDetector::default());
    let places = [Extension::new(3, 0xbede, b"12"), Extension::new(0, 0x67, b"1234")];
    for (number, datagram) in datagrams(data).enumerate() {
        let now_us = number as u64 * 20_000;
        let _ = is_rtcp(datagram);
        if let Ok(packet) = RtpPacket::parse(datagram) {
            reception.on_packet(&packet, now_us, (packet.payload_type() != 13).then_some(8000));
            let payload = packet.payload().unwrap_or_default();
            assert!(payload.len() < datagram.len());
            let _ = keys.on_payload(packet.timestamp(), payload, now_us);
            let _ = (reception.report(), reception.lost(), reception.jitter_us());
            for place in places.iter().flatten() {
                let mut out = [0; 256 + GROWTH];
                let _ = place.read(datagram);
                if let Some(length) = place.write(datagram, &mut out) {
                    assert_eq!(place.read(&out[..length]), Some(place.value()));
                }
            }
        }
        let _ = keys.flush(now_us, 150_000);
        if let Ok(packet) = RtcpPacket::parse(datagram) {
            let _ = (packet.kind(), packet.sender());
        }
        for section in sections(datagram) {
            if let Section::Sender { blocks, .. } | Section::Receiver { blocks, .. } = section {
                for block in blocks {
                    let _ = block.round_trip(1, 2);
                }
            }
        }
    }
});
