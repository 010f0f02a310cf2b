//! What a port's peer sends and takes, as descriptions said it.

use std::sync::Arc;

use trunkline_dsp::{Codec, Law};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mailbox::Order;

/// Payload types of one peer: more than any description has that is of use.
const MOST_FORMATS: usize = 64;
/// Rates at which linear samples are spoken.
const RATES_HZ: [u32; 4] = [8000, 16_000, 24_000, 48_000];
/// Bit rates that Opus knows (RFC 7587 §6.1).
const OPUS_BIT_RATES: std::ops::RangeInclusive<u32> = 6000..=510_000;
/// The rates that its bandwidths are for (RFC 6716 §2).
const OPUS_RATES_HZ: [u32; 5] = [8000, 12_000, 16_000, 24_000, OPUS_FULL_HZ];
const OPUS_FULL_HZ: u32 = 48_000;

/// What packets of a payload type carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Sound in this codec.
    Sound(Codec),
    /// Comfort noise (RFC 3389).
    Noise,
    /// Telephone events (RFC 4733).
    Keys,
}

/// A payload type and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// 0 to 127.
    pub payload_type: u8,
    /// What it carries.
    pub content: Content,
    /// Its RTP clock.
    pub clock_hz: u32,
}

/// The codec in which a peer is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech {
    /// 0 to 127.
    pub payload_type: u8,
    /// The codec.
    pub codec: Codec,
    /// The length of a packet, in milliseconds.
    pub ptime_ms: u32,
}

/// Everything that is agreed about formats with the peer of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// What the peer may send.
    pub receive: Vec<Format>,
    /// How it is spoken to; `None`: it takes nothing that we can speak.
    pub send: Option<Speech>,
    /// How it takes telephone events; `None`: it takes none.
    pub send_keys: Option<Format>,
}

impl Format {
    /// A format by its encoding name, clock, channels and parameters, as in `a=rtpmap` and `a=fmtp`.
    ///
    /// # Errors
    /// [`EngineError::Codec`] for a codec that is not there; [`EngineError::Argument`] for a number out of range.
    pub fn read(
        payload_type: u8,
        name: &str,
        clock_hz: u32,
        channels: u8,
        parameters: &str,
    ) -> Result<Self, EngineError> {
        if payload_type > 127 {
            return Err(EngineError::Argument(format!("a payload type is 0 to 127, got {payload_type}")));
        }
        let wrong = || {
            EngineError::Codec(format!(
                "{name}/{clock_hz}/{channels} is no codec of this engine: it knows PCMU, PCMA and G722 at 8000, \
                 opus at 48000, L16 at 8000, 16000, 24000 or 48000, CN and telephone-event"
            ))
        };
        let content = match (name.to_ascii_lowercase().as_str(), clock_hz, channels) {
            ("pcmu", 8000, 0..=1) => Content::Sound(Codec::G711(Law::Mu)),
            ("pcma", 8000, 0..=1) => Content::Sound(Codec::G711(Law::A)),
            ("g722", 8000, 0..=1) => Content::Sound(Codec::G722),
            ("opus", 48_000, _) => Content::Sound(opus(parameters)),
            ("l16", rate_hz, 0..=2) if RATES_HZ.contains(&rate_hz) => {
                Content::Sound(Codec::L16 { rate_hz, channels: channels.max(1) })
            }
            ("cn", 8000..=48_000, _) => Content::Noise,
            ("telephone-event", 8000..=192_000, _) => Content::Keys,
            _ => return Err(wrong()),
        };
        Ok(Self { payload_type, content, clock_hz })
    }
}

/// Opus is spoken with one channel always: what is mono gains nothing by a second one.
fn opus(parameters: &str) -> Codec {
    let value = |name: &str| {
        parameters.split(';').find_map(|one| one.split_once('=').filter(|(key, _)| key.trim() == name))
    };
    let number = |name| value(name).and_then(|(_, text)| text.trim().parse::<u32>().ok());
    let bit_rate = number("maxaveragebitrate").filter(|rate| OPUS_BIT_RATES.contains(rate)).unwrap_or(0);
    let plays = number("maxplaybackrate").unwrap_or(0);
    let most_hz = OPUS_RATES_HZ.into_iter().rev().find(|&rate_hz| rate_hz <= plays).unwrap_or(0);
    let most_hz = if most_hz == OPUS_FULL_HZ { 0 } else { most_hz };
    Codec::Opus { stereo: false, fec: number("useinbandfec") == Some(1), bit_rate, most_hz }
}

