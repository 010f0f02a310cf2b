//! Codecs for Python: what judges them there. No call of the exchange goes this way.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use trunkline_dsp::codec::LONGEST;
use trunkline_dsp::{Codec as Kind, CodecError, Decoder, Encoder, Law};

/// One stream each way.
#[pyclass]
pub struct Codec {
    rate_hz: u32,
    // Never contended: Python may only share what says that it can be shared.
    decoder: Mutex<Decoder>,
    encoder: Mutex<Encoder>,
}

#[pymethods]
impl Codec {
    #[new]
    #[pyo3(signature = (name, *, rate_hz=8000, channels=1, fec=false, bit_rate=0))]
    fn new(name: &str, rate_hz: u32, channels: u8, fec: bool, bit_rate: u32) -> PyResult<Self> {
        let kind = match name {
            "PCMU" => Kind::G711(Law::Mu),
            "PCMA" => Kind::G711(Law::A),
            "G722" => Kind::G722,
            "opus" => Kind::Opus { stereo: channels == 2, fec, bit_rate, most_hz: 0 },
            "L16" => Kind::L16 { rate_hz, channels },
            other => {
                let text = format!("expected PCMU, PCMA, G722, opus or L16, got {other:?}");
                return Err(PyValueError::new_err(text));
            }
        };
        let decoder = Decoder::new(kind).map_err(refused)?;
        let encoder = Encoder::new(kind).map_err(refused)?;
        Ok(Self { rate_hz: kind.rate_hz(), decoder: Mutex::new(decoder), encoder: Mutex::new(encoder) })
    }

    /// Samples a second of what goes in and comes out, one channel, 16 bits in the order of the machine.
    #[getter]
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// One frame of samples as one payload. Raises ValueError for a length that the codec does not know.
    fn encode<'py>(&mut self, py: Python<'py>, samples: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut octets = [0; 4 * LONGEST];
        let count =
            exclusive(&mut self.encoder).encode(&samples_of(samples), &mut octets).map_err(refused)?;
        Ok(PyBytes::new(py, &octets[..count]))
    }

    /// The samples of one payload. Raises ValueError for what is not one.
    fn decode<'py>(&mut self, py: Python<'py>, payload: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut samples = [0; LONGEST];
        let count = exclusive(&mut self.decoder).decode(payload, &mut samples).map_err(refused)?;
        Ok(octets_of(py, &samples[..count]))
    }

    /// So many samples in place of a payload that is lost; with the payload behind it, what that tells of it.
    #[pyo3(signature = (samples, following=None))]
    fn conceal<'py>(
        &mut self,
        py: Python<'py>,
        samples: usize,
        following: Option<&[u8]>,
    ) -> Bound<'py, PyBytes> {
        let mut out = [0; LONGEST];
        let decoder = exclusive(&mut self.decoder);
        let count = match following {
            Some(next) => decoder.decode_fec(next, samples, &mut out),
            None => decoder.conceal(samples, &mut out),
        };
        octets_of(py, &out[..count])
    }

    /// Tells the encoder how many packets in a hundred are lost.
    fn set_loss(&mut self, percent: u8) {
        exclusive(&mut self.encoder).set_loss(percent);
    }
}

/// Changes the rate of samples as that of a live call is changed.
#[pyclass]
pub struct Rates(trunkline_dsp::Rates);

#[pymethods]
impl Rates {
    #[new]
    fn new(from_hz: u32, to_hz: u32) -> PyResult<Self> {
        trunkline_dsp::Rates::new(from_hz, to_hz).map(Self).ok_or_else(|| refused(CodecError::Format))
    }

    /// The next samples at the other rate.
    fn convert<'py>(&mut self, py: Python<'py>, samples: &[u8]) -> Bound<'py, PyBytes> {
        let samples = samples_of(samples);
        let mut all = Vec::with_capacity(samples.len() * 6);
        let mut out = [0; LONGEST];
        for frame in samples.chunks(LONGEST / 6) {
            let count = self.0.convert(frame, &mut out);
            all.extend_from_slice(&out[..count]);
        }
        octets_of(py, &all)
    }
}

fn exclusive<T>(held: &mut Mutex<T>) -> &mut T {
    held.get_mut().unwrap_or_else(PoisonError::into_inner)
}

fn samples_of(octets: &[u8]) -> Vec<i16> {
    octets.chunks_exact(2).map(|pair| i16::from_ne_bytes([pair[0], pair[1]])).collect()
}

fn octets_of<'py>(py: Python<'py>, samples: &[i16]) -> Bound<'py, PyBytes> {
    let octets: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    PyBytes::new(py, &octets)
}

fn refused(error: CodecError) -> PyErr {
    PyValueError::new_err(match error {
        CodecError::Payload => "not a payload of this codec",
        CodecError::Format => "the codec has no such rate, number of channels or bit rate",
        CodecError::Length => "the codec has no frames of this length",
    })
}
