//! What all codecs have in common.

use super::{Codec, CodecError, Decoder, Encoder, LONGEST};
use crate::g711::Law;
use crate::tone::Sine;

const OPUS: Codec = Codec::Opus { stereo: false, fec: true, bit_rate: 0, most_hz: 0 };
const ALL: [Codec; 6] = [
    Codec::G711(Law::Mu),
    Codec::G711(Law::A),
    Codec::G722,
    OPUS,
    Codec::L16 { rate_hz: 16_000, channels: 1 },
    Codec::L16 { rate_hz: 44_100, channels: 2 },
];

/// Encodes and decodes a tone in frames of `ms`; returns what was heard in the second half of a second.
fn through(codec: Codec, ms: usize) -> Vec<i16> {
    let (mut encoder, mut decoder) = (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
    let mut sine = Sine::new(1000.0, -20.0, f64::from(codec.rate_hz()));
    let frame = codec.rate_hz() as usize * ms / 2000 * 2;
    let (mut payload, mut out, mut heard) = ([0; 2 * 2 * LONGEST], [0; LONGEST], Vec::new());
    for _ in 0..1000 / ms {
        let samples: Vec<i16> = (0..frame).map(|_| sine.sample()).collect();
        let octets = encoder.encode(&samples, &mut payload).unwrap();
        assert_eq!(decoder.samples(&payload[..octets]), Some(frame));
        let count = decoder.decode(&payload[..octets], &mut out).unwrap();
        assert_eq!(count, frame, "{codec:?}");
        heard.extend_from_slice(&out[..count]);
    }
    heard.split_off(heard.len() / 2)
}

#[test]
fn a_tone_comes_through_every_codec_at_its_level_and_pitch_in_packets_of_every_length() {
    for codec in ALL {
        for ms in [10, 20, 40, 60] {
            let heard = through(codec, ms);
            let power = heard.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / heard.len() as f64;
            let level = 10.0 * (power / 32_767f64.powi(2)).log10();
            assert!((level + 20.0).abs() < 1.0, "{codec:?} {ms} ms: {level:.1} dBov");
            let rising = heard.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            let expected = heard.len() * 1000 / codec.rate_hz() as usize;
            assert!(rising.abs_diff(expected) <= 2, "{codec:?} {ms} ms: {rising}, not {expected}");
        }
    }
}

#[test]
fn two_channels_become_their_mean_and_one_is_written_on_both() {
    let codec = Codec::L16 { rate_hz: 8000, channels: 2 };
    let mut out = [0; 4];
    let payload = [0x10, 0x00, 0x20, 0x00, 0xff, 0xff, 0xff, 0xfd];
    assert_eq!(Decoder::new(codec).unwrap().decode(&payload, &mut out), Ok(2));
    assert_eq!(out[..2], [0x1800, -2]);
    let mut octets = [0; 4];
    assert_eq!(Encoder::new(codec).unwrap().encode(&[-2], &mut octets), Ok(4));
    assert_eq!(octets, [0xff, 0xfe, 0xff, 0xfe]);
}

#[test]
fn stereo_opus_is_heard_as_one_channel() {
    let mut encoder = opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio).unwrap();
    let mut decoder =
        Decoder::new(Codec::Opus { stereo: true, fec: false, bit_rate: 0, most_hz: 0 }).unwrap();
    let mut sine = Sine::new(500.0, -20.0, 48_000.0);
    let (mut payload, mut out, mut peak) = ([0; 1500], [0; LONGEST], 0);
    for _ in 0..20 {
        let left_alone: Vec<i16> = (0..960).flat_map(|_| [sine.sample(), 0]).collect();
        let octets = encoder.encode(&left_alone, &mut payload).unwrap();
        assert_eq!(decoder.decode(&payload[..octets], &mut out), Ok(960));
        peak = out[..960].iter().copied().max().unwrap();
    }
    // -20 dBov is a peak of 4634; half of it is left when the other side says nothing.
    assert!((1900..2800).contains(&peak), "{peak}");
}

