//! When a worker lets packets gather before it looks at its sockets.
//!
//! Waking a thread costs several times what moving a packet does. A busy worker therefore looks at its sockets
//! in a beat of a fraction of a millisecond, so that one wake-up serves many of them, and no packet waits for
//! longer than a beat. A worker with little to do does not: each packet is moved as it comes.

use std::time::Duration;

/// Packets that a beat must be expected to gather to be worth its latency.
const WORTHWHILE: f64 = 2.0;
/// Over how long the rate of packets is averaged, in nanoseconds.
const HORIZON_NS: f64 = 20_000_000.0;

/// Watches the rate of packets and decides whether to keep a beat.
#[derive(Debug)]
pub struct Pacer {
    beat: Duration,
    per_ns: f64,
    last_ns: u64,
}

impl Pacer {
    /// `beat` is the time between two looks of a busy worker; zero: it never waits.
    pub fn new(beat: Duration) -> Self {
        Self { beat, per_ns: 0.0, last_ns: 0 }
    }

    /// A look at the sockets, begun at `now_ns`, found so many packets. Returns how long after its beginning
    /// the next look should begin, unless at once.
    pub fn after(&mut self, now_ns: u64, packets: usize) -> Option<Duration> {
        let elapsed = now_ns.saturating_sub(self.last_ns).max(1) as f64;
        self.last_ns = now_ns;
        let weight = (elapsed / HORIZON_NS).min(1.0);
        self.per_ns += (packets as f64 / elapsed - self.per_ns) * weight;
        let expected = self.per_ns * self.beat.as_nanos() as f64;
        (expected >= WORTHWHILE).then_some(self.beat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat_at(packets_per_second: u64) -> Option<Duration> {
        let mut pacer = Pacer::new(Duration::from_micros(800));
        let gap = 1_000_000_000 / packets_per_second;
        (1..1000).map(|n| pacer.after(n * gap, 1)).last().flatten()
    }

    #[test]
    fn a_handful_of_calls_is_not_delayed() {
        assert_eq!(beat_at(100), None);
        assert_eq!(beat_at(1_000), None);
    }

    #[test]
    fn many_calls_are_gathered() {
        assert_eq!(beat_at(10_000), Some(Duration::from_micros(800)));
    }

    #[test]
    fn the_delay_ends_with_the_load() {
        let mut pacer = Pacer::new(Duration::from_micros(800));
        assert!((1..1000).filter_map(|n| pacer.after(n * 100_000, 1)).count() > 900);
        assert_eq!(pacer.after(200_000_000, 1), None);
    }

    #[test]
    fn without_a_beat_nothing_is_delayed() {
        let mut pacer = Pacer::new(Duration::ZERO);
        assert_eq!((1..1000).map(|n| pacer.after(n * 1000, 1)).last().flatten(), None);
    }
}
