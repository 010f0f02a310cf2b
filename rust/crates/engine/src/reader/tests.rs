use std::path::PathBuf;

use super::*;
use crate::playback::{Next, Playback};
use crate::scratch::Scratch;
use trunkline_dsp::Law;
use trunkline_dsp::wav::header;

fn wav(samples: &[i16]) -> Vec<u8> {
    let sound: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    [header(1, sound.len() as u64).to_vec(), sound].concat()
}

/// Plays to the end, or so many pieces.
fn played(files: Vec<PathBuf>, repeat: bool, most: usize) -> (Vec<i16>, Option<Fault>) {
    let files = files.into_iter().map(Source::File).collect();
    played_of(files, repeat, most)
}

fn played_of(files: Vec<Source>, repeat: bool, most: usize) -> (Vec<i16>, Option<Fault>) {
    let (mut playback, feed) = Playback::new("p", Law::Mu, 8000, ("call".into(), "a".into()));
    let fault = std::sync::Arc::clone(&feed.fault);
    let mut reading = Reading::begin(Job { files, repeat, feed });
    let mut all = Vec::new();
    for _ in 0..most {
        while let Some(one) = &mut reading {
            if !one.refill_or_fail() {
                reading = None;
            } else if !one.behind {
                break;
            }
        }
        let mut sound = [0; 160];
        match playback.next(&mut sound) {
            Next::Sound => all.extend(sound),
            _ => break,
        }
    }
    (all, fault.get().cloned())
}

#[test]
fn files_follow_each_other_without_a_gap() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.file("a.wav", &wav(&[1; 250])), scratch.file("b.wav", &wav(&[2; 100])));
    let (sound, fault) = played(vec![a, b], false, 100);
    assert_eq!(sound, [vec![1; 250], vec![2; 100], vec![0; 130]].concat());
    assert!(fault.is_none());
}

#[test]
fn a_loop_begins_again_at_once() {
    let scratch = Scratch::new();
    let file = scratch.file("a.wav", &wav(&[1, 2, 3]));
    let (sound, _) = played(vec![file], true, 10);
    assert_eq!(sound.len(), 1600);
    assert!(sound.chunks_exact(3).all(|chunk| chunk == [1, 2, 3]));
}

#[test]
fn a_loop_without_sound_ends() {
    let scratch = Scratch::new();
    let file = scratch.file("a.wav", &wav(&[]));
    assert_eq!(played(vec![file], true, 10).0, []);
}

#[test]
fn a_loop_whose_files_lose_their_sound_ends() {
    let scratch = Scratch::new();
    let file = scratch.file("a.wav", &wav(&[1; 8000]));
    let (mut playback, feed) = Playback::new("p", Law::Mu, 8000, ("call".into(), "a".into()));
    let mut reading = Reading::begin(Job { files: vec![Source::File(file)], repeat: true, feed }).unwrap();
    assert!(reading.refill_or_fail());
    scratch.file("a.wav", &wav(&[]));
    let ended = (0..1000).any(|_| {
        playback.next(&mut [0; 160]);
        !reading.refill_or_fail()
    });
    assert!(ended);
}

