//! The one class.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use trunkline_dsp::Law;
use trunkline_engine::{
    Config, Credentials, Digits, Ears, Engine, Family, KernelWish, Partner, Policy, Remote, Rights, Role,
    Signalling, Sounding, Step, Tone, Wanted,
};

use crate::arguments::{address, argument, extension, master_key, peer, refused, seconds, suite_of};
use crate::events::described;
use crate::figures::{EngineFigures, PortFigures};
use crate::sound::{Told, ToldStep, formats, step};

/// A running media engine. Starts its threads at once.
#[pyclass(frozen, module = "trunkline._native._engine")]
pub struct MediaEngine {
    engine: Engine,
}

#[pymethods]
impl MediaEngine {
    #[new]
    #[pyo3(signature = (addresses, first_port, last_port, *, workers, inactivity_s, quarantine_s, learn_s, relearn_s, coalesce_us, event_queue, kernel_program=None, kernel_interfaces=Vec::new(), kernel_by_filters=false))]
    fn new(
        addresses: Vec<String>,
        first_port: u16,
        last_port: u16,
        workers: usize,
        inactivity_s: f64,
        quarantine_s: f64,
        learn_s: f64,
        relearn_s: f64,
        coalesce_us: u16,
        event_queue: usize,
        kernel_program: Option<PathBuf>,
        kernel_interfaces: Vec<String>,
        kernel_by_filters: bool,
    ) -> PyResult<Self> {
        let config = Config {
            addresses: addresses.iter().map(|text| address(text)).collect::<PyResult<Vec<IpAddr>>>()?,
            first_port,
            last_port,
            workers,
            inactivity: seconds("inactivity_s", inactivity_s)?,
            quarantine: seconds("quarantine_s", quarantine_s)?,
            learn: seconds("learn_s", learn_s)?,
            relearn: seconds("relearn_s", relearn_s)?,
            coalesce: Duration::from_micros(u64::from(coalesce_us)),
            event_queue,
            kernel: kernel_program.map(|program| KernelWish {
                program,
                interfaces: kernel_interfaces,
                by_filters: kernel_by_filters,
            }),
        };
        Ok(Self { engine: Engine::start(config).map_err(refused)? })
    }

