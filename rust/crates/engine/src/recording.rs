//! One recording: its timelines, and the file that they become.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use trunkline_dsp::Law;
use trunkline_dsp::wav::HEADER;

use crate::error::Fault;
use crate::events::{Ended, Event, Names, RecordFailed, Recorded};
use crate::sound_file::SoundFile;
use crate::tap::{Parcel, TapState};
use crate::timeline::{Heard, PATIENCE, Timeline};

/// Nanoseconds of a sample.
const SAMPLE_NS: u64 = 125_000;
const SAMPLES_PER_MS: u64 = 8;
/// Samples that are taken from the timelines at once.
const PIECE: u64 = 4096;
/// How often the header is brought up to date, and free space looked at: each second of sound.
const UPDATE: u64 = 8000;
/// The mean square above which a packet has a voice in it: -45 dBov.
const VOICE: u64 = 34_000;
/// What is kept behind the last voice when silence ended the recording: 0.3 s.
const TAIL: u64 = 2400;
/// Packets in a row that are not G.711 after which there is no hope: a second.
const HOPELESS: u32 = 50;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number within the engine.
    pub number: u64,
    /// Its id.
    pub id: Arc<str>,
    /// Owner and id of the port.
    pub names: Names,
    /// A path where nothing is yet.
    pub file: PathBuf,
    /// Channels that are heard: 1 or 2.
    pub sources: usize,
    /// Whether they become one channel of the file.
    pub mix: bool,
    /// Samples after which it ends.
    pub longest: u64,
    /// Octets of the file after which it ends.
    pub largest: u64,
    /// Octets that shall stay free on the file system.
    pub keep_free: u64,
    /// Samples of silence after the last voice that end it; 0: none do.
    pub silence: u64,
    /// When it began.
    pub began_ns: u64,
    /// Shared with the taps.
    pub state: Arc<TapState>,
}

/// A recording in progress.
#[derive(Debug)]
pub struct Recording {
    plan: Plan,
    file: SoundFile,
    lines: Vec<Timeline>,
    strange: [u32; 2],
    /// Samples taken from the timelines.
    taken: u64,
    updated: u64,
    voice_ms: u64,
    /// Where the last voice ended.
    voiced: u64,
    missing: u64,
}

impl Recording {
    /// Makes the file.
    ///
    /// # Errors
    /// The [`Fault`] to tell when that is not possible.
    pub fn begin(plan: Plan) -> Result<Self, Fault> {
        let channels = if plan.mix { 1 } else { plan.sources as u16 };
        Ok(Self {
            file: SoundFile::create(&plan.file, channels, plan.keep_free)?,
            lines: (0..plan.sources).map(|_| Timeline::new()).collect(),
            strange: [0; 2],
            taken: 0,
            updated: 0,
            voice_ms: 0,
            voiced: 0,
            missing: 0,
            plan,
        })
    }

