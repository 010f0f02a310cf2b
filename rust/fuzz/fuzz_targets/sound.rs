//! Sound files as somebody left them, brought to a rate as for playing, and everything that listens to sound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_dsp::listen::{Listener, Wanted};
use trunkline_dsp::{Resampler, Wav};

fuzz_target!(|data: &[u8]| {
    let Some((&how, file)) = data.split_first() else { return };
    let Ok(wav) = Wav::parse(file) else { return };
    let sound = file.get(wav.start..).expect("the sound begins within the file");
    let mut samples = Vec::new();
    for piece in sound.chunks(wav.block() * (usize::from(how >> 4) * 8 + 1)) {
        wav.decode(piece, &mut samples);
    }
    assert_eq!(samples.len(), sound.len() / wav.block());
    let to_hz = [8000, 16_000, 48_000, 44_100][usize::from(how & 3)];
    let mut resampler = Resampler::between(wav.rate_hz, to_hz);
    let mut out = Vec::new();
    samples.chunks(160).for_each(|piece| resampler.push(piece, &mut out));
    resampler.finish(&mut out);
    let wanted = (samples.len() as u64 * u64::from(to_hz)).div_ceil(u64::from(wav.rate_hz));
    assert_eq!(out.len() as u64, wanted);
    let mut listener = Listener::new(Wanted {
        keys: how & 4 != 0,
        voice_end_ms: Some(u32::from(how >> 4) * 100),
        progress: how & 8 != 0,
        machine: true,
    });
    let mut told = 0;
    // What is said over and over: some detectors wait for seconds.
    let times = if to_hz == 8000 { 1 + usize::from(how >> 6) * 10 } else { 1 };
    for _ in 0..times {
        out.chunks(160).for_each(|piece| listener.hear(piece, |_| told += 1));
    }
    assert!(told <= times * out.len() / 40 + 4);
    let _ = listener.suspects_key();
});
