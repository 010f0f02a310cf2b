//! Keys for SRTP by DTLS. No I/O; the time goes in.
#![forbid(unsafe_code)]
