"""Event, Expires and Accept of SUBSCRIBE and PUBLISH."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.events import MAX_ID, Event, accepts, event_of, expires_of
from trunkline.proto.sip.message import Request, parse_message


def request(*lines: str) -> Request:
    """A SUBSCRIBE with these header lines."""
    head = "".join(f"{line}\r\n" for line in lines)
    made = parse_message(f"SUBSCRIBE sip:a@b SIP/2.0\r\n{head}\r\n".encode())
    assert isinstance(made, Request)
    return made


@pytest.mark.rfc("6665", "8.2.1")
@pytest.mark.parametrize(
    ("value", "event"),
    [
        ("dialog", Event("dialog")),
        ("Presence.WInfo", Event("presence.winfo")),
        ("dialog;id=12", Event("dialog", "12")),
        (" dialog ; shared ; id = a1 ", Event("dialog", "a1")),
        ("dialog;id", Event("dialog")),
        ("message-summary", Event("message-summary")),
    ],
)
def test_events_are_read(value: str, event: Event) -> None:
    assert event_of(request(f"Event: {value}")) == event
    assert event_of(request(f"o: {value}")) == event


@pytest.mark.parametrize(
    "value", ["", "two words", "dia,log", 'dialog;id="a b"', f"dialog;id={'x' * (MAX_ID + 1)}"]
)
def test_what_is_no_event_is_refused(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        event_of(request(f"Event: {value}"))


def test_there_may_be_no_event() -> None:
    assert event_of(request()) is None


def test_the_value_is_written_back() -> None:
    assert Event("dialog").value == "dialog"
    assert Event("dialog", "7").value == "dialog;id=7"


@pytest.mark.rfc("3261", "20.19")
def test_expires_is_a_number_of_seconds() -> None:
    assert expires_of(request("Expires: 0"), 60) == 0
    assert expires_of(request(), 60) == 60
    with pytest.raises(RemoteProtocolError):
        expires_of(request("Expires: soon"), 60)


@pytest.mark.rfc("3261", "20.1")
@pytest.mark.parametrize(
    ("accept", "fits"),
    [
        (None, True),
        ("application/pidf+xml", True),
        ("text/plain, APPLICATION/PIDF+XML;q=0.2", True),
        ("application/*", True),
        ("*/*", True),
        ("application/xpidf+xml, text/*", False),
        ("", False),
    ],
)
def test_an_accept_says_which_documents_are_taken(accept: str | None, fits: bool) -> None:
    lines = [] if accept is None else [f"Accept: {accept}"]
    assert accepts(request(*lines), "application/pidf+xml") is fits
