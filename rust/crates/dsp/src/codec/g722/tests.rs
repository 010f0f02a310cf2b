//! G.722 beside ffmpeg's: both ways, bit by bit.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use crate::codec::{Codec, Decoder, Encoder};

/// What ffmpeg makes of `input`.
fn ffmpeg(arguments: &str, input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is needed: apt-get install ffmpeg");
    let mut stdin = child.stdin.take().unwrap();
    let writing = thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writing.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    output
}

/// Five seconds that try everything: a rising tone, noise, silence, and steps at full scale.
fn sound() -> Vec<i16> {
    let mut random = 7u32;
    let mut phase = 0f64;
    let sample = |n: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        phase += 0.002 + n as f64 * 4e-5;
        match n / 16_000 {
            0 => (f64::from(i16::MAX) * phase.sin()) as i16,
            1 => (random >> 16) as i16,
            2 => (random >> 16) as i16 >> (n / 1000 % 16),
            3 => 0,
            _ => [i16::MIN, i16::MAX][n / 37 % 2],
        }
    };
    (0..80_000).map(sample).collect()
}

fn octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn samples(octets: &[u8]) -> Vec<i16> {
    octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn decoded(payloads: &[u8]) -> Vec<i16> {
    let mut decoder = Decoder::new(Codec::G722).unwrap();
    let mut frame = [0; 320];
    let mut all = Vec::new();
    for payload in payloads.chunks(160) {
        let count = decoder.decode(payload, &mut frame).unwrap();
        all.extend_from_slice(&frame[..count]);
    }
    all
}

fn encoded(sound: &[i16]) -> Vec<u8> {
    let mut encoder = Encoder::new(Codec::G722).unwrap();
    let mut payload = [0; 160];
    let mut all = Vec::new();
    for frame in sound.chunks(320) {
        let count = encoder.encode(frame, &mut payload).unwrap();
        all.extend_from_slice(&payload[..count]);
    }
    all
}

fn first_difference<T: PartialEq>(a: &[T], b: &[T]) -> Option<usize> {
    a.iter().zip(b).position(|(a, b)| a != b).or((a.len() != b.len()).then_some(a.len().min(b.len())))
}

#[test]
fn decodes_what_ffmpeg_encodes_as_ffmpeg_does_bit_by_bit() {
    let theirs = ffmpeg("-f s16le -ar 16000 -ac 1 -i pipe:0 -c:a g722 -f g722 pipe:1", octets(&sound()));
    let heard = samples(&ffmpeg("-f g722 -i pipe:0 -f s16le pipe:1", theirs.clone()));
    assert!(heard.len() >= 80_000);
    assert_eq!(first_difference(&decoded(&theirs), &heard), None);
}

#[test]
fn decodes_any_octets_as_ffmpeg_does_bit_by_bit() {
    let mut random = 99u32;
    let any: Vec<u8> = (0..160_000)
        .map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        })
        .collect();
    let heard = samples(&ffmpeg("-f g722 -i pipe:0 -f s16le pipe:1", any.clone()));
    assert_eq!(first_difference(&decoded(&any), &heard), None);
}

#[test]
fn encodes_as_ffmpeg_does_bit_by_bit() {
    let theirs = ffmpeg("-f s16le -ar 16000 -ac 1 -i pipe:0 -c:a g722 -f g722 pipe:1", octets(&sound()));
    assert_eq!(first_difference(&encoded(&sound()), &theirs), None);
}
