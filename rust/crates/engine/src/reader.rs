//! The thread that reads sound files, so that no worker waits for a disk.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError};
use std::time::Duration;

use rustix::fs::OFlags;
use trunkline_dsp::wav::{LONGEST_HEADER, SUPPORTED};
use trunkline_dsp::{Resampler, Wav};

use crate::error::Fault;
use crate::playback::{Feed, Piece};

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
    pub files: Vec<PathBuf>,
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
    sources: Vec<Wav>,
    next: usize,
    file: Option<Open>,
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

struct Open {
    file: File,
    wav: Wav,
    left: u64,
    resampler: Resampler,
}

impl Reading {
    /// Looks at every file; `None` when one cannot be played, which is told.
    fn begin(job: Job) -> Option<Self> {
        match job.files.iter().map(|path| look_at(path)).collect::<Result<Vec<_>, _>>() {
            Ok(sources) => Some(Self {
                job,
                sources,
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
        catch_unwind(AssertUnwindSafe(|| self.refill())).unwrap_or_else(|_| {
            let text = "a fault of the engine ended the playback: see what it wrote to its standard error";
            let _ = self.job.feed.fault.set(Fault::new("media.system", text.into()));
            false
        })
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
                    return true;
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
        let Some(open) = &mut self.file else { return self.open_next() };
        let mut octets = Vec::new();
        let block = open.left.min((BLOCK - BLOCK % open.wav.block()) as u64);
        let read = (&mut open.file).take(block).read_to_end(&mut octets);
        let read = read.map_err(|error| unreadable(&self.job.files[self.next - 1], &error))?;
        open.left -= read as u64;
        let mut mixed = Vec::new();
        let mut sound = Vec::new();
        open.wav.decode(&octets, &mut mixed);
        open.resampler.push(&mixed, &mut sound);
        if (read as u64) < block || open.left == 0 {
            open.resampler.finish(&mut sound);
            self.file = None;
        }
        self.said_something |= !sound.is_empty();
        self.samples.extend(sound);
        Ok(true)
    }

    fn open_next(&mut self) -> Result<bool, Fault> {
        if self.next == self.sources.len() {
            // Files without any sound, repeated, would never come to an end.
            if !self.job.repeat || !self.said_something {
                return Ok(false);
            }
            (self.next, self.said_something) = (0, false);
        }
        let (path, wav) = (&self.job.files[self.next], self.sources[self.next]);
        let mut file = open(path).map_err(|error| unreadable(path, &error))?;
        file.seek(SeekFrom::Start(wav.start as u64)).map_err(|error| unreadable(path, &error))?;
        let left = wav.length.unwrap_or(u64::MAX);
        self.file = Some(Open { file, wav, left, resampler: self.resampler(wav.rate_hz) });
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

fn look_at(path: &Path) -> Result<Wav, Fault> {
    let mut beginning = Vec::new();
    open(path)
        .and_then(|file| file.take(LONGEST_HEADER as u64).read_to_end(&mut beginning))
        .map_err(|error| unreadable(path, &error))?;
    Wav::parse(&beginning).map_err(|why| {
        let text = format!("{}: {why}; what can be played is {SUPPORTED}", path.display());
        Fault::new("media.file_format", text)
    })
}

/// Opens a regular file; anything else could keep the thread waiting for ever.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::new("media.file_unreadable", format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
