//! Which source a port listens to: learnt within bounds, then locked, safe against RTP bleed.
//!
//! Rules:
//! 1. Before an address was signalled nobody is heard.
//! 2. `Signalled`: only the signalled address is heard, always.
//! 3. `Nat`: while the learn window is open, a better source takes over from a lesser one: the signalled
//!    address, then another port of the signalled host, then a stranger who sent [`CONSISTENT`] packets in
//!    a row. After the window strangers are not learnt; the signalled host still is if nobody was.
//! 4. A locked source stays. Others are foreign, unless the locked one fell silent and the very same SSRC
//!    comes from elsewhere: a telephone that moved from one network to another.
//!    What has no SSRC (UDPTL) never moves so.
//! 5. A new offer or answer opens the window again. With another address it forgets the lock; with the same
//!    one the lock stays while its source still sends.

use std::net::SocketAddr;

/// Packets in a row, of one source and SSRC, that a stranger must send to be learnt.
const CONSISTENT: u32 = 3;
/// Silence of the locked source after which a new offer lets a stranger take its place, in nanoseconds.
const TAKEOVER_NS: u64 = 500_000_000;

/// Whose packets a port may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Exactly the signalled address.
    Signalled,
    /// The signalled address or, behind NAT, the source that shows itself.
    Nat,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the peer's.
    Accept,
    /// It is the peer's, who is locked to this source from now on.
    Lock,
    /// It is somebody else's: drop it.
    Foreign,
}

/// Durations of the latch in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long after an offer or answer the learn window is open.
    pub learn_ns: u64,
    /// Silence after which the same SSRC may come from elsewhere.
    pub relearn_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Lock {
    source: SocketAddr,
    ssrc: Option<u32>,
    heard_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: Option<u32>,
    sequence: u16,
    in_a_row: u32,
}

/// How likely a source is the peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Stranger,
    SignalledHost,
    Signalled,
}

/// The state of one port's latch; time is any steady count of nanoseconds. What each packet needs comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Latch {
    lock: Option<Lock>,
    times: Times,
    policy: Policy,
    signalled: Option<SocketAddr>,
    window_ends_ns: u64,
    candidate: Option<Candidate>,
}

impl Latch {
    /// A latch that hears nobody yet.
    pub fn new(times: Times) -> Self {
        Self {
            times,
            policy: Policy::Signalled,
            signalled: None,
            window_ends_ns: 0,
            lock: None,
            candidate: None,
        }
    }

    /// An offer or answer told the peer's address (`None`: it has none, such as on hold with 0.0.0.0).
    pub fn aim(&mut self, now_ns: u64, policy: Policy, signalled: Option<SocketAddr>) {
        if self.signalled != signalled || self.policy != policy {
            self.lock = None;
        }
        self.policy = policy;
        self.signalled = signalled;
        self.window_ends_ns = now_ns + self.times.learn_ns;
        self.candidate = None;
    }

    /// The source that is locked.
    pub fn locked(&self) -> Option<SocketAddr> {
        self.lock.map(|lock| lock.source)
    }

    /// A packet came through the socket that is connected to the locked source.
    pub fn heard(&mut self, now_ns: u64, ssrc: Option<u32>) {
        if let Some(lock) = &mut self.lock {
            (lock.heard_ns, lock.ssrc) = (now_ns, ssrc);
        }
    }

    /// Judges a packet by its source; `ssrc` is absent when it is no RTP.
    pub fn judge(&mut self, now_ns: u64, source: SocketAddr, ssrc: Option<u32>, sequence: u16) -> Verdict {
        if self.locked() == Some(source) {
            self.heard(now_ns, ssrc);
            return Verdict::Accept;
        }
        if !self.may_lock(now_ns, source, ssrc, sequence) {
            return Verdict::Foreign;
        }
        self.lock = Some(Lock { source, ssrc, heard_ns: now_ns });
        self.candidate = None;
        Verdict::Lock
    }

    fn may_lock(&mut self, now_ns: u64, source: SocketAddr, ssrc: Option<u32>, sequence: u16) -> bool {
        let Some(signalled) = self.signalled else { return false };
        let rank = rank(source, signalled);
        if self.policy == Policy::Signalled {
            return rank == Rank::Signalled;
        }
        let learning = now_ns < self.window_ends_ns;
        let Some(lock) = self.lock else {
            return rank > Rank::Stranger || learning && self.is_consistent(source, ssrc, sequence);
        };
        let silent_ns = now_ns.saturating_sub(lock.heard_ns);
        if silent_ns >= self.times.relearn_ns && ssrc.is_some() && ssrc == lock.ssrc {
            return true;
        }
        if !learning {
            return false;
        }
        rank > self::rank(lock.source, signalled)
            || silent_ns >= TAKEOVER_NS && self.is_consistent(source, ssrc, sequence)
    }

