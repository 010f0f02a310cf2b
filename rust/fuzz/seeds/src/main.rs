//! Writes what fuzzing begins with: for each target whole things, as scripts of that target.
//!
//! `cargo run --manifest-path rust/fuzz/seeds/Cargo.toml -- FOLDER`

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use trunkline_dsp::{Codec, Encoder, Law, Sine, wav};
use trunkline_ice::stun::{Class, Writer, attribute};
use trunkline_rtp::Press;
use trunkline_rtp::extension::{Extension, GROWTH};
use trunkline_rtp::packet::{HEADER, write_header};
use trunkline_rtp::report::{LONGEST_REPORT, Report, ReportBlock, SenderInfo, VoipMetrics, write_report};

/// RFC 5769 §2.1 to §2.3.
const VECTORS: [&str; 3] = [
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1\
     51263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf",
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599\
     fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5\
     bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c",
];
const REQUEST: &str = "INVITE sip:200@192.0.2.9:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport, \
    SIP/2.0/TCP [2001:db8::9];branch=z9hG4bK2\r\nMax-Forwards: 70\r\nFrom: \"A\" <sip:100@b>;tag=a\r\nTo: <sip:200@b>\r\n\
    Call-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:100@192.0.2.1>\r\nContent-Length: 2\r\n\r\nhi";
const RESPONSE: &str = "SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nf: <sip:100@b>;tag=a\r\n\
    t: <sip:200@b>;tag=b\r\ni: c\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n";

fn main() -> io::Result<()> {
    let Some(folder) = env::args().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("expected the folder to write into: seeds FOLDER"));
    };
    let all = [
        ("rtp", rtp()),
        ("rtcp", rtcp()),
        ("srtp", srtp()),
        ("stun", stun()),
        ("dtls", dtls()),
        ("codecs", codecs()),
        ("jitter", jitter()),
        ("sound", sound()),
        ("sip", vec![REQUEST.into(), RESPONSE.into()]),
    ];
    all.iter().try_for_each(|(target, seeds)| write(&folder.join(target), seeds))
}

fn write(folder: &Path, seeds: &[Vec<u8>]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:02}")), seed)?;
    }
    Ok(())
}

/// Behind its length.
fn datagram(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; HEADER];
    write_header(&mut header, sequence == 0, payload_type, sequence, timestamp, 0x1234_5678);
    [&header, payload].concat()
}

