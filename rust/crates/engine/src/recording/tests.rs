use std::fs;

use super::*;
use crate::scratch::Scratch;
use trunkline_dsp::Law;
use trunkline_dsp::Wav;

const SECOND_NS: u64 = 1_000_000_000;
/// 0.5 of full scale in µ-law, and its decoded value.
const LOUD: u8 = 0x90;

struct Bench {
    scratch: Scratch,
    plan: Plan,
}

fn bench(sources: usize, mix: bool) -> Bench {
    let scratch = Scratch::new();
    let plan = Plan {
        number: 1,
        id: "r".into(),
        names: ("call".into(), "a".into()),
        file: scratch.path("r.wav"),
        sources,
        mix,
        rate_hz: 8000,
        longest: 8000 * 3600,
        largest: 1 << 30,
        keep_free: 0,
        silence: 0,
        began_ns: 5 * SECOND_NS,
        state: Arc::default(),
    };
    Bench { scratch, plan }
}

impl Bench {
    fn begin(&self) -> Recording {
        Recording::begin(self.plan.clone()).unwrap()
    }

    /// The file's samples.
    fn samples(&self) -> Vec<i16> {
        let bytes = fs::read(self.scratch.path("r.wav")).unwrap();
        let wav = Wav::parse(&bytes).unwrap();
        let rest = (bytes.len() - wav.start) as u64;
        assert!(wav.length.unwrap_or(rest) <= rest);
        bytes[wav.start..].chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
    }
}

/// The packet number `n` of a channel, 20 ms each.
fn parcel(channel: usize, n: u64, octet: u8) -> Parcel {
    Parcel {
        recording: 1,
        channel,
        at_ns: 5 * SECOND_NS + n * 20_000_000,
        format: crate::formats::fixed(0),
        payload_type: 0,
        ssrc: 7 + channel as u32,
        sequence: n as u16,
        timestamp: (n * 160) as u32,
        payload: vec![octet; 160].into(),
    }
}

fn feed(recording: &mut Recording, channel: usize, packets: impl IntoIterator<Item = u64>) {
    packets.into_iter().for_each(|n| recording.take(&parcel(channel, n, LOUD)).unwrap());
}

fn at_packet(n: u64) -> u64 {
    5 * SECOND_NS + n * 20_000_000
}

#[test]
fn both_parties_lie_side_by_side() {
    let bench = bench(2, false);
    let mut recording = bench.begin();
    for n in 0..100 {
        feed(&mut recording, 0, Some(n).filter(|n| n % 2 == 0));
        feed(&mut recording, 1, Some(n).filter(|&n| n >= 50));
    }
    let Event::Recorded(told) = recording.finish(at_packet(100), Ended::Stopped) else { panic!() };
    assert_eq!((told.duration_ms, told.missing, told.ended), (2000, 0, Ended::Stopped));
    let loud = Law::Mu.decode(LOUD);
    let all = bench.samples();
    assert_eq!(all.len(), 32_000);
    assert_eq!((all[0], all[1]), (loud, 0));
    assert_eq!((all[320], all[2 * 8160], all[2 * 8160 + 1]), (0, 0, loud));
}

#[test]
fn a_mix_is_the_sum() {
    let bench = bench(2, true);
    let mut recording = bench.begin();
    feed(&mut recording, 0, 0..10);
    feed(&mut recording, 1, 0..5);
    recording.finish(at_packet(10), Ended::Stopped);
    let all = bench.samples();
    let loud = Law::Mu.decode(LOUD);
    assert_eq!((all.len(), all[0], all[1599]), (1600, loud.saturating_add(loud), loud));
}

#[test]
fn the_file_is_valid_while_it_grows() {
    let bench = bench(1, true);
    let mut recording = bench.begin();
    feed(&mut recording, 0, 0..500);
    let bytes = fs::read(bench.scratch.path("r.wav")).unwrap();
    let length = Wav::parse(&bytes).unwrap().length.unwrap();
    assert!((16_000 * 7..16_000 * 9).contains(&length), "{length}");
    assert!(bytes.len() as u64 >= length);
    drop(recording);
}

