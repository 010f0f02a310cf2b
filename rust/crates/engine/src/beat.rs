//! The beat of 20 ms, in turns: a room of two hundred, or many calls in costly codecs, must not keep the packets of
//! others waiting. After a millisecond of it the worker looks at its sockets, and then goes on where it was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::events::PortEvent;
use crate::port::{Context, Port};
use crate::room::Hall;
use crate::voice::FRAME_NS;

/// How long it goes on before others have their turn.
const TURN_NS: u64 = 1_000_000;

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It is over, or has not begun.
    #[default]
    Rest,
    /// Ports are heard; the next one.
    Hear(usize),
    /// Rooms mix; the next one.
    Lead(usize),
    /// Ports speak; the next one.
    Speak(usize),
}

/// Who has a part in the beat of a worker, and when it is.
#[derive(Debug, Default)]
pub struct Beat {
    speakers: Vec<u32>,
    /// The rooms that this worker leads.
    rooms: Vec<Arc<Hall>>,
    stage: Stage,
    next_ns: u64,
}

impl Beat {
    /// A port has something to say.
    pub fn add_speaker(&mut self, now_ns: u64, slot: u32) {
        self.begin(now_ns);
        if !self.speakers.contains(&slot) {
            self.speakers.push(slot);
        }
    }

    /// A room is led here.
    pub fn add_room(&mut self, now_ns: u64, hall: Arc<Hall>) {
        self.rooms.push(hall);
        self.begin(now_ns);
    }

    fn begin(&mut self, now_ns: u64) {
        if self.speakers.is_empty() && self.next_ns < now_ns {
            self.next_ns = now_ns;
        }
    }

    /// When there is something to do: at once within a beat, never without anybody.
    pub fn due_ns(&self) -> u64 {
        match self.stage {
            Stage::Rest if self.speakers.is_empty() && self.rooms.is_empty() => u64::MAX,
            Stage::Rest => self.next_ns,
            _ => 0,
        }
    }

    /// Whether one is going on.
    pub fn is_unfinished(&self) -> bool {
        self.stage != Stage::Rest
    }

    /// Does what is due, for one turn; `at` is the port that it is at.
    pub fn go_on(&mut self, context: &Context<'_>, ports: &mut [Option<Box<Port>>], at: &mut Option<u32>) {
        if self.stage == Stage::Rest {
            self.stage = Stage::Hear(0);
            self.next_ns += FRAME_NS;
            if context.now_ns > self.next_ns {
                self.next_ns = context.now_ns + FRAME_NS;
            }
        }
        // From here on, not from the look at the sockets: what was read of them may have taken longer than a turn.
        let end_ns = context.shared.now_ns() + TURN_NS;
        while self.stage != Stage::Rest {
            // Before anything can go wrong: what does is not met again at once.
            match self.stage {
                Stage::Rest => {}
                Stage::Hear(next) => self.hear(context, ports, at, next),
                Stage::Lead(next) => self.lead(context, next),
                Stage::Speak(next) => self.speak(context, ports, at, next),
            }
            *at = None;
            if context.shared.now_ns() >= end_ns {
                return;
            }
        }
    }

    fn hear(
        &mut self,
        context: &Context<'_>,
        ports: &mut [Option<Box<Port>>],
        at: &mut Option<u32>,
        next: usize,
    ) {
        let Some(&slot) = self.speakers.get(next) else {
            self.stage = Stage::Lead(0);
            return;
        };
        self.stage = Stage::Hear(next + 1);
        *at = Some(slot);
        if let Some(port) = &mut ports[slot as usize] {
            port.hear(context);
        }
    }

    /// A room, after all have been heard and before anybody speaks.
    fn lead(&mut self, context: &Context<'_>, next: usize) {
        let Some(hall) = self.rooms.get(next) else {
            self.stage = Stage::Speak(0);
            return;
        };
        // A fault in it ends the room alone: its members hear silence.
        let led = catch_unwind(AssertUnwindSafe(|| hall.lead(context.now_ns)));
        let (goes_on, over) = led.unwrap_or_else(|_| (false, hall.lock().close()));
        if let Some(playback) = over {
            let event = playback.ended();
            context.shared.events.push(PortEvent { slot: 0, generation: 0, event });
        }
        if goes_on {
            self.stage = Stage::Lead(next + 1);
        } else {
            self.rooms.remove(next);
        }
    }

    fn speak(
        &mut self,
        context: &Context<'_>,
        ports: &mut [Option<Box<Port>>],
        at: &mut Option<u32>,
        next: usize,
    ) {
        let Some(&slot) = self.speakers.get(next) else {
            self.stage = Stage::Rest;
            return;
        };
        self.stage = Stage::Speak(next + 1);
        *at = Some(slot);
        let goes_on = ports[slot as usize].as_mut().is_some_and(|port| port.speak(context));
        if !goes_on {
            self.speakers.remove(next);
            self.stage = Stage::Speak(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::tests::shared;

    #[test]
    fn a_beat_goes_on_however_long_the_packets_before_it_took() {
        let shared = shared();
        while shared.now_ns() < 2 * TURN_NS {
            std::thread::yield_now();
        }
        // The look at the sockets began more than a turn ago.
        let context = Context { shared: &shared, post: &shared.posts[0], now_ns: 0 };
        let (mut ports, mut beat) = (vec![None, None], Beat::default());
        let mut turns = 0;
        for _ in 0..100 {
            (0..2).for_each(|slot| beat.add_speaker(0, slot));
            turns += 1;
            beat.go_on(&context, &mut ports, &mut None);
            while beat.is_unfinished() {
                turns += 1;
                beat.go_on(&context, &mut ports, &mut None);
            }
        }
        // Each has seven steps.
        assert!(turns < 200, "{turns}");
    }
}
