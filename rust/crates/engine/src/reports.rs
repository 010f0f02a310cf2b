//! RTCP reports: those of the peer are read wherever they pass, and a port whose streams end here sends its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use trunkline_rtp::RtpPacket;
use trunkline_rtp::quality::{Path, impairment, mos};
use trunkline_rtp::report::{
    LONGEST_REPORT, Report, ReportBlock, Section, SenderInfo, VoipMetrics, sections, write_report,
};

use crate::mailbox::Task;
use crate::port::{Context, Job, Port};
use crate::relay::send_rtcp;
use crate::statistics::impairment_of;

/// Reports are this far apart, times 0.5 to 1.5, divided by e - 1.5 (RFC 3550 §6.2, §6.3.1).
const INTERVAL_NS: u64 = 5_000_000_000;
/// Seconds from 1900 to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;
/// Sender reports whose departure is remembered.
const REMEMBERED: usize = 4;

/// What was sent to the peer of a slot, as far as reports need it; whoever sends there writes it.
#[derive(Debug, Default)]
pub struct Sent {
    /// Source and timestamp of the last packet.
    stream: AtomicU64,
    /// Its payload type, and how many came before it of this source.
    packets: AtomicU64,
    octets: AtomicU64,
    at_ns: AtomicU64,
    /// The middle of the NTP time of sender reports, and when they left.
    reports: [AtomicU64; REMEMBERED],
    next: AtomicU64,
}

impl Sent {
    /// A packet of a stream that begins here was sent.
    pub fn note(&self, bytes: &[u8], now_ns: u64) {
        let Ok(packet) = RtpPacket::parse(bytes) else { return };
        let before = self.stream.load(Ordering::Relaxed);
        let stream = u64::from(packet.ssrc()) << 32 | u64::from(packet.timestamp());
        let goes_on = before >> 32 == stream >> 32 && self.at_ns.load(Ordering::Relaxed) != 0;
        let count = |cell: &AtomicU64| if goes_on { cell.load(Ordering::Relaxed) } else { 0 };
        let packets = u64::from(count(&self.packets) as u32) + 1;
        let kind = u64::from(packet.payload_type()) << 32;
        let octets = count(&self.octets) + packet.payload().map_or(0, <[u8]>::len) as u64;
        self.packets.store(kind | u64::from(packets as u32), Ordering::Relaxed);
        self.octets.store(octets, Ordering::Relaxed);
        self.stream.store(stream, Ordering::Relaxed);
        self.at_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    /// When the last packet was sent; 0: none was.
    pub fn at_ns(&self) -> u64 {
        self.at_ns.load(Ordering::Relaxed)
    }

    /// An RTCP datagram was sent: if it begins with a sender report, its answer tells the round trip.
    pub fn note_report(&self, bytes: &[u8], now_ns: u64) {
        let (Some(&200), Some(middle)) = (bytes.get(1), bytes.get(10..14)) else { return };
        let Ok(middle) = middle.try_into().map(u32::from_be_bytes) else { return };
        let place = self.next.fetch_add(1, Ordering::Relaxed) as usize % REMEMBERED;
        let entry = u64::from(middle) << 32 | u64::from(ticks(now_ns));
        self.reports[place].store(entry, Ordering::Relaxed);
    }

    /// When the sender report with this time left, in 1/65536 s.
    fn report_left(&self, middle: u32) -> Option<u32> {
        let entries = self.reports.iter().map(|entry| entry.load(Ordering::Relaxed));
        let entry = entries.filter(|&entry| entry != 0).find(|entry| (entry >> 32) as u32 == middle)?;
        (middle != 0).then_some(entry as u32)
    }

    /// Forgets everything; the slot must be quiet.
    pub fn reset(&self) {
        for cell in [&self.stream, &self.packets, &self.octets, &self.at_ns, &self.next] {
            cell.store(0, Ordering::Relaxed);
        }
        self.reports.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
    }
}

/// A steady time in the unit of DLSR, 1/65536 s; it wraps.
fn ticks(now_ns: u64) -> u32 {
    (u128::from(now_ns) * 65_536 / 1_000_000_000) as u32
}

/// What a port knows for its reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reports {
    /// The last sender report of the peer: source, middle of its time, and when it came.
    heard: Option<(u32, u32, u32)>,
    /// When its own next report is due; none while it sends none.
    due_ns: Option<u64>,
    /// Packets heard and sent when the last report was made.
    before: (u64, u32),
    began_ns: u64,
    random: u64,
    /// As which source reports were sent, until it ended.
    ssrc: Option<u32>,
}

