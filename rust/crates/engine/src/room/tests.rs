use super::*;
use crate::mouth::plain;
use trunkline_dsp::{Decoder, Law, Sine};

const RIGHTS: Rights = Rights { gain_db: 0.0, muted: false, deaf: false };

fn tone(frequency: f64, beats: usize) -> Vec<Vec<i16>> {
    let mut sine = Sine::new(frequency, -20.0, 8000.0);
    (0..beats).map(|_| (0..160).map(|_| sine.sample()).collect()).collect()
}

fn level(samples: &[i16], frequency: f64) -> f64 {
    let (mut a, mut b) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * frequency * n as f64 / 8000.0;
        (a, b) = (a + f64::from(sample) * angle.cos(), b + f64::from(sample) * angle.sin());
    }
    let amplitude = 2.0 * (a * a + b * b).sqrt() / samples.len() as f64;
    20.0 * (amplitude / 32_768.0).max(1e-6).log10()
}

fn heard(room: &mut Room, slot: u32) -> Vec<i16> {
    match room.fetch(slot, true).unwrap() {
        Mixed::Sound(sound) => sound.to_vec(),
        Mixed::Payload(payload) => payload.iter().map(|&octet| Law::Mu.decode(octet)).collect(),
    }
}

/// What each of the members hears after a second in which the first ones say a tone each.
fn meeting(members: u32, rights: impl Fn(u32) -> Rights, tones: &[f64]) -> Vec<Vec<i16>> {
    let hall = Hall::new(8000, 4);
    (0..members).for_each(|slot| hall.lock().admit(slot, rights(slot), Some(plain(Law::Mu))));
    let tones: Vec<Vec<Vec<i16>>> = tones.iter().map(|&frequency| tone(frequency, 50)).collect();
    let mut all = vec![Vec::new(); members as usize];
    for beat in 0..50 {
        let said = tones.iter().enumerate();
        said.for_each(|(slot, tone)| hall.lock().bring(slot as u32, &tone[beat]));
        hall.lead(beat as u64);
        for slot in 0..members {
            all[slot as usize].extend(heard(&mut hall.lock(), slot));
        }
    }
    all.into_iter().map(|samples| samples[4000..].to_vec()).collect()
}

#[test]
fn each_hears_all_others_and_never_himself() {
    let all = meeting(3, |_| RIGHTS, &[400.0, 1000.0]);
    assert!(level(&all[0], 400.0) < -50.0 && level(&all[0], 1000.0) > -22.0);
    assert!(level(&all[1], 1000.0) < -50.0 && level(&all[1], 400.0) > -22.0);
    assert!(level(&all[2], 1000.0) > -22.0 && level(&all[2], 400.0) > -22.0);
}

#[test]
fn who_is_muted_is_not_heard_and_who_is_deaf_hears_nothing() {
    let rights = |slot| Rights { muted: slot == 0, deaf: slot == 1, gain_db: 0.0 };
    let all = meeting(3, rights, &[400.0, 1000.0]);
    assert!(level(&all[2], 400.0) < -50.0 && level(&all[2], 1000.0) > -22.0);
    assert!(level(&all[0], 1000.0) > -22.0);
    assert!(all[1].iter().all(|&sample| sample.abs() < 10));
}

#[test]
fn a_gain_makes_louder() {
    let rights = |slot| Rights { gain_db: if slot == 0 { 10.0 } else { 0.0 }, ..RIGHTS };
    let all = meeting(3, rights, &[400.0, 1000.0]);
    assert!((level(&all[2], 400.0) - level(&all[2], 1000.0) - 10.0).abs() < 1.0);
}

#[test]
fn only_so_many_are_heard_at_once() {
    let tones: Vec<f64> = (1..=8).map(|n| f64::from(n) * 300.0).collect();
    let all = meeting(9, |_| RIGHTS, &tones);
    assert_eq!(tones.iter().filter(|&&tone| level(&all[8], tone) > -30.0).count(), 4);
}

#[test]
fn what_waits_is_bounded() {
    let hall = Hall::new(8000, 4);
    hall.lock().admit(1, RIGHTS, Some(plain(Law::Mu)));
    (0..100).for_each(|_| hall.lock().bring(1, &[0; 160]));
    (0..100).for_each(|beat| drop(hall.lead(beat)));
    assert_eq!((0..100).filter(|_| hall.lock().fetch(1, true).is_some()).count(), MOST_WAITING);
}

