//! The SIP scanner for Python: one call for each message, everything in one tuple.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use trunkline_sip::{Scan, Start, Tag, TopVia, scan, stamp};

type Via<'py> = (String, String, Option<u16>, &'py str, &'py str, &'py str, usize);
type Scanned<'py> = (
    Bound<'py, PyAny>,
    &'py str,
    Bound<'py, PyDict>,
    Bound<'py, PyBytes>,
    Option<Via<'py>>,
    Option<(u32, &'py str)>,
    Option<&'py str>,
    Option<&'py str>,
    bool,
    Option<(String, String)>,
);

const COOKIE: &str = "z9hG4bK";

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

    /// ``(method or status, uri or reason, headers, body, via, cseq, from_tag, to_tag, sound, reply)``,
    /// or None for a message that is left to the full parser. A tag of "" is one that was not judged.
    ///
    /// With the source of a sound request, ``reply`` is what answering it takes: its place among the transactions
    /// (branch and sent-by), and the header lines that every response repeats; the Via in ``headers`` has
    /// ``received`` and ``rport`` then.
    #[pyo3(signature = (data, host=None, port=0))]
    fn scan<'py>(
        &self,
        py: Python<'py>,
        data: &'py [u8],
        host: Option<&str>,
        port: u16,
    ) -> PyResult<Option<Scanned<'py>>> {
        let Some(found) = scan(data) else { return Ok(None) };
        let (Some(body), Some((headers, via))) = (found.cut_body(), self.headers(py, &found)?) else {
            return Ok(None);
        };
        let (first, second) = match found.start {
            Start::Request(method, uri) => (PyString::intern(py, method).into_any(), uri),
            Start::Response(status, reason) => (status.into_pyobject(py)?.into_any(), reason),
        };
        let fields = found.fields();
        let sound = found.is_sound(via.as_ref().map(|(_, via)| via), &fields);
        let is_request = matches!(found.start, Start::Request(..));
        let reply = match (host, &via) {
            (Some(host), Some((value, via))) if is_request && sound => {
                self.reply(&headers, &found, value, via, (host, port))?
            }
            _ => None,
        };
        Ok(Some((
            first,
            second,
            headers,
            PyBytes::new(py, &data[body]),
            via.map(|(value, via)| split(value, &via)),
            fields.cseq,
            tag(fields.from_tag),
            tag(fields.to_tag),
            sound,
            reply,
        )))
    }
}

impl Scanner {
    /// Stamps the Via in ``headers`` and puts together what an answer repeats (RFC 3261 §8.2.6.2).
    fn reply<'py>(
        &self,
        headers: &Bound<'py, PyDict>,
        found: &Scan<'py>,
        value: &'py str,
        via: &TopVia<'py>,
        source: (&str, u16),
    ) -> PyResult<Option<(String, String)>> {
        let only = |canonical, short| found.only(canonical, short);
        let own_branch = via.branch.len() > COOKIE.len() && via.branch.starts_with(COOKIE);
        let (Some(_), Some(from), Some(call_id), Some(cseq)) =
            (only("Via", "v"), only("From", "f"), only("Call-ID", "i"), only("CSeq", "CSeq"))
        else {
            return Ok(None);
        };
        if !own_branch || source.0.contains('%') {
            return Ok(None);
        }
        let Some(stamped) = stamp(value, via, source.0, source.1) else { return Ok(None) };
        let host = via.host.to_ascii_lowercase();
        let place = match via.port {
            Some(port) => format!("{} {host}:{port}", via.branch),
            None => format!("{} {host}", via.branch),
        };
        let echo = format!("Via: {stamped}\r\nFrom: {from}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n");
        headers.set_item(&self.via, stamped)?;
        Ok(Some((place, echo)))
    }

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
