//! What a port says in the place of its job, or of what is relayed to its peer: signals, and keys as tones.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use trunkline_dsp::Law;
use trunkline_dsp::keys::step_of;
use trunkline_dsp::signal::{Signal, Step};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::Event;
use crate::keys::Digits;
use crate::mailbox::{Order, Task};
use crate::mouth::Sound;
use crate::port::{Context, Job, Port};
use crate::shared::Slot;

/// Samples a second: no signal has more than 4000 Hz.
pub const RATE_HZ: u32 = 8000;
/// Samples of 20 ms.
pub const SAMPLES: usize = 160;
/// Steps of a signal: the longest of any network has 12.
const MOST_STEPS: usize = 64;
/// How long a step is at most, in milliseconds.
const LONGEST_MS: u32 = 600_000;
/// The payload type that means that keys are sent in the sound.
pub const IN_SOUND: u8 = 0;
/// Of each of a key's two tones: -11 dBm0, between what Q.23 networks send and what is pleasant.
const KEY_DBOV: f64 = -17.0;
/// The payload type of A-law.
const A_LAW: u8 = 8;

/// A signal, 20 ms at a time.
#[derive(Clone, Debug)]
pub struct SignalSource {
    signal: Signal,
    fresh: bool,
}

impl SignalSource {
    /// The signal from its beginning.
    pub fn new(steps: &[Step], repeat: bool) -> Self {
        Self { signal: Signal::new(steps, repeat, RATE_HZ), fresh: true }
    }

    /// Whether nothing was said yet.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The next 20 ms, with silence behind its end; `false` when it is over.
    pub fn next(&mut self, sound: &mut [i16]) -> bool {
        let written = self.signal.fill(sound);
        sound[written..].fill(0);
        self.fresh = false;
        written > 0
    }
}

/// Keys as tones, those of one order.
#[derive(Debug)]
struct Tones {
    source: SignalSource,
    digits: Box<str>,
}

/// What takes the place of all else that the peer would hear. It lies apart from the port, because nearly none has any.
#[derive(Debug, Default)]
pub struct Overlay {
    signal: Option<SignalSource>,
    keys: VecDeque<Tones>,
    spoke: bool,
}

/// What an overlay has for 20 ms.
enum Next {
    Sound,
    Pressed(Box<str>),
    Ended,
    Nothing,
}

impl Overlay {
    fn next(&mut self, sound: &mut [i16]) -> Next {
        if let Some(tones) = self.keys.front_mut() {
            if tones.source.next(sound) {
                return Next::Sound;
            }
            return self.keys.pop_front().map_or(Next::Nothing, |tones| Next::Pressed(tones.digits));
        }
        let Some(signal) = &mut self.signal else { return Next::Nothing };
        if signal.next(sound) {
            return Next::Sound;
        }
        self.signal = None;
        Next::Ended
    }
}

impl Port {
    /// Sounds a signal: as the port's job, or over it. Without steps it ends what sounds.
    pub fn sound(&mut self, context: &Context<'_>, sounding: Sounding) {
        let Sounding { steps, repeat, over_link } = sounding;
        let source = (!steps.is_empty()).then(|| SignalSource::new(&steps, repeat));
        if over_link {
            self.overlay.get_or_insert_default().signal = source;
            self.publish(context);
        } else {
            let job = source.map_or(Job::Plain(Task::Idle), |source| Job::Signal(Box::new(source)));
            self.begin(context, job);
        }
    }

    /// Presses keys in the sound.
    pub fn press_in_sound(&mut self, context: &Context<'_>, digits: &Digits) {
        let (held_ms, gap_ms) = (digits.duration_ms as u32, digits.gap_ms as u32);
        let keys = digits.digits.chars().filter_map(|key| step_of(key, held_ms, KEY_DBOV));
        let steps: Vec<Step> = keys.flat_map(|key| [key, Step::silence(gap_ms)]).collect();
        let tones = Tones { source: SignalSource::new(&steps, false), digits: digits.digits.clone() };
        self.overlay.get_or_insert_default().keys.push_back(tones);
        self.publish(context);
    }

    /// A signal over the link ends with the link.
    pub fn end_signal(&mut self) {
        if let Some(overlay) = &mut self.overlay {
            overlay.signal = None;
        }
    }

    /// Says what takes the place of all else; whether there was something.
    pub fn interject(&mut self, context: &Context<'_>) -> bool {
        let Some(mut overlay) = self.overlay.take() else { return false };
        let mut samples = [0; SAMPLES];
        loop {
            match overlay.next(&mut samples) {
                Next::Sound => break,
                Next::Pressed(digits) => {
                    self.slot(context).keys.fetch_sub(digits.len() as u32, Ordering::AcqRel);
                    self.tell(context, Event::DigitsSent { digits });
                }
                Next::Ended => self.tell(context, Event::ToneEnded),
                Next::Nothing => {
                    self.with_mouth(context, |mouth, voice, each| mouth.finish(context.now_ns, voice, each));
                    self.publish(context);
                    return false;
                }
            }
        }
        let first = !std::mem::replace(&mut overlay.spoke, true);
        self.overlay = Some(overlay);
        self.turn_mouth(law_heard(context, self.slot(context)));
        self.with_mouth(context, |mouth, voice, each| {
            mouth.say((context.now_ns, first), voice, Sound { samples: &samples, rate_hz: RATE_HZ }, each);
        });
        true
    }
}

/// How G.711 is spoken to a peer that never told: as it speaks.
pub fn law_heard(context: &Context<'_>, slot: &Slot) -> Law {
    let heard = slot.counts.read(context.now_ns).payload_type;
    if heard == Some(A_LAW) { Law::A } else { Law::Mu }
}

/// A signal as it was ordered.
#[derive(Clone, Debug)]
pub struct Sounding {
    /// What it is made of, up to 64 steps; none: what sounds ends.
    pub steps: Vec<Step>,
    /// Whether it begins anew at its end.
    pub repeat: bool,
    /// Whether it takes the place of what the port does, which goes on behind it.
    pub over_link: bool,
}

impl Engine {
    /// Sends a signal to the peer.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for steps that cannot be made into sound.
    pub fn play_signal(&self, id: &str, sounding: Sounding) -> Result<(), EngineError> {
        check(&sounding.steps)?;
        let mut control = self.control();
        let slot = control.find(id)?.slot;
        if !sounding.over_link {
            self.part(&mut control, slot);
        }
        self.order(slot, Order::Sound(Box::new(sounding)));
        self.shared.post_of(slot).wake_up();
        Ok(())
    }
}

fn check(steps: &[Step]) -> Result<(), EngineError> {
    let wrong = |text: String| Err(EngineError::Argument(text));
    if steps.len() > MOST_STEPS {
        return wrong(format!("a signal has {MOST_STEPS} steps at most, got {}", steps.len()));
    }
    for step in steps {
        if let Some(hz) = step.frequencies_hz.iter().find(|hz| !(0.0..4000.0).contains(*hz)) {
            return wrong(format!("a tone of a signal needs 0 to 4000 Hz, got {hz}"));
        }
        if !(-96.0..=0.0).contains(&step.level_dbov) {
            return wrong(format!("a signal needs -96 to 0 dBov, got {}", step.level_dbov));
        }
        if step.duration_ms > LONGEST_MS {
            let text =
                format!("a step lasts {LONGEST_MS} ms at most (0: for ever), got {}", step.duration_ms);
            return wrong(text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