#[test]
fn opus_is_spoken_no_wider_than_its_peer_plays() {
    use opus::Bandwidth::{Fullband, Mediumband, Narrowband, Superwideband, Wideband};
    for (most_hz, bit_rate, widest) in [
        (8000, 96_000, Narrowband),
        // At a higher bit rate libopus has no such bandwidth, and takes the next one.
        (12_000, 16_000, Mediumband),
        (16_000, 96_000, Wideband),
        (24_000, 96_000, Superwideband),
        (0, 96_000, Fullband),
    ] {
        let codec = Codec::Opus { stereo: false, fec: false, bit_rate, most_hz };
        let (mut encoder, mut payload, mut random) = (Encoder::new(codec).unwrap(), [0; 1500], 1u32);
        for _ in 0..20 {
            let sound: Vec<i16> = (0..960)
                .map(|_| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (random >> 20) as i16
                })
                .collect();
            let octets = encoder.encode(&sound, &mut payload).unwrap();
            assert_eq!(opus::packet::get_bandwidth(&payload[..octets]).unwrap(), widest);
        }
    }
    let codec = Codec::Opus { stereo: false, fec: false, bit_rate: 0, most_hz: 44_100 };
    assert_eq!(Encoder::new(codec).err(), Some(CodecError::Format));
}

#[test]
fn formats_that_do_not_exist_are_refused() {
    for (rate_hz, channels) in [(7999, 1), (48_001, 1), (8000, 0), (8000, 3)] {
        assert_eq!(Decoder::new(Codec::L16 { rate_hz, channels }).err(), Some(CodecError::Format));
        assert_eq!(Encoder::new(Codec::L16 { rate_hz, channels }).err(), Some(CodecError::Format));
    }
    let opus = Codec::Opus { stereo: false, fec: false, bit_rate: 5999, most_hz: 0 };
    assert_eq!(Encoder::new(opus).err(), Some(CodecError::Format));
}

#[test]
fn lengths_and_payloads_that_do_not_fit_are_errors_and_the_decoder_goes_on() {
    for codec in ALL {
        let (mut encoder, mut decoder) = (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
        let frame = codec.rate_hz() as usize / 100 * 2;
        let (mut payload, mut out) = ([0; 4 * LONGEST], [0; LONGEST]);
        assert_eq!(encoder.encode(&vec![0; frame], &mut []), Err(CodecError::Length), "{codec:?}");
        assert_eq!(encoder.encode(&[], &mut payload), Err(CodecError::Length), "{codec:?}");
        assert_eq!(decoder.decode(&[], &mut out), Err(CodecError::Payload), "{codec:?}");
        let octets = encoder.encode(&vec![0; frame], &mut payload).unwrap();
        assert_eq!(decoder.decode(&payload[..octets], &mut out[..10]), Err(CodecError::Length), "{codec:?}");
        assert_eq!(decoder.decode(&payload[..octets], &mut out), Ok(frame), "{codec:?}");
    }
    let mut decoder = Decoder::new(Codec::L16 { rate_hz: 8000, channels: 1 }).unwrap();
    assert_eq!(decoder.decode(&[1, 2, 3], &mut [0; 9]), Err(CodecError::Payload));
    assert_eq!(Encoder::new(Codec::G722).unwrap().encode(&[0; 3], &mut [0; 9]), Err(CodecError::Length));
    assert_eq!(Encoder::new(OPUS).unwrap().encode(&[0; 961], &mut [0; 99]), Err(CodecError::Length));
}

#[test]
fn no_octets_from_the_network_upset_a_decoder() {
    let mut random = 1u32;
    let mut next = move || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    for codec in ALL {
        let (mut decoder, mut out) = (Decoder::new(codec).unwrap(), [0; LONGEST]);
        for _ in 0..2000 {
            let payload: Vec<u8> = (0..next()).map(|_| next()).collect();
            if let Ok(samples) = decoder.decode(&payload, &mut out) {
                assert!(samples <= LONGEST);
                assert_eq!(decoder.samples(&payload), Some(samples));
            }
            assert!(decoder.conceal(usize::from(next()) * 8, &mut out) <= LONGEST);
            assert!(decoder.decode_fec(&payload, usize::from(next()) * 8, &mut out) <= LONGEST);
        }
    }
}
