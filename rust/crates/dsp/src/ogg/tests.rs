use super::*;
use crate::tone::Sine;
use opus::{Application, Encoder};

const SERIAL: u32 = 7;

fn page_of(serial: u32, number: u32, flags: u8, granule: i64, laces: &[u8], body: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(granule.to_le_bytes());
    page.extend([serial.to_le_bytes(), number.to_le_bytes(), [0; 4]].concat());
    page.push(laces.len() as u8);
    page.extend(laces);
    page.extend(body);
    let told = sum(&page);
    page[22..26].copy_from_slice(&told.to_le_bytes());
    page
}

/// A page of whole packets.
fn page(number: u32, flags: u8, granule: i64, packets: &[Vec<u8>]) -> Vec<u8> {
    let laces: Vec<u8> = packets
        .iter()
        .flat_map(|packet| [vec![255; packet.len() / 255], vec![(packet.len() % 255) as u8]].concat())
        .collect();
    page_of(SERIAL, number, flags, granule, &laces, &packets.concat())
}

fn head(channels: u8, skip: u16, gain: i16) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(skip.to_le_bytes());
    head.extend(48_000u32.to_le_bytes());
    head.extend(gain.to_le_bytes());
    head.push(0);
    head
}

fn tags(octets: usize) -> Vec<u8> {
    [b"OpusTags".to_vec(), vec![7; octets]].concat()
}

fn headers(channels: u8, skip: u16, gain: i16) -> Vec<u8> {
    [page(0, 2, 0, &[head(channels, skip, gain)]), page(1, 0, 0, &[tags(8)])].concat()
}

/// A tone of 400 Hz in packets of 20 ms.
fn packets(count: usize, channels: Channels) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(48_000, channels, Application::Audio).unwrap();
    let mut sine = Sine::new(400.0, -20.0, 48_000.0);
    let each = if channels == Channels::Stereo { 2 } else { 1 };
    let mut frame = || (0..960).flat_map(|_| vec![sine.sample(); each]).collect::<Vec<i16>>();
    (0..count).map(|_| encoder.encode_vec(&frame(), 1500).unwrap()).collect()
}

/// Five pages of ten packets: the skip, a tone of 1 s less that, and its end where `granule` says.
fn file(granule: i64) -> Vec<u8> {
    let mut file = headers(1, 312, 0);
    for (at, ten) in packets(50, Channels::Mono).chunks(10).enumerate() {
        let (flags, position) = if at == 4 { (4, granule) } else { (0, (at as i64 + 1) * 9600) };
        file.extend(page(at as u32 + 2, flags, position, ten));
    }
    file
}

fn read(file: &[u8], rate_hz: u32, piece: usize) -> (Vec<i16>, Result<(), BadOgg>) {
    let (mut reader, mut samples) = (OggOpus::new(rate_hz), Vec::new());
    for octets in file.chunks(piece) {
        reader.push(octets);
        loop {
            match reader.decode(&mut samples) {
                Ok(Step::Sound) => {}
                Ok(Step::Hungry) => break,
                Err(why) => return (samples, Err(why)),
            }
        }
    }
    (samples, reader.finish())
}

fn level(samples: &[i16]) -> f64 {
    let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * (power / 32_767f64.powi(2)).max(1e-12).log10()
}

#[test]
fn the_beginning_is_left_out_and_the_end_is_where_the_last_page_says() {
    for rate_hz in [8000, 16_000, 48_000] {
        for (granule, lasts) in
            [(48_000, 48_000 - 312), (47_312, 47_000), (38_712, 38_400), (0, 38_400 - 312)]
        {
            let (samples, end) = read(&file(granule), rate_hz, 8192);
            assert_eq!((samples.len(), end), ((lasts * rate_hz / 48_000) as usize, Ok(())), "{granule}");
            assert!((level(&samples[200..]) + 20.0).abs() < 0.5, "{}", level(&samples[200..]));
        }
    }
}

#[test]
fn however_the_octets_come_the_sound_is_the_same() {
    let file = file(47_312);
    let whole = read(&file, 16_000, usize::MAX);
    assert!(whole.1.is_ok());
    for piece in [1, 7, 27, 1000] {
        assert_eq!(read(&file, 16_000, piece), whole);
    }
}