    /// What was wanted.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes a packet.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn take(&mut self, parcel: &Parcel) -> Result<(), Fault> {
        let Some(law) = Law::of_payload_type(parcel.payload_type).filter(|_| !parcel.payload.is_empty())
        else {
            return self.pass_over(parcel);
        };
        let arrival = self.position_of(parcel.at_ns);
        self.advance(arrival.saturating_sub(PATIENCE))?;
        let samples: Vec<i16> = parcel.payload.iter().map(|&octet| law.decode(octet)).collect();
        let quiet = !has_voice(&samples);
        let &Parcel { ssrc, sequence, timestamp, .. } = parcel;
        let heard = Heard { ssrc, sequence, timestamp, arrival, samples: &samples, quiet };
        self.strange[parcel.channel] = 0;
        let line = &mut self.lines[parcel.channel];
        if !line.place(&heard) {
            self.missing += 1;
        } else if !quiet {
            self.voice_ms += samples.len() as u64 / SAMPLES_PER_MS;
            self.voiced = self.voiced.max(line.end());
        }
        Ok(())
    }

    /// Writes what nobody can add to any more, and tells whether a limit was reached.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn keep_up(&mut self, now_ns: u64) -> Result<Option<Ended>, Fault> {
        let now = self.position_of(now_ns);
        self.advance(now.saturating_sub(PATIENCE))?;
        let largest = (self.plan.largest.saturating_sub(HEADER as u64)) / self.file.block();
        let silent = self.plan.silence > 0 && self.voice_ms > 0;
        Ok(if now >= self.plan.longest {
            Some(Ended::Duration)
        } else if now >= largest {
            Some(Ended::Size)
        } else if silent && now >= self.voiced + self.plan.silence {
            Some(Ended::Silence)
        } else {
            None
        })
    }

    /// Completes the file; what is told of it. Late packets are not waited for.
    pub fn finish(mut self, now_ns: u64, ended: Ended) -> Event {
        match self.complete(now_ns, ended) {
            Ok(()) => self.recorded(ended),
            Err(fault) => self.fail(fault),
        }
    }

    /// Gives up; what is told of it.
    pub fn fail(mut self, fault: Fault) -> Event {
        // What is there stays, and the header says how much, if the disk lets it.
        let _ = self.file.update();
        let duration_ms = self.file.samples() / SAMPLES_PER_MS;
        failed(&self.plan, duration_ms, fault)
    }

    fn recorded(self, ended: Ended) -> Event {
        let overrun = self.plan.state.overrun.load(Ordering::Relaxed);
        Event::Recorded(Box::new(Recorded {
            duration_ms: self.file.samples() / SAMPLES_PER_MS,
            voice_ms: self.voice_ms,
            ended,
            missing: self.missing + overrun,
            names: self.plan.names,
            recording: self.plan.id,
            file: self.plan.file,
        }))
    }

    fn complete(&mut self, now_ns: u64, ended: Ended) -> Result<(), Fault> {
        let largest = (self.plan.largest.saturating_sub(HEADER as u64)) / self.file.block();
        let mut end = self.position_of(now_ns).min(self.plan.longest).min(largest);
        if ended == Ended::Silence {
            end = end.min(self.voiced + TAIL);
        }
        self.advance(end)?;
        // Silence is known only after some of it was written.
        self.file.complete(end)
    }

    fn pass_over(&mut self, parcel: &Parcel) -> Result<(), Fault> {
        self.missing += 1;
        self.strange[parcel.channel] += 1;
        if self.strange[parcel.channel] < HOPELESS {
            return Ok(());
        }
        let text = format!(
            "{}: only G.711 can be recorded (payload types 0 and 8), and the peer sends payload type {}",
            self.plan.file.display(),
            parcel.payload_type
        );
        Err(Fault::new("media.codec", text))
    }

    fn position_of(&self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.plan.began_ns) / SAMPLE_NS
    }

    /// Takes the timelines up to `end` and writes what has gathered.
    fn advance(&mut self, end: u64) -> Result<(), Fault> {
        while self.taken < end {
            // A piece at a time: after a pause of the writer there may be much.
            let piece = end.min(self.taken + PIECE);
            self.gather(piece);
            self.file.keep_small()?;
        }
        if self.taken >= self.updated + UPDATE {
            self.updated = self.taken;
            self.file.update()?;
            self.file.check_space()?;
        }
        Ok(())
    }

    fn gather(&mut self, end: u64) {
        let (file, mix) = (&mut self.file, self.plan.mix);
        match &mut self.lines[..] {
            [one] => one.take(end, |sample| file.push(sample)),
            [left, right] => {
                let mut others = Vec::with_capacity((end - self.taken) as usize);
                right.take(end, |sample| others.push(sample));
                let mut others = others.into_iter();
                left.take(end, |sample| {
                    let other = others.next().unwrap_or_default();
                    if mix {
                        file.push(sample.saturating_add(other));
                    } else {
                        file.push(sample);
                        file.push(other);
                    }
                });
            }
            _ => {}
        }
        self.taken = end;
    }
}

/// What is told of a recording that failed.
pub fn failed(plan: &Plan, duration_ms: u64, fault: Fault) -> Event {
    Event::RecordFailed(Box::new(RecordFailed {
        names: plan.names.clone(),
        recording: Arc::clone(&plan.id),
        file: plan.file.clone(),
        duration_ms,
        fault,
    }))
}

fn has_voice(samples: &[i16]) -> bool {
    let power: u64 = samples.iter().map(|&sample| i64::from(sample).pow(2) as u64).sum();
    power > VOICE * samples.len() as u64
}

#[cfg(test)]
mod tests;
