//! Payloads as they come, with losses between them, and what we encode, spoilt: each codec, its concealment, its stretching.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_dsp::codec::LONGEST;
use trunkline_dsp::noise::ComfortNoise;
use trunkline_dsp::stretch::Stretch;
use trunkline_dsp::{Codec, Decoder, Encoder, Law, Rates};
use trunkline_fuzz::{Script, spoil};

/// The longest payload that is encoded: 60 ms of two channels of linear samples.
const ROOM: usize = 4 * 2880;

fn codec(which: u8) -> Codec {
    match which & 7 {
        0 => Codec::G711(Law::Mu),
        1 => Codec::G711(Law::A),
        2 => Codec::G722,
        3 => Codec::L16 { rate_hz: 16_000, channels: 2 },
        4 => Codec::L16 { rate_hz: [8000, 11_025, 44_100, 48_000][usize::from(which >> 3 & 3)], channels: 1 },
        // The bit rate decides which of libopus' coders speaks.
        _ => Codec::Opus {
            stereo: false,
            fec: which & 8 != 0,
            bit_rate: [0, 6000, 24_000, 64_000, 510_000][usize::from(which >> 4) % 5],
            most_hz: [0, 8000][usize::from(which >> 7)],
        },
    }
}

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let Some(codec) = script.octet().map(codec) else { return };
    let (mut decoder, mut encoder) =
        (Decoder::new(codec).expect("a decoder"), Encoder::new(codec).expect("an encoder"));
    let rate_hz = codec.rate_hz();
    let mut stretch = Stretch::new(rate_hz);
    let mut rates = Rates::new(rate_hz, 8000);
    let mut noise = ComfortNoise::default();
    let (mut sound, mut out) = (vec![0; LONGEST], vec![0; LONGEST]);
    while let (Some(how), Some(size)) = (script.octet(), script.octet()) {
        let made = match how & 7 {
            0 => decoder.conceal(usize::from(size) * 30, &mut sound),
            1 => {
                let next = script.octets(size.into());
                decoder.decode_fec(next, usize::from(how) * 30, &mut sound)
            }
            2 => {
                decoder.reset();
                0
            }
            3 => {
                noise.hear(script.octets(usize::from(how >> 3)));
                let made = usize::from(size) * 4;
                noise.fill(&mut sound[..made]);
                made
            }
            4 => {
                // What was heard last is said, and perhaps spoilt on its way.
                let length = rate_hz as usize / 50;
                let mut payload = vec![0; ROOM];
                encoder.set_loss(size & 0x7f);
                encoder.set_dtx(how & 8 != 0);
                let Ok(octets) = encoder.encode(&sound[..length], &mut payload) else { continue };
                payload.truncate(octets);
                if how & 16 == 0 || spoil(&mut script, &mut payload).is_none() {
                    assert_eq!(decoder.samples(&payload), Some(length));
                }
                decode(&mut decoder, &payload, &mut sound)
            }
            _ => {
                let payload = script.octets(usize::from(size) << (how >> 3 & 3));
                decode(&mut decoder, payload, &mut sound)
            }
        };
        assert!(made <= sound.len());
        let made = stretch.change(&mut sound, made, (i64::from(how) - 128) * 1000);
        assert!(made <= sound.len());
        if let Some(rates) = &mut rates {
            let given = rates.convert(&sound[..made], &mut out);
            assert!(given <= made * 8000 / rate_hz as usize + 1);
        }
    }
});

fn decode(decoder: &mut Decoder, payload: &[u8], sound: &mut [i16]) -> usize {
    let samples = decoder.samples(payload);
    let made = decoder.decode(payload, sound).unwrap_or(0);
    assert!(made == 0 || samples == Some(made));
    made
}
