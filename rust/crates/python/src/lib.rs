//! `trunkline._native._engine`: the media engine for Python.
//!
//! No thread of the engine ever touches Python: every call here is made by Python, is short, and waits for
//! nobody, except [`MediaEngine::stop`], which lets go of the interpreter while it joins the threads.

mod arguments;
mod binding;
mod figures;

use pyo3::prelude::*;

/// The compiled media engine; use ``trunkline.media`` instead.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use crate::arguments::EngineError;
    #[pymodule_export]
    use crate::binding::MediaEngine;
    #[pymodule_export]
    use crate::figures::{EngineFigures, PortFigures};
}