    fn is_consistent(&mut self, source: SocketAddr, ssrc: Option<u32>, sequence: u16) -> bool {
        // Gateways send UDPTL packets twice for safety, under the number that they had.
        let steps = u16::from(ssrc.is_some())..=3;
        let in_a_row = match self.candidate {
            Some(last)
                if (last.source, last.ssrc) == (source, ssrc)
                    && steps.contains(&sequence.wrapping_sub(last.sequence)) =>
            {
                last.in_a_row + 1
            }
            _ => 1,
        };
        self.candidate = Some(Candidate { source, ssrc, sequence, in_a_row });
        in_a_row >= CONSISTENT
    }
}

fn rank(source: SocketAddr, signalled: SocketAddr) -> Rank {
    if source == signalled {
        Rank::Signalled
    } else if source.ip() == signalled.ip() {
        Rank::SignalledHost
    } else {
        Rank::Stranger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const TIMES: Times = Times { learn_ns: 5 * SECOND, relearn_ns: 3 * SECOND };
    const PEER: &str = "192.0.2.1:4000";
    const SAME_HOST: &str = "192.0.2.1:9999";
    const STRANGER: &str = "198.51.100.7:1234";

    struct Bench {
        latch: Latch,
        now: u64,
        sequence: u16,
    }

    impl Bench {
        fn new(policy: Policy) -> Self {
            let mut latch = Latch::new(TIMES);
            latch.aim(0, policy, Some(PEER.parse().unwrap()));
            Self { latch, now: 0, sequence: 0 }
        }

        fn packet(&mut self, source: &str, ssrc: u32) -> Verdict {
            self.sequence += 1;
            self.latch.judge(self.now, source.parse().unwrap(), Some(ssrc), self.sequence)
        }

        fn wait(&mut self, ns: u64) {
            self.now += ns;
        }
    }

    #[test]
    fn nobody_is_heard_before_an_address_is_signalled() {
        let mut bench = Bench { latch: Latch::new(TIMES), now: 0, sequence: 0 };
        for _ in 0..10 {
            assert_eq!(bench.packet(PEER, 1), Verdict::Foreign);
        }
    }

    #[test]
    fn the_signalled_policy_hears_the_signalled_address_alone() {
        let mut bench = Bench::new(Policy::Signalled);
        for _ in 0..10 {
            assert_eq!(bench.packet(SAME_HOST, 1), Verdict::Foreign);
        }
        assert_eq!(bench.packet(PEER, 1), Verdict::Lock);
        bench.wait(60 * SECOND);
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
        assert_eq!(bench.packet(PEER, 2), Verdict::Accept);
    }

    #[test]
    fn the_signalled_host_is_learnt_at_once_and_a_stranger_after_three_in_a_row() {
        assert_eq!(Bench::new(Policy::Nat).packet(SAME_HOST, 1), Verdict::Lock);
        let mut bench = Bench::new(Policy::Nat);
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Lock);
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Accept);
    }

    #[test]
    fn a_stranger_with_changing_ssrc_port_or_sequence_is_never_learnt() {
        let mut bench = Bench::new(Policy::Nat);
        for ssrc in 0..20 {
            assert_eq!(bench.packet(STRANGER, ssrc), Verdict::Foreign);
        }
        for port in 5000..5020 {
            assert_eq!(bench.packet(&format!("198.51.100.7:{port}"), 1), Verdict::Foreign);
        }
        for _ in 0..20 {
            bench.sequence = bench.sequence.wrapping_mul(31).wrapping_add(500);
            assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
        }
    }

    #[test]
    fn what_has_no_ssrc_is_learnt_like_all_else_and_moves_by_a_new_offer_only() {
        let mut bench = Bench::new(Policy::Nat);
        let datagram = |bench: &mut Bench, source: &str, sequence: u16| {
            bench.latch.judge(bench.now, source.parse().unwrap(), None, sequence)
        };
        assert_eq!(datagram(&mut bench, STRANGER, 7), Verdict::Foreign);
        assert_eq!(datagram(&mut bench, STRANGER, 7), Verdict::Foreign);
        assert_eq!(datagram(&mut bench, STRANGER, 8), Verdict::Lock);
        bench.wait(60 * SECOND);
        for sequence in 9..20 {
            assert_eq!(datagram(&mut bench, "198.51.100.9:99", sequence), Verdict::Foreign);
        }
        assert_eq!(datagram(&mut bench, STRANGER, 20), Verdict::Accept);
        bench.latch.aim(bench.now, Policy::Nat, Some("198.51.100.9:99".parse().unwrap()));
        assert_eq!(datagram(&mut bench, "198.51.100.9:99", 1), Verdict::Lock);
    }

    #[test]
    fn the_better_source_takes_over_while_the_window_is_open() {
        let mut bench = Bench::new(Policy::Nat);
        assert_eq!((0..3).map(|_| bench.packet(STRANGER, 1)).last(), Some(Verdict::Lock));
        assert_eq!(bench.packet(SAME_HOST, 2), Verdict::Lock);
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
        assert_eq!(bench.packet(PEER, 3), Verdict::Lock);
        assert_eq!(bench.packet(SAME_HOST, 2), Verdict::Foreign);
    }

    #[test]
    fn strangers_are_not_learnt_after_the_window_but_the_signalled_host_is() {
        let mut bench = Bench::new(Policy::Nat);
        bench.wait(6 * SECOND);
        for _ in 0..10 {
            assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
        }
        assert_eq!(bench.packet(SAME_HOST, 1), Verdict::Lock);
        assert_eq!(bench.packet(PEER, 1), Verdict::Foreign);
    }

    #[test]
    fn a_bleeding_source_never_takes_over_a_live_one() {
        let mut bench = Bench::new(Policy::Nat);
        assert_eq!(bench.packet(PEER, 1), Verdict::Lock);
        for _ in 0..1000 {
            bench.wait(SECOND / 50);
            assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
            assert_eq!(bench.packet(PEER, 1), Verdict::Accept);
        }
    }

    #[test]
    fn after_silence_only_the_same_ssrc_may_move() {
        let mut bench = Bench::new(Policy::Nat);
        assert_eq!(bench.packet(PEER, 1), Verdict::Lock);
        bench.wait(10 * SECOND);
        for _ in 0..10 {
            assert_eq!(bench.packet(STRANGER, 2), Verdict::Foreign);
        }
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Lock);
        assert_eq!(bench.packet(PEER, 1), Verdict::Foreign);
    }

    #[test]
    fn the_same_ssrc_from_elsewhere_is_foreign_while_the_peer_still_sends() {
        let mut bench = Bench::new(Policy::Nat);
        bench.packet(PEER, 1);
        bench.wait(6 * SECOND);
        bench.packet(PEER, 1);
        bench.wait(SECOND);
        assert_eq!(bench.packet(STRANGER, 1), Verdict::Foreign);
    }

    #[test]
    fn a_new_address_forgets_the_lock() {
        let mut bench = Bench::new(Policy::Nat);
        bench.packet(PEER, 1);
        bench.latch.aim(bench.now, Policy::Nat, Some("192.0.2.1:4002".parse().unwrap()));
        assert_eq!(bench.latch.locked(), None);
        assert_eq!(bench.packet("192.0.2.1:4002", 2), Verdict::Lock);
    }

    #[test]
    fn the_same_address_again_keeps_the_lock_and_lets_a_silent_client_move() {
        let mut bench = Bench::new(Policy::Nat);
        bench.packet(PEER, 1);
        bench.wait(20 * SECOND);
        bench.packet(PEER, 1);
        bench.latch.aim(bench.now, Policy::Nat, Some(PEER.parse().unwrap()));
        for _ in 0..5 {
            assert_eq!(bench.packet(STRANGER, 2), Verdict::Foreign);
        }
        bench.wait(SECOND);
        let verdicts: Vec<_> = (0..3).map(|_| bench.packet(STRANGER, 2)).collect();
        assert!(verdicts.contains(&Verdict::Lock));
    }

    #[test]
    fn on_hold_without_an_address_nobody_is_heard() {
        let mut bench = Bench::new(Policy::Nat);
        bench.packet(PEER, 1);
        bench.latch.aim(bench.now, Policy::Nat, None);
        assert_eq!(bench.packet(PEER, 1), Verdict::Foreign);
    }
}
