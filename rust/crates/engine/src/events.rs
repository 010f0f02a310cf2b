//! Events on their way to whoever commands the engine.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};
use trunkline_dsp::listen::News;

use crate::error::Fault;

/// Events that must arrive may exceed the queue's size by this factor before they too are dropped.
const CRITICAL_FACTOR: usize = 8;

/// The owner and the id of a port, kept by what may outlive the port.
pub type Names = (Arc<str>, Arc<str>);

/// How a playback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was sent.
    Finished,
    /// A command, or the end of its port, ended it.
    Stopped,
    /// A file could not be played.
    Failed,
}

/// A playback is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// Owner and id of the port.
    pub names: Names,
    /// The playback.
    pub playback: Arc<str>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was sent, in milliseconds.
    pub duration_ms: u64,
    /// Packets of silence because the disk was too slow.
    pub starved: u64,
    /// Why it failed.
    pub fault: Option<Fault>,
}

/// What ended a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A command.
    Stopped,
    /// The end of its port.
    Closed,
    /// Silence after a voice.
    Silence,
    /// Its longest duration.
    Duration,
    /// Its largest size.
    Size,
}

/// A recording has ended and its file is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Owner and id of the port.
    pub names: Names,
    /// The recording.
    pub recording: Arc<str>,
    /// Its file.
    pub file: PathBuf,
    /// Its length in milliseconds.
    pub duration_ms: u64,
    /// How much of it was louder than silence.
    pub voice_ms: u64,
    /// What ended it.
    pub ended: Ended,
    /// Packets that are not in it.
    pub missing: u64,
}

/// A recording could not begin or go on.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordFailed {
    /// Owner and id of the port.
    pub names: Names,
    /// The recording.
    pub recording: Arc<str>,
    /// Its file.
    pub file: PathBuf,
    /// What is in the file, in milliseconds.
    pub duration_ms: u64,
    /// Why.
    pub fault: Fault,
}

/// Something happened at a port.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The port listens to this source from now on.
    Latched {
        /// The source.
        source: SocketAddr,
        /// Whether it is that of RTCP.
        rtcp: bool,
    },
    /// Nobody was heard for so long.
    Inactive {
        /// Silence in seconds.
        seconds: f64,
    },
    /// Somebody was heard again.
    Active,
    /// A fault of the engine's own has ended what the port did: it passes nothing any more.
    Broken {
        /// The worker that met it.
        worker: usize,
    },
    /// The peer pressed a key.
    Dtmf {
        /// The key.
        key: char,
        /// For how long, in milliseconds.
        duration_ms: u32,
    },
    /// Keys were agreed on by DTLS.
    Secured {
        /// The crypto suite.
        suite: &'static str,
    },
    /// No keys were agreed on: nothing passes.
    SecurityFailed {
        /// Why, for people.
        reason: Box<str>,
    },
    /// The peer nominated this pair.
    Path {
        /// Its address.
        to: SocketAddr,
    },
    /// The peer's connectivity checks have stopped.
    ConsentLost,
    /// Something was heard in the peer's sound; never a key.
    Heard(News),
    /// A tone of limited duration came to its end.
    ToneEnded,
    /// Keys were sent, all of one order.
    DigitsSent {
        /// Which.
        digits: Box<str>,
    },
    /// The header extension that is observed has another value.
    Extension {
        /// It, in hexadecimal.
        data: Box<str>,
    },
    /// The peer's packets with the header extension have stopped.
    KeepAliveLost {
        /// For how long, in milliseconds.
        silence_ms: u32,
    },
    /// They come again.
    KeepAliveBack,
    /// A playback is over.
    Played(Box<Played>),
    /// A recording has ended.
    Recorded(Box<Recorded>),
    /// A recording failed.
    RecordFailed(Box<RecordFailed>),
}

