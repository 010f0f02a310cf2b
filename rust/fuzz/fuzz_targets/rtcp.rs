//! Compound RTCP as it comes, and reports of ours, whole and spoilt.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_fuzz::{Script, spoil};
use trunkline_rtp::report::{
    LONGEST_REPORT, Report, ReportBlock, Section, SenderInfo, VoipMetrics, sections, write_report,
};
use trunkline_rtp::{RtcpPacket, is_rtcp};

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    while let Some(what) = script.octet() {
        if what & 1 == 0 {
            let Some(datagram) = script.datagram() else { return };
            read(datagram);
        } else {
            let Some(mut bytes) = written(what, &mut script) else { return };
            for _ in 0..what >> 6 {
                if spoil(&mut script, &mut bytes).is_none() {
                    return;
                }
                read(&bytes);
            }
        }
    }
});

fn read(datagram: &[u8]) {
    let whole = RtcpPacket::parse(datagram);
    if let Ok(packet) = whole {
        assert!(is_rtcp(datagram) && (192..=223).contains(&packet.kind()));
        assert!(sections(datagram).next().is_some());
        let _ = packet.sender();
    }
    let mut found = 0;
    for section in sections(datagram) {
        found += 1;
        let blocks = match section {
            Section::Sender { info, blocks, .. } => {
                let _ = info.middle();
                blocks
            }
            Section::Receiver { blocks, .. } => blocks,
            _ => continue,
        };
        assert!(blocks.count() <= 31);
        for block in blocks {
            assert!((-0x80_0000..=0x7f_ffff).contains(&block.lost));
            assert!(block.round_trip(block.last_report, block.highest).is_none_or(|trip| trip < 1 << 31));
        }
    }
    assert!(found <= datagram.len() / 4);
}

/// A report that the script describes; what it says is read again.
fn written(what: u8, script: &mut Script<'_>) -> Option<Vec<u8>> {
    let ssrc = script.word()?;
    let info = SenderInfo { ntp: script.word()?.into(), timestamp: 1, packets: script.word()?, octets: 2 };
    let lost = script.word()? as i32;
    let block =
        ReportBlock { ssrc: 7, fraction_lost: what, lost, highest: script.word()?, ..Default::default() };
    let metrics = VoipMetrics { ssrc, loss: what, heard_ms: script.short()?, ..Default::default() };
    let name = std::str::from_utf8(script.octets(usize::from(what >> 3))).unwrap_or("name");
    let report = Report {
        ssrc,
        info: (what & 2 != 0).then_some(info),
        block: (what & 4 != 0).then_some(block),
        metrics: (what & 8 != 0).then_some(metrics),
        name,
        bye: what & 16 != 0,
    };
    let mut out = vec![0xaa; LONGEST_REPORT];
    let Ok(length) = write_report(&mut out, &report) else {
        assert!(name.len() > 32);
        return Some(vec![0; 8]);
    };
    out.truncate(length);
    assert!(RtcpPacket::parse(&out).is_ok_and(|packet| packet.sender() == ssrc));
    let all: Vec<_> = sections(&out).collect();
    assert_eq!(all.len(), 2 + usize::from(report.metrics.is_some()) + usize::from(report.bye));
    assert_eq!(all.contains(&Section::Voip { ssrc, metrics }), report.metrics.is_some());
    assert_eq!(all.contains(&Section::Bye { ssrc }), report.bye);
    Some(out)
}
