use super::*;
use crate::formats::fixed;
use trunkline_dsp::codec::Encoder;
use trunkline_dsp::noise::Random;
use trunkline_dsp::{Law, Sine};
use trunkline_rtp::packet::{HEADER, write_header};

const MS: u64 = 1_000_000;
const LOUD: [u8; 160] = [0x90; 160];

fn give(ear: &mut Ear, now_ns: u64, (sequence, timestamp): (u16, u32), format: Format, payload: &[u8]) {
    let mut header = [0; HEADER];
    write_header(&mut header, false, format.payload_type, sequence, timestamp, 7);
    let bytes = [&header[..], payload].concat();
    ear.push(now_ns, &RtpPacket::parse(&bytes).unwrap(), format);
}

fn push(ear: &mut Ear, now_ms: u64, sequence: u16) {
    let place = (sequence, u32::from(sequence) * 160);
    give(ear, now_ms * MS, place, fixed(0).unwrap(), &LOUD);
}

fn format(name: &str, clock_hz: u32) -> Format {
    Format::read(96, name, clock_hz, 1, "").unwrap()
}

fn cn() -> Format {
    Format::read(13, "CN", 8000, 1, "").unwrap()
}

/// A level in dBov.
fn level(samples: &[i16]) -> f64 {
    let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * (power.max(1e-3) / 32_768f64.powi(2)).log10()
}

/// 20 ms of a voice-like tone at -16 dBov, each following the one before.
fn tones() -> impl FnMut() -> [u8; 160] {
    let mut sine = Sine::new(200.0, -16.0, 8000.0);
    move || std::array::from_fn(|_| Law::Mu.encode(sine.sample()))
}

#[test]
fn nothing_is_heard_before_anything_came() {
    let mut ear = Ear::default();
    let frame = ear.pull(0);
    assert_eq!((frame.heard, frame.sound.samples.len(), frame.sound.rate_hz), (false, 160, 8000));
}

#[test]
fn every_beat_has_its_packet_and_a_loss_is_invented_as_loud_as_it_was() {
    let mut ear = Ear::default();
    let (mut tone, mut concealed, mut heard) = (tones(), 0, 0);
    for n in 0..100u16 {
        let payload = tone();
        if n != 50 {
            let place = (n, u32::from(n) * 160);
            give(&mut ear, u64::from(n) * 20 * MS, place, fixed(0).unwrap(), &payload);
        }
        let frame = ear.pull((u64::from(n) * 20 + 7) * MS);
        concealed += frame.concealed;
        heard += u32::from(frame.heard);
        if n > 10 {
            // A loss of 20 ms fades from the 10th on.
            let least = if frame.concealed > 0 { -19.0 } else { -17.5 };
            assert!(
                (least..-14.5).contains(&level(frame.sound.samples)),
                "{n}: {}",
                level(frame.sound.samples)
            );
        }
    }
    assert!((90..=100).contains(&heard), "{heard}");
    assert_eq!(concealed, 1);
}

#[test]
fn who_falls_silent_is_silent_after_a_while() {
    let mut ear = Ear::default();
    (0..20).for_each(|n| {
        push(&mut ear, u64::from(n) * 20, n);
        ear.pull(u64::from(n) * 20 * MS + 1);
    });
    let later: Vec<bool> = (20..60).map(|n| ear.pull(n * 20 * MS + 1).heard).collect();
    assert!(later[0] && !later[39]);
}

#[test]
fn comfort_noise_is_heard_while_the_peer_pauses_and_then_its_voice_again() {
    let mut ear = Ear::default();
    for n in 0..50 {
        push(&mut ear, u64::from(n) * 20, n);
        ear.pull(u64::from(n) * 20 * MS + 1);
    }
    give(&mut ear, 1000 * MS, (50, 8000), cn(), &[45]);
    let mut pause = Vec::new();
    for n in 50..150u64 {
        let frame = ear.pull(n * 20 * MS + 1);
        assert!(frame.heard && frame.concealed == 0, "{n}");
        pause.extend_from_slice(frame.sound.samples);
    }
    let found = level(&pause[16 * 160..]);
    assert!((-47.0..-43.0).contains(&found), "{found}");
    let mut voice = 0;
    for n in 150..200u16 {
        let place = (n - 99, u32::from(n) * 160);
        give(&mut ear, u64::from(n) * 20 * MS, place, fixed(0).unwrap(), &LOUD);
        voice += u32::from(level(ear.pull(u64::from(n) * 20 * MS + 1).sound.samples) > -30.0);
    }
    assert!(voice >= 45, "{voice}");
    assert_eq!((ear.figures().lost, ear.figures().late), (0, 0));
}

