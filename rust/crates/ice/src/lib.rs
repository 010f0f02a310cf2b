//! Where a WebRTC peer is: STUN, ICE-lite and consent. No I/O; the time goes in.
#![forbid(unsafe_code)]
