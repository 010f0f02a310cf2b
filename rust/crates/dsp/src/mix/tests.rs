use super::*;
use crate::tone::Sine;

const LONG: usize = 160;

fn sine(frequency: f64, level: f64) -> Sine {
    Sine::new(frequency, level, 8000.0)
}

fn frame(sine: &mut Sine) -> Vec<i16> {
    (0..LONG).map(|_| sine.sample()).collect()
}

/// The largest second difference: a click is a large one.
fn corner(sound: &[i16]) -> i32 {
    let bends = sound.windows(3).map(|at| i32::from(at[0]) - 2 * i32::from(at[1]) + i32::from(at[2]));
    bends.map(i32::abs).max().unwrap()
}

#[test]
fn each_hears_all_others_and_not_itself() {
    let voices = [vec![100i16; LONG], vec![20; LONG], vec![-3; LONG]];
    let mut mix = Mix::new(LONG);
    mix.begin();
    voices.iter().for_each(|voice| mix.add(voice));
    mix.settle();
    let mut out = vec![0; LONG];
    for (own, expected) in voices.iter().zip([17, 97, 120]) {
        mix.without(own, &mut out);
        assert!(out.iter().all(|&sample| sample == expected));
    }
    mix.whole(&mut out);
    assert!(out.iter().all(|&sample| sample == 117));
    assert_eq!(mix.voices(), 3);
}

#[test]
fn a_lone_voice_below_the_knee_passes_as_it_is() {
    let mut mix = Mix::new(LONG);
    let voice = frame(&mut sine(440.0, -4.0));
    mix.begin();
    mix.add(&voice);
    mix.settle();
    let mut out = vec![0; LONG];
    mix.whole(&mut out);
    assert_eq!(out, voice);
}

#[test]
fn four_loud_voices_are_turned_down_without_clicks() {
    let mut voices: Vec<Sine> = [200.0, 310.0, 270.0, 130.0].map(|f| sine(f, -4.0)).into();
    let mut mix = Mix::new(LONG);
    let mut sound = Vec::new();
    for number in 0..100 {
        mix.begin();
        // First one, from the 30th frame on all, from the 60th one again.
        let speaking = if (30..60).contains(&number) { 4 } else { 1 };
        for voice in &mut voices[..speaking] {
            mix.add(&frame(voice));
        }
        mix.settle();
        let mut out = vec![0; LONG];
        mix.whole(&mut out);
        sound.extend(out);
    }
    // The sum would reach 80000; a held value would be a corner at each of its peaks.
    let settled = &sound[32 * LONG..60 * LONG];
    assert!(settled.iter().all(|&sample| sample.unsigned_abs() < 31_500));
    // One sine of 310 Hz at this level bends by up to 1200 from sample to sample.
    assert!(corner(settled) < 3000, "{}", corner(settled));
    assert!(sound[..30 * LONG].iter().any(|&sample| sample > 27_000), "one voice is not turned down");
    assert!(sound[99 * LONG..].iter().any(|&sample| sample > 20_000), "it comes back");
}

#[test]
fn a_thousand_voices_at_full_scale_do_not_overflow() {
    let mut mix = Mix::new(LONG);
    mix.begin();
    for _ in 0..1000 {
        mix.add(&[i16::MIN; LONG]);
    }
    mix.settle();
    let mut out = vec![0; LONG];
    mix.without(&[i16::MIN; LONG], &mut out);
    assert!(out.iter().all(|&sample| (-32_768..=-29_000).contains(&i32::from(sample))));
}

#[test]
fn frames_of_other_lengths_do_no_harm() {
    let mut mix = Mix::new(LONG);
    mix.begin();
    mix.add(&[5; 80]);
    mix.add(&[7; 320]);
    mix.settle();
    let mut out = [1i16; 200];
    mix.whole(&mut out);
    assert_eq!((out[0], out[100], out[180]), (12, 7, 0));
    mix.without(&[5; 80], &mut out);
    assert_eq!((out[0], out[100], out[180]), (7, 7, 0));
}

#[test]
fn a_gain_changes_over_a_frame_and_mutes() {
    let mut gain = Gain::default();
    gain.set_db(6.0);
    let mut first = [1000i16; LONG];
    gain.apply(&mut first);
    assert!(first.windows(2).all(|pair| (0..=10).contains(&(pair[1] - pair[0]))));
    assert_eq!(first[LONG - 1], 1995);
    gain.mute();
    let mut last = [1000i16; LONG];
    gain.apply(&mut last);
    assert_eq!((last[LONG - 1], gain.is_mute()), (0, true));
}

#[test]
fn fades_reach_from_nothing_to_all() {
    let (mut into, mut out) = ([1600i16; LONG], [1600i16; LONG]);
    fade_in(&mut into);
    fade_out(&mut out);
    assert_eq!((into[0], into[LONG - 1], out[0], out[LONG - 1]), (10, 1600, 1590, 0));
}

#[test]
fn energies_are_those_of_the_levels() {
    let level = dbov(energy(&frame(&mut sine(400.0, -20.0))));
    assert!((level + 20.0).abs() < 0.1, "{level}");
    assert!((dbov(energy(&[i16::MIN, i16::MAX])) - 0.0).abs() < 0.1);
    assert!(dbov(energy(&[500; LONG])) <= -95.0, "what does not move is not heard");
    assert_eq!(energy(&[]), 0.0);
}

#[test]
fn loudness_rises_at_once_and_falls_slowly() {
    let mut loudness = Loudness::default();
    let loud = frame(&mut sine(400.0, -20.0));
    loudness.hear(&loud);
    assert!(!loudness.is_silent());
    let silent_after = (0..200).position(|_| {
        loudness.hear(&[0; LONG]);
        loudness.is_silent()
    });
    assert!((20..80).contains(&silent_after.unwrap()), "{silent_after:?}");
}
