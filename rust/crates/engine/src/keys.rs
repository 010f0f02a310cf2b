//! Keys that a port presses: telephone events (RFC 4733) in the port's own stream, one after the other.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use trunkline_rtp::Press;

use crate::control::Control;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::Event;
use crate::mailbox::Order;
use crate::overlay::IN_SOUND;
use crate::port::{Context, Port};
use crate::relay::send_rtp;
use crate::voice::{KeyFrame, Voice};

/// Keys that may wait at a port.
pub const MOST: u32 = 64;
/// Milliseconds between two packets of an event.
const STEP_MS: u64 = 20;
/// How long a key is held, in milliseconds. Receivers need 40 (ITU-T Q.24).
const DURATION_MS: std::ops::RangeInclusive<u64> = 40..=8000;
/// Between the end of a key and the next one. The last packet is repeated for 40 ms.
const GAP_MS: std::ops::RangeInclusive<u64> = 40..=8000;
/// RTP clocks that exist; an SDP may say anything.
const CLOCK_HZ: (u32, u32) = (8000, 192_000);

/// Keys to be pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits {
    /// `0` to `9`, `*`, `#`, `A` to `D`: 1 to 64 of them.
    pub digits: Box<str>,
    /// The payload type of telephone events that the peer takes; 0: keys are tones in the sound.
    pub payload_type: u8,
    /// How long each is held, in milliseconds: 40 to 8000, counted in steps of 20.
    pub duration_ms: u64,
    /// What lies between two of them: 40 to 8000, counted in steps of 20.
    pub gap_ms: u64,
}

/// The keys of one order, in progress.
#[derive(Debug)]
struct Batch {
    digits: Digits,
    /// Octets of `digits` that are done: each key is one.
    done: usize,
}

/// What a port has to press; it lies apart from the port, because nearly none has.
#[derive(Debug, Default)]
pub struct Keys {
    batches: VecDeque<Batch>,
    now: Option<Down>,
}

/// The key that is down, or was a moment ago.
#[derive(Debug)]
struct Down {
    press: Press,
    payload_type: u8,
    step: u16,
    timestamp: u32,
    time: u32,
    last: u32,
}

/// What one packet time brought.
struct Step {
    /// Whether there was something to send, in the place of the port's own sound.
    replaces: bool,
    /// Whether a key is done, with what lies behind it.
    released: bool,
    event: Option<Event>,
}

impl Keys {
    /// More keys, after those that wait.
    pub fn add(&mut self, digits: Digits) {
        self.batches.push_back(Batch { digits, done: 0 });
    }

    /// The key that is next, if there is one.
    fn next(&self, clock_hz: u32) -> Option<(Press, &Digits, u16)> {
        let Batch { digits, done } = self.batches.front()?;
        let step = (clock_hz.clamp(CLOCK_HZ.0, CLOCK_HZ.1) / 50) as u16;
        let length = digits.duration_ms.div_ceil(STEP_MS) as u16;
        let key = digits.digits[*done..].chars().next()?;
        Some((Press::new(key, step, length)?, digits, step))
    }

    /// Sends what is due at this packet time, at most four packets.
    fn step(
        &mut self,
        now_ns: u64,
        clock_hz: u32,
        voice: &mut Voice,
        mut send: impl FnMut(&KeyFrame),
    ) -> Step {
        if self.now.is_none() {
            self.begin(now_ns, clock_hz, voice);
        }
        let mut replaces = false;
        if let Some(down) = &self.now {
            down.press.report(down.time, |report| {
                replaces = true;
                send(&voice.key(down.payload_type, down.timestamp, &report));
            });
            if replaces {
                voice.pass(now_ns, down.step.into());
            }
        }
        let (released, event) = self.pass();
        Step { replaces, released, event }
    }

    fn begin(&mut self, now_ns: u64, clock_hz: u32, voice: &mut Voice) {
        let Some((press, digits, step)) = self.next(clock_hz) else { return };
        let times = digits.duration_ms.div_ceil(STEP_MS) + digits.gap_ms.div_ceil(STEP_MS);
        let last = (times as u32).max(press.packet_times());
        let timestamp = voice.press(now_ns, u32::from(step) * 50);
        self.now = Some(Down { press, payload_type: digits.payload_type, step, timestamp, time: 0, last });
    }

