//! What Python says of formats and sound, as the engine wants it.

use pyo3::prelude::*;
use trunkline_engine::{Format, Formats, MOST_TONES, Step};

use crate::arguments::{argument, refused};

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

/// A step of a signal as Python has it: frequencies, milliseconds, level in dBov.
pub type ToldStep = (Vec<f64>, u32, f64);

/// A step of a signal.
pub fn step((frequencies, duration_ms, level_dbov): ToldStep) -> PyResult<Step> {
    let mut frequencies_hz = [0.0; MOST_TONES];
    let Some(place) = frequencies_hz.get_mut(..frequencies.len()) else {
        let text = format!("a signal has {MOST_TONES} tones at once at most, got {}", frequencies.len());
        return Err(argument(text));
    };
    place.copy_from_slice(&frequencies);
    Ok(Step { frequencies_hz, duration_ms, level_dbov })
}