impl Reports {
    /// RFC 3550 §6.3.1; the first comes after half the time (§6.2).
    fn schedule(&mut self, now_ns: u64, seed: u64) {
        let first = self.due_ns.is_none();
        self.random = (self.random ^ seed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
        let share = (self.random >> 33) as f64 / f64::from(1u32 << 31) + 0.5;
        let base = INTERVAL_NS as f64 / if first { 2.0 } else { 1.0 };
        self.due_ns = Some(now_ns + (base * share / (std::f64::consts::E - 1.5)) as u64);
    }
}

impl Port {
    /// Whether streams begin and end here, so that the peer's reports go no further and this port sends its own.
    pub fn is_reporting(&self) -> bool {
        let ends_here = !matches!(self.job, Job::Plain(Task::Idle | Task::Relay(_)));
        ends_here && self.remote.is_some_and(|remote| remote.rtp.is_some() && !remote.opaque)
    }

    /// Reads reports of the peer about what it hears, and when it sent.
    pub fn read_reports(&mut self, context: &Context<'_>, bytes: &[u8]) {
        for section in sections(bytes) {
            let mut blocks = match section {
                Section::Sender { ssrc, info, blocks } => {
                    self.reports.heard = Some((ssrc, info.middle(), ticks(context.now_ns)));
                    blocks
                }
                Section::Receiver { blocks, .. } => blocks,
                _ => continue,
            };
            if let Some(block) = blocks.next() {
                self.read_block(context, &block);
            }
        }
    }

    fn read_block(&self, context: &Context<'_>, block: &ReportBlock) {
        let slot = self.slot(context);
        let clock_hz = slot.counts.payload_type().map_or(8000, |kind| self.clock_hz(kind)).max(1);
        let jitter_us = u64::from(block.jitter) * 1_000_000 / u64::from(clock_hz);
        slot.counts.remote(block.lost.max(0) as u32, jitter_us as u32);
        let trip = slot.sent.report_left(block.last_report);
        if let Some(trip) = trip.and_then(|left| block.round_trip(left, ticks(context.now_ns))) {
            slot.counts.round_trip((u64::from(trip) * 1_000_000 / 65_536) as u32);
        }
    }

    /// Sends a report when it is due.
    pub fn report(&mut self, context: &Context<'_>) {
        if !self.is_reporting() {
            if self.reports.due_ns.is_some() {
                self.say_bye(context);
            }
            return;
        }
        match self.reports.due_ns {
            None => {
                self.reports.began_ns = context.now_ns;
                self.reports.schedule(context.now_ns, self.seed);
            }
            Some(due_ns) if context.now_ns >= due_ns => {
                self.send_report(context, false);
                self.reports.schedule(context.now_ns, self.seed);
            }
            Some(_) => {}
        }
    }

    /// The streams that ended here end (RFC 3550 §6.3.7: who never reported says nothing).
    pub fn say_bye(&mut self, context: &Context<'_>) {
        if self.reports.ssrc.is_some() {
            self.send_report(context, true);
        }
        (self.reports.due_ns, self.reports.ssrc) = (None, None);
    }

    fn send_report(&mut self, context: &Context<'_>, bye: bool) {
        let slot = self.slot(context);
        let (heard_before, sent_before) = self.reports.before;
        let packets = slot.sent.packets.load(Ordering::Relaxed);
        let heard = slot.counts.read(context.now_ns);
        let sends = packets as u32 != sent_before;
        let block = if heard.packets_in == heard_before { None } else { self.report_block(context) };
        self.reports.before = (heard.packets_in, packets as u32);
        let of_stream = (slot.sent.stream.load(Ordering::Relaxed) >> 32) as u32;
        let ssrc = if packets == 0 { self.seed as u32 } else { of_stream };
        let name = format!("{:016x}", self.seed.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15);
        let report = Report {
            ssrc: if bye { self.reports.ssrc.unwrap_or(ssrc) } else { ssrc },
            info: sends.then(|| self.sender_info(context)),
            metrics: block.map(|block| self.metrics(context, &block)),
            block,
            name: &name,
            bye,
        };
        let mut buffer = [0; LONGEST_REPORT];
        if let Ok(length) = write_report(&mut buffer, &report) {
            self.reports.ssrc = Some(report.ssrc);
            send_rtcp(context, slot, &self.egress(), &buffer[..length]);
        }
    }

