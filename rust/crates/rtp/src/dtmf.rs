//! Telephone events (RFC 4733 §2.3): one digit for each RTP timestamp, however often it is repeated.

/// A key that was pressed and released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0` to `9`, `*`, `#`, `A` to `D`, or `!` for hook flash (event 16).
    pub key: char,
    /// How long the key was held, in units of the RTP clock.
    pub duration: u32,
}

/// RFC 4733 §2.5.1.3: an event that outgrows the duration field goes on as a new segment.
pub(crate) const FULL_SEGMENT: u32 = 0xffff;

#[derive(Clone, Copy, Debug)]
struct Pressed {
    timestamp: u32,
    key: char,
    before: u32,
    duration: u32,
    heard_us: u64,
}

/// Turns the packets of one stream's telephone events into digits.
#[derive(Clone, Copy, Debug, Default)]
pub struct DtmfDetector {
    pressed: Option<Pressed>,
    reported: Option<u32>,
}

impl DtmfDetector {
    /// Takes a telephone-event payload. Returns a digit when this packet ends one, be it that the end bit
    /// is set for the first time, or that the next event begins although all end packets were lost.
    pub fn on_payload(&mut self, timestamp: u32, payload: &[u8], now_us: u64) -> Option<Digit> {
        let &[event, flags, high, low, ..] = payload else { return None };
        let key = key_of(event)?;
        if self.reported.is_some_and(|last| is_at_or_before(timestamp, last)) {
            return None;
        }
        let duration = u32::from(u16::from_be_bytes([high, low]));
        let unfinished = self.press(timestamp, key, duration, now_us);
        let ended = flags & 0x80 != 0;
        unfinished.or_else(|| if ended { self.release() } else { None })
    }

    /// Ends a digit whose end packets were all lost: call this now and then, or when other payload arrives.
    pub fn flush(&mut self, now_us: u64, silence_us: u64) -> Option<Digit> {
        let pressed = self.pressed?;
        (now_us.saturating_sub(pressed.heard_us) >= silence_us).then(|| self.release()).flatten()
    }

    /// Whether a key is down now, so that [`Self::flush`] may have something to do.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.pressed.is_some()
    }

    fn press(&mut self, timestamp: u32, key: char, duration: u32, now_us: u64) -> Option<Digit> {
        let mut before = 0;
        let mut unfinished = None;
        if let Some(pressed) = &mut self.pressed {
            if pressed.timestamp == timestamp {
                pressed.duration = pressed.duration.max(duration);
                pressed.heard_us = now_us;
                return None;
            }
            if is_at_or_before(timestamp, pressed.timestamp) {
                return None;
            }
            let next_segment = pressed.timestamp.wrapping_add(FULL_SEGMENT);
            if pressed.key == key && timestamp == next_segment {
                before = pressed.before.saturating_add(FULL_SEGMENT);
            } else {
                unfinished = self.release();
            }
        }
        self.pressed = Some(Pressed { timestamp, key, before, duration, heard_us: now_us });
        unfinished
    }

    fn release(&mut self) -> Option<Digit> {
        let pressed = self.pressed.take()?;
        self.reported = Some(pressed.timestamp);
        Some(Digit { key: pressed.key, duration: pressed.before.saturating_add(pressed.duration) })
    }
}

/// RFC 4733 §3.2, table 3: events 0 to 15 are keys, 16 is hook flash.
fn key_of(event: u8) -> Option<char> {
    b"0123456789*#ABCD!".get(usize::from(event)).map(|&key| char::from(key))
}

