//! How it sounds when somebody hears another encoder from one packet to the next.

use super::{Codec, Decoder, Encoder, LONGEST};
use crate::tone::Sine;

const OPUS: Codec = Codec::Opus { stereo: false, fec: true, bit_rate: 0, most_hz: 0 };
const RATE_HZ: u32 = 16_000;
const FRAME: usize = 320;

/// Something like a voice of this pitch.
fn voice(pitch: f64) -> Vec<i16> {
    let mut tones: Vec<Sine> = (1..20)
        .map(|n| Sine::new(pitch * f64::from(n), -22.0 - 2.0 * f64::from(n), f64::from(RATE_HZ)))
        .collect();
    let sample = |n: usize| {
        let sum: i32 = tones.iter_mut().map(|tone| i32::from(tone.sample())).sum();
        (sum * (n * 10 / RATE_HZ as usize % 4 + 1) as i32 / 4) as i16
    };
    (0..130 * FRAME).map(sample).collect()
}

fn decode(payloads: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::at(OPUS, RATE_HZ).unwrap();
    let mut out = [0; LONGEST];
    let frames = payloads.iter().map(|payload| {
        let count = decoder.decode(payload, &mut out).unwrap();
        out[..count].to_vec()
    });
    frames.flatten().collect()
}

fn encode(encoder: &mut Encoder, sound: &[i16]) -> Vec<u8> {
    let mut payload = [0; 2 * LONGEST];
    let count = encoder.encode(sound, &mut payload).unwrap();
    payload[..count].to_vec()
}

/// What somebody hears who is spoken to by an encoder of his own and hears, from the frame `at` on, what all others hear;
/// and what one of them hears.
fn heard(at: usize, alone: bool) -> (Vec<i16>, Vec<i16>) {
    let (others, whole) = (voice(210.0), voice(130.0));
    let (mut private, mut common) =
        (Encoder::at(OPUS, RATE_HZ).unwrap(), Encoder::at(OPUS, RATE_HZ).unwrap());
    let frames = others.chunks_exact(FRAME).zip(whole.chunks_exact(FRAME)).enumerate();
    let payloads: Vec<_> = frames
        .map(|(n, (others, whole))| {
            common.stand_alone(alone && n == at);
            (encode(&mut private, others), encode(&mut common, whole))
        })
        .collect();
    let common: Vec<_> = payloads.iter().map(|(_, common)| common.clone()).collect();
    let switched: Vec<_> =
        payloads.into_iter().enumerate().map(|(n, (a, b))| if n < at { a } else { b }).collect();
    (decode(&switched), decode(&common))
}

/// How many decibels lie between the frame and what it differs by.
fn distance((heard, whole): &(Vec<i16>, Vec<i16>), frame: usize) -> f64 {
    let range = frame * FRAME..(frame + 1) * FRAME;
    let (heard, whole) = (&heard[range.clone()], &whole[range]);
    let signal: f64 = whole.iter().map(|&x| f64::from(x).powi(2)).sum();
    let noise: f64 = whole.iter().zip(heard).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * ((signal + 1.0) / (noise + 1.0)).log10()
}

#[test]
fn behind_a_frame_that_stands_alone_another_encoder_sounds_as_to_who_always_heard_it() {
    for at in [100, 104, 107, 110] {
        let both = heard(at, true);
        let behind = (at + 1..at + 6).map(|frame| distance(&both, frame)).sum::<f64>() / 5.0;
        assert!(behind > 40.0, "{at}: {behind:.1} dB");
    }
}
