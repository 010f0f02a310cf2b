//! Which ports are open, whose they are, and which are linked: the commanding side's books.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::Config;
use crate::error::EngineError;
use crate::events::Names;
use crate::formats::Formats;
use crate::mailbox::Peer;
use crate::pool::{Bound, Pool};
use crate::room::Hall;

/// Which kind of local address a port shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Where a new port listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedPort {
    /// The local address.
    pub address: IpAddr,
    /// The even port for RTP; RTCP has the next one.
    pub rtp_port: u16,
}

/// An open port.
#[derive(Debug)]
pub struct Entry {
    /// Its id.
    pub id: Arc<str>,
    /// Whose it is.
    pub owner: Arc<str>,
    /// Which use of the slot.
    pub generation: u32,
    /// The port it is linked with.
    pub linked: Option<u32>,
    /// What its peer sends and takes, if that was told.
    pub formats: Option<Arc<Formats>>,
    /// The room that it is in.
    pub room: Option<Arc<str>>,
}

/// A conference room.
struct RoomEntry {
    id: Arc<str>,
    owner: Arc<str>,
    hall: Arc<Hall>,
    members: HashSet<u32>,
}

/// The books.
pub struct Control {
    pairs: usize,
    addresses: Vec<IpAddr>,
    /// For each address, for each worker.
    pools: Vec<Vec<Pool>>,
    entries: Vec<Option<Entry>>,
    by_id: HashMap<Arc<str>, u32>,
    by_owner: HashMap<Arc<str>, Vec<u32>>,
    rooms: HashMap<Arc<str>, RoomEntry>,
    rooms_opened: usize,
    load: Vec<usize>,
    generation: u32,
}

impl Control {
    /// Empty books for these settings.
    pub fn new(config: &Config) -> Self {
        let pairs = config.pairs();
        let quarantine_ns = config.quarantine.as_nanos() as u64;
        // Mirrors the owner of a slot: worker = pair * workers / pairs.
        let first_of = |worker: usize| (worker * pairs).div_ceil(config.workers);
        let pools_at = |base: usize| {
            (0..config.workers)
                .map(|worker| {
                    let range = (base + first_of(worker)) as u32..(base + first_of(worker + 1)) as u32;
                    Pool::new(range, quarantine_ns)
                })
                .collect()
        };
        Self {
            pairs,
            addresses: config.addresses.clone(),
            pools: (0..config.addresses.len()).map(|bank| pools_at(bank * pairs)).collect(),
            entries: (0..pairs * config.addresses.len()).map(|_| None).collect(),
            by_id: HashMap::new(),
            by_owner: HashMap::new(),
            rooms: HashMap::new(),
            rooms_opened: 0,
            load: vec![0; config.workers],
            generation: 0,
        }
    }

    /// Takes a slot for a new port and enters it. All ports of an owner go to one worker while it has room.
    /// With a `pair`, it is that one or none.
    ///
    /// # Errors
    /// [`EngineError::Duplicate`], [`EngineError::Family`], [`EngineError::PortsExhausted`],
    /// [`EngineError::PortTaken`] or what `bind` says.
    pub fn open(
        &mut self,
        now_ns: u64,
        (id, owner, family, pair): (&str, &str, Family, Option<usize>),
        worker_of: impl Fn(u32) -> usize,
        is_quiet: impl Fn(u32) -> bool,
        mut bind: impl FnMut(u32) -> Result<Bound, EngineError>,
    ) -> Result<Peer, EngineError> {
        if self.by_id.contains_key(id) {
            return Err(EngineError::Duplicate(id.into()));
        }
        let v4 = family == Family::V4;
        let bank = self.addresses.iter().position(|address| address.is_ipv4() == v4);
        let bank = bank.ok_or(EngineError::Family)?;
        if let Some(pair) = pair {
            let slot = (bank * self.pairs + pair) as u32;
            let worker = worker_of(slot);
            self.pools[bank][worker].take_this(slot, &is_quiet, &mut bind)?;
            return Ok(self.enter(slot, worker, id, owner));
        }
        let first = self.by_owner.get(owner).and_then(|slots| slots.first());
        let preferred = first.map_or_else(|| self.least_loaded(), |&slot| worker_of(slot));
        let workers = self.load.len();
        for worker in (0..workers).map(|step| (preferred + step) % workers) {
            match self.pools[bank][worker].take(now_ns, &is_quiet, &mut bind) {
                Ok(slot) => return Ok(self.enter(slot, worker, id, owner)),
                Err(EngineError::PortsExhausted) => {}
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::PortsExhausted)
    }

    /// Removes a port and gives its slot back; returns what was entered.
    pub fn close(&mut self, now_ns: u64, slot: u32, worker: usize) -> Option<Entry> {
        let entry = self.entries[slot as usize].take()?;
        self.by_id.remove(&entry.id);
        if let Some(slots) = self.by_owner.get_mut(&entry.owner) {
            slots.retain(|&other| other != slot);
            if slots.is_empty() {
                self.by_owner.remove(&entry.owner);
            }
        }
        self.load[worker] -= 1;
        self.pools[slot as usize / self.pairs][worker].give_back(now_ns, slot);
        Some(entry)
    }

    /// The slot and use of an open port.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn find(&self, id: &str) -> Result<Peer, EngineError> {
        let slot = *self.by_id.get(id).ok_or_else(|| EngineError::UnknownPort(id.into()))?;
        let generation = self.entries[slot as usize].as_ref().map_or(0, |entry| entry.generation);
        Ok(Peer { slot, generation })
    }

