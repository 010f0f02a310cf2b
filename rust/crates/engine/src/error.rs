//! Why the engine refuses a command.

use std::fmt;
use std::io;
use std::net::IpAddr;

/// A refusal; each has a stable code for programs and a text for people.
#[derive(Debug)]
pub enum EngineError {
    /// A setting is wrong.
    Config(String),
    /// A local address cannot be used.
    Address(IpAddr, io::Error),
    /// The engine does not run.
    Stopped,
    /// Every port of the range is in use or resting.
    PortsExhausted,
    /// The one port that was asked for is in use.
    PortTaken,
    /// No local address of the family that was asked for.
    Family,
    /// The id is open already.
    Duplicate(String),
    /// No room has this id.
    UnknownRoom(String),
    /// Too many are in the room.
    RoomFull(usize),
    /// A room cannot be made: its id is taken, or there are too many.
    Room(String),
    /// No port has this id.
    UnknownPort(String),
    /// A recording cannot begin: its id is taken, or the port is recorded too often.
    Recording(String),
    /// A sound is not in memory, or does not fit there.
    Memory(String),
    /// Too many playbacks wait for the disk.
    Playback,
    /// A codec that is not there, or a port that has none.
    Codec(String),
    /// Too many keys wait to be sent.
    DigitsFull,
    /// An argument is out of its range.
    Argument(String),
    /// The operating system refused.
    System(&'static str, io::Error),
}

/// What went wrong with a file, after the command was accepted: told by an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stable code.
    pub code: &'static str,
    /// For people: the file, what was wrong, what is possible.
    pub text: String,
}

impl Fault {
    /// A fault.
    pub fn new(code: &'static str, text: String) -> Self {
        Self { code, text }
    }
}

impl EngineError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "media.config",
            Self::Address(..) => "media.address",
            Self::Stopped => "media.stopped",
            Self::PortsExhausted => "media.ports_exhausted",
            Self::PortTaken => "media.port_taken",
            Self::Family => "media.family",
            Self::Duplicate(_) => "media.duplicate_port",
            Self::UnknownPort(_) => "media.unknown_port",
            Self::UnknownRoom(_) => "media.unknown_room",
            Self::RoomFull(_) => "media.room_full",
            Self::Room(_) => "media.room",
            Self::Recording(_) => "media.recording",
            Self::Memory(_) => "media.memory",
            Self::Playback => "media.playback",
            Self::Codec(_) => "media.codec",
            Self::DigitsFull => "media.digits_full",
            Self::Argument(_) => "media.argument",
            Self::System(..) => "media.system",
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(text)
            | Self::Argument(text)
            | Self::Room(text)
            | Self::Recording(text)
            | Self::Memory(text)
            | Self::Codec(text) => f.write_str(text),
            Self::Address(address, error) => write!(f, "cannot use the media address {address}: {error}"),
            Self::Stopped => f.write_str("the media engine is not running"),
            Self::PortsExhausted => f.write_str("every media port is in use or resting after a call"),
            Self::PortTaken => f.write_str("this media port is in use"),
            Self::Family => f.write_str("the media engine has no local address of this family"),
            Self::Duplicate(id) => write!(f, "media port {id} is open already"),
            Self::UnknownRoom(id) => write!(f, "no conference room {id} is open"),
            Self::RoomFull(most) => write!(f, "the conference room has {most} members, and takes no more"),
            Self::UnknownPort(id) => write!(f, "no media port {id} is open"),
            Self::Playback => {
                f.write_str("too many playbacks wait for the disk of their files: does it hang?")
            }
            Self::DigitsFull => f.write_str(
                "too many keys wait to be sent at this port: 64 at most, try again when they are sent",
            ),
            Self::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for EngineError {}