#[test]
fn nobody_else_may_read_it_and_nothing_is_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let bench = bench(1, true);
    drop(bench.begin());
    let mode = fs::metadata(&bench.plan.file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(Recording::begin(bench.plan.clone()).unwrap_err().code, "media.file_exists");
    let nowhere = Plan { file: bench.scratch.path("gone/r.wav"), ..bench.plan.clone() };
    assert_eq!(Recording::begin(nowhere).unwrap_err().code, "media.file_unwritable");
}

#[test]
fn ends_at_its_limits() {
    let mut bench = bench(1, true);
    bench.plan.longest = 8000;
    let mut recording = bench.begin();
    feed(&mut recording, 0, 0..60);
    assert_eq!(recording.keep_up(at_packet(49)), Ok(None));
    assert_eq!(recording.keep_up(at_packet(60)), Ok(Some(Ended::Duration)));
    recording.finish(at_packet(500), Ended::Duration);
    assert_eq!(bench.samples().len(), 8000);
    fs::remove_file(&bench.plan.file).unwrap();
    (bench.plan.longest, bench.plan.largest) = (1 << 30, 1044);
    let mut recording = bench.begin();
    feed(&mut recording, 0, 0..300);
    assert_eq!(recording.keep_up(at_packet(300)), Ok(Some(Ended::Size)));
    recording.finish(at_packet(300), Ended::Size);
    assert_eq!(fs::metadata(&bench.plan.file).unwrap().len(), 1044);
}

#[test]
fn what_came_the_moment_before_the_end_is_in_it() {
    let bench = bench(2, false);
    let mut recording = bench.begin();
    // Three packets at once: two of them lie ahead of when they came.
    let burst = (0..3).map(|n| Parcel { at_ns: at_packet(1), ..parcel(0, n, LOUD) });
    burst.for_each(|parcel| recording.take(&parcel).unwrap());
    let Event::Recorded(told) = recording.finish(at_packet(1) + 1_000_000, Ended::Stopped) else { panic!() };
    assert_eq!((told.duration_ms, told.voice_ms, told.missing), (80, 60, 0));
    let loud = Law::Mu.decode(LOUD);
    let said = bench.samples().iter().filter(|&&sample| sample == loud).count();
    assert_eq!((bench.samples().len(), said), (640 * 2, 480));
}

#[test]
fn silence_ends_it_after_a_voice_and_is_cut_off() {
    let mut bench = bench(1, true);
    bench.plan.silence = 16_000;
    let mut recording = bench.begin();
    assert_eq!(recording.keep_up(at_packet(500)), Ok(None));
    feed(&mut recording, 0, 500..550);
    (550..700).for_each(|n| recording.take(&parcel(0, n, 0xff)).unwrap());
    assert_eq!(recording.keep_up(at_packet(640)), Ok(None));
    assert_eq!(recording.keep_up(at_packet(650)), Ok(Some(Ended::Silence)));
    let Event::Recorded(told) = recording.finish(at_packet(700), Ended::Silence) else { panic!() };
    assert_eq!((told.duration_ms, told.voice_ms), (11_300, 1000));
    assert_eq!(bench.samples().len(), 11_300 * 8);
}

#[test]
fn a_full_disk_ends_it() {
    let bench = bench(1, true);
    let mut recording = bench.begin();
    let TargetFile::Wav(file) = &mut recording.file else { panic!() };
    file.keep_free = u64::MAX;
    let fault = (0..500).find_map(|n| recording.take(&parcel(0, n, LOUD)).err()).unwrap();
    assert_eq!(fault.code, "media.disk_full");
    let Event::RecordFailed(told) = recording.fail(fault) else { panic!() };
    assert!((1000..2000).contains(&told.duration_ms), "{}", told.duration_ms);
    assert_eq!(bench.samples().len() as u64, told.duration_ms * 8);
}

#[test]
fn another_codec_is_counted_and_then_refused() {
    let bench = bench(1, true);
    let mut recording = bench.begin();
    let strange = |n| Parcel { payload_type: 18, format: None, ..parcel(0, n, LOUD) };
    assert!((0..49).all(|n| recording.take(&strange(n)).is_ok()));
    feed(&mut recording, 0, 49..50);
    assert!((50..99).all(|n| recording.take(&strange(n)).is_ok()));
    let fault = recording.take(&strange(99)).unwrap_err();
    assert_eq!(fault.code, "media.codec");
    assert!(fault.text.ends_with("payload type 18"));
}

