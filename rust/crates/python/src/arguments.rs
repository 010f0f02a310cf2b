//! What Python hands in, as the engine wants it; and the one border of errors.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use trunkline_engine as engine;

create_exception!(
    trunkline._native._engine,
    EngineError,
    PyException,
    "The engine refused. args: (message, stable code)."
);

/// Turns a refusal into the exception that carries its text and its code.
pub fn refused(error: engine::EngineError) -> PyErr {
    EngineError::new_err((error.to_string(), error.code()))
}

/// A numeric address.
pub fn address(text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| argument(format!("expected an IPv4 or IPv6 address, got {text:?}")))
}

/// A peer's address; none if it is unspecified (RFC 2543 hold) or the port is 0.
pub fn peer(host: &str, port: u16) -> PyResult<Option<SocketAddr>> {
    if host.is_empty() || port == 0 {
        return Ok(None);
    }
    let ip = address(host)?;
    Ok((!ip.is_unspecified()).then(|| SocketAddr::new(ip, port)))
}

/// A length of time in seconds, at most a day.
pub fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    if !(0.0..=86_400.0).contains(&value) {
        return Err(argument(format!("{name} must be 0 to 86400 seconds, got {value}")));
    }
    Ok(Duration::from_secs_f64(value))
}

/// The crypto suite of a name.
pub fn suite_of(name: &str) -> PyResult<engine::Suite> {
    engine::Suite::of_name(name).ok_or_else(|| {
        let known = engine::Suite::ALL.map(engine::Suite::name).join(", ");
        argument(format!("unknown crypto suite {name:?}: expected one of {known}"))
    })
}

/// A master key and salt; what they are is in no text.
pub fn master_key(
    name: &str,
    suite: engine::Suite,
    octets: &[u8],
    mki: &[u8],
) -> PyResult<engine::MasterKey> {
    let key = engine::MasterKey::new(suite, octets).ok_or_else(|| {
        let (key, salt) = (suite.key_octets(), suite.salt_octets());
        argument(format!(
            "the {name} key of {} needs {} octets (key {key}, salt {salt}), got {}",
            suite.name(),
            key + salt,
            octets.len()
        ))
    })?;
    let long =
        || argument(format!("the MKI of the {name} key has {} octets, 128 at most are taken", mki.len()));
    key.with_mki(mki).ok_or_else(long)
}

/// A header extension.
pub fn extension(id: u8, profile: u16, data: &[u8]) -> PyResult<engine::Extension> {
    engine::Extension::new(id, profile, data).ok_or_else(|| {
        argument(format!(
            "a header extension needs id 1 to 14, profile 0xBEDE and 1 to 16 octets, or id 0 and up to 64 octets, \
             a multiple of 4; got id {id}, profile {profile:#06X} and {} octets",
            data.len()
        ))
    })
}

/// A refusal of an argument.
pub fn argument(text: String) -> PyErr {
    refused(engine::EngineError::Argument(text))
}
