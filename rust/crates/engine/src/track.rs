//! One channel of a recording: packets in their codec become samples at the rate of the file.

use trunkline_dsp::codec::LONGEST;
use trunkline_dsp::{Codec, Decoder, Rates};

use crate::formats::Content;
use crate::rates::append;
use crate::tap::Parcel;

/// Decodes what is heard on a channel.
#[derive(Debug)]
pub struct Track {
    rate_hz: u32,
    decoder: Option<(u8, Decoder)>,
    rates: Option<Rates>,
    /// Source, clock and timestamp of the packet before, and its place in units of its clock.
    before: Option<(u32, u32, u32, i64)>,
    sound: Box<[i16; LONGEST]>,
    samples: Vec<i16>,
}

impl Track {
    /// A channel of a file of this rate.
    pub fn new(rate_hz: u32) -> Self {
        let (sound, samples) = (Box::new([0; LONGEST]), Vec::new());
        Self { rate_hz, decoder: None, rates: None, before: None, sound, samples }
    }

    /// The samples of a packet and its timestamp in samples of the file; `None` for what cannot be decoded.
    pub fn decode(&mut self, parcel: &Parcel) -> Option<(&[i16], u32)> {
        let format = parcel.format?;
        let Content::Sound(codec) = format.content else { return None };
        if parcel.payload.is_empty() || !self.listen(parcel.payload_type, codec) {
            return None;
        }
        let (_, decoder) = self.decoder.as_mut()?;
        let made = decoder.decode(&parcel.payload, &mut self.sound[..]).ok()?;
        self.samples.clear();
        match &mut self.rates {
            None => self.samples.extend_from_slice(&self.sound[..made]),
            Some(rates) => append(rates, &self.sound[..made], &mut self.samples),
        }
        let timestamp = self.place(parcel, codec.clock_hz());
        Some((&self.samples, timestamp))
    }

    fn listen(&mut self, payload_type: u8, codec: Codec) -> bool {
        let known = self.decoder.as_ref();
        if known.is_none_or(|(of, decoder)| *of != payload_type || decoder.codec() != codec) {
            self.decoder = Decoder::new(codec).ok().map(|decoder| (payload_type, decoder));
            let from_hz = codec.rate_hz();
            self.rates = Rates::new(from_hz, self.rate_hz).filter(|_| from_hz != self.rate_hz);
        }
        self.decoder.is_some()
    }

    /// Timestamps of one source go on over their wrap, whatever the ratio of the rates is.
    fn place(&mut self, parcel: &Parcel, clock_hz: u32) -> u32 {
        let same = self.before.filter(|&(ssrc, clock, ..)| (ssrc, clock) == (parcel.ssrc, clock_hz));
        let place = match same {
            Some((_, _, before, place)) => {
                place.saturating_add(i64::from(parcel.timestamp.wrapping_sub(before) as i32))
            }
            None => i64::from(parcel.timestamp),
        };
        self.before = Some((parcel.ssrc, clock_hz, parcel.timestamp, place));
        (i128::from(place) * i128::from(self.rate_hz) / i128::from(clock_hz)) as u32
    }
}