#[test]
fn the_gain_of_the_head_is_applied() {
    for (gain, db) in [(-2560, -30.0), (1536, -14.0), (0, -20.0)] {
        let sound = page(2, 4, 48_000, &packets(50, Channels::Mono));
        let (samples, _) = read(&[headers(1, 312, gain), sound].concat(), 8000, 8192);
        assert!((level(&samples[200..]) - db).abs() < 0.5, "{gain}: {}", level(&samples[200..]));
    }
}

#[test]
fn two_channels_become_one() {
    let sound = page(2, 4, 48_000, &packets(50, Channels::Stereo));
    let (samples, end) = read(&[headers(2, 312, 0), sound].concat(), 8000, 8192);
    assert_eq!((samples.len(), end), (7948, Ok(())));
    assert!((level(&samples[200..]) + 20.0).abs() < 0.5);
}

#[test]
fn a_stream_that_was_recorded_from_its_middle_loses_nothing() {
    let packets = packets(50, Channels::Mono);
    let first = page(2, 0, 1_000_000 + 9600, &packets[..10]);
    let last = page(3, 4, 1_000_000 + 48_000 - 480, &packets[10..]);
    let (samples, end) = read(&[headers(1, 0, 0), first, last].concat(), 48_000, 8192);
    assert_eq!((samples.len(), end), (48_000 - 480, Ok(())));
}

#[test]
fn streams_that_follow_each_other_are_played_as_one() {
    let one = file(48_000);
    let other: Vec<u8> = [headers(2, 0, 0), page(2, 4, 9600, &packets(10, Channels::Stereo))].concat();
    let (samples, end) = read(&[one.clone(), one, other].concat(), 48_000, 8192);
    assert_eq!((samples.len(), end), (2 * (48_000 - 312) + 9600, Ok(())));
}

#[test]
fn other_streams_between_are_passed_over() {
    for serial in [0, 99] {
        let other = |number, flags| page_of(serial, number, flags, 0, &[9], b"\x80theora..");
        let ours = file(48_000);
        let split = page(0, 2, 0, &[head(1, 312, 0)]).len();
        let mixed =
            [other(0, 2), ours[..split].to_vec(), other(1, 0), ours[split..].to_vec(), other(2, 4)].concat();
        assert_eq!(read(&mixed, 8000, 8192), read(&ours, 8000, 8192), "{serial}");
    }
}

#[test]
fn a_packet_may_lie_in_several_pages_and_comments_may_be_pictures() {
    let packet = packets(1, Channels::Mono).remove(0);
    let padded = {
        // A packet with so much padding that no page holds it (RFC 6716 §3.2.5, code 3).
        let frame = &packet[1..];
        let padding = 60_000 - 236;
        let mut padded = vec![packet[0] | 3, 0x41];
        padded.extend(vec![255; padding / 254]);
        padded.push((padding % 254) as u8);
        padded.extend(frame);
        padded.extend(vec![0; padding]);
        padded
    };
    assert!(padded.len() > 50_000 && padded.len() < LONGEST_PACKET, "{}", padded.len());
    let picture = tags(100_000);
    let mut file = page(0, 2, 0, &[head(1, 0, 0)]);
    let mut number = 1;
    for (long, granule) in [(picture, 0), (padded, 960)] {
        let mut pieces = long.chunks(255 * 100).peekable();
        let mut flags = 0;
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            let mut laces = vec![255; piece.len() / 255];
            if last {
                laces.push((piece.len() % 255) as u8);
            }
            file.extend(page_of(SERIAL, number, flags, if last { granule } else { -1 }, &laces, piece));
            (number, flags) = (number + 1, 1);
        }
    }
    let (samples, end) = read(&file, 48_000, 8192);
    assert_eq!((samples.len(), end), (960, Ok(())));
}

#[test]
fn what_its_writer_did_not_finish_is_played_as_far_as_it_goes() {
    let file = file(48_000);
    let (whole, _) = read(&file, 8000, 8192);
    let (most, end) = read(&file[..file.len() - 10], 8000, 8192);
    assert_eq!((&most[..], end), (&whole[..6348], Ok(())));
}

