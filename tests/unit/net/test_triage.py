"""Which datagrams go first while there are too many."""

from __future__ import annotations

import pytest

from trunkline.net.triage import in_order, is_new

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
def test_what_stands_is_served_before_what_is_new_and_each_in_its_order() -> None:
    invites = [message(f"INVITE sip:{number}@b SIP/2.0") for number in range(3)]
    byes = [message(f"BYE sip:{number}@b SIP/2.0") for number in range(3)]
    served: list[bytes] = []
    burst = [(data, PEER) for pair in zip(invites, byes, strict=True) for data in pair]
    in_order(burst, lambda data, _peer: served.append(data))
    assert served == byes + invites
