//! A port in a conference room, and what the commander tells of rooms.

use std::sync::Arc;

use trunkline_dsp::{Law, Rates};

use crate::ear::Frame;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::{Event, PortEvent};
use crate::mailbox::Order;
use crate::mouth::Sound;
use crate::playback::Playback;
use crate::port::{Context, Port};
use crate::rates::append;
use crate::room::{Hall, MOST_MEMBERS, Mixed, Rights};

/// Rooms at a time.
const MOST_ROOMS: usize = 1024;

/// What the port knows of its room.
#[derive(Debug)]
pub struct Seat {
    /// The room.
    pub hall: Arc<Hall>,
    rates: Option<Rates>,
    sound: Vec<i16>,
    fresh: bool,
}

impl Seat {
    /// A seat that was taken just now.
    pub fn new(hall: Arc<Hall>) -> Self {
        Self { hall, rates: None, sound: Vec::new(), fresh: true }
    }

    /// Brings what was heard of the peer into the room.
    pub fn bring(&mut self, slot: u32, frame: &Frame<'_>) {
        let (sound, to_hz) = (frame.sound, self.hall.rate_hz);
        if sound.rate_hz == to_hz {
            self.hall.lock().bring(slot, sound.samples);
            return;
        }
        if self.rates.as_ref().is_none_or(|rates| rates.from_hz() != sound.rate_hz) {
            self.rates = Rates::new(sound.rate_hz, to_hz);
        }
        let Some(rates) = &mut self.rates else { return };
        self.sound.clear();
        append(rates, sound.samples, &mut self.sound);
        self.hall.lock().bring(slot, &self.sound);
    }
}

impl Port {
    /// Takes a seat, or changes what the port may do in the room.
    pub fn join(&mut self, context: &Context<'_>, hall: Arc<Hall>, rights: Rights) {
        use crate::port::Job;
        let speech = self.formats.as_ref().and_then(|formats| formats.send);
        hall.lock().admit(self.slot, rights, speech);
        let there = matches!(&self.job, Job::Seat(seat) if Arc::ptr_eq(&seat.hall, &hall));
        if !there {
            self.begin(context, Job::Seat(Box::new(Seat::new(hall))));
        }
    }

    /// Says what the room has for the peer; silence when it is late.
    pub fn speak_of_room(&mut self, context: &Context<'_>, replaced: bool) {
        use crate::port::Job;
        let Job::Seat(seat) = &mut self.job else { return };
        let speaks = self.formats.as_ref().is_some_and(|formats| formats.send.is_some());
        let mixed = seat.hall.lock().fetch(self.slot, speaks && !replaced);
        let (rate_hz, first) = (seat.hall.rate_hz, seat.fresh);
        if replaced || !speaks || (first && mixed.is_none()) {
            return;
        }
        seat.fresh = false;
        self.turn_mouth(Law::Mu);
        let now_ns = context.now_ns;
        self.with_mouth(context, |mouth, voice, each| match &mixed {
            Some(Mixed::Payload(payload)) => mouth.pass((now_ns, first), voice, payload, each),
            Some(Mixed::Sound(samples)) => {
                mouth.say((now_ns, first), voice, Sound { samples, rate_hz }, each);
            }
            None => {
                let samples = &[0; crate::mouth::MOST_SAMPLES][..(rate_hz / 50) as usize];
                mouth.say((now_ns, first), voice, Sound { samples, rate_hz }, each);
            }
        });
    }
}

impl Engine {
    /// Makes a conference room.
    ///
    /// # Errors
    /// [`EngineError::Room`] when it is there already, or too many are; [`EngineError::Argument`] for a rate or a number
    /// of speakers out of range.
    pub fn open_room(&self, id: &str, owner: &str, rate_hz: u32, speakers: usize) -> Result<(), EngineError> {
        if ![8000, 16_000, 48_000].contains(&rate_hz) || !(1..=16).contains(&speakers) {
            return Err(EngineError::Argument(format!(
                "a room mixes 1 to 16 speakers at 8000, 16000 or 48000 Hz, got {speakers} at {rate_hz}"
            )));
        }
        let mut control = self.control();
        if control.find(id).is_ok() {
            return Err(EngineError::Duplicate(id.into()));
        }
        let hall = Arc::new(Hall::new(rate_hz, speakers));
        let number = control.open_room(id, owner, MOST_ROOMS, &hall)?;
        let post = &self.shared.posts[number % self.shared.posts.len()];
        post.mailbox.leave(0, Order::Lead(hall));
        post.wake_up();
        Ok(())
    }

    /// Ends a room.
    ///
    /// # Errors
    /// [`EngineError::UnknownRoom`].
    pub fn close_room(&self, id: &str) -> Result<(), EngineError> {
        let mut control = self.control();
        let (hall, members) = control.close_room(id)?;
        let stopped = hall.lock().close();
        self.tell_stopped(stopped);
        for slot in members {
            self.order(slot, Order::Work(crate::mailbox::Task::Idle));
        }
        self.files.room_closed(id);
        Ok(())
    }

    /// Closes every room of an owner.
    pub(crate) fn close_rooms_of(&self, owner: &str) {
        let rooms = self.control().rooms_of(owner);
        for room in rooms {
            // It may have been closed in between.
            let _ = self.close_room(&room);
        }
    }

    /// Puts a port into a room, or changes what it may do there.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`], [`EngineError::UnknownRoom`], [`EngineError::RoomFull`]; [`EngineError::Codec`]
    /// without formats; [`EngineError::Argument`] for a gain out of range.
    pub fn join(&self, id: &str, room: &str, rights: Rights) -> Result<(), EngineError> {
        if !(-40.0..=20.0).contains(&rights.gain_db) {
            return Err(EngineError::Argument(format!("a gain is -40 to 20 dB, got {}", rights.gain_db)));
        }
        let mut control = self.control();
        let slot = control.find(id)?.slot;
        if control.formats_of(slot).is_none() {
            let text = format!("port {id} has no formats to speak in: SetFormats comes first");
            return Err(EngineError::Codec(text));
        }
        if !control.is_member(room, slot)? {
            control.check_room(room, MOST_MEMBERS)?;
            self.part(&mut control, slot);
        }
        let hall = control.enter_room(room, slot)?;
        self.order(slot, Order::Join(hall, rights));
        self.shared.post_of(slot).wake_up();
        Ok(())
    }

    pub(crate) fn tell_stopped(&self, playback: Option<Box<Playback>>) {
        if let Some(playback) = playback {
            let event: Event = playback.stopped();
            self.shared.events.push(PortEvent { slot: 0, generation: 0, event });
        }
    }
}

#[cfg(test)]
mod tests;
