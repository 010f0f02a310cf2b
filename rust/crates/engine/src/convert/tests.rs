use super::*;
use trunkline_dsp::{Law, Sine};

const PEER: Peer = Peer { slot: 1, generation: 1 };

#[derive(Clone, Debug)]
struct Sent {
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

fn format(payload_type: u8, name: &str, clock_hz: u32) -> Format {
    Format::read(payload_type, name, clock_hz, 1, "").unwrap()
}

fn formats(payload_type: u8, name: &str, clock_hz: u32, keys: Option<u32>, ptime_ms: u32) -> Formats {
    let sound = format(payload_type, name, clock_hz);
    let keys = keys.map(|clock_hz| format(101, "telephone-event", clock_hz));
    let receive = [Some(sound), keys, Some(format(13, "CN", 8000))].into_iter().flatten().collect();
    Formats::new(receive, Some(sound), keys, ptime_ms).unwrap()
}

fn pcmu(ptime_ms: u32) -> Formats {
    formats(0, "PCMU", 8000, Some(8000), ptime_ms)
}

fn opus() -> Formats {
    formats(96, "opus", 48_000, Some(48_000), 20)
}

fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; HEADER];
    write_header(&mut header, false, payload_type, sequence, timestamp, 7);
    [&header[..], payload].concat()
}

/// 20 ms of a tone in µ-law, the n-th.
fn tone(n: u16) -> Vec<u8> {
    let mut sine = Sine::new(1000.0, -10.0, 8000.0);
    let payload: Vec<u8> = (0..160).map(|_| Law::Mu.encode(sine.sample())).collect();
    packet(0, n, u32::from(n) * 160, &payload)
}

#[test]
fn a_flood_is_not_encoded_as_fast_as_it_comes() {
    let (from, to) = (pcmu(20), opus());
    let mut convert = Convert::new(PEER, 1);
    let mut sent = [0; 2];
    for (second, sent) in sent.iter_mut().enumerate() {
        for n in 0..1000u16 {
            let bytes = packet(0, second as u16 * 1000 + n, u32::from(n) * 160, &[0x90; 160]);
            let packet = RtpPacket::parse(&bytes).unwrap();
            convert.take(second as u64 * 1_000_000_000, &packet, (Some(&from), &to), |_| *sent += 1);
        }
    }
    assert!((99..=102).contains(&sent[0]) && (99..=102).contains(&sent[1]), "{sent:?}");
}

#[test]
fn a_stream_whose_numbers_go_back_after_a_pause_has_lost_nothing() {
    let (from, to) = (pcmu(20), opus());
    let mut convert = Convert::new(PEER, 1);
    for (now_ns, sequence, timestamp) in [(0, 9, 0), (3_000_000_000, 9, 900), (6_000_000_000, 3, 1900)] {
        let bytes = packet(0, sequence, timestamp, &[0x90; 160]);
        let packet = RtpPacket::parse(&bytes).unwrap();
        let done = convert.take(now_ns, &packet, (Some(&from), &to), |_| {});
        assert_eq!(done, Converted::default());
    }
}

fn take(convert: &mut Convert, bytes: &[u8], from: &Formats, to: &Formats) -> (Vec<Sent>, Converted) {
    take_at(convert, 1, bytes, (from, to))
}

