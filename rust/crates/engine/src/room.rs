//! Conference rooms: everybody hears the loudest of all others, never himself (N-1).
//!
//! A room is led by one worker: at each of its beats it takes what the members said, mixes, and lays ready what each
//! shall hear. Members of other workers bring and fetch at beats of their own; short queues keep the beats apart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trunkline_dsp::mix::{self, Gain, Loudness, Mix};
use trunkline_dsp::speakers::{Part, Speakers};
use trunkline_dsp::{Codec, Encoder, Rates};

use crate::convert::LONGEST_PAYLOAD;
use crate::formats::Speech;
use crate::mouth::MOST_SAMPLES;
use crate::playback::{Next, Playback};
use crate::rates::append;
use crate::tap::Tap;

/// Members of a room.
pub const MOST_MEMBERS: usize = 200;
/// Frames that wait between two workers: more than their beats are ever apart.
const MOST_WAITING: usize = 3;
/// Codecs in which the room itself encodes, for two members or more each: its beat is one piece of work, so what a rare
/// codec costs is for who speaks to its members.
const MOST_COMMON: usize = 4;
/// Beats after which an encoder that nobody needs is let go: 5 s.
const UNNEEDED: u32 = 250;
/// The length of a beat.
const FRAME_MS: u32 = 20;

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rights {
    /// What it says is made so much louder.
    pub gain_db: f32,
    /// It is not heard.
    pub muted: bool,
    /// It hears nobody.
    pub deaf: bool,
}

/// 20 ms that a member hears.
#[derive(Clone, Debug)]
pub enum Mixed {
    /// To be encoded by its own mouth, at the room's rate.
    Sound(Arc<[i16]>),
    /// Encoded already, for all who hear the same in the same codec.
    Payload(Arc<[u8]>),
}

/// A room that several workers share.
#[derive(Debug)]
pub struct Hall {
    /// The rate at which it mixes.
    pub rate_hz: u32,
    room: Mutex<Room>,
    /// Only who leads the room takes it: encoding costs more than all else, and members need not wait for it.
    scribe: Mutex<Scribe>,
}

impl Hall {
    /// An empty room.
    pub fn new(rate_hz: u32, speakers: usize) -> Self {
        let samples = (rate_hz / 50) as usize;
        let room = Room {
            rate_hz,
            samples,
            members: Vec::new(),
            mix: Mix::new(samples),
            speakers: Speakers::new(speakers, FRAME_MS),
            silence: vec![0; samples].into(),
            player: None,
            taps: Vec::new(),
            beat: 0,
            closed: false,
        };
        let scribe = Scribe { rate_hz, common: Vec::new(), wanted: Vec::new() };
        Self { rate_hz, room: Mutex::new(room), scribe: Mutex::new(scribe) }
    }

    /// One beat: mixes. Returns whether the room goes on, and a playback that has come to its end.
    pub fn lead(&self, now_ns: u64) -> (bool, Option<Box<Playback>>) {
        let mut scribe = self.scribe.lock().unwrap_or_else(PoisonError::into_inner);
        let mut room = self.lock();
        let Mixture { goes_on, over, whole } = room.mix(now_ns);
        let Some(whole) = whole else { return (goes_on, over) };
        room.ask(&mut scribe.wanted);
        drop(room);
        scribe.write(&whole);
        self.lock().hand_out(&whole, &scribe);
        (goes_on, over)
    }

    /// The room, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Member {
    slot: u32,
    gain: Gain,
    muted: bool,
    deaf: bool,
    speech: Option<Speech>,
    loudness: Loudness,
    said: VecDeque<Box<[i16]>>,
    hears: VecDeque<Mixed>,
    /// In which codec it heard what all others hear, in the beat before.
    shares: Option<Codec>,
    now: Box<[i16]>,
}

/// What a beat has brought.
#[derive(Debug)]
struct Mixture {
    /// Whether the room goes on.
    goes_on: bool,
    /// A playback that has come to its end.
    over: Option<Box<Playback>>,
    /// All that was said and played, if there is anybody.
    whole: Option<Arc<[i16]>>,
}

/// What is played into a room.
#[derive(Debug)]
struct Player {
    playback: Box<Playback>,
    rates: Option<Rates>,
    sound: Vec<i16>,
}

/// An encoder for all who hear the whole mix in one codec.
#[derive(Debug)]
struct Common {
    codec: Codec,
    encoder: Encoder,
    rates: Option<Rates>,
    sound: Vec<i16>,
    /// Of this beat.
    payload: Option<Arc<[u8]>>,
    unneeded: u32,
}

