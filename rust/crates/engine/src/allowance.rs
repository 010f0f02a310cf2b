//! What a peer may cause in a while: what it sends faster than that would be paid for by others.

/// So much time's worth in a row, and no more than time itself brings.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    most_ns: u64,
    left_ns: u64,
    /// How much faster than time it comes back.
    speed: u64,
    at_ns: u64,
}

impl Allowance {
    /// Nothing was taken from it yet.
    pub fn new(most_ns: u64, speed: u64) -> Self {
        Self { most_ns, left_ns: most_ns, speed, at_ns: 0 }
    }

    /// Takes so much of it; `false`, and nothing is taken, when there is not so much.
    pub fn take(&mut self, now_ns: u64, cost_ns: u64) -> bool {
        let earned_ns = now_ns.saturating_sub(self.at_ns).saturating_mul(self.speed);
        self.left_ns = self.left_ns.saturating_add(earned_ns).min(self.most_ns);
        self.at_ns = now_ns;
        let enough = self.left_ns >= cost_ns;
        self.left_ns -= if enough { cost_ns } else { 0 };
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_with_time_and_never_exceeds_its_most() {
        let mut allowance = Allowance::new(1000, 2);
        let mut taken = |now_ns| (0..1000).filter(|_| allowance.take(now_ns, 10)).count();
        assert_eq!([taken(0), taken(0), taken(50), taken(u64::MAX), taken(0)], [100, 0, 10, 100, 0]);
    }
}
