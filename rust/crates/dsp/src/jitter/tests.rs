//! The buffer in virtual time: a sender, a network, and somebody who listens every 20 ms.

use std::collections::BinaryHeap;
use std::ops::Range;

use super::*;

const MS: u64 = 1000;

/// Pseudo-random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn chance(&mut self, percent: f64) -> bool {
        (self.next() % 100_000) as f64 <= percent * 1000.0 - 1.0
    }
}

/// What is sent, and how the network treats it.
struct Stream {
    packet_ms: u64,
    /// How much faster than ours the sender's clock runs, in parts of a million.
    drift: i64,
    jitter_ms: u64,
    loss: f64,
    seconds: u64,
    /// Of each period of packets, how many are left out for silence.
    silent: (u64, u64),
    /// Packets that take 120 ms more.
    detour: Range<u64>,
}

const CALM: Stream =
    Stream { packet_ms: 20, drift: 0, jitter_ms: 0, loss: 0.0, seconds: 60, silent: (0, 1), detour: 0..0 };

/// What was heard.
#[derive(Default)]
struct Heard {
    order: Vec<u32>,
    lost: u64,
    dry: u64,
    pauses: u64,
    changed: u64,
    delays: Vec<u64>,
}

impl Heard {
    fn longest_delay(&self) -> u64 {
        self.delays[self.delays.len() / 10..].iter().copied().max().unwrap()
    }

    fn mean_delay(&self) -> u64 {
        let settled = &self.delays[self.delays.len() / 10..];
        settled.iter().sum::<u64>() / settled.len() as u64
    }
}

/// Runs a stream of 8000 Hz through `buffer`; each packet holds the number of its place.
fn run(stream: &Stream, buffer: &mut Jitter) -> Heard {
    let mut random = Random(1);
    let mut arrivals = BinaryHeap::new();
    let (mut sequence, step) = (65_500u16, stream.packet_ms as u32 * 8);
    for n in 0..stream.seconds * 1000 / stream.packet_ms {
        if n % stream.silent.1 < stream.silent.0 {
            continue;
        }
        let sent = (n * stream.packet_ms * MS) as i64;
        let sent = (sent - sent * stream.drift / 1_000_000) as u64;
        let longer = if stream.detour.contains(&n) { 120 * MS } else { 0 };
        let at = 100 * MS + longer + sent + random.next() % (stream.jitter_ms * MS + 1);
        if !random.chance(stream.loss) {
            arrivals.push((std::cmp::Reverse(at), sequence, n as u32));
        }
        sequence = sequence.wrapping_add(1);
    }
    let mut heard = Heard::default();
    // Samples that the listener still has at this beat, each an eighth of a millisecond.
    let (mut left, mut beat) = (0i64, 7 * MS);
    while !arrivals.is_empty() {
        beat += 20 * MS;
        while arrivals.peek().is_some_and(|(at, ..)| at.0 <= beat) {
            let (at, sequence, n) = arrivals.pop().unwrap();
            let time = 0xffff_0000u32.wrapping_add(n.wrapping_mul(step));
            buffer.push(at.0, sequence, time, 0, false, &n.to_be_bytes());
        }
        listen(buffer, beat, &mut left, step, &mut heard);
    }
    heard
}

fn listen(buffer: &mut Jitter, beat: u64, left: &mut i64, step: u32, heard: &mut Heard) {
    while *left < 160 {
        *left += match buffer.pull(beat) {
            Pull::Wait => 160 - *left,
            Pull::Packet { packet, surplus_us } => {
                heard.order.push(u32::from_be_bytes(packet.payload.try_into().unwrap()));
                // A pitch period of 5 ms is cut out or put in where it is not heard, in one packet of four.
                let possible = heard.order.len().is_multiple_of(4);
                let change = if possible && surplus_us != 0 { -40 * surplus_us.signum() } else { 0 };
                heard.changed += u64::from(change != 0);
                buffer.played(step);
                heard.delays.push(buffer.figures().delay_us);
                i64::from(step) + change
            }
            Pull::Lost { ticks, .. } => {
                heard.lost += 1;
                i64::from(ticks)
            }
            Pull::Pause { ticks } => {
                heard.pauses += 1;
                i64::from(ticks)
            }
            Pull::Dry { ticks } => {
                heard.dry += 1;
                i64::from(ticks)
            }
        };
    }
    *left -= 160;
}