fn octets(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u32> = hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn rtp() -> Vec<Vec<u8>> {
    let script = |packets: &[Vec<u8>]| {
        packets.iter().flat_map(|packet| [vec![20], datagram(packet)].concat()).collect::<Vec<u8>>()
    };
    let voice: Vec<_> =
        [0, 1, 2, 4, 3, 65_535, 40_000, 40_001].map(|n| packet(0, n, u32::from(n) * 160, b"#9A")).into();
    let mut keys = Vec::new();
    if let Some(press) = Press::new('5', 160, 5) {
        for time in 0..press.packet_times() {
            press.report(time, |report| keys.push(packet(101, time as u16, report.offset, &report.payload)));
        }
    }
    let mut extended = Vec::new();
    for extension in [
        Extension::new(3, 0xbede, b"ab"),
        Extension::new(9, 0xbede, &[1; 16]),
        Extension::new(0, 0x67, b"PTT!"),
    ] {
        let (before, mut out) = (packet(111, 7, 960, b"sound"), vec![0; 256 + GROWTH]);
        if let Some(length) = extension.and_then(|extension| extension.write(&before, &mut out)) {
            extended.push(out[..length].to_vec());
        }
    }
    // Contributing sources and padding.
    let mut padded = packet(8, 1, 160, &[1, 2, 3, 4, 9, 9, 9, 9, 5, 0, 0, 3]);
    padded[0] |= 0x22;
    extended.push(padded);
    vec![script(&voice), script(&keys), script(&extended)]
}

fn rtcp() -> Vec<Vec<u8>> {
    let whole = Report {
        ssrc: 9,
        info: Some(SenderInfo { ntp: 1 << 40, timestamp: 5, packets: 6, octets: 7 }),
        block: Some(ReportBlock {
            ssrc: 7,
            fraction_lost: 64,
            lost: -3,
            last_report: 9,
            ..Default::default()
        }),
        metrics: Some(VoipMetrics { ssrc: 7, r_factor: 93, ..Default::default() }),
        name: "trunkline",
        bye: true,
    };
    let receiver = Report { info: None, metrics: None, bye: false, ..whole };
    let mut seeds: Vec<Vec<u8>> = [whole, receiver]
        .iter()
        .filter_map(|report| {
            let mut out = vec![0; LONGEST_REPORT];
            let length = write_report(&mut out, report).ok()?;
            Some([vec![0], datagram(&out[..length])].concat())
        })
        .collect();
    // A report of ours, spoilt three times.
    let fields = [[7; 22].as_slice(), b"0123456789abcdef"].concat();
    seeds.push([[0xff].as_slice(), &fields, &[0xff; 15], &[3, 0, 9, 0xfe, 0, 3, 1, 1, 0, 40]].concat());
    seeds
}

fn srtp() -> Vec<Vec<u8>> {
    (0..6)
        .map(|suite| {
            let mut script = vec![suite];
            for sequence in [0, 1, 2, 200, 65_535, 3] {
                // Sealed, opened, opened again, spoilt; the same as RTCP.
                let clear = packet(0, sequence, 7, b"sound of a telephone");
                for rtcp in 0..2 {
                    script.extend([2 | rtcp].into_iter().chain(datagram(&clear)));
                    script.extend([4 | rtcp, 4 | rtcp, 6 | rtcp, 7, 0, 15, 12 | rtcp]);
                }
            }
            script.extend([vec![0], datagram(&packet(0, 9, 9, &[0; 30]))].concat());
            script
        })
        .collect()
}

fn stun() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> =
        VECTORS.iter().map(|vector| [vec![1, 0], datagram(&octets(vector))].concat()).collect();
    let mut check = Vec::new();
    Writer::new(&mut check, Class::Request, &[7; 12])
        .attribute(attribute::USERNAME, b"ours:theirs")
        .attribute(attribute::ICE_CONTROLLING, &[1; 8])
        .attribute(attribute::USE_CANDIDATE, &[])
        .integrity(b"password")
        .fingerprint();
    seeds.push([vec![1, 2], datagram(&check)].concat());
    // Checks of many pairs, nominated in turn, with priorities, a restart between them, one after a while.
    let pairs = (0..20).flat_map(|pair| [2, pair, 12, 0, 0, 0, pair]).collect::<Vec<u8>>();
    let unknown = [2, 1, 0x20, 0x70, 1, 4, 1, 2, 3, 4, 0x80, 0x29, 8, 0, 0, 0, 0, 0, 0, 0, 1];
    seeds.push([&pairs[..], &[0, 1, 2, 3, 5, 0xf8, 1], &unknown, &pairs].concat());
    seeds.push([&pairs[..14], &[7, 2, 0x0c, 0, 0, 0, 1, 3, 0, 20, 7, 3, 0x04, 0, 0, 40]].concat());
    seeds
}

fn dtls() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for how in 0..8 {
        // Undisturbed; with every message re-cut; with losses and a pause; with something changed after each step.
        seeds.push([vec![how], vec![0xe0; 8]].concat());
        for cut in [[3, 40, 64, 0], [11, 40, 64, 8], [3, 9, 3, 0x90], [11, 60, 2, 0x8a]] {
            seeds.push(
                [vec![how], cut.to_vec(), vec![0], cut.to_vec(), vec![0], cut.to_vec(), vec![0xe0; 6]]
                    .concat(),
            );
        }
        seeds.push([vec![how, 0, 4, 12, 7, 30, 0, 5, 13, 6, 14, 0, 4, 7, 60], vec![0xe0; 6]].concat());
    }
    for depth in 0..5 {
        let change = [1, 3, 0, 20, 9, 0x83, 0, 30, 1, 2, 0, 40, 9, 0, 0, 50];
        seeds.push([vec![2], vec![0; depth], change.to_vec(), vec![0xe0; 6]].concat());
    }
    seeds
}

fn codecs() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for which in [0, 1, 2, 3, 4, 12, 20, 28, 5, 13, 21, 37, 45, 53, 69] {
        // Payloads that its encoder makes within the target, with losses and changes between them.
        let noise = [0xff, 0xff, 40, 127, 9, 200, 3];
        let said = [4, 5, 0, 20, 4, 5, 12, 9, 0x14, 5, 3, 0, 6, 0x15, 5, 0, 1, 3];
        seeds.push([&[which, 3, 255][..], &noise, &said, &said, &[2, 0], &said].concat());
    }
    for bit_rate in [6000, 16_000, 32_000, 64_000, 128_000] {
        let codec = Codec::Opus { stereo: false, fec: true, bit_rate, most_hz: 0 };
        seeds.extend([120, 480, 960, 2880].iter().filter_map(|&length| spoken(codec, 13, length)));
    }
    seeds.extend(
        [(Codec::G722, 2), (Codec::G711(Law::Mu), 0)]
            .iter()
            .filter_map(|&(codec, which)| spoken(codec, which, 160)),
    );
    seeds
}

