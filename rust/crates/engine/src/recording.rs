//! One recording: its timelines, and the file that they become.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::Fault;
use crate::events::{Ended, Event, Names, RecordFailed, Recorded};
use crate::tap::{Parcel, TapState};
use crate::target_file::TargetFile;
use crate::timeline::{Heard, PATIENCE, Timeline};
use crate::track::Track;

/// Samples that are taken from the timelines at once.
const PIECE: u64 = 4096;
/// The mean square above which a packet has a voice in it: -45 dBov.
const VOICE: u64 = 34_000;
/// What is kept behind the last voice when silence ended the recording.
const TAIL_MS: u64 = 300;
/// Packets in a row that cannot be decoded after which there is no hope: a second.
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
    /// Samples a second of the file: 8000 or 16000.
    pub rate_hz: u32,
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
    file: TargetFile,
    lines: Vec<Timeline>,
    tracks: Vec<Track>,
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
            file: TargetFile::create(&plan.file, channels, plan.rate_hz, plan.keep_free, plan.number)?,
            lines: (0..plan.sources).map(|_| Timeline::new(plan.rate_hz)).collect(),
            tracks: (0..plan.sources).map(|_| Track::new(plan.rate_hz)).collect(),
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
        let arrival = self.position_of(parcel.at_ns);
        self.advance(arrival.saturating_sub(self.patience()))?;
        let (per_ms, &Parcel { channel, ssrc, sequence, .. }) = (self.per_ms(), parcel);
        let Some((samples, timestamp)) = self.tracks[channel].decode(parcel) else {
            return self.pass_over(parcel);
        };
        let quiet = !has_voice(samples);
        let heard = Heard { ssrc, sequence, timestamp, arrival, samples, quiet };
        self.strange[channel] = 0;
        let line = &mut self.lines[channel];
        if !line.place(&heard) {
            self.missing += 1;
        } else if !quiet {
            self.voice_ms += samples.len() as u64 / per_ms;
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
        self.advance(now.saturating_sub(self.patience()))?;
        let largest = self.file.most_samples(self.plan.largest);
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
        let duration_ms = self.file.samples() / self.per_ms();
        failed(&self.plan, duration_ms, fault)
    }

    fn recorded(self, ended: Ended) -> Event {
        let overrun = self.plan.state.overrun.load(Ordering::Relaxed);
        Event::Recorded(Box::new(Recorded {
            duration_ms: self.file.samples() / self.per_ms(),
            voice_ms: self.voice_ms,
            ended,
            missing: self.missing + overrun,
            names: self.plan.names,
            recording: self.plan.id,
            file: self.plan.file,
        }))
    }

    fn complete(&mut self, now_ns: u64, ended: Ended) -> Result<(), Fault> {
        let largest = self.file.most_samples(self.plan.largest);
        // The sound of a packet that came this moment lies ahead of now, and was heard all the same.
        let heard = self.lines.iter().map(Timeline::end).max().unwrap_or_default();
        let mut end = self.position_of(now_ns).max(heard).min(self.plan.longest).min(largest);
        if ended == Ended::Silence {
            end = end.min(self.voiced + TAIL_MS * self.per_ms());
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
            "{}: what the peer sends cannot be decoded: payload type {}",
            self.plan.file.display(),
            parcel.payload_type
        );
        Err(Fault::new("media.codec", text))
    }

    fn position_of(&self, at_ns: u64) -> u64 {
        at_ns.saturating_sub(self.plan.began_ns) / (1_000_000_000 / u64::from(self.plan.rate_hz))
    }

    fn per_ms(&self) -> u64 {
        u64::from(self.plan.rate_hz / 1000)
    }

    /// How long a recording waits for late packets, in its samples.
    fn patience(&self) -> u64 {
        PATIENCE / 8 * self.per_ms()
    }

    /// Takes the timelines up to `end` and writes what has gathered.
    fn advance(&mut self, end: u64) -> Result<(), Fault> {
        while self.taken < end {
            // A piece at a time: after a pause of the writer there may be much.
            let piece = end.min(self.taken + PIECE);
            self.gather(piece);
            self.file.keep_small()?;
        }
        if self.taken >= self.updated + u64::from(self.plan.rate_hz) {
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
