//! The thread that writes recordings, so that no worker waits for a disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use crate::error::Fault;
use crate::events::{Ended, Event, PortEvent};
use crate::recording::{Plan, Recording, failed};
use crate::shared::Shared;
use crate::tap::Parcel;

/// Packets that may wait for the writer, of all recordings: 80 s of two parties, 1.6 s of fifty such calls.
pub const QUEUE: usize = 8192;
/// How often the writer looks at what waits. It is not woken for a packet: that would cost the worker more than
/// the packet itself.
const BEAT: Duration = Duration::from_millis(40);

/// What the writer is told.
#[derive(Debug)]
pub enum Request {
    /// Begin a recording.
    Begin(Box<Plan>),
    /// End one, by its number.
    End(u64, Ended),
    /// End all, and the thread.
    Stop,
}

/// The thread's state.
pub struct Writer {
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    parcels: Receiver<Parcel>,
    recordings: Vec<Recording>,
    /// Requests that were taken while packets were looked at, for the next turn.
    later: Vec<Request>,
}

impl Writer {
    /// A writer that has not started yet.
    pub fn new(shared: Arc<Shared>, requests: Receiver<Request>, parcels: Receiver<Parcel>) -> Self {
        Self { shared, requests, parcels, recordings: Vec::new(), later: Vec::new() }
    }

    /// Writes until it is told to stop.
    pub fn run(mut self) {
        loop {
            if !self.recordings.is_empty() {
                thread::sleep(BEAT);
            } else if self.later.is_empty() {
                // Nothing is recorded, so that nothing but a request can come.
                let request = self.requests.recv().unwrap_or(Request::Stop);
                if !self.obey(vec![request]) {
                    return;
                }
            }
            let requests = self.later.drain(..).chain(self.requests.try_iter()).collect();
            if !self.obey(requests) {
                return;
            }
        }
    }

    /// Carries out requests; `false` after the last one. What begins takes all that was heard since it was asked for,
    /// what ends all that was heard before.
    fn obey(&mut self, requests: Vec<Request>) -> bool {
        let mut endings = Vec::new();
        for request in requests {
            match request {
                Request::Begin(plan) => self.begin(*plan),
                Request::End(number, ended) => endings.push((number, ended)),
                Request::Stop => {
                    endings.extend(self.recordings.iter().map(|one| (one.plan().number, Ended::Closed)));
                    self.end(endings);
                    return false;
                }
            }
        }
        self.end(endings);
        true
    }

    fn begin(&mut self, plan: Plan) {
        match Recording::begin(plan.clone()) {
            Ok(recording) => self.recordings.push(recording),
            Err(fault) => self.tell(&plan, failed(&plan, 0, fault)),
        }
    }

    fn end(&mut self, endings: Vec<(u64, Ended)>) {
        self.look();
        for (number, ended) in endings {
            if let Some(at) = self.place_of(number) {
                self.finish(at, ended);
            }
        }
    }

    /// Takes what waits, a queue's length at most, and ends what has reached a limit.
    fn look(&mut self) {
        // Before the first is taken: what comes while we look is still to be placed.
        let now_ns = self.shared.now_ns();
        for _ in 0..QUEUE {
            let Ok(parcel) = self.parcels.try_recv() else { break };
            if let Some(at) = self.place_of(parcel.recording).or_else(|| self.begun(parcel.recording))
                && let Err(fault) = guarded(|| self.recordings[at].take(&parcel))
            {
                self.give_up(at, fault);
            }
        }
        for at in (0..self.recordings.len()).rev() {
            match guarded(|| self.recordings[at].keep_up(now_ns)) {
                Ok(None) => {}
                Ok(Some(ended)) => self.finish(at, ended),
                Err(fault) => self.give_up(at, fault),
            }
        }
    }