/// How an Opus member is spoken to that wants so many bits a second.
fn opus(bit_rate: u32) -> Speech {
    let codec = Codec::Opus { stereo: false, fec: false, bit_rate, most_hz: 0 };
    Speech { payload_type: 96, codec, ptime_ms: 20 }
}

fn is_common(hall: &Hall, slot: u32) -> bool {
    matches!(hall.lock().fetch(slot, true), Some(Mixed::Payload(_)))
}

#[test]
fn the_room_encodes_for_two_or_more_and_in_a_few_codecs_only() {
    let hall = Hall::new(16_000, 4);
    // Of each codec two members, of the last one three, of the first one only one.
    let codecs = [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6];
    for (slot, &codec) in codecs.iter().enumerate() {
        hall.lock().admit(slot as u32, RIGHTS, Some(opus(10_000 + codec)));
    }
    hall.lead(0);
    let common: Vec<u32> =
        (0..14).filter(|&slot| is_common(&hall, slot)).map(|slot| codecs[slot as usize]).collect();
    assert_eq!(common, [1, 1, 2, 2, 3, 3, 6, 6, 6]);
}

#[test]
fn who_has_spoken_hears_the_common_stream_without_a_break() {
    let hall = Hall::new(16_000, 4);
    (0..4).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(opus(0))));
    let mut voices = [200.0, 310.0].map(|frequency| Sine::new(frequency, -20.0, 16_000.0));
    let mut private = Encoder::at(opus(0).codec, 16_000).unwrap();
    let mut decoders = [0, 1].map(|_| Decoder::at(opus(0).codec, 16_000).unwrap());
    let mut since = None;
    for beat in 0..250 {
        let said: Vec<Vec<i16>> =
            voices.iter_mut().map(|voice| (0..320).map(|_| voice.sample()).collect()).collect();
        // The first member is silent after a second, the second one speaks all the time.
        (0..2)
            .filter(|&slot| slot == 1 || beat < 50)
            .for_each(|slot| hall.lock().bring(slot as u32, &said[slot]));
        hall.lead(beat);
        let heard = [0, 2].map(|slot| hall.lock().fetch(slot, true).unwrap());
        if beat > 50 && matches!(heard[0], Mixed::Payload(_)) {
            since.get_or_insert(beat);
        }
        let mut out = [[0; 320]; 2];
        for ((mixed, decoder), out) in heard.iter().zip(&mut decoders).zip(&mut out) {
            let mut octets = [0; LONGEST_PAYLOAD];
            let payload = match mixed {
                Mixed::Payload(payload) => &payload[..],
                Mixed::Sound(sound) => {
                    let length = private.encode(sound, &mut octets).unwrap();
                    &octets[..length]
                }
            };
            decoder.decode(payload, out).unwrap();
        }
        if since.is_some_and(|since| beat > since && beat < since + 10) {
            let power: f64 = out[1].iter().map(|&x| f64::from(x).powi(2)).sum();
            let noise: f64 =
                out[0].iter().zip(&out[1]).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            assert!(power > 100.0 * noise, "{beat}: {power:.0} {noise:.0}");
        }
    }
    assert!(since.is_some_and(|since| since > 60));
}

#[test]
fn what_a_member_may_holds_from_its_first_frame_on() {
    for (rights, most) in [(Rights { muted: true, ..RIGHTS }, 10), (Rights { gain_db: -40.0, ..RIGHTS }, 400)]
    {
        let hall = Hall::new(8000, 4);
        hall.lock().admit(0, rights, Some(plain(Law::Mu)));
        hall.lock().admit(1, RIGHTS, Some(plain(Law::Mu)));
        for frame in loud(10) {
            hall.lock().bring(0, &frame);
            hall.lead(0);
            let loudest = heard(&mut hall.lock(), 1).into_iter().map(i16::abs).max();
            assert!(loudest <= Some(most), "{loudest:?}");
        }
    }
}