/// A codec in which somebody hears the whole.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    codec: Codec,
    members: u32,
    /// Whether some of them heard something else in the beat before.
    is_joined: bool,
}

/// Who encodes what most members hear, once for each codec.
#[derive(Debug)]
struct Scribe {
    rate_hz: u32,
    common: Vec<Common>,
    /// The codecs of this beat.
    wanted: Vec<Wanted>,
}

/// Members, what they said and what they shall hear.
#[derive(Debug)]
pub struct Room {
    rate_hz: u32,
    samples: usize,
    members: Vec<Member>,
    mix: Mix,
    speakers: Speakers,
    silence: Arc<[i16]>,
    player: Option<Player>,
    taps: Vec<Tap>,
    beat: u32,
    closed: bool,
}

impl Room {
    /// Lets somebody in, or changes what a member may.
    pub fn admit(&mut self, slot: u32, rights: Rights, speech: Option<Speech>) {
        if !self.members.iter().any(|member| member.slot == slot) {
            self.members.push(Member {
                slot,
                gain: Gain::default(),
                muted: false,
                deaf: false,
                speech,
                loudness: Loudness::default(),
                said: VecDeque::with_capacity(MOST_WAITING),
                hears: VecDeque::with_capacity(MOST_WAITING),
                shares: None,
                now: vec![0; self.samples].into(),
            });
        }
        if let Some(member) = self.member(slot) {
            (member.muted, member.deaf, member.speech) = (rights.muted, rights.deaf, speech);
            if rights.muted { member.gain.mute() } else { member.gain.set_db(rights.gain_db) }
        }
    }

    /// Another offer or answer changed how a member is spoken to.
    pub fn set_speech(&mut self, slot: u32, speech: Option<Speech>) {
        if let Some(member) = self.member(slot) {
            member.speech = speech;
            member.hears.clear();
        }
    }

    /// Somebody has left.
    pub fn leave(&mut self, slot: u32) {
        self.members.retain(|member| member.slot != slot);
    }

    /// A member has said this, at the room's rate.
    pub fn bring(&mut self, slot: u32, sound: &[i16]) {
        let samples = self.samples;
        let Some(member) = self.member(slot) else { return };
        if member.said.len() == MOST_WAITING {
            member.said.pop_front();
        }
        if sound.len() == samples {
            member.said.push_back(sound.into());
        }
    }

    /// What a member hears next, if it is ready.
    pub fn fetch(&mut self, slot: u32) -> Option<Mixed> {
        self.member(slot)?.hears.pop_front()
    }

    /// Plays files to all; what was played before is over, and told.
    pub fn play(&mut self, playback: Option<Box<Playback>>) -> Option<Box<Playback>> {
        let rate_hz = self.rate_hz;
        let player = playback.map(|playback| Player {
            rates: Rates::new(playback.rate_hz, rate_hz).filter(|_| playback.rate_hz != rate_hz),
            playback,
            sound: Vec::with_capacity(2 * MOST_SAMPLES),
        });
        std::mem::replace(&mut self.player, player).map(|player| player.playback)
    }

    /// Ends a playback, if it is this one.
    pub fn stop_play(&mut self, id: &str) -> Option<Box<Playback>> {
        let plays = self.player.as_ref().is_some_and(|player| *player.playback.id == *id);
        if plays { self.play(None) } else { None }
    }

    /// Records what is heard in the room.
    pub fn record(&mut self, tap: Tap) {
        self.taps.retain(|tap| !tap.is_over());
        self.taps.push(tap);
    }

    /// It ends: its leader lets go of it at the next beat.
    pub fn close(&mut self) -> Option<Box<Playback>> {
        self.closed = true;
        self.members.clear();
        self.taps.clear();
        self.play(None)
    }