    /// The place of a recording that was asked for since we last looked: the request comes before its packets.
    fn begun(&mut self, number: u64) -> Option<usize> {
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Request::Begin(plan) => self.begin(*plan),
                other => self.later.push(other),
            }
        }
        self.place_of(number)
    }

    fn place_of(&self, number: u64) -> Option<usize> {
        self.recordings.iter().position(|recording| recording.plan().number == number)
    }

    fn finish(&mut self, at: usize, ended: Ended) {
        let recording = self.recordings.swap_remove(at);
        let plan = recording.plan().clone();
        let finish = || Ok(recording.finish(self.shared.now_ns(), ended));
        let event = guarded(finish).unwrap_or_else(|fault| failed(&plan, 0, fault));
        self.tell(&plan, event);
    }

    fn give_up(&mut self, at: usize, fault: Fault) {
        let recording = self.recordings.swap_remove(at);
        let plan = recording.plan().clone();
        let told = fault.clone();
        let event = guarded(|| Ok(recording.fail(fault))).unwrap_or_else(|_| failed(&plan, 0, told));
        self.tell(&plan, event);
    }

    fn tell(&self, plan: &Plan, event: Event) {
        plan.state.over.store(true, Ordering::Relaxed);
        self.shared.events.push(PortEvent { slot: 0, generation: 0, event });
    }
}

/// Does something for one recording: a fault in it must not be the end of all the others.
fn guarded<T>(what: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|_| {
        let text = "a fault of the engine ended the recording: see what it wrote to its standard error";
        Err(Fault::new("media.system", text.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::sync::mpsc::{channel, sync_channel};

    fn shared() -> Arc<Shared> {
        Arc::new(crate::shared::tests::shared())
    }

    fn plan(scratch: &Scratch, number: u64) -> Request {
        Request::Begin(Box::new(Plan {
            number,
            id: "r".into(),
            names: ("call".into(), "a".into()),
            file: scratch.path(&format!("{number}.wav")),
            sources: 1,
            mix: false,
            rate_hz: 8000,
            longest: 8000 * 3600,
            largest: 1 << 30,
            keep_free: 0,
            silence: 0,
            began_ns: 0,
            state: Arc::default(),
        }))
    }

    fn parcel(recording: u64) -> Parcel {
        let payload = vec![0x90; 160].into();
        Parcel {
            recording,
            channel: 0,
            at_ns: 0,
            format: crate::formats::fixed(0),
            payload_type: 0,
            ssrc: 7,
            sequence: 0,
            timestamp: 0,
            payload,
        }
    }

    fn voice_ms(event: &Event) -> u64 {
        match event {
            Event::Recorded(told) => told.voice_ms,
            _ => panic!(),
        }
    }

    #[test]
    fn a_fault_ends_its_recording_and_no_other() {
        let (scratch, (_ask, requests), (hear, parcels)) = (Scratch::new(), channel(), sync_channel(8));
        let mut writer = Writer::new(shared(), requests, parcels);
        // There is no such channel.
        hear.send(Parcel { channel: 7, ..parcel(1) }).unwrap();
        hear.send(parcel(2)).unwrap();
        assert!(writer.obey(vec![plan(&scratch, 1), plan(&scratch, 2)]));
        let events = writer.shared.events.take();
        assert!(matches!(&events[..], [PortEvent { event: Event::RecordFailed(_), .. }]), "{events:?}");
        let other = writer.recordings.remove(0);
        assert_eq!((writer.recordings.len(), voice_ms(&other.finish(20_000_000, Ended::Stopped))), (0, 20));
    }

    #[test]
    fn what_is_heard_while_another_recording_begins_is_in_its_file() {
        let (scratch, (ask, requests), (hear, parcels)) = (Scratch::new(), channel(), sync_channel(8));
        let mut writer = Writer::new(shared(), requests, parcels);
        // The second was asked for, and heard something, after the writer had taken the first request.
        ask.send(plan(&scratch, 2)).unwrap();
        ask.send(Request::End(1, Ended::Stopped)).unwrap();
        hear.send(parcel(1)).unwrap();
        hear.send(parcel(2)).unwrap();
        assert!(writer.obey(vec![plan(&scratch, 1)]));
        assert_eq!(writer.recordings.len(), 2);
        for recording in writer.recordings.drain(..) {
            assert_eq!(voice_ms(&recording.finish(20_000_000, Ended::Stopped)), 20);
        }
        assert!(matches!(writer.later[..], [Request::End(1, Ended::Stopped)]));
    }
}
