//! What the engine is told once, at its start.

use std::net::IpAddr;
use std::time::Duration;

use crate::error::EngineError;
use crate::kernel::KernelWish;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The local address to bind for each family that may be asked for; at most one of each family.
    pub addresses: Vec<IpAddr>,
    /// The first port of the range; an odd one is not used.
    pub first_port: u16,
    /// The last port of the range, inclusive.
    pub last_port: u16,
    /// Threads that move packets, 1 to 64.
    pub workers: usize,
    /// Silence after which a port that should hear somebody is told as inactive; zero: never.
    pub inactivity: Duration,
    /// How long a closed port rests before it serves another call.
    pub quarantine: Duration,
    /// How long after an offer or answer a source other than the signalled one may be learnt.
    pub learn: Duration,
    /// Silence of the locked source after which the same SSRC may come from elsewhere.
    pub relearn: Duration,
    /// How often a busy worker looks at its sockets; adds as much latency at most.
    pub coalesce: Duration,
    /// How many events may wait to be fetched.
    pub event_queue: usize,
    /// The fast path in the kernel; `None`: not wanted.
    pub kernel: Option<KernelWish>,
}

impl Config {
    /// How many pairs of an even and an odd port the range holds.
    #[must_use]
    pub fn pairs(&self) -> usize {
        let first = self.first_even();
        (usize::from(self.last_port) + 1).saturating_sub(first) / 2
    }

    /// The RTP port of a pair, counted from 0.
    #[must_use]
    pub fn rtp_port(&self, pair: usize) -> u16 {
        (self.first_even() + 2 * pair) as u16
    }

    /// The pair with this RTP port, if the range has it.
    #[must_use]
    pub fn pair_of(&self, rtp_port: u16) -> Option<usize> {
        let above = usize::from(rtp_port).checked_sub(self.first_even())?;
        (above % 2 == 0 && above / 2 < self.pairs()).then_some(above / 2)
    }

    /// # Errors
    /// [`EngineError::Config`] names what is wrong.
    pub fn check(&self) -> Result<(), EngineError> {
        let same_family = |v4: bool| self.addresses.iter().filter(|a| a.is_ipv4() == v4).count() > 1;
        if self.addresses.is_empty() || same_family(true) || same_family(false) {
            return Err(EngineError::Config("one local address of each family is needed, at most".into()));
        }
        if !(1..=64).contains(&self.workers) {
            return Err(EngineError::Config(format!("workers must be 1 to 64, got {}", self.workers)));
        }
        if self.first_port < 1024 || self.pairs() < self.workers {
            return Err(EngineError::Config(format!(
                "the port range {}-{} must begin at 1024 or above and hold a pair for each worker",
                self.first_port, self.last_port
            )));
        }
        Ok(())
    }

    fn first_even(&self) -> usize {
        usize::from(self.first_port).next_multiple_of(2)
    }
}
