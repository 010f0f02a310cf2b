"""The authorities of stand-ins: a client may trust several of them, by one file."""

from __future__ import annotations

import ssl

import pytest

from trunkline.push.doubles.authority import Authority


def handshake(authority: Authority, trusted: bytes) -> None:
    """A client that trusts these meets a server of one of them; raises SSLError when it does not believe it."""
    context = ssl.create_default_context(cadata=trusted.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(back, there, server_hostname="localhost")
    server = authority.server_context().wrap_bio(there, back, server_side=True)
    for one in (client, server, client, server):
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_several_authorities_fit_into_one_file() -> None:
    ours = [Authority() for _ in range(3)]
    trusted = b"".join(one.ca_pem for one in ours)
    for one in ours:
        handshake(one, trusted)


def test_who_is_not_in_the_file_is_not_believed() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(Authority(), Authority().ca_pem)
