//! ITU-T G.722 at 64 kbit/s.

/// Octets in, samples out.
#[derive(Clone, Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Two samples for each octet.
    pub fn decode(&mut self, _payload: &[u8], out: &mut [i16]) {
        out.fill(0);
    }
}

/// Samples in, octets out.
#[derive(Clone, Debug, Default)]
pub struct Encoder {}

impl Encoder {
    /// One octet for each two samples.
    pub fn encode(&mut self, _samples: &[i16], out: &mut [u8]) {
        out.fill(0);
    }
}
