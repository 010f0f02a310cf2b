//! The media engine: threads that own sockets. Commands go in, events come out.
//!
//! [`Engine`] is the whole interface. Its methods are cheap and never wait for a thread: a port is taken
//! from a pool of bound sockets, and what concerns the packets is left in a worker's mailbox, which the
//! worker empties before it looks at the next packet.
#![forbid(unsafe_code)]

mod allowance;
mod association;
mod beat;
mod config;
mod control;
mod convert;
mod ear;
mod egress;
mod engine;
mod error;
mod events;
mod extension;
mod files;
mod formats;
mod hearing;
mod kernel;
mod keys;
mod latch;
mod line;
mod mailbox;
mod mouth;
mod opus_file;
mod overlay;
mod pacing;
mod playback;
mod pool;
mod port;
#[cfg(test)]
mod races;
mod rates;
mod reader;
mod recording;
mod relay;
mod reports;
mod room;
#[cfg(test)]
mod scratch;
mod seat;
mod security;
mod shared;
mod sockets;
mod sound_file;
mod sounds;
mod source;
mod statistics;
mod tap;
mod target_file;
mod timeline;
mod tone;
mod track;
mod voice;
mod worker;
mod writer;

pub use association::Partner;
pub use config::Config;
pub use control::{Family, OpenedPort};
pub use engine::{Counters, Engine};
pub use error::{EngineError, Fault};
pub use events::{Ended, Event, Outcome};
pub use extension::Signalling;
pub use files::Wanted;
pub use formats::{Content, Format, Formats, Speech};
pub use kernel::KernelWish;
pub use keys::Digits;
pub use latch::Policy;
pub use mailbox::{Remote, Tone};
pub use overlay::Sounding;
pub use room::Rights;
pub use statistics::Statistics;
pub use trunkline_dsp::listen::{News, Wanted as Ears};
pub use trunkline_dsp::signal::{MOST_TONES, Step};
pub use trunkline_dtls::{Fingerprint, Role};
pub use trunkline_ice::Credentials;
pub use trunkline_rtp::extension::Extension;
pub use trunkline_rtp::srtp::{MasterKey, Suite};
