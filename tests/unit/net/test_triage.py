"""Which datagrams go first while there are too many."""

from __future__ import annotations

import pytest

from trunkline.net.triage import Triage, is_new

PEER = ("192.0.2.1", 5060)


def message(start: str, to: str = "To: <sip:a@b>") -> bytes:
    return f"{start}\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\n{to}\r\n\r\n".encode()


@pytest.mark.rule("T-11")
@pytest.mark.parametrize(
    ("data", "new"),
    [
        (message("INVITE sip:a@b SIP/2.0"), True),
        (message("REGISTER sip:b SIP/2.0"), True),
        (message("SUBSCRIBE sip:b SIP/2.0"), True),
        (message("INVITE sip:a@b SIP/2.0", "To: <sip:a@b>;tag=2"), False),
        (message("INVITE sip:a@b SIP/2.0", "t:<sip:a@b> ; TAG=2"), False),
        (message("INVITE sip:a@b SIP/2.0", "t : <sip:a@b>"), True),
        (message("BYE sip:a@b SIP/2.0"), False),
        (message("ACK sip:a@b SIP/2.0"), False),
        (message("CANCEL sip:a@b SIP/2.0"), False),
        (message("PRACK sip:a@b SIP/2.0"), False),
        (message("OPTIONS sip:a@b SIP/2.0"), False),
        (message("SIP/2.0 200 OK"), False),
        (b"\x00\xff" * 20, False),
    ],
)
def test_what_asks_for_something_new_is_told_by_its_bytes(data: bytes, new: bool) -> None:
    assert is_new(data) is new


@pytest.mark.rule("T-11")
def test_what_stands_is_served_at_once_and_some_of_what_is_new_in_its_turn() -> None:
    invites = [message(f"INVITE sip:{number}@b SIP/2.0") for number in range(5)]
    byes = [message(f"BYE sip:{number}@b SIP/2.0") for number in range(5)]
    served: list[bytes] = []
    triage = Triage(lambda data, _peer: served.append(data), most=10)
    for pair in zip(invites, byes, strict=True):
        for data in pair:
            triage.take((data, PEER))
    assert served == byes
    triage.serve_new(2)
    assert served == byes + invites[:2]
    triage.serve_new(9)
    assert served == byes + invites


@pytest.mark.rule("T-11")
def test_when_enough_of_what_is_new_waits_no_more_is_to_be_taken() -> None:
    triage = Triage(lambda _data, _peer: None, most=3)
    for number in range(3):
        assert not triage.full
        triage.take((message(f"INVITE sip:{number}@b SIP/2.0"), PEER))
        triage.take((message(f"BYE sip:{number}@b SIP/2.0"), PEER))
    assert triage.full
    triage.serve_new(1)
    assert not triage.full


def of_call(method: str, call_id: str, name: str = "Call-ID: ") -> bytes:
    return message(f"{method} sip:a@b SIP/2.0").replace(b"\r\n\r\n", f"\r\n{name}{call_id}\r\n\r\n".encode())


@pytest.mark.rfc("3261", "9.2")
@pytest.mark.rule("T-11")
@pytest.mark.parametrize("name", ["Call-ID: ", "i:", "call-id :  "])
def test_a_cancel_does_not_overtake_its_invite_that_waits(name: str) -> None:
    served: list[bytes] = []
    triage = Triage(lambda data, _peer: served.append(data), most=10)
    invite, cancel = of_call("INVITE", "one@x"), of_call("CANCEL", "one@x", name)
    triage.take((invite, PEER))
    other = of_call("CANCEL", "two@x")
    triage.take((other, PEER))
    triage.take((cancel, PEER))
    assert served == [other]
    triage.take((invite, PEER))
    triage.serve_new(2)
    assert served == [other, invite, cancel]
    triage.take((cancel, PEER))
    triage.serve_new(5)
    assert served[3:] == [invite, cancel]
    triage.take((cancel, PEER))
    assert served[5:] == [cancel]


def test_what_waits_may_be_cleared_while_it_is_served() -> None:
    served: list[bytes] = []

    def serve(data: bytes, _peer: object) -> None:
        served.append(data)
        triage.clear()

    triage = Triage(serve, most=10)
    for number in range(3):
        triage.take((message(f"INVITE sip:{number}@b SIP/2.0"), PEER))
    triage.serve_new(3)
    assert len(served) == 1
