//! What a receiver knows about the source it hears: losses and interarrival jitter.

use crate::packet::RtpPacket;
use crate::report::ReportBlock;
use crate::sequence::SequenceTracker;

/// Reception accounting of one stream; survives changes of the SSRC.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    ssrc: Option<u32>,
    sequence: SequenceTracker,
    transit: Option<u32>,
    /// RFC 3550 A.8 keeps sixteen times the jitter, in clock units, so that the division rounds well.
    jitter_x16: u32,
    clock_hz: u32,
    /// Expected and received at the report before, of which source.
    reported: (u32, u64, u64),
}

impl Reception {
    /// Takes a packet that arrived at `now_us` (microseconds of any steady clock).
    ///
    /// `clock_hz` is the payload's clock; `None` for packets whose timestamp stands still while they are
    /// repeated (telephone events, RFC 4733 §2.5.1.2): they count for loss, not for jitter.
    pub fn on_packet(&mut self, packet: &RtpPacket<'_>, now_us: u64, clock_hz: Option<u32>) {
        if self.ssrc != Some(packet.ssrc()) {
            if self.ssrc.is_some() {
                self.sequence.change_source();
            }
            self.ssrc = Some(packet.ssrc());
            self.transit = None;
        }
        self.sequence.on_packet(packet.sequence());
        if let Some(clock_hz) = clock_hz {
            self.on_timestamp(packet.timestamp(), now_us, clock_hz);
        }
    }

    /// Packets lost so far, of all sources of this stream.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.sequence.lost()
    }

    /// Interarrival jitter (RFC 3550 A.8) in units of the stream's clock, and that clock in hertz; 0 before any is known.
    #[must_use]
    pub fn jitter(&self) -> (u32, u32) {
        (self.jitter_x16 >> 4, self.clock_hz)
    }

    /// Interarrival jitter in microseconds.
    #[must_use]
    pub fn jitter_us(&self) -> u64 {
        match self.clock_hz {
            0 => 0,
            clock => u64::from(self.jitter_x16 >> 4) * 1_000_000 / u64::from(clock),
        }
    }

    /// The source that is heard.
    #[must_use]
    pub fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// What a report says about the source that is heard (RFC 3550 A.3), but for the sender report that it answers;
    /// none before it was heard. What was lost between two calls is told by the second one.
    pub fn report(&mut self) -> Option<ReportBlock> {
        let ssrc = self.ssrc?;
        let (expected, received) = self.sequence.expected_and_received();
        let (expected_before, received_before) = match self.reported {
            (source, expected_before, received_before) if source == ssrc && expected_before <= expected => {
                (expected_before, received_before.min(received))
            }
            _ => (0, 0),
        };
        self.reported = (ssrc, expected, received);
        let interval = expected - expected_before;
        let lost = interval.saturating_sub(received - received_before);
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost * 256).checked_div(interval).unwrap_or(0).min(255) as u8,
            lost: (expected as i64 - received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.sequence.highest(),
            jitter: self.jitter_x16 >> 4,
            ..ReportBlock::default()
        })
    }

    /// Where the stream is: the extended sequence number, without its upper half, and sixteen times the
    /// jitter in units of its clock. Somebody else who counts on goes on from there.
    #[must_use]
    pub fn position(&self) -> (u32, u32) {
        (self.sequence.highest(), self.jitter_x16)
    }

    /// Takes what somebody else has counted of the same stream since [`Self::position`] or the last time.
    pub fn catch_up(&mut self, received: u64, highest: u32, jitter_x16: u32) {
        self.sequence.catch_up(received, highest);
        (self.jitter_x16, self.transit) = (jitter_x16, None);
    }

    fn on_timestamp(&mut self, timestamp: u32, now_us: u64, clock_hz: u32) {
        if clock_hz != self.clock_hz {
            (self.clock_hz, self.transit, self.jitter_x16) = (clock_hz, None, 0);
        }
        let arrival = (now_us * u64::from(clock_hz) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        let before = self.transit.replace(transit);
        let Some(before) = before else { return };
        let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
        // More than a second is a new talk spurt with a new offset, not the network's jitter.
        if difference < clock_hz {
            self.jitter_x16 = self.jitter_x16 + difference - ((self.jitter_x16 + 8) >> 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{HEADER, write_header};

    fn feed(reception: &mut Reception, sequence: u16, timestamp: u32, ssrc: u32, now_us: u64) {
        let mut bytes = [0; HEADER];
        write_header(&mut bytes, false, 0, sequence, timestamp, ssrc);
        reception.on_packet(&RtpPacket::parse(&bytes).unwrap(), now_us, Some(8000));
    }

    #[test]
    fn steady_arrival_has_no_jitter_across_the_timestamp_wrap() {
        let mut reception = Reception::default();
        for n in 0..100u32 {
            feed(&mut reception, n as u16, 0xffff_f000u32.wrapping_add(n * 160), 1, u64::from(n) * 20_000);
        }
        assert_eq!((reception.jitter_us(), reception.lost()), (0, 0));
    }

    #[test]
    fn alternating_delay_converges_to_its_size() {
        let mut reception = Reception::default();
        for n in 0..400u32 {
            let delay = u64::from(n % 2) * 5_000;
            feed(&mut reception, n as u16, n * 160, 1, u64::from(n) * 20_000 + delay);
        }
        assert!((4_500..=5_100).contains(&reception.jitter_us()), "{}", reception.jitter_us());
    }

    #[test]
    fn a_report_tells_the_interval_and_the_whole() {
        let mut reception = Reception::default();
        assert_eq!(reception.report(), None);
        for n in [65_534u16, 65_535, 1, 2] {
            feed(&mut reception, n, u32::from(n) * 160, 9, 0);
        }
        let first = reception.report().unwrap();
        assert_eq!((first.ssrc, first.lost, first.fraction_lost, first.highest), (9, 1, 51, 65_538));
        for n in [3u16, 4, 0] {
            feed(&mut reception, n, u32::from(n) * 160, 9, 0);
        }
        let second = reception.report().unwrap();
        assert_eq!((second.lost, second.fraction_lost, second.highest), (0, 0, 65_540));
        assert_eq!(reception.report().map(|block| block.fraction_lost), Some(0));
    }

    #[test]
    fn a_jump_of_the_timestamp_is_no_jitter() {
        let mut reception = Reception::default();
        feed(&mut reception, 1, 0, 1, 0);
        feed(&mut reception, 2, 1_000_000, 1, 20_000);
        feed(&mut reception, 3, 1_000_160, 1, 40_000);
        assert_eq!(reception.jitter_us(), 0);
    }

    #[test]
    fn a_change_of_source_neither_loses_nor_jitters() {
        let mut reception = Reception::default();
        feed(&mut reception, 1, 0, 1, 0);
        feed(&mut reception, 40_000, 77_000, 2, 20_000);
        feed(&mut reception, 40_001, 77_160, 2, 40_000);
        assert_eq!((reception.jitter_us(), reception.lost()), (0, 0));
    }
}