#[test]
fn a_pause_of_opus_sounds_as_its_decoder_says_and_is_no_loss() {
    let opus = format("opus", 48_000);
    let Content::Sound(codec) = opus.content else { panic!() };
    let (mut ear, mut encoder) = (Ear::default(), Encoder::new(codec).unwrap());
    let mut concealed = 0;
    for n in 0..200u16 {
        let mut payload = [0; 1500];
        let (sound, place) = ([0; 960], (n, u32::from(n) * 960));
        let octets = encoder.encode(&sound, &mut payload).unwrap();
        match n {
            0..50 | 150.. => give(&mut ear, u64::from(n) * 20 * MS, place, opus, &payload[..octets]),
            50 => give(&mut ear, u64::from(n) * 20 * MS, place, opus, &payload[..1]),
            _ => {}
        }
        let frame = ear.pull(u64::from(n) * 20 * MS + 1);
        concealed += frame.concealed;
        assert!(n < 5 || frame.heard, "{n}");
        assert!(n >= 140 || concealed == 0, "{n}");
    }
}

#[test]
fn linear_sound_of_the_highest_rate_is_heard() {
    for (name, clock_hz, octets) in [("L16", 48_000, 1920), ("L16", 48_000, 5760), ("L16", 16_000, 640)] {
        let (mut ear, l16) = (Ear::default(), format(name, clock_hz));
        let payload: Vec<u8> = (0..octets).map(|n| if n % 2 == 0 { 0x20 } else { 0 }).collect();
        let samples = octets as u32 / 2;
        let ms = u64::from(samples) * 1000 / u64::from(clock_hz);
        let mut heard = Vec::new();
        for now_ms in (0..2400u64).step_by(20) {
            if now_ms.is_multiple_of(ms) {
                let n = (now_ms / ms) as u16;
                give(&mut ear, now_ms * MS, (n, u32::from(n) * samples), l16, &payload);
            }
            let frame = ear.pull(now_ms * MS + 1);
            assert!(now_ms < 200 || frame.sound.rate_hz == clock_hz);
            heard.extend_from_slice(frame.sound.samples);
        }
        let last = &heard[heard.len() / 2..];
        assert!(last.iter().all(|&sample| sample == 0x2000), "{clock_hz} {octets}");
    }
}

/// An hour of a sender whose clock is so many millionths too fast, with words and pauses, over a network with jitter.
fn drifts(millionths: f64, packet_ms: usize, minutes: usize) {
    let mut ear = Ear::default();
    let (mut tone, mut random) = (tones(), Random::default());
    let words: Vec<u8> = (0..60).flat_map(|_| tone()).collect();
    let silence = vec![0xff; 40 * 160];
    let said = [words, silence].concat();
    let length = packet_ms * 8;
    let (mut sent, mut unheard, mut concealed, mut loud) = (0usize, 0, 0, 0);
    let mut steepest = 0;
    for beat in 0..minutes * 3000 {
        let now_ns = beat as u64 * 20 * MS;
        loop {
            let at_ms =
                (sent * packet_ms) as f64 / (1.0 + millionths / 1e6) + f64::from(random.level().abs()) * 4.0;
            if at_ms * 1e6 > now_ns as f64 {
                break;
            }
            let from = sent * length % said.len();
            let place = (sent as u16, (sent * length) as u32);
            give(&mut ear, (at_ms * 1e6) as u64, place, fixed(0).unwrap(), &said[from..from + length]);
            sent += 1;
        }
        let frame = ear.pull(now_ns);
        unheard += u32::from(beat > 10 && !frame.heard);
        concealed += frame.concealed;
        if beat % 7 == 0 {
            let peak = frame.sound.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
            loud += usize::from(peak > 5000);
            let steps = frame.sound.samples.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
            steepest = steepest.max(steps.max().unwrap_or(0));
        }
        if beat % 3000 == 2999 {
            let figures = ear.figures();
            assert!(figures.delay_us < figures.target_us + 60_000, "minute {}: {figures:?}", beat / 3000);
            assert!(figures.target_us <= 60_000, "{figures:?}");
        }
    }
    let figures = ear.figures();
    assert_eq!((figures.lost, figures.late, figures.dropped), (0, 0, 0), "{figures:?}");
    // A second of drift is invented, at most, in twenty pieces a minute at the utmost.
    assert!(unheard == 0 && concealed <= 60, "{unheard} {concealed}");
    let parts = loud * 7 * 100 / (minutes * 3000);
    assert!((56..66).contains(&parts), "{parts}");
    // What a sine of this level and frequency has, and a half more for where it begins and ends.
    assert!(steepest < 1800, "{steepest}");
}

