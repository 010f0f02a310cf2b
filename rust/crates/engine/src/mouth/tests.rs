use super::*;
use trunkline_dsp::Codec;
use trunkline_rtp::RtpPacket;

type Header = (bool, u16, u32, u8, usize);

fn said(mouth: &mut Mouth, voice: &mut Voice, now_ns: u64, first: bool) -> Vec<Header> {
    let mut headers = Vec::new();
    let sound = Sound { samples: &[0; 160], rate_hz: 8000 };
    mouth.say((now_ns, first), voice, sound, &mut |bytes| {
        let packet = RtpPacket::parse(bytes).unwrap();
        let (marker, sequence, timestamp) = (packet.marker(), packet.sequence(), packet.timestamp());
        headers.push((marker, sequence, timestamp, packet.payload_type(), packet.payload().unwrap().len()));
    });
    headers
}

#[test]
fn packets_follow_each_other_and_the_first_is_marked() {
    let (mut mouth, mut voice) = (Mouth::new(plain(Law::A)), Voice::new(0xffff_ffff_ff70_0001));
    let headers: Vec<Header> = (0..3).flat_map(|n| said(&mut mouth, &mut voice, 5 + n, n == 0)).collect();
    assert_eq!(
        headers,
        [(true, 65535, 0xffff_ff70, 8, 160), (false, 0, 16, 8, 160), (false, 1, 176, 8, 160)]
    );
}

#[test]
fn a_pause_is_in_the_timestamp_and_not_in_the_numbers() {
    let (mut mouth, mut voice) = (Mouth::new(plain(Law::A)), Voice::new(0));
    said(&mut mouth, &mut voice, 0, true);
    assert_eq!(said(&mut mouth, &mut voice, 1_000_000_000, true), [(true, 1, 8000, 8, 160)]);
    assert_eq!(said(&mut mouth, &mut voice, 1_020_000_000, true), [(true, 2, 8160, 8, 160)]);
}

#[test]
fn packets_are_as_long_as_the_peer_wants() {
    for (ptime_ms, octets, packets) in [(10, 80, 12), (20, 160, 6), (30, 240, 4), (40, 320, 3), (60, 480, 2)]
    {
        let speech = Speech { ptime_ms, ..plain(Law::Mu) };
        let (mut mouth, mut voice) = (Mouth::new(speech), Voice::new(0));
        let headers: Vec<Header> =
            (0..6).flat_map(|n| said(&mut mouth, &mut voice, n * 20_000_000, n == 0)).collect();
        assert_eq!(headers.len(), packets, "{ptime_ms} ms");
        assert!(headers.iter().all(|header| header.4 == octets));
        assert_eq!(headers.iter().filter(|header| header.0).count(), 1);
        assert!(headers.windows(2).all(|pair| pair[1].2 - pair[0].2 == octets as u32));
    }
}

#[test]
fn the_end_of_a_sound_fills_its_packet_with_silence() {
    let speech = Speech { ptime_ms: 60, ..plain(Law::Mu) };
    let (mut mouth, mut voice) = (Mouth::new(speech), Voice::new(0));
    assert!(said(&mut mouth, &mut voice, 0, true).is_empty());
    let mut lengths = Vec::new();
    mouth.finish(20_000_000, &mut voice, &mut |bytes: &[u8]| lengths.push(bytes.len()));
    mouth.finish(40_000_000, &mut voice, &mut |bytes: &[u8]| lengths.push(bytes.len()));
    assert_eq!(lengths, [HEADER + 480]);
}

#[test]
fn wideband_is_spoken_at_its_own_clock() {
    let codec = Codec::G722;
    let (mut mouth, mut voice) = (Mouth::new(Speech { payload_type: 9, codec, ptime_ms: 20 }), Voice::new(0));
    let headers: Vec<Header> = (0..3).flat_map(|n| said(&mut mouth, &mut voice, n, n == 0)).collect();
    assert_eq!(headers, [(true, 0, 0, 9, 160), (false, 1, 160, 9, 160), (false, 2, 320, 9, 160)]);
}

#[test]
fn opus_takes_wide_sound_as_it_is_and_its_clock_is_always_the_same() {
    let codec = Codec::Opus { stereo: false, fec: false, bit_rate: 0, most_hz: 0 };
    let speech = Speech { payload_type: 96, codec, ptime_ms: 20 };
    let (mut mouth, mut voice) = (Mouth::new(speech), Voice::new(0));
    let mut stamps = Vec::new();
    for rate_hz in [16_000, 16_000, 48_000, 8000, 16_000] {
        let samples = &[0; MOST_SAMPLES][..rate_hz as usize / 50];
        mouth.say((0, false), &mut voice, Sound { samples, rate_hz }, &mut |bytes| {
            stamps.push(RtpPacket::parse(bytes).unwrap().timestamp());
        });
    }
    assert_eq!(stamps, [0, 960, 1920, 2880, 3840]);
}
