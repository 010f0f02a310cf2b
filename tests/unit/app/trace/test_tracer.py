"""The tap is on while anybody looks, and what it shows has lost its secrets."""

from __future__ import annotations

import pytest

from tests.unit.app.trace.samples import sip
from tests.unit.app.trace.scene import FakeNet, invite
from trunkline.app.trace.tracer import Seen, Tracer, call_id_of
from trunkline.net import Listener


class Notes:
    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def take(self, seen: Seen) -> None:
        self.seen.append(seen)


def test_the_tap_is_on_while_there_are_viewers() -> None:
    net, one, other = FakeNet(), Notes(), Notes()
    tracer = Tracer(net, lambda: 5.0)
    assert net.on is None
    tracer.add(one)
    tracer.add(other)
    net.show(invite("a"))
    tracer.remove(one)
    tracer.remove(one)
    net.show(invite("b"))
    tracer.remove(other)
    assert net.on is None
    assert [len(one.seen), len(other.seen)] == [1, 2]
    assert one.seen[0].at == 5.0


def test_a_message_is_told_with_both_ends_and_without_secrets() -> None:
    net, notes = FakeNet(), Notes()
    tracer = Tracer(net, lambda: 5.0)
    tracer.add(notes)
    net.show(sip("REGISTER sip:a SIP/2.0", 'Authorization: Digest response="abc"'))
    told = tracer.traced(notes.seen[0], bodies=False)
    assert (told.local, told.remote, told.transport, told.call) == (
        "192.0.2.1:5060",
        "192.0.2.10:5062",
        "UDP",
        "a1",
    )
    assert 'response="xxx"' in told.data


def test_a_listener_on_all_addresses_is_told_as_the_one_that_is_sent_from() -> None:
    net, notes = FakeNet(), Notes()
    tracer = Tracer(net, lambda: 5.0)
    tracer.add(notes)
    net.show(invite("a"), remote="127.0.0.1", listener=Listener("udp:0.0.0.0:5060"))
    assert tracer.traced(notes.seen[0], bodies=False).local == "127.0.0.1:5060"


@pytest.mark.parametrize(
    ("data", "call_id"),
    [
        (b"INVITE a SIP/2.0\r\nCall-ID: a@b\r\n\r\n", "a@b"),
        (b"INVITE a SIP/2.0\r\ni :  a \r\n\r\n", "a"),
        (b"INVITE a SIP/2.0\r\ncall-id:a\r\n\r\n", "a"),
        (b"INVITE a SIP/2.0\r\n\r\nCall-ID: body", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_the_call_id_is_found_in_every_spelling(data: bytes, call_id: str) -> None:
    assert call_id_of(data) == call_id
