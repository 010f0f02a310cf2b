//! Who has answered, a human or a machine, from when it speaks: people say a word or two and wait, machines go on.

use crate::progress::{Burst, Bursts, Heard};
use crate::spectrum::{HOP_MS, Look};
use crate::vad::Speech;

/// What tells humans and machines apart, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A greeting that is longer is a machine's.
    pub greeting_ms: u32,
    /// More words than this are a machine's.
    pub words: u32,
    /// So much silence after a greeting: a human waits for an answer.
    pub after_greeting_ms: u32,
    /// So much sound is a word; what is shorter is a click.
    pub word_ms: u32,
    /// So much silence parts words.
    pub between_words_ms: u32,
    /// After so long nobody knows.
    pub all_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            greeting_ms: 1500,
            words: 3,
            after_greeting_ms: 800,
            word_ms: 100,
            between_words_ms: 60,
            all_ms: 5000,
        }
    }
}

/// Who has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// Somebody who greets and waits.
    Human,
    /// Somebody who does not stop.
    Machine,
    /// A fax or a modem.
    Fax,
    /// Nobody has said enough.
    Unknown,
}

/// Listens from the answer on until it knows.
#[derive(Clone, Debug)]
pub struct AnswerDetector {
    limits: Limits,
    now_ms: u32,
    /// When the greeting began, its words so far, the sound of the word and the silence that go on.
    greeting_ms: Option<u32>,
    words: u32,
    word_ms: u32,
    silent_ms: u32,
    decided: bool,
}

impl AnswerDetector {
    /// A detector that begins to listen with its first look.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, now_ms: 0, greeting_ms: None, words: 0, word_ms: 0, silent_ms: 0, decided: false }
    }

    /// Hears the next look; the answer comes once, with the milliseconds that it took.
    pub fn hear(&mut self, speech: Speech) -> Option<(Answerer, u32)> {
        self.now_ms = self.now_ms.saturating_add(HOP_MS);
        if self.decided {
            return None;
        }
        match speech {
            Speech::No => self.silence(),
            Speech::Yes => self.sound(),
            // Not more of a word, for a tone begins so, but no silence.
            Speech::Perhaps => self.silent_ms = 0,
        }
        let answerer = self.judge()?;
        self.decided = true;
        Some((answerer, self.now_ms))
    }

    /// A fax was heard.
    pub fn fax(&mut self) -> Option<(Answerer, u32)> {
        let news = !self.decided;
        self.decided = true;
        news.then_some((Answerer::Fax, self.now_ms))
    }

    fn sound(&mut self) {
        self.silent_ms = 0;
        self.word_ms += HOP_MS;
        if self.word_ms == self.limits.word_ms.next_multiple_of(HOP_MS) {
            self.words += 1;
            self.greeting_ms.get_or_insert(self.now_ms - self.word_ms);
        }
    }

    fn silence(&mut self) {
        self.silent_ms += HOP_MS;
        if self.silent_ms >= self.limits.between_words_ms {
            self.word_ms = 0;
        }
    }

    fn judge(&self) -> Option<Answerer> {
        let begun_ms = self.greeting_ms.unwrap_or(self.now_ms);
        let spoken_ms = self.now_ms - begun_ms - self.silent_ms.min(self.now_ms - begun_ms);
        if spoken_ms >= self.limits.greeting_ms || self.words > self.limits.words {
            Some(Answerer::Machine)
        } else if self.greeting_ms.is_some() && self.silent_ms >= self.limits.after_greeting_ms {
            Some(Answerer::Human)
        } else if self.now_ms >= self.limits.all_ms {
            Some(Answerer::Unknown)
        } else {
            None
        }
    }
}

/// The beep after which a machine records: one tone that does not move.
const BEEP_HZ: std::ops::RangeInclusive<f32> = 350.0..=3000.0;
const BEEP_MS: std::ops::RangeInclusive<u32> = 120..=3000;
/// How quiet it must be afterwards.
const QUIET_MS: u32 = 60;

/// Waits for a beep; tells it when it is over, so that what is said then is recorded.
#[derive(Clone, Debug, Default)]
pub struct BeepDetector {
    bursts: Bursts,
    last: Option<Burst>,
}

impl BeepDetector {
    /// Hears the next look.
    pub fn hear(&mut self, look: &Look) -> bool {
        match self.bursts.hear(look) {
            Heard::On(_) => self.last = None,
            Heard::Over(mut burst) => {
                burst.off_ms = 0;
                let beep =
                    burst.lone && BEEP_HZ.contains(&burst.frequency_hz) && BEEP_MS.contains(&burst.on_ms);
                self.last = beep.then_some(burst);
            }
            Heard::Nothing => {
                if let Some(burst) = &mut self.last {
                    burst.off_ms += HOP_MS;
                    // Speech goes on after a vowel that was as pure as a beep.
                    if look.energy > burst.quiet() {
                        self.last = None;
                    } else if burst.off_ms >= QUIET_MS {
                        self.last = None;
                        return true;
                    }
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
