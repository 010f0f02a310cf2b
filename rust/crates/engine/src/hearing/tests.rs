use super::*;
use trunkline_dsp::Law;
use trunkline_dsp::signal::Signal;
use trunkline_rtp::packet::{HEADER, write_header};

const KEYS: Wanted = Wanted { keys: true, voice_end_ms: None, progress: false, machine: false };

struct Peer {
    encoder: Encoder,
    format: Format,
    sequence: u16,
    timestamp: u32,
}

impl Peer {
    fn new(codec: Codec) -> Self {
        let format = Format { payload_type: 100, content: Content::Sound(codec), clock_hz: codec.clock_hz() };
        Self { encoder: Encoder::new(codec).unwrap(), format, sequence: 65_530, timestamp: u32::MAX - 500 }
    }

    /// The next 20 ms as a packet.
    fn say(&mut self, signal: &mut Signal) -> Vec<u8> {
        let codec = self.encoder.codec();
        let mut samples = vec![0; codec.rate_hz() as usize / 50];
        signal.fill(&mut samples);
        let mut bytes = vec![0; HEADER + 2000];
        let (header, payload) = bytes.split_at_mut(HEADER);
        write_header(header.try_into().unwrap(), false, 100, self.sequence, self.timestamp, 7);
        let length = self.encoder.encode(&samples, payload).unwrap();
        bytes.truncate(HEADER + length);
        self.skip();
        bytes
    }

    fn skip(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.encoder.codec().clock_hz() / 50);
    }
}

fn keys(text: &str, rate_hz: u32) -> Signal {
    let pressed = text.chars().flat_map(|key| [step_of(key), trunkline_dsp::signal::Step::silence(80)]);
    Signal::new(&pressed.collect::<Vec<_>>(), false, rate_hz)
}

fn step_of(key: char) -> trunkline_dsp::signal::Step {
    trunkline_dsp::keys::step_of(key, 80, -17.0).unwrap()
}

fn told(hearing: &mut Hearing) -> String {
    let keys = hearing.news.drain(..).filter_map(|one| match one {
        News::Key(KeyHeard::Up(key, _)) => Some(key),
        _ => None,
    });
    keys.collect()
}

#[test]
fn keys_are_heard_in_every_codec() {
    let opus = Codec::Opus { stereo: false, fec: false, bit_rate: 0, most_hz: 0 };
    let l16 = Codec::L16 { rate_hz: 16_000, channels: 1 };
    for codec in [Codec::G711(Law::Mu), Codec::G711(Law::A), Codec::G722, opus, l16] {
        let (mut peer, mut hearing) = (Peer::new(codec), Hearing::new(0, KEYS));
        let mut signal = keys("159D#", codec.rate_hz());
        let mut heard = String::new();
        for n in 0..60 {
            let bytes = peer.say(&mut signal);
            hearing.take(n * 20_000_000, &RtpPacket::parse(&bytes).unwrap(), peer.format);
            heard += &told(&mut hearing);
        }
        assert_eq!(heard, "159D#", "{codec:?}");
    }
}

#[test]
fn a_lost_packet_does_not_make_two_keys_of_one_and_one_that_comes_again_none() {
    let (mut peer, mut hearing) = (Peer::new(Codec::G711(Law::A)), Hearing::new(0, KEYS));
    let step = trunkline_dsp::keys::step_of('6', 200, -17.0).unwrap();
    let mut signal = Signal::new(&[step], false, 8000);
    for n in 0..30u64 {
        let bytes = peer.say(&mut signal);
        if n != 5 {
            for _ in 0..2 {
                hearing.take(n * 20_000_000, &RtpPacket::parse(&bytes).unwrap(), peer.format);
            }
        }
    }
    assert_eq!(told(&mut hearing), "6");
}

#[test]
fn a_peer_that_stops_sending_has_released_the_key() {
    let (mut peer, mut hearing) = (Peer::new(Codec::G711(Law::A)), Hearing::new(0, KEYS));
    let step = trunkline_dsp::keys::step_of('6', 100, -17.0).unwrap();
    let mut signal = Signal::new(&[step], false, 8000);
    for n in 0..5 {
        let bytes = peer.say(&mut signal);
        hearing.take(n * 20_000_000, &RtpPacket::parse(&bytes).unwrap(), peer.format);
    }
    assert_eq!(told(&mut hearing), "");
    hearing.tick(200_000_000);
    assert_eq!(told(&mut hearing), "", "a packet may be late");
    hearing.tick(400_000_000);
    assert_eq!(told(&mut hearing), "6");
}

#[test]
fn a_key_taken_out_of_the_sound_leaves_silence() {
    for codec in [Codec::G711(Law::Mu), Codec::G711(Law::A), Codec::L16 { rate_hz: 8000, channels: 1 }] {
        let (mut peer, mut hearing) = (Peer::new(codec), Hearing::new(0, KEYS));
        let mut signal = keys("5", 8000);
        let mut bytes = peer.say(&mut signal);
        hearing.take(0, &RtpPacket::parse(&bytes).unwrap(), peer.format);
        assert!(hearing.listener.suspects_key());
        let length = hearing.silence(&mut bytes).unwrap();
        assert_eq!(length, bytes.len());
        let mut decoder = Decoder::new(codec).unwrap();
        let mut sound = [99i16; 160];
        decoder.decode(&bytes[HEADER..], &mut sound).unwrap();
        assert!(sound.iter().all(|sample| sample.abs() <= 8), "{codec:?}");
    }
}

#[test]
fn packets_of_nonsense_do_no_harm() {
    let mut random = 88_172_645_463_325_252u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let all = Wanted { keys: true, voice_end_ms: Some(300), progress: true, machine: true };
    let opus = Codec::Opus { stereo: false, fec: false, bit_rate: 0, most_hz: 0 };
    let mut hearing = Hearing::new(0, all);
    for n in 0..2000u64 {
        let mut bytes: Vec<u8> = (0..12 + next() % 300).map(|_| next() as u8).collect();
        bytes[0] = 0x80;
        if next() % 2 == 0 {
            bytes[8..12].fill(1);
        }
        let codec = [Codec::G722, opus, Codec::G711(Law::Mu)][next() as usize % 3];
        let format = Format { payload_type: bytes[1] & 127, content: Content::Sound(codec), clock_hz: 8000 };
        let packet = RtpPacket::parse(&bytes).unwrap();
        hearing.take(n * 20_000_000, &packet, format);
        hearing.tick(n * 20_000_000);
        hearing.silence(&mut bytes);
        hearing.news.clear();
    }
}
