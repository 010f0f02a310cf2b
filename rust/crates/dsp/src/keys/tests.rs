use super::*;
use crate::sounds::{Noise, mixed, prompts, silence, tones};

fn heard(sound: &[i16], piece: usize) -> Vec<KeyHeard> {
    let (mut detector, mut all) = (KeyDetector::default(), Vec::new());
    for samples in sound.chunks(piece) {
        detector.hear(samples, |what| all.push(what));
    }
    all
}

fn keys(sound: &[i16]) -> String {
    let down = heard(sound, 160).into_iter().filter_map(|what| match what {
        KeyHeard::Down(key) => Some(key),
        KeyHeard::Up(..) => None,
    });
    down.collect()
}

/// A key amid silence: low and high tone off by a factor, at these levels.
fn key(key: char, duration_ms: u32, off: (f64, f64), levels: (f64, f64), begin: usize) -> Vec<i16> {
    let (low, high) = frequencies_of(key).unwrap();
    let tone = tones(&[(low * off.0, levels.0), (high * off.1, levels.1)], duration_ms);
    [silence(50), vec![0; begin], tone, silence(100)].concat()
}

const ALL: &str = "1234567890*#ABCD";
const AS_IS: (f64, f64) = (1.0, 1.0);
const USUAL: (f64, f64) = (-18.0, -16.0);

#[test]
fn every_key_is_heard_once_with_its_time() {
    for one in ALL.chars() {
        for piece in [1, 37, 960] {
            let all = heard(&key(one, 100, AS_IS, USUAL, 0), piece);
            assert!(
                matches!(all[..], [KeyHeard::Down(down), KeyHeard::Up(up, ms)] if down == one && up == one && ms.abs_diff(100) <= 10),
                "{one}: {all:?}"
            );
        }
    }
}

#[test]
fn forty_milliseconds_are_accepted_and_twenty_three_are_not() {
    for one in ALL.chars() {
        for begin in (0..40).step_by(3) {
            assert_eq!(keys(&key(one, 40, AS_IS, USUAL, begin)), one.to_string());
            assert_eq!(keys(&key(one, 23, AS_IS, USUAL, begin)), "");
        }
    }
}

#[test]
fn frequencies_may_be_off_by_a_little() {
    for one in ALL.chars() {
        for (low, high) in [(1.015, 1.0), (0.985, 1.015), (1.0, 0.985), (1.015, 1.015), (0.985, 0.985)] {
            assert_eq!(keys(&key(one, 50, (low, high), USUAL, 7)), one.to_string(), "{low} {high}");
        }
        for (low, high) in [(1.035, 1.0), (0.965, 1.0), (1.0, 1.035), (1.0, 0.965)] {
            assert_eq!(keys(&key(one, 100, (low, high), USUAL, 7)), "", "{one} {low} {high}");
        }
    }
}

#[test]
fn the_tones_may_differ_by_the_usual_twist() {
    for one in ALL.chars() {
        for twist in [-8.0, -4.0, 0.0, 4.0] {
            assert_eq!(keys(&key(one, 50, AS_IS, (-16.0, -16.0 + twist), 3)), one.to_string(), "{twist}");
        }
        for twist in [-14.0, 9.0] {
            assert_eq!(keys(&key(one, 50, AS_IS, (-20.0, -20.0 + twist), 3)), "", "{twist}");
        }
    }
}

#[test]
fn levels_from_loud_to_weak_are_heard() {
    // 0 dBm0 is -6.2 dBov; Q.24 asks for 0 to -25 dBm0.
    for level in [-6.2, -10.0, -20.0, -31.2, -40.0] {
        assert_eq!(keys(&key('5', 50, AS_IS, (level, level), 11)), "5", "{level}");
    }
    assert_eq!(keys(&key('5', 50, AS_IS, (-61.0, -61.0), 11)), "");
}

#[test]
fn a_short_gap_is_part_of_the_key_and_a_long_one_is_not() {
    let (low, high) = frequencies_of('8').unwrap();
    let press = || tones(&[(low, -18.0), (high, -16.0)], 60);
    for begin in (0..40).step_by(3) {
        let with_gap = |gap_ms| [vec![0; begin], press(), silence(gap_ms), press(), silence(100)].concat();
        assert_eq!(keys(&with_gap(10)), "8");
        assert_eq!(keys(&with_gap(40)), "88");
    }
}

#[test]
fn keys_may_follow_each_other_quickly() {
    let mut sound = silence(30);
    for one in ALL.chars() {
        let (low, high) = frequencies_of(one).unwrap();
        sound.extend(tones(&[(low, -18.0), (high, -16.0)], 50));
        sound.extend(silence(45));
    }
    sound.extend(silence(60));
    assert_eq!(keys(&sound), ALL);
}

#[test]
fn noise_does_not_hide_keys() {
    for one in ALL.chars() {
        // 15 dB below the tones together.
        let noise = Noise::new(u64::from(one as u32)).sound(-29.0, 8000);
        let mut sound = key(one, 60, AS_IS, USUAL, 13);
        sound.resize(4000, 0);
        assert_eq!(keys(&mixed(&sound, &noise)), one.to_string());
    }
}

#[test]
fn noise_and_lone_tones_are_no_keys() {
    assert_eq!(keys(&Noise::new(7).sound(-15.0, 8000 * 20)), "");
    for frequency in (300..3400).step_by(31) {
        assert_eq!(keys(&tones(&[(f64::from(frequency), -10.0)], 200)), "", "{frequency}");
    }
    for pair in [(350.0, 440.0), (440.0, 480.0), (480.0, 620.0), (400.0, 450.0), (1400.0, 2060.0)] {
        assert_eq!(keys(&tones(&[(pair.0, -16.0), (pair.1, -16.0)], 500)), "", "{pair:?}");
    }
}

#[test]
fn speech_is_no_key() {
    for (name, sound) in prompts() {
        for gain in [1, 4] {
            let louder: Vec<i16> = sound.iter().map(|sample| sample.saturating_mul(gain)).collect();
            assert_eq!(keys(&louder), "", "{name}");
        }
    }
}

#[test]
fn a_key_is_suspected_before_it_is_one_and_until_it_is_over() {
    let mut detector = KeyDetector::default();
    let sound = key('9', 80, AS_IS, USUAL, 0);
    let suspected: Vec<bool> = sound
        .chunks(160)
        .map(|frame| {
            detector.hear(frame, |_| {});
            detector.is_suspected()
        })
        .collect();
    // The tone is in the frames 2 (its second half) to 6 (its first half).
    assert!(suspected[3..=6].iter().all(|&one| one), "{suspected:?}");
    assert!(!suspected[0] && !suspected[1] && !suspected[9..].contains(&true));
    assert_eq!(detector.pressed(), None);
}
