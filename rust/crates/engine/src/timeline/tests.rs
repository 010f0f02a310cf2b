use super::*;

const LENGTH: u32 = 160;

/// A stream whose every sample says how many there were before it, so that each place can be checked.
struct Stream {
    timeline: Timeline,
    taken: Vec<i16>,
    sequence: u16,
    timestamp: u32,
    sample: i16,
}

impl Stream {
    fn new(sequence: u16, timestamp: u32) -> Self {
        Self { timeline: Timeline::new(8000), taken: Vec::new(), sequence, timestamp, sample: 1 }
    }

    /// The next packet, not sent yet.
    fn next(&mut self) -> (u16, u32, Vec<i16>) {
        let samples = (0..LENGTH as i16).map(|n| self.sample.wrapping_add(n)).collect();
        let packet = (self.sequence, self.timestamp, samples);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(LENGTH);
        self.sample = self.sample.wrapping_add(LENGTH as i16);
        packet
    }

    fn hear(&mut self, (sequence, timestamp, samples): &(u16, u32, Vec<i16>), arrival: u64) -> bool {
        let taken = &mut self.taken;
        self.timeline.take(arrival.saturating_sub(PATIENCE), |sample| taken.push(sample));
        let (sequence, timestamp) = (*sequence, *timestamp);
        self.timeline.place(&Heard { ssrc: 1, sequence, timestamp, arrival, samples, quiet: false })
    }

    fn hear_next(&mut self, arrival: u64) -> bool {
        let packet = self.next();
        self.hear(&packet, arrival)
    }

    fn all(mut self, end: u64) -> Vec<i16> {
        let taken = &mut self.taken;
        self.timeline.take(end, |sample| taken.push(sample));
        self.taken
    }
}

fn counting(from: i16, to: i16) -> Vec<i16> {
    (from..to).collect()
}

#[test]
fn a_stream_lies_without_gaps_whatever_the_network_delays() {
    let mut stream = Stream::new(65_530, 0xffff_ff00);
    for n in 0..100u64 {
        assert!(stream.hear_next(n * 160 + [0, 900, 400, 3000][n as usize % 4]));
    }
    assert_eq!(stream.all(16_000), counting(1, 16_001));
}

#[test]
fn lost_packets_are_silence_and_late_ones_find_their_place() {
    let mut stream = Stream::new(10, 0);
    let packets: Vec<_> = (0..6).map(|_| stream.next()).collect();
    for (at, index) in [0, 3, 1, 5, 4].into_iter().enumerate() {
        assert!(stream.hear(&packets[index], at as u64 * 160));
    }
    let all = stream.all(960);
    assert_eq!(all[..320], counting(1, 321));
    assert_eq!(all[320..480], [0; 160]);
    assert_eq!(all[480..], counting(481, 961));
}

#[test]
fn packets_may_come_twice() {
    let mut stream = Stream::new(10, 0);
    let packets: Vec<_> = (0..3).map(|_| stream.next()).collect();
    for index in [0, 0, 1, 2, 1] {
        assert!(stream.hear(&packets[index], 0));
    }
    assert_eq!(stream.all(480), counting(1, 481));
}

#[test]
fn what_comes_later_than_anybody_waits_is_refused() {
    let mut stream = Stream::new(10, 0);
    let late = [stream.next(), stream.next()];
    stream.hear(&late[0], 0);
    for n in 2..100 {
        stream.hear_next(n * 160);
    }
    assert!(!stream.hear(&late[1], 16_000));
    assert_eq!(stream.all(16_000)[160..320], [0; 160]);
}

#[test]
fn a_pause_that_the_timestamps_do_not_count_is_there_nevertheless() {
    let mut stream = Stream::new(10, 0);
    stream.hear_next(0);
    stream.hear_next(40_000);
    stream.hear_next(40_160);
    let all = stream.all(40_320);
    assert_eq!(all[..160], counting(1, 161));
    assert!(all[160..40_000].iter().all(|&sample| sample == 0));
    assert_eq!(all[40_000..], counting(161, 481));
}