    fn member(&mut self, slot: u32) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.slot == slot)
    }

    /// Adds up what was said.
    fn mix(&mut self, now_ns: u64) -> Mixture {
        if self.closed || (self.members.is_empty() && self.player.is_none() && self.taps.is_empty()) {
            return Mixture { goes_on: !self.closed, over: None, whole: None };
        }
        self.beat = self.beat.wrapping_add(1);
        self.listen();
        let over = self.sum();
        let mut whole: Arc<[i16]> = Arc::clone(&self.silence);
        if self.mix.voices() > 0 {
            let mut sound = vec![0; self.samples];
            self.mix.whole(&mut sound);
            whole = sound.into();
        }
        self.taps.retain(|tap| !tap.is_over());
        for tap in &self.taps {
            tap.pass_sound(now_ns, self.beat, self.rate_hz, &whole);
        }
        Mixture { goes_on: true, over, whole: Some(whole) }
    }

    /// The codecs in which most members hear the whole.
    fn ask(&self, wanted: &mut Vec<Wanted>) {
        wanted.clear();
        for member in &self.members {
            let Some(codec) = self.common_codec(member) else { continue };
            let is_joined = member.shares != Some(codec);
            match wanted.iter_mut().find(|one| one.codec == codec) {
                Some(one) => (one.members, one.is_joined) = (one.members + 1, one.is_joined || is_joined),
                None => wanted.push(Wanted { codec, members: 1, is_joined }),
            }
        }
        // One member alone is spoken to by an encoder of its own all the time.
        wanted.retain(|one| one.members > 1);
        wanted.sort_by_key(|one| std::cmp::Reverse(one.members));
        wanted.truncate(MOST_COMMON);
    }

    /// The codec of a member that hears what all others hear.
    fn common_codec(&self, member: &Member) -> Option<Codec> {
        let speech = member.speech.filter(|speech| speech.ptime_ms == FRAME_MS)?;
        let common = !member.deaf && self.speakers.part_of(member.slot) == Part::Silent;
        common.then_some(speech.codec)
    }

    /// What each has said, and who is loud enough to be heard.
    fn listen(&mut self) {
        self.speakers.begin();
        for member in &mut self.members {
            match member.said.pop_front() {
                Some(said) => member.now = said,
                None => member.now.fill(0),
            }
            member.gain.apply(&mut member.now);
            let energy = member.loudness.hear(&member.now);
            if !member.gain.is_mute() {
                self.speakers.offer(member.slot, energy);
            }
        }
        self.speakers.choose();
    }

    /// Adds up who is heard, and what is played.
    fn sum(&mut self) -> Option<Box<Playback>> {
        let Self { members, mix, speakers, .. } = self;
        mix.begin();
        for (slot, part) in speakers.members() {
            let Some(member) = members.iter_mut().find(|member| member.slot == slot) else { continue };
            match part {
                Part::Enters => mix::fade_in(&mut member.now),
                Part::Leaves => mix::fade_out(&mut member.now),
                Part::Stays | Part::Silent => {}
            }
            mix.add(&member.now);
        }
        let over = self.add_player();
        self.mix.settle();
        over
    }

    fn add_player(&mut self) -> Option<Box<Playback>> {
        let player = self.player.as_mut()?;
        let mut piece = [0; MOST_SAMPLES];
        let piece = &mut piece[..(player.playback.rate_hz / 50) as usize];
        match player.playback.next(piece) {
            Next::Wait => return None,
            Next::Over => return self.play(None),
            Next::Sound => {}
        }
        player.sound.clear();
        match &mut player.rates {
            None => player.sound.extend_from_slice(piece),
            Some(rates) => append(rates, piece, &mut player.sound),
        }
        self.mix.add(&player.sound);
        None
    }

    /// Lays ready what each hears: the whole for most of them, encoded already.
    fn hand_out(&mut self, whole: &Arc<[i16]>, scribe: &Scribe) {
        let Self { members, mix, speakers, silence, samples, .. } = self;
        for member in members {
            let Some(speech) = member.speech else { continue };
            member.shares = None;
            let mixed = if member.deaf {
                Mixed::Sound(Arc::clone(silence))
            } else if speakers.part_of(member.slot) != Part::Silent {
                let mut own = vec![0; *samples];
                mix.without(&member.now, &mut own);
                Mixed::Sound(own.into())
            } else if let Some(payload) = scribe.payload(speech) {
                member.shares = Some(speech.codec);
                Mixed::Payload(payload)
            } else {
                Mixed::Sound(Arc::clone(whole))
            };
            if member.hears.len() == MOST_WAITING {
                member.hears.pop_front();
            }
            member.hears.push_back(mixed);
        }
    }
}

impl Scribe {
    /// Encodes the whole in each codec that is wanted.
    fn write(&mut self, whole: &[i16]) {
        let Self { rate_hz, common, wanted } = self;
        common.iter_mut().for_each(|one| (one.payload, one.unneeded) = (None, one.unneeded + 1));
        for &Wanted { codec, is_joined, .. } in &*wanted {
            if !common.iter().any(|one| one.codec == codec) {
                let Ok(encoder) = Encoder::at(codec, *rate_hz) else { continue };
                let to_hz = encoder.rate_hz();
                let rates = Rates::new(*rate_hz, to_hz).filter(|_| *rate_hz != to_hz);
                let sound = Vec::with_capacity(2 * MOST_SAMPLES);
                common.push(Common { codec, encoder, rates, sound, payload: None, unneeded: 0 });
            }
            common.iter_mut().filter(|one| one.codec == codec).for_each(|one| one.write(whole, is_joined));
        }
        common.retain(|one| one.unneeded < UNNEEDED);
    }

