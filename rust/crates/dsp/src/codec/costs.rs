//! What a frame of 20 ms costs: `cargo test --release -p trunkline-dsp -- --ignored --nocapture costs`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::{Codec, Decoder, Encoder, LONGEST};
use crate::g711::Law;
use crate::jitter::{Jitter, Pull};
use crate::noise::Random;
use crate::rates::Rates;
use crate::stretch::Stretch;
use crate::tone::Sine;

const BATCH: u32 = 50;

/// The time of one of the calls of `work`, in the quickest of many batches.
fn cost(mut work: impl FnMut()) -> f64 {
    let mut least = Duration::MAX;
    for _ in 0..60 {
        let start = Instant::now();
        (0..BATCH).for_each(|_| work());
        least = least.min(start.elapsed());
    }
    least.as_secs_f64() * 1e6 / f64::from(BATCH)
}

/// Something like a voice: harmonics of 150 Hz, louder and quieter, amid noise.
fn voice(rate: u32) -> Vec<i16> {
    let mut tones: Vec<Sine> = (1..20)
        .map(|n| Sine::new(150.0 * f64::from(n), -22.0 - 2.0 * f64::from(n), f64::from(rate)))
        .collect();
    let mut random = Random::default();
    let sample = |n: u32| {
        let sum: i32 = tones.iter_mut().map(|tone| i32::from(tone.sample())).sum();
        sum * (n * 8 / rate % 4) as i32 / 3 + (20.0 * random.level()) as i32
    };
    (0..rate).map(sample).map(|sample| sample as i16).collect()
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn costs_of_codecs() {
    let opus = |fec, bit_rate| Codec::Opus { stereo: false, fec, bit_rate, most_hz: 0 };
    let l16 = Codec::L16 { rate_hz: 16_000, channels: 1 };
    let all =
        [Codec::G711(Law::Mu), Codec::G711(Law::A), Codec::G722, l16, opus(false, 0), opus(true, 24_000)];
    for codec in all {
        let (mut encoder, mut decoder) = (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
        let (sound, frame) = (voice(codec.rate_hz()), codec.rate_hz() as usize / 50);
        let (mut payload, mut out) = ([0; 2 * LONGEST], [0; LONGEST]);
        let mut frames = sound.chunks_exact(frame).cycle();
        let encoding = cost(|| {
            black_box(encoder.encode(frames.next().unwrap(), &mut payload).unwrap());
        });
        let mut encode = |frame: &[i16]| {
            let count = encoder.encode(frame, &mut payload).unwrap();
            payload[..count].to_vec()
        };
        let payloads: Vec<Vec<u8>> = sound.chunks_exact(frame).map(&mut encode).collect();
        let mut coming = payloads.iter().cycle();
        let decoding = cost(|| {
            black_box(decoder.decode(coming.next().unwrap(), &mut out).unwrap());
        });
        let losing = cost(|| {
            decoder.decode(coming.next().unwrap(), &mut out).unwrap();
            decoder.conceal(frame, &mut out);
        });
        let concealing = (losing - decoding).max(0.0);
        println!("{codec:?}: encode {encoding:.2} us, decode {decoding:.2} us, conceal {concealing:.2} us");
    }
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn costs_of_what_stands_around_codecs() {
    for (from, to) in
        [(8000, 16_000), (16_000, 8000), (8000, 48_000), (48_000, 8000), (16_000, 48_000), (48_000, 16_000)]
    {
        let (mut rates, sound, mut out) = (Rates::new(from, to).unwrap(), voice(from), [0; 960]);
        let mut frames = sound.chunks_exact(from as usize / 50).cycle();
        let each = cost(|| {
            black_box(rates.convert(frames.next().unwrap(), &mut out));
        });
        println!("{from} to {to} Hz: {each:.2} us");
    }
    let (mut buffer, mut n) = (Jitter::new(8000), 0u32);
    let each = cost(|| {
        let now = u64::from(n) * 20_000;
        buffer.push(now, n as u16, n * 160, 0, false, &[0x55; 160]);
        if let Pull::Packet { .. } = buffer.pull(now) {
            buffer.played(160);
        }
        n += 1;
    });
    println!("jitter buffer: {each:.2} us");
    for rate in [8000, 16_000, 48_000] {
        let (mut stretch, sound) = (Stretch::new(rate), voice(rate));
        let count = rate as usize / 50;
        let mut frames = sound.chunks_exact(count).cycle();
        let mut frame = [0; 2 * LONGEST];
        let each = cost(|| {
            frame[..count].copy_from_slice(frames.next().unwrap());
            stretch.change(&mut frame, count, 1);
        });
        println!("stretch at {rate} Hz: {each:.2} us");
    }
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn costs_of_opus_at_the_rates_of_rooms() {
    let codec = Codec::Opus { stereo: false, fec: true, bit_rate: 0, most_hz: 0 };
    let (mut payload, mut out) = ([0; 2 * LONGEST], [0; LONGEST]);
    let mut peer = Encoder::new(codec).unwrap();
    let mut of_peer = |frame: &[i16]| {
        let count = peer.encode(frame, &mut payload).unwrap();
        payload[..count].to_vec()
    };
    let payloads: Vec<Vec<u8>> = voice(48_000).chunks_exact(960).map(&mut of_peer).collect();
    for rate in [8000, 16_000, 48_000] {
        let mut encoder = Encoder::at(codec, rate).unwrap();
        let mut decoder = Decoder::at(codec, rate).unwrap();
        let sound = voice(rate);
        let mut frames = sound.chunks_exact(rate as usize / 50).cycle();
        let encoding = cost(|| {
            black_box(encoder.encode(frames.next().unwrap(), &mut payload).unwrap());
        });
        let mut coming = payloads.iter().cycle();
        let decoding = cost(|| {
            black_box(decoder.decode(coming.next().unwrap(), &mut out).unwrap());
        });
        println!("Opus at {rate} Hz: encode {encoding:.2} us, decode {decoding:.2} us");
    }
}
