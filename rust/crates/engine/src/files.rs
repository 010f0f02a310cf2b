//! Playing and recording files: the commanding side, and the two threads that touch disks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use trunkline_dsp::Law;

use crate::control::Control;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::{Ended, Event, Names};
use crate::formats::fixed;
use crate::mailbox::{Order, Peer};
use crate::playback::Playback;
use crate::reader::{self, Job};
use crate::recording::Plan;
use crate::room::Hall;
use crate::shared::Shared;
use crate::sounds::{PREFIX, Sounds};
use crate::source::Source;
use crate::tap::{Parcel, Tap, TapState};
use crate::writer::{QUEUE, Request, Writer};

/// How long the end of the engine waits for a disk; what hangs longer is left behind.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Playbacks that wait for the reader to look at their files: it does within 0.1 s unless a disk hangs.
const MOST_WAITING: usize = 1024;
/// Files of one playback.
const MOST_FILES: usize = 256;
/// Recordings at a time, and of one port.
const MOST_RECORDINGS: usize = 256;
const MOST_OF_A_PORT: usize = 4;
/// The payload types below this one are fixed (RFC 3551 §6): above, it may be a key press.
const FIRST_DYNAMIC: u8 = 96;
const COMFORT_NOISE: u8 = 13;
/// No WAV file can be longer.
const LARGEST: u64 = u32::MAX as u64;

/// What to record, and for how long.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The recording's id.
    pub recording: String,
    /// A path where nothing is yet.
    pub file: PathBuf,
    /// The other party's port.
    pub other: Option<String>,
    /// Two channels in the file instead of one.
    pub stereo: bool,
    /// 20 ms to a day.
    pub longest: Duration,
    /// Octets, 1000 to 4 GiB.
    pub largest: u64,
    /// Octets that shall stay free on the file system.
    pub keep_free: u64,
    /// Silence after a voice that ends it; zero: none does.
    pub silence: Duration,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    slots: Vec<u32>,
    /// The room that it records, instead.
    room: Option<Arc<str>>,
    /// Whose its first port is since that was given away.
    adopted: Option<Arc<str>>,
    ended: bool,
}