    /// Joins the threads; every port closes.
    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.engine.stop());
    }

    /// Opens a port, at `rtp_port` unless that is 0: (local address, RTP port). RTCP has the next port.
    #[pyo3(signature = (port, owner, ipv6, rtp_port))]
    fn open(&self, port: &str, owner: &str, ipv6: bool, rtp_port: u16) -> PyResult<(String, u16)> {
        let family = if ipv6 { Family::V6 } else { Family::V4 };
        let place =
            self.engine.open(port, owner, family, (rtp_port != 0).then_some(rtp_port)).map_err(refused)?;
        Ok((place.address.to_string(), place.rtp_port))
    }

    /// Tells what an offer or answer said about the peer of a port.
    #[pyo3(signature = (port, host, rtp_port, rtcp_host, rtcp_port, rtcp_mux, nat, dtmf_payload_type, clock_hz, opaque))]
    fn set_remote(
        &self,
        port: &str,
        host: &str,
        rtp_port: u16,
        rtcp_host: &str,
        rtcp_port: u16,
        rtcp_mux: bool,
        nat: bool,
        dtmf_payload_type: Option<u8>,
        clock_hz: u32,
        opaque: bool,
    ) -> PyResult<()> {
        let remote = Remote {
            rtp: peer(host, rtp_port)?,
            rtcp: peer(rtcp_host, rtcp_port)?,
            mux: rtcp_mux,
            policy: if nat { Policy::Nat } else { Policy::Signalled },
            dtmf_payload_type,
            clock_hz,
            opaque,
        };
        self.engine.set_remote(port, remote).map_err(refused)
    }

    /// Encrypts a port; a key is the master key and right after it the salt. `receive` may be empty: not known yet.
    /// The MKI of either may be empty: its packets have none.
    #[pyo3(signature = (port, suite, send, receive, send_mki, receive_mki))]
    fn set_keys(
        &self,
        port: &str,
        suite: &str,
        send: &[u8],
        receive: &[u8],
        send_mki: &[u8],
        receive_mki: &[u8],
    ) -> PyResult<()> {
        let suite = suite_of(suite)?;
        let hear = || master_key("receive", suite, receive, receive_mki);
        let receive = (!receive.is_empty()).then(hear).transpose()?;
        self.engine.set_keys(port, master_key("send", suite, send, send_mki)?, receive).map_err(refused)
    }

    /// Says who the engine is in DTLS: a certificate in DER, its ECDSA key in PKCS#8.
    #[pyo3(signature = (certificate, key))]
    fn set_identity(&self, certificate: Vec<u8>, key: Vec<u8>) -> PyResult<()> {
        self.engine.set_identity(certificate, key).map_err(refused)
    }

    /// The fingerprint of the engine's certificate, as in `a=fingerprint`.
    fn fingerprint(&self) -> PyResult<String> {
        self.engine.fingerprint().map_err(refused)
    }

    /// Answers connectivity checks on a port by our username fragment and password.
    #[pyo3(signature = (port, ufrag, password))]
    fn set_ice(&self, port: &str, ufrag: String, password: String) -> PyResult<()> {
        self.engine.set_ice(port, Credentials { ufrag, password }).map_err(refused)
    }

    /// Agrees on the keys of a port by DTLS.
    #[pyo3(signature = (port, active, fingerprint))]
    fn set_dtls(&self, port: &str, active: bool, fingerprint: &str) -> PyResult<()> {
        let fingerprint = fingerprint.parse().map_err(|_| {
            argument(format!(
                "{fingerprint:?} is no fingerprint: expected sha-256, sha-384 or sha-512 and AB:CD:..."
            ))
        })?;
        let role = if active { Role::Active } else { Role::Passive };
        self.engine.set_dtls(port, Partner { role, fingerprint }).map_err(refused)
    }

    /// Writes a header extension into what a port sends and observes the peer's; without an id that ends.
    #[pyo3(signature = (port, id, profile, data, period_ms, payload_type, timeout_ms))]
    fn set_extension(
        &self,
        port: &str,
        id: Option<u8>,
        profile: u16,
        data: &[u8],
        period_ms: u32,
        payload_type: u8,
        timeout_ms: u32,
    ) -> PyResult<()> {
        let signalling = id
            .map(|id| {
                let extension = extension(id, profile, data)?;
                Ok::<_, PyErr>(Signalling { extension, period_ms, payload_type, timeout_ms })
            })
            .transpose()?;
        self.engine.set_extension(port, signalling).map_err(refused)
    }

    /// Encrypts a port no more.
    #[pyo3(signature = (port))]
    fn set_plain(&self, port: &str) -> PyResult<()> {
        self.engine.set_plain(port).map_err(refused)
    }

    /// Relays between two ports; in the codec of each if it shall `convert`.
    #[pyo3(signature = (port, other, convert))]
    fn link(&self, port: &str, other: &str, convert: bool) -> PyResult<()> {
        self.engine.link(port, other, convert).map_err(refused)
    }

    /// Tells what the peer of a port sends and takes.
    #[pyo3(signature = (port, receive, send, send_events, ptime_ms))]
    fn set_formats(
        &self,
        port: &str,
        receive: Vec<Told>,
        send: Option<Told>,
        send_events: Option<Told>,
        ptime_ms: u32,
    ) -> PyResult<()> {
        let formats = formats(receive, send, send_events, ptime_ms)?;
        self.engine.set_formats(port, formats).map_err(refused)
    }

    /// Makes a conference room.
    #[pyo3(signature = (room, owner, rate_hz, speakers))]
    fn open_room(&self, room: &str, owner: &str, rate_hz: u32, speakers: usize) -> PyResult<()> {
        self.engine.open_room(room, owner, rate_hz, speakers).map_err(refused)
    }

    /// Ends a conference room.
    #[pyo3(signature = (room))]
    fn close_room(&self, room: &str) -> PyResult<()> {
        self.engine.close_room(room).map_err(refused)
    }

    /// Puts a port into a conference room, or changes what it may there.
    #[pyo3(signature = (port, room, gain_db, muted, deaf))]
    fn join(&self, port: &str, room: &str, gain_db: f32, muted: bool, deaf: bool) -> PyResult<()> {
        self.engine.join(port, room, Rights { gain_db, muted, deaf }).map_err(refused)
    }

    /// A socket with the sound of a port, which is the caller's to close.
    #[pyo3(signature = (port, rate_hz, speak))]
    fn open_audio(&self, port: &str, rate_hz: u32, speak: bool) -> PyResult<RawFd> {
        self.engine.open_audio(port, rate_hz, speak).map(IntoRawFd::into_raw_fd).map_err(refused)
    }

    /// Ends whatever a port does.
    #[pyo3(signature = (port))]
    fn unlink(&self, port: &str) -> PyResult<()> {
        self.engine.unlink(port).map_err(refused)
    }

    /// Sends what the peer sends back to it.
    #[pyo3(signature = (port))]
    fn echo(&self, port: &str) -> PyResult<()> {
        self.engine.echo(port).map_err(refused)
    }

    /// Sends a tone to the peer, as payload type 0 or 8.
    #[pyo3(signature = (port, frequency_hz, level_dbov, payload_type, duration_ms))]
    fn tone(
        &self,
        port: &str,
        frequency_hz: f64,
        level_dbov: f64,
        payload_type: u8,
        duration_ms: Option<u64>,
    ) -> PyResult<()> {
        let law = law("a tone", payload_type)?;
        self.engine.tone(port, Tone { frequency_hz, level_dbov, law, duration_ms }).map_err(refused)
    }

    /// Sends a signal to the peer: steps of (frequencies, milliseconds, level); none end what sounds.
    #[pyo3(signature = (port, steps, repeat, over_link))]
    fn play_signal(&self, port: &str, steps: Vec<ToldStep>, repeat: bool, over_link: bool) -> PyResult<()> {
        let steps = steps.into_iter().map(step).collect::<PyResult<Vec<Step>>>()?;
        self.engine.play_signal(port, Sounding { steps, repeat, over_link }).map_err(refused)
    }

    /// Listens to what a port hears, from now on for this.
    #[pyo3(signature = (port, keys, voice_end_ms, progress, machine))]
    fn listen(
        &self,
        port: &str,
        keys: bool,
        voice_end_ms: Option<u32>,
        progress: bool,
        machine: bool,
    ) -> PyResult<()> {
        self.engine.listen(port, Ears { keys, voice_end_ms, progress, machine }).map_err(refused)
    }

    /// Presses keys, as telephone events or, as payload type 0, in the sound.
    #[pyo3(signature = (port, digits, payload_type, duration_ms, gap_ms))]
    fn send_digits(
        &self,
        port: &str,
        digits: &str,
        payload_type: u8,
        duration_ms: u64,
        gap_ms: u64,
    ) -> PyResult<()> {
        let digits = Digits { digits: digits.into(), payload_type, duration_ms, gap_ms };
        self.engine.send_digits(port, digits).map_err(refused)
    }

    /// Plays files to the peer, as payload type 0 or 8.
    #[pyo3(signature = (port, playback, files, payload_type, repeat))]
    fn play(
        &self,
        port: &str,
        playback: &str,
        files: Vec<PathBuf>,
        payload_type: u8,
        repeat: bool,
    ) -> PyResult<()> {
        let law = law("a playback", payload_type)?;
        self.engine.play(port, playback, files, law, repeat).map_err(refused)
    }

    /// Keeps a sound in memory: 16 bits a sample, little-endian; with the rate 0 all of a file.
    #[pyo3(signature = (sound, octets, rate_hz))]
    fn load_sound(&self, sound: &str, octets: &[u8], rate_hz: u32) -> PyResult<()> {
        self.engine.load_sound(sound, octets.to_vec(), rate_hz).map_err(refused)
    }

    /// Forgets such a sound.
    #[pyo3(signature = (sound))]
    fn drop_sound(&self, sound: &str) {
        self.engine.drop_sound(sound);
    }

    /// Ends a playback.
    #[pyo3(signature = (port, playback))]
    fn stop_play(&self, port: &str, playback: &str) -> PyResult<()> {
        self.engine.stop_play(port, playback).map_err(refused)
    }

    /// Records what a port hears, and another one if there is one.
    #[pyo3(signature = (port, recording, file, other, stereo, max_duration_s, max_bytes, keep_free_bytes, silence_s))]
    fn record(
        &self,
        port: &str,
        recording: String,
        file: PathBuf,
        other: Option<String>,
        stereo: bool,
        max_duration_s: f64,
        max_bytes: u64,
        keep_free_bytes: u64,
        silence_s: f64,
    ) -> PyResult<()> {
        let wanted = Wanted {
            recording,
            file,
            other,
            stereo,
            longest: seconds("max_duration_s", max_duration_s)?,
            largest: max_bytes,
            keep_free: keep_free_bytes,
            silence: seconds("silence_s", silence_s)?,
        };
        self.engine.record(port, &wanted).map_err(refused)
    }

    /// Ends a recording.
    #[pyo3(signature = (recording))]
    fn stop_record(&self, recording: &str) {
        self.engine.stop_record(recording);
    }

    /// Hold and resume.
    #[pyo3(signature = (port, send, receive))]
    fn set_direction(&self, port: &str, send: bool, receive: bool) -> PyResult<()> {
        self.engine.set_direction(port, send, receive).map_err(refused)
    }

    /// The figures of a port.
    #[pyo3(signature = (port))]
    fn statistics(&self, port: &str) -> PyResult<PortFigures> {
        self.engine.statistics(port).map(Into::into).map_err(refused)
    }

    /// Closes a port: its last figures.
    #[pyo3(signature = (port))]
    fn close(&self, port: &str) -> PyResult<PortFigures> {
        self.engine.close(port).map(Into::into).map_err(refused)
    }

    /// Gives a port to another owner.
    #[pyo3(signature = (port, owner))]
    fn adopt(&self, port: &str, owner: &str) -> PyResult<()> {
        self.engine.adopt(port, owner).map_err(refused)
    }

    /// Closes every port of an owner: [(port, last figures)].
    #[pyo3(signature = (owner))]
    fn close_owner(&self, owner: &str) -> Vec<(String, PortFigures)> {
        let closed = self.engine.close_owner(owner);
        closed.into_iter().map(|(port, statistics)| (port.to_string(), statistics.into())).collect()
    }

    /// Becomes readable when there are events to take.
    fn events_fd(&self) -> RawFd {
        self.engine.events_fd().as_raw_fd()
    }

    /// Takes what happened: [(kind, owner, port, ...)], see the stub for each kind.
    fn take_events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let events = self.engine.take_events();
        events.into_iter().map(|(owner, port, event)| described(py, &owner, &port, event)).collect()
    }

    /// Whether calls can be forwarded in the kernel, and if not, why: "on: eth0" or "off: reason".
    fn kernel_state(&self) -> &str {
        self.engine.kernel_state()
    }

    /// Figures of the whole engine.
    fn counters(&self) -> EngineFigures {
        self.engine.counters().into()
    }
}

fn law(of: &str, payload_type: u8) -> PyResult<Law> {
    Law::of_payload_type(payload_type)
        .ok_or_else(|| argument(format!("{of} needs payload type 0 or 8, got {payload_type}")))
}