fn is_at_or_before(timestamp: u32, reference: u32) -> bool {
    reference.wrapping_sub(timestamp) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(event: u8, end: bool, duration: u16) -> [u8; 4] {
        let [high, low] = duration.to_be_bytes();
        [event, if end { 0x8a } else { 0x0a }, high, low]
    }

    #[test]
    fn three_end_packets_are_one_digit() {
        let mut detector = DtmfDetector::default();
        for step in 1..=5u16 {
            assert_eq!(detector.on_payload(1000, &packet(5, false, step * 160), 0), None);
        }
        let digit = detector.on_payload(1000, &packet(5, true, 960), 0);
        assert_eq!(digit, Some(Digit { key: '5', duration: 960 }));
        assert_eq!(detector.on_payload(1000, &packet(5, true, 960), 0), None);
        assert_eq!(detector.on_payload(1000, &packet(5, true, 960), 0), None);
    }

    #[test]
    fn the_same_key_twice_is_two_digits() {
        let mut detector = DtmfDetector::default();
        assert!(detector.on_payload(1000, &packet(11, true, 800), 0).is_some());
        let again = detector.on_payload(3000, &packet(11, true, 800), 0);
        assert_eq!(again.map(|digit| digit.key), Some('#'));
    }

    #[test]
    fn a_late_packet_of_a_reported_digit_is_not_a_new_digit() {
        let mut detector = DtmfDetector::default();
        assert!(detector.on_payload(5000, &packet(1, true, 800), 0).is_some());
        assert_eq!(detector.on_payload(5000, &packet(1, false, 640), 0), None);
        assert_eq!(detector.on_payload(3000, &packet(9, true, 640), 0), None);
        assert!(!detector.is_pressed());
    }

    #[test]
    fn a_digit_without_end_packets_is_told_by_the_next_one_or_by_silence() {
        let mut detector = DtmfDetector::default();
        assert_eq!(detector.on_payload(1000, &packet(1, false, 640), 0), None);
        let first = detector.on_payload(4000, &packet(2, false, 160), 50_000);
        assert_eq!(first, Some(Digit { key: '1', duration: 640 }));
        assert_eq!(detector.flush(60_000, 100_000), None);
        assert_eq!(detector.flush(150_000, 100_000), Some(Digit { key: '2', duration: 160 }));
        assert_eq!(detector.flush(900_000, 100_000), None);
    }

    #[test]
    fn a_lost_event_that_ends_with_the_next_events_end_packet_tells_both_in_turn() {
        let mut detector = DtmfDetector::default();
        detector.on_payload(1000, &packet(1, false, 640), 0);
        let first = detector.on_payload(4000, &packet(2, true, 160), 10);
        assert_eq!(first.map(|digit| digit.key), Some('1'));
        let second = detector.on_payload(4000, &packet(2, true, 160), 20);
        assert_eq!(second.map(|digit| digit.key), Some('2'));
    }

    #[test]
    fn a_long_press_in_segments_is_one_digit() {
        let mut detector = DtmfDetector::default();
        assert_eq!(detector.on_payload(1000, &packet(3, false, 0xffff), 0), None);
        assert_eq!(detector.on_payload(1000 + 0xffff, &packet(3, false, 1600), 0), None);
        let digit = detector.on_payload(1000 + 0xffff, &packet(3, true, 3200), 0);
        assert_eq!(digit, Some(Digit { key: '3', duration: 0xffff + 3200 }));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn a_press_that_never_ends_has_the_longest_duration() {
        let mut detector = DtmfDetector::default();
        let mut timestamp = 1000u32;
        for _ in 0..0x1_0003 {
            assert_eq!(detector.on_payload(timestamp, &packet(3, false, 0xffff), 0), None);
            timestamp = timestamp.wrapping_add(FULL_SEGMENT);
        }
        assert_eq!(detector.flush(200, 100), Some(Digit { key: '3', duration: u32::MAX }));
    }

    #[test]
    fn timestamps_may_wrap_and_unknown_events_are_ignored() {
        let mut detector = DtmfDetector::default();
        assert!(detector.on_payload(u32::MAX - 10, &packet(10, true, 800), 0).is_some());
        assert!(detector.on_payload(2000, &packet(16, true, 800), 0).is_some_and(|digit| digit.key == '!'));
        assert_eq!(detector.on_payload(9000, &packet(64, true, 800), 0), None);
        assert_eq!(detector.on_payload(9000, &[1, 0x80, 0], 0), None);
    }
}