    fn report_block(&mut self, context: &Context<'_>) -> Option<ReportBlock> {
        let mut block = self.reception.report()?;
        if let Some((ssrc, middle, at)) = self.reports.heard
            && ssrc == block.ssrc
        {
            (block.last_report, block.delay) = (middle, ticks(context.now_ns).wrapping_sub(at));
        }
        Some(block)
    }

    fn sender_info(&self, context: &Context<'_>) -> SenderInfo {
        let sent = &self.slot(context).sent;
        let packets = sent.packets.load(Ordering::Relaxed);
        let clock_hz = u64::from(self.clock_hz((packets >> 32) as u8));
        let passed_us = context.now_ns.saturating_sub(sent.at_ns()) / 1000;
        let passed = (passed_us * clock_hz / 1_000_000) as u32;
        // A clock before 1970 is as good as any: the receiver only gives it back.
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        SenderInfo {
            ntp: (time.as_secs() + NTP_EPOCH) << 32 | fraction,
            timestamp: (sent.stream.load(Ordering::Relaxed) as u32).wrapping_add(passed),
            packets: packets as u32,
            octets: sent.octets.load(Ordering::Relaxed) as u32,
        }
    }

    fn metrics(&self, context: &Context<'_>, block: &ReportBlock) -> VoipMetrics {
        let figures = self.slot(context).counts.read(context.now_ns);
        let payload_type = figures.payload_type.unwrap_or_default();
        let told = self.formats.as_ref().and_then(|formats| formats.heard(payload_type));
        let codec = told.map_or_else(|| impairment(payload_type, self.clock_hz(payload_type)), impairment_of);
        let path = Path {
            loss: figures.loss(),
            jitter_ms: figures.jitter_ms,
            round_trip_ms: figures.rtt_ms.unwrap_or_default(),
        };
        let heard_ms = context.now_ns.saturating_sub(self.reports.began_ns) / 1_000_000;
        VoipMetrics {
            ssrc: block.ssrc,
            loss: (path.loss * 256.0).min(255.0) as u8,
            heard_ms: heard_ms.min(u16::MAX.into()) as u16,
            round_trip_ms: path.round_trip_ms.round() as u16,
            end_system_ms: (2.0 * path.jitter_ms).clamp(20.0, 200.0) as u16,
            r_factor: path.r_factor(codec).round() as u8,
            mos_listening: (mos(path.listening(codec)) * 10.0).round() as u8,
            mos_conversational: (mos(path.r_factor(codec)) * 10.0).round() as u8,
            buffer_ms: (2.0 * path.jitter_ms).clamp(20.0, 200.0) as u16,
            ..VoipMetrics::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_counted_for_each_source() {
        let sent = Sent::default();
        let mut packet = [0u8; 32];
        (packet[0], packet[1], packet[11]) = (0x80, 8, 5);
        sent.note(&packet, 10);
        sent.note(&packet, 20);
        assert_eq!(sent.packets.load(Ordering::Relaxed), 8 << 32 | 2);
        assert_eq!((sent.octets.load(Ordering::Relaxed), sent.at_ns()), (40, 20));
        packet[11] = 6;
        sent.note(&packet, 30);
        assert_eq!(sent.packets.load(Ordering::Relaxed), 8 << 32 | 1);
        sent.reset();
        assert_eq!(sent.at_ns(), 0);
    }

    #[test]
    fn the_departure_of_the_last_sender_reports_is_known() {
        let sent = Sent::default();
        for n in 1..=6u8 {
            let mut report = [0u8; 28];
            (report[0], report[1], report[13]) = (0x80, 200, n);
            sent.note_report(&report, u64::from(n) * 1_000_000_000);
        }
        let known: Vec<_> = (0..8).filter_map(|middle| sent.report_left(middle)).collect();
        assert_eq!(known, [3 << 16, 4 << 16, 5 << 16, 6 << 16]);
    }

    #[test]
    fn reports_are_two_to_six_seconds_apart_and_the_first_comes_earlier() {
        let mut reports = Reports::default();
        let mut seen = Vec::new();
        reports.schedule(0, 77);
        assert!((1_000_000_000..3_100_000_000).contains(&reports.due_ns.unwrap()));
        for _ in 0..100 {
            reports.schedule(0, 77);
            seen.push(reports.due_ns.unwrap());
        }
        assert!(seen.iter().all(|due| (2_000_000_000..6_200_000_000).contains(due)));
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 90);
    }
}
