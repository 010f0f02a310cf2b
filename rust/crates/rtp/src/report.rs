//! RTCP reports read and written (RFC 3550 §6.4 to §6.6, RFC 3611 §4.7).

use crate::packet::Malformed;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const EXTENDED: u8 = 207;
/// The block of RFC 3611 §4.7.
const VOIP_METRICS: u8 = 7;
const BLOCK: usize = 24;
/// The longest canonical name that is written.
const LONGEST_NAME: usize = 32;
/// More than any [`write_report`] writes.
pub const LONGEST_REPORT: usize = 28 + BLOCK + 44 + 12 + LONGEST_NAME + 8;

/// What a receiver says about one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Lost in all, -2^23 to 2^23 - 1: doubled packets count against it.
    pub lost: i32,
    /// The highest sequence number, with its cycles above.
    pub highest: u32,
    /// Interarrival jitter, in units of the source's clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the source's last sender report; 0: none came.
    pub last_report: u32,
    /// Between that report's arrival and this one, in 1/65536 s.
    pub delay: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Self {
        let word = |at| word(bytes, at);
        Self {
            ssrc: word(0),
            fraction_lost: bytes[4],
            lost: (word(4) << 8) as i32 >> 8,
            highest: word(8),
            jitter: word(12),
            last_report: word(16),
            delay: word(20),
        }
    }

    fn words(&self) -> [u32; 6] {
        let lost = self.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        let second = u32::from(self.fraction_lost) << 24 | lost;
        [self.ssrc, second, self.highest, self.jitter, self.last_report, self.delay]
    }

    /// The time from here to the receiver and back (§6.4.1), in 1/65536 s: `sent` and `now` are when the sender report
    /// of this block left and when this block came, in the same unit of any clock. `None` if that cannot be.
    #[must_use]
    pub fn round_trip(&self, sent: u32, now: u32) -> Option<u32> {
        let trip = now.wrapping_sub(sent).wrapping_sub(self.delay);
        // Clocks drift, and DLSR is rounded: a trip that ends a little before it began is none.
        match trip as i32 {
            -256..=0 => Some(0),
            1.. => Some(trip),
            _ => None,
        }
    }
}

/// What a sender says about its stream (§6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Seconds since 1900, and their fraction in 1/2^32.
    pub ntp: u64,
    /// The same moment in the stream's own clock.
    pub timestamp: u32,
    /// Packets sent, modulo 2^32.
    pub packets: u32,
    /// Octets of their payloads, modulo 2^32.
    pub octets: u32,
}

impl SenderInfo {
    /// The middle 32 bits of the time, which a receiver gives back.
    #[must_use]
    pub fn middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What VoIP metrics say (RFC 3611 §4.7), as far as it is measured here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoipMetrics {
    /// The source that is heard.
    pub ssrc: u32,
    /// Lost since it was first heard, in 1/256.
    pub loss: u8,
    /// Come too late to be played, in 1/256.
    pub discarded: u8,
    /// How long it has been heard, in milliseconds.
    pub heard_ms: u16,
    /// Round trip in milliseconds; 0: not measured.
    pub round_trip_ms: u16,
    /// Delay within this end, in milliseconds.
    pub end_system_ms: u16,
    /// R factor, 0 to 100; 127: not known.
    pub r_factor: u8,
    /// MOS of listening quality times ten, 10 to 50; 127: not known.
    pub mos_listening: u8,
    /// MOS of conversational quality times ten, 10 to 50; 127: not known.
    pub mos_conversational: u8,
    /// Delay of the jitter buffer in milliseconds.
    pub buffer_ms: u16,
}

/// One packet of a compound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section<'a> {
    /// A sender report.
    Sender {
        /// Who reports.
        ssrc: u32,
        /// What it sends.
        info: SenderInfo,
        /// What it hears.
        blocks: Blocks<'a>,
    },
    /// A receiver report.
    Receiver {
        /// Who reports.
        ssrc: u32,
        /// What it hears.
        blocks: Blocks<'a>,
    },
    /// A source ends.
    Bye {
        /// Which; others that end with it are not told.
        ssrc: u32,
    },
    /// An extended report with VoIP metrics.
    Voip {
        /// Who reports.
        ssrc: u32,
        /// What it says.
        metrics: VoipMetrics,
    },
    /// Anything else.
    Other {
        /// Its packet type.
        kind: u8,
    },
}

/// The report blocks of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a> {
    bytes: &'a [u8],
}

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.bytes.split_at_checked(BLOCK)?;
        self.bytes = rest;
        Some(ReportBlock::parse(block))
    }
}

/// Takes a compound packet apart; what follows a malformed packet in it is not told.
pub fn sections(bytes: &[u8]) -> Sections<'_> {
    Sections { bytes }
}

