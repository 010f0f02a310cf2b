"""TLS flows over real sockets: certificates, names, clients' certificates, deadlines, faults."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.loopback.net.kit import ANSWER, REQUEST, Exchange, Peer, TlsPeer
from tests.peers.authority import Authority, server
from trunkline.base.errors import ConfigError, TransportError
from trunkline.net import CertificateFiles, Flow, Listener, ListenerTls, SelfSigned, TlsSettings

Start = Callable[..., Awaitable[Exchange]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def local(authority: Authority) -> CertificateFiles:
    return authority.issue("pbx.example", "127.0.0.1", "::1")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as raw:
        raw.setblocking(False)
        yield raw


def address_of(listening: socket.socket) -> tuple[str, int]:
    host, port = listening.getsockname()
    return host, port


async def served(one: Exchange, listening: socket.socket) -> Peer:
    async with asyncio.timeout(20):
        raw, _ = await asyncio.get_running_loop().sock_accept(listening)
    one.peers.append(Peer(raw))
    return one.peers[-1]


async def connected(one: Exchange, context: ssl.SSLContext, name: str) -> tuple[TlsPeer, Flow]:
    peer = await one.tls_peer(context, name)
    await peer.send(REQUEST)
    data, flow = await one.heard()
    assert data == REQUEST
    return peer, flow


@pytest.mark.rfc("3261", "26.3.1")
async def test_requests_and_answers_go_through_one_tls_connection(
    exchange: Start, authority: Authority, local: CertificateFiles, address: str
) -> None:
    one = await exchange(f"tls:{address}:0", tls=TlsSettings((local,)))
    peer, flow = await connected(one, authority.client(), address.strip("[]"))
    assert (flow.transport, flow.reliable, flow.remote) == ("TLS", True, peer.peer.address)
    flow.send(ANSWER)
    flow.send(REQUEST)
    assert await peer.receive(len(ANSWER + REQUEST)) == ANSWER + REQUEST
    assert one.net.flow_from_token(flow.token) is flow
    assert one.net.flow_to("TLS", *peer.peer.address) is flow
    assert one.net.counters.streams["TLS"].connections == 1
    large = b"INVITE sip:a@b SIP/2.0\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
    await peer.send(large + b"\r\n\r\n")
    assert (await one.heard())[0] == large
    assert await peer.receive(2) == b"\r\n"


async def test_a_peers_goodbye_ends_the_flow_and_ours_reaches_the_peer(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,)))
    peer, flow = await connected(one, authority.client(), "127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    await peer._pump()
    assert await one.ended() is flow
    other, _ = await connected(one, authority.client(), "127.0.0.1")
    await one.net.stop()
    assert await other.receive() == b""


@pytest.mark.rfc("6066", "3")
@pytest.mark.rule("T-28")
@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("pbx.example", "pbx.example"),
        ("a.office.example", "*.office.example"),
        ("b.office.example", "b.office.example"),
        ("unknown.example", "pbx.example"),
        ("", "pbx.example"),
    ],
)
async def test_the_name_that_a_client_asks_for_chooses_the_certificate(
    exchange: Start, authority: Authority, local: CertificateFiles, asked: str, shown: str
) -> None:
    more = authority.issue("*.office.example"), authority.issue("b.office.example")
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local, *more)))
    peer = await one.tls_peer(authority.client(check_hostname=False), asked)
    assert shown in peer.certificate_names


async def test_a_listener_may_have_a_certificate_of_its_own(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    own = ListenerTls(authority.issue("trunk.example"))
    one = await exchange("tls:127.0.0.1:0", Listener("tls:127.0.0.1:0", tls=own), tls=TlsSettings((local,)))
    assert "pbx.example" in (await one.tls_peer(authority.client(), "pbx.example")).certificate_names
    assert (await one.tls_peer(authority.client(), "trunk.example", 1)).certificate_names == {"trunk.example"}
    assert "pbx.example" in (await one.tls_peer(authority.client(), "pbx.example", 1)).certificate_names


@pytest.mark.parametrize("asked", ["127.0.0.1", "pbx.example", "more.example"])
@pytest.mark.parametrize("mode", ["request", "require"])
async def test_a_clients_certificate_is_checked_whatever_name_it_asks_for(
    exchange: Start, authority: Authority, local: CertificateFiles, mode: str, asked: str, tmp_path: Path
) -> None:
    listener = Listener(
        "tls:127.0.0.1:0",
        tls=ListenerTls(client_certificate=mode, client_ca=authority.ca),  # type: ignore[arg-type]
    )
    one = await exchange(listener, tls=TlsSettings((local, authority.issue("more.example"))))
    await connected(one, authority.client(authority.issue("phone.example")), asked)
    stranger = Authority(tmp_path, "Strangers").issue("phone.example")
    refused = await one.tls_peer(authority.client(stranger), asked)
    # In TLS 1.3 the client is done before we have looked at its certificate.
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        await refused.receive()
    nobody = await one.tls_peer(authority.client(), asked)
    if mode == "require":
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
            await nobody.receive()
    else:
        await nobody.send(REQUEST)
        await one.heard()
    assert one.net.counters.streams["TLS"].handshakes_failed == (2 if mode == "require" else 1)


@pytest.mark.rfc("5922", "7.3")
@pytest.mark.parametrize(
    ("names", "asked", "accepted"),
    [
        (("sip:carrier.example",), "carrier.example", True),
        (("sip.carrier.example", "carrier.example"), "carrier.example", True),
        (("*.carrier.example",), "eu.carrier.example", True),
        (("127.0.0.1",), "", True),
        (("sip:carrier.example", "other.example"), "other.example", False),
        (("carrier.example",), "", False),
        (("other.example",), "carrier.example", False),
        (("*.carrier.example",), "carrier.example", False),
    ],
)
async def test_a_server_must_prove_the_domain_that_we_wanted(
    exchange: Start,
    authority: Authority,
    local: CertificateFiles,
    listening: socket.socket,
    names: tuple[str, ...],
    asked: str,
    accepted: bool,
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,), ca=authority.ca))
    flow = one.net.flow_to("TLS", *address_of(listening), server_name=asked)
    flow.send(REQUEST, one.on_failure)
    peer = await served(one, listening)
    tls = await TlsPeer.shake_hands(peer, server(authority.issue(*names, file="server")), server=True)
    if accepted:
        assert await tls.receive(len(REQUEST)) == REQUEST
        assert one.net.flow_to("TLS", *address_of(listening), server_name=asked.upper()) is flow
        another = one.net.flow_to("TLS", *address_of(listening), server_name="another.example")
        assert another is not flow
        return
    assert f"certificate is not for {asked or '127.0.0.1'}" in str(await one.failed())
    assert flow.closed
    assert await tls.end()


async def test_a_server_of_an_unknown_authority_is_refused(
    exchange: Start, authority: Authority, local: CertificateFiles, listening: socket.socket, tmp_path: Path
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,), ca=authority.ca))
    flow = one.net.flow_to("TLS", *address_of(listening), server_name="carrier.example")
    flow.send(REQUEST, one.on_failure)
    peer = await served(one, listening)
    context = server(Authority(tmp_path, "Strangers").issue("carrier.example"))
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        await TlsPeer.shake_hands(peer, context, server=True)
    assert "is not accepted: unable to get local issuer certificate" in str(await one.failed())
    assert one.net.counters.streams["TLS"].handshakes_failed == 1


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_server_that_speaks_no_tls_fails_what_was_sent(
    exchange: Start, local: CertificateFiles, listening: socket.socket
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,)), handshake_timeout_s=0.1)
    flow = one.net.flow_to("TLS", *listening.getsockname())
    flow.send(REQUEST, one.on_failure)
    silent = await served(one, listening)
    assert "no TLS handshake within 0.1 s" in str(await one.failed())
    assert await silent.end()
    flow = one.net.flow_to("TLS", *listening.getsockname())
    flow.send(REQUEST, one.on_failure)
    talker = await served(one, listening)
    await talker.send(ANSWER)
    assert "wrong version number" in str(await one.failed())
    flow = one.net.flow_to("TLS", *listening.getsockname())
    flow.send(REQUEST, one.on_failure)
    (await served(one, listening)).close()
    assert "closed the connection during the TLS handshake" in str(await one.failed())
    assert one.net.counters.streams["TLS"].handshakes_failed == 3


async def test_a_name_that_tls_cannot_ask_for_is_an_error(exchange: Start, local: CertificateFiles) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,)))
    with pytest.raises(TransportError, match="no name that TLS can ask for"):
        one.net.flow_to("TLS", "127.0.0.1", 9, server_name=".example")
    assert one.net.counters.connections == 0


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_handshake_that_does_not_come_or_is_none_ends_the_connection(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,)), handshake_timeout_s=0.1)
    silent, noisy = await one.peer(), await one.peer()
    await noisy.send(REQUEST)
    assert await noisy.end()
    assert await silent.end()
    probe = await one.peer()
    probe.close()
    assert [await one.ended() for _ in range(3)]
    # Who only looks whether the port is open is not counted as a failure.
    assert one.net.counters.streams["TLS"].handshakes_failed == 2
    old = authority.client()
    with pytest.deprecated_call():
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        await one.tls_peer(old, "127.0.0.1")


async def test_connections_are_bounded_before_their_handshake(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,)), max_connections_per_source=1)
    silent = await one.peer()
    assert await (await one.peer()).end()
    assert one.net.counters.refused == 1
    silent.close()
    await one.ended()
    await connected(one, authority.client(), "127.0.0.1")


async def test_a_peer_that_does_not_read_is_cut_off_at_the_bound(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,)), write_buffer=100_000)
    peer, flow = await connected(one, authority.client(), "127.0.0.1")
    async with asyncio.timeout(20):
        while not flow.closed:
            flow.send(ANSWER + b"x" * 50_000, one.on_failure)
            await asyncio.sleep(0)
    assert "unread" in str(await one.failed())
    assert await one.ended() is flow
    assert await peer.end()


async def test_noise_within_the_connection_ends_it(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((local,)))
    peer, flow = await connected(one, authority.client(), "127.0.0.1")
    await peer.peer.send(b"\x17\x03\x03\x00\x20" + os.urandom(32))
    assert await one.ended() is flow
    other, flow = await connected(one, authority.client(), "127.0.0.1")
    await other.send(b"\x00")
    assert await one.ended() is flow
    assert one.net.counters.framing_errors == 1


async def test_new_files_are_taken_over_for_new_connections(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    old = authority.issue("pbx.example", file="renewed")
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings((old,)), sweep_s=0.02)
    peer, flow = await connected(one, authority.client(), "pbx.example")
    authority.issue("pbx.example", "new.pbx.example", file="renewed")
    async with asyncio.timeout(20):
        while True:
            fresh = await one.tls_peer(authority.client(), "pbx.example")
            if "new.pbx.example" in fresh.certificate_names:
                break
    flow.send(ANSWER)
    assert await peer.receive(len(ANSWER)) == ANSWER


async def test_a_listener_without_a_certificate_gets_one_of_our_own_making(
    exchange: Start, tmp_path: Path
) -> None:
    path = tmp_path / "tls" / "self-signed.pem"
    one = await exchange("tls:127.0.0.1:0", tls=TlsSettings(self_signed=SelfSigned(path, ("127.0.0.1",))))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    await connected(one, context, "127.0.0.1")
    assert str(path) in next(iter(one.net.tls.notices()))


async def test_a_start_without_a_usable_certificate_binds_nothing(exchange: Start, tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path / "none.pem", tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"none\.pem, which cannot be read: No such file"):
        await exchange("udp:127.0.0.1:0", "tls:127.0.0.1:0", tls=TlsSettings((files,)))


@pytest.mark.rule("T-27")
@pytest.mark.rfc("5923", "9.1")
async def test_a_connection_that_is_offered_is_used_for_whom_its_certificate_names(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    asking = ListenerTls(client_certificate="request", client_ca=authority.ca)
    one = await exchange(Listener("tls:127.0.0.1:0", tls=asking), tls=TlsSettings((local,), ca=authority.ca))
    offer = REQUEST.replace(
        b"\r\n", b"\r\nVia: SIP/2.0/TLS sip.peer.example:5081;branch=z9hG4bK1;alias\r\n", 1
    )

    async def offered(files: CertificateFiles | None) -> tuple[TlsPeer, Flow]:
        peer = await one.tls_peer(authority.client(files), "127.0.0.1")
        await peer.send(offer)
        return peer, (await one.heard())[1]

    def found(name: str, port: int = 5081) -> Flow | None:
        return one.net._connections.find(one.net.listeners[0], "127.0.0.1", port, name)

    await offered(None)
    assert found("peer.example") is None, "nobody has proved anything"
    _, flow = await offered(authority.issue("sip:peer.example", file="peer"))
    assert one.net.flow_to("TLS", "127.0.0.1", 5081, server_name="Peer.example") is flow
    assert found("other.example") is None
    assert found("") is None, "the certificate is for no address"
    assert found("peer.example", 5082) is None
    newer_peer, newer = await offered(authority.issue("sip:peer.example", file="peer"))
    assert found("peer.example") is newer
    newer_peer.peer.close()
    await one.ended()
    assert found("peer.example") is None


@pytest.mark.rule("T-27")
@pytest.mark.rfc("5923", "9.1")
async def test_a_connection_that_is_not_offered_is_not_found_by_another_port(
    exchange: Start, authority: Authority, local: CertificateFiles
) -> None:
    asking = ListenerTls(client_certificate="request", client_ca=authority.ca)
    one = await exchange(Listener("tls:127.0.0.1:0", tls=asking), tls=TlsSettings((local,), ca=authority.ca))
    peer = await one.tls_peer(authority.client(authority.issue("peer.example")), "127.0.0.1")
    for header in (
        b"Via: SIP/2.0/TLS peer.example:5081;branch=z9hG4bKx;aliases\r\n",
        b"v: ;alias\r\n",
        b"X: ;alias\r\n",
    ):
        await peer.send(REQUEST.replace(b"\r\n", b"\r\n" + header, 1))
        await one.heard()
    assert one.net._connections.find(one.net.listeners[0], "127.0.0.1", 5081, "peer.example") is None
