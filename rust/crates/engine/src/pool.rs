//! Which ports are free: bound once, used often, rested in between.

use std::collections::VecDeque;

use crate::error::EngineError;

/// After how long a port that another program held is tried again, in nanoseconds.
const RETRY_NS: u64 = 30_000_000_000;

/// What came of binding a port for the first time.
pub enum Bound {
    /// It is ours.
    Yes,
    /// Another program has it.
    Taken,
}

/// The slots of one worker and one address.
pub struct Pool {
    fresh: VecDeque<u32>,
    free: VecDeque<u32>,
    resting: VecDeque<(u64, u32)>,
    taken: VecDeque<(u64, u32)>,
    quarantine_ns: u64,
}

impl Pool {
    /// A pool of slots none of which is bound yet.
    pub fn new(slots: std::ops::Range<u32>, quarantine_ns: u64) -> Self {
        Self {
            fresh: slots.collect(),
            free: VecDeque::new(),
            resting: VecDeque::new(),
            taken: VecDeque::new(),
            quarantine_ns,
        }
    }

    /// Takes a slot. `bind` is called for one that was never bound; `is_quiet` tells whether the worker has
    /// let go of a slot that was closed.
    ///
    /// When nothing else is left, the slot that has rested longest is taken before its time: a call that can be
    /// made now is worth more than a longer rest, and the latch refuses late packets of the old call as well.
    ///
    /// # Errors
    /// [`EngineError::PortsExhausted`], or what `bind` returned.
    pub fn take(
        &mut self,
        now_ns: u64,
        is_quiet: impl Fn(u32) -> bool,
        mut bind: impl FnMut(u32) -> Result<Bound, EngineError>,
    ) -> Result<u32, EngineError> {
        self.wake_rested(now_ns, &is_quiet);
        if let Some(slot) = self.free.pop_front() {
            return Ok(slot);
        }
        while let Some(slot) = self.next_unbound(now_ns) {
            match bind(slot) {
                Ok(Bound::Yes) => return Ok(slot),
                Ok(Bound::Taken) => self.taken.push_back((now_ns + RETRY_NS, slot)),
                Err(error) => {
                    self.taken.push_back((now_ns, slot));
                    return Err(error);
                }
            }
        }
        match self.resting.front() {
            Some(&(_, slot)) if is_quiet(slot) => {
                self.resting.pop_front();
                Ok(slot)
            }
            _ => Err(EngineError::PortsExhausted),
        }
    }

    /// Takes one slot and no other, rested or not: a call that goes on after a crash has told its peers this port.
    ///
    /// # Errors
    /// [`EngineError::PortTaken`], or what `bind` returned.
    pub fn take_this(
        &mut self,
        slot: u32,
        is_quiet: impl Fn(u32) -> bool,
        mut bind: impl FnMut(u32) -> Result<Bound, EngineError>,
    ) -> Result<(), EngineError> {
        if let Some(at) = self.free.iter().position(|&other| other == slot) {
            self.free.remove(at);
            return Ok(());
        }
        if let Some(at) = self.resting.iter().position(|&(_, other)| other == slot && is_quiet(slot)) {
            self.resting.remove(at);
            return Ok(());
        }
        let fresh = self.fresh.iter().position(|&other| other == slot);
        let taken = self.taken.iter().position(|&(_, other)| other == slot);
        if (fresh, taken) == (None, None) || !matches!(bind(slot)?, Bound::Yes) {
            return Err(EngineError::PortTaken);
        }
        fresh.map(|at| self.fresh.remove(at));
        taken.map(|at| self.taken.remove(at));
        Ok(())
    }

    /// Gives a slot back; it rests first, so that late packets of the old call find nobody.
    pub fn give_back(&mut self, now_ns: u64, slot: u32) {
        self.resting.push_back((now_ns + self.quarantine_ns, slot));
    }

    /// Slots that could be taken, without those that rest.
    pub fn available(&self) -> usize {
        self.fresh.len() + self.free.len()
    }

    /// Slots that rest after a call.
    pub fn resting(&self) -> usize {
        self.resting.len()
    }

    fn wake_rested(&mut self, now_ns: u64, is_quiet: impl Fn(u32) -> bool) {
        while let Some(&(until_ns, slot)) = self.resting.front() {
            if now_ns < until_ns || !is_quiet(slot) {
                break;
            }
            self.resting.pop_front();
            self.free.push_back(slot);
        }
    }