    /// Owner and id of a port, if that use of the slot is still open.
    pub fn names_of(&self, slot: u32, generation: u32) -> Option<(Arc<str>, Arc<str>)> {
        let entry = self.entries.get(slot as usize)?.as_ref()?;
        (entry.generation == generation).then(|| (Arc::clone(&entry.owner), Arc::clone(&entry.id)))
    }

    /// What was told last of a port's formats.
    pub fn formats_of(&self, slot: u32) -> Option<&Arc<Formats>> {
        self.entries[slot as usize].as_ref()?.formats.as_ref()
    }

    /// Enters what was told of a port's formats.
    pub fn set_formats(&mut self, slot: u32, formats: &Arc<Formats>) {
        if let Some(entry) = self.entries[slot as usize].as_mut() {
            entry.formats = Some(Arc::clone(formats));
        }
    }

    /// The port that a port is linked with.
    pub fn linked_with(&self, slot: u32) -> Option<u32> {
        self.entries[slot as usize].as_ref()?.linked
    }

    /// Ends the link of a port; returns the port that it was linked with.
    pub fn unlink(&mut self, slot: u32) -> Option<u32> {
        let other = self.entries[slot as usize].as_mut()?.linked.take()?;
        if let Some(entry) = self.entries[other as usize].as_mut() {
            entry.linked = None;
        }
        Some(other)
    }

    /// Enters a link; both ports must be unlinked.
    pub fn link(&mut self, a: u32, b: u32) {
        for (slot, other) in [(a, b), (b, a)] {
            if let Some(entry) = self.entries[slot as usize].as_mut() {
                entry.linked = Some(other);
            }
        }
    }

    /// Enters a new room; returns how many were opened before.
    ///
    /// # Errors
    /// [`EngineError::Room`].
    pub fn open_room(
        &mut self,
        id: &str,
        owner: &str,
        most: usize,
        hall: &Arc<Hall>,
    ) -> Result<usize, EngineError> {
        if self.rooms.contains_key(id) {
            return Err(EngineError::Room(format!("conference room {id} is open already")));
        }
        if self.rooms.len() >= most {
            let text = format!("{most} conference rooms are open, and no more are possible");
            return Err(EngineError::Room(text));
        }
        let (id, owner, hall): (Arc<str>, Arc<str>, _) = (id.into(), owner.into(), Arc::clone(hall));
        self.rooms.insert(Arc::clone(&id), RoomEntry { id, owner, hall, members: HashSet::new() });
        self.rooms_opened += 1;
        Ok(self.rooms_opened - 1)
    }

    /// Removes a room; returns who was in it.
    ///
    /// # Errors
    /// [`EngineError::UnknownRoom`].
    pub fn close_room(&mut self, id: &str) -> Result<(Arc<Hall>, Vec<u32>), EngineError> {
        let room = self.rooms.remove(id).ok_or_else(|| EngineError::UnknownRoom(id.into()))?;
        for &slot in &room.members {
            if let Some(entry) = self.entries[slot as usize].as_mut() {
                entry.room = None;
            }
        }
        Ok((room.hall, room.members.into_iter().collect()))
    }

    /// A room, with its owner and id.
    ///
    /// # Errors
    /// [`EngineError::UnknownRoom`].
    pub fn find_room(&self, id: &str) -> Result<(Arc<Hall>, Names), EngineError> {
        let room = self.rooms.get(id).ok_or_else(|| EngineError::UnknownRoom(id.into()))?;
        Ok((Arc::clone(&room.hall), (Arc::clone(&room.owner), Arc::clone(&room.id))))
    }

