//! The RTP stream of what a port says itself: tones and files, one stream for the port's life.

use trunkline_dsp::Law;
use trunkline_rtp::Report;
use trunkline_rtp::packet::{HEADER, write_header};

/// Time between two packets, in nanoseconds.
pub const FRAME_NS: u64 = 20_000_000;
/// Samples in a packet: 20 ms at 8000 Hz (RFC 3551 §4.5.14).
pub const SAMPLES: usize = 160;
/// Samples a second.
const RATE_HZ: u32 = 8000;
/// Between two packets that follow each other lies less than this: a late one is not a pause.
const PAUSE_NS: u64 = FRAME_NS * 3 / 2;

/// What a packet says, in linear samples.
pub type Sound = [i16; SAMPLES];
/// A packet.
pub type Frame = [u8; HEADER + SAMPLES];

/// A packet of a key.
pub type KeyFrame = [u8; HEADER + 4];

/// Numbers and stamps packets.
#[derive(Clone, Debug)]
pub struct Voice {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    spoke_ns: Option<u64>,
}

impl Voice {
    /// `seed` gives the random start of SSRC, sequence number and timestamp (RFC 3550 §5.1).
    pub fn new(seed: u64) -> Self {
        Self {
            sequence: (seed >> 48) as u16,
            timestamp: (seed >> 16) as u32,
            ssrc: seed as u32,
            spoke_ns: None,
        }
    }

    /// Writes the next packet. The first after a pause is marked (RFC 3551 §4.1), and the pause is in its timestamp.
    pub fn say(&mut self, now_ns: u64, first: bool, law: Law, sound: &Sound, frame: &mut Frame) {
        if first {
            self.count_pause(now_ns, RATE_HZ);
        }
        let (header, payload) = frame.split_at_mut(HEADER);
        if let Ok(header) = header.try_into() {
            write_header(header, first, law.payload_type(), self.sequence, self.timestamp, self.ssrc);
        }
        payload.iter_mut().zip(sound).for_each(|(octet, &sample)| *octet = law.encode(sample));
        self.sequence = self.sequence.wrapping_add(1);
        self.pass(now_ns, SAMPLES as u32);
    }

    /// A key goes down: the timestamp of all its packets (RFC 4733 §2.5.1.2).
    pub fn press(&mut self, now_ns: u64, clock_hz: u32) -> u32 {
        if self.spoke_ns.is_some_and(|spoke_ns| now_ns.saturating_sub(spoke_ns) > PAUSE_NS) {
            self.count_pause(now_ns, clock_hz);
        }
        self.timestamp
    }

    /// The next packet of a key.
    pub fn key(&mut self, payload_type: u8, pressed_at: u32, report: &Report) -> KeyFrame {
        let mut frame: KeyFrame = [0; size_of::<KeyFrame>()];
        let (header, payload) = frame.split_at_mut(HEADER);
        if let Ok(header) = header.try_into() {
            let timestamp = pressed_at.wrapping_add(report.offset);
            write_header(header, report.marker, payload_type, self.sequence, timestamp, self.ssrc);
        }
        payload.copy_from_slice(&report.payload);
        self.sequence = self.sequence.wrapping_add(1);
        frame
    }

    /// A packet's time was spoken for, in so many units of the RTP clock.
    pub fn pass(&mut self, now_ns: u64, units: u32) {
        self.timestamp = self.timestamp.wrapping_add(units);
        self.spoke_ns = Some(now_ns);
    }

    fn count_pause(&mut self, now_ns: u64, clock_hz: u32) {
        let Some(spoke_ns) = self.spoke_ns else { return };
        let pause_us = now_ns.saturating_sub(spoke_ns).saturating_sub(FRAME_NS) / 1000;
        self.timestamp = self.timestamp.wrapping_add((pause_us * u64::from(clock_hz) / 1_000_000) as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_rtp::RtpPacket;

    fn said(voice: &mut Voice, now_ns: u64, first: bool) -> (bool, u16, u32, u8) {
        let mut frame: Frame = [0; 172];
        voice.say(now_ns, first, Law::A, &[0; SAMPLES], &mut frame);
        let packet = RtpPacket::parse(&frame).unwrap();
        (packet.marker(), packet.sequence(), packet.timestamp(), packet.payload_type())
    }

    #[test]
    fn packets_follow_each_other_and_the_first_is_marked() {
        let mut voice = Voice::new(0xffff_ffff_ff70_0001);
        let headers = [said(&mut voice, 5, true), said(&mut voice, 6, false), said(&mut voice, 7, false)];
        assert_eq!(headers, [(true, 65535, 0xffff_ff70, 8), (false, 0, 16, 8), (false, 1, 176, 8)]);
    }

    #[test]
    fn a_pause_is_in_the_timestamp_and_not_in_the_numbers() {
        let mut voice = Voice::new(0);
        said(&mut voice, 0, true);
        assert_eq!(said(&mut voice, 1_000_000_000, true), (true, 1, 8000, 8));
        assert_eq!(said(&mut voice, 1_020_000_000, true), (true, 2, 8160, 8));
    }
}
