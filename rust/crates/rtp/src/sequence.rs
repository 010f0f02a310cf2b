//! Sequence numbers with cycles, and the losses they tell (RFC 3550 A.1 and A.3).

/// A jump ahead of less than this is loss; more is a restart or a stray packet.
const MAX_DROPOUT: u16 = 3000;
/// A packet at most this far behind is late or doubled; further behind is a restart or a stray packet.
const MAX_MISORDER: u16 = 100;
const CYCLE: u64 = 1 << 16;

/// Counts what one source sent against what arrived.
///
/// The probation of RFC 3550 A.1 is left out: the latch has already judged the source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceTracker {
    started: bool,
    base: u64,
    highest: u64,
    received: u64,
    after_jump: Option<u16>,
    settled_loss: u64,
}

impl SequenceTracker {
    /// Takes the sequence number of a packet that arrived.
    pub fn on_packet(&mut self, sequence: u16) {
        if !self.started {
            self.restart(sequence);
            return;
        }
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            self.after_jump = None;
        } else if ahead <= u16::MAX - MAX_MISORDER {
            // RFC 3550 A.1: two packets in a row after a large jump mean that the other side restarted.
            if self.after_jump != Some(sequence) {
                self.after_jump = Some(sequence.wrapping_add(1));
                return;
            }
            self.settled_loss = self.lost();
            self.restart(sequence);
            return;
        }
        self.received += 1;
    }

    /// Takes packets of the same source that somebody else has counted, up to `highest`.
    pub fn catch_up(&mut self, received: u64, highest: u32) {
        let ahead = highest.wrapping_sub(self.highest());
        if ahead < 1 << 31 {
            self.highest += u64::from(ahead);
        }
        self.received += received;
        self.after_jump = None;
    }

    /// Forgets the source but keeps its losses: another source follows in the same stream.
    pub fn change_source(&mut self) {
        *self = Self { settled_loss: self.lost(), ..Self::default() };
    }

    /// Packets that were sent and did not arrive; doubled packets may hide losses (RFC 3550 A.3).
    #[must_use]
    pub fn lost(&self) -> u64 {
        if !self.started {
            return self.settled_loss;
        }
        let expected = self.highest - self.base + 1;
        self.settled_loss + expected.saturating_sub(self.received)
    }

    /// The highest sequence number with its cycles above (RFC 3550 §6.4.1), of the source heard now.
    #[must_use]
    pub fn highest(&self) -> u32 {
        self.highest.wrapping_sub(CYCLE) as u32
    }

    /// Packets that the source heard now has sent, and those that arrived, doubled ones with them.
    #[must_use]
    pub fn expected_and_received(&self) -> (u64, u64) {
        if self.started { (self.highest - self.base + 1, self.received) } else { (0, 0) }
    }

    fn restart(&mut self, sequence: u16) {
        // One cycle of headroom lets `highest - base` stay unsigned whatever arrives late.
        self.base = CYCLE + u64::from(sequence);
        self.highest = self.base;
        self.received = 1;
        self.started = true;
        self.after_jump = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(sequences: impl IntoIterator<Item = u16>) -> u64 {
        let mut tracker = SequenceTracker::default();
        sequences.into_iter().for_each(|sequence| tracker.on_packet(sequence));
        tracker.lost()
    }

    #[test]
    fn a_whole_stream_loses_nothing_across_the_wrap() {
        let packets = if cfg!(miri) { 2000 } else { 200_000u32 };
        assert_eq!(lost((0..packets).map(|n| (n + 65_000) as u16)), 0);
    }

    #[test]
    fn what_somebody_else_has_counted_is_not_lost() {
        let mut tracker = SequenceTracker::default();
        (65_000..=65_100u16).for_each(|sequence| tracker.on_packet(sequence));
        tracker.catch_up(998, tracker.highest() + 1000);
        assert_eq!(tracker.lost(), 2);
        tracker.on_packet(65_100u16.wrapping_add(1001));
        tracker.catch_up(1, tracker.highest() - 1);
        assert_eq!(tracker.lost(), 1);
    }

    #[test]
    fn gaps_are_lost_also_at_the_wrap() {
        assert_eq!(lost([65_533, 65_534, 1, 2]), 2);
        assert_eq!(lost([10, 11, 15]), 3);
    }

    #[test]
    fn a_late_packet_takes_its_loss_back() {
        assert_eq!(lost([1, 2, 4, 3, 5]), 0);
        assert_eq!(lost([65_535, 1, 0, 2]), 0);
    }

    #[test]
    fn packets_before_the_first_and_doubled_ones_are_never_negative_loss() {
        assert_eq!(lost([100, 99, 98, 101, 101]), 0);
    }

    #[test]
    fn one_stray_packet_is_ignored_and_two_in_a_row_restart() {
        assert_eq!(lost([1, 2, 30_000, 3, 4]), 0);
        assert_eq!(lost([1, 2, 5, 30_000, 30_001, 30_003]), 3);
    }

    #[test]
    fn a_new_source_keeps_the_losses_of_the_old_one() {
        let mut tracker = SequenceTracker::default();
        [1, 3].into_iter().for_each(|sequence| tracker.on_packet(sequence));
        tracker.change_source();
        [50_000, 50_002].into_iter().for_each(|sequence| tracker.on_packet(sequence));
        assert_eq!(tracker.lost(), 2);
    }
}
