//! When a worker lets packets gather before it looks at its sockets.
//!
//! Waking a thread costs several times what moving a packet does. A busy worker therefore sleeps a fraction
//! of a millisecond between two looks, so that one wake-up serves many sockets. A worker with little to do
//! does not: each packet is moved as it comes.

use std::time::Duration;

/// Packets that a pause must be expected to gather to be worth its latency.
const WORTHWHILE: f64 = 2.0;
/// Over how long the rate of packets is averaged, in nanoseconds.
const HORIZON_NS: f64 = 20_000_000.0;

/// Watches the rate of packets and decides about pauses.
#[derive(Debug)]
pub struct Pacer {
    pause: Duration,
    per_ns: f64,
    last_ns: u64,
}

impl Pacer {
    /// `pause` is the longest time that packets may wait; zero: never.
    pub fn new(pause: Duration) -> Self {
        Self { pause, per_ns: 0.0, last_ns: 0 }
    }

    /// A look at the sockets found so many packets. Returns how long to wait before the next look.
    pub fn after(&mut self, now_ns: u64, packets: usize) -> Option<Duration> {
        let elapsed = now_ns.saturating_sub(self.last_ns).max(1) as f64;
        self.last_ns = now_ns;
        let weight = (elapsed / HORIZON_NS).min(1.0);
        self.per_ns += (packets as f64 / elapsed - self.per_ns) * weight;
        let expected = self.per_ns * self.pause.as_nanos() as f64;
        (expected >= WORTHWHILE).then_some(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause_at(packets_per_second: u64) -> Option<Duration> {
        let mut pacer = Pacer::new(Duration::from_micros(800));
        let gap = 1_000_000_000 / packets_per_second;
        (1..1000).map(|n| pacer.after(n * gap, 1)).last().flatten()
    }

    #[test]
    fn a_handful_of_calls_is_not_delayed() {
        assert_eq!(pause_at(100), None);
        assert_eq!(pause_at(1_000), None);
    }

    #[test]
    fn many_calls_are_gathered() {
        assert_eq!(pause_at(10_000), Some(Duration::from_micros(800)));
    }

    #[test]
    fn the_delay_ends_with_the_load() {
        let mut pacer = Pacer::new(Duration::from_micros(800));
        assert!((1..1000).filter_map(|n| pacer.after(n * 100_000, 1)).count() > 900);
        assert_eq!(pacer.after(200_000_000, 1), None);
    }

    #[test]
    fn without_a_pause_nothing_is_delayed() {
        let mut pacer = Pacer::new(Duration::ZERO);
        assert_eq!((1..1000).map(|n| pacer.after(n * 1000, 1)).last().flatten(), None);
    }
}