fn packets(numbers: impl IntoIterator<Item = u32>) -> Vec<u32> {
    numbers.into_iter().collect()
}

#[test]
fn a_calm_stream_is_heard_whole_with_little_delay() {
    for packet_ms in [10, 20, 30, 40, 60] {
        let mut buffer = Jitter::new(8000);
        let heard = run(&Stream { packet_ms, ..CALM }, &mut buffer);
        assert_eq!(heard.order, packets(0..heard.order.len() as u32), "{packet_ms} ms");
        assert_eq!((heard.lost, heard.dry), (0, 0), "{packet_ms} ms");
        assert!(heard.longest_delay() <= 50 * MS, "{packet_ms} ms: {}", heard.longest_delay());
        assert_eq!(buffer.figures().target_us, 20 * MS);
    }
}

#[test]
fn the_target_follows_the_jitter_and_nearly_all_is_heard() {
    for (jitter_ms, most_ms) in [(10, 60), (40, 75), (80, 115), (150, 190)] {
        let mut buffer = Jitter::new(8000);
        let heard = run(&Stream { jitter_ms, seconds: 300, ..CALM }, &mut buffer);
        let figures = buffer.figures();
        let all = heard.order.len() as u64;
        assert!(heard.order.is_sorted(), "what comes out of order is put right");
        assert!(figures.late + heard.dry < all / 30, "{jitter_ms} ms: {figures:?} dry {}", heard.dry);
        assert!(heard.mean_delay() < most_ms * MS, "{jitter_ms} ms: {}", heard.mean_delay());
        assert!(figures.target_us >= jitter_ms * MS * 9 / 10, "{jitter_ms} ms: {figures:?}");
    }
}

#[test]
fn clocks_that_drift_apart_for_an_hour_lose_nothing_and_keep_the_delay() {
    for drift in [-300, -50, 50, 300] {
        let mut buffer = Jitter::new(8000);
        let heard = run(&Stream { drift, jitter_ms: 10, seconds: 3600, ..CALM }, &mut buffer);
        let figures = buffer.figures();
        assert_eq!(heard.order, packets(0..heard.order.len() as u32), "{drift}");
        assert_eq!((heard.lost, figures.dropped, figures.late), (0, 0, 0), "{drift}: {figures:?}");
        assert!(heard.dry <= 3, "{drift}: dry {}", heard.dry);
        assert!(heard.longest_delay() < 60 * MS, "{drift}: {}", heard.longest_delay());
        // An hour of 300 ppm is 1.08 s: 216 periods of 5 ms.
        assert!(heard.changed <= 240, "{drift}: {} changes", heard.changed);
    }
}

#[test]
fn what_is_lost_is_invented_once_and_in_its_length() {
    for jitter_ms in [0, 30] {
        let mut buffer = Jitter::new(8000);
        let heard = run(&Stream { loss: 10.0, jitter_ms, seconds: 300, ..CALM }, &mut buffer);
        let figures = buffer.figures();
        let gone = 15_000 - heard.order.len() as u64 - figures.late;
        assert!((1300..1700).contains(&gone), "{gone}");
        assert!(figures.lost.abs_diff(gone) <= 3, "{figures:?}, {gone} are gone");
        // With jitter, three packets of a hundred are later than the target.
        let late = if jitter_ms == 0 { 5 } else { 15_000 * 4 / 100 };
        assert!(heard.lost + heard.dry < gone + late, "{} {}, {gone} are gone", heard.lost, heard.dry);
        assert!(heard.longest_delay() < 110 * MS, "{}", heard.longest_delay());
    }
}

#[test]
fn silence_that_is_not_sent_is_a_pause_and_no_loss() {
    let mut buffer = Jitter::new(8000);
    let heard = run(&Stream { silent: (60, 100), jitter_ms: 20, seconds: 120, ..CALM }, &mut buffer);
    assert_eq!(heard.order.len(), 2400);
    assert_eq!((heard.lost, buffer.figures().lost, buffer.figures().late), (0, 0, 0));
    assert!(heard.longest_delay() < 80 * MS, "{}", heard.longest_delay());
}

/// Pushes packets of 20 ms that came at once, each holding its number; one is `(sequence, its place)`.
fn pushed(buffer: &mut Jitter, at_ms: u64, ones: &[(u16, u32)]) {
    for &(sequence, place) in ones {
        buffer.push(at_ms * MS, sequence, place * 160, 0, false, &[place as u8]);
    }
}