    /// The rooms of an owner.
    pub fn rooms_of(&self, owner: &str) -> Vec<Arc<str>> {
        if self.rooms.is_empty() {
            return Vec::new();
        }
        self.rooms.values().filter(|room| *room.owner == *owner).map(|room| Arc::clone(&room.id)).collect()
    }

    /// Whether a port is in a room.
    ///
    /// # Errors
    /// [`EngineError::UnknownRoom`].
    pub fn is_member(&self, id: &str, slot: u32) -> Result<bool, EngineError> {
        let room = self.rooms.get(id).ok_or_else(|| EngineError::UnknownRoom(id.into()))?;
        Ok(room.members.contains(&slot))
    }

    /// Whether one more may enter.
    ///
    /// # Errors
    /// [`EngineError::RoomFull`].
    pub fn check_room(&self, id: &str, most: usize) -> Result<(), EngineError> {
        let full = self.rooms.get(id).is_some_and(|room| room.members.len() >= most);
        if full { Err(EngineError::RoomFull(most)) } else { Ok(()) }
    }

    /// A port enters a room.
    ///
    /// # Errors
    /// [`EngineError::UnknownRoom`].
    pub fn enter_room(&mut self, id: &str, slot: u32) -> Result<Arc<Hall>, EngineError> {
        let room = self.rooms.get_mut(id).ok_or_else(|| EngineError::UnknownRoom(id.into()))?;
        room.members.insert(slot);
        if let Some(entry) = self.entries[slot as usize].as_mut() {
            entry.room = Some(Arc::clone(&room.id));
        }
        Ok(Arc::clone(&room.hall))
    }

    /// A port leaves its room, if it is in one.
    pub fn leave_room(&mut self, slot: u32) {
        let Some(id) = self.entries[slot as usize].as_mut().and_then(|entry| entry.room.take()) else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(&id) {
            room.members.remove(&slot);
        }
    }

    /// Gives an open port to another owner.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn adopt(&mut self, id: &str, owner: &str) -> Result<(), EngineError> {
        let slot = self.find(id)?.slot;
        let owner = match self.by_owner.get_key_value(owner) {
            Some((known, _)) => Arc::clone(known),
            None => owner.into(),
        };
        let Some(entry) = self.entries[slot as usize].as_mut() else {
            return Err(EngineError::UnknownPort(id.into()));
        };
        let before = std::mem::replace(&mut entry.owner, Arc::clone(&owner));
        if let Some(slots) = self.by_owner.get_mut(&before) {
            slots.retain(|&other| other != slot);
            if slots.is_empty() {
                self.by_owner.remove(&before);
            }
        }
        self.by_owner.entry(owner).or_default().push(slot);
        Ok(())
    }

    /// The slots of an owner.
    pub fn slots_of(&self, owner: &str) -> Vec<u32> {
        self.by_owner.get(owner).cloned().unwrap_or_default()
    }

    /// Every open slot.
    pub fn open_slots(&self) -> Vec<u32> {
        self.by_id.values().copied().collect()
    }

    /// The address and port of a slot.
    pub fn place_of(&self, config: &Config, slot: u32) -> OpenedPort {
        let (bank, pair) = (slot as usize / self.pairs, slot as usize % self.pairs);
        OpenedPort { address: self.addresses[bank], rtp_port: config.rtp_port(pair) }
    }

    /// How many ports are open, free, and resting.
    pub fn occupancy(&self) -> (usize, usize, usize) {
        let pools = || self.pools.iter().flatten();
        (self.by_id.len(), pools().map(Pool::available).sum(), pools().map(Pool::resting).sum())
    }

    fn least_loaded(&self) -> usize {
        let workers = self.load.iter().enumerate();
        workers.min_by_key(|&(_, load)| load).map_or(0, |(worker, _)| worker)
    }

    fn enter(&mut self, slot: u32, worker: usize, id: &str, owner: &str) -> Peer {
        self.generation = self.generation.wrapping_add(1).max(1);
        let id: Arc<str> = id.into();
        let owner = match self.by_owner.get_key_value(owner) {
            Some((known, _)) => Arc::clone(known),
            None => owner.into(),
        };
        self.by_id.insert(Arc::clone(&id), slot);
        self.by_owner.entry(Arc::clone(&owner)).or_default().push(slot);
        self.load[worker] += 1;
        let generation = self.generation;
        self.entries[slot as usize] =
            Some(Entry { id, owner, generation, linked: None, formats: None, room: None });
        Peer { slot, generation }
    }
}
