use super::*;

fn step(frequencies: &[f64], duration_ms: u32) -> Step {
    let mut frequencies_hz = [0.0; MOST_TONES];
    frequencies_hz[..frequencies.len()].copy_from_slice(frequencies);
    Step { frequencies_hz, duration_ms, level_dbov: -16.0 }
}

/// The whole of a signal, in pieces of an odd length.
fn sound(mut signal: Signal, most: usize) -> Vec<i16> {
    let mut sound = Vec::new();
    let mut piece = [0; 113];
    while sound.len() < most {
        let written = signal.fill(&mut piece);
        sound.extend(&piece[..written]);
        if written < piece.len() {
            assert!(signal.is_over());
            break;
        }
    }
    sound
}

fn level(sound: &[i16]) -> f32 {
    crate::mix::dbov(crate::mix::energy(sound))
}

#[test]
fn steps_follow_each_other_and_end() {
    let steps = [step(&[425.0], 500), Step::silence(250), step(&[950.0], 100)];
    let sound = sound(Signal::new(&steps, false, 8000), usize::MAX);
    assert_eq!(sound.len(), 6800);
    assert!((level(&sound[100..3900]) + 16.0).abs() < 0.1);
    assert!(sound[4000..6000].iter().all(|&sample| sample == 0));
    assert!((level(&sound[6100..6700]) + 16.0).abs() < 0.2);
}

#[test]
fn a_repeated_signal_goes_on() {
    let sound = sound(Signal::new(&[step(&[440.0, 480.0], 40), Step::silence(40)], true, 16_000), 200_000);
    assert!(sound.len() >= 200_000);
    assert_eq!(sound[..1280], sound[12_800..14_080]);
}

#[test]
fn two_tones_have_twice_the_power_and_keep_it() {
    let sound = sound(Signal::new(&[step(&[350.0, 440.0], 0)], false, 8000), 8_000_000);
    assert!((level(&sound[8000..16_000]) + 13.0).abs() < 0.1);
    assert!((level(&sound[7_992_000..]) + 13.0).abs() < 0.1);
}

#[test]
fn it_begins_and_ends_without_a_click() {
    let sound = sound(Signal::new(&[step(&[3000.0], 100), Step::silence(10)], false, 48_000), usize::MAX);
    assert!(sound[..10].iter().all(|sample| sample.abs() < 600), "{:?}", &sound[..10]);
    assert!(sound[4790..4800].iter().all(|sample| sample.abs() < 600));
}

#[test]
fn nothing_to_say_is_over_at_once() {
    let mut signal = Signal::new(&[], true, 8000);
    assert_eq!((signal.fill(&mut [0; 10]), signal.is_over()), (0, true));
}
