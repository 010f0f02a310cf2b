//! Figures as Python objects: one object each, whose numbers become Python's when they are asked for.

use pyo3::prelude::*;
use trunkline_engine::{Counters, Statistics};

/// Figures of one port at one moment.
#[pyclass(frozen, get_all, module = "trunkline._native._engine")]
pub struct PortFigures {
    packets_in: u64,
    bytes_in: u64,
    packets_out: u64,
    bytes_out: u64,
    rtcp_in: u64,
    rtcp_out: u64,
    lost: u64,
    jitter_ms: f64,
    foreign: u64,
    invalid: u64,
    refused: u64,
    last_heard_s: Option<f64>,
    ssrc: Option<u32>,
    payload_type: Option<u8>,
    concealed: u64,
    late: u64,
    rtt_ms: Option<f64>,
    remote_lost: Option<u32>,
    remote_jitter_ms: Option<f64>,
    mos: Option<f64>,
    remote_mos: Option<f64>,
    kernel: bool,
    kernel_packets: u64,
}

impl From<Statistics> for PortFigures {
    fn from(of: Statistics) -> Self {
        Self {
            packets_in: of.packets_in,
            bytes_in: of.bytes_in,
            packets_out: of.packets_out,
            bytes_out: of.bytes_out,
            rtcp_in: of.rtcp_in,
            rtcp_out: of.rtcp_out,
            lost: of.lost,
            jitter_ms: of.jitter_ms,
            foreign: of.foreign,
            invalid: of.invalid,
            refused: of.refused,
            last_heard_s: of.last_heard_s,
            ssrc: of.ssrc,
            payload_type: of.payload_type,
            concealed: of.concealed,
            late: of.late,
            rtt_ms: of.rtt_ms,
            remote_lost: of.remote_lost,
            remote_jitter_ms: of.remote_jitter_ms,
            mos: of.mos,
            remote_mos: of.remote_mos,
            kernel: of.kernel,
            kernel_packets: of.kernel_packets,
        }
    }
}

/// Figures of the whole engine.
#[pyclass(frozen, get_all, module = "trunkline._native._engine")]
pub struct EngineFigures {
    ports_open: usize,
    ports_free: usize,
    ports_resting: usize,
    packets_relayed: u64,
    packets_unsent: u64,
    packets_stray: u64,
    events_dropped: u64,
    wakeups: u64,
    kernel_ports: usize,
    kernel_packets: u64,
}

impl From<Counters> for EngineFigures {
    fn from(of: Counters) -> Self {
        Self {
            ports_open: of.ports_open,
            ports_free: of.ports_free,
            ports_resting: of.ports_resting,
            packets_relayed: of.packets_relayed,
            packets_unsent: of.packets_unsent,
            packets_stray: of.packets_stray,
            events_dropped: of.events_dropped,
            wakeups: of.wakeups,
            kernel_ports: of.kernel_ports,
            kernel_packets: of.kernel_packets,
        }
    }
}
