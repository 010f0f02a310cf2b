use super::*;
use crate::sounds::{Noise, mixed, prompts, silence, tones};
use crate::spectrum::Spectrum;

fn heard(sound: &[i16]) -> Vec<Progress> {
    let (mut spectrum, mut progress, mut all) =
        (Spectrum::default(), ProgressDetector::default(), Vec::new());
    let mut rest = sound;
    while !rest.is_empty() {
        let (later, look) = spectrum.take(rest);
        rest = later;
        all.extend(look.and_then(|look| progress.hear(&look)));
    }
    all
}

/// Steps of (frequencies, milliseconds), the whole so many times, at -19 dBov each.
fn signal(steps: &[(&[f64], u32)], times: usize) -> Vec<i16> {
    let mut sound = silence(330);
    for _ in 0..times {
        for &(frequencies, duration_ms) in steps {
            let parts: Vec<_> = frequencies.iter().map(|&hz| (hz, -19.0)).collect();
            sound.extend(tones(&parts, duration_ms));
        }
    }
    sound
}

/// 400 Hz that comes and goes sixteen times a second, by 85 %.
fn modulated(on_ms: u32, off_ms: u32, times: usize) -> Vec<i16> {
    let strength = |n: usize| 1.0 + 0.85 * (std::f64::consts::TAU * 16.0 * n as f64 / 8000.0).sin();
    let tone = tones(&[(400.0, -19.0)], on_ms);
    let tone: Vec<i16> =
        tone.iter().enumerate().map(|(n, &sample)| (f64::from(sample) * strength(n)) as i16).collect();
    let once = [tone, silence(off_ms)].concat();
    [silence(330), once.repeat(times)].concat()
}

/// As it is, in the noise of a line, quietly, and from a middle of it.
fn all_agree(sound: &[i16], expected: Progress) {
    let noise = Noise::new(8).sound(-48.0, sound.len());
    let quiet: Vec<i16> = sound.iter().map(|sample| sample / 8).collect();
    for (how, sound) in [("as it is", sound), ("with noise", &mixed(sound, &noise)), ("quiet", &quiet)] {
        assert_eq!(heard(sound), [expected], "{how}");
    }
}

#[test]
fn ringback_of_many_countries() {
    let pause = |ms| (&[] as &[f64], ms);
    all_agree(&signal(&[(&[425.0], 1000), pause(4000)], 3), Progress::Ringback);
    all_agree(&signal(&[(&[425.0], 1500), pause(3500)], 3), Progress::Ringback);
    all_agree(&signal(&[(&[440.0, 480.0], 2000), pause(4000)], 3), Progress::Ringback);
    let british: &[f64] = &[400.0, 450.0];
    all_agree(&signal(&[(british, 400), pause(200), (british, 400), pause(2000)], 4), Progress::Ringback);
    let australian: &[f64] = &[413.0, 438.0];
    all_agree(
        &signal(&[(australian, 400), pause(200), (australian, 400), pause(2000)], 4),
        Progress::Ringback,
    );
    // Japan's, modulated with 16 Hz, as two tones that beat and as what they call it.
    all_agree(&signal(&[(&[392.0, 408.0], 1000), pause(2000)], 4), Progress::Ringback);
    all_agree(&modulated(1000, 2000, 4), Progress::Ringback);
}

#[test]
fn busy_and_congestion_of_many_countries() {
    let pause = |ms| (&[] as &[f64], ms);
    for (frequencies, ms) in
        [(&[425.0][..], 500), (&[425.0], 480), (&[480.0, 620.0], 500), (&[400.0], 375), (&[450.0], 350)]
    {
        all_agree(&signal(&[(frequencies, ms), pause(ms)], 8), Progress::Busy);
    }
    for (frequencies, ms) in [(&[425.0][..], 250), (&[425.0], 200), (&[480.0, 620.0], 250), (&[425.0], 240)] {
        all_agree(&signal(&[(frequencies, ms), pause(ms)], 16), Progress::Congestion);
    }
}

#[test]
fn dial_tones() {
    for frequencies in [&[425.0][..], &[350.0, 440.0], &[350.0, 450.0], &[400.0]] {
        all_agree(&signal(&[(frequencies, 8000)], 1), Progress::Dial);
    }
}

#[test]
fn special_information() {
    let american = signal(&[(&[913.8], 274), (&[1370.6], 274), (&[1776.7], 380), (&[], 1000)], 2);
    all_agree(&american, Progress::Special);
    let gap = 30;
    let european = signal(
        &[(&[950.0], 330), (&[], gap), (&[1400.0], 330), (&[], gap), (&[1800.0], 330), (&[], 1000)],
        2,
    );
    all_agree(&european, Progress::Special);
}

#[test]
fn faxes() {
    all_agree(&signal(&[(&[1100.0], 500), (&[], 3000)], 3), Progress::FaxCalling);
    all_agree(&signal(&[(&[2100.0], 3300), (&[], 1000)], 1), Progress::FaxAnswering);
}

#[test]
fn one_signal_after_the_other_is_told() {
    let ringing = signal(&[(&[425.0], 1000), (&[], 4000)], 2);
    let busy = signal(&[(&[425.0], 500), (&[], 500)], 5);
    assert_eq!(heard(&[ringing.clone(), busy].concat()), [Progress::Ringback, Progress::Busy]);
    let again = [ringing.clone(), silence(11_000), ringing].concat();
    assert_eq!(heard(&again), [Progress::Ringback, Progress::Ringback]);
}

#[test]
fn speech_and_noise_are_no_signals() {
    let mut talk = Vec::new();
    for (_, sentence) in prompts() {
        talk.extend(sentence);
        talk.extend(silence(700));
    }
    assert_eq!(heard(&talk), []);
    let louder: Vec<i16> = talk.iter().map(|sample| sample.saturating_mul(3)).collect();
    assert_eq!(heard(&louder), []);
    assert_eq!(heard(&Noise::new(2).sound(-20.0, 80_000)), []);
}

#[test]
fn keys_and_beeps_are_no_signals() {
    for key in "1234567890*#".chars() {
        let (low, high) = crate::keys::frequencies_of(key).unwrap();
        assert_eq!(heard(&signal(&[(&[low, high], 500), (&[], 500)], 5)), [], "{key}");
    }
    assert_eq!(heard(&signal(&[(&[1000.0], 500), (&[], 3000)], 2)), []);
}
