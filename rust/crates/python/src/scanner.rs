//! The SIP scanner for Python: one call for each message, everything in one tuple.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use trunkline_sip::{Scan, Start, Tag, TopVia, scan};

type Via<'py> = (String, String, Option<u16>, &'py str, &'py str, &'py str, usize);
type Scanned<'py> = (
    bool,
    Bound<'py, PyAny>,
    &'py str,
    Bound<'py, PyDict>,
    Bound<'py, PyBytes>,
    Option<Via<'py>>,
    Option<(u32, &'py str)>,
    Option<&'py str>,
    Option<&'py str>,
    bool,
);

/// Scans messages; ``canonical`` maps spellings of header names to the canonical one.
#[pyclass(frozen)]
pub struct Scanner {
    names: HashMap<Box<[u8]>, Py<PyString>>,
    via: Py<PyString>,
}

#[pymethods]
impl Scanner {
    #[new]
    fn new(py: Python<'_>, canonical: HashMap<String, String>) -> Self {
        // Interned, so that one name is one object, whatever its spelling.
        let key = |name: &str| PyString::intern(py, name).unbind();
        let names = canonical
            .into_iter()
            .map(|(name, to)| (name.into_bytes().into_boxed_slice(), key(&to)))
            .collect();
        Self { names, via: key("Via") }
    }

    /// ``(is_request, method or status, uri or reason, headers, body, via, cseq, from_tag, to_tag, sound)``, or
    /// None for a message that is left to the full parser. A tag of "" is one that was not judged.
    fn scan<'py>(&self, py: Python<'py>, data: &'py [u8]) -> PyResult<Option<Scanned<'py>>> {
        let Some(found) = scan(data) else { return Ok(None) };
        let (Some(body), Some((headers, via))) = (found.cut_body(), self.headers(py, &found)?) else {
            return Ok(None);
        };
        let (is_request, first, second) = match found.start {
            Start::Request(method, uri) => (true, PyString::intern(py, method).into_any(), uri),
            Start::Response(status, reason) => (false, status.into_pyobject(py)?.into_any(), reason),
        };
        let sound = found.is_sound(via.as_ref().map(|(_, via)| via));
        Ok(Some((
            is_request,
            first,
            second,
            headers,
            PyBytes::new(py, &data[body]),
            via.map(|(value, via)| split(value, &via)),
            found.cseq(),
            tag(found.from_tag()),
            tag(found.to_tag()),
            sound,
        )))
    }
}

impl Scanner {
    /// The headers under their canonical names, several values apart by a line feed, and the topmost Via.
    #[allow(clippy::type_complexity)]
    fn headers<'py>(
        &self,
        py: Python<'py>,
        found: &Scan<'py>,
    ) -> PyResult<Option<(Bound<'py, PyDict>, Option<(&'py str, TopVia<'py>)>)>> {
        let headers = PyDict::new(py);
        let mut via = None;
        let via_key = self.via.bind(py);
        for header in &found.headers {
            let Some(key) = self.names.get(header.name.as_bytes()) else { return Ok(None) };
            let key = key.bind(py);
            match headers.get_item(key)? {
                Some(earlier) => {
                    let earlier: String = earlier.extract()?;
                    headers.set_item(key, format!("{earlier}\n{}", header.value))?;
                }
                None => {
                    if via_key.is(key) {
                        via = found.via(header.value).map(|top| (header.value, top));
                    }
                    headers.set_item(key, header.value)?;
                }
            }
        }
        Ok(Some((headers, via)))
    }
}

fn split<'py>(value: &'py str, via: &TopVia<'py>) -> Via<'py> {
    (
        via.transport.to_ascii_uppercase(),
        via.host.to_ascii_lowercase(),
        via.port,
        via.branch,
        &value[..via.tail],
        &value[via.tail..via.end],
        via.end,
    )
}

fn tag(tag: Tag<'_>) -> Option<&str> {
    match tag {
        Tag::Unknown => Some(""),
        Tag::Missing => None,
        Tag::Given(text) => Some(text),
    }
}