/// See [`sections`].
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Section<'a>> {
        let &[first, kind, high, low, ..] = self.bytes else { return None };
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if first >> 6 != 2 || length > self.bytes.len() {
            self.bytes = &[];
            return None;
        }
        let (packet, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Some(section(packet, kind, usize::from(first & 0x1f)).unwrap_or(Section::Other { kind }))
    }
}

fn section(packet: &[u8], kind: u8, count: usize) -> Option<Section<'_>> {
    if packet.len() < 8 {
        return None;
    }
    let ssrc = word(packet, 4);
    let blocks = |at: usize| Some(Blocks { bytes: packet.get(at..at + count * BLOCK)? });
    match kind {
        SENDER_REPORT if packet.len() >= 28 => {
            let ntp = u64::from(word(packet, 8)) << 32 | u64::from(word(packet, 12));
            let (timestamp, packets, octets) = (word(packet, 16), word(packet, 20), word(packet, 24));
            let info = SenderInfo { ntp, timestamp, packets, octets };
            Some(Section::Sender { ssrc, info, blocks: blocks(28)? })
        }
        RECEIVER_REPORT => Some(Section::Receiver { ssrc, blocks: blocks(8)? }),
        BYE if count > 0 => Some(Section::Bye { ssrc }),
        EXTENDED => voip_metrics(&packet[8..]).map(|metrics| Section::Voip { ssrc, metrics }),
        _ => None,
    }
}

fn voip_metrics(mut blocks: &[u8]) -> Option<VoipMetrics> {
    while let &[kind, _, high, low, ..] = blocks {
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let block = blocks.get(..length)?;
        if kind == VOIP_METRICS && length >= 36 {
            let short = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
            return Some(VoipMetrics {
                ssrc: word(block, 4),
                loss: block[8],
                discarded: block[9],
                heard_ms: short(14),
                round_trip_ms: short(16),
                end_system_ms: short(18),
                r_factor: block[24],
                mos_listening: block[26],
                mos_conversational: block[27],
                buffer_ms: short(30),
            });
        }
        blocks = &blocks[length..];
    }
    None
}

/// What is reported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What it sends; a receiver report without.
    pub info: Option<SenderInfo>,
    /// What it hears.
    pub block: Option<ReportBlock>,
    /// How well.
    pub metrics: Option<VoipMetrics>,
    /// The canonical name (§6.5.1), at most 32 octets.
    pub name: &'a str,
    /// Whether the source ends.
    pub bye: bool,
}

/// Writes a compound packet: report, canonical name, and what else there is; returns its length.
///
/// # Errors
/// [`Malformed::TooShort`] when the room is less than [`LONGEST_REPORT`], or the name is too long.
pub fn write_report(out: &mut [u8], report: &Report<'_>) -> Result<usize, Malformed> {
    if out.len() < LONGEST_REPORT || report.name.len() > LONGEST_NAME {
        return Err(Malformed::TooShort);
    }
    let mut writer = Writer { out, at: 0 };
    let kind = if report.info.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    writer.section(kind, u8::from(report.block.is_some()), |writer| {
        writer.word(report.ssrc);
        if let Some(info) = report.info {
            [(info.ntp >> 32) as u32, info.ntp as u32, info.timestamp, info.packets, info.octets]
                .into_iter()
                .for_each(|word| writer.word(word));
        }
        report.block.iter().flat_map(ReportBlock::words).for_each(|word| writer.word(word));
    });
    writer.section(DESCRIPTION, 1, |writer| {
        writer.word(report.ssrc);
        writer.octets(&[1, report.name.len() as u8]);
        writer.octets(report.name.as_bytes());
        // At least one zero ends the items, and the chunk is whole words.
        let zeros = 4 - writer.at % 4;
        writer.octets(&[0; 4][..zeros]);
    });
    if let Some(metrics) = &report.metrics {
        writer.section(EXTENDED, 0, |writer| {
            writer.word(report.ssrc);
            write_metrics(writer, metrics);
        });
    }
    if report.bye {
        writer.section(BYE, 1, |writer| writer.word(report.ssrc));
    }
    Ok(writer.at)
}