#[test]
fn a_clock_that_drifts_for_an_hour_neither_starves_nor_fills_the_ear() {
    for millionths in [300.0, -300.0] {
        drifts(millionths, 20, 60);
    }
    drifts(2000.0, 10, 6);
}

/// Pulls the beats of these milliseconds; what was concealed in them, and how many were heard.
fn beats(ear: &mut Ear, from_ms: u64, to_ms: u64) -> (u32, u64) {
    let frames = (from_ms..to_ms).step_by(20).map(|now_ms| {
        let frame = ear.pull(now_ms * MS + 1);
        (frame.concealed, u64::from(frame.heard))
    });
    frames.fold((0, 0), |(concealed, heard), (one, two)| (concealed + one, heard + two))
}

/// Says 50 packets from this number and time on, and listens to them; what was concealed, and the packets that were loud.
fn voice(ear: &mut Ear, sequence: u16, from_ms: u64) -> (u32, usize) {
    let (mut concealed, mut loud) = (0, 0);
    for n in 0..50u16 {
        let now_ms = from_ms + u64::from(n) * 20;
        let place = (sequence.wrapping_add(n), (now_ms * 8) as u32);
        give(ear, now_ms * MS, place, fixed(0).unwrap(), &LOUD);
        let frame = ear.pull(now_ms * MS + 1);
        concealed += frame.concealed;
        loud += usize::from(level(frame.sound.samples) > -20.0);
    }
    (concealed, loud)
}

#[test]
fn a_pause_of_minutes_is_no_loss_whether_the_peer_repeats_its_noise_or_not() {
    // With CN agreed, or not: its payload type is fixed.
    for (format, every_ms) in [(cn(), 5_000), (cn(), 600_000), (fixed(13).unwrap(), 600_000)] {
        let mut ear = Ear::default();
        voice(&mut ear, 0, 0);
        let (mut sequence, mut heard) = (50, 0);
        for now_ms in (1000..301_000).step_by(1000) {
            if (now_ms - 1000) % every_ms == 0 {
                give(&mut ear, now_ms * MS, (sequence, now_ms as u32 * 8), format, &[50]);
                sequence += 1;
            }
            let (concealed, some) = beats(&mut ear, now_ms, now_ms + 1000);
            assert_eq!(concealed, 0, "{every_ms} {now_ms}");
            heard += some;
        }
        // Who repeats its noise is there all the time, and who does not for a minute.
        let expected = if every_ms < 60_000 { 15_000 } else { 3000 };
        assert!((expected - 60..=expected + 60).contains(&heard), "{every_ms}: {heard}");
        let (concealed, loud) = voice(&mut ear, sequence, 301_000);
        assert!(concealed == 0 && loud >= 46, "{every_ms}: {concealed} {loud}");
        let figures = ear.figures();
        assert_eq!((figures.lost, figures.late, figures.dropped), (0, 0, 0), "{figures:?}");
        assert!(figures.delay_us <= 60_000, "{figures:?}");
    }
}

