//! A playback as the worker sees it: pieces of sound that the reader has laid ready.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, OnceLock};

use trunkline_dsp::Law;

use crate::error::Fault;
use crate::events::{Event, Names, Outcome, Played};

/// Pieces that lie ready at most: 1.5 s.
const AHEAD: usize = 75;
/// Packet times without a piece after which nobody waits any longer: 10 s.
const PATIENCE: u64 = 500;
/// Milliseconds of a piece.
const PIECE_MS: u64 = 20;

/// 20 ms of sound.
pub type Piece = Box<[i16]>;

/// What the port shall say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet: the reader looks at the files.
    Wait,
    /// What was put into the place given.
    Sound,
    /// No more.
    Over,
}

/// The worker's end.
#[derive(Debug)]
pub struct Playback {
    /// Its id.
    pub id: Arc<str>,
    /// How it is encoded for a peer that did not tell.
    pub law: Law,
    /// Samples a second: 8000 or 16000.
    pub rate_hz: u32,
    names: Names,
    pieces: Receiver<Piece>,
    fault: Arc<OnceLock<Fault>>,
    laid: Arc<AtomicBool>,
    sent: u64,
    starved: u64,
    /// How often in a row there was none.
    waited: u64,
}

/// The reader's end.
#[derive(Debug)]
pub struct Feed {
    /// Takes pieces; who waits for them is gone when it is disconnected. Dropped, it ends the playback.
    pub pieces: SyncSender<Piece>,
    /// Samples a second of the pieces.
    pub rate_hz: u32,
    /// Why there will be no more, unless all is well.
    pub fault: Arc<OnceLock<Fault>>,
    laid: Arc<AtomicBool>,
}

impl Feed {
    /// The reader has had its first turn: what it has laid ready may be begun.
    pub fn begin(&self) {
        self.laid.store(true, Ordering::Release);
    }

    /// Whether anybody waits for more: the other end is still there.
    pub fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.fault) > 1
    }
}

impl Playback {
    /// Both ends.
    pub fn new(id: &str, law: Law, rate_hz: u32, names: Names) -> (Self, Feed) {
        let (sender, pieces) = sync_channel(AHEAD);
        let fault = Arc::new(OnceLock::new());
        let laid = Arc::new(AtomicBool::new(false));
        let feed = Feed { pieces: sender, rate_hz, fault: Arc::clone(&fault), laid: Arc::clone(&laid) };
        let id = id.into();
        (Self { id, law, rate_hz, names, pieces, fault, laid, sent: 0, starved: 0, waited: 0 }, feed)
    }

    /// Tells another owner from now on.
    pub fn adopt(&mut self, owner: Arc<str>) {
        self.names.0 = owner;
    }

    /// Whether nothing was said yet.
    pub fn is_fresh(&self) -> bool {
        self.sent == 0
    }

    /// The next piece, into the first of the samples given; silence where the disk did not keep up. Never waits, and
    /// gives a disk up that hangs.
    pub fn next(&mut self, sound: &mut [i16]) -> Next {
        // Whoever begins with the first piece, while the reader is at the second, may have to stop behind it.
        let next = if self.is_laid() { self.pieces.try_recv() } else { Err(TryRecvError::Empty) };
        match next {
            Ok(piece) => {
                sound.iter_mut().zip(&piece).for_each(|(place, &sample)| *place = sample);
                self.waited = 0;
            }
            Err(TryRecvError::Disconnected) => return Next::Over,
            Err(TryRecvError::Empty) => {
                self.waited += 1;
                if self.waited > PATIENCE {
                    let text = format!("nothing could be read for {} s: does the disk hang?", PATIENCE / 50);
                    // It is set already when the reader had something to say.
                    let _ = self.fault.set(Fault::new("media.file_unreadable", text));
                    return Next::Over;
                }
                if self.is_fresh() {
                    return Next::Wait;
                }
                sound.fill(0);
                self.starved += 1;
            }
        }
        self.sent += 1;
        Next::Sound
    }