/// The threads, the ways to them, and the recordings in progress.
#[derive(Debug)]
pub struct Files {
    jobs: Mutex<Option<SyncSender<Job>>>,
    requests: Sender<Request>,
    parcels: SyncSender<Parcel>,
    recordings: Mutex<HashMap<String, Entry>>,
    numbers: AtomicU64,
    /// What is played from memory.
    pub sounds: Sounds,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Files {
    /// Starts the threads.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (jobs, waiting_jobs) = sync_channel(MOST_WAITING);
        let (requests, waiting_requests) = channel();
        let (parcels, waiting_parcels) = sync_channel(QUEUE);
        let writer = Writer::new(Arc::clone(shared), waiting_requests, waiting_parcels);
        let named = |name: &str| thread::Builder::new().name(name.into());
        let threads = vec![
            named("media-reader").spawn(move || reader::run(&waiting_jobs))?,
            named("media-writer").spawn(move || writer.run())?,
        ];
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            requests,
            parcels,
            recordings: Mutex::default(),
            numbers: AtomicU64::new(1),
            sounds: Sounds::default(),
            threads: Mutex::new(threads),
        })
    }

    /// Completes every recording and joins the threads, unless a disk hangs; the workers have ended before.
    pub fn stop(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        // It fails when the writer has ended already.
        let _ = self.requests.send(Request::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        join_within(threads, LAST_WAIT);
    }

    /// A port is closed: so are its recordings.
    pub fn port_closed(&self, slot: u32) {
        for entry in self.recordings().values_mut().filter(|entry| entry.slots.contains(&slot)) {
            self.end(entry, Ended::Closed);
        }
    }

    /// A room is closed: so are its recordings.
    pub fn room_closed(&self, room: &str) {
        for entry in self.recordings().values_mut().filter(|entry| entry.room.as_deref() == Some(room)) {
            self.end(entry, Ended::Closed);
        }
    }

    /// A port has another owner: so have its recordings.
    pub fn port_adopted(&self, slot: u32, owner: &str) {
        let mut recordings = self.recordings();
        for entry in
            recordings.values_mut().filter(|entry| !entry.ended && entry.slots.first() == Some(&slot))
        {
            entry.adopted = Some(owner.into());
        }
    }

    /// An event is on its way to the commander: a recording that it ends is forgotten. Returns whom to tell instead of
    /// the owner at its beginning.
    pub fn told(&self, event: &Event) -> Option<Arc<str>> {
        let recording = match event {
            Event::Recorded(recorded) => &recorded.recording,
            Event::RecordFailed(failed) => &failed.recording,
            _ => return None,
        };
        self.recordings().remove(&**recording)?.adopted
    }

    fn end(&self, entry: &mut Entry, ended: Ended) {
        if !std::mem::replace(&mut entry.ended, true) {
            let _ = self.requests.send(Request::End(entry.number, ended));
        }
    }

    fn recordings(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a recording under a new number.
    fn enter(&self, id: &str, slots: Vec<u32>, room: Option<Arc<str>>) -> Result<u64, EngineError> {
        let mut recordings = self.recordings();
        if recordings.contains_key(id) {
            return Err(EngineError::Recording(format!("recording {id} is there already")));
        }
        if recordings.len() >= MOST_RECORDINGS {
            let text = format!("{MOST_RECORDINGS} recordings are in progress, and no more are possible");
            return Err(EngineError::Recording(text));
        }
        let of =
            |slot| recordings.values().filter(|entry| !entry.ended && entry.slots.contains(slot)).count();
        if slots.iter().any(|slot| of(slot) >= MOST_OF_A_PORT) {
            let text = format!("a port is recorded {MOST_OF_A_PORT} times already, and no more are possible");
            return Err(EngineError::Recording(text));
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        recordings.insert(id.into(), Entry { number, slots, room, adopted: None, ended: false });
        Ok(number)
    }
}

impl Engine {
    /// Plays files to the peer, one after the other, or sounds in memory (`memory:NAME`). What becomes of it is told by
    /// an event.
    ///
    /// # Errors
    /// [`EngineError::Memory`] for a sound that is not there;
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for no files or more than 256;
    /// [`EngineError::Playback`] when too many wait for the disk.
    pub fn play(
        &self,
        id: &str,
        playback: &str,
        files: Vec<PathBuf>,
        law: Law,
        repeat: bool,
    ) -> Result<(), EngineError> {
        if !(1..=MOST_FILES).contains(&files.len()) {
            let text = format!("a playback needs 1 to {MOST_FILES} files, got {}", files.len());
            return Err(EngineError::Argument(text));
        }
        let files = files.into_iter().map(|path| self.source(path)).collect::<Result<_, _>>()?;
        let mut control = self.control();
        if let Ok((hall, names)) = control.find_room(id) {
            let (playing, feed) = Playback::new(playback, law, hall.rate_hz.min(16_000), names);
            self.hand_to_reader(Job { files, repeat, feed })?;
            let before = hall.lock().play(Some(Box::new(playing)));
            self.tell_stopped(before);
            return Ok(());
        }
        let port = control.find(id)?;
        let rate_hz = rate_of(&control, port.slot);
        let (playing, feed) = Playback::new(playback, law, rate_hz, names_of(&control, port));
        self.hand_to_reader(Job { files, repeat, feed })?;
        self.part(&mut control, port.slot);
        self.order(port.slot, Order::Play(Box::new(playing)));
        self.shared.post_of(port.slot).wake_up();
        Ok(())
    }

    /// Ends a playback, if the port still plays it.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn stop_play(&self, id: &str, playback: &str) -> Result<(), EngineError> {
        let control = self.control();
        if let Ok((hall, _)) = control.find_room(id) {
            let before = hall.lock().stop_play(playback);
            self.tell_stopped(before);
            return Ok(());
        }
        let slot = control.find(id)?.slot;
        self.order(slot, Order::StopPlay(playback.into()));
        Ok(())
    }

    fn source(&self, path: PathBuf) -> Result<Source, EngineError> {
        match path.to_str().and_then(|text| text.strip_prefix(PREFIX)) {
            Some(name) => self.files.sounds.find(name).map(Source::Memory),
            None => Ok(Source::File(path)),
        }
    }

    fn hand_to_reader(&self, job: Job) -> Result<(), EngineError> {
        let jobs = self.files.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = jobs.as_ref().ok_or(EngineError::Stopped)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => EngineError::Playback,
            TrySendError::Disconnected(_) => EngineError::Stopped,
        })
    }

    /// Records what a port hears. What becomes of it is told by an event.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`], [`EngineError::Recording`], [`EngineError::Codec`];
    /// [`EngineError::Argument`] for limits out of their range.
    pub fn record(&self, id: &str, wanted: &Wanted) -> Result<(), EngineError> {
        check(wanted)?;
        let control = self.control();
        if let Ok((hall, names)) = control.find_room(id) {
            return self.record_room(&hall, names, wanted);
        }
        let port = control.find(id)?;
        let other = wanted.other.as_deref().map(|other| control.find(other)).transpose()?;
        if other == Some(port) {
            return Err(EngineError::Argument("a port is not its own other party".into()));
        }
        let ports: Vec<Peer> = [Some(port), other].into_iter().flatten().collect();
        for peer in &ports {
            if control.formats_of(peer.slot).is_none() {
                self.check_codec(peer.slot)?;
            }
        }
        let slots = ports.iter().map(|peer| peer.slot).collect();
        let number = self.files.enter(&wanted.recording, slots, None)?;
        let state = Arc::new(TapState::default());
        let widest =
            ports.iter().filter_map(|peer| control.formats_of(peer.slot)).map(|formats| formats.widest_hz());
        let rate_hz = widest.max().unwrap_or(8000).min(16_000);
        let plan = self.plan(number, wanted, names_of(&control, port), &state, rate_hz);
        self.files.requests.send(Request::Begin(Box::new(plan))).map_err(|_| EngineError::Stopped)?;
        let said = (wanted.stereo && other.is_none()).then_some(1);
        for (heard, peer) in ports.iter().enumerate() {
            let (parcels, state) = (self.files.parcels.clone(), Arc::clone(&state));
            let tap = Tap { parcels, recording: number, heard, said, state };
            self.order(peer.slot, Order::Tap(Box::new(tap)));
        }
        Ok(())
    }

    fn record_room(&self, hall: &Hall, names: Names, wanted: &Wanted) -> Result<(), EngineError> {
        if wanted.other.is_some() || wanted.stereo {
            return Err(EngineError::Argument("a room has one channel and no other party".into()));
        }
        let number = self.files.enter(&wanted.recording, Vec::new(), Some(Arc::clone(&names.1)))?;
        let state = Arc::new(TapState::default());
        let plan = self.plan(number, wanted, names, &state, hall.rate_hz.min(16_000));
        self.files.requests.send(Request::Begin(Box::new(plan))).map_err(|_| EngineError::Stopped)?;
        let parcels = self.files.parcels.clone();
        hall.lock().record(Tap { parcels, recording: number, heard: 0, said: None, state });
        Ok(())
    }

    /// Ends a recording, if it has not ended yet.
    pub fn stop_record(&self, recording: &str) {
        if let Some(entry) = self.files.recordings().get_mut(recording) {
            self.files.end(entry, Ended::Stopped);
        }
    }

    fn plan(&self, number: u64, wanted: &Wanted, names: Names, state: &Arc<TapState>, rate_hz: u32) -> Plan {
        let samples = |duration: Duration| (duration.as_secs_f64() * f64::from(rate_hz)) as u64;
        let two = wanted.stereo || wanted.other.is_some();
        Plan {
            number,
            id: wanted.recording.as_str().into(),
            names,
            file: wanted.file.clone(),
            rate_hz,
            sources: if two { 2 } else { 1 },
            mix: !wanted.stereo,
            longest: samples(wanted.longest),
            largest: wanted.largest,
            keep_free: wanted.keep_free,
            silence: samples(wanted.silence),
            began_ns: self.shared.now_ns(),
            state: Arc::clone(state),
        }
    }

    fn check_codec(&self, slot: u32) -> Result<(), EngineError> {
        match self.shared.slot(slot).counts.read(0).payload_type {
            Some(other) if other < FIRST_DYNAMIC && other != COMFORT_NOISE && fixed(other).is_none() => {
                Err(EngineError::Codec(format!(
                    "the peer sends payload type {other}, which cannot be decoded: without SetFormats only G.711 and \
                     G.722 are known (payload types 0, 8 and 9)"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The rate at which files are played to a peer: wideband where its codec has it.
fn rate_of(control: &Control, slot: u32) -> u32 {
    let send = control.formats_of(slot).and_then(|formats| formats.send);
    send.map_or(8000, |speech| speech.codec.rate_hz().min(16_000))
}

/// Joins threads; those that have not ended in time are left to themselves.
fn join_within(threads: Vec<JoinHandle<()>>, wait: Duration) {
    let deadline = Instant::now() + wait;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

fn names_of(control: &Control, port: Peer) -> Names {
    control.names_of(port.slot, port.generation).unwrap_or_else(|| ("".into(), "".into()))
}

fn check(wanted: &Wanted) -> Result<(), EngineError> {
    let day = Duration::from_secs(86_400);
    if !(Duration::from_millis(20)..=day).contains(&wanted.longest) {
        return Err(EngineError::Argument("a recording may last 0.02 to 86400 seconds".into()));
    }
    if !(1000..LARGEST).contains(&wanted.largest) {
        return Err(EngineError::Argument("a recording may have 1000 octets to 4 GiB".into()));
    }
    if wanted.file == Path::new("") {
        return Err(EngineError::Argument("a recording needs a file".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_does_not_hold_up_the_end() {
        let (release, hanging) = channel::<()>();
        let hung = thread::spawn(move || hanging.recv().unwrap_or_default());
        let done = thread::spawn(|| ());
        join_within(vec![hung, done], Duration::from_millis(20));
        drop(release);
    }
}
