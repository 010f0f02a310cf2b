"""HTTP of apps: what is read past h11 must be what h11 reads."""

from __future__ import annotations

from typing import Final

import h11

from trunkline.api.usual import Usual, read_usual

_MAX_HEAD: Final = 16_384


def http_request(data: bytes) -> None:
    """A connection's first bytes: taken as a usual request only where h11 reads that one request and nothing else."""
    found = read_usual(data, _MAX_HEAD)
    if found is not None:
        assert found == by_h11(data)


def by_h11(data: bytes) -> Usual | None:
    """What h11 reads, when that is one whole request and nothing else, after which the connection stays."""
    conn = h11.Connection(h11.SERVER)
    conn.receive_data(data)
    try:
        request, body = conn.next_event(), b""
        if not isinstance(request, h11.Request) or conn.their_state is h11.MUST_CLOSE:
            return None
        while isinstance(event := conn.next_event(), h11.Data):
            body += bytes(event.data)
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.EndOfMessage) or conn.trailing_data[0] or conn.their_state is not h11.DONE:
        return None
    headers = [(name.lower(), value) for name, value in request.headers]
    return Usual(request.method.decode(), request.target, headers, body)
