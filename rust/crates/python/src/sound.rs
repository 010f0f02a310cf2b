//! What Python says of formats and sound, as the engine wants it.

use pyo3::prelude::*;
use trunkline_engine::{Format, Formats};

use crate::arguments::refused;

/// A format as Python has it: payload type, encoding name, clock, channels, parameters.
pub type Told = (u8, String, u32, u8, String);

/// What the peer of a port sends and takes.
pub fn formats(
    receive: Vec<Told>,
    send: Option<Told>,
    send_events: Option<Told>,
    ptime_ms: u32,
) -> PyResult<Formats> {
    let receive = receive.into_iter().map(format).collect::<PyResult<Vec<Format>>>()?;
    let (send, keys) = (send.map(format).transpose()?, send_events.map(format).transpose()?);
    Formats::new(receive, send, keys, ptime_ms).map_err(refused)
}

fn format((payload_type, name, clock_hz, channels, parameters): Told) -> PyResult<Format> {
    Format::read(payload_type, &name, clock_hz, channels, &parameters).map_err(refused)
}