fn take_at(
    convert: &mut Convert,
    now_ms: u64,
    bytes: &[u8],
    (from, to): (&Formats, &Formats),
) -> (Vec<Sent>, Converted) {
    let mut all = Vec::new();
    let packet = RtpPacket::parse(bytes).unwrap();
    let done = convert.take(now_ms * 1_000_000, &packet, (Some(from), to), |bytes| {
        let packet = RtpPacket::parse(bytes).unwrap();
        all.push(Sent {
            marker: packet.marker(),
            payload_type: packet.payload_type(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            payload: packet.payload().unwrap().to_vec(),
        });
    });
    (all, done)
}

fn all(convert: &mut Convert, packets: &[Vec<u8>], from: &Formats, to: &Formats) -> Vec<Sent> {
    packets.iter().flat_map(|bytes| take(convert, bytes, from, to).0).collect()
}

/// Steps of numbers and timestamps from packet to packet.
fn steps(sent: &[Sent]) -> Vec<(u16, u32)> {
    let step = |pair: &[Sent]| {
        let [a, b] = pair else { panic!() };
        (b.sequence.wrapping_sub(a.sequence), b.timestamp.wrapping_sub(a.timestamp))
    };
    sent.windows(2).map(step).collect()
}

#[test]
fn a_stream_becomes_one_of_the_other_codec_packet_by_packet() {
    for (to, payload_type, units) in [
        (opus(), 96, 960),
        (formats(9, "G722", 8000, None, 20), 9, 160),
        (formats(8, "PCMA", 8000, None, 20), 8, 160),
        (formats(97, "L16", 16_000, None, 20), 97, 320),
    ] {
        let mut convert = Convert::new(PEER, u64::MAX);
        for n in 0..10 {
            let (sent, done) = take(&mut convert, &tone(n), &pcmu(20), &to);
            assert_eq!((sent.len(), done), (1, Converted::default()));
            assert_eq!((sent[0].payload_type, sent[0].marker), (payload_type, n == 0));
        }
        let mut convert = Convert::new(PEER, 5);
        let sent = all(&mut convert, &(0..10).map(tone).collect::<Vec<_>>(), &pcmu(20), &to);
        assert!(steps(&sent).iter().all(|&step| step == (1, units)));
    }
}

#[test]
fn packets_get_the_length_that_the_peer_wants() {
    for (ptime_ms, packets) in [(10, 24), (30, 8), (40, 6), (60, 4)] {
        let mut convert = Convert::new(PEER, 5);
        let sent = all(&mut convert, &(0..12).map(tone).collect::<Vec<_>>(), &pcmu(20), &pcmu(ptime_ms));
        assert_eq!(sent.len(), packets);
        assert!(steps(&sent).iter().all(|&step| step == (1, ptime_ms * 8)));
        let heard: Vec<u8> = sent.into_iter().flat_map(|one| one.payload).collect();
        let said: Vec<u8> = (0..12).flat_map(|n| tone(n)[HEADER..].to_vec()).collect();
        assert_eq!(heard, said);
    }
}

#[test]
fn a_loss_is_concealed_and_a_late_packet_left_out() {
    let mut convert = Convert::new(PEER, 5);
    let sent = all(&mut convert, &[tone(1), tone(2), tone(3)], &pcmu(20), &opus());
    let (more, done) = take(&mut convert, &tone(6), &pcmu(20), &opus());
    assert_eq!((more.len(), done), (3, Converted { concealed: 2, late: false }));
    assert!(steps(&[sent, more].concat()).iter().all(|&step| step == (1, 960)));
    let (none, done) = take(&mut convert, &tone(5), &pcmu(20), &opus());
    assert!(none.is_empty() && done.late);
}

#[test]
fn a_pause_stays_a_pause() {
    let mut convert = Convert::new(PEER, 5);
    let mut again = tone(2);
    again[4..8].copy_from_slice(&8000u32.to_be_bytes());
    let sent = all(&mut convert, &[tone(0), tone(1), again], &pcmu(20), &opus());
    assert_eq!(steps(&sent), [(1, 960), (1, 48_000 - 960)]);
    assert_eq!(sent.iter().map(|one| one.marker).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn what_is_lost_for_long_stays_lost() {
    let mut convert = Convert::new(PEER, 5);
    let sent = all(&mut convert, &[tone(0), tone(100)], &pcmu(20), &opus());
    assert_eq!(steps(&sent), [(100, 96_000)]);
}

#[test]
fn the_same_codec_passes_as_it_is_and_losses_stay() {
    let mut convert = Convert::new(PEER, 5);
    let sent = all(&mut convert, &[tone(0), tone(1), tone(3)], &pcmu(20), &pcmu(20));
    assert_eq!(steps(&sent), [(1, 160), (2, 320)]);
    assert_eq!(sent[2].payload, tone(3)[HEADER..]);
}

#[test]
fn keys_are_counted_by_the_others_clock() {
    let mut convert = Convert::new(PEER, 5);
    let key = |sequence, duration: u16, end| {
        let [high, low] = duration.to_be_bytes();
        packet(101, sequence, 320, &[5, if end { 0x8a } else { 0x0a }, high, low])
    };
    let before = all(&mut convert, &[tone(0), tone(1)], &pcmu(20), &opus());
    let packets = [key(2, 160, false), key(3, 320, false), key(4, 320, true), key(5, 320, true)];
    let keys = all(&mut convert, &packets, &pcmu(20), &opus());
    assert!(keys.iter().all(|one| one.timestamp == before[1].timestamp.wrapping_add(960)));
    let told: Vec<(u8, u8, u16)> = keys
        .iter()
        .map(|one| (one.payload_type, one.payload[0], u16::from_be_bytes([one.payload[2], one.payload[3]])))
        .collect();
    assert_eq!(told, [(101, 5, 960), (101, 5, 1920), (101, 5, 1920), (101, 5, 1920)]);
    // The sound behind the key is where it belongs.
    let mut behind = tone(6);
    behind[4..8].copy_from_slice(&640u32.to_be_bytes());
    let after = all(&mut convert, &[behind], &pcmu(20), &opus());
    assert_eq!(after[0].timestamp.wrapping_sub(before[1].timestamp), 3 * 960);
    assert_eq!(after[0].sequence, before[1].sequence.wrapping_add(5));
}

#[test]
fn keys_are_withheld_from_who_takes_none() {
    let mut convert = Convert::new(PEER, 5);
    let other = formats(96, "opus", 48_000, None, 20);
    let key = packet(101, 1, 160, &[5, 0x0a, 0, 160]);
    assert!(all(&mut convert, &[tone(0), key], &pcmu(20), &other).len() == 1);
}

#[test]
fn comfort_noise_keeps_its_place() {
    let mut convert = Convert::new(PEER, 5);
    let noise = packet(13, 2, 320, &[60]);
    let sent = all(&mut convert, &[tone(0), tone(1), noise], &pcmu(20), &formats(9, "G722", 8000, None, 20));
    assert_eq!((sent[2].payload_type, &sent[2].payload[..]), (13, &[60][..]));
    assert_eq!(steps(&sent), [(1, 160), (1, 160)]);
}

/// Speech, then comfort noise each 5 s for five minutes, then speech again.
fn words_and_noise() -> Vec<(u64, Vec<u8>)> {
    let mut all: Vec<(u64, Vec<u8>)> = (0..5).map(|n| (u64::from(n) * 20, tone(n))).collect();
    let mut sequence = 5;
    for now_ms in (100..300_100).step_by(5000) {
        all.push((now_ms, packet(13, sequence, now_ms as u32 * 8, &[50])));
        sequence += 1;
    }
    for now_ms in (300_100..300_200).step_by(20) {
        let mut again = tone(sequence);
        again[4..8].copy_from_slice(&(now_ms as u32 * 8).to_be_bytes());
        all.push((now_ms, again));
        sequence += 1;
    }
    all
}

#[test]
fn noise_of_minutes_is_a_pause_for_who_has_not_agreed_to_it_and_nothing_is_lost() {
    let without_noise = |payload_type, name, clock_hz| {
        let sound = format(payload_type, name, clock_hz);
        Formats::new(vec![sound], Some(sound), None, 20).unwrap()
    };
    let (told, untold) = (pcmu(20), without_noise(0, "PCMU", 8000));
    for (from, to, step) in [
        (&told, without_noise(96, "opus", 48_000), 960),
        // Who has not told of it sends it all the same.
        (&untold, without_noise(96, "opus", 48_000), 960),
        (&untold, without_noise(0, "PCMU", 8000), 160),
    ] {
        let mut convert = Convert::new(PEER, 5);
        let mut sent = Vec::new();
        for (now_ms, bytes) in words_and_noise() {
            let (some, done) = take_at(&mut convert, now_ms, &bytes, (from, &to));
            assert_eq!(done, Converted::default(), "{now_ms}");
            sent.extend(some);
        }
        assert!(sent.iter().all(|one| one.payload_type == to.send.unwrap().payload_type));
        let mut expected = vec![(1, step); 9];
        expected[4] = (1, (300_100 - 80) / 20 * step);
        assert_eq!(steps(&sent), expected);
        let marked: Vec<usize> = (0..sent.len()).filter(|&at| sent[at].marker).collect();
        assert_eq!(marked, [0, 5]);
    }
}

#[test]
fn noise_is_in_its_place_wherever_it_stands() {
    for from in [pcmu(20), formats(0, "PCMU", 8000, None, 20)] {
        let to = formats(9, "G722", 8000, None, 20);
        let mut convert = Convert::new(PEER, 5);
        let sent: Vec<Sent> = words_and_noise()
            .iter()
            .flat_map(|(now_ms, bytes)| take_at(&mut convert, *now_ms, bytes, (&from, &to)).0)
            .collect();
        assert_eq!(sent.len(), 70);
        assert!(steps(&sent[..6]).iter().all(|&step| step == (1, 160)));
        assert!(steps(&sent[5..66]).iter().all(|&step| step == (1, 40_000)));
        assert!(steps(&sent[65..]).iter().all(|&step| step == (1, 160)));
    }
    // It may be the first that is heard of a stream.
    let mut convert = Convert::new(PEER, 5);
    let mut sent = take_at(&mut convert, 0, &packet(13, 9, 1000, &[50]), (&pcmu(20), &pcmu(30))).0;
    let mut voice = tone(10);
    voice[4..8].copy_from_slice(&(1000u32 + 60 * 8000).to_be_bytes());
    sent.extend(take_at(&mut convert, 60_000, &voice, (&pcmu(20), &pcmu(20))).0);
    assert_eq!(steps(&sent), [(1, 480_000)]);
}

/// A voice, a pause of a minute, and a voice, as a browser sends them: of a row of packets that say nothing the first
/// alone. With the place of each.
fn words_and_pauses_of_opus() -> Vec<(u32, Vec<u8>)> {
    let mut encoder = Encoder::new(opus().send.unwrap().codec).unwrap();
    encoder.set_dtx(true);
    let (mut sine, mut paused, mut all) = (Sine::new(300.0, -16.0, 48_000.0), false, Vec::new());
    for n in 0..3100u32 {
        let speaks = !(50..3050).contains(&n);
        let sound: [i16; 960] = std::array::from_fn(|_| if speaks { sine.sample() } else { 0 });
        let mut payload = [0; 1500];
        let octets = encoder.encode(&sound, &mut payload).unwrap();
        if octets > 2 || !paused {
            all.push((n, packet(96, all.len() as u16, n * 960, &payload[..octets])));
        }
        paused = octets <= 2;
    }
    all
}

#[test]
fn a_pause_of_opus_is_a_pause_in_every_codec() {
    let packets = words_and_pauses_of_opus();
    assert!((200..500).contains(&packets.len()), "{}", packets.len());
    for to in [pcmu(20), formats(9, "G722", 8000, None, 20), formats(97, "L16", 16_000, None, 20)] {
        let (mut convert, mut sent) = (Convert::new(PEER, 5), Vec::new());
        for (n, bytes) in &packets {
            let (some, done) = take_at(&mut convert, u64::from(*n) * 20, bytes, (&opus(), &to));
            assert_eq!((some.len(), done), (1, Converted::default()), "{n}");
            sent.extend(some);
        }
        let units = to.send.unwrap().codec.clock_hz() / 50;
        let step = |pair: &[(u32, Vec<u8>)]| (1, (pair[1].0 - pair[0].0) * units);
        assert_eq!(steps(&sent), packets.windows(2).map(step).collect::<Vec<_>>());
    }
}

#[test]
fn anything_at_all_does_no_harm() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let all = [pcmu(20), pcmu(60), opus(), formats(9, "G722", 8000, None, 30), Formats::default()];
    let mut convert = Convert::new(PEER, 5);
    for n in 0..3000u64 {
        let length = random() as usize % 400;
        let mut bytes: Vec<u8> = (0..HEADER + length).map(|_| random() as u8).collect();
        bytes[0] = 0x80 | (bytes[0] & 0x30);
        bytes[1] = [0, 9, 96, 101, 13, 8, 77][random() as usize % 7];
        if random() % 3 > 0 {
            bytes[2..4].copy_from_slice(&(n as u16).to_be_bytes());
            bytes[4..8].copy_from_slice(&(n as u32 * 160).to_be_bytes());
            bytes[8..12].copy_from_slice(&(n as u32 / 100).to_be_bytes());
        }
        let packet = RtpPacket::parse(&bytes).unwrap();
        let formats = (Some(&all[random() as usize % 5]), &all[(n / 50 % 5) as usize]);
        convert.take(n * 20_000_000, &packet, formats, |_| {});
        assert!(convert.out.waiting.len() < 2 * LONGEST);
    }
}

fn of_codec(name: &str, ptime_ms: u32) -> Formats {
    let (payload_type, clock_hz) = match name {
        "PCMU" => (0, 8000),
        "PCMA" => (8, 8000),
        "G722" => (9, 8000),
        "opus" => (96, 48_000),
        _ => (97, 16_000),
    };
    formats(payload_type, name, clock_hz, None, ptime_ms)
}

/// A tone of so many packets of 20 ms in this codec.
fn spoken(from: &Formats, packets: u16) -> Vec<Vec<u8>> {
    let speech = from.send.unwrap();
    let mut encoder = Encoder::new(speech.codec).unwrap();
    let mut sine = Sine::new(1000.0, -10.0, f64::from(speech.codec.rate_hz()));
    let mut one = |n: u16| {
        let sound: Vec<i16> = (0..speech.codec.rate_hz() / 50).map(|_| sine.sample()).collect();
        let mut payload = [0; LONGEST_PAYLOAD];
        let octets = encoder.encode(&sound, &mut payload).unwrap();
        let timestamp = 0xffff_f000u32.wrapping_add(u32::from(n) * (speech.codec.clock_hz() / 50));
        packet(speech.payload_type, 65_500u16.wrapping_add(n), timestamp, &payload[..octets])
    };
    (0..packets).map(&mut one).collect()
}

#[test]
fn as_much_goes_out_as_came_in_whatever_the_codecs_and_lengths() {
    const PACKETS: u16 = 90;
    let codecs = ["PCMU", "PCMA", "G722", "opus", "L16"];
    for from in codecs {
        let from = of_codec(from, 20);
        let packets = spoken(&from, PACKETS);
        for (to, ptime_ms) in codecs.iter().flat_map(|to| [10, 20, 30, 40, 60].map(|ptime| (to, ptime))) {
            let to = of_codec(to, ptime_ms);
            let speech = to.send.unwrap();
            let mut convert = Convert::new(PEER, u64::MAX);
            let sent = all(&mut convert, &packets, &from, &to);
            // Opus is passed to Opus as it is, and its packets of 30 ms are 20 ms long.
            let opus = |formats: &Formats| matches!(formats.send.unwrap().codec, Codec::Opus { .. });
            let ptime_ms = if opus(&from) && opus(&to) { 20 } else { speech.ptime_ms };
            let expected = usize::from(PACKETS) * 20 / ptime_ms as usize;
            assert!(sent.len().abs_diff(expected) <= 2, "{from:?} {to:?}: {}", sent.len());
            let step = (1, speech.codec.clock_hz() / 1000 * ptime_ms);
            assert!(steps(&sent).iter().all(|&found| found == step), "{from:?} {to:?}");
        }
    }
}