#[test]
fn a_peer_that_begins_with_a_pause_is_heard_to_pause() {
    let mut ear = Ear::default();
    give(&mut ear, 0, (0, 0), cn(), &[40]);
    beats(&mut ear, 0, 3000);
    let (concealed, loud) = voice(&mut ear, 1, 3000);
    assert!(concealed == 0 && loud >= 46, "{concealed} {loud}");
    // Only the last sound told nothing of a pause: some of what follows it is invented.
    assert_eq!(ear.figures().lost, 0);
}

/// What of a pause a sender of Opus leaves out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaves {
    /// Of a row of packets that say nothing all but the first: browsers.
    AllButTheFirst,
    /// Nothing.
    Nothing,
}

#[test]
fn pauses_of_opus_are_no_loss_however_little_of_them_is_sent() {
    let opus = format("opus", 48_000);
    let Content::Sound(codec) = opus.content else { panic!() };
    for (leaves, begins) in [(Leaves::AllButTheFirst, 0), (Leaves::AllButTheFirst, 100), (Leaves::Nothing, 0)]
    {
        let (mut ear, mut encoder) = (Ear::default(), Encoder::new(codec).unwrap());
        encoder.set_dtx(true);
        let mut sine = Sine::new(300.0, -16.0, 48_000.0);
        let (mut sequence, mut paused, mut sent, mut concealed) = (0u16, false, 0, 0);
        for n in 0..3000u32 {
            let speaks = (begins..150).contains(&n) || n >= 2900;
            let sound: [i16; 960] = std::array::from_fn(|_| if speaks { sine.sample() } else { 0 });
            let mut payload = [0; 1500];
            let octets = encoder.encode(&sound, &mut payload).unwrap();
            let says_nothing = octets <= 2;
            let left_out = says_nothing && paused && leaves == Leaves::AllButTheFirst;
            // The pause was there before the call: the first that comes says nothing.
            if !left_out && (begins == 0 || n >= 40 || says_nothing) {
                give(&mut ear, u64::from(n) * 20 * MS, (sequence, n * 960), opus, &payload[..octets]);
                (sequence, sent) = (sequence + 1, sent + 1);
            }
            paused = says_nothing;
            let frame = ear.pull(u64::from(n) * 20 * MS + 1);
            concealed += frame.concealed;
            assert!(n < 60 || frame.heard, "{leaves:?} {begins} {n}");
            assert!(n < 2910 || level(frame.sound.samples) > -22.0, "{leaves:?} {begins} {n}");
        }
        assert!((leaves == Leaves::Nothing) == (sent == 3000), "{sent}");
        assert!(leaves == Leaves::Nothing || sent < 800, "{sent}");
        let figures = ear.figures();
        assert_eq!(
            (concealed, figures.lost, figures.late, figures.dropped),
            (0, 0, 0, 0),
            "{leaves:?} {begins}"
        );
        assert!(figures.delay_us <= 60_000, "{figures:?}");
    }
}

#[test]
fn opus_is_decoded_at_the_rate_that_is_wanted() {
    let opus = format("opus", 48_000);
    let Content::Sound(codec) = opus.content else { panic!() };
    let (mut encoder, mut sine) = (Encoder::new(codec).unwrap(), Sine::new(400.0, -16.0, 48_000.0));
    for (wanted_hz, gives_hz) in [(16_000, 16_000), (8000, 8000), (44_100, 48_000)] {
        let mut ear = Ear::default();
        ear.prefer(wanted_hz);
        let mut last = (0, 0, -100.0);
        for n in 0..50u16 {
            let (mut payload, sound) = ([0; 400], [0; 960].map(|_: i16| sine.sample()));
            let length = encoder.encode(&sound, &mut payload).unwrap();
            let place = (n, u32::from(n) * 960);
            give(&mut ear, u64::from(n) * 20 * MS, place, opus, &payload[..length]);
            let sound = ear.pull((u64::from(n) * 20 + 7) * MS).sound;
            last = (sound.rate_hz, sound.samples.len(), level(sound.samples));
        }
        assert_eq!((last.0, last.1), (gives_hz, gives_hz as usize / 50));
        assert!((-18.0..-14.0).contains(&last.2), "{}", last.2);
    }
}
