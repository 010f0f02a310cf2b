//! RTP as it comes: packets, header extensions read and rewritten, telephone events, accounting.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_fuzz::Script;
use trunkline_rtp::extension::{Extension, GROWTH};
use trunkline_rtp::{DtmfDetector, Press, Reception, RtcpPacket, RtpPacket, is_rtcp};

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let (mut reception, mut keys) = (Reception::default(), DtmfDetector::default());
    let mut now_us = 0;
    while let (Some(passed), Some(datagram)) = (script.octet(), script.datagram()) {
        now_us += u64::from(passed) * 1000;
        if passed == 255 {
            let mut kernel = Script(datagram);
            if let (Some(received), Some(highest), Some(jitter)) =
                (kernel.short(), kernel.word(), kernel.word())
            {
                reception.catch_up(received.into(), highest, jitter % (8000 * 16));
            }
        }
        assert!(RtcpPacket::parse(datagram).is_err() || is_rtcp(datagram));
        let Ok(packet) = RtpPacket::parse(datagram) else { continue };
        let payload_type = packet.payload_type();
        let clock_hz = match payload_type {
            101 => None,
            96.. => Some(48_000),
            _ => Some(8000),
        };
        reception.on_packet(&packet, now_us, clock_hz);
        let payload = packet.payload().unwrap_or_default();
        assert!(payload.len() < datagram.len());
        let _ = keys.on_payload(packet.timestamp(), payload, now_us);
        let _ = keys.flush(now_us, 150_000);
        accounted(&mut reception, packet.ssrc());
        rewritten(datagram, &packet);
        pressed(payload);
    }
});

/// Figures stay within what a report can say.
fn accounted(reception: &mut Reception, ssrc: u32) {
    assert!(reception.jitter_us() <= 2_000_000);
    assert_eq!(reception.ssrc(), Some(ssrc));
    if let Some(block) = reception.report() {
        assert!((-0x80_0000..=0x7f_ffff).contains(&block.lost));
    }
    let _ = reception.lost();
}

/// An extension that is written is read again, beside those that were there, before the same payload.
fn rewritten(datagram: &[u8], packet: &RtpPacket<'_>) {
    let place =
        |id, profile, value: &[u8]| Extension::new(id, profile, value).expect("an extension that fits");
    let places = [
        place(3, 0xbede, b"12"),
        place(14, 0xbede, &[7; 16]),
        place(0, 0x67, b"1234"),
        place(0, 0xbede, b""),
    ];
    for place in &places {
        let mut out = vec![0; datagram.len() + GROWTH];
        let Some(length) = place.write(datagram, &mut out) else { continue };
        let out = &out[..length];
        assert_eq!(place.read(out), Some(place.value()));
        let read = RtpPacket::parse(out).expect("what was written is RTP");
        assert_eq!(
            (read.sequence(), read.timestamp(), read.ssrc()),
            (packet.sequence(), packet.timestamp(), packet.ssrc())
        );
        assert_eq!((read.marker(), read.payload_type()), (packet.marker(), packet.payload_type()));
        if packet.payload().is_some() {
            assert_eq!(read.payload(), packet.payload());
        }
        let other = Extension::new(5, 0xbede, b"x").expect("an extension that fits");
        if place.is_in_the_place_of(&places[0]) {
            assert_eq!(other.read(out), other.read(datagram));
        }
        assert_eq!(place.write(out, &mut vec![0; length + GROWTH]), Some(length));
    }
}

/// Keys that we press are heard as the key that they are, once.
fn pressed(payload: &[u8]) {
    let &[key, step, length, ..] = payload else { return };
    let Some(press) = Press::new(char::from(key), u16::from(step) + 1, u16::from(length) + 1) else { return };
    let (mut detector, mut heard) = (DtmfDetector::default(), Vec::new());
    for time in 0..press.packet_times() {
        press.report(time, |report| heard.extend(detector.on_payload(report.offset, &report.payload, 0)));
    }
    assert_eq!(heard.iter().map(|digit| digit.key).collect::<String>(), char::from(key).to_string());
}
