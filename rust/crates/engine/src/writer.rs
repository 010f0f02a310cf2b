//! The thread that writes recordings, so that no worker waits for a disk.

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
}

impl Writer {
    /// A writer that has not started yet.
    pub fn new(shared: Arc<Shared>, requests: Receiver<Request>, parcels: Receiver<Parcel>) -> Self {
        Self { shared, requests, parcels, recordings: Vec::new() }
    }

    /// Writes until it is told to stop.
    pub fn run(mut self) {
        loop {
            if self.recordings.is_empty() {
                // Nothing is recorded, so that nothing but a request can come.
                let request = self.requests.recv().unwrap_or(Request::Stop);
                if !self.obey(vec![request]) {
                    return;
                }
            } else {
                thread::sleep(BEAT);
            }
            let requests = self.requests.try_iter().collect();
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
        for _ in 0..QUEUE {
            let Ok(parcel) = self.parcels.try_recv() else { break };
            if let Some(at) = self.place_of(parcel.recording)
                && let Err(fault) = self.recordings[at].take(&parcel)
            {
                self.give_up(at, fault);
            }
        }
        let now_ns = self.shared.now_ns();
        for at in (0..self.recordings.len()).rev() {
            match self.recordings[at].keep_up(now_ns) {
                Ok(None) => {}
                Ok(Some(ended)) => self.finish(at, ended),
                Err(fault) => self.give_up(at, fault),
            }
        }
    }

    fn place_of(&self, number: u64) -> Option<usize> {
        self.recordings.iter().position(|recording| recording.plan().number == number)
    }

    fn finish(&mut self, at: usize, ended: Ended) {
        let recording = self.recordings.swap_remove(at);
        let plan = recording.plan().clone();
        let event = recording.finish(self.shared.now_ns(), ended);
        self.tell(&plan, event);
    }

    fn give_up(&mut self, at: usize, fault: Fault) {
        let recording = self.recordings.swap_remove(at);
        let plan = recording.plan().clone();
        self.tell(&plan, recording.fail(fault));
    }

    fn tell(&self, plan: &Plan, event: Event) {
        plan.state.over.store(true, Ordering::Relaxed);
        self.shared.events.push(PortEvent { slot: 0, generation: 0, event });
    }
}
