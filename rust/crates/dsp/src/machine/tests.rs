use super::*;
use crate::sounds::{Noise, mixed, prompts, silence, tones};
use crate::spectrum::Spectrum;
use crate::vad::Activity;

/// Who answers, after how long, and when beeps were over.
fn heard(sound: &[i16]) -> (Option<(Answerer, u32)>, Vec<u32>) {
    let (mut spectrum, mut activity) = (Spectrum::default(), Activity::default());
    let (mut answer, mut beep) = (AnswerDetector::new(Limits::default()), BeepDetector::default());
    let (mut found, mut beeps, mut now_ms) = (None, Vec::new(), 0);
    let noise = Noise::new(6).sound(-62.0, sound.len());
    let sound = mixed(sound, &noise);
    let mut rest = &sound[..];
    while !rest.is_empty() {
        let (later, look) = spectrum.take(rest);
        rest = later;
        let Some(look) = look else { break };
        now_ms += HOP_MS;
        let news = answer.hear(activity.judge(&look));
        assert!(found.is_none() || news.is_none(), "told twice");
        found = found.or(news);
        if beep.hear(&look) {
            beeps.push(now_ms);
        }
    }
    (found, beeps)
}

fn said(name: &str) -> Vec<i16> {
    prompts().into_iter().find(|(one, _)| one == name).unwrap().1
}

#[test]
fn a_short_greeting_and_then_silence_is_a_human() {
    for greeting in ["goodbye", "number-1", "number-20", "hours"] {
        let sound = [silence(900), said(greeting), silence(4000)].concat();
        let (answer, _) = heard(&sound);
        let Some((Answerer::Human, after_ms)) = answer else { panic!("{greeting}: {answer:?}") };
        let spoken_ms = 900 + said(greeting).len() as u32 / 8;
        assert!((spoken_ms + 500..spoken_ms + 1000).contains(&after_ms), "{greeting}: {after_ms}");
    }
}

#[test]
fn a_long_greeting_is_a_machine() {
    for greeting in ["not-registered", "no-answer", "busy"] {
        let sound = [silence(600), said(greeting), silence(3000)].concat();
        let (answer, _) = heard(&sound);
        assert!(matches!(answer, Some((Answerer::Machine, 1500..=3000))), "{greeting}: {answer:?}");
    }
}

#[test]
fn who_counts_is_a_machine() {
    let one = [said("number-1"), silence(150)].concat();
    assert!(matches!(
        heard(&[silence(400), one.repeat(6), silence(2000)].concat()).0,
        Some((Answerer::Machine, _))
    ));
}

#[test]
fn silence_noise_and_tones_are_nobody_known() {
    let ringing = [tones(&[(425.0, -19.0)], 1000), silence(4000)].concat().repeat(2);
    for sound in [silence(6000), Noise::new(1).sound(-45.0, 48_000), ringing] {
        assert_eq!(heard(&sound).0, Some((Answerer::Unknown, 5000)));
    }
}

#[test]
fn a_fax_is_known_at_once_and_once() {
    let mut answer = AnswerDetector::new(Limits::default());
    answer.hear(Speech::No);
    assert_eq!(answer.fax(), Some((Answerer::Fax, 20)));
    assert_eq!(answer.fax(), None);
    assert_eq!(answer.hear(Speech::Yes), None);
}

#[test]
fn the_beep_after_the_greeting_is_heard_when_it_is_over() {
    for (frequency, ms) in [(1000.0, 200), (1400.0, 500), (440.0, 1000), (2000.0, 150), (850.0, 250)] {
        let greeting = [silence(500), said("no-answer"), silence(400)].concat();
        let end_ms = greeting.len() as u32 / 8 + ms;
        let sound = [greeting, tones(&[(frequency, -20.0)], ms), silence(1500)].concat();
        let (_, beeps) = heard(&sound);
        assert_eq!(beeps.len(), 1, "{frequency}");
        assert!((end_ms + 40..end_ms + 200).contains(&beeps[0]), "{frequency}: {beeps:?} for {end_ms}");
    }
}

#[test]
fn speech_has_no_beep() {
    let mut talk = Vec::new();
    for (_, sentence) in prompts() {
        talk.extend(sentence);
        talk.extend(silence(600));
    }
    assert_eq!(heard(&talk).1, []);
}