/// Some frames of a tone, each as a payload of less than 2 KiB, with a loss that the third one tells of.
fn spoken(codec: Codec, which: u8, length: usize) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new(codec).ok()?;
    let mut sine = Sine::new(440.0, -12.0, f64::from(codec.rate_hz()));
    let mut script = vec![which];
    encoder.set_loss(20);
    for number in 0..5 {
        let samples: Vec<i16> = (0..length).map(|_| sine.sample()).collect();
        let mut payload = vec![0; 4096];
        let octets = encoder.encode(&samples, &mut payload).ok()?;
        payload.truncate(octets);
        if number == 3 && octets < 256 {
            script.extend([0, 32, 1, octets as u8]);
            script.extend(&payload);
        }
        // The size is in units of up to eight octets: what is more is cut, and that is a payload as well.
        let shift = octets.div_ceil(256).next_power_of_two().trailing_zeros().min(3) as u8;
        let size = (octets >> shift).min(255);
        script.extend([5 | shift << 3, size as u8]);
        script.extend(&payload[..size << shift]);
    }
    Some(script)
}

fn jitter() -> Vec<Vec<u8>> {
    let calm = [5, 0xf9, 5, 0xfa, 5, 0xfc];
    vec![
        calm.to_vec(),
        // Losses, doubled and late ones, pauses, jumps, another stream, another clock.
        [&calm[..], &[3, 130, 3, 131, 3, 128, 6, 0xff, 4, 200, 3, 133, 7, 0xff], &calm].concat(),
        [&calm[..], &[2, 7, 0, 200, 0, 0, 200, 0, 5, 0xf8, 4 | 10 << 3, 255, 5, 0xf8]].concat(),
        [&calm[..], &[2, 7, 0x80, 0, 0, 0, 0, 0, 2, 7, 0x80, 1, 0, 0, 0, 160], &calm].concat(),
        [&calm[..], &[0, 1], &calm, &[1, 1, 1, 2, 1, 1], &calm, &[0, 0], &calm].concat(),
        [(0..70).flat_map(|_| [3, 129]).collect::<Vec<u8>>(), vec![4 | 12 << 3, 200], [6, 0xff].repeat(9)]
            .concat(),
    ]
}

fn sound() -> Vec<Vec<u8>> {
    let tone = |hz: f64, rate: u32, samples: usize| {
        let mut sine = Sine::new(hz, -10.0, f64::from(rate));
        (0..samples).flat_map(|_| sine.sample().to_le_bytes()).collect::<Vec<u8>>()
    };
    let file = |how: u8, rate: u32, channels: u16, tag: u16, bits: u16, sound: &[u8]| {
        let mut bytes = wav::header_at(rate, channels, sound.len() as u64).to_vec();
        bytes[20..22].copy_from_slice(&tag.to_le_bytes());
        bytes[34..36].copy_from_slice(&bits.to_le_bytes());
        [vec![how], bytes, sound.to_vec()].concat()
    };
    let key = {
        let (mut low, mut high) = (Sine::new(770.0, -10.0, 8000.0), Sine::new(1336.0, -10.0, 8000.0));
        (0..1600).flat_map(|_| low.sample().saturating_add(high.sample()).to_le_bytes()).collect::<Vec<u8>>()
    };
    let mut extensible = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x28\0\0\0\xfe\xff\x01\0".to_vec();
    extensible.extend([8000u32.to_le_bytes(), 16_000u32.to_le_bytes()].concat());
    extensible.extend([2, 0, 16, 0, 22, 0, 16, 0, 4, 0, 0, 0, 1, 0]);
    extensible.extend([0; 14]);
    extensible.extend(b"data\x04\0\0\0\x07\0\x08\0");
    vec![
        file(0xfc, 8000, 1, 1, 16, &key),
        file(0xfc, 8000, 1, 1, 16, &tone(425.0, 8000, 1600)),
        file(0xfd, 8000, 1, 1, 16, &tone(2100.0, 8000, 1600)),
        file(0x4e, 44_100, 2, 1, 16, &tone(1000.0, 44_100, 1000)),
        file(0x3f, 11_025, 1, 1, 8, &tone(500.0, 11_025, 500)),
        file(0x1c, 16_000, 1, 6, 8, &tone(500.0, 16_000, 500)),
        file(0x10, 48_000, 2, 7, 8, &tone(500.0, 48_000, 500)),
        [vec![0], extensible].concat(),
    ]
}
