//! Telephone events as a sender reports them (RFC 4733 §2.5.1): what each packet of a key says.

use crate::dtmf::FULL_SEGMENT;

/// What can be pressed: RFC 4733 §3.2, table 3, events 0 to 15.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// -10 dBm0, a usual level of keys.
const VOLUME: u8 = 10;
const END: u8 = 0x80;
/// How often the last packet of an event, or of a segment, is sent (§2.5.1.4).
const FINAL_COPIES: u32 = 3;

/// A packet of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it is the first of its event.
    pub marker: bool,
    /// Its RTP timestamp, counted from the beginning of the event.
    pub offset: u32,
    /// Its payload.
    pub payload: [u8; 4],
}

/// A key that is pressed for a number of packet times.
#[derive(Clone, Copy, Debug)]
pub struct Press {
    event: u8,
    step: u32,
    length: u32,
}

impl Press {
    /// A key, `0` to `9`, `*`, `#`, `A` to `D`, held for `length` packet times of `step` units of the RTP clock.
    #[must_use]
    pub fn new(key: char, step: u16, length: u16) -> Option<Self> {
        let event = KEYS.iter().position(|&known| char::from(known) == key)? as u8;
        Some(Self { event, step: step.into(), length: length.max(1).into() })
    }

    /// Packet times from the first packet to the last repetition of the final one.
    #[must_use]
    pub fn packet_times(&self) -> u32 {
        self.length + FINAL_COPIES - 1
    }

    /// What is sent at a packet time, the first being 0; nothing after the last.
    pub fn report(&self, time: u32, mut each: impl FnMut(Report)) {
        if time >= self.packet_times() {
            return;
        }
        let duration = time.saturating_add(1).min(self.length).saturating_mul(self.step);
        let before = time.min(self.length).saturating_mul(self.step);
        let (segment, known) = (segment_of(duration), segment_of(before));
        if segment > known {
            // The segment before is full. It has its three packets at once: the event goes on, and its next report
            // must not wait (§2.5.1.3).
            (0..FINAL_COPIES).for_each(|_| each(self.say(false, known, FULL_SEGMENT, false)));
        }
        let ended = time + 1 >= self.length;
        each(self.say(time == 0, segment, duration - segment * FULL_SEGMENT, ended));
    }

    fn say(&self, marker: bool, segment: u32, duration: u32, ended: bool) -> Report {
        let [_, _, high, low] = duration.to_be_bytes();
        let flags = if ended { END | VOLUME } else { VOLUME };
        Report { marker, offset: segment * FULL_SEGMENT, payload: [self.event, flags, high, low] }
    }
}

/// In which segment an event is that has lasted so long.
fn segment_of(duration: u32) -> u32 {
    duration.saturating_sub(1) / FULL_SEGMENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::DtmfDetector;

    fn reports(press: Press) -> Vec<Report> {
        let mut all = Vec::new();
        (0..press.packet_times() + 5).for_each(|time| press.report(time, |report| all.push(report)));
        all
    }

    #[test]
    fn grows_by_a_step_and_says_its_end_three_times() {
        let all = reports(Press::new('#', 160, 3).unwrap());
        let payloads: Vec<_> = all.iter().map(|report| report.payload).collect();
        let last = [11, 0x8a, 1, 0xe0];
        assert_eq!(payloads, [[11, 0x0a, 0, 160], [11, 0x0a, 1, 64], last, last, last]);
        assert_eq!(
            all.iter().map(|report| report.marker).collect::<Vec<_>>(),
            [true, false, false, false, false]
        );
        assert!(all.iter().all(|report| report.offset == 0));
    }

    #[test]
    fn the_shortest_key_begins_with_its_end() {
        let all = reports(Press::new('0', 160, 0).unwrap());
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|report| report.payload == [0, 0x8a, 0, 160]));
    }

    #[test]
    fn every_key_has_its_event_and_nothing_else_has() {
        for (event, key) in "0123456789*#ABCD".chars().enumerate() {
            assert_eq!(reports(Press::new(key, 160, 1).unwrap())[0].payload[0], event as u8);
        }
        assert!("!aE ".chars().all(|key| Press::new(key, 160, 1).is_none()));
    }

    #[test]
    fn what_outgrows_the_duration_goes_on_as_a_segment() {
        // 48000 Hz: 69 packet times are 66240 units.
        let all = reports(Press::new('5', 960, 69).unwrap());
        assert_eq!(all[67].payload, [5, 0x0a, 0xff, 0x00]);
        let full = Report { marker: false, offset: 0, payload: [5, 0x0a, 0xff, 0xff] };
        assert_eq!(all[68..71], [full; 3]);
        let last = Report { marker: false, offset: 0xffff, payload: [5, 0x8a, 0x02, 0xc1] };
        assert_eq!(all[71..], [last; 3]);
    }

    #[test]
    fn a_long_key_is_one_digit_to_a_receiver() {
        let press = Press::new('7', 3840, 400).unwrap();
        let mut detector = DtmfDetector::default();
        let mut digits = Vec::new();
        let start = u32::MAX - 70_000;
        for report in reports(press) {
            digits.extend(detector.on_payload(start.wrapping_add(report.offset), &report.payload, 0));
        }
        assert_eq!(
            digits.iter().map(|digit| (digit.key, digit.duration)).collect::<Vec<_>>(),
            [('7', 3840 * 400)]
        );
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let press = Press::new('7', u16::MAX, u16::MAX).unwrap();
        for time in [0, 1, 65_533, 65_534, 65_535, 65_536, 65_537, u32::MAX] {
            press.report(time, |_| ());
        }
    }
}
