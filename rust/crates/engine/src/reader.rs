//! The thread that reads sound files, so that no worker waits for a disk.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError};
use std::time::Duration;

use trunkline_dsp::Resampler;

use crate::error::Fault;
use crate::playback::{Feed, Piece};
use crate::source::{Form, Open, Source};

/// How often what lies ready is filled up: well within what lies ready.
const REFILL: Duration = Duration::from_millis(100);
/// Blocks that one playback may read before the others have their turn.
const TURN: usize = 8;
/// Octets read at once.
const BLOCK: usize = 8192;

/// Files to be read for a playback.
#[derive(Debug)]
pub struct Job {
    /// In the order to be heard.
    pub files: Vec<Source>,
    /// Whether the first follows the last.
    pub repeat: bool,
    /// Where the sound goes.
    pub feed: Feed,
}

/// Reads until nobody can send jobs any more.
pub fn run(jobs: &Receiver<Job>) {
    let mut at_work: Vec<Reading> = Vec::new();
    loop {
        let job = if at_work.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            let behind = at_work.iter().any(|reading| reading.behind);
            jobs.recv_timeout(if behind { Duration::ZERO } else { REFILL })
        };
        match job {
            Ok(job) => at_work.extend(catch_unwind(AssertUnwindSafe(|| Reading::begin(job))).ok().flatten()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        at_work.retain_mut(Reading::refill_or_fail);
    }
}

/// A playback whose files are being read.
struct Reading {
    job: Job,
    forms: Vec<Form>,
    next: usize,
    file: Option<(Open, Resampler)>,
    samples: VecDeque<i16>,
    said_something: bool,
    piece: Option<Piece>,
    /// Whether its turn ended before there was no more room.
    behind: bool,
    /// A resampler for the rate of the last file: its filters are costly.
    fresh: Option<(u32, Resampler)>,
}

/// What can be cut off now.
enum Cut {
    /// A piece, which is put by.
    Piece,
    /// Nothing in this turn.
    Later,
    /// Nothing any more.
    End,
}

impl Reading {
    /// Looks at every file; `None` when one cannot be played, which is told.
    fn begin(job: Job) -> Option<Self> {
        match job.files.iter().map(Source::look_at).collect::<Result<Vec<_>, _>>() {
            Ok(forms) => Some(Self {
                job,
                forms,
                next: 0,
                file: None,
                samples: VecDeque::new(),
                said_something: false,
                piece: None,
                behind: false,
                fresh: None,
            }),
            Err(fault) => {
                let _ = job.feed.fault.set(fault);
                None
            }
        }
    }

    /// As [`Self::refill`]: a fault in it must not be the end of all other playbacks.
    fn refill_or_fail(&mut self) -> bool {
        let goes_on = catch_unwind(AssertUnwindSafe(|| self.refill())).unwrap_or_else(|_| {
            let text = "a fault of the engine ended the playback: see what it wrote to its standard error";
            let _ = self.job.feed.fault.set(Fault::new("media.system", text.into()));
            false
        });
        self.job.feed.begin();
        goes_on
    }

    /// Lays ready what there is room for, as far as that is possible in one turn; `false` when all was given or
    /// nobody wants it any more.
    fn refill(&mut self) -> bool {
        let mut turn = TURN;
        self.behind = false;
        loop {
            match self.cut(&mut turn) {
                Ok(Cut::Piece) => {}
                Ok(Cut::Later) => {
                    self.behind = true;
                    // A file may go on for long without a sound, by which it would show itself.
                    return self.job.feed.is_wanted();
                }
                Ok(Cut::End) => return false,
                Err(fault) => {
                    let _ = self.job.feed.fault.set(fault);
                    return false;
                }
            }
            let Some(piece) = self.piece.take() else { return false };
            match self.job.feed.pieces.try_send(piece) {
                Ok(()) => {}
                Err(TrySendError::Full(piece)) => {
                    self.piece = Some(piece);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
    }

    /// Puts by the next 20 ms, unless they are already; what is missing of the very last is silence.
    fn cut(&mut self, turn: &mut usize) -> Result<Cut, Fault> {
        if self.piece.is_some() {
            return Ok(Cut::Piece);
        }
        let length = (self.job.feed.rate_hz / 50) as usize;
        while self.samples.len() < length {
            if *turn == 0 {
                return Ok(Cut::Later);
            }
            *turn -= 1;
            if !self.read_on()? {
                break;
            }
        }
        if self.samples.is_empty() {
            return Ok(Cut::End);
        }
        let there = self.samples.len().min(length);
        let mut piece = Vec::with_capacity(length);
        piece.extend(self.samples.drain(..there));
        piece.resize(length, 0);
        self.piece = Some(piece.into());
        Ok(Cut::Piece)
    }

    /// Reads a block, of the next file when one is over; `false` when all are.
    fn read_on(&mut self) -> Result<bool, Fault> {
        let Some((open, resampler)) = &mut self.file else { return self.open_next() };
        let mut read = Vec::new();
        let mut sound = Vec::new();
        let more = open.read(BLOCK, &mut read)?;
        resampler.push(&read, &mut sound);
        if !more {
            resampler.finish(&mut sound);
            self.file = None;
        }
        self.said_something |= !sound.is_empty();
        self.samples.extend(sound);
        Ok(true)
    }

    fn open_next(&mut self) -> Result<bool, Fault> {
        if self.next == self.forms.len() {
            // Files without any sound, repeated, would never come to an end.
            if !self.job.repeat || !self.said_something {
                return Ok(false);
            }
            (self.next, self.said_something) = (0, false);
        }
        let form = self.forms[self.next];
        let wanted_hz = self.job.feed.rate_hz;
        let open = self.job.files[self.next].open(form, wanted_hz)?;
        self.file = Some((open, self.resampler(form.rate_hz(wanted_hz))));
        self.next += 1;
        Ok(true)
    }

    fn resampler(&mut self, rate_hz: u32) -> Resampler {
        let to_hz = self.job.feed.rate_hz;
        let fresh = self.fresh.take().filter(|(rate, _)| *rate == rate_hz);
        let (_, resampler) =
            self.fresh.insert(fresh.unwrap_or_else(|| (rate_hz, Resampler::between(rate_hz, to_hz))));
        resampler.clone()
    }
}

#[cfg(test)]
mod tests;
