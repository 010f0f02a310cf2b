//! Conference rooms: everybody hears the loudest of all others, never himself (N-1).
//!
//! A room is led by one worker: at each of its beats it takes what the members said, mixes, and lays ready what each
//! shall hear. Members of other workers bring and fetch at beats of their own; short queues keep the beats apart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trunkline_dsp::mix::{self, Gain, Loudness, Mix, energy};
use trunkline_dsp::speakers::{Part, SILENCE, Speakers};
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
/// Beats in which more waited than was needed, after which one frame of it goes, in a pause: a worker that was held up
/// once must not leave everybody later for good.
const SPARE: u32 = 50;
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
        let Some(whole) = whole else {
            scribe.common = Vec::new(); // nobody is here: whoever comes hears a new stream
            return (goes_on, over);
        };
        room.ask(&mut scribe);
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
    /// In which codec it would hear that in this beat; who has come since it began is not counted.
    asks: Option<Codec>,
    /// Whether a frame of that never came to its peer.
    broken: bool,
    /// Beats in which something else waited of what it said, and of what it is to hear.
    spare: [u32; 2],
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
        let is_new = !self.members.iter().any(|member| member.slot == slot);
        if is_new {
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
                asks: None,
                broken: false,
                spare: [0; 2],
                now: vec![0; self.samples].into(),
            });
        }
        self.set_speech(slot, speech);
        if let Some(member) = self.member(slot) {
            (member.muted, member.deaf) = (rights.muted, rights.deaf);
            if rights.muted {
                member.gain.mute()
            } else {
                member.gain.set_db(rights.gain_db)
            }
            if is_new {
                member.gain.settle(); // who comes quiet is not loud for a moment
            }
        }
    }

    /// Another offer or answer changed how a member is spoken to.
    pub fn set_speech(&mut self, slot: u32, speech: Option<Speech>) {
        let Some(member) = self.member(slot).filter(|member| member.speech != speech) else { return };
        member.speech = speech;
        (member.shares, member.asks) = (None, None);
        member.hears.retain(|mixed| matches!(mixed, Mixed::Sound(_)));
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

    /// What a member hears next, if it is ready; whether its peer is `told`, or something else takes its place.
    pub fn fetch(&mut self, slot: u32, told: bool) -> Option<Mixed> {
        let member = self.member(slot)?;
        let mixed = member.hears.pop_front();
        member.broken |= mixed.is_none() || !told;
        mixed
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
    fn ask(&mut self, scribe: &mut Scribe) {
        let Self { members, speakers, .. } = self;
        let Scribe { common, wanted, .. } = scribe;
        wanted.clear();
        for member in members {
            member.asks = common_codec(speakers, member);
            let Some(codec) = member.asks else { continue };
            let is_joined = std::mem::take(&mut member.broken) || member.shares != Some(codec);
            match wanted.iter_mut().find(|one| one.codec == codec) {
                Some(one) => (one.members, one.is_joined) = (one.members + 1, one.is_joined || is_joined),
                None => wanted.push(Wanted { codec, members: 1, is_joined }),
            }
        }
        // One member alone is spoken to by an encoder of its own all the time.
        wanted.retain(|one| one.members > 1);
        // Of those with as many members the ones of before stay: a change of encoder is heard, if hardly.
        let is_there = |codec| common.iter().any(|one: &Common| one.codec == codec && one.payload.is_some());
        wanted.sort_by_key(|one| (std::cmp::Reverse(one.members), !is_there(one.codec)));
        wanted.truncate(MOST_COMMON);
    }

    /// What each has said, and who is loud enough to be heard.
    fn listen(&mut self) {
        self.speakers.begin();
        for member in &mut self.members {
            match member.said.pop_front() {
                Some(said) => member.now = said,
                None => member.now.fill(0),
            }
            member.spare[0] = if member.said.is_empty() { 0 } else { member.spare[0] + 1 };
            if member.spare[0] > SPARE && member.loudness.is_silent() {
                member.said.pop_front();
                member.spare[0] = 0;
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
        let pause = &(energy(whole) < SILENCE);
        for member in members.iter_mut().filter(|member| member.speech.is_some()) {
            member.shares = None;
            let mixed = if member.deaf {
                Mixed::Sound(Arc::clone(silence))
            } else if speakers.part_of(member.slot) != Part::Silent {
                let mut own = vec![0; *samples];
                mix.without(&member.now, &mut own);
                Mixed::Sound(own.into())
            } else if let Some(payload) = member.asks.and_then(|codec| scribe.payload(codec)) {
                member.shares = member.asks;
                Mixed::Payload(payload)
            } else {
                Mixed::Sound(Arc::clone(whole))
            };
            member.spare[1] = if member.hears.is_empty() { 0 } else { member.spare[1] + 1 };
            let is_late = member.spare[1] > SPARE && *pause;
            if member.hears.len() == MOST_WAITING || is_late {
                member.hears.pop_front();
                (member.broken, member.spare[1]) = (true, 0);
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
                let sound = Vec::with_capacity(2 * MOST_SAMPLES);
                let rates = rates_to(&encoder, *rate_hz);
                common.push(Common { codec, encoder, rates, sound, payload: None, unneeded: 1 });
            }
            for one in common.iter_mut().filter(|one| one.codec == codec) {
                if one.unneeded > 1 {
                    // It heard the room last some while ago: what is left of that in it is not for now.
                    one.encoder.reset();
                    one.rates = rates_to(&one.encoder, *rate_hz);
                }
                one.write(whole, is_joined);
            }
        }
        common.retain(|one| one.unneeded < UNNEEDED);
    }

    /// What was written in a codec.
    fn payload(&self, codec: Codec) -> Option<Arc<[u8]>> {
        self.common.iter().find(|one| one.codec == codec)?.payload.clone()
    }
}

/// The codec of a member that hears what all others hear.
fn common_codec(speakers: &Speakers, member: &Member) -> Option<Codec> {
    let speech = member.speech.filter(|speech| speech.ptime_ms == FRAME_MS)?;
    let common = !member.deaf && speakers.part_of(member.slot) == Part::Silent;
    common.then_some(speech.codec.as_encoded())
}

/// From the room's rate to that of an encoder.
fn rates_to(encoder: &Encoder, rate_hz: u32) -> Option<Rates> {
    let to_hz = encoder.rate_hz();
    Rates::new(rate_hz, to_hz).filter(|_| rate_hz != to_hz)
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
mod tests;
