//! A tone as a stream of RTP packets.

use trunkline_dsp::Sine;
use trunkline_rtp::packet::{HEADER, write_header};

use crate::mailbox::Tone;

/// Time between two packets, in nanoseconds.
pub const FRAME_NS: u64 = 20_000_000;
/// Samples in a packet: 20 ms at 8000 Hz (RFC 3551 §4.5.14).
const SAMPLES: usize = 160;
const RATE_HZ: f64 = 8000.0;

/// A packet of a tone.
pub type Frame = [u8; HEADER + SAMPLES];

/// Makes a tone's packets one after the other.
#[derive(Clone, Debug)]
pub struct ToneSource {
    tone: Tone,
    sine: Sine,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    frames: u64,
}

impl ToneSource {
    /// `seed` gives the random start of SSRC, sequence number and timestamp (RFC 3550 §5.1).
    pub fn new(tone: Tone, seed: u64) -> Self {
        Self {
            tone,
            sine: Sine::new(tone.frequency_hz, tone.level_dbov, RATE_HZ),
            sequence: (seed >> 48) as u16,
            timestamp: (seed >> 16) as u32,
            ssrc: seed as u32,
            frames: 0,
        }
    }

    /// Writes the next packet; `false` when the tone is over.
    pub fn next(&mut self, frame: &mut Frame) -> bool {
        if self.tone.duration_ms.is_some_and(|duration| self.frames * FRAME_NS >= duration * 1_000_000) {
            return false;
        }
        let (header, payload) = frame.split_at_mut(HEADER);
        if let Ok(header) = header.try_into() {
            let payload_type = self.tone.law.payload_type();
            write_header(header, self.frames == 0, payload_type, self.sequence, self.timestamp, self.ssrc);
        }
        payload.iter_mut().for_each(|octet| *octet = self.tone.law.encode(self.sine.sample()));
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(SAMPLES as u32);
        self.frames += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_dsp::Law;
    use trunkline_rtp::RtpPacket;

    fn source(duration_ms: Option<u64>) -> ToneSource {
        let tone = Tone { frequency_hz: 1000.0, level_dbov: -10.0, law: Law::A, duration_ms };
        ToneSource::new(tone, 0xffff_ffff_ff70_0001)
    }

    #[test]
    fn packets_follow_each_other_and_the_first_is_marked() {
        let mut source = source(None);
        let mut frame: Frame = [0; 172];
        let headers: Vec<_> = (0..3)
            .map(|_| {
                assert!(source.next(&mut frame));
                let packet = RtpPacket::parse(&frame).unwrap();
                (packet.marker(), packet.sequence(), packet.timestamp(), packet.payload_type())
            })
            .collect();
        assert_eq!(headers, [(true, 65535, 0xffff_ff70, 8), (false, 0, 16, 8), (false, 1, 176, 8)]);
    }

    #[test]
    fn ends_after_its_duration() {
        let mut source = source(Some(50));
        let mut frame: Frame = [0; 172];
        assert_eq!((0..10).filter(|_| source.next(&mut frame)).count(), 3);
    }
}
