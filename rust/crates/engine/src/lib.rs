//! The media engine: threads that own sockets. Commands go in, events come out.
//!
//! [`Engine`] is the whole interface. Its methods are cheap and never wait for a thread: a port is taken
//! from a pool of bound sockets, and what concerns the packets is left in a worker's mailbox, which the
//! worker empties before it looks at the next packet.
#![forbid(unsafe_code)]

mod config;
mod control;
mod egress;
mod engine;
mod error;
mod events;
mod latch;
mod mailbox;
mod pacing;
mod pool;
mod port;
mod relay;
mod shared;
mod sockets;
mod statistics;
mod tone;
mod worker;

pub use config::Config;
pub use control::{Family, OpenedPort};
pub use engine::{Counters, Engine};
pub use error::EngineError;
pub use events::Event;
pub use latch::Policy;
pub use mailbox::{Remote, Tone};
pub use statistics::Statistics;
