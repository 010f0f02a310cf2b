"""XML of strangers is read safely, and text of strangers written safely."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.pbx.events.xml import MAX_DEPTH, MAX_ELEMENTS, escaped, parse

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><p>&c;</p>'
)
FILE = b'<!DOCTYPE p [<!ENTITY f SYSTEM "file:///etc/passwd">]><p>&f;</p>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        FILE,
        b'<!DOCTYPE p SYSTEM "http://192.0.2.1/p.dtd"><p/>',
        b"<!DOCTYPE p><p/>",
        b"",
        b"no xml",
        b"<p>",
        b"<p></q>",
        b"<p/><p/>",
        b"<p>&unknown;</p>",
        b"<p>\x00</p>",
        b"\xff\xfe<p/>",
        b'<?xml version="1.0" encoding="nonsense"?><p/>',
        b"<p xmlns:x='a'><y:z/></p>",
        b"<p>" * (MAX_DEPTH + 1) + b"</p>" * (MAX_DEPTH + 1),
        b"<p>" + b"<q/>" * MAX_ELEMENTS + b"</p>",
    ],
)
def test_what_is_malformed_or_not_harmless_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse(body)


def test_names_carry_their_namespaces() -> None:
    root = parse(b'<p xmlns="urn:a" xmlns:b="urn:b" c="1" b:d="2">x<b:e/>y</p>')
    assert root.tag == "{urn:a}p"
    assert dict(root.attrib) == {"c": "1", "{urn:b}d": "2"}
    assert root[0].tag == "{urn:b}e"
    assert (root.text, root[0].tail) == ("x", "y")


@pytest.mark.parametrize(
    "text", ["plain", '<&">', "a\r\nb\x00\x1b", "Grüße", "\udcff", "\ufffe\uffff", "\U0001f4de"]
)
def test_any_text_becomes_well_formed(text: str) -> None:
    root = fromstring(f'<p a="{escaped(text)}">{escaped(text)}</p>')  # noqa: S314  (our own document)
    assert root.get("a") == root.text
    assert "\n" not in (root.text or "")