fn told(pull: Pull<'_>) -> (char, u32) {
    match pull {
        Pull::Wait => ('w', 0),
        Pull::Packet { packet, .. } => ('p', u32::from(packet.payload[0])),
        Pull::Lost { ticks, .. } => ('l', ticks),
        Pull::Pause { ticks } => ('s', ticks),
        Pull::Dry { ticks } => ('d', ticks),
    }
}

fn pulled(buffer: &mut Jitter, at_ms: impl IntoIterator<Item = u64>) -> Vec<(char, u32)> {
    at_ms.into_iter().map(|at_ms| told(buffer.pull(at_ms * MS))).collect()
}

#[test]
fn it_waits_at_the_beginning_and_puts_right_what_came_before_its_time() {
    let mut buffer = Jitter::new(8000);
    assert_eq!(buffer.pull(0), Pull::Wait);
    pushed(&mut buffer, 0, &[(2, 2)]);
    assert_eq!(pulled(&mut buffer, [10]), [('w', 0)]);
    pushed(&mut buffer, 11, &[(1, 1), (0, 0)]);
    assert_eq!(pulled(&mut buffer, [40, 60, 80, 100]), [('p', 0), ('p', 1), ('p', 2), ('d', 160)]);
}

#[test]
fn duplicates_and_late_ones_are_told_apart_and_left_out() {
    let mut buffer = Jitter::new(8000);
    pushed(&mut buffer, 0, &[(7, 0), (7, 0), (9, 2)]);
    assert_eq!(pulled(&mut buffer, [40, 60]), [('p', 0), ('l', 160)]);
    assert_eq!(buffer.figures().lost, 1);
    pushed(&mut buffer, 61, &[(8, 1), (8, 1), (7, 0)]);
    let Figures { received, lost, late, duplicates, .. } = buffer.figures();
    assert_eq!((received, lost, late, duplicates), (2, 0, 1, 3));
    assert_eq!(pulled(&mut buffer, [80, 100]), [('p', 2), ('d', 160)]);
}

#[test]
fn the_packet_behind_a_lost_one_is_shown_for_its_echo() {
    let mut buffer = Jitter::new(8000);
    pushed(&mut buffer, 0, &[(1, 1), (4, 4)]);
    assert_eq!(pulled(&mut buffer, [40]), [('p', 1)]);
    assert!(matches!(buffer.pull(60 * MS), Pull::Lost { ticks: 160, next: None }));
    let Pull::Lost { ticks: 160, next: Some(next) } = buffer.pull(80 * MS) else { panic!("not lost") };
    assert_eq!(next.payload, [4]);
    assert_eq!(pulled(&mut buffer, [100]), [('p', 4)]);
}

#[test]
fn what_was_invented_while_nothing_came_is_not_invented_again() {
    let mut buffer = Jitter::new(8000);
    pushed(&mut buffer, 0, &[(1, 1)]);
    assert_eq!(pulled(&mut buffer, [40, 60]), [('p', 1), ('d', 160)]);
    pushed(&mut buffer, 70, &[(3, 3)]);
    assert_eq!(pulled(&mut buffer, [80]), [('p', 3)], "the second is lost, and was invented");
    assert_eq!(buffer.figures().lost, 1);
    assert_eq!(pulled(&mut buffer, [100]), [('d', 160)]);
    pushed(&mut buffer, 110, &[(4, 4)]);
    assert_eq!(pulled(&mut buffer, [120]), [('p', 4)], "what is only late is heard");
    assert_eq!((buffer.figures().lost, buffer.figures().late), (1, 0));
}

#[test]
fn numbers_of_telephone_events_are_not_missing() {
    let mut buffer = Jitter::new(8000);
    pushed(&mut buffer, 0, &[(1, 1)]);
    assert_eq!(pulled(&mut buffer, [40]), [('p', 1)]);
    (2..152).for_each(|sequence| buffer.pass(20 * MS * u64::from(sequence), sequence));
    pushed(&mut buffer, 3020, &[(152, 152)]);
    assert_eq!(pulled(&mut buffer, [3030, 3050]), [('s', 160), ('s', 80)]);
    assert_eq!(pulled(&mut buffer, [3060]), [('p', 152)]);
    assert_eq!(buffer.figures().lost, 0);
}