    /// What was written for who is spoken to so.
    fn payload(&self, speech: Speech) -> Option<Arc<[u8]>> {
        let one = self.common.iter().find(|one| one.codec == speech.codec && speech.ptime_ms == FRAME_MS)?;
        one.payload.clone()
    }
}

impl Common {
    /// Who has heard another encoder so far understands a frame that stands alone, and all that follow it.
    fn write(&mut self, whole: &[i16], alone: bool) {
        self.unneeded = 0;
        self.encoder.stand_alone(alone);
        self.sound.clear();
        match &mut self.rates {
            None => self.sound.extend_from_slice(whole),
            Some(rates) => append(rates, whole, &mut self.sound),
        }
        let mut octets = [0; LONGEST_PAYLOAD];
        let length = self.encoder.encode(&self.sound, &mut octets);
        self.payload = length.ok().map(|length| octets[..length].into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mouth::plain;
    use trunkline_dsp::{Law, Sine};

    const RIGHTS: Rights = Rights { gain_db: 0.0, muted: false, deaf: false };

    fn tone(frequency: f64, beats: usize) -> Vec<Vec<i16>> {
        let mut sine = Sine::new(frequency, -20.0, 8000.0);
        (0..beats).map(|_| (0..160).map(|_| sine.sample()).collect()).collect()
    }

    fn level(samples: &[i16], frequency: f64) -> f64 {
        let (mut a, mut b) = (0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let angle = std::f64::consts::TAU * frequency * n as f64 / 8000.0;
            (a, b) = (a + f64::from(sample) * angle.cos(), b + f64::from(sample) * angle.sin());
        }
        let amplitude = 2.0 * (a * a + b * b).sqrt() / samples.len() as f64;
        20.0 * (amplitude / 32_768.0).max(1e-6).log10()
    }

    fn heard(room: &mut Room, slot: u32) -> Vec<i16> {
        match room.fetch(slot).unwrap() {
            Mixed::Sound(sound) => sound.to_vec(),
            Mixed::Payload(payload) => payload.iter().map(|&octet| Law::Mu.decode(octet)).collect(),
        }
    }

    /// What each of the members hears after a second in which the first ones say a tone each.
    fn meeting(members: u32, rights: impl Fn(u32) -> Rights, tones: &[f64]) -> Vec<Vec<i16>> {
        let hall = Hall::new(8000, 4);
        (0..members).for_each(|slot| hall.lock().admit(slot, rights(slot), Some(plain(Law::Mu))));
        let tones: Vec<Vec<Vec<i16>>> = tones.iter().map(|&frequency| tone(frequency, 50)).collect();
        let mut all = vec![Vec::new(); members as usize];
        for beat in 0..50 {
            let said = tones.iter().enumerate();
            said.for_each(|(slot, tone)| hall.lock().bring(slot as u32, &tone[beat]));
            hall.lead(beat as u64);
            for slot in 0..members {
                all[slot as usize].extend(heard(&mut hall.lock(), slot));
            }
        }
        all.into_iter().map(|samples| samples[4000..].to_vec()).collect()
    }

    #[test]
    fn each_hears_all_others_and_never_himself() {
        let all = meeting(3, |_| RIGHTS, &[400.0, 1000.0]);
        assert!(level(&all[0], 400.0) < -50.0 && level(&all[0], 1000.0) > -22.0);
        assert!(level(&all[1], 1000.0) < -50.0 && level(&all[1], 400.0) > -22.0);
        assert!(level(&all[2], 1000.0) > -22.0 && level(&all[2], 400.0) > -22.0);
    }

    #[test]
    fn who_is_muted_is_not_heard_and_who_is_deaf_hears_nothing() {
        let rights = |slot| Rights { muted: slot == 0, deaf: slot == 1, gain_db: 0.0 };
        let all = meeting(3, rights, &[400.0, 1000.0]);
        assert!(level(&all[2], 400.0) < -50.0 && level(&all[2], 1000.0) > -22.0);
        assert!(level(&all[0], 1000.0) > -22.0);
        assert!(all[1].iter().all(|&sample| sample.abs() < 10));
    }

    #[test]
    fn a_gain_makes_louder() {
        let rights = |slot| Rights { gain_db: if slot == 0 { 10.0 } else { 0.0 }, ..RIGHTS };
        let all = meeting(3, rights, &[400.0, 1000.0]);
        assert!((level(&all[2], 400.0) - level(&all[2], 1000.0) - 10.0).abs() < 1.0);
    }

    #[test]
    fn only_so_many_are_heard_at_once() {
        let tones: Vec<f64> = (1..=8).map(|n| f64::from(n) * 300.0).collect();
        let all = meeting(9, |_| RIGHTS, &tones);
        assert_eq!(tones.iter().filter(|&&tone| level(&all[8], tone) > -30.0).count(), 4);
    }

    #[test]
    fn what_waits_is_bounded() {
        let hall = Hall::new(8000, 4);
        hall.lock().admit(1, RIGHTS, Some(plain(Law::Mu)));
        (0..100).for_each(|_| hall.lock().bring(1, &[0; 160]));
        (0..100).for_each(|beat| drop(hall.lead(beat)));
        assert_eq!((0..100).filter(|_| hall.lock().fetch(1).is_some()).count(), MOST_WAITING);
    }

    /// How an Opus member is spoken to that wants so many bits a second.
    fn opus(bit_rate: u32) -> Speech {
        let codec = Codec::Opus { stereo: false, fec: false, bit_rate, most_hz: 0 };
        Speech { payload_type: 96, codec, ptime_ms: 20 }
    }

    fn is_common(hall: &Hall, slot: u32) -> bool {
        matches!(hall.lock().fetch(slot), Some(Mixed::Payload(_)))
    }

    #[test]
    fn the_room_encodes_for_two_or_more_and_in_a_few_codecs_only() {
        let hall = Hall::new(16_000, 4);
        // Of each codec two members, of the last one three, of the first one only one.
        let codecs = [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6];
        for (slot, &codec) in codecs.iter().enumerate() {
            hall.lock().admit(slot as u32, RIGHTS, Some(opus(10_000 + codec)));
        }
        hall.lead(0);
        let common: Vec<u32> =
            (0..14).filter(|&slot| is_common(&hall, slot)).map(|slot| codecs[slot as usize]).collect();
        assert_eq!(common, [1, 1, 2, 2, 3, 3, 6, 6, 6]);
    }

    #[test]
    fn who_has_spoken_hears_the_common_stream_without_a_break() {
        let hall = Hall::new(16_000, 4);
        (0..4).for_each(|slot| hall.lock().admit(slot, RIGHTS, Some(opus(0))));
        let mut voices = [200.0, 310.0].map(|frequency| Sine::new(frequency, -20.0, 16_000.0));
        let mut private = Encoder::at(opus(0).codec, 16_000).unwrap();
        let mut decoders = [0, 1].map(|_| trunkline_dsp::Decoder::at(opus(0).codec, 16_000).unwrap());
        let mut since = None;
        for beat in 0..250 {
            let said: Vec<Vec<i16>> =
                voices.iter_mut().map(|voice| (0..320).map(|_| voice.sample()).collect()).collect();
            // The first member is silent after a second, the second one speaks all the time.
            (0..2)
                .filter(|&slot| slot == 1 || beat < 50)
                .for_each(|slot| hall.lock().bring(slot as u32, &said[slot]));
            hall.lead(beat);
            let heard = [0, 2].map(|slot| hall.lock().fetch(slot).unwrap());
            if beat > 50 && matches!(heard[0], Mixed::Payload(_)) {
                since.get_or_insert(beat);
            }
            let mut out = [[0; 320]; 2];
            for ((mixed, decoder), out) in heard.iter().zip(&mut decoders).zip(&mut out) {
                let mut octets = [0; LONGEST_PAYLOAD];
                let payload = match mixed {
                    Mixed::Payload(payload) => &payload[..],
                    Mixed::Sound(sound) => {
                        let length = private.encode(sound, &mut octets).unwrap();
                        &octets[..length]
                    }
                };
                decoder.decode(payload, out).unwrap();
            }
            if since.is_some_and(|since| beat > since && beat < since + 10) {
                let power: f64 = out[1].iter().map(|&x| f64::from(x).powi(2)).sum();
                let noise: f64 =
                    out[0].iter().zip(&out[1]).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
                assert!(power > 100.0 * noise, "{beat}: {power:.0} {noise:.0}");
            }
        }
        assert!(since.is_some_and(|since| since > 60));
    }
}