    /// One packet time is over: whether that ends a key, and what is told when it was the last of an order.
    fn pass(&mut self) -> (bool, Option<Event>) {
        let Some(down) = &mut self.now else { return (false, None) };
        down.time += 1;
        if down.time < down.last {
            return (false, None);
        }
        self.now = None;
        let Some(batch) = self.batches.front_mut() else { return (true, None) };
        batch.done += 1;
        let over = batch.done >= batch.digits.digits.len();
        let batch = if over { self.batches.pop_front() } else { None };
        (true, batch.map(|batch| Event::DigitsSent { digits: batch.digits.digits }))
    }

    fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}

impl Port {
    /// Whether a key is being sent, so that nothing else of the port's own is.
    pub fn is_pressing(&self) -> bool {
        let down = self.keys.as_ref().and_then(|keys| keys.now.as_ref());
        down.is_some_and(|down| down.time < down.press.packet_times())
    }

    /// Sends what a key has to say now; whether that takes the place of the port's own sound.
    pub fn press(&mut self, context: &Context<'_>) -> bool {
        let Some(mut keys) = self.keys.take() else { return false };
        let clock_hz = self.remote.map_or(CLOCK_HZ.0, |remote| remote.clock_hz);
        let mut voice = self.voice.take().unwrap_or_else(|| Box::new(Voice::new(self.seed)));
        let send = |packet: &KeyFrame| send_rtp(context, self.slot(context), &self.egress(), packet);
        let step = keys.step(context.now_ns, clock_hz, &mut voice, send);
        self.voice = Some(voice);
        if step.released {
            self.slot(context).keys.fetch_sub(1, Ordering::AcqRel);
        }
        self.keys = (!keys.is_empty()).then_some(keys);
        if let Some(event) = step.event {
            self.tell(context, event);
        }
        step.replaces
    }
}

impl Engine {
    /// Presses keys, one after the other, after those that wait. What becomes of it is told by an event.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for what cannot be pressed;
    /// [`EngineError::DigitsFull`] when too many wait.
    pub fn send_digits(&self, id: &str, digits: Digits) -> Result<(), EngineError> {
        check(&digits)?;
        let control = self.control();
        let slot = control.find(id)?.slot;
        self.reserve(&control, slot, digits.digits.len() as u32)?;
        self.order(slot, Order::Press(Box::new(digits)));
        self.shared.post_of(slot).wake_up();
        Ok(())
    }

    /// Nobody else adds while the books are held; the worker only takes away.
    fn reserve(&self, _held: &Control, slot: u32, more: u32) -> Result<(), EngineError> {
        let waiting = &self.shared.slot(slot).keys;
        if waiting.load(Ordering::Acquire) + more > MOST {
            return Err(EngineError::DigitsFull);
        }
        waiting.fetch_add(more, Ordering::AcqRel);
        Ok(())
    }
}

fn check(digits: &Digits) -> Result<(), EngineError> {
    let wrong = |text: String| Err(EngineError::Argument(text));
    let known = |key| Press::new(key, 160, 1).is_some();
    let length = digits.digits.len();
    if !(1..=MOST as usize).contains(&length) || !digits.digits.chars().all(known) {
        return wrong(format!("keys are 1 to {MOST} of 0-9 * # A-D, got {:?}", shortened(&digits.digits)));
    }
    let dynamic = (35..=63).contains(&digits.payload_type) || (96..=127).contains(&digits.payload_type);
    if !dynamic && digits.payload_type != IN_SOUND {
        return wrong(format!(
            "keys need a dynamic payload type, 96 to 127 (or 35 to 63), or {IN_SOUND} to be tones, got {}",
            digits.payload_type
        ));
    }
    if !DURATION_MS.contains(&digits.duration_ms) || !GAP_MS.contains(&digits.gap_ms) {
        return wrong(format!(
            "keys are held for 40 to 8000 ms, 40 to 8000 ms apart, got {} and {}",
            digits.duration_ms, digits.gap_ms
        ));
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(MOST as usize + 1).collect()
}

#[cfg(test)]
mod tests;
