//! What a port counts: written by its worker, read by anybody at any time.

use std::sync::atomic::{AtomicU64, Ordering};

use trunkline_dsp::Codec;
use trunkline_rtp::quality::{Impairment, Path, impairment, mos};

use crate::formats::{Content, Format};

/// The figures of one port at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// RTP packets accepted from the peer.
    pub packets_in: u64,
    /// Their octets, RTP header included.
    pub bytes_in: u64,
    /// RTP packets sent to the peer.
    pub packets_out: u64,
    /// Their octets.
    pub bytes_out: u64,
    /// RTCP packets accepted.
    pub rtcp_in: u64,
    /// RTCP packets sent.
    pub rtcp_out: u64,
    /// RTP packets of the peer that never arrived.
    pub lost: u64,
    /// Interarrival jitter in milliseconds.
    pub jitter_ms: f64,
    /// Packets of sources other than the peer, dropped.
    pub foreign: u64,
    /// Datagrams that are no RTP or RTCP, dropped.
    pub invalid: u64,
    /// Packets that were not authentic, replayed, or came before there were keys, dropped.
    pub refused: u64,
    /// Seconds since the peer was heard; `None` if never.
    pub last_heard_s: Option<f64>,
    /// The synchronisation source heard last.
    pub ssrc: Option<u32>,
    /// The payload type heard last.
    pub payload_type: Option<u8>,
    /// Packets whose sound was invented.
    pub concealed: u64,
    /// Packets that came when their time was over.
    pub late: u64,
    /// Round trip in milliseconds, by the peer's reports.
    pub rtt_ms: Option<f64>,
    /// Packets that the peer missed, by its reports.
    pub remote_lost: Option<u32>,
    /// Jitter at the peer in milliseconds, by its reports.
    pub remote_jitter_ms: Option<f64>,
    /// How well the peer is heard, 1 to 4.5.
    pub mos: Option<f64>,
    /// How well the peer hears, by its reports.
    pub remote_mos: Option<f64>,
    /// Whether packets from the peer pass in the kernel now.
    pub kernel: bool,
    /// How many of them have passed there.
    pub kernel_packets: u64,
}

impl Statistics {
    /// Which share of the peer's packets was lost or came too late, 0 to 1.
    pub fn loss(&self) -> f64 {
        share(self.lost + self.late, self.packets_in.saturating_sub(self.late))
    }

    /// What the figures say about quality.
    fn judged(self, clock_hz: u32) -> Self {
        let codec = self.payload_type.map(|payload_type| impairment(payload_type, clock_hz));
        codec.map_or(self, |codec| self.judged_by(codec))
    }

    /// The same when it is known what a codec costs.
    pub fn judged_by(mut self, codec: Impairment) -> Self {
        let round_trip_ms = self.rtt_ms.unwrap_or_default();
        let score = |loss, jitter_ms| mos(Path { loss, jitter_ms, round_trip_ms }.r_factor(codec));
        self.mos = Some(score(self.loss(), self.jitter_ms));
        self.remote_mos = self.remote_lost.map(|lost| {
            let arrived = self.packets_out.saturating_sub(lost.into());
            score(share(lost.into(), arrived), self.remote_jitter_ms.unwrap_or_default())
        });
        self
    }
}

/// What a codec costs that was told of.
pub fn impairment_of(format: Format) -> Impairment {
    match format.content {
        Content::Sound(Codec::G722) => impairment(9, 8000),
        Content::Sound(Codec::Opus { .. }) => impairment(format.payload_type.max(96), 48_000),
        // Linear samples are concealed as those of G.711 are.
        _ => impairment(0, 8000),
    }
}

fn share(lost: u64, arrived: u64) -> f64 {
    if lost == 0 { 0.0 } else { lost as f64 / (lost + arrived) as f64 }
}

const HEARD_SOMETHING: u64 = 1 << 63;

/// The counters behind [`Statistics`].
///
/// A counter has one writer, except those of what was sent, which the worker of the other port writes.
/// The order is kept: what each packet from the peer writes lies together, so does what each packet to it does.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Counts {
    packets_in: AtomicU64,
    bytes_in: AtomicU64,
    heard_ns: AtomicU64,
    stream: AtomicU64,
    lost: AtomicU64,
    jitter: AtomicU64,
    packets_out: AtomicU64,
    bytes_out: AtomicU64,
    rtcp_in: AtomicU64,
    rtcp_out: AtomicU64,
    foreign: AtomicU64,
    invalid: AtomicU64,
    refused: AtomicU64,
    concealed: AtomicU64,
    late: AtomicU64,
    clock_hz: AtomicU64,
    /// What was measured, plus one.
    round_trip_us: AtomicU64,
    /// Packets lost and jitter in microseconds, and a flag above.
    remote: AtomicU64,
    /// Of `packets_in`, those that passed in the kernel.
    elsewhere: AtomicU64,
}