#[test]
fn a_timestamp_that_jumps_is_placed_by_its_arrival() {
    for jump in [1_000_000_000, -1_000_000_000i32, -160_000] {
        let mut buffer = Jitter::new(8000);
        for n in 0..100u16 {
            let shift = if n < 50 { 0 } else { jump as u32 };
            let time = (u32::from(n) * 160).wrapping_add(shift);
            buffer.push(u64::from(n) * 20 * MS, n, time, 0, false, &[n as u8]);
            if n >= 2 {
                assert_eq!(pulled(&mut buffer, [u64::from(n) * 20]), [('p', u32::from(n) - 2)], "{jump}");
            }
        }
    }
}

#[test]
fn another_stream_begins_with_its_second_packet_or_when_told() {
    let mut buffer = Jitter::new(8000);
    pushed(&mut buffer, 0, &[(1, 1), (2, 2)]);
    assert_eq!(pulled(&mut buffer, [40]), [('p', 1)]);
    pushed(&mut buffer, 50, &[(40_000, 9)]);
    assert_eq!(pulled(&mut buffer, [60, 80]), [('p', 2), ('d', 160)], "one alone is a stray");
    pushed(&mut buffer, 90, &[(40_001, 10), (40_002, 11)]);
    assert_eq!(pulled(&mut buffer, [100, 130, 150]), [('w', 0), ('p', 10), ('p', 11)]);
    buffer.restart(48_000);
    assert_eq!(pulled(&mut buffer, [170]), [('w', 0)]);
    buffer.push(180 * MS, 5, 960, 111, false, &[1]);
    buffer.push(180 * MS, 6, 1920, 111, false, &[2]);
    assert_eq!(pulled(&mut buffer, [230, 250, 270]), [('p', 1), ('p', 2), ('d', 960)]);
}

#[test]
fn a_backlog_is_thrown_away_and_memory_is_bounded() {
    let mut buffer = Jitter::new(8000);
    let all: Vec<(u16, u32)> = (0..60).map(|n| (n as u16, n)).collect();
    pushed(&mut buffer, 0, &all[..1]);
    assert_eq!(pulled(&mut buffer, [40]), [('p', 0)]);
    pushed(&mut buffer, 1200, &all);
    let (kind, place) = told(buffer.pull(1200 * MS));
    assert!(kind == 'p' && place >= 40, "{place}");
    assert!(buffer.figures().dropped >= 40);
    let mut buffer = Jitter::new(8000);
    let many: Vec<(u16, u32)> = (0..2000).map(|n| (n as u16, n)).collect();
    pushed(&mut buffer, 0, &many);
    assert_eq!(buffer.slots.len(), MOST_PACKETS);
    assert_eq!(buffer.figures().dropped, 2000 - MOST_PACKETS as u64);
    buffer.push(0, 2001, 0, 0, false, &[0; MOST_OCTETS + 1]);
    assert_eq!(buffer.figures().dropped, 2001 - MOST_PACKETS as u64);
}

#[test]
fn a_route_that_becomes_longer_or_shorter_is_followed() {
    let mut buffer = Jitter::new(8000);
    let heard = run(&Stream { detour: 1000..2000, ..CALM }, &mut buffer);
    assert!(heard.order.len() > 2960, "{}", heard.order.len());
    assert!(heard.dry < 12, "{}", heard.dry);
    assert!(buffer.figures().delay_us < 60 * MS, "{:?}", buffer.figures());
}

#[test]
fn nothing_that_comes_or_is_asked_upsets_it() {
    let mut random = Random(3);
    let mut buffer = Jitter::new(48_000);
    let mut now = 0;
    for _ in 0..200_000 {
        now += random.next() % 30_000;
        let sequence = if random.chance(30.0) { random.next() as u16 } else { (now / 20_000) as u16 };
        let payload = vec![0; (random.next() % 4) as usize];
        let time = if random.chance(50.0) { random.next() as u32 } else { (now * 48 / 1000) as u32 };
        buffer.push(now, sequence, time, (random.next() % 128) as u8, false, &payload);
        match buffer.pull(now + random.next() % 30_000) {
            Pull::Lost { ticks, .. } | Pull::Pause { ticks } | Pull::Dry { ticks } => {
                assert!((1..=2880).contains(&ticks));
            }
            Pull::Packet { packet, .. } => assert!(!packet.payload.is_empty()),
            Pull::Wait => {}
        }
        if random.chance(50.0) {
            buffer.played(random.next() as u32);
        }
    }
}