#[test]
fn a_pause_of_the_writer_costs_no_memory() {
    let bench = bench(2, false);
    let mut recording = bench.begin();
    feed(&mut recording, 0, [0, 10_000]);
    assert!(recording.file.waiting() < 65_536);
    assert_eq!(recording.taken, 10_000 * 160 - PATIENCE);
}

/// A party that speaks for a second, says nothing for so many minutes, and speaks for a second again; its clock is so many
/// millionths too fast.
fn paused(channel: usize, minutes: u64, millionths: i64) -> Vec<Parcel> {
    let pause = minutes * 3000;
    let mut number = 0;
    let one = |n: u64| {
        let early_ns = (n * 20_000_000) as i64 * millionths / 1_000_000;
        let parcel = parcel(channel, n, LOUD);
        number += 1;
        Parcel { sequence: number, at_ns: parcel.at_ns.saturating_add_signed(-early_ns), ..parcel }
    };
    (0..50).chain(50 + pause..100 + pause).map(one).collect()
}

#[test]
fn a_pause_of_minutes_is_as_long_in_the_file_as_it_was_and_costs_no_memory() {
    const MINUTES: u64 = 10;
    // Both pause, by the same clock or by others; or one counts no time while it is on hold.
    for (drifts, holds) in [([0, 0], false), ([100, -100], false), ([0, 0], true)] {
        let bench = bench(2, false);
        let mut recording = bench.begin();
        let mut all: Vec<Parcel> =
            (0..2).flat_map(|channel| paused(channel, MINUTES, drifts[channel])).collect();
        if holds {
            let held = all.iter_mut().filter(|one| one.channel == 1 && one.sequence > 50);
            held.for_each(|one| one.timestamp -= (MINUTES * 3000 * 160) as u32);
        }
        all.sort_by_key(|parcel| parcel.at_ns);
        for parcel in &all {
            recording.take(parcel).unwrap();
            assert!(recording.file.waiting() < 65_536);
        }
        let end = at_packet(100 + MINUTES * 3000);
        let Event::Recorded(told) = recording.finish(end, Ended::Stopped) else { panic!() };
        let duration_ms = 2000 + MINUTES * 60_000;
        assert_eq!((told.duration_ms, told.missing, told.voice_ms), (duration_ms, 0, 4000), "{drifts:?}");
        let samples = bench.samples();
        assert_eq!(samples.len() as u64, duration_ms * 8 * 2);
        let loud = Law::Mu.decode(LOUD);
        for channel in 0..2 {
            let said: Vec<usize> =
                (0..samples.len() / 2).filter(|n| samples[2 * n + channel] == loud).collect();
            assert_eq!(said.len(), 16_000);
            let again = said[8000] as u64;
            // Within 60 ms, which is what a clock may be off.
            let expected = (50 + MINUTES * 3000) * 160;
            assert!(
                again.abs_diff(expected) <= 60 * 8,
                "{drifts:?} {holds} {channel}: {again}, not {expected}"
            );
        }
    }
}

#[test]
fn a_file_that_was_deleted_is_told_at_once_and_one_that_was_moved_is_followed() {
    for name in ["r.wav", "r.opus"] {
        let mut bench = bench(1, false);
        bench.plan.file = bench.scratch.path(name);
        let code = |event: Event| match event {
            Event::RecordFailed(told) => told.fault.code,
            _ => "",
        };
        let mut recording = bench.begin();
        feed(&mut recording, 0, 0..50);
        fs::remove_file(&bench.plan.file).unwrap();
        assert_eq!(recording.keep_up(at_packet(150)).unwrap_err().code, "media.file_unwritable");
        let recording = bench.begin();
        fs::remove_file(&bench.plan.file).unwrap();
        assert_eq!(code(recording.finish(at_packet(10), Ended::Stopped)), "media.file_unwritable");
        let mut recording = bench.begin();
        feed(&mut recording, 0, 0..50);
        fs::rename(&bench.plan.file, bench.scratch.path("elsewhere")).unwrap();
        assert_eq!(code(recording.finish(at_packet(50), Ended::Stopped)), "");
    }
}