#[test]
fn what_follows_the_end_is_not_played() {
    let with_a_tag = [file(48_000), b"TAG of a program that knows nothing of Ogg".to_vec()].concat();
    assert_eq!(read(&with_a_tag, 8000, 8192), read(&file(48_000), 8000, 8192));
}

#[test]
fn a_damaged_page_a_missing_one_and_none_are_told_with_their_places() {
    let file = file(48_000);
    let heads = headers(1, 312, 0).len();
    let third = heads + page(2, 0, 9600, &packets(50, Channels::Mono)[..10]).len();
    let mut damaged = file.clone();
    damaged[third + 100] ^= 1;
    let (samples, end) = read(&damaged, 8000, 8192);
    assert_eq!((samples.len(), end), (1600 - 52, Err(BadOgg::Checksum { at: third as u64 })));
    let missing = [&file[..heads], &file[third..]].concat();
    assert_eq!(read(&missing, 8000, 8192).1, Err(BadOgg::Missing { at: heads as u64 }));
    let mut none = file;
    none[third] = b'x';
    assert_eq!(read(&none, 8000, 8192).1, Err(BadOgg::NoPage { at: third as u64 }));
}

#[test]
fn what_cannot_be_played_is_seen_at_its_beginning() {
    let of = |packet: &[u8]| page(0, 2, 0, &[packet.to_vec()]);
    let first = |packet: &[u8]| OggOpus::look_at(&of(packet));
    assert_eq!(OggOpus::look_at(&headers(2, 312, 0)), Ok(()));
    let vorbis = [of(b"\x01vorbis..."), page(1, 0, 0, &[vec![1]])].concat();
    assert_eq!(OggOpus::look_at(&vorbis), Err(BadOgg::NotOpus("Vorbis")));
    assert_eq!(read(&of(b"Speex   "), 8000, 99).1, Err(BadOgg::NotOpus("Speex")));
    assert_eq!(first(b"OpusHead\x01\x01"), Err(BadOgg::Head));
    assert_eq!(first(&[b"OpusHead\x10\x01".to_vec(), vec![0; 9]].concat()), Err(BadOgg::Head));
    assert_eq!(first(&head(0, 0, 0)), Err(BadOgg::Head));
    assert_eq!(first(&head(6, 0, 0)), Err(BadOgg::Channels(6)));
    assert_eq!(OggOpus::look_at(b"OggS\0\x02"), Err(BadOgg::Short));
    assert_eq!(OggOpus::look_at(b"OggS\x01"), Err(BadOgg::Short));
    assert_eq!(OggOpus::look_at(b"OggX"), Err(BadOgg::NoPage { at: 0 }));
    let two = [of(&head(1, 0, 0)), page(1, 0, 0, &[b"no comments".to_vec()])].concat();
    assert_eq!(read(&two, 8000, 99).1, Err(BadOgg::Comments));
    assert_eq!(read(&of(&head(1, 0, 0)), 8000, 99).1, Err(BadOgg::Short));
}

#[test]
fn a_packet_without_end_is_refused() {
    let mut file = headers(1, 0, 0);
    for number in 2..9 {
        file.extend(page_of(SERIAL, number, u8::from(number > 2), -1, &[255; 200], &vec![0; 255 * 200]));
    }
    assert!(matches!(read(&file, 8000, 8192).1, Err(BadOgg::Packet { .. })));
}

#[test]
fn no_octets_make_it_fall() {
    let (whole, mut seed) = ([file(47_312), file(48_000)].concat(), 1u32);
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for round in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..1 + round % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        if round % 2 == 0 {
            mend(&mut bytes);
        }
        bytes.truncate(random() % (bytes.len() + 1));
        let (samples, _) = read(&bytes, 8000, 4096);
        // However long a packet says that it is: 120 ms.
        assert!(samples.len() <= 100 * 960, "{}", samples.len());
    }
}

/// Makes all checksums right, so that what is wrong besides is looked at.
fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(laces) = bytes.get(at + 26).map(|&count| usize::from(count)) {
        let Some(lengths) = bytes.get(at + 27..at + 27 + laces) else { return };
        let end = at + 27 + laces + lengths.iter().map(|&lace| usize::from(lace)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..end) else { return };
        let told = sum(page);
        page[22..26].copy_from_slice(&told.to_le_bytes());
        at = end;
    }
}
