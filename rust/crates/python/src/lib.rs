//! `trunkline._native._engine`: the media engine and the SIP scanner for Python.
//!
//! No thread of the engine ever touches Python: every call here is made by Python, is short, and waits for
//! nobody, except [`MediaEngine::stop`], which lets go of the interpreter while it joins the threads.

mod arguments;
mod binding;
mod codec;
mod events;
mod figures;
mod scanner;
mod sound;

use pyo3::prelude::*;

/// The compiled parts; use ``trunkline.media`` and ``trunkline.proto.sip`` instead.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use crate::arguments::EngineError;
    #[pymodule_export]
    use crate::binding::MediaEngine;
    #[pymodule_export]
    use crate::codec::{Codec, Rates};
    #[pymodule_export]
    use crate::figures::{EngineFigures, PortFigures};
    #[pymodule_export]
    use crate::scanner::Scanner;
}
