//! The RTP stream of what a port says itself: numbers and times, one stream for the port's life.

use trunkline_rtp::Report;
use trunkline_rtp::packet::{HEADER, write_header};

/// Time between two packets, in nanoseconds.
pub const FRAME_NS: u64 = 20_000_000;
/// Between two packets that follow each other lies less than this: a late one is not a pause.
const PAUSE_NS: u64 = FRAME_NS * 3 / 2;

/// A packet of a key.
pub type KeyFrame = [u8; HEADER + 4];

/// Numbers and stamps packets.
#[derive(Clone, Debug)]
pub struct Voice {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    spoke_ns: Option<u64>,
    marked: bool,
}

impl Voice {
    /// `seed` gives the random start of SSRC, sequence number and timestamp (RFC 3550 §5.1).
    pub fn new(seed: u64) -> Self {
        Self {
            sequence: (seed >> 48) as u16,
            timestamp: (seed >> 16) as u32,
            ssrc: seed as u32,
            spoke_ns: None,
            marked: false,
        }
    }

    /// Marker, sequence number, timestamp and source of the next packet.
    pub fn next(&mut self) -> (bool, u16, u32, u32) {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        (std::mem::take(&mut self.marked), sequence, self.timestamp, self.ssrc)
    }

    /// The next packet is the first after a pause (RFC 3551 §4.1).
    pub fn mark(&mut self) {
        self.marked = true;
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

    /// A packet without sound, for 20 ms.
    pub fn bare(&mut self, now_ns: u64, clock_hz: u32, payload_type: u8) -> [u8; HEADER] {
        self.count_pause(now_ns, clock_hz);
        let mut header = [0; HEADER];
        write_header(&mut header, false, payload_type, self.sequence, self.timestamp, self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        self.pass(now_ns, clock_hz / 50);
        header
    }

    /// A packet's time was spoken for, in so many units of the RTP clock.
    pub fn pass(&mut self, now_ns: u64, units: u32) {
        self.timestamp = self.timestamp.wrapping_add(units);
        self.spoke_ns = Some(now_ns);
    }

    /// What lies between the packet before and now, if anything, is in the timestamp of the next one.
    pub fn count_pause(&mut self, now_ns: u64, clock_hz: u32) {
        let Some(spoke_ns) = self.spoke_ns else { return };
        let pause_us = now_ns.saturating_sub(spoke_ns).saturating_sub(FRAME_NS) / 1000;
        self.timestamp = self.timestamp.wrapping_add((pause_us * u64::from(clock_hz) / 1_000_000) as u32);
    }
}