/// Adds without the bus lock that only several writers would need.
fn add_alone(cell: &AtomicU64, amount: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

impl Counts {
    /// An RTP packet of the peer arrived.
    pub fn received(&self, octets: usize, now_ns: u64, ssrc: u32, payload_type: u8) {
        let stream = HEARD_SOMETHING | u64::from(payload_type) << 32 | u64::from(ssrc);
        self.stream.store(stream, Ordering::Relaxed);
        // Behind it: who sees that a packet came shall see of which stream.
        self.received_opaque(octets, now_ns);
    }

    /// A datagram of the peer arrived that is no RTP, and is not meant to be.
    pub fn received_opaque(&self, octets: usize, now_ns: u64) {
        add_alone(&self.packets_in, 1);
        add_alone(&self.bytes_in, octets as u64);
        self.heard_ns.store(now_ns, Ordering::Relaxed);
    }

    /// So many RTP packets of the peer passed in the kernel, the last one at `heard_ns`.
    pub fn received_elsewhere(&self, packets: u64, octets: u64, heard_ns: u64) {
        add_alone(&self.packets_in, packets);
        add_alone(&self.elsewhere, packets);
        add_alone(&self.bytes_in, octets);
        self.heard_ns.store(heard_ns, Ordering::Relaxed);
    }

    /// So many RTP packets passed to the peer in the kernel.
    pub fn sent_elsewhere(&self, packets: u64, octets: u64) {
        self.packets_out.fetch_add(packets, Ordering::Relaxed);
        self.bytes_out.fetch_add(octets, Ordering::Relaxed);
    }

    /// What the stream's accounting says after that packet; jitter in units of a clock, and that clock in hertz.
    pub fn quality(&self, lost: u64, (jitter, clock_hz): (u32, u32)) {
        self.lost.store(lost, Ordering::Relaxed);
        // Who reads it divides: a division takes longer than all else here.
        self.jitter.store(u64::from(clock_hz) << 32 | u64::from(jitter), Ordering::Relaxed);
    }

    /// Something of what the next packet from the peer and the next one to it write, read so that it is in the cache.
    pub fn touch(&self) -> u64 {
        self.packets_in.load(Ordering::Relaxed) ^ self.packets_out.load(Ordering::Relaxed)
    }

    /// An RTCP packet of the peer arrived.
    pub fn received_rtcp(&self) {
        add_alone(&self.rtcp_in, 1);
    }

    /// The RTP clock of the peer's dynamic payload types.
    pub fn clock(&self, clock_hz: u32) {
        self.clock_hz.store(clock_hz.into(), Ordering::Relaxed);
    }

    /// The peer's report told the round trip.
    pub fn round_trip(&self, microseconds: u32) {
        self.round_trip_us.store(u64::from(microseconds) + 1, Ordering::Relaxed);
    }

    /// The peer's report told what it missed of what it was sent, 24 bits, and its jitter.
    pub fn remote(&self, lost: u32, jitter_us: u32) {
        let told = HEARD_SOMETHING | u64::from(lost) << 32 | u64::from(jitter_us);
        self.remote.store(told, Ordering::Relaxed);
    }

    /// The payload type heard last.
    pub fn payload_type(&self) -> Option<u8> {
        let stream = self.stream.load(Ordering::Relaxed);
        (stream & HEARD_SOMETHING != 0).then_some((stream >> 32) as u8 & 0x7f)
    }

    /// A packet of somebody else was dropped.
    pub fn foreign(&self) {
        add_alone(&self.foreign, 1);
    }

    /// A datagram that is no RTP or RTCP was dropped.
    pub fn invalid(&self) {
        add_alone(&self.invalid, 1);
    }

    /// A packet that the keys did not open was dropped.
    pub fn refused(&self) {
        add_alone(&self.refused, 1);
    }

    /// Sound was invented for so many packets, and so many came when their time was over.
    pub fn invented(&self, concealed: u32, late: u32) {
        if concealed > 0 {
            add_alone(&self.concealed, concealed.into());
        }
        if late > 0 {
            add_alone(&self.late, late.into());
        }
    }

    /// An RTP packet was sent to the peer.
    pub fn sent(&self, octets: usize) {
        self.packets_out.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(octets as u64, Ordering::Relaxed);
    }

    /// An RTCP packet was sent to the peer.
    pub fn sent_rtcp(&self) {
        self.rtcp_out.fetch_add(1, Ordering::Relaxed);
    }

    /// All counters back to nothing; the slot must be quiet.
    pub fn reset(&self) {
        for cell in [
            &self.packets_in,
            &self.bytes_in,
            &self.packets_out,
            &self.bytes_out,
            &self.rtcp_in,
            &self.rtcp_out,
            &self.lost,
            &self.jitter,
            &self.foreign,
            &self.invalid,
            &self.refused,
            &self.heard_ns,
            &self.stream,
            &self.concealed,
            &self.late,
            &self.clock_hz,
            &self.round_trip_us,
            &self.remote,
            &self.elsewhere,
        ] {
            cell.store(0, Ordering::Relaxed);
        }
    }

    /// The figures now.
    pub fn read(&self, now_ns: u64) -> Statistics {
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let stream = get(&self.stream);
        let heard = stream & HEARD_SOMETHING != 0;
        let remote = get(&self.remote);
        let reported = remote & HEARD_SOMETHING != 0;
        let jitter = get(&self.jitter);
        let (jitter, jitter_clock_hz) = (f64::from(jitter as u32), f64::from(((jitter >> 32) as u32).max(1)));
        Statistics {
            packets_in: get(&self.packets_in),
            bytes_in: get(&self.bytes_in),
            packets_out: get(&self.packets_out),
            bytes_out: get(&self.bytes_out),
            rtcp_in: get(&self.rtcp_in),
            rtcp_out: get(&self.rtcp_out),
            lost: get(&self.lost),
            jitter_ms: (jitter * 1e6 / jitter_clock_hz).floor() / 1e3,
            foreign: get(&self.foreign),
            invalid: get(&self.invalid),
            refused: get(&self.refused),
            last_heard_s: heard.then(|| now_ns.saturating_sub(get(&self.heard_ns)) as f64 / 1e9),
            ssrc: heard.then_some(stream as u32),
            payload_type: heard.then_some((stream >> 32) as u8 & 0x7f),
            concealed: get(&self.concealed),
            late: get(&self.late),
            rtt_ms: get(&self.round_trip_us).checked_sub(1).map(|microseconds| microseconds as f64 / 1e3),
            remote_lost: reported.then_some((remote >> 32) as u32 & 0xff_ffff),
            remote_jitter_ms: reported.then(|| f64::from(remote as u32) / 1e3),
            kernel_packets: get(&self.elsewhere),
            ..Statistics::default()
        }
        .judged(get(&self.clock_hz) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_is_judged_by_the_codec_and_not_by_its_number() {
        let lossy = Statistics { packets_in: 95, lost: 5, payload_type: Some(96), ..Statistics::default() };
        let score = |name, clock_hz| {
            let format = Format::read(96, name, clock_hz, 1, "").unwrap();
            lossy.judged_by(impairment_of(format)).mos.unwrap()
        };
        assert_eq!(score("L16", 48_000), score("PCMU", 8000));
        assert!(score("opus", 48_000) < score("L16", 48_000));
        assert!(score("G722", 8000) < score("opus", 48_000));
    }

    #[test]
    fn tells_what_was_counted_and_forgets_it_on_reset() {
        let counts = Counts::default();
        assert_eq!(counts.read(5), Statistics::default());
        counts.received(172, 1_000_000_000, 0xffff_ffff, 127);
        counts.quality(3, (12, 8000));
        counts.sent(100);
        let mut figures = counts.read(3_500_000_000);
        assert_eq!((figures.packets_in, figures.bytes_in, figures.lost), (1, 172, 3));
        assert_eq!((figures.packets_out, figures.bytes_out), (1, 100));
        assert_eq!((figures.ssrc, figures.payload_type), (Some(0xffff_ffff), Some(127)));
        assert_eq!((figures.last_heard_s, figures.jitter_ms), (Some(2.5), 1.5));
        counts.received_elsewhere(50, 8600, 4_000_000_000);
        figures = counts.read(4_000_000_000);
        assert_eq!((figures.packets_in, figures.kernel_packets), (51, 50));
        counts.reset();
        assert_eq!(counts.read(5), Statistics::default());
    }
}
