//! RTP and RTCP as bytes and numbers: packet views, reception accounting, telephone events.
//!
//! Nothing here does I/O, allocates or looks at a clock: packets and times go in, figures come out.
#![forbid(unsafe_code)]

pub mod dtmf;
pub mod extension;
pub mod packet;
pub mod press;
pub mod quality;
pub mod reception;
pub mod report;
pub mod rtcp;
pub mod sequence;
pub mod srtp;

pub use dtmf::{Digit, DtmfDetector};
pub use packet::{Malformed, RtpPacket, is_rtcp};
pub use press::{Press, Report};
pub use reception::Reception;
pub use rtcp::RtcpPacket;
pub use sequence::SequenceTracker;