impl Event {
    /// Whether it may never be dropped for want of room.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        !matches!(self, Self::Latched { .. })
    }

    /// Whether the peer can cause as many as it likes, by what it sends.
    #[must_use]
    pub fn is_the_peers(&self) -> bool {
        matches!(
            self,
            Self::Latched { .. }
                | Self::Dtmf { .. }
                | Self::Path { .. }
                | Self::Extension { .. }
                | Self::KeepAliveBack
                | Self::Heard(_)
        )
    }

    /// Owner and id of the port, where the event is told even when the port is closed.
    #[must_use]
    pub fn names(&self) -> Option<&Names> {
        match self {
            Self::Played(played) => Some(&played.names),
            Self::Recorded(recorded) => Some(&recorded.names),
            Self::RecordFailed(failed) => Some(&failed.names),
            _ => None,
        }
    }
}

/// An event and the port it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct PortEvent {
    /// The slot.
    pub slot: u32,
    /// Which use of it.
    pub generation: u32,
    /// What happened.
    pub event: Event,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<PortEvent>,
    dropped: u64,
}

/// A bounded queue with a file descriptor that becomes readable when it is no longer empty.
#[derive(Debug)]
pub struct EventQueue {
    signal: OwnedFd,
    capacity: usize,
    queue: Mutex<Queue>,
}

impl EventQueue {
    /// An empty queue for so many events.
    pub fn new(capacity: usize) -> io::Result<Self> {
        let signal = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { signal, capacity, queue: Mutex::default() })
    }

    /// Puts an event in. When the queue is full a critical one displaces the oldest that is not; others are
    /// dropped and counted.
    pub fn push(&self, event: PortEvent) {
        let mut queue = self.lock();
        if queue.events.len() >= self.capacity && !queue.make_room(&event.event, self.capacity) {
            return;
        }
        queue.events.push_back(event);
        if queue.events.len() == 1 {
            // It fails only when the counter is full, and then the descriptor is readable already.
            let _ = rustix::io::write(&self.signal, &1u64.to_ne_bytes());
        }
    }

    /// Counts an event that was not put in.
    pub fn drop_one(&self) {
        self.lock().dropped += 1;
    }

    /// Takes everything out and makes the descriptor unreadable.
    pub fn take(&self) -> Vec<PortEvent> {
        let mut queue = self.lock();
        // It fails only when nothing was signalled.
        let _ = rustix::io::read(&self.signal, &mut [0; 8]);
        queue.events.drain(..).collect()
    }

    /// Events dropped so far.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// The descriptor to watch.
    pub fn signal(&self) -> &OwnedFd {
        &self.signal
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn make_room(&mut self, event: &Event, capacity: usize) -> bool {
        self.dropped += 1;
        if !event.is_critical() {
            return false;
        }
        let lesser = self.events.iter().position(|waiting| !waiting.event.is_critical());
        if let Some(index) = lesser {
            self.events.remove(index);
            return true;
        }
        let room = self.events.len() < capacity * CRITICAL_FACTOR;
        self.dropped -= u64::from(room);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latched(slot: u32) -> PortEvent {
        let source = "192.0.2.1:4000".parse().unwrap();
        PortEvent { slot, generation: 1, event: Event::Latched { source, rtcp: false } }
    }

    fn digit(slot: u32) -> PortEvent {
        PortEvent { slot, generation: 1, event: Event::Dtmf { key: '1', duration_ms: 80 } }
    }

    fn readable(queue: &EventQueue) -> bool {
        rustix::io::read(queue.signal(), &mut [0; 8]).is_ok()
    }

    #[test]
    fn signals_once_for_many_events_and_again_after_they_were_taken() {
        let queue = EventQueue::new(10).unwrap();
        queue.push(latched(1));
        queue.push(latched(2));
        assert!(readable(&queue));
        assert!(!readable(&queue));
        assert_eq!(queue.take(), [latched(1), latched(2)]);
        queue.push(latched(3));
        assert!(readable(&queue));
    }

    #[test]
    fn a_full_queue_drops_what_may_be_dropped_and_keeps_what_may_not() {
        let queue = EventQueue::new(2).unwrap();
        [latched(1), digit(2), latched(3), digit(4), digit(5)]
            .into_iter()
            .for_each(|event| queue.push(event));
        assert_eq!(queue.take(), [digit(2), digit(4), digit(5)]);
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn even_critical_events_are_bounded() {
        let queue = EventQueue::new(2).unwrap();
        (0..100).for_each(|slot| queue.push(digit(slot)));
        assert_eq!((queue.take().len(), queue.dropped()), (16, 84));
    }
}
