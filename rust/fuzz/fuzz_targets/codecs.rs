//! Payloads as they come, with losses between them: G.711, G.722, L16, Opus with and without what it says of a loss.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_dsp::codec::LONGEST;
use trunkline_dsp::{Codec, Decoder, Law};

fuzz_target!(|data: &[u8]| {
    let Some((&which, mut data)) = data.split_first() else { return };
    let codec = match which % 6 {
        0 => Codec::G711(Law::Mu),
        1 => Codec::G722,
        2 => Codec::L16 { rate_hz: 16_000, channels: 2 },
        _ => Codec::Opus { stereo: false, fec: true, bit_rate: 0 },
    };
    let Ok(mut decoder) = Decoder::new(codec) else { return };
    let mut sound = vec![0; LONGEST];
    while let Some((&how, rest)) = data.split_first() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(how >> 2) * 4));
        data = rest;
        let made = match how & 3 {
            0 => decoder.conceal(usize::from(how) * 30, &mut sound),
            1 => decoder.decode_fec(payload, usize::from(how) * 30, &mut sound),
            _ => {
                let samples = decoder.samples(payload);
                let made = decoder.decode(payload, &mut sound).unwrap_or(0);
                assert!(made == 0 || samples == Some(made));
                made
            }
        };
        assert!(made <= sound.len());
    }
});
