//! Scans SIP messages as nearly everybody writes them.
//!
//! The grammar of SIP, with all that peers make of it, is known in one place: `trunkline.proto.sip`, in Python.
//! This crate only takes the common case off its hands. [`scan`] answers `None` for whatever is not plain
//! ASCII, one line a header, in a form that it can judge at a glance; the Python parser then does the whole
//! work. What is answered is exactly what the Python parser would say; a test holds the two against each other.
#![forbid(unsafe_code)]

mod fields;
mod message;

pub use fields::{Tag, TopVia, stamp};
pub use message::{Fields, Header, Scan, Start, scan};