/// Losses are not told apart into bursts and gaps: all lie in the gap, which is as long as the source was heard.
fn write_metrics(writer: &mut Writer<'_>, metrics: &VoipMetrics) {
    const UNKNOWN: u8 = 127;
    const GAP_MINIMUM: u8 = 16;
    let short = u16::to_be_bytes;
    writer.octets(&[VOIP_METRICS, 0, 0, 8]);
    writer.word(metrics.ssrc);
    writer.octets(&[metrics.loss, metrics.discarded, 0, metrics.loss, 0, 0]);
    writer.octets(&short(metrics.heard_ms));
    writer.octets(&short(metrics.round_trip_ms));
    writer.octets(&short(metrics.end_system_ms));
    writer.octets(&[UNKNOWN, UNKNOWN, UNKNOWN, GAP_MINIMUM]);
    writer.octets(&[metrics.r_factor, UNKNOWN, metrics.mos_listening, metrics.mos_conversational]);
    // Concealment as usual, an adaptive buffer.
    writer.octets(&[0b1111_0000, 0]);
    (0..3).for_each(|_| writer.octets(&short(metrics.buffer_ms)));
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn section(&mut self, kind: u8, count: u8, write: impl FnOnce(&mut Self)) {
        let start = self.at;
        self.octets(&[0x80 | count, kind, 0, 0]);
        write(self);
        let words = ((self.at - start) / 4 - 1) as u16;
        self.out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
    }

    fn word(&mut self, word: u32) {
        self.octets(&word.to_be_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.out[self.at..self.at + octets.len()].copy_from_slice(octets);
        self.at += octets.len();
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK_OF_7: ReportBlock = ReportBlock {
        ssrc: 7,
        fraction_lost: 64,
        lost: -3,
        highest: 0x1_fffe,
        jitter: 80,
        last_report: 0xb705_2000,
        delay: 0x0005_4000,
    };

    fn written(report: &Report<'_>) -> Vec<u8> {
        let mut out = [0xaa; LONGEST_REPORT];
        let length = write_report(&mut out, report).unwrap();
        out[..length].to_vec()
    }

    #[test]
    fn reads_what_it_wrote() {
        let info = SenderInfo { ntp: 0xb44d_b705_2000_0001, timestamp: 5, packets: 6, octets: 7 };
        let metrics =
            VoipMetrics { ssrc: 7, loss: 3, heard_ms: 9, r_factor: 93, buffer_ms: 40, ..Default::default() };
        for name in ["", "a", "ab", "abc", "abcd", &"x".repeat(32)] {
            let report = Report {
                ssrc: 9,
                info: Some(info),
                block: Some(BLOCK_OF_7),
                metrics: Some(metrics),
                name,
                bye: true,
            };
            let bytes = written(&report);
            assert_eq!(bytes.len() % 4, 0);
            let all: Vec<_> = sections(&bytes).collect();
            let Section::Sender { ssrc: 9, info: read, mut blocks } = all[0] else { panic!("{all:?}") };
            assert_eq!((read, blocks.next(), blocks.next()), (info, Some(BLOCK_OF_7), None));
            assert_eq!(all[1], Section::Other { kind: DESCRIPTION });
            assert_eq!(all[2..], [Section::Voip { ssrc: 9, metrics }, Section::Bye { ssrc: 9 }]);
        }
    }

    #[test]
    fn a_receiver_report_has_the_octets_of_the_standard() {
        let bytes = written(&Report { ssrc: 1, block: Some(BLOCK_OF_7), name: "abc", ..Default::default() });
        let block = [0, 0, 0, 7, 64, 0xff, 0xff, 0xfd, 0, 1, 0xff, 0xfe, 0, 0, 0, 80];
        assert_eq!(bytes[..8], [0x81, 201, 0, 7, 0, 0, 0, 1]);
        assert_eq!(bytes[8..24], block);
        assert_eq!(bytes[32..], [0x81, 202, 0, 3, 0, 0, 0, 1, 1, 3, b'a', b'b', b'c', 0, 0, 0]);
    }

    /// RFC 3550 §6.4.1, figure 2: A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 0x0005:4000, a trip of 6.125 s.
    #[test]
    fn the_round_trip_is_that_of_the_standard() {
        assert_eq!(BLOCK_OF_7.round_trip(0xb705_2000, 0xb710_8000), Some(0x0006_2000));
        assert_eq!(BLOCK_OF_7.round_trip(100, 100 + 0x0005_4000 - 9), Some(0));
        assert_eq!(BLOCK_OF_7.round_trip(100, 200), None);
    }

    #[test]
    fn nonsense_never_panics() {
        let report =
            Report { block: Some(BLOCK_OF_7), info: Some(SenderInfo::default()), ..Default::default() };
        let whole =
            written(&Report { metrics: Some(VoipMetrics::default()), bye: true, name: "name", ..report });
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for round in 0..if cfg!(miri) { 100 } else { 50_000 } {
            let mut bytes = whole.clone();
            for _ in 0..round % 6 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (random >> 33) as usize % bytes.len();
                bytes[at] = (random >> 20) as u8;
                bytes.truncate((random >> 45) as usize % (2 * bytes.len()) + 1);
            }
            sections(&bytes).for_each(|section| {
                if let Section::Sender { blocks, .. } | Section::Receiver { blocks, .. } = section {
                    blocks.for_each(drop);
                }
            });
            let _ = crate::RtcpPacket::parse(&bytes);
            let _ = crate::RtpPacket::parse(&bytes).map(|packet| packet.payload().map(<[u8]>::len));
        }
    }
}