#[test]
fn a_file_without_any_sound_is_left_when_nobody_waits_for_one() {
    let page = |number: u8, flags: u8, laces: &[u8], body: &[u8]| {
        let mut page = [b"OggS\0", &[flags][..], &[0; 12], &[number], &[0; 7]].concat();
        page.push(laces.len() as u8);
        page.extend([laces, body].concat());
        let sum = trunkline_dsp::ogg::sum(&page);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        page
    };
    let picture = [&b"OpusTags"[..], &[7; 255 * 255 - 8]].concat();
    let head = page(0, 2, &[19], b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0");
    let comments = (1..9).flat_map(|number| page(number, 0, &[255; 255], &picture));
    let scratch = Scratch::new();
    let file = scratch.file("a.opus", &head.into_iter().chain(comments).collect::<Vec<u8>>());
    let (playback, feed) = Playback::new("p", Law::Mu, 8000, ("call".into(), "a".into()));
    let mut reading = Reading::begin(Job { files: vec![Source::File(file)], repeat: false, feed }).unwrap();
    assert!(reading.refill() && reading.behind);
    drop(playback);
    assert!(!reading.refill());
}

#[test]
fn a_loop_that_costs_much_does_not_keep_the_others_waiting() {
    let scratch = Scratch::new();
    let mut bytes = wav(&[1, 2]);
    bytes[24..28].copy_from_slice(&47_999u32.to_le_bytes());
    let file = scratch.file("a.wav", &bytes);
    let (_playback, feed) = Playback::new("p", Law::Mu, 8000, ("call".into(), "a".into()));
    let mut reading = Reading::begin(Job { files: vec![Source::File(file)], repeat: true, feed }).unwrap();
    assert!(reading.refill());
    assert!(reading.behind);
    assert!(reading.samples.len() < 160);
}

#[test]
fn what_follows_the_sound_in_a_file_is_not_played() {
    let scratch = Scratch::new();
    let bytes = [wav(&[1; 160]), b"LIST\x04\0\0\0abcd".to_vec()].concat();
    assert_eq!(played(vec![scratch.file("a.wav", &bytes)], false, 10).0, [1; 160]);
}

#[test]
fn a_bad_file_is_told_before_anything_is_heard() {
    let scratch = Scratch::new();
    let good = scratch.file("good.wav", &wav(&[1; 1000]));
    let mp3 = scratch.file("song.wav", b"ID3\x04");
    let (sound, fault) = played(vec![good.clone(), mp3], false, 10);
    let fault = fault.unwrap();
    assert_eq!((sound.len(), fault.code), (0, "media.file_format"));
    assert!(fault.text.contains("song.wav: it is not a RIFF WAVE file; what can be played is RIFF WAVE"));
    let missing = played(vec![good, scratch.path("gone.wav")], false, 10).1.unwrap();
    assert_eq!(missing.code, "media.file_unreadable");
    assert!(missing.text.contains("gone.wav: No such file"), "{}", missing.text);
    let folder = played(vec![scratch.path("")], false, 10).1.unwrap();
    assert!(folder.text.ends_with("it is not a regular file"), "{}", folder.text);
}

#[test]
fn raw_files_and_sounds_in_memory_follow_each_other_at_any_rate_without_a_gap() {
    let scratch = Scratch::new();
    let linear = |level: i16, samples: usize| level.to_le_bytes().repeat(samples);
    let sounds = crate::sounds::Sounds::default();
    sounds.load("m", linear(8031, 800), 8000).unwrap();
    let mut coder = trunkline_dsp::Encoder::new(trunkline_dsp::Codec::G722).unwrap();
    let mut g722 = vec![0; 160];
    assert_eq!(coder.encode(&[0; 320], &mut g722), Ok(160));
    let files = vec![
        Source::File(scratch.file("a.sln", &linear(8031, 800))),
        Source::File(scratch.file("b.ulaw", &[Law::Mu.encode(8031); 800])),
        Source::File(scratch.file("c.SLN16", &linear(8031, 1600))),
        Source::Memory(sounds.find("m").unwrap()),
        Source::File(scratch.file("d.sln48", &linear(8031, 4800))),
        Source::File(scratch.file("e.al", &[Law::A.encode(8031); 800])),
        Source::File(scratch.file("f.raw", &linear(8031, 801)[..1601])),
        Source::File(scratch.file("g.g722", &g722)),
    ];
    let (sound, fault) = played_of(files, false, 1000);
    assert!(fault.is_none());
    assert_eq!(sound.len(), 7 * 800 + 160);
    // Where rates change, a filter begins and ends; in between nothing is missing.
    let loud = sound[..5600].iter().filter(|sample| (7500..8600).contains(*sample)).count();
    assert!(loud > 5450, "{loud}");
    assert!(sound[5650..].iter().all(|sample| sample.abs() < 100));
}

#[test]
fn what_is_dropped_while_it_is_played_is_played_to_its_end() {
    let sounds = crate::sounds::Sounds::default();
    sounds.load("m", 1000i16.to_le_bytes().repeat(1600), 8000).unwrap();
    let source = Source::Memory(sounds.find("m").unwrap());
    sounds.forget("m");
    assert_eq!(played_of(vec![source], false, 100).0, [1000; 1600]);
}

fn opus(scratch: &Scratch, name: &str, hz: f64, pieces: usize) -> PathBuf {
    let path = scratch.path(name);
    let mut file = crate::opus_file::OpusFile::create(&path, 1, 16_000, 0, 7).unwrap();
    let mut sine = trunkline_dsp::Sine::new(hz, -10.0, 16_000.0);
    for _ in 0..pieces * 320 {
        file.push(sine.sample());
    }
    file.complete(pieces as u64 * 320).unwrap();
    path
}

#[test]
fn what_was_recorded_as_opus_is_played_for_as_long_and_follows_other_files_without_a_gap() {
    let scratch = Scratch::new();
    let file = opus(&scratch, "a.opus", 500.0, 100);
    let bytes = std::fs::read(&file).unwrap();
    let sounds = crate::sounds::Sounds::default();
    sounds.load("m", bytes, 0).unwrap();
    sounds.load("w", wav(&[1; 160]), 0).unwrap();
    let files = vec![
        Source::File(file.clone()),
        Source::File(scratch.file("b.wav", &wav(&[1; 160]))),
        Source::File(file),
        Source::Memory(sounds.find("m").unwrap()),
        Source::Memory(sounds.find("w").unwrap()),
    ];
    let (sound, fault) = played_of(files, false, 1000);
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(sound.len(), 3 * 16_000 + 2 * 160);
    for begin in [0, 16_160, 32_160] {
        let tone = sound[begin + 400..begin + 15_600].chunks_exact(160);
        let peaks = tone.map(|piece| piece.iter().copied().max().unwrap());
        assert!(peaks.clone().all(|peak| (13_000..16_000).contains(&peak)), "{:?}", peaks.min());
    }
    assert_eq!(sound[16_000..16_160], [1; 160]);
    assert_eq!(sound[48_160..], [1; 160]);
}

#[test]
fn a_loop_of_opus_goes_on() {
    let scratch = Scratch::new();
    let (sound, fault) = played(vec![opus(&scratch, "a.opus", 500.0, 3)], true, 100);
    assert!(fault.is_none());
    assert_eq!(sound.len(), 100 * 160);
    assert!(sound[400..].chunks_exact(160).all(|piece| piece.iter().any(|&sample| sample > 5000)));
}

#[test]
fn a_damaged_opus_file_is_told_where_it_is_damaged() {
    let scratch = Scratch::new();
    let file = opus(&scratch, "a.opus", 500.0, 200);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let (sound, fault) = played(vec![scratch.file("b.opus", &bytes)], false, 1000);
    let fault = fault.unwrap();
    assert_eq!(fault.code, "media.file_format");
    assert!(fault.text.contains("b.opus: the Ogg page at octet "), "{}", fault.text);
    assert!(sound.len() >= 8000, "{}", sound.len());
    let vorbis = [&b"OggS\0\x02"[..], &[0; 20], &[1, 7], b"\x01vorbis"].concat();
    let fault = played(vec![scratch.file("c.ogg", &vorbis)], false, 10).1.unwrap();
    assert!(fault.text.contains("c.ogg: the Ogg page at octet 0 is damaged"), "{}", fault.text);
}