    /// Whether the reader has had its first turn, or has ended.
    fn is_laid(&self) -> bool {
        self.laid.load(Ordering::Acquire) || Arc::strong_count(&self.laid) == 1
    }

    /// What is told when the pieces have come to their end.
    pub fn ended(&self) -> Event {
        match self.fault.get() {
            None => self.told(Outcome::Finished, None),
            Some(fault) => self.told(Outcome::Failed, Some(fault.clone())),
        }
    }

    /// What is told when it was ended before.
    pub fn stopped(&self) -> Event {
        self.told(Outcome::Stopped, None)
    }

    fn told(&self, outcome: Outcome, fault: Option<Fault>) -> Event {
        Event::Played(Box::new(Played {
            names: self.names.clone(),
            playback: Arc::clone(&self.id),
            outcome,
            duration_ms: self.sent * PIECE_MS,
            starved: self.starved,
            fault,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: usize = 160;

    fn piece(of: i16) -> Piece {
        vec![of; SAMPLES].into()
    }

    fn playback() -> (Playback, Feed) {
        Playback::new("p", Law::Mu, 8000, ("call".into(), "a".into()))
    }

    fn outcome(event: &Event) -> (Outcome, u64, u64, bool) {
        let Event::Played(played) = event else { panic!("{event:?}") };
        (played.outcome, played.duration_ms, played.starved, played.fault.is_some())
    }

    #[test]
    fn waits_for_the_first_piece_and_fills_gaps_with_silence() {
        let (mut playback, feed) = playback();
        let mut sound = [7; SAMPLES];
        assert_eq!(playback.next(&mut sound), Next::Wait);
        feed.pieces.try_send(piece(5)).unwrap();
        assert_eq!(playback.next(&mut sound), Next::Wait);
        feed.begin();
        assert_eq!((playback.next(&mut sound), sound[0]), (Next::Sound, 5));
        assert_eq!((playback.next(&mut sound), sound[0]), (Next::Sound, 0));
        feed.pieces.try_send(piece(6)).unwrap();
        drop(feed);
        assert_eq!((playback.next(&mut sound), sound[0]), (Next::Sound, 6));
        assert_eq!(playback.next(&mut sound), Next::Over);
        assert_eq!(outcome(&playback.ended()), (Outcome::Finished, 60, 1, false));
    }

    #[test]
    fn what_a_reader_laid_that_has_ended_is_all_there_is() {
        let (mut playback, feed) = playback();
        feed.pieces.try_send(piece(5)).unwrap();
        drop(feed);
        let mut sound = [0; SAMPLES];
        assert_eq!([playback.next(&mut sound), playback.next(&mut sound)], [Next::Sound, Next::Over]);
        assert_eq!(outcome(&playback.ended()), (Outcome::Finished, 20, 0, false));
    }

    #[test]
    fn a_fault_is_told_when_the_pieces_end() {
        let (mut playback, feed) = playback();
        feed.fault.set(Fault::new("media.file_format", "a.wav: no".into())).unwrap();
        drop(feed);
        assert_eq!(playback.next(&mut [0; SAMPLES]), Next::Over);
        assert_eq!(outcome(&playback.ended()), (Outcome::Failed, 0, 0, true));
        assert_eq!(outcome(&playback.stopped()), (Outcome::Stopped, 0, 0, false));
    }

    #[test]
    fn a_disk_that_hangs_is_given_up() {
        for fed in [0, 1] {
            let (mut playback, feed) = playback();
            (0..fed).for_each(|_| feed.pieces.try_send(piece(5)).unwrap());
            feed.begin();
            let waits =
                (0..1000).take_while(|_| playback.next(&mut [0; SAMPLES]) != Next::Over).count() as u64;
            assert_eq!(waits, PATIENCE + fed);
            assert_eq!(outcome(&playback.ended()), (Outcome::Failed, waits * fed * 20, PATIENCE * fed, true));
        }
    }

    #[test]
    fn what_lies_ready_is_bounded() {
        let (_playback, feed) = playback();
        assert_eq!((0..1000).filter(|_| feed.pieces.try_send(piece(0)).is_ok()).count(), AHEAD);
    }
}