impl Formats {
    /// Puts together what was read.
    ///
    /// # Errors
    /// [`EngineError::Codec`] for a codec where none can be; [`EngineError::Argument`] for too many formats or a
    /// packet length that is not spoken.
    pub fn new(
        receive: Vec<Format>,
        send: Option<Format>,
        send_keys: Option<Format>,
        ptime_ms: u32,
    ) -> Result<Self, EngineError> {
        if receive.len() > MOST_FORMATS {
            return Err(EngineError::Argument(format!("a port takes {MOST_FORMATS} formats at most")));
        }
        if ![10, 20, 30, 40, 60].contains(&ptime_ms) {
            let text = format!("a packet is 10, 20, 30, 40 or 60 ms long, got {ptime_ms}");
            return Err(EngineError::Argument(text));
        }
        let speech = |format: Format| match format.content {
            Content::Sound(codec) => {
                // RFC 6716 §2.1.4: Opus has no frame of 30 ms.
                let opus = matches!(codec, Codec::Opus { .. });
                let ptime_ms = if opus && ptime_ms == 30 { 20 } else { ptime_ms };
                Ok(Speech { payload_type: format.payload_type, codec, ptime_ms })
            }
            _ => Err(EngineError::Codec("what is sent must be a codec of sound".into())),
        };
        if send_keys.is_some_and(|format| format.content != Content::Keys) {
            return Err(EngineError::Codec("keys are sent as telephone-event".into()));
        }
        Ok(Self { receive, send: send.map(speech).transpose()?, send_keys })
    }

    /// What a payload type of the peer means.
    pub fn heard(&self, payload_type: u8) -> Option<Format> {
        self.receive.iter().copied().find(|format| format.payload_type == payload_type)
    }

    /// How comfort noise is sent to the peer: as it sends it.
    pub fn noise(&self) -> Option<Format> {
        self.receive.iter().copied().find(|format| format.content == Content::Noise)
    }

    /// The rate of the widest sound that passes, either way.
    pub fn widest_hz(&self) -> u32 {
        let heard = self.receive.iter().filter_map(|format| match format.content {
            Content::Sound(codec) => Some(codec.rate_hz()),
            _ => None,
        });
        let first = heard.take(1);
        first.chain(self.send.map(|speech| speech.codec.rate_hz())).max().unwrap_or(8000)
    }
}

/// What a payload type carries that is fixed (RFC 3551 §6), where no description was told: many send comfort noise
/// without having offered it.
pub fn fixed(payload_type: u8) -> Option<Format> {
    let content = match payload_type {
        9 => Content::Sound(Codec::G722),
        13 => Content::Noise,
        other => Content::Sound(Codec::G711(Law::of_payload_type(other)?)),
    };
    Some(Format { payload_type, content, clock_hz: 8000 })
}

impl Engine {
    /// Tells what the peer of a port sends and takes.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn set_formats(&self, id: &str, formats: Formats) -> Result<(), EngineError> {
        let mut control = self.control();
        let slot = control.find(id)?.slot;
        let formats = Arc::new(formats);
        control.set_formats(slot, &formats);
        if let Some(other) = control.linked_with(slot) {
            self.order(other, Order::Counterpart(Arc::clone(&formats)));
            self.wake_across(&control, other);
        }
        self.order(slot, Order::SetFormats(formats));
        self.wake_across(&control, slot);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, clock_hz: u32, parameters: &str) -> Result<Content, EngineError> {
        Format::read(100, name, clock_hz, 1, parameters).map(|format| format.content)
    }

    #[test]
    fn names_are_read_whatever_their_case() {
        assert_eq!(read("pcmu", 8000, "").unwrap(), Content::Sound(Codec::G711(Law::Mu)));
        assert_eq!(read("G722", 8000, "").unwrap(), Content::Sound(Codec::G722));
        assert_eq!(read("Telephone-Event", 48_000, "0-16").unwrap(), Content::Keys);
        assert_eq!(read("CN", 8000, "").unwrap(), Content::Noise);
        let wide = Codec::L16 { rate_hz: 16_000, channels: 1 };
        assert_eq!(read("L16", 16_000, "").unwrap(), Content::Sound(wide));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (name, clock_hz) in [("G729", 8000), ("PCMU", 16_000), ("opus", 8000), ("L16", 44_100)] {
            assert!(matches!(read(name, clock_hz, ""), Err(EngineError::Codec(_))), "{name}");
        }
        assert!(matches!(Format::read(128, "PCMU", 8000, 1, ""), Err(EngineError::Argument(_))));
    }

    #[test]
    fn the_parameters_of_opus_are_heeded() {
        let codec =
            |fec, bit_rate, most_hz| Content::Sound(Codec::Opus { stereo: false, fec, bit_rate, most_hz });
        assert_eq!(read("opus", 48_000, "").unwrap(), codec(false, 0, 0));
        let told = "minptime=10; useinbandfec=1;maxaveragebitrate=24000;stereo=1";
        assert_eq!(read("opus", 48_000, told).unwrap(), codec(true, 24_000, 0));
        assert_eq!(
            read("opus", 48_000, "maxaveragebitrate=1;useinbandfec=x;;=").unwrap(),
            codec(false, 0, 0)
        );
        let rates =
            [(7999, 0), (8000, 8000), (15_999, 12_000), (16_000, 16_000), (44_100, 24_000), (48_000, 0)];
        for (told, most_hz) in rates {
            let told = format!("maxplaybackrate={told}; sprop-maxcapturerate=8000");
            assert_eq!(read("opus", 48_000, &told).unwrap(), codec(false, 0, most_hz));
        }
    }
}
