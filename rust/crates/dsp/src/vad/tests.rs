use super::*;
use crate::sounds::{Noise, mixed, prompts, silence, tones};
use crate::spectrum::Spectrum;

/// Events with the time in milliseconds at which they were told.
fn heard(sound: &[i16], end_ms: u32) -> Vec<(u32, VoiceHeard)> {
    let (mut spectrum, mut activity, mut voice) =
        (Spectrum::default(), Activity::default(), VoiceDetector::new(end_ms));
    let (mut all, mut now_ms) = (Vec::new(), 0);
    let mut rest = sound;
    while !rest.is_empty() {
        let (later, look) = spectrum.take(rest);
        rest = later;
        if let Some(look) = look {
            now_ms += HOP_MS;
            all.extend(voice.hear(activity.judge(&look)).map(|what| (now_ms, what)));
        }
    }
    all
}

fn said(name: &str) -> Vec<i16> {
    prompts().into_iter().find(|(one, _)| one == name).unwrap().1
}

#[test]
fn a_sentence_is_heard_from_its_beginning_to_its_end() {
    let sentence = said("not-registered");
    let length_ms = sentence.len() as u32 / 8;
    let sound = [silence(1000), sentence, silence(1500)].concat();
    let all = heard(&sound, 800);
    let [(begun, VoiceHeard::Started), (over, VoiceHeard::Ended(lasted_ms))] = all[..] else {
        panic!("{all:?}");
    };
    assert!((1000..1300).contains(&begun), "{begun}");
    assert!(lasted_ms.abs_diff(length_ms) < 250, "{lasted_ms} of {length_ms}");
    assert!(over.abs_diff(begun + lasted_ms + 800) < 200);
}

#[test]
fn every_prompt_is_a_voice_also_amid_noise() {
    for (name, sentence) in prompts() {
        let sound = [silence(600), sentence, silence(1200)].concat();
        let noise = Noise::new(5).sound(-50.0, sound.len());
        for sound in [sound.clone(), mixed(&sound, &noise)] {
            let all = heard(&sound, 800);
            assert!(
                matches!(all[..], [(_, VoiceHeard::Started), (_, VoiceHeard::Ended(_))]),
                "{name}: {all:?}"
            );
        }
    }
}

#[test]
fn noise_is_no_voice_whether_it_is_there_from_the_beginning_or_comes_and_goes_slowly() {
    for level in [-70.0, -60.0, -50.0, -40.0] {
        assert_eq!(heard(&Noise::new(9).sound(level, 40_000), 800), [], "{level}");
    }
    let mut noise = Noise::new(4).sound(-60.0, 80_000);
    for (at, sample) in noise.iter_mut().enumerate() {
        *sample = (f32::from(*sample) * (1.0 + at as f32 / 24_000.0)) as i16;
    }
    assert_eq!(heard(&noise, 800), []);
}

#[test]
fn after_a_jump_of_the_noise_voices_are_told_apart_again() {
    let mut noise = Noise::new(4);
    let hum = [noise.sound(-65.0, 16_000), noise.sound(-42.0, 48_000)].concat();
    let mut sound = [silence(6000), said("goodbye"), silence(2000)].concat();
    sound.truncate(hum.len());
    let all = heard(&mixed(&hum, &sound), 600);
    assert!(all.iter().any(|&(at, what)| at > 6000 && what == VoiceHeard::Started), "{all:?}");
    assert!(matches!(all.last(), Some((_, VoiceHeard::Ended(_)))), "{all:?}");
}

#[test]
fn tones_of_the_line_are_no_voices() {
    let pairs =
        [(425.0, 425.0), (350.0, 440.0), (440.0, 480.0), (480.0, 620.0), (400.0, 450.0), (2100.0, 2100.0)];
    for (one, other) in pairs {
        for (on_ms, off_ms) in [(2000, 4000), (500, 500), (250, 250), (5000, 0)] {
            let burst = [tones(&[(one, -19.0), (other, -19.0)], on_ms), silence(off_ms)].concat();
            assert_eq!(heard(&burst.repeat(3), 800), [], "{one} {other} {on_ms}");
        }
    }
}

#[test]
fn clicks_are_no_voices_and_do_not_lengthen_one() {
    let mut sound = [silence(500), said("goodbye"), silence(2000)].concat();
    let without = heard(&sound, 800);
    let last = sound.len();
    for at in [100, 2000, last - 12_000, last - 8000, last - 5000] {
        sound[at..at + 20].fill(20_000);
    }
    assert_eq!(heard(&sound, 800), without);
}
