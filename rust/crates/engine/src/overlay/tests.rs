use super::*;

fn step(frequency_hz: f64, duration_ms: u32) -> Step {
    Step { frequencies_hz: [frequency_hz, 0.0, 0.0, 0.0], duration_ms, level_dbov: -16.0 }
}

#[test]
fn a_signal_ends_with_silence_up_to_the_end_of_its_packet() {
    let mut source = SignalSource::new(&[step(425.0, 50)], false);
    let mut sound = [1; SAMPLES];
    assert!(source.is_fresh());
    assert!(source.next(&mut sound) && source.next(&mut sound) && source.next(&mut sound));
    assert!(!source.is_fresh());
    assert!(sound[..80].iter().any(|&sample| sample != 0) && sound[80..].iter().all(|&sample| sample == 0));
    assert!(!source.next(&mut sound));
}

#[test]
fn keys_come_before_a_signal_and_each_end_is_told_once() {
    let tones = Tones { source: SignalSource::new(&[step(697.0, 40)], false), digits: "1".into() };
    let signal = Some(SignalSource::new(&[step(425.0, 20)], false));
    let mut overlay = Overlay { signal, keys: [tones].into(), spoke: false };
    let mut sound = [0; SAMPLES];
    let mut told = String::new();
    for _ in 0..7 {
        told.push(match overlay.next(&mut sound) {
            Next::Sound => 's',
            Next::Pressed(_) => 'p',
            Next::Ended => 'e',
            Next::Nothing => 'n',
        });
    }
    assert_eq!(told, "sspsenn");
}

#[test]
fn what_cannot_be_sound_is_refused() {
    assert!(check(&[step(425.0, 1000), Step::silence(4000)]).is_ok());
    assert!(check(&[]).is_ok());
    let loud = Step { level_dbov: 1.0, ..step(425.0, 10) };
    let wrong = [step(4000.0, 10), step(-1.0, 10), step(f64::NAN, 10), loud, step(425.0, LONGEST_MS + 1)];
    for one in wrong {
        assert!(matches!(check(&[one]), Err(EngineError::Argument(_))), "{one:?}");
    }
    assert!(check(&vec![step(425.0, 10); MOST_STEPS + 1]).is_err());
}
