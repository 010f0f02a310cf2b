//! The program in the kernel: loaded, attached, its tables filled and read.

use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::{fmt, io};

use aya::maps::{Array, HashMap, Map, MapData, MapError};
use aya::programs::links::LinkOrder;
use aya::programs::tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle};
use aya::programs::{SchedClassifier, TcAttachType};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfLoader};

use crate::kernel::leg::{Key, Passed, Words};

const HOOKS: [(&str, TcAttachType); 2] =
    [("forward", TcAttachType::Ingress), ("notice", TcAttachType::Egress)];

/// Our filters' place among others of an interface: whatever is sure to be of the same kind.
const PRIORITY: u16 = 21_579;

/// How the program hangs on an interface.
#[derive(Clone, Copy, Debug)]
pub enum Hanging {
    /// On links that die with the process, since Linux 6.6.
    Links,
    /// On filters of a queueing discipline, which outlive a process that was killed. By this handle the next
    /// engine with the same ports finds them; that of another engine on the same interface has another one.
    Filters(TcHandle),
}

/// Whether this system has links for programs at interfaces.
pub fn has_links() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
}

impl Hanging {
    /// On filters, for the engine that has the ports from this one on, of the first of these addresses.
    pub fn filters(addresses: &[IpAddr], first_port: u16) -> Self {
        let octets = match addresses.first() {
            Some(IpAddr::V4(v4)) => v4.octets().to_vec(),
            Some(IpAddr::V6(v6)) => v6.octets().to_vec(),
            None => Vec::new(),
        };
        let major = octets.iter().fold(0u16, |sum, &octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
        // The system takes handles of 31 bits.
        Self::Filters(TcHandle::new(major & 0x7fff, first_port))
    }
}

type Table<K> = HashMap<MapData, K, u32>;

/// The tables of one direction through the program, by family.
#[derive(Debug)]
struct Tables {
    v4: Table<[u32; 3]>,
    v6: Table<[u32; 9]>,
}

/// The program at work: it leaves the interfaces when this is dropped, or when the process dies.
pub struct Program {
    arrivals: Tables,
    departures: Tables,
    legs: Array<MapData, Words>,
    /// Holds the attachments.
    _loaded: Ebpf,
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Program").finish_non_exhaustive()
    }
}

impl Program {
    /// Loads the compiled program and attaches it to the interfaces.
    ///
    /// # Errors
    /// Why it cannot work, as a text for whoever runs the engine.
    pub fn start(
        file: &Path,
        hanging: Hanging,
        interfaces: &[String],
        slots: u32,
        ipv6: bool,
    ) -> Result<Self, String> {
        if !file.exists() {
            return Err(format!(
                "{} is missing: it is compiled at setup when clang is installed",
                file.display()
            ));
        }
        let slots6 = if ipv6 { slots } else { 1 };
        let mut loader = EbpfLoader::new();
        for (table, entries) in
            [("ARRIVALS4", slots), ("DEPARTURES4", slots), ("ARRIVALS6", slots6), ("DEPARTURES6", slots6)]
        {
            loader.map_max_entries(table, entries);
        }
        let mut loaded =
            loader.map_max_entries("LEGS", slots).load_file(file).map_err(|error| reason(&error))?;
        for (name, hook) in HOOKS {
            attach(&mut loaded, name, (hook, hanging), interfaces)?;
        }
        Self::with_tables(loaded).ok_or_else(|| format!("{} is of another version", file.display()))
    }

    fn with_tables(mut loaded: Ebpf) -> Option<Self> {
        Some(Self {
            arrivals: Tables {
                v4: table(loaded.take_map("ARRIVALS4"))?,
                v6: table(loaded.take_map("ARRIVALS6"))?,
            },
            departures: Tables {
                v4: table(loaded.take_map("DEPARTURES4"))?,
                v6: table(loaded.take_map("DEPARTURES6"))?,
            },
            legs: Array::try_from(loaded.take_map("LEGS")?).ok()?,
            _loaded: loaded,
        })
    }

    /// Enters a leg under the slot whose packets it passes on.
    ///
    /// # Errors
    /// What the system says; then nothing is entered.
    pub fn enter(&mut self, slot: u32, arrival: Key, departure: Key, leg: Words) -> Result<(), MapError> {
        self.legs.set(slot, leg, 0)?;
        self.departures.insert(departure, slot)?;
        self.arrivals.insert(arrival, slot).inspect_err(|_| self.departures.remove(departure))
    }

    /// Takes a leg out: from now on its packets go to user space. What it has counted can still be read.
    pub fn remove(&mut self, arrival: Key, departure: Key) {
        self.arrivals.remove(arrival);
        self.departures.remove(departure);
    }

    /// What the leg of a slot has counted.
    pub fn read(&self, slot: u32) -> Passed {
        self.legs.get(&slot, 0).map(|words| Passed::read(&words)).unwrap_or_default()
    }
}

impl Tables {
    fn insert(&mut self, key: Key, slot: u32) -> Result<(), MapError> {
        match key {
            Key::V4(key) => self.v4.insert(key, slot, 0),
            Key::V6(key) => self.v6.insert(key, slot, 0),
        }
    }

    fn remove(&mut self, key: Key) {
        // It fails only for what is not in there.
        let _ = match key {
            Key::V4(key) => self.v4.remove(&key),
            Key::V6(key) => self.v6.remove(&key),
        };
    }
}

fn table<K: aya::Pod>(map: Option<Map>) -> Option<Table<K>> {
    HashMap::try_from(map?).ok()
}

fn attach(
    loaded: &mut Ebpf,
    name: &str,
    how: (TcAttachType, Hanging),
    interfaces: &[String],
) -> Result<(), String> {
    let program = loaded.program_mut(name).ok_or_else(|| format!("the program has no {name}"))?;
    let program: &mut SchedClassifier = program.try_into().map_err(|error| reason(&error))?;
    program.load().map_err(|error| reason(&error))?;
    for interface in interfaces {
        hang(program, interface, how).map_err(|error| format!("{interface}: {error}"))?;
    }
    Ok(())
}

fn hang(
    program: &mut SchedClassifier,
    interface: &str,
    (hook, hanging): (TcAttachType, Hanging),
) -> Result<(), String> {
    let handle = match hanging {
        Hanging::Links => {
            let last = TcAttachOptions::TcxOrder(LinkOrder::default());
            return program
                .attach_with_options(interface, hook, last)
                .map(drop)
                .map_err(|error| reason(&error));
        }
        Hanging::Filters(handle) => handle,
    };
    // It fails when the interface has one already, which others may use too, and must stay.
    let _ = tc::qdisc_add_clsact(interface);
    let options = NlOptions { priority: PRIORITY, handle, classid: None };
    let Err(error) = program.attach_with_options(interface, hook, TcAttachOptions::Netlink(options)) else {
        return Ok(());
    };
    // What an engine that was killed has left there is replaced.
    let left = SchedClassifierLink::attached(interface, hook, PRIORITY, handle, None);
    let left = left.map_err(|error| error.to_string())?;
    program.attach_to_link(left).map(drop).map_err(|_| reason(&error))
}

/// The innermost cause says most; a refusal tells what would be needed.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let refused = innermost
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    if refused { "needs the capabilities CAP_BPF and CAP_NET_ADMIN".into() } else { innermost.to_string() }
}
