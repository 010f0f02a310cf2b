"""XML as documents of events need it: text that is written safely, and text that is read safely.

A document type can make a few bytes into gigabytes (entities within entities), and name files and addresses to
read. No document of an event package has one, so one that has is refused before anything else is looked at.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from trunkline.base.errors import RemoteProtocolError

MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 1_000

_QUOTED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
# XML 1.0 §2.2: no control but tab, line feed and carriage return; none of these is wanted in a line of ours.
_LINE: Final = str.maketrans({**_QUOTED, **{chr(code): " " for code in range(32)}, "\x7f": " "})


def escaped(text: str) -> str:
    """``text`` for an attribute or for content; what XML cannot hold becomes a space or a question mark."""
    return (
        text.encode("utf-8", "replace")
        .decode()
        .replace("\ufffe", "?")
        .replace("\uffff", "?")
        .translate(_LINE)
    )


def parse(body: bytes) -> Element:
    """The root of a document. Raises RemoteProtocolError for what is not well-formed, or is not harmless."""
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise RemoteProtocolError(f"XML of more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        builder.start(_name(name), {_name(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_name(name))

    def refuse(*_what: object) -> None:
        raise RemoteProtocolError("XML with a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise RemoteProtocolError(f"XML that is not well-formed: {error}") from error
    return builder.close()


def _name(name: str) -> str:
    """``{namespace}name``, as ElementTree writes names."""
    return f"{{{name}" if "}" in name else name