#[test]
fn a_pause_that_the_timestamps_count_lies_where_they_say() {
    let mut stream = Stream::new(10, 0);
    stream.hear_next(0);
    stream.timestamp += 24_000;
    stream.hear_next(24_160 + 700);
    let all = stream.all(24_320);
    assert_eq!(all[24_160..], counting(161, 321));
}

#[test]
fn another_source_begins_where_it_arrives() {
    let mut stream = Stream::new(10, 0);
    stream.hear_next(0);
    let samples = [9; 160];
    let other = Heard { ssrc: 2, sequence: 7, timestamp: 5, arrival: 1000, samples: &samples, quiet: false };
    assert!(stream.timeline.place(&other));
    let all = stream.all(1160);
    assert_eq!((all[160], all[1000], all[1159]), (0, 9, 9));
}

#[test]
fn a_jump_of_the_timestamps_loses_nothing() {
    for jump in [0x7fff_0000, 0x8000_0000, 100_000, 0xffff_0000] {
        let mut stream = Stream::new(10, 0);
        stream.hear_next(0);
        stream.timestamp = stream.timestamp.wrapping_add(jump);
        assert!(stream.hear_next(160));
        assert_eq!(stream.all(320), counting(1, 321), "{jump:#x}");
    }
}

#[test]
fn a_clock_that_is_off_is_put_right_where_it_is_quiet() {
    for (arrival_of_packet, quiet_packets) in [(159u64, 10), (161, 10)] {
        let mut timeline = Timeline::new(8000);
        let mut taken = 0u64;
        let mut worst = 0;
        for n in 0..6000u64 {
            let arrival = n * arrival_of_packet + 1000;
            timeline.take(arrival.saturating_sub(PATIENCE), |_| taken += 1);
            let heard = Heard {
                ssrc: 1,
                sequence: n as u16,
                timestamp: n as u32 * LENGTH,
                arrival,
                samples: &[3; 160],
                quiet: n % 50 < quiet_packets,
            };
            assert!(timeline.place(&heard));
            let position = timeline.anchor.unwrap().position;
            worst = worst.max((arrival as i64 - position).abs());
        }
        assert!(worst < TOLERANCE + 400, "{worst}");
    }
}

#[test]
fn no_packet_makes_it_fall() {
    let mut timeline = Timeline::new(8000);
    let mut seed = 1u64;
    for n in 0..200_000u64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wild = seed >> 60 == 0;
        let heard = Heard {
            ssrc: (seed >> 58) as u32 & 1,
            sequence: if wild { seed as u16 } else { n as u16 },
            timestamp: if wild { (seed >> 20) as u32 } else { n as u32 * 160 },
            arrival: n * 160,
            samples: &[1; 160][..(seed >> 40) as usize % 161],
            quiet: seed & 1 == 0,
        };
        timeline.take(heard.arrival.saturating_sub(PATIENCE), |_| ());
        timeline.place(&heard);
    }
}

#[test]
fn a_sender_that_numbers_and_times_anew_is_heard_from_its_second_packet_on() {
    let mut stream = Stream::new(20_000, 0x8000_0000);
    for n in 0..50 {
        assert!(stream.hear_next(n * 160));
    }
    (stream.sequence, stream.timestamp) = (100, 77);
    assert!(!stream.hear_next(8000));
    for n in 51..100 {
        assert!(stream.hear_next(n * 160));
    }
    let all = stream.all(16_000);
    assert_eq!((&all[..8000], &all[8160..]), (&counting(1, 8001)[..], &counting(8161, 16_001)[..]));
}

#[test]
fn what_comes_much_too_late_is_no_sender_that_begins_anew() {
    let mut stream = Stream::new(500, 0);
    let held: Vec<_> = (0..3).map(|_| stream.next()).collect();
    for n in 3..90 {
        assert!(stream.hear_next(n * 160));
    }
    for packet in &held {
        assert!(!stream.hear(packet, 90 * 160));
    }
    assert!(stream.hear_next(90 * 160));
    assert_eq!(stream.all(91 * 160)[3 * 160..], counting(481, 14_561));
}