    fn next_unbound(&mut self, now_ns: u64) -> Option<u32> {
        self.fresh.pop_front().or_else(|| {
            self.taken
                .front()
                .is_some_and(|&(retry_ns, _)| retry_ns <= now_ns)
                .then(|| self.taken.pop_front())?
                .map(|(_, slot)| slot)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(pool: &mut Pool, now_ns: u64) -> Option<u32> {
        pool.take(now_ns, |_| true, |_| Ok(Bound::Yes)).ok()
    }

    #[test]
    fn hands_out_each_slot_once_and_then_is_exhausted() {
        let mut pool = Pool::new(4..7, 100);
        assert_eq!([take(&mut pool, 0), take(&mut pool, 0), take(&mut pool, 0)], [Some(4), Some(5), Some(6)]);
        let refusal = pool.take(0, |_| true, |_| Ok(Bound::Yes)).unwrap_err();
        assert_eq!(refusal.code(), "media.ports_exhausted");
    }

    #[test]
    fn a_slot_rests_before_it_is_used_again() {
        let mut pool = Pool::new(0..2, 100);
        take(&mut pool, 0).unwrap();
        pool.give_back(50, 0);
        assert_eq!((pool.available(), pool.resting()), (1, 1));
        assert_eq!(take(&mut pool, 149), Some(1));
        assert_eq!(take(&mut pool, 150), Some(0));
    }

    #[test]
    fn when_all_others_are_in_use_the_longest_rested_is_taken_early() {
        let mut pool = Pool::new(0..2, 100);
        take(&mut pool, 0).unwrap();
        take(&mut pool, 0).unwrap();
        pool.give_back(10, 1);
        pool.give_back(20, 0);
        assert_eq!([take(&mut pool, 30), take(&mut pool, 30), take(&mut pool, 30)], [Some(1), Some(0), None]);
    }

    #[test]
    fn a_rested_slot_waits_until_the_worker_let_go_of_it() {
        let mut pool = Pool::new(0..1, 100);
        take(&mut pool, 0).unwrap();
        pool.give_back(0, 0);
        assert!(pool.take(500, |_| false, |_| Ok(Bound::Yes)).is_err());
        assert_eq!(take(&mut pool, 501), Some(0));
    }

    #[test]
    fn bound_slots_are_preferred_to_fresh_ones() {
        let mut pool = Pool::new(0..3, 100);
        take(&mut pool, 0).unwrap();
        pool.give_back(0, 0);
        assert_eq!(take(&mut pool, 200), Some(0));
    }

    #[test]
    fn one_slot_is_taken_wherever_it_is_but_never_twice() {
        let mut pool = Pool::new(0..4, 100);
        let take_this = |slot, pool: &mut Pool| pool.take_this(slot, |_| true, |_| Ok(Bound::Yes)).is_ok();
        assert!(take_this(2, &mut pool));
        assert!(!take_this(2, &mut pool));
        pool.give_back(0, 2);
        assert!(take_this(2, &mut pool));
        pool.give_back(0, 2);
        assert_eq!([take(&mut pool, 100), take(&mut pool, 100)], [Some(2), Some(0)]);
        pool.give_back(100, 2);
        assert_eq!([take(&mut pool, 200), take(&mut pool, 200)], [Some(2), Some(1)]);
        assert!(!take_this(4, &mut pool));
    }

    #[test]
    fn one_slot_that_another_program_has_is_not_lost() {
        let mut pool = Pool::new(0..1, 100);
        assert!(pool.take_this(0, |_| true, |_| Ok(Bound::Taken)).is_err());
        assert_eq!(take(&mut pool, 0), Some(0));
    }

    #[test]
    fn a_port_of_another_program_is_passed_over_and_tried_again_later() {
        let mut pool = Pool::new(0..2, 100);
        let busy = |slot| Ok(if slot == 0 { Bound::Taken } else { Bound::Yes });
        assert_eq!(pool.take(0, |_| true, busy).unwrap(), 1);
        assert!(pool.take(1, |_| true, busy).is_err());
        assert_eq!(take(&mut pool, RETRY_NS), Some(0));
    }

    #[test]
    fn a_refusal_of_the_system_does_not_lose_the_slot() {
        let mut pool = Pool::new(0..1, 100);
        let refusal = pool.take(0, |_| true, |_| Err(EngineError::Stopped));
        assert_eq!(refusal.unwrap_err().code(), "media.stopped");
        assert_eq!(take(&mut pool, 1), Some(0));
    }
}