/// As loud as it gets, so that it is heard even at -40 dB.
fn loud(beats: usize) -> Vec<Vec<i16>> {
    let mut sine = Sine::new(400.0, 0.0, 8000.0);
    (0..beats).map(|_| (0..160).map(|_| sine.sample()).collect()).collect()
}

/// What a member hears who knows nothing of what was before.
fn decoded(mixed: &Mixed, decoder: &mut Decoder) -> Vec<i16> {
    let Mixed::Payload(payload) = mixed else { panic!("{mixed:?}") };
    let mut out = [0; 320];
    decoder.decode(payload, &mut out).unwrap();
    out.to_vec()
}

fn payload(hall: &Hall, slot: u32) -> Mixed {
    hall.lock().fetch(slot, true).unwrap()
}

#[test]
fn an_encoder_that_rested_says_nothing_of_what_it_heard_before() {
    let hall = Hall::new(16_000, 4);
    (0..3).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(opus(0))));
    let mut voice = Sine::new(400.0, -10.0, 16_000.0);
    for beat in 0..50 {
        let said: Vec<i16> = (0..320).map(|_| voice.sample()).collect();
        hall.lock().bring(0, &said);
        hall.lead(beat);
        (0..3).for_each(|slot| drop(hall.lock().fetch(slot, true)));
    }
    // One of the two who share goes away, and the voice ends meanwhile.
    hall.lock().admit(1, Rights { deaf: true, ..RIGHTS }, Some(opus(0)));
    hall.lock().leave(0);
    for beat in 50..100 {
        hall.lead(beat);
        (1..3).for_each(|slot| drop(hall.lock().fetch(slot, true)));
    }
    hall.lock().admit(1, RIGHTS, Some(opus(0)));
    hall.lead(100);
    let mut decoder = Decoder::at(opus(0).codec, 16_000).unwrap();
    let loudest = decoded(&payload(&hall, 1), &mut decoder).iter().map(|x| x.abs()).max();
    assert!(loudest < Some(30), "{loudest:?}");
}

#[test]
fn an_empty_room_keeps_no_encoder() {
    let hall = Hall::new(16_000, 4);
    (0..2).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(opus(0))));
    hall.lead(0);
    assert_eq!(hall.scribe.lock().unwrap().common.len(), 1);
    (0..2).for_each(|slot| hall.lock().leave(slot));
    hall.lead(1);
    assert_eq!(hall.scribe.lock().unwrap().common.capacity(), 0);
}

/// Begins a beat as [`Hall::lead`] does, lets `meanwhile` happen while the scribe writes, and ends it.
fn lead_while(hall: &Hall, meanwhile: impl FnOnce(&mut Room)) {
    let mut scribe = hall.scribe.lock().unwrap();
    let whole = hall.lock().mix(0).whole.unwrap();
    hall.lock().ask(&mut scribe);
    scribe.write(&whole);
    meanwhile(&mut hall.lock());
    hall.lock().hand_out(&whole, &scribe);
}

#[test]
fn who_comes_or_changes_while_others_are_encoded_for_shares_from_the_next_beat_on() {
    let hall = Hall::new(16_000, 4);
    (0..3).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(opus(0))));
    hall.lead(0);
    (0..3).for_each(|slot| assert!(is_common(&hall, slot)));
    lead_while(&hall, |room| {
        room.admit(3, RIGHTS, Some(opus(0)));
        // Another codec and back: what it heard of the common stream has a gap.
        room.set_speech(2, Some(plain(Law::Mu)));
        room.set_speech(2, Some(opus(0)));
    });
    assert!(is_common(&hall, 0) && !is_common(&hall, 2) && !is_common(&hall, 3));
    hall.lead(2);
    assert_eq!(hall.scribe.lock().unwrap().wanted.len(), 1);
    assert!(hall.scribe.lock().unwrap().wanted[0].is_joined);
    assert!((0..4).all(|slot| is_common(&hall, slot)));
}

#[test]
fn a_description_that_changes_nothing_loses_nothing() {
    let hall = Hall::new(16_000, 4);
    (0..2).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(opus(0))));
    (0..2).for_each(|beat| drop(hall.lead(beat)));
    hall.lock().set_speech(0, Some(opus(0)));
    hall.lock().admit(0, RIGHTS, Some(opus(0)));
    assert!(is_common(&hall, 0) && is_common(&hall, 0));
}

