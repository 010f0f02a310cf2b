//! Events as Python tuples: the kind, the owner, the port, and what the stub says for each kind.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use trunkline_dsp::keys::KeyHeard;
use trunkline_dsp::machine::Answerer;
use trunkline_dsp::progress::Progress;
use trunkline_dsp::vad::VoiceHeard;
use trunkline_engine::{Ended, Event, News, Outcome};

/// An event as a tuple.
pub fn described<'py>(
    py: Python<'py>,
    owner: &str,
    port: &str,
    event: Event,
) -> PyResult<Bound<'py, PyTuple>> {
    let tuple = match event {
        Event::Latched { source, rtcp } => {
            ("latched", owner, port, source.ip().to_string(), source.port(), rtcp).into_bound_py_any(py)
        }
        Event::Inactive { seconds } => ("inactive", owner, port, seconds).into_bound_py_any(py),
        Event::Broken { worker } => {
            let reason = "a fault of the engine ended this port: see what it wrote to its standard error";
            ("engine_lost", owner, port, format!("media-{worker}"), reason).into_bound_py_any(py)
        }
        Event::Active => ("active", owner, port).into_bound_py_any(py),
        Event::Dtmf { key, duration_ms } => ("dtmf", owner, port, key, duration_ms).into_bound_py_any(py),
        Event::Secured { suite } => ("secured", owner, port, suite).into_bound_py_any(py),
        Event::SecurityFailed { reason } => ("security_failed", owner, port, &*reason).into_bound_py_any(py),
        Event::Path { to } => ("path", owner, port, to.ip().to_string(), to.port()).into_bound_py_any(py),
        Event::ConsentLost => ("consent_lost", owner, port).into_bound_py_any(py),
        Event::Heard(news) => heard(py, owner, port, news),
        Event::ToneEnded => ("tone_ended", owner, port).into_bound_py_any(py),
        Event::DigitsSent { digits } => ("digits_sent", owner, port, &*digits).into_bound_py_any(py),
        Event::Extension { data } => ("extension", owner, port, &*data).into_bound_py_any(py),
        Event::KeepAliveLost { silence_ms } => {
            ("keep_alive_lost", owner, port, silence_ms).into_bound_py_any(py)
        }
        Event::KeepAliveBack => ("keep_alive_back", owner, port).into_bound_py_any(py),
        Event::Played(it) => {
            let (code, text) = it.fault.map_or(("", String::new()), |fault| (fault.code, fault.text));
            let outcome = outcome(it.outcome);
            ("played", owner, port, &*it.playback, outcome, it.duration_ms, it.starved, code, text)
                .into_bound_py_any(py)
        }
        Event::Recorded(it) => {
            let (recording, file, ended) = (&*it.recording, it.file.as_os_str(), ended(it.ended));
            ("recorded", owner, port, recording, file, it.duration_ms, it.voice_ms, ended, it.missing)
                .into_bound_py_any(py)
        }
        Event::RecordFailed(it) => {
            let (recording, file) = (&*it.recording, it.file.as_os_str());
            ("record_failed", owner, port, recording, file, it.duration_ms, it.fault.code, it.fault.text)
                .into_bound_py_any(py)
        }
    }?;
    Ok(tuple.cast_into::<PyTuple>()?)
}

fn heard<'py>(py: Python<'py>, owner: &str, port: &str, news: News) -> PyResult<Bound<'py, PyAny>> {
    match news {
        News::Voice(VoiceHeard::Started) => ("voice_started", owner, port).into_bound_py_any(py),
        News::Voice(VoiceHeard::Ended(ms)) => ("voice_ended", owner, port, ms).into_bound_py_any(py),
        News::Progress(signal) => ("tone_heard", owner, port, tone(signal)).into_bound_py_any(py),
        News::Answered(by, ms) => ("answered", owner, port, answerer(by), ms).into_bound_py_any(py),
        News::Beep => ("tone_heard", owner, port, "beep").into_bound_py_any(py),
        News::Key(KeyHeard::Down(key)) => ("dtmf", owner, port, key, 0).into_bound_py_any(py),
        News::Key(KeyHeard::Up(key, ms)) => ("dtmf", owner, port, key, ms).into_bound_py_any(py),
    }
}

fn tone(signal: Progress) -> &'static str {
    match signal {
        Progress::Ringback => "ringback",
        Progress::Busy => "busy",
        Progress::Congestion => "congestion",
        Progress::Dial => "dial",
        Progress::Special => "special",
        Progress::FaxCalling => "fax_calling",
        Progress::FaxAnswering => "fax_answering",
    }
}

fn answerer(answerer: Answerer) -> &'static str {
    match answerer {
        Answerer::Human => "human",
        Answerer::Machine => "machine",
        Answerer::Fax => "fax",
        Answerer::Unknown => "unknown",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Finished => "finished",
        Outcome::Stopped => "stopped",
        Outcome::Failed => "failed",
    }
}

fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Stopped => "stopped",
        Ended::Closed => "closed",
        Ended::Silence => "silence",
        Ended::Duration => "duration",
        Ended::Size => "size",
    }
}