fn stands_alone(hall: &Hall, beat: u64) -> bool {
    hall.lead(beat);
    hall.scribe.lock().unwrap().wanted[0].is_joined
}

#[test]
fn behind_a_frame_that_a_peer_was_not_told_the_next_one_stands_alone() {
    let hall = Hall::new(16_000, 4);
    (0..2).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(opus(0))));
    let fetch = |told| (0..2).for_each(|slot| drop(hall.lock().fetch(slot, told || slot == 0)));
    assert!(stands_alone(&hall, 0));
    fetch(true);
    assert!(!stands_alone(&hall, 1));
    fetch(false); // a key takes its place
    assert!(stands_alone(&hall, 2));
    fetch(true);
    fetch(true); // the room is late: the peer hears silence
    assert!(stands_alone(&hall, 3));
    (4..6).for_each(|beat| assert!(!stands_alone(&hall, beat)));
    assert!(!stands_alone(&hall, 6), "what does not fit any more is dropped here");
    assert!(stands_alone(&hall, 7));
}

#[test]
fn peers_that_differ_in_what_no_encoder_cares_about_share() {
    let hall = Hall::new(16_000, 4);
    let stereo = Codec::Opus { stereo: true, fec: false, bit_rate: 0, most_hz: 0 };
    hall.lock().admit(0, RIGHTS, Some(opus(0)));
    hall.lock().admit(1, RIGHTS, Some(Speech { codec: stereo, ..opus(0) }));
    hall.lead(0);
    assert!(is_common(&hall, 0) && is_common(&hall, 1));
}

#[test]
fn of_codecs_with_as_many_members_those_of_before_stay() {
    let hall = Hall::new(16_000, 4);
    for slot in 0..15 {
        hall.lock().admit(slot, RIGHTS, Some(opus(10_000 + slot / 3)));
    }
    let common = || (0..5).filter(|codec| is_common(&hall, codec * 3 + 2)).collect::<Vec<_>>();
    hall.lead(0);
    assert_eq!(common(), [0, 1, 2, 3]);
    let mut voice = Sine::new(400.0, -20.0, 16_000.0);
    for beat in 1..200 {
        (0..15).for_each(|slot| drop(hall.lock().fetch(slot, true)));
        let said: Vec<i16> = (0..320).map(|_| voice.sample()).collect();
        if beat < 10 {
            hall.lock().bring(0, &said);
        }
        hall.lead(beat);
    }
    // The first codec had one listener less for a while.
    (0..15).for_each(|slot| while hall.lock().fetch(slot, true).is_some() {});
    hall.lead(200);
    assert_eq!(common(), [1, 2, 3, 4]);
}

#[test]
fn a_worker_that_was_held_up_once_makes_nobody_late_for_good() {
    let hall = Hall::new(8000, 4);
    (0..2).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(plain(Law::Mu))));
    // The room was held up: two frames more than are needed wait of each, and to hear.
    (0..2).for_each(|_| (0..2).for_each(|slot| hall.lock().bring(slot, &[0; 160])));
    (0..2).for_each(|beat| drop(hall.lead(beat)));
    (0..2).for_each(|_| (0..2).for_each(|slot| hall.lock().bring(slot, &[0; 160])));
    for beat in 2..400 {
        (0..2).for_each(|slot| hall.lock().bring(slot, &[0; 160]));
        hall.lead(beat);
        (0..2).for_each(|slot| drop(hall.lock().fetch(slot, true)));
    }
    let room = hall.lock();
    let waiting = |member: &Member| (member.said.len(), member.hears.len());
    assert_eq!(room.members.iter().map(waiting).collect::<Vec<_>>(), [(0, 0), (0, 0)]);
}

#[test]
fn nothing_is_left_out_of_what_somebody_says_without_a_pause() {
    let hall = Hall::new(8000, 4);
    (0..2).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(plain(Law::Mu))));
    let tones = tone(400.0, 300);
    hall.lock().bring(0, &tones[0]);
    for (beat, said) in tones.iter().enumerate().skip(1) {
        hall.lock().bring(0, said);
        hall.lead(beat as u64);
    }
    assert_eq!(hall.lock().members[0].said.len(), 1);
}
